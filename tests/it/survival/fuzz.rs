//! Every fuzz target on its corpus, and on changed inputs of it; cargo-fuzz does the same for longer, see
//! docs/RELIABILITY.md. `FUZZ_INPUTS` asks for more of them, `FUZZ_SEED` for others.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

/// Changed inputs of each target.
const INPUTS: u64 = 2000;

/// The same numbers at every run.
struct Numbers(u64);

impl Numbers {
    /// Any number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

fn given(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One input with some bytes changed, taken out, repeated, or put in from another.
fn changed(corpus: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len());
        let to = at + numbers.below((input.len() - at).min(16));
        match numbers.below(5) {
            0 if at < input.len() => input[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            2 => drop(input.drain(at..to)),
            3 => drop(input.splice(at..at, input[at..to].to_vec())),
            _ => {
                let other = &corpus[numbers.below(corpus.len())];
                let from = numbers.below(other.len());
                let end = from + numbers.below((other.len() - from).min(32));
                drop(input.splice(at..to, other[from..end].iter().copied()));
            }
        }
    }
    input
}

#[test]
fn no_target_is_broken_by_its_corpus_or_what_is_like_it() {
    let threads: Vec<_> = targets::TARGETS
        .map(|(name, target)| {
            std::thread::spawn(move || {
                let corpus = corpus(name);
                let mut numbers = Numbers(given("FUZZ_SEED", 1));
                corpus.iter().for_each(|input| target(input));
                for _ in 0..given("FUZZ_INPUTS", INPUTS) {
                    target(&changed(&corpus, &mut numbers));
                }
            })
        })
        .into();
    for (thread, (name, _)) in threads.into_iter().zip(targets::TARGETS) {
        assert!(thread.join().is_ok(), "{name}");
    }
}

/// A corpus of which nothing is let in would compare refusals only.
#[test]
fn most_requests_of_the_verifiers_corpus_are_let_in() {
    let corpus = corpus("verifier");
    let let_in = corpus.iter().filter(|input| {
        let signed = targets::request::signed(&input[1..]);
        let request = signed.and_then(|text| targets::request::Request::read(&text));
        request.is_some_and(|request| targets::verdict::verdict(&request).is_some())
    });
    assert!(let_in.count() * 2 > corpus.len());
}
