//! `flowledger show --mermaid`, read by the real parser.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::{event, printed};
use crate::{conformance::is_installed, support::Server};

/// Step names that mean something in Mermaid's grammar, or contain what does.
const NAMES: [&str; 56] = [
    "pay",
    "title",
    "Title of all",
    "section",
    "section two",
    "gantt",
    "gantt-export",
    "call",
    "call api",
    "call back()",
    "click",
    "click here",
    "href \"x\"",
    "dateFormat x",
    "axisFormat %H",
    "tickInterval 1day",
    "includes x",
    "excludes weekends",
    "todayMarker off",
    "inclusiveEndDates",
    "topAxis",
    "weekday monday",
    "weekend friday",
    "accTitle: x",
    "accDescr: x",
    "accDescr {",
    "2024-01-01",
    "2024-01-01 load",
    "1795348800010",
    "crit, done",
    "after e2",
    "until e2",
    "milestone",
    "vert",
    "a:b",
    ":a: b:",
    "a#b",
    "#35;",
    "a;b",
    ";",
    "\"quoted\"",
    "'quoted'",
    "`quoted`",
    "%% comment",
    "100%",
    "%%{init: {}}%%",
    "{a} }",
    "<b>bold</b>",
    "<br/>",
    "a & b &amp; c",
    "back\\slash \\n",
    "style x:#y;z;",
    "---",
    "$$x^2$$ *a* _b_ [c](d) |e| ~f~ @g !h ?i =j +k",
    "步骤 ✓ é",
    "a\nb\t\u{202e}c",
];

#[tokio::test]
async fn mermaid_shows_every_step_name_unchanged() {
    if !is_installed("mermaid") {
        return;
    }
    let server = Server::with_execution().await;
    let mut events = Vec::new();
    let mut at = 10;
    for name in NAMES {
        events.push(event(at, "StepEntered", name, "{}"));
        events.push(event(at + 5, "StepExited", name, "{}"));
        at += 10;
    }
    server.append(&Value::from(events)).await;
    let diagram = printed(&server, &["show", "f", "e", "--mermaid"]).await;
    let understood = parse(&diagram).await;
    assert_eq!(understood["title"], "e · f");
    let tasks = understood["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), NAMES.len(), "{diagram}");
    for (task, name) in tasks.iter().zip(NAMES) {
        let shown = match name {
            "a\nb\t\u{202e}c" => "a\\nb\\t\\u{202e}c",
            _ => name,
        };
        // The glyph is that of a step without an outcome.
        assert_eq!(
            task["label"],
            format!("{} {shown}", glyph(task)),
            "{diagram}"
        );
        assert_eq!(task["section"], shown, "{diagram}");
        assert_eq!(
            task["end"].as_i64().unwrap() - task["begin"].as_i64().unwrap(),
            5,
            "{name}"
        );
    }
}

fn glyph(task: &Value) -> char {
    let glyph = task["label"].as_str().unwrap().chars().next().unwrap();
    assert!("✓✗◷■?●◌".contains(glyph), "{task}");
    glyph
}

#[tokio::test]
async fn mermaid_cuts_long_names_so_that_the_diagram_is_not_too_long() {
    let server = Server::with_execution().await;
    let name = "#".repeat(256);
    let step = |n: i64| {
        let name = format!("{n}{name}");
        ["StepEntered", "StepExited"].map(|kind| event(n, kind, &name[..256], "{}"))
    };
    let events: Vec<_> = (0..200).flat_map(step).collect();
    server.append(&Value::from(events)).await;
    let diagram = printed(&server, &["show", "f", "e", "--mermaid"]).await;
    // Mermaid's own limit.
    assert!(diagram.chars().count() < 50_000, "{}", diagram.len());
    assert!(diagram.contains("… :"), "{diagram}");
}

/// Returns what the parser understands.
async fn parse(diagram: &str) -> Value {
    let mut parser = tokio::process::Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/conformance/run"
    ));
    parser
        .arg("mermaid")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut parser = parser.spawn().unwrap();
    let mut stdin = parser.stdin.take().unwrap();
    stdin.write_all(diagram.as_bytes()).await.unwrap();
    drop(stdin);
    let output = parser.wait_with_output().await.unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{diagram}\n{fault}");
    serde_json::from_slice(&output.stdout).unwrap()
}
