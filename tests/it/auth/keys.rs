//! Access keys: ids, secrets, security tokens, expiry, replacement while serving, the keys file.

use std::{sync::Arc, time::Duration};

use flowledger::auth::keys::Keys;
use tokio::task::JoinHandle;

use super::{append, both, changed, history};
use crate::support::{Call, KEYS, NOW, Server};

#[tokio::test]
async fn unsigned_request_is_refused() {
    let server = Server::with_execution().await;
    let unsigned =
        b"GET /?Action=GetExecutionHistory&FlowName=f&ExecutionName=e HTTP/1.1\r\nHost: x\r\n\r\n";
    let (status, code, message) = server.send(unsigned).await.refusal();
    assert_eq!((status, code.as_str()), (400, "MissingRequiredParams"));
    assert!(message.contains("Signature"), "{message}");
    let without = changed(&history(), "&Signature=", "&Sign=");
    assert_eq!(server.code_of(&without).await, "MissingRequiredParams");
    let without = changed(&history().acs3(), "Authorization:", "Authorisation:");
    assert_eq!(server.code_of(&without).await, "MissingRequiredParams");
}

#[tokio::test]
async fn each_common_parameter_is_required_under_rpc_v1() {
    let server = Server::with_execution().await;
    for name in [
        "AccessKeyId",
        "Timestamp",
        "SignatureNonce",
        "SignatureMethod",
        "SignatureVersion",
        "Signature",
    ] {
        for replacement in [format!("&Not{name}="), format!("&{name}=&X=")] {
            let request = changed(&history(), &format!("&{name}="), &replacement);
            let (status, code, message) = server.send(&request).await.refusal();
            assert_eq!(
                (status, code.as_str()),
                (400, "MissingRequiredParams"),
                "{name}"
            );
            assert!(message.contains(&format!("'{name}'")), "{message}");
        }
    }
}

#[tokio::test]
async fn each_common_header_is_required_under_acs3() {
    let server = Server::with_execution().await;
    for name in [
        "x-acs-action",
        "x-acs-version",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-content-sha256",
    ] {
        for replacement in [format!("\r\nnot-{name}: "), format!("\r\n{name}:\r\nx: ")] {
            let request = changed(&history().acs3(), &format!("\r\n{name}: "), &replacement);
            let (status, code, message) = server.send(&request).await.refusal();
            assert_eq!(
                (status, code.as_str()),
                (400, "MissingRequiredHeader"),
                "{name}"
            );
            assert!(message.contains(&format!("'{name}'")), "{message}");
        }
    }
}

#[tokio::test]
async fn unknown_and_expired_keys_get_the_same_answer() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        for (id, secret) in [
            ("nobody", "testsecret"),
            ("nobody", "nobody"), // the key against which unknown keys are checked
            ("TESTID", "testsecret"),
            ("expired", "expired-secret"),
        ] {
            let (status, code, message) = server.refused(call.clone().key(id, secret)).await;
            assert_eq!((status, code.as_str()), (403, "InvalidAccessKeyID"));
            assert_eq!(message, format!("The AccessKey ID '{id}' is invalid."));
        }
    }
}

#[tokio::test]
async fn key_expires_to_the_millisecond() {
    let server = Server::with_execution().await;
    for call in both(&history().key("expired", "expired-secret")) {
        server.set_time(NOW - 1);
        assert_eq!(server.code(call.clone()).await, "OK");
        server.set_time(NOW);
        assert_eq!(server.code(call.nonce("later")).await, "InvalidAccessKeyID");
    }
}

#[tokio::test]
async fn wrong_signature_is_refused_with_the_vendors_message() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        let refused = server.refused(call.key("testid", "another")).await;
        let message = "The request signature we calculated does not match the signature you provided. \
             Check your access key and signing method.";
        assert_eq!(
            refused,
            (403, "SignatureNotMatch".to_owned(), message.to_owned())
        );
    }
}

#[tokio::test]
async fn key_with_a_security_token_requires_it() {
    let server = Server::with_execution().await;
    for call in both(&history().key("sts", "sts-secret")) {
        for (token, expected) in [
            (None, "InvalidAccessKeyID"),
            (Some("sts-toke"), "InvalidAccessKeyID"),
            (Some("sts-token2"), "InvalidAccessKeyID"),
            (Some("STS-TOKEN"), "InvalidAccessKeyID"),
            (Some("sts-token"), "OK"),
        ] {
            let mut call = call.clone().nonce(&format!("{token:?} {}", call.acs3));
            call.security_token = token.map(str::to_owned);
            assert_eq!(server.code(call).await, expected, "{token:?}");
        }
    }
}

#[tokio::test]
async fn security_token_counts_only_where_the_scheme_signs_it() {
    let server = Server::with_execution().await;
    let call = history().key("sts", "sts-secret");
    let in_header = call.clone().header("x-acs-security-token", "sts-token");
    assert_eq!(server.code(in_header).await, "InvalidAccessKeyID");
    let in_query = call.clone().acs3().query("SecurityToken", "sts-token");
    assert_eq!(server.code(in_query).await, "InvalidAccessKeyID");
    let unsigned = changed(
        &call.clone().acs3(),
        "\r\nAuthorization:",
        "\r\nx-acs-security-token: sts-token\r\nAuthorization:",
    );
    assert_eq!(server.code_of(&unsigned).await, "InvalidArgument");
    let unsigned = changed(&call, "/?", "/?SecurityToken=sts-token&");
    assert_eq!(server.code_of(&unsigned).await, "SignatureNotMatch");
}

#[tokio::test]
async fn key_without_a_security_token_ignores_one() {
    let server = Server::with_execution().await;
    for call in both(&history().token("any")) {
        assert_eq!(server.code(call).await, "OK");
    }
}

#[tokio::test]
async fn replaced_keys_take_effect_at_once_and_used_nonces_stay_used() {
    let server = Server::with_execution().await;
    let seen = history();
    assert_eq!(server.code(seen.clone()).await, "OK");
    server.use_keys("[[key]]\nid = \"new\"\nsecret = \"new-secret\"\nrole = \"reader\"\n");
    for call in both(&history()) {
        assert_eq!(server.code(call.clone()).await, "InvalidAccessKeyID");
        assert_eq!(server.code(call.key("new", "new-secret")).await, "OK");
    }
    server.use_keys("[[key]]\nid = \"testid\"\nsecret = \"testsecret\"\nrole = \"reader\"\n");
    assert_eq!(server.code(seen).await, "SignatureNonceUsed");
    assert_eq!(
        server.code(history().key("new", "new-secret")).await,
        "InvalidAccessKeyID"
    );
    assert_eq!(server.code(append()).await, "AccessDenied");
}

/// A long poll by the key `reader`, once it is parked.
async fn parked(server: &Arc<Server>, action: &str) -> JoinHandle<String> {
    let call = Call::new(action)
        .query("FlowName", "f")
        .query("ExecutionName", "e")
        .query(
            "NextToken",
            if action == "DescribeExecution" {
                ""
            } else {
                "99"
            },
        )
        .query("WaitTimeSeconds", "60")
        .key("reader", "reader-secret");
    let waiting = Arc::clone(server);
    let poll = tokio::spawn(async move { waiting.code(call).await });
    while server.app.limits.waits.in_use() == 0 {
        tokio::task::yield_now().await;
    }
    poll
}

/// The code of an answer that comes long before the 60 seconds of a long poll.
async fn soon(poll: JoinHandle<String>) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(30), poll).await;
    answer.expect("the poll is not parked").unwrap()
}

#[tokio::test]
async fn long_poll_of_a_revoked_key_is_refused_when_the_keys_are_replaced() {
    let reader = "[[key]]\nid = \"reader\"\nrole = \"reader\"\n";
    for action in ["GetExecutionHistory", "DescribeExecution"] {
        for (keys, expected) in [
            (
                format!("{reader}secret = \"s\"").replace("id = \"reader\"", "id = \"other\""),
                "InvalidAccessKeyID",
            ),
            (format!("{reader}secret = \"new\""), "InvalidAccessKeyID"),
            (
                format!("{reader}secret = \"reader-secret\"\nsecurity_token = \"t\""),
                "InvalidAccessKeyID",
            ),
            (
                format!("{reader}secret = \"reader-secret\"\nexpires = \"2026-11-22T12:00:00Z\""),
                "InvalidAccessKeyID",
            ),
            (
                format!("{reader}secret = \"reader-secret\"\nflows = [\"other\"]"),
                "AccessDenied",
            ),
        ] {
            let server: Arc<Server> = Server::with_execution().await.into();
            let poll = parked(&server, action).await;
            server.use_keys(&keys);
            assert_eq!(soon(poll).await, expected, "{action} with {keys}");
        }
    }
}

#[tokio::test]
async fn long_poll_of_a_key_that_expires_meanwhile_is_refused() {
    let keys = KEYS.replace(
        "id = \"reader\"",
        "id = \"reader\"\nexpires = \"2026-11-22T12:00:30Z\"",
    );
    for action in ["GetExecutionHistory", "DescribeExecution"] {
        let server: Arc<Server> = Server::with_execution().await.into();
        server.use_keys(&keys);
        let poll = parked(&server, action).await;
        server.set_time(NOW + 30_000);
        let stop = Call::new("StopExecution").form("FlowName", "f");
        server.ok(stop.form("ExecutionName", "e")).await;
        assert_eq!(soon(poll).await, "InvalidAccessKeyID", "{action}");
    }
}

#[tokio::test]
async fn long_poll_survives_a_reload_that_keeps_its_key() {
    for action in ["GetExecutionHistory", "DescribeExecution"] {
        let server: Arc<Server> = Server::with_execution().await.into();
        let poll = parked(&server, action).await;
        server.use_keys(KEYS);
        // A role with more rights includes this right, so the long poll must go on.
        server.use_keys(&KEYS.replace("role = \"reader\"", "role = \"writer\""));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!poll.is_finished(), "{action}");
        let stop = Call::new("StopExecution").form("FlowName", "f");
        server.ok(stop.form("ExecutionName", "e")).await;
        assert_eq!(soon(poll).await, "OK", "{action}");
    }
}

#[test]
fn error_in_a_keys_file_names_the_line_and_no_secret() {
    let bare = "line 3: a secret must be text in quotes";
    for (lines, expected) in [
        ("secret = 5318008\nrole = \"admin\"", bare),
        ("secret = [\"5318008\"]\nrole = \"admin\"", bare),
        ("secret = 5318008x\nrole = \"admin\"", "line 3: "),
        ("secret = \"5318008\nrole = \"admin\"", "line 3: "),
        ("secret = \"5318008\"\nsecret = \"5318008\"", "line 4: "),
        ("secret = \"5318008\"", "line 1: missing field `role`"),
        (
            "secret = \"5318008\"\nrole = \"owner\"",
            "line 4: unknown variant `owner`",
        ),
        (
            "role = \"admin\"\nsecret = \"5318008\"\nsecurity_token = 5318008",
            "line 5: a secret must be text in quotes",
        ),
        (
            "secret = \"5318008\"\nrole = \"admin\"\nflow = []",
            "line 5: unknown field `flow`",
        ),
        (
            "secret = \"5318008\"\nrole = \"admin\"\nexpires = \"soon\"",
            "key 'k': expires must be RFC 3339",
        ),
        (
            "secret = \"\"\nrole = \"admin\"",
            "key 'k': the secret must not be empty",
        ),
    ] {
        let file = format!("[[key]]\nid = \"k\"\n{lines}\n");
        let fault = Keys::load(Some(&file), None).err().unwrap();
        assert!(fault.starts_with(expected), "{fault}");
        assert!(!fault.contains("5318008"), "{fault}");
    }
}

#[test]
fn key_id_is_unique_and_fits_into_an_authorization_header() {
    let key = |id: &str| format!("[[key]]\nid = '{id}'\nsecret = \"s\"\nrole = \"reader\"\n");
    let twice = key("k") + &key("k");
    let fault = Keys::load(Some(&twice), None).err();
    assert_eq!(fault.as_deref(), Some("key 'k' is there twice"));
    let admin = Some(("k".to_owned(), "s".to_owned()));
    let fault = Keys::load(Some(&key("k")), admin).err();
    assert_eq!(fault.as_deref(), Some("key 'k' is there twice"));
    let longest = "k".repeat(128);
    for (id, fits) in [
        ("test-key-id", true),
        (&longest, true),
        (&(longest.clone() + "k"), false),
        ("", false),
        ("a,b", false),
        ("a=b", false),
        ("a b", false),
        ("é", false),
    ] {
        assert_eq!(Keys::load(Some(&key(id)), None).is_ok(), fits, "{id}");
    }
}
