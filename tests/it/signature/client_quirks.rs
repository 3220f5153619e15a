//! Quirks of official clients, named by client. Calls that have an answer are made over HTTP.

use flowledger::{auth::keys::Keys, wire::error::Code};
use serde_json::json;

use super::{Sent, create_flow, file, history, joined, recorded, rpc_v1_signature, rpc_v1_text};
use crate::support::{Call, Server};

const FORM: &str = "application/x-www-form-urlencoded";

fn append(event: &str) -> Call {
    let events = json!([{"Type": "StepEntered", "StepName": event}]);
    Call::new("AppendExecutionEvents")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
        .query("Events", &events.to_string())
}

#[test]
fn classic_java_signs_no_host_under_acs3_and_orders_its_authorization_its_own_way() {
    let mut of_classic_java = super::acs3();
    of_classic_java.retain(|recorded| recorded.file.starts_with("java-classic"));
    assert_eq!(of_classic_java.len(), 12);
    for recorded in of_classic_java {
        let authorization = recorded.request.header("authorization").unwrap();
        let parts: Vec<_> = authorization
            .split([' ', ','])
            .map(|part| part.split('=').next().unwrap())
            .collect();
        assert_eq!(
            parts,
            [
                "ACS3-HMAC-SHA256",
                "Credential",
                "Signature",
                "SignedHeaders"
            ]
        );
        for sent in [
            recorded.request.clone(),
            recorded.request.with_header("Host", "another:1"),
            recorded.request.without_header("Host"),
        ] {
            assert!(recorded.replay(&sent).is_ok(), "{}", recorded.file);
        }
        let query = joined(&recorded.expected.query);
        assert!(query.contains("Action=") && query.contains("Version="));
    }
}

#[test]
fn other_clients_sign_their_host_under_acs3_and_it_must_match() {
    for recorded in super::acs3() {
        if recorded.file.starts_with("java-classic") {
            continue;
        }
        for sent in [
            recorded.request.with_header("Host", "another:1"),
            recorded.request.without_header("Host"),
        ] {
            let refusal = recorded.replay(&sent).unwrap_err();
            assert_eq!(refusal.code, Code::SignatureNotMatch, "{}", recorded.file);
        }
    }
}

#[tokio::test]
async fn action_in_the_query_beside_acs3_must_equal_the_one_in_the_header() {
    let server = Server::with_execution().await;
    let call = || history().acs3();
    let same = call()
        .query("Action", "GetExecutionHistory")
        .query("Version", "2019-03-15")
        .query("Format", "JSON");
    server.ok(same).await;
    for (name, other) in [
        ("Action", "DescribeExecution"),
        ("Version", "2015-01-01"),
        ("Action", ""),
    ] {
        let (_, code, message) = server.refused(call().query(name, other)).await;
        assert_eq!(code, "InvalidArgument", "{message}");
    }
}

#[test]
fn classic_python_and_classic_go_sign_an_empty_signature_type() {
    let mut seen = 0;
    for recorded in recorded() {
        let classic =
            recorded.file.starts_with("python-classic") || recorded.file.starts_with("go-classic");
        let sends = recorded.request.target.contains("SignatureType=");
        assert_eq!(sends, classic, "{}", recorded.file);
        if classic {
            seen += 1;
            assert!(
                recorded
                    .expected
                    .string_to_sign
                    .contains("%26SignatureType%3D%26")
            );
            assert!(
                recorded.replay(&recorded.request).is_ok(),
                "{}",
                recorded.file
            );
            let mut without = recorded.request.clone();
            without.target = without.target.replace("SignatureType=&", "");
            assert_ne!(without.target, recorded.request.target, "{}", recorded.file);
            let refusal = recorded.replay(&without).unwrap_err();
            assert_eq!(refusal.code, Code::SignatureNotMatch, "{}", recorded.file);
        }
    }
    assert_eq!(seen, 23);
}

#[tokio::test]
async fn python_tea_sends_its_endpoint_as_host_with_a_scheme_or_a_path_in_it() {
    let server = Server::with_execution().await;
    for host in [
        "http://127.0.0.1:28480",
        "127.0.0.1:28480/",
        "127.0.0.1:28480/prefix",
        "https://流程",
    ] {
        server.ok(history().host(host)).await;
        if host.is_ascii() {
            server.ok(history().acs3().host(host)).await;
        }
    }
}

#[tokio::test]
async fn node_posts_everything_in_the_body_to_a_bare_slash() {
    let recorded = file("node-fnf-2019-03-15-1.2.0__create_flow");
    assert_eq!(recorded.request.target, "/");
    let server = Server::start().await;
    server.set_time(recorded.time().millis());
    let answer = server.send(&recorded.request.bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["Definition"], recorded.params["Definition"]);
}

#[tokio::test]
async fn vendor_command_line_sends_a_form_body_by_get() {
    let server = Server::start().await;
    let created = server.ok(create_flow().method("GET")).await;
    assert_eq!(created["Name"], "new");
}

#[tokio::test]
async fn vendor_command_line_posts_an_empty_body_with_everything_in_the_query() {
    let server = Server::with_execution().await;
    let call = history().method("POST").header("Content-Type", FORM);
    assert!(
        String::from_utf8(call.bytes())
            .unwrap()
            .contains("Content-Length: 0\r\n")
    );
    let page = server.ok(call).await;
    assert_eq!(page["Events"][0]["Type"], "ExecutionStarted");
}

#[tokio::test]
async fn vendor_command_line_sends_a_form_type_on_a_get_without_a_body() {
    let server = Server::with_execution().await;
    let page = server.ok(history().header("Content-Type", FORM)).await;
    assert_eq!(page["Events"][0]["Type"], "ExecutionStarted");
}

#[tokio::test]
async fn vendor_command_line_appends_by_get_with_everything_in_the_query() {
    let server = Server::with_execution().await;
    let appended = server
        .ok(append("步骤 *~+/%&=").query("ExpectedEventId", "2"))
        .await;
    assert_eq!(
        (&appended["FirstEventId"], &appended["LastEventId"]),
        (&json!(2), &json!(2))
    );
    let page = server.ok(history().query("NextToken", "2")).await;
    assert_eq!(page["Events"][0]["StepName"], "步骤 *~+/%&=");
}

#[tokio::test]
async fn typescript_client_posts_its_form_in_chunks() {
    for call in [create_flow(), create_flow().acs3()] {
        let server = Server::start().await;
        let request = String::from_utf8(call.bytes()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length), "{head}");
        let head = head.replace(&length, "Transfer-Encoding: chunked");
        let (first, second) = body.split_at(7);
        let chunked = format!(
            "{head}\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        );
        let answer = server.send(chunked.as_bytes()).await;
        assert_eq!(answer.json["Name"], "new", "{}", answer.text);
    }
}

#[tokio::test]
async fn create_schedule_may_have_a_signature_version_of_its_own() {
    let server = Server::start().await;
    for (action, expected) in [
        ("CreateSchedule", "ActionNotSupported"), // this answer shows that the signature was accepted
        ("CreateFlow", "InvalidArgument"),
    ] {
        let time = crate::support::call::seconds(crate::support::NOW);
        let pairs: Vec<_> = [
            ("AccessKeyId", "testid"),
            ("Action", action),
            ("FlowName", "f"),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", action),
            ("SignatureVersion", "a schedule's own"),
            ("Timestamp", &time),
            ("Version", "2019-03-15"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let signature = rpc_v1_signature("testsecret", &rpc_v1_text("POST", &pairs));
        let signature = ("Signature".to_owned(), signature);
        let body = joined(&[&pairs[..], &[signature]].concat());
        let sent = Sent {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers: vec![
                ("Content-Type".to_owned(), FORM.to_owned()),
                ("Content-Length".to_owned(), body.len().to_string()),
            ],
            body,
        };
        let answer = server.send(&sent.bytes()).await;
        assert_eq!(answer.refusal().1, expected, "{}", answer.text);
    }
}

#[tokio::test]
async fn unsigned_action_header_beside_rpc_v1_is_ignored() {
    let server = Server::with_execution().await;
    let plain = server.ok(history()).await;
    let call = history()
        .header("x-acs-action", "CreateFlow")
        .header("x-acs-version", "2015-01-01")
        .header("x-acs-security-token", "t")
        .header("x-http-method-override", "DELETE");
    assert_eq!(server.ok(call).await["Events"], plain["Events"]);
    let nothing = Call::new("").header("x-acs-action", "GetExecutionHistory");
    assert_eq!(server.refused(nothing).await.1, "ActionNotSupported");
}

#[tokio::test]
async fn other_authorization_beside_rpc_v1_is_ignored() {
    let server = Server::with_execution().await;
    for value in ["Basic dGVzdA==", "Bearer t", "acs testid:c2ln"] {
        server.ok(history().header("Authorization", value)).await;
    }
}

#[tokio::test]
async fn unknown_parameter_is_signed_and_then_ignored() {
    let server = Server::with_execution().await;
    for call in [history(), history().acs3()] {
        server
            .ok(call.query("Limits", "none").query("é", "&").query("", ""))
            .await;
    }
}

#[tokio::test]
async fn xml_is_answered_in_json() {
    let server = Server::with_execution().await;
    for format in ["XML", "None", "json"] {
        let request = String::from_utf8(history().acs3().query("Format", format).bytes()).unwrap();
        let answer = server.send(request.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json;charset=utf-8")
        );
    }
}

#[tokio::test]
async fn go_and_java_name_a_key_id_with_hyphens() {
    let server = Server::with_execution().await;
    let keys = "[[key]]\nid = \"test-key-id\"\nsecret = \"s\"\nrole = \"reader\"\n";
    server
        .app
        .authenticator
        .replace_keys(Keys::load(Some(keys), None).unwrap());
    for call in [history(), history().acs3()] {
        server.ok(call.key("test-key-id", "s")).await;
    }
}
