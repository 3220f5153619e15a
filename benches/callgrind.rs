//! Runs the server under valgrind's callgrind and reads its counts, which do not depend on the clock or on the
//! load of the machine.

use std::{collections::HashSet, fs, path::Path, process::Command};

use crate::served::Served;

/// Callgrind's output for one run of the server.
pub struct Profile(String);

impl Profile {
    /// Runs the server on the database in `folder` while it answers `requests`, one after the other.
    pub fn of(folder: &Path, requests: &[Vec<u8>]) -> Self {
        let out = folder.join("callgrind.out");
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(env!("CARGO_BIN_EXE_flowledger"));
        let server = Served::start_by(command, folder);
        server.connect(1).send(requests);
        server.stop();
        Profile(fs::read_to_string(out).unwrap())
    }

    /// Returns the number of all instructions.
    pub fn instructions(&self) -> u64 {
        let totals = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        totals.expect("totals").parse().unwrap()
    }

    /// Returns how often functions whose names begin with `function` were called, and the instructions of these
    /// calls, including those of their callees. Closures in these functions are not counted as calls.
    pub fn calls(&self, function: &str) -> (u64, u64) {
        // Callgrind writes `(NUMBER) NAME` for the first mention of a function, and `(NUMBER)` afterwards.
        let mut numbers = HashSet::new();
        let mut matches = |name: &'_ str| {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if name.starts_with(function) && !name.contains(['\'', '{']) {
                numbers.insert(number.to_owned());
            }
            numbers.contains(number)
        };
        let (mut calls, mut instructions) = (0, 0);
        let mut is_counted = false;
        let mut lines = self.0.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("fn=") {
                matches(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                is_counted = matches(name);
            } else if let Some(call) = line.strip_prefix("calls=") {
                let cost = lines.next().and_then(|line| line.split(' ').next_back());
                if is_counted {
                    calls += number(call.split(' ').next());
                    instructions += number(cost);
                }
            }
        }
        assert!(
            calls > 0,
            "{function} was not called, or its symbol was renamed or inlined"
        );
        (calls, instructions)
    }
}

fn number(text: Option<&str>) -> u64 {
    text.expect("a number").parse().unwrap()
}
