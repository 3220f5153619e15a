//! `flowledger append`.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{Run, printed, run, run_with, spawn, start};
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
        refused
            .err
            .starts_with("flowledger: line 3: InvalidArgument: "),
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
        appended(&server, &line.repeat(12)).await,
        "12 events, 2 to 13\n"
    );
    assert_eq!(history(&server).await[12]["EventDetail"], detail);
}

/// An answer of the vendor's with two events, as its documentation shows it.
const ANSWER: &str = r#"{
  "RequestId": "testRequestId",
  "NextToken": "",
  "Events": [
    {
      "Type": "StepEntered",
      "StepName": "passStep",
      "ScheduleEventId": 1,
      "EventDetail": "{\"input\":{\"Events\":[1]}}",
      "EventId": 2,
      "Time": "2019-01-01T01:01:01.001Z"
    },
    {
      "Type": "StepSucceeded",
      "StepName": "passStep",
      "ScheduleEventId": 2,
      "EventDetail": "{}",
      "EventId": 3,
      "Time": "2019-01-01T01:01:01.002Z"
    }
  ]
}
"#;

#[tokio::test]
async fn arrays_answers_and_byte_order_marks_are_accepted() {
    let server = Server::with_execution().await;
    let answer: Value = serde_json::from_str(ANSWER).unwrap();
    let events = &answer["Events"];
    let lines: String = { events.as_array().unwrap().iter() }
        .map(|event| event.to_string() + "\n")
        .collect();
    let pretty = serde_json::to_string_pretty(events).unwrap();
    let mut expected = "2 events, 2 to 3\n";
    for input in [
        ANSWER,
        &answer.to_string(),
        &lines,
        &events.to_string(),
        &pretty,
        &format!("\u{feff}{lines}"),
        &format!("\u{feff}{}", pretty.replace('\n', "\r\n")),
        &lines.replace('\n', "\r\n"),
        &lines.replace(",\"", ",\n \""),
    ] {
        assert_eq!(appended(&server, input).await, expected, "{input}");
        expected = "2 events, 2 to 3, 2 of which were stored already\n";
    }
    let history = history(&server).await;
    assert_eq!(&Value::from(history[1..].to_vec()), events);
}

#[tokio::test]
async fn pages_of_a_history_are_one_history_and_a_missing_page_is_reported() {
    let server = super::with_failed().await;
    start(&server, "copy").await;
    let mut pages = String::new();
    for token in ["2", "7"] {
        let token = format!("NextToken={token}");
        let call = [
            "call",
            "GetExecutionHistory",
            "FlowName=f",
            "ExecutionName=e",
            "Limit=5",
        ];
        pages += &printed(&server, &[&call[..], &[token.as_str()]].concat()).await;
    }
    let copied = run_with(&server, &["append", "f", "copy"], &[], &pages).await;
    assert_eq!(copied.out, "10 events, 2 to 11\n");
    assert_eq!(
        copied.err,
        "flowledger: the last answer of the input has a NextToken: the history has more events\n"
    );
}

#[tokio::test]
async fn bad_line_is_named_in_every_form_of_input() {
    let server = Server::with_execution().await;
    let good = json!({"Type": "A"}).to_string();
    let long = "x".repeat(257);
    let mut stored = 1;
    for (input, appends, expected) in [
        (
            format!("{good}\n\n{{\"Type\"\n{good}\n"),
            1,
            "line 3 is not JSON: ",
        ),
        (
            format!("[\n{good},\n{good}\n{good}]"),
            2,
            "line 3 is not JSON: expected `,` or `]`",
        ),
        (
            format!("{{\"Events\":[{good},\n5]}}"),
            1,
            "line 2: an event is a JSON object",
        ),
        (
            format!("{good}\nnull\n"),
            1,
            "line 2: an event is a JSON object",
        ),
        // What only the server can know.
        (
            format!("{good}\n{{\"Kind\":1}}\n"),
            0,
            "line 2: InvalidArgument: ",
        ),
        (
            format!("[{good},\n{good},\n\n{{\"Type\":\"A1\"}}]"),
            0,
            "line 4: InvalidArgument: ",
        ),
        (
            format!("{good}\n{{\"Type\":\"A\",\"StepName\":\"{long}\"}}\n"),
            0,
            "line 2: InvalidArgument: ",
        ),
        (
            format!("{good}\n{{\"Type\":\"A\",\"EventId\":77}}\n"),
            0,
            "line 2: InvalidArgument: ",
        ),
    ] {
        let run = append(&server, &["--first", "end"], &input).await;
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{input}");
        assert!(
            run.err.starts_with(&format!("flowledger: {expected}")),
            "{}",
            run.err
        );
        assert!(!run.err.contains("Events["), "{}", run.err);
        let said = match appends {
            0 => String::new(),
            1 => format!("; event {} is stored\n", stored + 1),
            _ => format!(
                "; events {} to {} are stored\n",
                stored + 1,
                stored + appends
            ),
        };
        assert!(run.err.ends_with(&said), "{}", run.err);
        stored += appends;
        assert_eq!(history(&server).await.len(), stored, "{input}");
    }
}

#[tokio::test]
async fn ctrl_c_says_how_far_the_run_got() {
    let server = Server::with_execution().await;
    for (more, input, said) in [
        (
            &[][..],
            lines(3),
            "interrupted; events 2 to 4 are stored, up to line 3 of the input; to continue, run the same command with the same input",
        ),
        (
            &["--first", "end"],
            lines(2),
            "interrupted; events 5 to 6 are stored, up to line 2 of the input; to continue, give the input after line 2 and --first 7",
        ),
    ] {
        let before = history(&server).await.len();
        let mut child = spawn(&server, &[&["append", "f", "e"], more].concat(), &[]);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        let expected = before + input.lines().count();
        while history(&server).await.len() < expected {}
        // The answer of the last append may be on its way.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        interrupt(&child);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(130));
        let fault = String::from_utf8(output.stderr).unwrap();
        assert_eq!(fault, format!("flowledger: {said}\n"));
        drop(stdin);
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let environment = [("FLOWLEDGER_ENDPOINT", endpoint.as_str())];
    let child = spawn(&server, &["append", "f", "e"], &environment);
    let _connection = silent.accept().await.unwrap();
    interrupt(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "flowledger: interrupted; no event was acknowledged\n"
    );
}

fn interrupt(child: &tokio::process::Child) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

#[tokio::test]
async fn long_append_into_a_pipe_prints_a_line_from_time_to_time() {
    let server = Server::with_execution().await;
    let mut child = spawn(&server, &["append", "f", "e"], &[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let write = async {
        loop {
            stdin.write_all(lines(1).as_bytes()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    };
    let line = tokio::select! {
        line = errors.next_line() => line.unwrap().unwrap(),
        () = write => unreachable!(),
    };
    assert!(
        line.starts_with("flowledger: ") && line.contains(" events, 2 to "),
        "{line}"
    );
    drop(stdin);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn history_is_copied_into_a_new_execution_by_a_pipe_from_tail() {
    let server = super::with_failed().await;
    let tail = run(&server, &["tail", "f", "e", "--json"]).await;
    for said in [
        "12 events, 1 to 12\n",
        "12 events, 1 to 12, 12 of which were stored already\n",
    ] {
        let copied = run_with(&server, &["append", "f", "copy"], &[], &tail.out).await;
        assert_eq!((copied.out.as_str(), copied.err.as_str()), (said, ""));
    }
    let copy = run(&server, &["tail", "f", "copy", "--json"]).await;
    assert_eq!(copy.out, tail.out);
}

#[tokio::test]
async fn unknown_execution_is_an_error_even_without_events() {
    let server = Server::with_execution().await;
    for input in [String::new(), lines(1)] {
        let run = run_with(&server, &["append", "f", "none"], &[], &input).await;
        assert_eq!(
            run.err,
            "flowledger: ExecutionNotExists: Execution 'none' for flow 'f' does not exist.\n"
        );
    }
}
