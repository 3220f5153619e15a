//! What each fuzz target asserts. A target takes any bytes and panics when a promise is broken; `spec` and
//! `json` read the specification a second time, plainly, and share no code with the server.
//!
//! `bin/` hands them to cargo-fuzz; `tests/it/survival/fuzz.rs` runs corpus and some more in `cargo test`.

pub mod authorization;
pub mod canonical;
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

/// Takes an input; panics when a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
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
