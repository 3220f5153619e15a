//! Requests that the server answers under valgrind's callgrind, and what that counts: nothing else that
//! the machine does changes it.

use std::{collections::HashSet, fs, path::Path, process::Command};

use crate::served::Served;

/// What callgrind wrote when the server had answered `requests`, one after the other.
pub struct Profile(String);

impl Profile {
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

    /// All instructions.
    pub fn instructions(&self) -> u64 {
        let totals = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        totals.expect("totals").parse().unwrap()
    }

    /// How often functions were called whose names begin so, and the instructions of these calls, with those
    /// of all that they call. Calls from within themselves are no others, nor are their closures.
    pub fn calls(&self, function: &str) -> (u64, u64) {
        // A function is named `(NUMBER) NAME` the first time, `(NUMBER)` after that.
        let mut numbers = HashSet::new();
        let mut wanted = |name: &'_ str| {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if name.starts_with(function) && !name.contains(['\'', '{']) {
                numbers.insert(number.to_owned());
            }
            numbers.contains(number)
        };
        let (mut calls, mut instructions) = (0, 0);
        let mut is_wanted = false;
        let mut lines = self.0.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("fn=") {
                wanted(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                is_wanted = wanted(name);
            } else if let Some(call) = line.strip_prefix("calls=") {
                let cost = lines.next().and_then(|line| line.split(' ').next_back());
                if is_wanted {
                    calls += number(call.split(' ').next());
                    instructions += number(cost);
                }
            }
        }
        assert!(
            calls > 0,
            "{function} was not called, or has no symbol any more"
        );
        (calls, instructions)
    }
}

fn number(text: Option<&str>) -> u64 {
    text.expect("a number").parse().unwrap()
}
