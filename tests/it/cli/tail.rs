//! `flowledger tail`.

use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{dated, event, run, spawn, with_failed, with_running};
use crate::support::Call;

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
