//! `flowledger show` and `stats`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{dated, event, printed, run_with, start, with_failed, with_running};

#[tokio::test]
async fn show_names_the_step_that_failed_first() {
    let server = with_failed().await;
    assert_snapshot!(dated(&printed(&server, &["show", "f", "e"]).await), @r#"
    ✗ e · f  Failed
      started 2026-11-22 12:00:00Z, … ago · took 2.15 s · 12 events

      ✗ pay failed after 2 attempts
        FC.Unknown: gateway: 503, attempt 2
        event 10
        FC.Unknown: step pay failed
        event 12

                ╷0               ╷500 ms          ╷1 s             ╷1.5 s           ╷2 s
    execution ✗ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     2.15 s
    pay       ✗ █░░░████████████████✗                                  ░████████████████✗      2.13 s ×2
    █ working   ░ queued   ✗ failed
    "#);
}

#[tokio::test]
async fn show_events_is_a_table_within_the_width() {
    let server = with_failed().await;
    let text = printed(&server, &["show", "f", "e", "--events"]).await;
    let (_, table) = text.split_once("    id").unwrap();
    assert_snapshot!(table, @r#"
       after  type               step detail
     1        0 ms  ExecutionStarted        {"input":{}}
     2       10 ms  StepEntered        pay  {"input":{"total":5}}
     3       12 ms  StepStarted        pay
     4       20 ms  TaskScheduled      pay
     5      120 ms  TaskStarted        pay
     6      620 ms  TaskFailed         pay  {"error":"FC.Unknown","cause":"gateway: 503, attempt 1"}
     7      1.62 s  TaskScheduled      pay
     8      1.63 s  TaskStarted        pay
     9      2.13 s  TaskFailed         pay  {"error":"FC.Unknown","cause":"gateway: 503, attempt 2"}
    10      2.14 s  StepFailed         pay  {"error":"FC.Unknown","cause":"gateway: 503, attempt 2"}
    11      2.14 s  StepExited         pay
    12      2.15 s  ExecutionFailed         {"error":"FC.Unknown","cause":"step pay failed"}
    "#);
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

#[tokio::test]
async fn no_row_is_wider_than_the_terminal() {
    let server = with_failed().await;
    let commands = [
        &["show", "f", "e", "--events"][..],
        &["stats", "f"],
        &["tail", "f", "e"],
    ];
    for (arguments, width) in commands.into_iter().flat_map(|c| [(c, 56), (c, 200)]) {
        let columns = [("COLUMNS", width.to_string())];
        let columns = columns
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let text = run_with(&server, arguments, &columns, "").await.out;
        let prose = |line: &&str| !line.starts_with("  started "); // may be wrapped
        for line in text.lines().filter(prose) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[tokio::test]
async fn show_lists_what_a_running_execution_waits_for() {
    let server = with_running().await;
    server
        .append(&json!([
            event(9_200, "StepExited", "pay", "{}"),
            event(9_201, "StepEntered", "approve", "{}"),
            event(9_202, "StepStarted", "approve", "{}"),
            event(9_203, "TaskScheduled", "approve", "{}"),
            event(9_204, "TaskSubmitted", "approve", "{}")
        ]))
        .await;
    let text = printed(&server, &["show", "f", "e"]).await;
    assert!(text.contains("running for "), "{text}");
    let open = text
        .lines()
        .find(|line| line.contains("waits for a report, for "))
        .unwrap();
    assert!(
        open.starts_with("  ◌ approve ") && open.ends_with("(event 18)"),
        "{open}"
    );
}

#[tokio::test]
async fn show_says_why_an_execution_was_stopped() {
    let server = with_running().await;
    let stopped = event(
        9_200,
        "ExecutionStopped",
        "",
        r#"{"error":"Manual","cause":"not wanted"}"#,
    );
    server.append(&json!([stopped])).await;
    let text = printed(&server, &["show", "f", "e"]).await;
    assert!(text.starts_with("■ e · f  Stopped\n"), "{text}");
    assert!(text.contains("\n  ■ Manual: not wanted\n"), "{text}");
}

#[tokio::test]
async fn iterations_of_a_foreach_are_folded_to_the_number_of_rows() {
    let server = with_running().await;
    let mut events = vec![
        event(9_150, "StepExited", "pay", "{}"),
        event(9_151, "StepEntered", "each", "{}"),
        event(9_152, "StepStarted", "each", "{}"),
    ];
    for item in 0..60 {
        let at = 9_160 + item * 100;
        events.push(event(at, "IterationEntered", "each", "{}"));
        events.push(event(at, "StepEntered", "步骤", "{}"));
        events.push(event(at, "StepStarted", "步骤", "{}"));
        events.push(event(at + 50 + item, "StepSucceeded", "步骤", "{}"));
        events.push(event(at + 50 + item, "StepExited", "步骤", "{}"));
        events.push(event(at + 50 + item, "IterationExited", "each", "{}"));
    }
    events.push(event(16_000, "StepSucceeded", "each", "{}"));
    events.push(event(16_000, "StepExited", "each", "{}"));
    events.push(event(
        16_001,
        "ExecutionSucceeded",
        "",
        r#"{"output":{"packed":60}}"#,
    ));
    server.append(&Value::from(events)).await;
    assert_snapshot!(dated(&printed(&server, &["show", "f", "e"]).await), @r#"
    ✓ e · f  Succeeded
      started 2026-11-22 12:00:00Z, … ago · took 16.0 s · 379 events
      out {"packed":60}

                        ╷0                  ╷5 s                 ╷10 s               ╷15 s
    execution         ✓ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     16.0 s
    pay               ✓ ██✗   ▐█✗        ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒                                 9.14 s ×3
    each              ✓                                      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     6.85 s
      iterations × 57 ≡                                      ┄┄ p50 79 ms, p99 109 ms ┄
      iteration 57    ✓                                                              ━         107 ms
        步骤          ✓                                                              ▌         107 ms
      iteration 58    ✓                                                              ━         108 ms
        步骤          ✓                                                              ▐         108 ms
      iteration 59    ✓                                                               ━        109 ms
        步骤          ✓                                                               ▌        109 ms
    █ working   ▒ waiting for a report   ░ queued   ✗ failed   ≡ folded
    "#);
    let all = printed(&server, &["show", "f", "e", "--rows", "500"]).await;
    assert!(all.contains("iteration 59") && !all.contains('≡'), "{all}");
}

#[tokio::test]
async fn colours_need_a_terminal_or_clicolor_force() {
    let server = with_failed().await;
    let show = ["show", "f", "e"];
    let plain = run_with(&server, &show, &[], "").await.out;
    assert!(!plain.contains('\u{1b}'));
    let asked = run_with(&server, &show, &[("CLICOLOR_FORCE", "1")], "")
        .await
        .out;
    assert!(asked.contains("\u{1b}[31m✗\u{1b}[0m"), "{asked:?}");
}

#[tokio::test]
async fn show_json_has_all_facts() {
    let server = with_failed().await;
    let text = printed(&server, &["show", "f", "e", "--json", "--events"]).await;
    let mut picture: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(picture["History"].as_array().unwrap().len(), 12);
    picture["History"] = Value::Null;
    assert_snapshot!(serde_json::to_string_pretty(&picture).unwrap(), @r#"
    {
      "Bands": [],
      "Events": 12,
      "ExecutionName": "e",
      "Failure": {
        "Also": {
          "Cause": "step pay failed",
          "Error": "FC.Unknown",
          "EventId": 12
        },
        "Attempts": 2,
        "Fault": {
          "Cause": "gateway: 503, attempt 2",
          "Error": "FC.Unknown",
          "EventId": 10
        },
        "Path": [
          "pay"
        ],
        "State": "Failed"
      },
      "FlowName": "f",
      "History": null,
      "Input": "{}",
      "Millis": 2150,
      "Open": [],
      "Output": null,
      "Spans": [
        {
          "Attempts": 2,
          "Begin": "2026-11-22T12:00:00.010Z",
          "Caught": false,
          "End": "2026-11-22T12:00:02.140Z",
          "Fault": {
            "Cause": "gateway: 503, attempt 2",
            "Error": "FC.Unknown",
            "EventId": 10
          },
          "FirstEventId": 2,
          "Id": 2,
          "Index": null,
          "Kind": "Step",
          "LastEventId": 11,
          "Millis": 2130,
          "Name": "pay",
          "Parent": 0,
          "State": "Failed"
        }
      ],
      "StartedTime": "2026-11-22T12:00:00.000Z",
      "Status": "Failed",
      "Steps": {
        "pay": {
          "AttemptsFailed": 2,
          "Count": 1,
          "Failed": 1,
          "MaxMillis": 2130,
          "Open": 0,
          "P50Millis": 2130,
          "P99Millis": 2130,
          "TotalMillis": 2130
        }
      },
      "StoppedTime": "2026-11-22T12:00:02.150Z"
    }
    "#);
}

#[tokio::test]
async fn show_mermaid_is_a_gantt_diagram() {
    let server = with_failed().await;
    assert_snapshot!(printed(&server, &["show", "f", "e", "--mermaid"]).await, @r#"
    gantt
        title e · f
        dateFormat x
        axisFormat %H:%M:%S
        section pay
        ✗ pay :crit, e2, 1795348800010, 1795348802140
    "#);
}

#[tokio::test]
async fn stats_cover_all_executions() {
    let server = with_failed().await;
    start(&server, "second").await;
    let stats = printed(&server, &["stats", "f"]).await;
    assert_snapshot!(stats, @r#"
    f  1 Failed, 1 Running, 13 events

    step visits failed fatal retries         p50         p99
    pay       1      1     1       2      2.13 s      2.13 s  ██████████████████████████████████████████
    "#);
    let json: Value =
        serde_json::from_str(&printed(&server, &["stats", "f", "--json"]).await).unwrap();
    assert_eq!(
        (
            &json["Steps"]["pay"]["Failed"],
            &json["Executions"]["Failed"]
        ),
        (&json!(1), &json!(1))
    );
    let none = printed(&server, &["stats", "f", "--status", "Stopped"]).await;
    assert!(none.starts_with("f  no executions, 0 events\n"), "{none}");
}
