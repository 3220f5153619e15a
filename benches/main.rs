//! What FlowLedger costs, as ratios against floors that run beside it: `cargo bench`, or
//! `cargo bench -- pages appends` for some of it. docs/BENCHMARKS.md says what each part measures.
//!
//! The server is the program itself, in a process of its own; the client is this process.

#![allow(clippy::unwrap_used, reason = "in a bench a panic is the message")]

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

use clap::{Parser, ValueEnum};

/// Signed at the present time, unless a call says otherwise.
const NOW: i64 = 0;

/// Ratios against floors, and counts.
#[derive(Parser)]
struct Arguments {
    /// All but the long ones if none is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How long `mixed` takes
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// To how many stored events `scale` goes
    #[arg(long, default_value_t = 10_000_000)]
    events: i64,
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
    /// Pages far into long histories and lists
    Positions,
    /// Instructions, statements and changes of threads of a request, against their bounds; needs valgrind
    Counts,
    /// What grows with the stored events, up to ten million: 4 GB of disk, about 2 minutes
    Scale,
    /// Readers and appenders together; writes docs/mixed.svg
    Mixed,
    /// Checking a signature, and what it allocates
    Signature,
}

impl Part {
    /// Those that take a minute or so each.
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
        return floor::http::serve(file);
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
