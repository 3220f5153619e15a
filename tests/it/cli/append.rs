//! `flowledger append`.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Run, printed, run, run_with, spawn};
use crate::support::Server;

/// Returns `count` events as lines, each with another detail.
fn lines(count: usize) -> String {
    let line = |n| {
        json!({"Type": "StepEntered", "StepName": format!("步骤 {n}"), "EventDetail": format!("{{\"n\":{n}}}")}).to_string() + "\n"
    };
    (0..count).map(line).collect()
}

async fn append(server: &Server, more: &[&str], input: &str) -> Run {
    run_with(server, &[&["append", "f", "e"], more].concat(), &[], input).await
}

async fn appended(server: &Server, input: &str) -> String {
    let run = append(server, &[], input).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    run.out
}

async fn history(server: &Server) -> Vec<Value> {
    let picture = printed(server, &["show", "f", "e", "--events", "--json"]).await;
    let picture: Value = serde_json::from_str(&picture).unwrap();
    picture["History"].as_array().unwrap().clone()
}

#[tokio::test]
async fn retry_of_an_interrupted_run_appends_only_what_is_missing() {
    let server = Server::with_execution().await;
    let all = lines(1_234);
    // What a run had done before it was interrupted: no whole batch, one, one and a half.
    for (done, said) in [
        (7, ""),
        (500, ", 7 of which were stored already"),
        (777, ", 500 of which were stored already"),
    ] {
        let part: String = all.split_inclusive('\n').take(done).collect();
        assert_eq!(
            appended(&server, &part).await,
            format!("{done} events, 2 to {}{said}\n", done + 1)
        );
    }
    assert_eq!(
        appended(&server, &all).await,
        "1234 events, 2 to 1235, 777 of which were stored already\n"
    );
    assert_eq!(
        appended(&server, &all).await,
        "1234 events, 2 to 1235, 1234 of which were stored already\n"
    );
    let history = history(&server).await;
    let steps: Vec<_> = history[1..]
        .iter()
        .map(|event| event["StepName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        steps,
        (0..1_234).map(|n| format!("步骤 {n}")).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn other_events_with_the_same_event_ids_are_a_conflict_that_says_what_to_do() {
    let server = Server::with_execution().await;
    appended(&server, &lines(3)).await;
    let other = append(
        &server,
        &[],
        &lines(4).replace("StepEntered", "StepStarted"),
    )
    .await;
    assert_eq!((other.code, other.out.as_str()), (1, ""));
    assert!(
        other.err.contains(
            "lines 1 to 4: the history has other events from event 2 on: ConcurrentUpdateError: "
        ),
        "{}",
        other.err
    );
    assert!(other.err.contains("--first end"), "{}", other.err);
    assert_eq!(history(&server).await.len(), 4, "nothing was appended");
}

#[tokio::test]
async fn first_event_id_comes_from_the_flag_or_the_end_or_the_events() {
    let server = Server::with_execution().await;
    let one = json!({"Type": "A"}).to_string();
    for (more, input, said) in [
        (&["--first", "end"][..], one.clone(), "event 2\n"),
        (&["--first", "end"], one.clone(), "event 3\n"),
        (
            &["--first", "3"],
            format!("\n{one}\n\n{one}\n"),
            "2 events, 3 to 4, 1 of which were stored already\n",
        ),
        (
            &[],
            json!({"Type": "B", "EventId": 5}).to_string(),
            "event 5\n",
        ),
        (
            &[],
            json!({"Type": "B", "EventId": 5}).to_string(),
            "event 5, which was stored already\n",
        ),
        (&[], String::new(), "no events\n"),
    ] {
        let run = append(&server, more, &input).await;
        assert_eq!((run.out.as_str(), run.err.as_str()), (said, ""));
    }
}

#[tokio::test]
async fn output_of_tail_json_is_accepted_as_input() {
    let server = super::with_failed().await;
    let events = printed_lines(&server).await;
    let again = appended(&server, &events).await;
    assert_eq!(
        again,
        "12 events, 1 to 12, 12 of which were stored already\n"
    );
}

#[tokio::test]
async fn append_that_fails_ends_although_standard_input_stays_open() {
    let server = Server::with_execution().await;
    appended(&server, &lines(3)).await;
    let mut child = spawn(&server, &["append", "f", "e"], &[]);
    let mut stdin = child.stdin.take().unwrap();
    let other = lines(1).replace("StepEntered", "StepStarted");
    stdin.write_all(other.as_bytes()).await.unwrap();
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(1));
    drop(stdin);
}

/// Returns the history as `tail --json` prints it.
async fn printed_lines(server: &Server) -> String {
    run(server, &["tail", "f", "e", "-n", "1000", "--json"])
        .await
        .out
}

#[tokio::test]
async fn bad_line_is_named_and_the_batches_before_it_are_stored() {
    let server = Server::with_execution().await;
    let broken = append(&server, &[], &format!("{}{{\"Type\"\n", lines(2))).await;
    assert_eq!(broken.code, 1);
    assert!(
        broken.err.starts_with("flowledger: line 3 is not JSON: "),
        "{}",
        broken.err
    );
    let refused = append(&server, &[], &format!("{}{{\"Kind\":1}}\n", lines(2))).await;
    assert!(
        refused.err.contains("lines 1 to 3: InvalidArgument: "),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn details_of_the_largest_size_fit_into_batches() {
    let server = Server::with_execution().await;
    let detail = "\"".repeat(60_000); // each takes 6 bytes in a form
    let line = json!({"Type": "A", "EventDetail": detail}).to_string() + "\n";
    assert_eq!(
        appended(&server, &line.repeat(30)).await,
        "30 events, 2 to 31\n"
    );
    assert_eq!(history(&server).await[30]["EventDetail"], detail);
}
