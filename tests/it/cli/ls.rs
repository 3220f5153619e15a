//! `flowledger ls`.

use std::collections::HashSet;

use serde_json::Value;

use super::{printed, run, start, with_failed};

#[tokio::test]
async fn pipe_gets_one_line_each_with_tabs() {
    let server = with_failed().await;
    assert_eq!(printed(&server, &["ls"]).await, "f\t\n");
    assert_eq!(
        printed(&server, &["ls", "f"]).await,
        "Failed\te\t2026-11-22T12:00:00.000Z\t2150\n"
    );
}

#[tokio::test]
async fn pipe_gets_everything_and_a_limit_says_that_there_is_more() {
    let server = with_failed().await;
    for n in 0..250 {
        start(&server, &format!("run-{n:03}")).await;
    }
    let list = async |arguments: &[&str]| {
        let run = run(&server, &[&["ls", "f"], arguments].concat()).await;
        assert_eq!(run.code, 0, "{}", run.err);
        let names: HashSet<_> = run.out.lines().map(str::to_owned).collect();
        assert_eq!(names.len(), run.out.lines().count(), "each once");
        (names.len(), run.err)
    };
    let more = |limit| {
        format!(
            "flowledger: there are more than the {limit} that are listed; use a larger --limit\n"
        )
    };
    for (arguments, expected, said) in [
        (&[][..], 251, String::new()),
        (&["--json"], 251, String::new()),
        (&["--limit", "1000"], 251, String::new()),
        (&["--limit", "251"], 251, String::new()),
        (&["--limit", "250"], 250, more(250)),
        (&["--limit", "100"], 100, more(100)),
        (&["--limit", "99"], 99, more(99)),
        (&["--limit", "0"], 0, more(0)),
        (&["--prefix", "run-10"], 10, String::new()),
        (&["--prefix", "run-10", "--limit", "10"], 10, String::new()),
        (&["--prefix", "run-10", "--limit", "9"], 9, more(9)),
        (&["--status", "Failed", "--limit", "1"], 1, String::new()),
    ] {
        assert_eq!(list(arguments).await, (expected, said), "{arguments:?}");
    }
}

#[tokio::test]
async fn flows_are_listed_page_by_page_too() {
    let server = with_failed().await;
    for n in 0..120 {
        let flow = format!("Name=flow-{n}");
        let create = ["call", "CreateFlow", &flow, "Type=FDL", "Definition=x"];
        printed(&server, &create).await;
    }
    assert_eq!(printed(&server, &["ls"]).await.lines().count(), 121);
    let some = run(&server, &["ls", "--limit", "120"]).await;
    assert_eq!(some.out.lines().count(), 120);
    assert!(some.err.contains("more than the 120"), "{}", some.err);
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let server = with_failed().await;
    let text = printed(&server, &["ls", "f", "--json"]).await;
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (
            line["Name"].as_str(),
            line["Status"].as_str(),
            line["Millis"].as_i64()
        ),
        (Some("e"), Some("Failed"), Some(2150))
    );
    let flow: Value =
        serde_json::from_str(printed(&server, &["ls", "--json"]).await.trim_end()).unwrap();
    assert_eq!(flow["Name"], "f");
}
