//! Standard output and standard error that are closed or full: exit codes, and no panic.

use std::{
    fs::File,
    io,
    process::{Output, Stdio},
};

use super::{beside, with_failed};
use crate::support::Server;

/// Runs of commands that print something and succeed.
const PRINTS: [&[&str]; 9] = [
    &["--help"],
    &["--version"],
    &["ls", "--help"],
    &["completion", "bash"],
    &["ls"],
    &["ls", "f", "--json"],
    &["show", "f", "e", "--events"],
    &["stats", "f"],
    &["call", "ListFlows"],
];

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

fn closed() -> Stdio {
    io::pipe().unwrap().1.into()
}

async fn run(server: &Server, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = beside(folder.path(), server, arguments, &[]);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let Output { status, stderr, .. } = command.spawn().unwrap().wait_with_output().await.unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn reader_that_closed_standard_output_is_no_error() {
    let server = with_failed().await;
    for arguments in PRINTS {
        let run = run(&server, arguments, closed(), Stdio::piped()).await;
        assert_eq!(run, (0, String::new()), "{arguments:?}");
    }
    let tail = ["tail", "f", "e"];
    let run = run(&server, &tail, closed(), Stdio::piped()).await;
    assert_eq!(run, (0, String::new()));
}

#[tokio::test]
async fn full_standard_output_ends_with_1_and_a_line() {
    let server = with_failed().await;
    let tail: &[&str] = &["tail", "f", "e"];
    for arguments in PRINTS.into_iter().chain([tail]) {
        let (code, stderr) = run(&server, arguments, full(), Stdio::piped()).await;
        let expected = "flowledger: standard output cannot be written: No space left on device (os error 28)\n";
        assert_eq!((code, stderr.as_str()), (1, expected), "{arguments:?}");
    }
}

#[tokio::test]
async fn closed_or_full_standard_error_changes_no_exit_code() {
    let server = with_failed().await;
    for stderr in [full, closed] {
        for (arguments, expected) in [
            (&["--nonsense"][..], 2),
            (&["show", "f"], 2),
            (&["ls", "none"], 1),
            (&["ls"], 0),
            (&["tail", "f", "e"], 1),
        ] {
            let run = run(&server, arguments, Stdio::piped(), stderr()).await;
            assert_eq!(run.0, expected, "{arguments:?}");
        }
    }
}

#[tokio::test]
async fn version_names_the_commit_of_a_release() {
    let server = Server::start().await;
    let version = super::printed(&server, &["--version"]).await;
    let name = format!("flowledger {} (", env!("CARGO_PKG_VERSION"));
    let origin = version
        .strip_prefix(&name)
        .and_then(|rest| rest.strip_suffix(")\n"));
    let origin = origin.expect(&version);
    if cfg!(debug_assertions) {
        assert_eq!(origin, "development build");
    } else {
        assert!(origin.len() == 12 && origin.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
