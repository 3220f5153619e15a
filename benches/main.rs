//! What FlowLedger costs, as ratios against floors that run beside it: `cargo bench`, or
//! `cargo bench -- pages appends` for some of it. docs/BENCHMARKS.md says what each part measures.
//!
//! The server is the program itself, in a process of its own; the client is this process.

#![allow(clippy::unwrap_used, reason = "in a bench a panic is the message")]

mod appends;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/it/support/call.rs"]
mod call;
mod events;
mod floor;
mod instructions;
mod load;
mod pages;
mod report;
mod served;
mod signature;

use clap::{Parser, ValueEnum};

/// Signed at the present time, unless a call says otherwise.
const NOW: i64 = 0;

/// Ratios against floors; all parts but the long ones if none is named.
#[derive(Parser)]
struct Arguments {
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serve the bytes of this file as the answer to everything, and say where: the floor of HTTP
    #[arg(long, hide = true)]
    serve_file: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Pages of 1 to 1,000 events, one to 64 connections
    Pages,
    /// Appends of 1 to 100 events, one to 256 connections
    Appends,
    /// Instructions of a request, counted by valgrind's callgrind
    Instructions,
    /// Checking a signature, and what it allocates
    Signature,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(file) = arguments.serve_file {
        return floor::http::serve(&file);
    }
    let wanted = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    if wanted(Part::Pages) {
        pages::run();
    }
    if wanted(Part::Appends) {
        appends::run();
    }
    if wanted(Part::Instructions) {
        instructions::run();
    }
    if wanted(Part::Signature) {
        signature::run();
    }
}
