//! Instructions of one request, counted by callgrind: figures that no other load on the machine changes.
//!
//! The server runs twice, the second time with more requests; the difference is theirs alone.

use std::{fs, path::Path, process::Command};

use crate::{
    report,
    served::{self, EXECUTION, Served},
};

/// Requests of the shorter and the longer run.
const RUNS: [usize; 2] = [50, 550];

/// Instructions of a request as `requests` makes them, in all.
fn counted(folder: &Path, requests: impl Fn(usize) -> Vec<Vec<u8>>) -> f64 {
    let [few, many] = RUNS.map(|count| {
        let out = folder.join("callgrind.out");
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(env!("CARGO_BIN_EXE_flowledger"));
        let server = Served::start_by(command, folder);
        server.connect(1).send(&requests(count));
        server.stop();
        total(&fs::read_to_string(out).unwrap())
    });
    (many - few) / (RUNS[1] - RUNS[0]) as f64
}

/// What callgrind writes near the end: `totals: N`.
fn total(out: &str) -> f64 {
    let totals = out.lines().find_map(|line| line.strip_prefix("totals: "));
    totals.expect("totals").parse().unwrap()
}

pub fn run() {
    let folder = served::filled("instructions");
    report::head("Instructions of a request", &["request", "thousands"]);
    for limit in [1, 100, 1000] {
        let requests = |count| -> Vec<_> {
            (0..count)
                .map(|_| served::page(EXECUTION, 1, limit, &[]))
                .collect()
        };
        let instructions = counted(&folder, requests);
        report::line(&[
            format!("page of {limit}"),
            format!("{:.1}", instructions / 1e3),
        ]);
    }
}
