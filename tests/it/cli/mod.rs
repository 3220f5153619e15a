//! The program as users run it.

mod append;
mod base_path;
mod call;
mod check;
mod demo;
mod hostile;
mod keys;
mod log;
mod ls;
mod mermaid;
mod output;
mod postgres;
mod serve;
mod show;
mod tail;
mod terminal;

use std::{path::Path, process::Stdio};

use flowledger::clock::Clock;
use serde_json::{Value, json};
pub use serve::{Process, command};
use tokio::{io::AsyncWriteExt, process::Child};

use crate::support::{Call, NOW, Server, call::seconds};

/// The result of a run.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Returns a command that calls this server with its admin key, 100 columns wide.
fn beside(
    folder: &Path,
    server: &Server,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> tokio::process::Command {
    // The program's clock is the system's.
    server.set_time(Clock::System.now().millis());
    let mut command = tokio::process::Command::from(serve::command(folder, arguments));
    command
        .env("FLOWLEDGER_ENDPOINT", format!("http://{}", server.address))
        .env("FLOWLEDGER_ACCESS_KEY_ID", "testid")
        .env("FLOWLEDGER_ACCESS_KEY_SECRET", "testsecret")
        .env("COLUMNS", "100")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn spawn(server: &Server, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let folder = tempfile::tempdir().unwrap();
    beside(folder.path(), server, arguments, environment)
        .spawn()
        .unwrap()
}

/// Runs the program to its end with this standard input.
async fn run_with(
    server: &Server,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Run {
    let mut child = spawn(server, arguments, environment);
    let mut stdin = child.stdin.take().unwrap();
    let write = async move {
        // A program that does not read its input closes it.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output.unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn run(server: &Server, arguments: &[&str]) -> Run {
    run_with(server, arguments, &[], "").await
}

/// Runs the program, which must succeed, and returns what it prints.
pub async fn printed(server: &Server, arguments: &[&str]) -> String {
    let run = run(server, arguments).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    run.out
}

/// Returns the text without what depends on the day of the test.
fn dated(text: &str) -> String {
    let mut dated = String::new();
    for line in text.lines() {
        let line = match (line.find("Z, "), line.find(" ago")) {
            (Some(begin), Some(end)) => format!("{}…{}", &line[..begin + 3], &line[end..]),
            _ => line.to_owned(),
        };
        dated.push_str(&line);
        dated.push('\n');
    }
    dated
}

/// Returns an event `at` milliseconds after the start.
fn event(at: i64, event_type: &str, step: &str, detail: &str) -> Value {
    let millis = NOW + at;
    let time = seconds(millis).replace('Z', &format!(".{:03}Z", millis % 1000));
    json!({"Type": event_type, "StepName": step, "EventDetail": detail, "Time": time})
}

/// Returns the events of a step whose task fails twice and then succeeds, or whose step fails then.
fn pay(succeeds: bool) -> Vec<Value> {
    let fault = |n| format!(r#"{{"error":"FC.Unknown","cause":"gateway: 503, attempt {n}"}}"#);
    let mut events = vec![
        event(10, "StepEntered", "pay", r#"{"input":{"total":5}}"#),
        event(12, "StepStarted", "pay", "{}"),
        event(20, "TaskScheduled", "pay", "{}"),
        event(120, "TaskStarted", "pay", "{}"),
        event(620, "TaskFailed", "pay", &fault(1)),
        event(1_620, "TaskScheduled", "pay", "{}"),
        event(1_630, "TaskStarted", "pay", "{}"),
        event(2_130, "TaskFailed", "pay", &fault(2)),
    ];
    if succeeds {
        events.push(event(4_130, "TaskScheduled", "pay", "{}"));
        events.push(event(4_140, "TaskSubmitted", "pay", "{}"));
        events.push(event(
            9_140,
            "TaskSucceeded",
            "pay",
            r#"{"output":{"receipt":"R-1"}}"#,
        ));
        events.push(event(9_142, "StepSucceeded", "pay", "{}"));
    } else {
        events.push(event(2_135, "StepFailed", "pay", &fault(2)));
    }
    events
}

/// Starts a server with flow `f` and a failed execution `e`.
async fn with_failed() -> Server {
    let server = Server::with_execution().await;
    let mut events = pay(false);
    events.push(event(2_140, "StepExited", "pay", "{}"));
    events.push(event(
        2_150,
        "ExecutionFailed",
        "",
        r#"{"error":"FC.Unknown","cause":"step pay failed"}"#,
    ));
    server.append(&Value::from(events)).await;
    server
}

/// Starts a server with flow `f` and a running execution `e`.
async fn with_running() -> Server {
    let server = Server::with_execution().await;
    server.append(&Value::from(pay(true))).await;
    server
}

/// Starts another execution of flow `f`.
async fn start(server: &Server, name: &str) {
    let start = Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", name);
    server.ok(start.at(server.app.clock.now().millis())).await;
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_failure_with_1_and_one_line() {
    let server = Server::with_execution().await;
    for arguments in [
        &["show", "f"][..],
        &["tail"],
        &["append", "f", "e", "--first", "0"],
        &["call", "X", "noequals"],
        &["ls", "--status", "Failed"],
        &["completion", "tcsh"],
        &["check", "test.db"],
    ] {
        assert_eq!(run(&server, arguments).await.code, 2, "{arguments:?}");
    }
    let none = [
        ("FLOWLEDGER_ACCESS_KEY_ID", ""),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", ""),
    ];
    for (arguments, environment, expected) in [
        (
            &["show", "f", "none"][..],
            &[][..],
            "ExecutionNotExists: Execution 'none' for flow 'f' does not exist.",
        ),
        (
            &["ls", "none"],
            &[],
            "FlowNotExists: Flow 'none' does not exist.",
        ),
        (
            &["ls"],
            &[("FLOWLEDGER_ACCESS_KEY_SECRET", "wrong")],
            "SignatureNotMatch: ",
        ),
        (
            &["ls"],
            &none,
            "no access key: set FLOWLEDGER_ACCESS_KEY_ID and FLOWLEDGER_ACCESS_KEY_SECRET, or name a file with --keys",
        ),
        (
            &["ls", "--endpoint", "here"],
            &[],
            "'here' is not an endpoint; use http://HOST:PORT or https://HOST",
        ),
        (
            &["ls", "--endpoint", "http://127.0.0.1:1"],
            &[],
            "http://127.0.0.1:1/: Connection refused",
        ),
        (
            &["ls", "--keys", "missing.toml"],
            &[],
            "missing.toml: No such file",
        ),
        (
            &["ls", "--key", "other"],
            &[],
            "there is no key 'other'; there are: testid",
        ),
    ] {
        let run = run_with(&server, arguments, environment, "").await;
        assert_eq!(
            (run.code, run.out.as_str(), run.err.lines().count()),
            (1, "", 1),
            "{}",
            run.err
        );
        assert!(
            run.err.starts_with("flowledger: ") && run.err.contains(expected),
            "{}",
            run.err
        );
    }
}

#[tokio::test]
async fn key_flag_chooses_one_of_several_keys() {
    let server = Server::with_execution().await;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    std::fs::write(&keys, crate::support::KEYS).unwrap();
    let keys = keys.to_str().unwrap();
    let none = [
        ("FLOWLEDGER_ACCESS_KEY_ID", ""),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", ""),
    ];
    let ls = async |more: &[&str]| {
        run_with(
            &server,
            &[&["ls", "--keys", keys][..], more].concat(),
            &none,
            "",
        )
        .await
    };
    let unsaid = ls(&[]).await;
    assert_eq!(unsaid.code, 1);
    assert!(
        unsaid
            .err
            .contains("choose one key with --key: expired, narrow, reader, sts, testid, writer"),
        "{}",
        unsaid.err
    );
    for (key, expected) in [("reader", "f\t\n"), ("narrow", ""), ("sts", "f\t\n")] {
        let run = ls(&["--key", key]).await;
        assert_eq!(
            (run.code, run.out.as_str()),
            (0, expected),
            "{key}: {}",
            run.err
        );
    }
    assert!(
        ls(&["--key", "expired"])
            .await
            .err
            .contains("InvalidAccessKeyID")
    );
}

#[tokio::test]
async fn every_command_has_examples_and_every_shell_has_a_completion() {
    let server = Server::start().await;
    for command in [
        "show",
        "tail",
        "ls",
        "stats",
        "append",
        "call",
        "check",
        "migrate",
        "completion",
    ] {
        let help = printed(&server, &[command, "--help"]).await;
        assert!(help.contains("Examples:\n  flowledger "), "{help}");
        assert!(!help.contains("testsecret"), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            printed(&server, &["completion", shell])
                .await
                .contains("append"),
            "{shell}"
        );
    }
}
