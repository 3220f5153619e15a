//! Every test that needs more than one module, as one binary.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the test runner shows it"
)]
#![allow(clippy::too_many_lines, reason = "a table of cases is one thing")]

mod action;
mod auth;
mod bad_input;
mod cli;
mod client;
mod conformance;
mod errors;
mod fairness;
mod migration;
mod properties;
mod root_cause;
mod server;
mod signature;
mod store;
mod support;
mod survival;
mod tidy;
mod timeline;
mod tools;
mod ui;
