//! A request means one thing: no name twice, none that is nearly another, nothing unsigned that decides.

use super::{both, changed, create, history};
use crate::support::{Call, Server};

#[tokio::test]
async fn a_name_given_twice_is_refused_before_any_signature_is_looked_at() {
    let server = Server::with_execution().await;
    for key in ["testid", "nobody"] {
        for call in both(&history().key(key, "wrong")) {
            for (more, name) in [
                ("FlowName=f", "FlowName"),
                ("Flow%4eame=another", "FlowName"),
                ("FlowName", "FlowName"),
                ("Extra=1&Extra=1", "Extra"),
                ("+=1&%20=2", " "),
            ] {
                let request = changed(&call, "/?", &format!("/?{more}&"));
                let (status, code, message) = server.send(&request).await.refusal();
                assert_eq!((status, code.as_str()), (400, "InvalidArgument"), "{more}");
                assert_eq!(
                    message,
                    format!("Parameter error. {name} must not be given twice.")
                );
            }
        }
    }
}

#[tokio::test]
async fn a_name_is_given_once_across_query_and_body() {
    let server = Server::with_execution().await;
    for call in [
        create("g").query("Name", "g"),
        create("g").form("Name", "g"),
        create("g").query("Name", "g").acs3(),
        create("g").form("Name", "g").acs3(),
        create("g").form("Action", "CreateFlow"),
        create("g").form("Signature", "x"),
        Call::new("CreateFlow")
            .query("Name", "g")
            .body("application/json", r#"{"Name":"g"}"#)
            .acs3(),
    ] {
        let (status, code, message) = server.refused(call).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert!(message.ends_with("must not be given twice."), "{message}");
    }
}

#[tokio::test]
async fn a_name_in_another_case_is_refused() {
    let server = Server::with_execution().await;
    for name in [
        "flowname",
        "FLOWNAME",
        "limit",
        "signature",
        "accessKeyId",
        "action",
        "Nexttoken",
    ] {
        for call in both(&history().query(name, "")) {
            let (status, code, message) = server.refused(call).await;
            assert_eq!((status, code.as_str()), (400, "InvalidArgument"), "{name}");
            assert!(message.contains("must be spelled"), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_signed_decides_and_not_the_path_or_the_method_it_pretends() {
    let server = Server::with_execution().await;
    let plain = server.ok(history()).await;
    for (from, to) in [
        ("GET /?", "GET http://elsewhere.test/?"),
        (
            "Host: flowledger.test",
            "Host: elsewhere\r\nX-HTTP-Method-Override: POST",
        ),
        (
            "Host: flowledger.test",
            "Host: elsewhere\r\nX-Original-URL: /healthz",
        ),
    ] {
        let answer = server.send(&changed(&history(), from, to)).await;
        assert_eq!(answer.json["Events"], plain["Events"], "{}", answer.text);
    }
}
