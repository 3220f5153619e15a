//! Ambiguous requests are refused: duplicate names, names in different case, unsigned overrides.

use super::{both, changed, create, history};
use crate::support::{Call, Server};

#[tokio::test]
async fn duplicate_name_is_refused_before_the_signature_is_checked() {
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
async fn name_in_query_and_body_is_refused() {
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
async fn known_name_in_different_case_is_refused() {
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
async fn unsigned_host_path_and_method_override_change_nothing() {
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
