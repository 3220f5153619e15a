//! Every test that needs more than one module, as one binary.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod action;
mod cli;
mod conformance;
mod server;
mod support;
