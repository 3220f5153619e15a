//! Folding of ended siblings into bands.

use flowledger::timeline::{RowItem, STEPS_MAX, Timeline};
use insta::assert_snapshot;

use super::{draw, drawn, history, text};

/// A foreach with `items` sequential iterations of one step. Item 5 of every hundred fails, and item 77 takes longest.
fn foreach(items: u64) -> String {
    let mut lines = "ExecutionStarted
        StepEntered first
        StepStarted first
        StepSucceeded first
        StepExited first
        StepEntered each
        StepStarted each\n"
        .to_owned();
    for item in 0..items {
        let took = if item == 77 { 500 } else { 10 + item % 7 };
        let result = if item % 100 == 5 {
            "Failed"
        } else {
            "Succeeded"
        };
        lines += &format!(
            "IterationEntered each <7
            StepEntered item
            StepStarted item
            Step{result} item +{took}
            StepExited item
            IterationExited each\n"
        );
    }
    lines
}

const END: &str = "StepSucceeded each
    StepExited each
    StepEntered last
    StepStarted last
    StepSucceeded last
    StepExited last
    ExecutionSucceeded";

#[test]
fn ten_thousand_iterations_fold_into_one_band_beside_failed_and_slowest() {
    let events = history(&format!("{}{END}", foreach(10_000)));
    assert_snapshot!(text(&drawn(&events, 100)), @r#"
    execution Succeeded 0–180497
      first Succeeded 1–4 [queued 1–2, works 2–3]
      each Succeeded 5–180492 [queued 5–6, works 6–180491]
        iterations × 9987 (8–60007): 100 failed of 10000, p50 17 p99 20
        iteration 5 Failed 92–111
          item Failed 93–110 [queued 93–94, works 94–109] !41 : 
        iteration 6 Succeeded 112–132
          item Succeeded 113–131 [queued 113–114, works 114–130]
        iteration 13 Succeeded 238–258
          item Succeeded 239–257 [queued 239–240, works 240–256]
        iteration 77 Succeeded 1393–1897
          item Succeeded 1394–1896 [queued 1394–1395, works 1395–1895]
        iteration 105 Failed 2387–2401
          item Failed 2388–2400 [queued 2388–2389, works 2389–2399] !641 : 
        iteration 205 Failed 4182–4198
          item Failed 4183–4197 [queued 4183–4184, works 4184–4196] !1241 : 
        iteration 305 Failed 5981–5999
          item Failed 5982–5998 [queued 5982–5983, works 5983–5997] !1841 : 
        iteration 405 Failed 7784–7804
          item Failed 7785–7803 [queued 7785–7786, works 7786–7802] !2441 : 
        iteration 505 Failed 9584–9599
          item Failed 9585–9598 [queued 9585–9586, works 9586–9597] !3041 : 
        iteration 605 Failed 11381–11398
          item Failed 11382–11397 [queued 11382–11383, works 11383–11396] !3641 : 
        iteration 705 Failed 13182–13201
          item Failed 13183–13200 [queued 13183–13184, works 13184–13199] !4241 : 
        iteration 805 Failed 14987–15001
          item Failed 14988–15000 [queued 14988–14989, works 14989–14999] !4841 : 
        iteration 9905 Failed 178787–178801
          item Failed 178788–178800 [queued 178788–178789, works 178789–178799] !59441 : 
      last Succeeded 180493–180496 [queued 180493–180494, works 180494–180495]
    "#);
    let timeline = drawn(&events, 2_000);
    assert!(timeline.rows().len() < 100);
    let steps = &timeline.steps()["item"];
    assert_eq!(
        (steps.count, steps.failed, steps.durations.max()),
        (10_000, 100, 502)
    );
}

#[test]
fn last_failure_of_a_band_stays_separate() {
    let visit = "StepEntered poll
        StepStarted poll
        StepFailed poll {\"error\":\"Busy\"}
        StepExited poll\n";
    let timeline = drawn(
        &history(&format!("{}ExecutionFailed", visit.repeat(500))),
        20,
    );
    let failure = timeline.root_cause().unwrap();
    assert_eq!(
        (failure.path, failure.span.id),
        (vec!["poll".to_owned()], 1_997)
    );
}

#[test]
fn spans_within_the_budget_are_not_folded() {
    let events = history(&format!("{}{END}", foreach(40)));
    let rows = drawn(&events, 100).rows().len();
    assert_eq!(rows, 1 + 3 + 40 + 40);
}

#[test]
fn band_unfolds_from_any_event_id() {
    let events = history(&format!("{}{END}", foreach(1_000)));
    let mut timeline = Timeline::new(50).unfolding(6, 8 + 6 * 300, 20);
    for event in &events {
        timeline.push(event);
    }
    let drawn: Vec<_> = timeline
        .rows()
        .iter()
        .filter_map(|row| match row.item {
            RowItem::Span(span) => span.index,
            _ => None,
        })
        .collect();
    assert!((300..320).all(|index| drawn.contains(&index)), "{drawn:?}");
    assert!(drawn.len() < 50, "{drawn:?}");
}

#[test]
fn steps_of_a_loop_fold_into_one_band_per_name() {
    let visit = |name: &str| {
        format!(
            "StepEntered {name}\nStepStarted {name}\nStepSucceeded {name} +9\nStepExited {name}\n"
        )
    };
    let round = format!("{}{}", visit("look"), visit("sleep"));
    let timeline = drawn(
        &history(&format!(
            "ExecutionStarted\n{}{}",
            round.repeat(500),
            visit("last")
        )),
        50,
    );
    assert_snapshot!(text(&timeline), @r#"
    execution Running 0–
      look × 497 (2–3997): 0 failed of 500, p50 11 p99 11
      look Succeeded 1–12 [queued 1–2, works 2–11]
      sleep × 497 (6–4001): 0 failed of 500, p50 11 p99 11
      sleep Succeeded 13–24 [queued 13–14, works 14–23]
      look Succeeded 25–36 [queued 25–26, works 26–35]
      sleep Succeeded 37–48 [queued 37–38, works 38–47]
      look Succeeded 49–60 [queued 49–50, works 50–59]
      sleep Succeeded 61–72 [queued 61–62, works 62–71]
      last Succeeded 12001–12012 [queued 12001–12002, works 12002–12011]
    "#);
}

#[test]
fn steps_of_different_names_fold_into_one_mixed_band_oldest_first() {
    let visit = |n: u64| {
        format!("StepEntered s{n}\nStepStarted s{n}\nStepSucceeded s{n} +9\nStepExited s{n}\n")
    };
    let lines: String = (0..2_000).map(visit).collect();
    let timeline = drawn(&history(&lines), 20);
    let rows = timeline.rows();
    assert!(rows.len() <= 25, "{}", text(&timeline));
    let RowItem::Band(band) = rows[1].item else {
        panic!("{}", text(&timeline))
    };
    assert_eq!((band.of.as_ref(), band.parent), (None, 0));
    let RowItem::Span(last) = rows[rows.len() - 1].item else {
        panic!("{}", text(&timeline))
    };
    assert_eq!(last.name, "s1999");
    let spans = rows
        .iter()
        .filter(|row| matches!(row.item, RowItem::Span(_)))
        .count()
        - 1;
    assert_eq!(
        band.hidden() + u64::try_from(spans).unwrap(),
        2_000,
        "each is somewhere"
    );
    assert_eq!(timeline.steps().len(), STEPS_MAX + 1);
}

#[test]
fn open_spans_beyond_the_row_limit_are_counted() {
    let lines = format!(
        "ExecutionStarted\nStepEntered each\nStepStarted each\n{}",
        "IterationEntered each <3\n".repeat(1_000)
    );
    let timeline = drawn(&history(&lines), 20);
    let rows = timeline.rows();
    let RowItem::More(more) = rows[rows.len() - 1].item else {
        panic!()
    };
    assert_eq!((rows.len(), more), (41, 1_002 - 40));
    assert_eq!(timeline.innermost_open().len(), 1_000);
}

#[test]
fn depth_of_rows_is_bounded() {
    let enter: String = (0..5_000)
        .map(|n| format!("StepEntered s{n}\nStepStarted s{n}\n"))
        .collect();
    let exit: String = (0..5_000)
        .rev()
        .map(|n| format!("StepExited s{n}\n"))
        .collect();
    let timeline = draw(&format!("{enter}{exit}"));
    assert!(timeline.rows().iter().all(|row| row.depth <= 66));
    assert_eq!(timeline.innermost_open()[0].label(), "execution");
}
