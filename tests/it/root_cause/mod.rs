//! Why an execution failed: `show`, `show --json`, `stats` and the page say the same of each history.

mod cases;

use std::fmt::Write;

use serde_json::{Value, json};

use cases::{CASES, RESERVE_FAILS};

use crate::{
    cli::printed,
    support::{NOW, Server},
};

/// Parses the history of a case.
fn events(history: &str) -> Value {
    let history = history.replace("$RESERVE_FAILS", RESERVE_FAILS);
    let lines = history
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let event = |(number, line): (i64, &str)| {
        let (line, detail) = line.split_at(line.find('{').unwrap_or(line.len()));
        let mut words = line.split_whitespace();
        let time = chrono::DateTime::from_timestamp_millis(NOW + 10 * number).unwrap();
        let mut event = json!({
            "Type": words.next().unwrap(), "StepName": "",
            "EventDetail": if detail.is_empty() { "{}" } else { detail },
            "Time": time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        });
        for word in words {
            match word.strip_prefix('<') {
                Some(cause) => event["ScheduleEventId"] = cause.parse::<i64>().unwrap().into(),
                None => event["StepName"] = word.into(),
            }
        }
        event
    };
    (1..).zip(lines).map(event).collect()
}

/// Returns the reasons of `show --json`.
fn reasons(failure: &Value) -> Vec<String> {
    let details = [&failure["Fault"], &failure["Also"]];
    let details = details.into_iter().filter(|detail| !detail.is_null());
    let text = |detail: &Value| {
        let parts = ["Error", "Cause"].map(|key| detail[key].as_str().unwrap());
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(": ")
    };
    details.map(text).collect()
}

/// Returns the text of the failure card of a page, without tags, with single blanks.
fn card(page: &str) -> String {
    let (_, card) = page.split_once("aria-label=\"Why it ended\">").unwrap();
    let (card, _) = card.split_once("</section>").unwrap();
    let mut text = String::new();
    for part in card.split('<') {
        write!(
            text,
            " {}",
            part.split_once('>').map_or(part, |(_, text)| text)
        )
        .unwrap();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn all_views_blame_the_same_step_for_the_same_reason() {
    let server = Server::start().await;
    for case in CASES {
        server.set_time(NOW);
        server.create(case.name, "").await;
        server.start_one(case.name, "e", "{}").await;
        server
            .append_to(case.name, "e", &events(case.history))
            .await;
    }
    for case in CASES {
        let name = case.name;
        let failed = if case.path.is_empty() {
            "the execution"
        } else {
            case.path
        };
        let show = printed(&server, &["show", name, "e"]).await;
        let mut expected = format!("\n  ✗ {failed} {}\n", case.what);
        assert!(show.contains(&expected), "{name}: {expected}\n{show}");
        expected.clear();
        for reason in case.reasons {
            expected.push_str(&format!("    {reason}\n"));
        }
        let (_, why) = show.split_once("\n  ✗ ").unwrap();
        let why = why.lines().skip(1).take_while(|line| !line.is_empty());
        let why = why.filter(|line| !line.starts_with("    event "));
        let why: String = why.map(|line| format!("{line}\n")).collect();
        assert_eq!(why, expected, "{name}: {show}");
        assert_eq!(
            show.contains('↷'),
            !case.caught.is_empty(),
            "{name}: {show}"
        );

        let json = printed(&server, &["show", name, "e", "--json"]).await;
        let json: Value = serde_json::from_str(&json).unwrap();
        let path: Vec<_> = json["Failure"]["Path"].as_array().unwrap().iter().collect();
        let expected: Vec<_> = case.path.split(" › ").filter(|it| !it.is_empty()).collect();
        assert_eq!(path, expected, "{name}: {json:#}");
        assert_eq!(reasons(&json["Failure"]), case.reasons, "{name}: {json:#}");
        let label = |span: &Value| match (&span["Kind"], &span["Index"]) {
            (kind, index) if index.is_i64() => {
                format!("{} {index}", kind.as_str().unwrap().to_lowercase())
            }
            _ => span["Name"].as_str().unwrap().to_owned(),
        };
        let spans = json["Spans"].as_array().unwrap().iter();
        let caught: Vec<_> = spans
            .filter(|span| span["Caught"] == true)
            .map(label)
            .collect();
        assert_eq!(caught, case.caught, "{name}: {json:#}");

        let stats = printed(&server, &["stats", name, "--json"]).await;
        let stats: Value = serde_json::from_str(&stats).unwrap();
        let fatal = stats["Steps"].as_object().unwrap().iter();
        let fatal = fatal.filter(|(_, step)| step["Fatal"] != 0);
        let fatal: Vec<_> = fatal
            .map(|(step, facts)| (step.as_str(), facts["Failed"].as_u64().unwrap()))
            .collect();
        assert_eq!(fatal, Vec::from_iter(case.fatal), "{name}: {stats:#}");

        let page = server.page(&format!("/ui/flows/{name}/executions/e")).await;
        let card = card(&page);
        let what = if case.what.starts_with("failed") {
            "Failed"
        } else {
            "Not finished"
        };
        let path = if case.path.is_empty() {
            "the execution itself".to_owned()
        } else {
            format!("in {}", case.path)
        };
        assert!(
            card.starts_with(&format!("{what} {path} after ")),
            "{name}: {card}"
        );
        let mut rest = card.as_str();
        for reason in case.reasons {
            let reason = format!(" {} Event ", reason.replacen(": ", " ", 1));
            let found = rest.split_once(&reason);
            rest = found
                .unwrap_or_else(|| panic!("{name}: {reason} in {card}"))
                .1;
        }
        for label in case.caught {
            let row =
                format!("<span class=\"label\">{label}</span> <span class=\"note\">caught</span>");
            assert!(page.contains(&row), "{name}: {row}");
        }
    }
}

#[tokio::test]
async fn stack_traces_stand_on_lines() {
    let server = Server::with_execution().await;
    let detail =
        json!({"error": "TypeError", "cause": "no x\r\n\tat f (a.js:1)\n\tat\u{202e} <g>"});
    let history = format!("StepEntered pay\nStepFailed pay {detail}\nExecutionFailed");
    server.append(&events(&history)).await;
    let show = printed(&server, &["show", "f", "e"]).await;
    let lines = "    TypeError: no x\n        at f (a.js:1)\n        at\\u{202e} <g>\n";
    assert!(show.contains(lines), "{show}");
    let page = server.page("/ui/flows/f/executions/e?event=3").await;
    let lines = "<b>TypeError</b> no x\n    at f (a.js:1)\n    at\\u{202e} &#60;g&#62;</p>";
    assert!(page.contains(lines), "{page}");
    let raw = "<a href=\"/ui/flows/f/executions/e/events/3/detail\"";
    assert_eq!(
        page.matches(raw).count(),
        2,
        "in the card and in the detail"
    );
    let unfolded = "no x\n\tat f (a.js:1)\n\tat<i>\\u{202e}</i> &lt;g&gt;";
    assert!(page.contains(unfolded), "{page}");
}

#[tokio::test]
async fn run_of_an_engine_whose_clock_is_behind_takes_as_long_as_its_events() {
    let server = Server::with_execution().await;
    let end = |at: i64, kind: &str, step: &str| {
        let time = chrono::DateTime::from_timestamp_millis(NOW - 3_000 + at).unwrap();
        let time = time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        json!({"Type": kind, "StepName": step, "Time": time})
    };
    let history = json!([
        end(0, "StepEntered", "pay"),
        end(1_100, "StepExited", "pay"),
        end(1_100, "ExecutionSucceeded", ""),
    ]);
    server.append(&history).await;
    let show = printed(&server, &["show", "f", "e"]).await;
    assert_eq!(show.matches("1.10 s").count(), 3, "{show}");
    let json = printed(&server, &["show", "f", "e", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["Millis"], 1_100);
    let ls = printed(&server, &["ls", "f"]).await;
    assert!(ls.ends_with("\t1100\n"), "{ls}");
    let stats = printed(&server, &["stats", "f", "--json"]).await;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["Steps"]["pay"]["MaxMillis"], 1_100);
    let page = server.page("/ui/flows/f/executions/e").await;
    assert!(page.contains("<dt>Took</dt><dd>1.10 s</dd>"), "{page}");
    assert!(page.contains("data-millis=\"1100\""), "{page}");
    let page = server.page("/ui/flows/f").await;
    assert!(page.contains("1.10 s"), "{page}");
}
