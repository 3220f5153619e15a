//! Stopping an execution from its page: rights, protection against forms of other sites (CSRF), and what is stored.

use serde_json::{Value, json};

use super::{OURS, event};
use crate::support::{Call, Server};

const PAGE: &str = "/ui/flows/f/executions/e";
const STOP: &str = "/ui/flows/f/executions/e/stop";

impl Server {
    async fn describe(&self) -> Value {
        let describe = Call::new("DescribeExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e");
        self.ok(describe).await
    }
}

#[tokio::test]
async fn form_stops_the_execution_with_a_reason() {
    let server = Server::with_execution().await;
    let cookie = server.session("writer", "writer-secret").await;
    let page = server.get(PAGE, &[&cookie]).await.text;
    assert!(page.contains(&format!("<form method=\"post\" action=\"{STOP}\">")));
    let form = [("error", " Obsolete "), ("cause", "a \"newer\" order")];
    let answer = server.post(STOP, &[&cookie, OURS], &form).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(PAGE))
    );
    assert_eq!(server.describe().await["Status"], "Stopped");
    let page = server.get(PAGE, &[&cookie]).await.text;
    assert!(
        page.contains("<b>Obsolete</b> a &#34;newer&#34; order"),
        "{page}"
    );
    assert!(
        !page.contains(STOP),
        "a stopped execution cannot be stopped"
    );
    let raw = server
        .get(&format!("{PAGE}/events/2/detail"), &[&cookie])
        .await;
    let reason = json!({"error": "Obsolete", "cause": "a \"newer\" order"});
    assert_eq!(serde_json::from_str::<Value>(&raw.text).unwrap(), reason);
    let again = server.post(STOP, &[&cookie, OURS], &form).await;
    assert_eq!(again.status, 400);
    assert!(
        again.text.contains("has already completed"),
        "{}",
        again.text
    );
}

#[tokio::test]
async fn stop_is_refused_and_writes_nothing() {
    let server = Server::with_execution().await;
    let admin = server.session("testid", "testsecret").await;
    let reader = server.session("reader", "reader-secret").await;
    let narrow = server.session("narrow", "narrow-secret").await;
    let long = "x".repeat(129);
    let other = "Origin: http://other.test";
    for (what, headers, form, status) in [
        ("no session", vec![OURS], vec![], 303),
        ("a reader", vec![&reader, OURS], vec![], 403),
        (
            "a key that does not see the flow",
            vec![&narrow, OURS],
            vec![],
            403,
        ),
        ("no origin", vec![&admin], vec![], 403),
        ("another origin", vec![&admin, other], vec![], 403),
        (
            "another site",
            vec![&admin, OURS, "Sec-Fetch-Site: cross-site"],
            vec![],
            403,
        ),
        (
            "another port",
            vec![&admin, "Sec-Fetch-Site: same-site"],
            vec![],
            403,
        ),
        (
            "a long error",
            vec![&admin, OURS],
            vec![("error", long.as_str())],
            400,
        ),
        ("U+0000", vec![&admin, OURS], vec![("cause", "\0")], 400),
    ] {
        let headers: Vec<&str> = headers;
        let answer = server.post(STOP, &headers, &form).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        assert_eq!(server.describe().await["Status"], "Running", "{what}");
    }
    let link = server.get(STOP, &[&admin]).await;
    assert_eq!((link.status, link.header("location")), (303, Some(PAGE)));
    assert_eq!(server.describe().await["Status"], "Running", "a link");
    let page = server.get(PAGE, &[&reader]).await.text;
    assert!(!page.contains(STOP), "a reader has no form");
    for missing in [
        "/ui/flows/f/executions/none/stop",
        "/ui/flows/none/executions/e/stop",
    ] {
        assert_eq!(server.post(missing, &[&admin, OURS], &[]).await.status, 404);
    }
}

#[tokio::test]
async fn stop_needs_the_role_of_the_action() {
    use flowledger::{action::Action, auth::Role};
    assert_eq!(
        Action::StopExecution.role(),
        Role::Writer,
        "as the page has it"
    );
}

#[tokio::test]
async fn page_of_an_ended_execution_has_no_form() {
    let server = Server::with_execution().await;
    server
        .append(&json!([event(5, "ExecutionSucceeded", "", &json!({}))]))
        .await;
    assert!(!server.page(PAGE).await.contains(STOP));
}
