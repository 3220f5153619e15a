//! Benchmarks: throughput as ratios to floors that run in turn with the server, and counts of what a request
//! costs. `cargo bench` runs the short ones, `cargo bench -- pages appends` those two. docs/BENCHMARKS.md says
//! what each part measures.
//!
//! The server is the real binary in a process of its own; the client is this process.

#![allow(clippy::unwrap_used, reason = "a panic stops the bench with a message")]
#![allow(clippy::print_stdout, reason = "the report goes there")]

mod appends;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/it/support/call.rs"]
mod call;
mod callgrind;
mod counts;
mod events;
mod floor;
mod load;
mod mixed;
mod pages;
mod plot;
mod positions;
mod process;
mod report;
mod scale;
mod served;
mod signature;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Unix time in milliseconds at which a call is signed unless it sets another one.
const NOW: i64 = 0;

/// Measures throughput against floors, and counts what requests cost
#[derive(Parser)]
struct Arguments {
    /// Parts to run [default: all but the long ones]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Seconds that `mixed` runs
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Stored events up to which `scale` goes
    #[arg(long, default_value_t = 10_000_000)]
    events: i64,
    /// Cargo adds this flag.
    #[arg(long, hide = true)]
    bench: bool,
    /// Run the floor server that answers every request with this file
    #[arg(long, hide = true)]
    serve_file: Option<PathBuf>,
    /// Run the floor server that answers pages from this SQLite database
    #[arg(long, hide = true)]
    serve_database: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Pages of 1 to 1,000 events at 1 to 64 connections
    Pages,
    /// Durable appends of 1 to 100 events at 1 to 256 connections
    Appends,
    /// Pages far into long histories and lists, against first pages
    Positions,
    /// Instructions, statements and context switches of a request, against their bounds; needs valgrind
    Counts,
    /// Latency, memory and bytes as the database grows to ten million events: 4 GB of disk, about 2 minutes
    Scale,
    /// Readers and appenders together for ten minutes; writes docs/mixed.svg
    Mixed,
    /// Time and allocations of checking a signature
    Signature,
}

impl Part {
    /// Parts that take about a minute each, run by default.
    const SHORT: [Part; 5] = [
        Part::Pages,
        Part::Appends,
        Part::Positions,
        Part::Counts,
        Part::Signature,
    ];

    fn run(self, arguments: &Arguments) {
        match self {
            Part::Pages => pages::run(),
            Part::Appends => appends::run(),
            Part::Positions => positions::run(),
            Part::Counts => counts::run(),
            Part::Scale => scale::run(arguments.events),
            Part::Mixed => mixed::run(arguments.seconds),
            Part::Signature => signature::run(),
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.serve_file {
        return floor::http::serve_file(file);
    }
    if let Some(file) = &arguments.serve_database {
        return floor::http::serve_database(file.clone());
    }
    let parts = match &arguments.parts[..] {
        [] => &Part::SHORT,
        named => named,
    };
    for part in parts {
        part.run(&arguments);
    }
    let _ = std::fs::remove_dir_all(served::folders());
}
