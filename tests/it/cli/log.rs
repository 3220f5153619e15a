//! The log of `serve`: its lines, and outputs that do not take them.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    command,
    serve::{KNOWN, Process},
};
use crate::support::Call;

#[test]
fn every_request_is_one_log_line_without_secrets_queries_or_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let key = [
        ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
    ];
    let server = Process::serve(folder.path(), &[], &key);
    server.code(("ops", "s3cret"));
    server.send(
        &Call::new("X\n\u{1b}[31m")
            .query("FlowName", "a\r\nb\u{1b}")
            .query("Note", "in-the-query")
            .bytes(),
    );
    server.send(b"GET /unknown?Note=in-the-query HTTP/1.1\r\nHost: x\r\n\r\n");
    server.stop("TERM");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line.get("request.id").is_some())
        .collect();
    let field = |name: &str| {
        requests
            .iter()
            .map(|line| line[name].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        field("code"),
        ["FlowNotExists", "InvalidAccessKeyID", "InvalidArgument"]
    );
    assert_eq!(field("action"), ["DescribeFlow", "", ""]);
    assert_eq!(field("key.id"), ["ops", "", ""], "a proven key only");
    assert!(
        field("peer.addr")
            .iter()
            .all(|peer| peer.starts_with("127.0.0.1:"))
    );
    assert_eq!(field("flow.name"), ["none", "a\\r\\nb\\u{1b}", ""]);
    assert!(requests.iter().all(|line| {
        line["elapsed_ms"]
            .as_f64()
            .is_some_and(|elapsed| elapsed < 10_000.0)
    }));
    for hidden in ["s3cret", "in-the-query", "Signature=", "\u{1b}"] {
        assert!(!log.contains(hidden), "{hidden:?} in {log}");
    }
}

#[test]
fn lines_about_anonymous_callers_are_limited_and_suppressed_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &KEY);
    let begun = Instant::now();
    let refused = || server.send(b"GET /?Action=ListFlows HTTP/1.1\r\nHost: x\r\n\r\n");
    for _ in 0..200 {
        assert!(refused().starts_with("HTTP/1.1 400 "));
    }
    thread::sleep(Duration::from_secs(1));
    refused(); // its line has the number of those suppressed before
    let windows = begun.elapsed().as_secs() + 2;
    server.stop("TERM");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let lines = log.lines().filter(|line| line.contains("\"refused: "));
    let suppressed: Vec<_> = lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.get("suppressed")
                .map_or(0, |count| count.as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        suppressed.len() as u64 + suppressed.iter().sum::<u64>(),
        201
    );
    assert!(suppressed.len() as u64 <= 10 * windows, "{log}");
}

#[test]
fn start_is_a_log_line_that_says_what_runs_where() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--database-url", "sqlite://a.db"], &KEY);
    let address = server.address.to_string();
    server.stop("TERM");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let line: serde_json::Value = { lines }
        .find(|line: &serde_json::Value| line["message"] == "started")
        .expect(&log);
    let version = line["version"].as_str().unwrap();
    assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{line}");
    assert_eq!(line["listen.addr"], address);
    let file = folder.path().canonicalize().unwrap().join("a.db");
    assert_eq!(line["database.path"], file.to_str().unwrap());
    let engine = line["database.engine"].as_str().unwrap();
    assert!(engine.starts_with("SQLite 3."), "{line}");
    let migrations = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite"));
    assert_eq!(line["database.schema"], migrations.unwrap().count());
    for limit in ["limits.connections", "limits.waits", "limits.readers"] {
        assert!(
            line[limit].as_u64().is_some_and(|limit| limit > 0),
            "{line}"
        );
    }
    assert_eq!(line["demo"], false);
}

/// Requests whose log lines are far more than a pipe holds, which is 64 KiB.
const REQUESTS: usize = 500;
const KEY_PAIR: (&str, &str) = ("ops", "s3cret");
const KEY: [(&str, &str); 2] = [
    ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
    ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
];

/// Serves with this standard error: requests are answered, and SIGTERM ends the process with 0.
fn serves_with_stderr(stderr: impl Into<Stdio>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve_with_stderr(folder.path(), &[], &KEY, stderr);
    for _ in 0..REQUESTS {
        assert_eq!(server.code(KEY_PAIR), KNOWN);
    }
    let health = server.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    assert_eq!(server.stop("TERM").0, Some(0));
}

#[test]
fn standard_error_pipe_without_reader_delays_no_answer_and_no_stop() {
    let (_unread, write) = io::pipe().unwrap();
    serves_with_stderr(write);
}

#[test]
fn closed_pipe_as_standard_error_costs_no_answer() {
    let (read, write) = io::pipe().unwrap();
    drop(read);
    serves_with_stderr(write);
}

#[test]
fn full_device_as_standard_error_costs_no_answer() {
    serves_with_stderr(File::options().write(true).open("/dev/full").unwrap());
}

/// Bytes that a pipe holds by default.
const PIPE_BYTES: usize = 64 * 1024;

#[test]
fn start_that_fails_ends_although_standard_error_is_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let (_unread, mut write) = io::pipe().unwrap();
    write.write_all(&[b'x'; PIPE_BYTES]).unwrap();
    let mut command = command(folder.path(), &["serve", "--keys", "missing.toml"]);
    command.args(["--listen", "127.0.0.1:0"]).stderr(write);
    assert_eq!(command.status().unwrap().code(), Some(1));
}

/// A file system of 4 MiB in this folder.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// Returns None, and says so, if this user may not mount.
    fn mount(folder: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: only root may mount a tmpfs");
        }
        mounted.then_some(Tmpfs(folder))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn full_disk_with_log_and_database_costs_no_answer_and_dropped_lines_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(folder.path()) else {
        return;
    };
    let server = Process::serve(disk.0, &[], &KEY);
    let ballast = disk.0.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    for _ in 0..REQUESTS {
        assert_eq!(server.code(KEY_PAIR), KNOWN);
    }
    drop(file);
    fs::remove_file(&ballast).unwrap();
    let report = loop {
        assert_eq!(server.code(KEY_PAIR), KNOWN);
        let log = fs::read_to_string(disk.0.join("log")).unwrap();
        if let Some(line) = log.lines().find(|line| line.contains("dropped_lines")) {
            break line.to_owned();
        }
    };
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let dropped = report["dropped_lines"].as_u64().unwrap();
    assert!(dropped > 0 && dropped <= REQUESTS as u64, "{report}");
    assert_eq!(server.stop("TERM").0, Some(0));
}
