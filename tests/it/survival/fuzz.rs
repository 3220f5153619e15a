//! Every fuzz target on its inputs, and on mutations of them. cargo-fuzz does the same for longer, see
//! docs/RELIABILITY.md. `FUZZ_INPUTS` sets how many mutations, `FUZZ_SEED` which ones.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

/// Mutated inputs of each target.
const INPUTS: u64 = 2000;

/// Pseudo-random numbers, the same at every run.
struct Numbers(u64);

impl Numbers {
    /// Returns a number below `end`; 0 if `end` is 0.
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

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let file = Path::new("tests/fuzz/inputs").join(format!("{target}.txt"));
    targets::corpus::inputs(&fs::read_to_string(file).unwrap())
}

/// Returns an input with some bytes changed, removed, repeated, or replaced by bytes of another input.
fn mutated(inputs: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = inputs[numbers.below(inputs.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len());
        let to = at + numbers.below((input.len() - at).min(16));
        match numbers.below(5) {
            0 if at < input.len() => input[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            2 => drop(input.drain(at..to)),
            3 => drop(input.splice(at..at, input[at..to].to_vec())),
            _ => {
                let other = &inputs[numbers.below(inputs.len())];
                let from = numbers.below(other.len());
                let end = from + numbers.below((other.len() - from).min(32));
                drop(input.splice(at..to, other[from..end].iter().copied()));
            }
        }
    }
    input
}

#[test]
fn every_fuzz_target_passes_on_its_inputs_and_their_mutations() {
    let threads: Vec<_> = targets::TARGETS
        .map(|(name, target)| {
            std::thread::spawn(move || {
                let inputs = inputs(name);
                let mut numbers = Numbers(given("FUZZ_SEED", 1));
                target(b"");
                inputs.iter().for_each(|input| target(input));
                for _ in 0..given("FUZZ_INPUTS", INPUTS) {
                    target(&mutated(&inputs, &mut numbers));
                }
            })
        })
        .into();
    for (thread, (name, _)) in threads.into_iter().zip(targets::TARGETS) {
        assert!(thread.join().is_ok(), "{name}");
    }
}

/// Inputs whose requests are all refused would compare refusals only.
#[test]
fn most_inputs_of_the_verifier_are_valid_requests() {
    let inputs = inputs("verifier");
    let valid = inputs.iter().filter(|input| {
        let signed = targets::request::signed(&input[1..]);
        let request = signed.and_then(|text| targets::request::Request::read(&text));
        request.is_some_and(|request| targets::verdict::verdict(&request).is_some())
    });
    assert!(valid.count() * 2 > inputs.len());
}

#[test]
fn inputs_are_unpacked_as_they_were_escaped() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let text = format!("# a comment\n\n{}\n#", every_byte.escape_ascii());
    assert_eq!(targets::corpus::inputs(&text), [every_byte]);
}
