//! The whole history as JSON, and the terminal command, of an execution's page.

use serde_json::{Value, json};

use super::event;
use crate::support::{Call, Server};

const PAGE: &str = "/ui/flows/f/executions/e";
const HISTORY: &str = "/ui/flows/f/executions/e/history.json";

#[tokio::test]
async fn download_has_every_event_as_the_api_answers_it() {
    let server = Server::with_execution().await;
    // Chunks above and below the size that needs a permit.
    for (count, bytes) in [(300, 10), (40, 50_000), (300, 10)] {
        let detail = json!({"text": format!("é{}", "x".repeat(bytes))});
        let events: Vec<_> = (0..count)
            .map(|at| event(at, "StepEntered", "pay\n", &detail))
            .collect();
        for batch in events.chunks(16) {
            server.append(&json!(batch)).await;
        }
    }
    assert!(
        server
            .page(PAGE)
            .await
            .contains(&format!("<a href=\"{HISTORY}\" download>"))
    );
    let cookie = server.session("reader", "reader-secret").await;
    let answer = server.get(HISTORY, &[&cookie]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-disposition", "attachment; filename=\"e.json\""),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let read = Call::new("GetExecutionHistory")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Limit", "1000");
    let expected = server.ok(read).await["Events"].clone();
    assert_eq!(expected.as_array().unwrap().len(), 641);
    assert_eq!(answer.json, expected);
    let lines: Vec<_> = answer.text.lines().collect();
    assert_eq!(
        (lines[0], lines.len(), lines[642]),
        ("[", 643, "]"),
        "one event a line"
    );
}

#[tokio::test]
async fn download_of_one_event_is_an_array() {
    let server = Server::with_execution().await;
    let text = server.page(HISTORY).await;
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn command_names_server_flow_and_execution() {
    let server = Server::with_execution().await;
    let page = server.page(PAGE).await;
    let (_, command) = page
        .split_once("<pre class=\"code\" id=\"command\"")
        .unwrap();
    let command = command.split_once("</pre>").unwrap().0;
    assert!(
        command.ends_with(
            ">flowledger show f e --endpoint <span class=\"endpoint\">http://flowledger.test</span>"
        ),
        "{command}"
    );
    let cookie = server.session("testid", "testsecret").await;
    let request = super::request("GET", PAGE, &[&cookie], "");
    let request = request.replace("Host: flowledger.test", "Host: a;$(reboot)");
    let page = server.send(request.as_bytes()).await.text;
    assert!(!page.contains("reboot"), "{page}");
}
