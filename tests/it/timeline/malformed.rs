//! Malformed histories: the timeline shows what is known and marks the rest as incomplete.

use flowledger::model::Timestamp;
use flowledger::timeline::{
    FAILURE_MAX_CHARS, HistoryEvent, SEGMENTS_MAX, SpanState, UNKNOWN_EVENTS_MAX,
};
use insta::assert_snapshot;

use super::{draw, drawn, history, text};

#[test]
fn spans_open_at_the_end_of_the_execution_are_incomplete() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered a
        StepStarted a
        BranchEntered a
        StepEntered b
        StepStarted b
        TaskScheduled b
        TaskStarted b
        ExecutionTimedOut +100 {\"error\":\"FnF.Timeout\"}",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution TimedOut 0–107 !9 FnF.Timeout: 
      a Incomplete 1–107 [queued 1–2, works 2–107]
        branch 0 Incomplete 3–107
          b Incomplete 4–107 [queued 4–5, works 5–6, 1: queued 6–7, 1: works 7–107]
    "#);
    let failure = timeline.root_cause().unwrap();
    assert_eq!(failure.path, ["a", "branch 0", "b"]);
    assert_eq!(failure.detail.unwrap().error, "FnF.Timeout");
}

#[test]
fn exit_of_a_span_closes_its_open_children() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered a
        StepStarted a
        BranchEntered a
        StepEntered b
        StepStarted b
        StepExited a",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      a Succeeded 1–6 [queued 1–2, works 2–6]
        branch 0 Incomplete 3–6
          b Incomplete 4–6 [queued 4–5, works 5–6]
    "#);
}

#[test]
fn history_without_its_beginning_gives_incomplete_spans() {
    let timeline = draw(
        "TaskSubmitted b
        TaskSucceeded b +10
        StepSucceeded b
        StepExited b
        BranchExited a
        StepFailed c {\"error\":\"E\"}
        StepExited c
        TaskScheduled d
        TaskStarted d",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      b Incomplete 0–12 [1: waits 0–10, 1: works 10–11]
      branch 0 Incomplete 13–13
      c Failed 14–15 !6 E: 
      d Running 16– [1: queued 16–17, 1: works 17–]
    "#);
}

#[test]
fn step_without_exit_is_closed_by_the_next_step() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered a
        StepStarted a
        StepSucceeded a
        StepEntered b
        StepExited a
        StepSucceeded b
        StepEntered a
        StepSucceeded a
        ExecutionSucceeded",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Succeeded 0–9
      a Succeeded 1–3 [queued 1–2, works 2–3]
      b Succeeded 4–6
      a Succeeded 7–8
    "#);
}

#[test]
fn events_of_unknown_types_are_kept_with_their_span() {
    let timeline = draw(
        "Note x
        Other x
        StepEntered a
        Note
        Note b
        StepStarted a
        Note a
        Other x",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0– ^0 Note ^1 Other
      a Running 2– [queued 2–5, works 5–] ^3 Note ^4 Note ^6 Note ^7 Other
    "#);
    let many = draw(&"Note\n".repeat(UNKNOWN_EVENTS_MAX + 5));
    assert_eq!(
        (
            many.root().unknown_events.len(),
            many.root().unknown_events_count
        ),
        (UNKNOWN_EVENTS_MAX, 69)
    );
}

#[test]
fn times_that_run_backwards_give_no_negative_width() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered a +100
        StepStarted a -50
        TaskScheduled a -50
        TaskStarted a +120
        TaskFailed a -300
        StepExited a -9
        ExecutionSucceeded",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Succeeded -189–120
      a Failed 100–120 [1: queued 100–120, 1: works 120–120 failed] !6 :
    "#);
    let (earliest, latest) = timeline.extent().unwrap();
    assert_eq!(latest.millis() - earliest.millis(), 309);
}

#[test]
fn engine_whose_clock_is_behind_does_not_make_its_execution_longer() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered a -3000
        StepStarted a +100
        StepSucceeded a +900
        StepExited a +50
        ExecutionSucceeded +50",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Succeeded -3000–-1900
      a Succeeded -3000–-1950 [queued -3000–-2900, works -2900–-2000]
    "#);
    let (earliest, latest) = timeline.extent().unwrap();
    assert_eq!(latest.millis() - earliest.millis(), 1_100);
}

#[test]
fn number_of_segments_is_bounded_and_every_attempt_is_counted() {
    let retry = "TaskScheduled a\nTaskStarted a\nTaskFailed a\n";
    let timeline = draw(&format!("StepEntered a\n{}StepExited a", retry.repeat(100)));
    let a = timeline.span(1).unwrap();
    assert_eq!(
        (a.segments.len(), a.attempts, a.state),
        (SEGMENTS_MAX, 100, SpanState::Failed)
    );
    assert_eq!(timeline.steps()["a"].attempts_failed, 100);
}

#[test]
fn failure_detail_is_read_from_any_detail() {
    let detail = |detail: &str| {
        let mut events = history("ExecutionStarted\nExecutionFailed");
        detail.clone_into(&mut events[1].event_detail);
        let detail = drawn(&events, 10).root().failure.clone().unwrap();
        (detail.error, detail.cause)
    };
    let owned = |error: &str, cause: &str| (error.to_owned(), cause.to_owned());
    assert_eq!(detail(r#"{"error":"E","cause":"why"}"#), owned("E", "why"));
    assert_eq!(
        detail(r#"{"errorCode":7,"errorMessage":["a"]}"#),
        owned("7", r#"["a"]"#)
    );
    assert_eq!(
        detail(r#"{"error":null,"Error":"","errorCode":"E"}"#),
        owned("E", "")
    );
    assert_eq!(
        detail(r#"{"cause":" ","errorMessage":"why"}"#),
        owned("", "why")
    );
    assert_eq!(detail(r#"{"output":{"error":"E"}}"#), owned("E", ""));
    for nothing in [r#"{"error":null,"cause":{}}"#, r#""""#, "null", " ", ""] {
        assert_eq!(detail(nothing), owned("", ""), "{nothing}");
    }
    assert_eq!(detail(r#""why""#), owned("", "why"));
    assert_eq!(detail(r#"{"what":1}"#), owned("", ""));
    assert_eq!(detail("{broken"), owned("", "{broken"));
    let long = "步".repeat(FAILURE_MAX_CHARS + 1);
    let (_, cause) = detail(&format!("{{\"cause\":\"{long}\"}}"));
    assert_eq!(cause.chars().count(), FAILURE_MAX_CHARS);
}

#[test]
fn event_with_missing_fields_is_parsed() {
    let event = HistoryEvent::parse(
        r#"{"Type":"New","EventId":3,"Time":"2019-01-01T01:01:01.5Z","StepName":null,"More":[1]}"#,
    );
    let event = event.unwrap();
    assert_eq!(event.time.map(Timestamp::millis), Some(1_546_304_461_500));
    assert_eq!(
        (event.schedule_event_id, event.step_name, event.event_detail),
        (0, String::new(), String::new())
    );
    let without_time =
        HistoryEvent::parse(r#"{"Type":"","EventId":-3,"Time":"yesterday"}"#).unwrap();
    assert_eq!(without_time.time, None);
    for no_event in ["", "[]", "{}", r#"{"Type":"A"}"#, r#"{"EventId":1}"#] {
        assert!(HistoryEvent::parse(no_event).is_none(), "{no_event}");
    }
}
