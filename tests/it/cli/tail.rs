//! `flowledger tail`.

use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Process, dated, event, run, run_with, spawn, with_failed, with_running};
use crate::support::{Call, Server};

#[tokio::test]
async fn tail_of_a_failed_execution_ends_with_1() {
    let server = with_failed().await;
    let run = run(&server, &["tail", "f", "e", "-n", "3"]).await;
    assert_snapshot!(dated(&run.out), @r#"
        id       after  type               step                 detail
        10      2.14 s  StepFailed         pay                  {"error":"FC.Unknown","cause":"gateway:…
        11      2.14 s  StepExited         pay
        12      2.15 s  ExecutionFailed                         {"error":"FC.Unknown","cause":"step pay…

    ✗ e · f  Failed
      started 2026-11-22 12:00:00Z, … ago · took 2.15 s · 12 events

      ✗ pay failed after 2 attempts
        FC.Unknown: gateway: 503, attempt 2
        event 10
        FC.Unknown: step pay failed
        event 12
    "#);
    assert_eq!((run.code, run.err.as_str()), (1, ""));
}

#[tokio::test]
async fn tail_prints_new_events_until_the_execution_ends() {
    let server = with_running().await;
    let mut tail = spawn(&server, &["tail", "f", "e", "-n", "2", "--json"], &[]);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = lines.next_line().await.unwrap().expect("a line");
        let event: Value = serde_json::from_str(&line).unwrap();
        (
            event["EventId"].as_i64().unwrap(),
            event["Type"].as_str().unwrap().to_owned(),
        )
    };
    let append = async |event: Value| {
        let append = Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "e");
        let append = append.form("Events", &json!([event]).to_string());
        server.ok(append.at(server.app.clock.now().millis())).await
    };
    assert_eq!(next().await.0, 12);
    assert_eq!(next().await.0, 13);
    append(event(9_150, "StepExited", "pay", "{}")).await;
    assert_eq!(next().await, (14, "StepExited".to_owned()));
    append(event(9_160, "ExecutionSucceeded", "", "{}")).await;
    assert_eq!(next().await, (15, "ExecutionSucceeded".to_owned()));
    assert_eq!(tail.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn exit_codes_tell_why_an_execution_was_not_followed() {
    let server = with_failed().await;
    let key = [("FLOWLEDGER_ACCESS_KEY_SECRET", "wrong")];
    let none = [
        ("FLOWLEDGER_ACCESS_KEY_ID", ""),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", ""),
    ];
    let closed = [("FLOWLEDGER_ENDPOINT", "http://127.0.0.1:1")];
    for (arguments, environment, code, expected) in [
        (&["f", "e"][..], &[][..], 1, ""),
        (&["f"], &[], 2, "Usage"),
        (&["f", "none"], &[], 3, "ExecutionNotExists"),
        (&["none", "e"], &[], 3, "FlowNotExists"),
        (&["f", "e"], &closed, 4, "Connection refused"),
        (&["f", "e"], &key, 5, "SignatureNotMatch"),
        (&["f", "e"], &none, 5, "no access key"),
    ] {
        let run = run_with(&server, &[&["tail"], arguments].concat(), environment, "").await;
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(expected), "{}", run.err);
    }
}

#[tokio::test]
async fn tail_says_how_long_it_tries_and_ends_with_4_if_the_server_stays_away() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::serve(folder.path(), &["--demo"], &[]);
    let beside = Server::start().await;
    let endpoint = format!("http://{}", process.address);
    let demo = [
        ("FLOWLEDGER_ENDPOINT", endpoint.as_str()),
        ("FLOWLEDGER_ACCESS_KEY_ID", "demo"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "demo-secret"),
    ];
    let mut tail = spawn(&beside, &["tail", "order", "order-1004-live"], &demo);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    lines
        .next_line()
        .await
        .unwrap()
        .expect("the head of the table");
    let mut faults = BufReader::new(tail.stderr.take().unwrap()).lines();
    drop(process); // killed
    let tries = faults.next_line().await.unwrap().unwrap();
    assert!(
        tries.starts_with("flowledger: http://") && tries.ends_with("; trying again for 13 s"),
        "{tries}"
    );
    let gave_up = faults.next_line().await.unwrap().unwrap();
    assert!(gave_up.contains("Connection refused"), "{gave_up}");
    assert!(gave_up.contains("; gave up after "), "{gave_up}");
    assert_eq!(tail.wait().await.unwrap().code(), Some(4));
}

#[tokio::test]
async fn tail_json_prints_the_whole_history_unless_a_number_is_given() {
    let server = with_failed().await;
    let all = run(&server, &["tail", "f", "e", "--json"]).await;
    let some = run(&server, &["tail", "f", "e", "--json", "-n", "3"]).await;
    assert_eq!((all.out.lines().count(), some.out.lines().count()), (12, 3));
    let table = run(&server, &["tail", "f", "e"]).await;
    let events = table.out.lines().take_while(|line| !line.is_empty());
    assert_eq!(events.count(), 11, "a head and the last ten");
}
