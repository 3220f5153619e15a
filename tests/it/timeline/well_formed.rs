//! Well-formed histories.

use insta::assert_snapshot;

use super::{draw, drawn, history, text};

#[test]
fn task_has_queued_working_and_waiting_segments() {
    let timeline = draw(
        "ExecutionStarted
        StepEntered pay
        StepStarted pay
        TaskScheduled pay
        TaskStarted pay +5
        TaskSubmitted pay +10
        TaskSucceeded pay +100
        StepSucceeded pay
        StepExited pay
        ExecutionSucceeded",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Succeeded 0–121
      pay Succeeded 1–120 [queued 1–2, works 2–3, 1: queued 3–8, 1: works 8–18, 1: waits 18–118, 1: works 118–119]
    "#);
    assert!(timeline.innermost_open().is_empty() && timeline.root_cause().is_none());
}

#[test]
fn retry_is_another_attempt_of_the_same_span() {
    let timeline = draw(
        r#"ExecutionStarted
        StepEntered pay
        StepStarted pay
        TaskScheduled pay
        TaskStarted pay
        TaskFailed pay +10 {"error":"FC.Unknown","cause":"503, once"}
        TaskScheduled pay +1000
        TaskStarted pay
        TaskTimedOut pay +10 {"error":"FnF.TaskTimeout"}
        TaskScheduled pay +2000
        TaskSubmitFailed pay +10 {"error":"FC.ResourceExhausted","cause":{"limit":5}}
        TaskScheduled pay +4000
        TaskStarted pay
        TaskSucceeded pay +10
        StepSucceeded pay
        StepExited pay"#,
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      pay Succeeded 1–7048 [queued 1–2, works 2–3, 1: queued 3–4, 1: works 4–14 failed, 2: queued 1014–1015, 2: works 1015–1025 failed, 3: queued 3025–3035 failed, 4: queued 7035–7036, 4: works 7036–7047] !11 FC.ResourceExhausted: {"limit":5}
    "#);
    let pay = timeline.span(2).unwrap();
    assert_eq!((pay.attempts, pay.result_event_id), (4, Some(15)));
    let steps = &timeline.steps()["pay"];
    assert_eq!(
        (steps.count, steps.failed, steps.attempts_failed),
        (1, 0, 3)
    );
}

/// Two branches of two steps each, whose events interleave. Without `causes`, each ScheduleEventId is the previous
/// EventId.
fn parallel(causes: bool) -> String {
    let lines = [
        ("ExecutionStarted", 0),
        ("StepEntered both", 1),
        ("StepStarted both", 2),
        ("BranchEntered both {\"branch\":0}", 3),
        ("BranchEntered both {\"branch\":1}", 3),
        ("StepEntered a1", 4),
        ("StepEntered b1", 5),
        ("StepStarted a1", 6),
        ("StepStarted b1", 7),
        ("TaskScheduled b1", 9),
        ("TaskScheduled a1", 8),
        ("TaskStarted a1", 11),
        ("TaskStarted b1", 10),
        ("TaskSucceeded a1 +50", 12),
        ("StepSucceeded a1", 14),
        ("StepExited a1", 15),
        ("StepEntered a2", 16),
        ("TaskFailed b1 +10 {\"error\":\"E\",\"cause\":\"no\"}", 13),
        ("StepStarted a2", 17),
        ("StepFailed b1", 18),
        ("StepSucceeded a2", 19),
        ("StepExited b1", 20),
        ("BranchExited both {\"branch\":1}", 22),
        ("StepExited a2", 21),
        ("BranchExited both {\"branch\":0}", 24),
        (
            "StepFailed both {\"error\":\"E\",\"cause\":\"branch 1 failed\"}",
            25,
        ),
        ("StepExited both", 26),
        (
            "ExecutionFailed {\"error\":\"E\",\"cause\":\"both failed\"}",
            27,
        ),
    ];
    let line = |(line, cause): &(&str, i64)| match causes {
        true => {
            let (line, detail) = line.split_at(line.find('{').unwrap_or(line.len()));
            format!("{line} <{cause} {detail}")
        }
        false => (*line).to_owned(),
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn interleaved_branches_keep_their_steps() {
    let timeline = draw(&parallel(true));
    assert_snapshot!(text(&timeline), @r#"
    execution Failed 0–85 !28 E: both failed
      both Failed 1–84 [queued 1–2, works 2–83] !26 E: branch 1 failed
        branch 0 Succeeded 3–82
          a1 Succeeded 5–64 [queued 5–7, works 7–10, 1: queued 10–11, 1: works 11–63]
          a2 Succeeded 65–81 [queued 65–76, works 76–78]
        branch 1 Failed 4–80
          b1 Failed 6–79 [queued 6–8, works 8–9, 1: queued 9–12, 1: works 12–75 failed] !18 E: no
    "#);
    let failure = timeline.root_cause().unwrap();
    assert_eq!(failure.path, ["both", "branch 1", "b1"]);
    let detail = failure.detail.unwrap();
    assert_eq!(
        (
            detail.event_id,
            detail.error.as_str(),
            detail.cause.as_str()
        ),
        (18, "E", "no")
    );
}

#[test]
fn steps_without_causes_are_matched_by_name() {
    let timeline = draw(&parallel(false));
    assert_snapshot!(text(&timeline), @r#"
    execution Failed 0–85 !28 E: both failed
      both Failed 1–84 [queued 1–2, works 2–83] !26 E: branch 1 failed
        branch 0 Succeeded 3–82
        branch 1 Failed 4–80
          a1 Succeeded 5–64 [queued 5–7, works 7–10, 1: queued 10–11, 1: works 11–63]
          b1 Failed 6–79 [queued 6–8, works 8–9, 1: queued 9–12, 1: works 12–75 failed] !18 E: no
          a2 Succeeded 65–78 [queued 65–76, works 76–78]
    "#);
    assert_eq!(timeline.root_cause().unwrap().span.name, "b1");
}

#[test]
fn states_of_a_state_machine_are_steps() {
    let timeline = draw(
        "StateEnter look
        StateExec look
        TaskScheduled look
        TaskStarted look
        TaskSucceeded look +10
        StateSucceeded look
        StateEnter pay
        StateExec pay
        StateFailed pay +5 {\"error\":\"E\"}",
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      look Succeeded 0–14 [queued 0–1, works 1–2, 1: queued 2–3, 1: works 3–14]
      pay Failed 15–21 [queued 15–16, works 16–21] !9 E:
    "#);
    assert_eq!(timeline.steps()["look"].count, 1);
}

/// A foreach whose iterations run in parallel, with steps of one name.
fn foreach() -> String {
    "ExecutionStarted
    StepEntered each
    StepStarted each
    IterationEntered each <3
    IterationEntered each <3
    IterationEntered each <3
    StepEntered item <4
    StepEntered item <5
    StepEntered item <6
    StepStarted item <7
    StepStarted item <8
    StepStarted item <9
    StepSucceeded item <11
    StepExited item <13
    IterationExited each <14
    StepSucceeded item <10
    StepExited item <16
    StepFailed item <12 {\"error\":\"E\"}
    IterationExited each <17"
        .to_owned()
}

#[test]
fn iterations_of_one_name_are_matched_by_cause() {
    let timeline = draw(&foreach());
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      each Running 1– [queued 1–2, works 2–]
        iteration 0 Succeeded 3–18
          item Succeeded 6–16 [queued 6–9, works 9–15]
        iteration 1 Succeeded 4–14
          item Succeeded 7–13 [queued 7–10, works 10–12]
        iteration 2 Running 5–
          item Failed 8–17 [queued 8–11, works 11–17] !18 E:
    "#);
    let now: Vec<_> = timeline
        .innermost_open()
        .iter()
        .map(|span| timeline.path(span.id))
        .collect();
    assert_eq!(
        now,
        [["each", "iteration 2"]],
        "its only step has its result"
    );
    assert_eq!(timeline.steps()["item"].open, 1);
}

#[test]
fn duplicate_events_are_ignored() {
    let events = history(&foreach());
    let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
    assert_eq!(text(&drawn(&twice, 1_000)), text(&drawn(&events, 1_000)));
    assert_eq!(drawn(&twice, 1_000).events(), 19);
}

#[test]
fn loop_visits_are_counted_and_longest_steps_found() {
    let round = "StepEntered look
        StepStarted look
        StepSucceeded look +7
        StepExited look
        StepEntered sleep
        StepStarted sleep
        StepSucceeded sleep +60
        StepExited sleep\n";
    let timeline = draw(&format!("ExecutionStarted\n{}", round.repeat(3)));
    let steps = timeline.steps();
    assert_eq!(
        (steps["look"].count, steps["sleep"].durations.total()),
        (3, 186)
    );
    let longest: Vec<_> = timeline
        .longest_steps(2)
        .iter()
        .map(|span| span.id)
        .collect();
    assert_eq!(longest, [6, 14]);
    assert_eq!(timeline.innermost_open()[0].label(), "execution");
}

#[test]
fn start_event_of_an_open_span_stays_a_valid_cause() {
    let mut lines = "ExecutionStarted\nStepEntered each\nStepStarted each\n".to_owned();
    lines += "StepEntered other <1\nStepStarted other\n";
    lines += &"Note other\n".repeat(20_000);
    lines += "IterationEntered each <3\nStepEntered item\n";
    let timeline = draw(&lines);
    assert_eq!(
        timeline.path(timeline.last_event_id()),
        ["each", "iteration 0", "item"]
    );
}
