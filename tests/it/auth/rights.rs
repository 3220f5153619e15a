//! Rights: what each role may do, and which flows a key sees.

use std::{collections::BTreeSet, fs};

use serde_json::json;

use super::{MINUTE, append, calls, create, history, task_token};
use crate::support::{Call, NOW, Server};

/// The only action without a flow.
fn list_flows() -> Call {
    Call::new("ListFlows")
}

#[test]
fn calls_cover_every_action() {
    let called = calls("f", "e", "t").into_iter().map(|(_, call)| call);
    let called: BTreeSet<_> = called
        .chain([list_flows()])
        .map(|call| call.action)
        .collect();
    let camel_case = |stem: &str| {
        let words = stem.split('_');
        let words = words.map(|word| word[..1].to_uppercase() + &word[1..]);
        words.collect::<String>()
    };
    let files: BTreeSet<_> = fs::read_dir("src/action")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| camel_case(path.file_stem().unwrap().to_str().unwrap()))
        .filter(|name| name != "Mod")
        .collect();
    assert_eq!(called, files);
}

#[tokio::test]
async fn each_role_may_call_its_actions_and_those_of_lower_roles() {
    let roles = [
        ("reader", "reader", "reader-secret"),
        ("writer", "writer", "writer-secret"),
        ("admin", "testid", "testsecret"),
    ];
    for (rank, (role, id, secret)) in roles.into_iter().enumerate() {
        let server = Server::with_execution().await;
        let token = task_token(&server).await;
        let calls = calls("f", "e", &token).into_iter();
        for (least, call) in calls.chain([("reader", list_flows())]) {
            let needed = roles.iter().position(|(role, ..)| *role == least).unwrap();
            let action = call.action.clone();
            let code = server.code(call.key(id, secret)).await;
            let expected = match action.as_str() {
                _ if rank < needed => "AccessDenied",
                "CreateFlow" => "FlowAlreadyExists",
                "ReportTaskFailed" => "TaskAlreadyCompleted",
                _ => "OK",
            };
            assert_eq!(code, expected, "{action} by a {role}");
        }
    }
}

#[tokio::test]
async fn denied_answer_is_the_same_for_present_and_absent_flows() {
    let server = Server::with_execution().await;
    let token = task_token(&server).await;
    let denied = (
        403,
        "AccessDenied".to_owned(),
        "The resources doesn't belong to you.".to_owned(),
    );
    for (flow, execution) in [("f", "e"), ("f", "absent"), ("absent", "e")] {
        for (least, call) in calls(flow, execution, &token) {
            let action = call.action.clone();
            let stranger = call.clone().key("narrow", "narrow-secret");
            assert_eq!(server.refused(stranger).await, denied, "{action}");
            if least != "reader" {
                let reader = call.key("reader", "reader-secret");
                assert_eq!(server.refused(reader).await, denied, "{action}");
            }
        }
    }
}

#[tokio::test]
async fn list_flows_returns_the_flows_that_the_key_sees() {
    let server = Server::with_execution().await;
    for name in ["exact", "reader-1", "reader-2", "zebra"] {
        server.ok(create(name)).await;
    }
    for (id, secret, expected) in [
        (
            "narrow",
            "narrow-secret",
            &["exact", "reader-1", "reader-2"][..],
        ),
        (
            "reader",
            "reader-secret",
            &["exact", "f", "reader-1", "reader-2", "zebra"],
        ),
    ] {
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let call = list_flows().query("Limit", "1").query("NextToken", &token);
            let page = server.ok(call.key(id, secret)).await;
            for flow in page["Flows"].as_array().unwrap() {
                names.push(flow["Name"].as_str().unwrap().to_owned());
            }
            match page["NextToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!(names, expected, "{id}");
    }
}

#[tokio::test]
async fn key_sees_exactly_the_flows_that_its_globs_match() {
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
async fn key_without_globs_sees_no_flow() {
    let server = Server::with_execution().await;
    let token = task_token(&server).await;
    server.use_keys(
        "[[key]]\nid = \"testid\"\nsecret = \"testsecret\"\nrole = \"admin\"\nflows = []\n",
    );
    for (_, call) in calls("f", "e", &token) {
        let action = call.action.clone();
        assert_eq!(server.code(call).await, "AccessDenied", "{action}");
    }
}

#[tokio::test]
async fn refused_write_writes_nothing() {
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
