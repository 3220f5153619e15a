//! Event texts with terminal escape sequences.

use serde_json::json;

use super::{run_with, with_running};

/// Moves the cursor, sets the title, rings the bell, overwrites the line, reverses text, breaks lines.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\r\n\t\u{8}\u{0}\u{7f}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}end";

#[tokio::test]
async fn no_command_prints_control_or_bidirectional_characters() {
    let server = with_running().await;
    let detail = json!({"error": HOSTILE, "cause": HOSTILE}).to_string();
    let raw = format!("raw {HOSTILE}");
    server
        .append(&json!([
            {"Type": "StepEntered", "StepName": HOSTILE, "EventDetail": raw},
            {"Type": "StepFailed", "StepName": HOSTILE, "EventDetail": detail},
            {"Type": "StepExited", "StepName": HOSTILE},
            {"Type": "ExecutionFailed", "EventDetail": raw},
        ]))
        .await;
    let argument = HOSTILE.replace('\0', ""); // which no argument can hold
    for arguments in [
        &["show", "f", "e", "--events"][..],
        &["show", "f", "e", "--mermaid"],
        &["tail", "f", "e"],
        &["stats", "f"],
        &["show", "f", &argument],
        &["ls", &argument],
    ] {
        let run = run_with(&server, arguments, &[], "").await;
        let text = run.out + &run.err;
        let bad = |c: &char| {
            (c.is_control() && *c != '\n')
                || "\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}".contains(*c)
        };
        assert_eq!(text.chars().find(bad), None, "{arguments:?}: {text:?}");
        assert!(!text.contains("\nend"), "a line was broken: {text}");
    }
}
