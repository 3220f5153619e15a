//! What each fuzz target asserts. A target takes any bytes and panics if a rule of the contract is broken. `spec`
//! and `json` implement the specification a second time, plainly, and share no code with the server.
//!
//! `bin/` hands the targets to cargo-fuzz; `tests/it/survival/fuzz.rs` runs them in `cargo test`, on the inputs of
//! `inputs/` and on mutations of these.

pub mod authorization;
pub mod canonical;
pub mod corpus;
pub mod events;
pub mod json;
pub mod names;
pub mod parameters;
pub mod request;
pub mod spec;
pub mod time;
pub mod tokens;
pub mod verdict;
pub mod verifier;

/// Takes an input; panics if a rule of the contract is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file in `inputs/`.
pub const TARGETS: [(&str, Target); 8] = [
    ("authorization", authorization::check),
    ("canonical", canonical::check),
    ("events", events::check),
    ("names", names::check),
    ("parameters", parameters::check),
    ("time", time::check),
    ("tokens", tokens::check),
    ("verifier", verifier::check),
];
