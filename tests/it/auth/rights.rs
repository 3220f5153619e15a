//! Rights: what a role may do, and which flows a key sees.

use std::collections::BTreeSet;

use serde_json::json;

use super::{MINUTE, append, create, history, start};
use crate::support::{Call, NOW, Server};

/// A call of every action that `f` and `e` can answer.
fn calls() -> Vec<Call> {
    vec![
        history(),
        Call::new("DescribeExecution")
            .query("FlowName", "f")
            .query("ExecutionName", "e"),
        Call::new("DescribeFlow").query("Name", "f"),
        append(),
        start("f", "e2"),
        create("g"),
    ]
}

/// What a role may do beyond the roles before it.
const RIGHTS: [(&str, &[&str]); 3] = [
    (
        "reader",
        &["GetExecutionHistory", "DescribeExecution", "DescribeFlow"],
    ),
    (
        "writer",
        &["AppendExecutionEvents", "StartExecution", "CreateFlow"],
    ),
    ("testid", &[]),
];

#[tokio::test]
async fn each_role_may_do_what_it_may_and_nothing_else() {
    let mut allowed: BTreeSet<&str> = BTreeSet::new();
    for (key, more) in RIGHTS {
        allowed.extend(more);
        let secret = if key == "testid" {
            "testsecret".to_owned()
        } else {
            format!("{key}-secret")
        };
        let server = Server::with_execution().await;
        for call in calls() {
            let action = call.action.clone();
            let expected = if allowed.contains(&action.as_str()) {
                "OK"
            } else {
                "AccessDenied"
            };
            assert_eq!(
                server.code(call.key(key, &secret)).await,
                expected,
                "{action} by {key}"
            );
        }
    }
    let with_a_call: BTreeSet<_> = calls().into_iter().map(|call| call.action).collect();
    assert!(
        with_a_call.iter().eq(allowed),
        "{with_a_call:?} have rights"
    );
}

#[tokio::test]
async fn who_may_not_look_does_not_learn_what_is_there() {
    let server = Server::with_execution().await;
    server.ok(create("reader-1")).await;
    for (flow, execution) in [("f", "e"), ("f", "absent"), ("absent", "e")] {
        for call in [
            Call::new("GetExecutionHistory")
                .query("FlowName", flow)
                .query("ExecutionName", execution),
            Call::new("DescribeExecution")
                .query("FlowName", flow)
                .query("ExecutionName", execution),
            Call::new("DescribeFlow").query("Name", flow),
            create(flow),
            start(flow, execution),
            Call::new("AppendExecutionEvents")
                .form("FlowName", flow)
                .form("ExecutionName", execution)
                .form("Events", r#"[{"Type":"StepEntered"}]"#),
        ] {
            let refused = server.refused(call.key("narrow", "narrow-secret")).await;
            let message = "The resources doesn't belong to you.";
            assert_eq!(
                refused,
                (403, "AccessDenied".to_owned(), message.to_owned())
            );
        }
        let write = start(flow, execution).key("reader", "reader-secret");
        assert_eq!(server.code(write).await, "AccessDenied");
    }
}

#[tokio::test]
async fn a_key_sees_the_flows_that_its_globs_match_and_no_others() {
    let server = Server::start().await;
    for (flow, expected) in [
        ("reader-", "OK"),
        ("reader-one", "OK"),
        ("exact", "OK"),
        ("reader", "AccessDenied"),
        ("Reader-one", "AccessDenied"),
        ("my-reader-one", "AccessDenied"),
        ("exactly", "AccessDenied"),
        ("inexact", "AccessDenied"),
        ("f", "AccessDenied"),
    ] {
        let narrow = |call: Call| call.key("narrow", "narrow-secret");
        assert_eq!(server.code(narrow(create(flow))).await, expected, "{flow}");
        let seen = server
            .code(narrow(Call::new("DescribeFlow").query("Name", flow)))
            .await;
        assert_eq!(seen, expected, "{flow}");
        let exists = server
            .code(Call::new("DescribeFlow").query("Name", flow))
            .await;
        assert_eq!(exists == "OK", expected == "OK", "{flow}");
    }
}

#[tokio::test]
async fn a_key_without_a_glob_sees_nothing() {
    let server = Server::with_execution().await;
    server.use_keys(
        "[[key]]\nid = \"testid\"\nsecret = \"testsecret\"\nrole = \"admin\"\nflows = []\n",
    );
    for call in calls() {
        let action = call.action.clone();
        assert_eq!(server.code(call).await, "AccessDenied", "{action}");
    }
}

#[tokio::test]
async fn a_refused_write_wrote_nothing() {
    let server = Server::with_execution().await;
    for call in [
        append().key("reader", "reader-secret"),
        append().key("testid", "wrong"),
        append().key("narrow", "narrow-secret"),
        append().at(NOW - 60 * MINUTE),
        append().version("2015-01-01"),
    ] {
        assert_ne!(server.code(call).await, "OK");
    }
    let page = server.ok(history()).await;
    assert_eq!(page["Events"].as_array().unwrap().len(), 1);
    assert_eq!(page["Events"][0]["EventId"], json!(1));
}
