//! Property tests: pages put together are the history, a store behaves like a model of plain lists, also with
//! many concurrent callers; text and times are kept. `PROPTEST_CASES` sets how many cases, `PROPTEST_RNG_SEED` which.

mod execution_model;
mod histories;
mod lists;
mod operations;
mod store_model;
mod values;
mod write_queue;

pub use histories::runtime;
use proptest::{prelude::*, test_runner::RngSeed};

/// The same cases at every run, unless the environment says otherwise.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let given = |name: &str| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if given("PROPTEST_CASES") {
            default.cases
        } else {
            cases
        },
        rng_seed: if given("PROPTEST_RNG_SEED") {
            default.rng_seed
        } else {
            RngSeed::Fixed(20_190_315)
        },
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..default
    }
}

/// A character that software often handles wrongly, or any other.
fn character() -> impl Strategy<Value = char> {
    let awkward: Vec<char> = "\"\\/<>&'{}[],:%+ \u{7f}\u{85}\u{a0}\u{feff}\u{2028}\u{2029}\u{fffd}\u{ffff}\u{1F600}\u{10ffff}步é\u{301}"
        .chars()
        .collect();
    prop_oneof![
        3 => prop::char::range('a', 'z'),
        2 => prop::char::range('\0', '\u{1f}'),
        3 => prop::sample::select(awkward),
        1 => any::<char>(),
    ]
}

/// Text of at most `most` characters.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..=most).prop_map(String::from_iter)
}
