//! The order of checks: a request with several faults is refused for the first one only.

use super::{MINUTE, both, history};
use crate::support::{Call, NOW, Server};

/// A request with every fault from the `first` on, in the order in which the server must check them.
fn wrong_from(first: usize, acs3: bool) -> Vec<u8> {
    let mut call = Call::new(if first <= 8 {
        "Nothing"
    } else {
        "GetExecutionHistory"
    })
    .query("FlowName", "absent")
    .query("ExecutionName", "e")
    .query("Limit", if first <= 9 { "0" } else { "1" })
    .version(if first <= 7 {
        "2015-01-01"
    } else {
        "2019-03-15"
    })
    .at(if first <= 5 { NOW - 16 * MINUTE } else { NOW })
    .key(
        match first {
            0..=3 => "nobody",
            4..=10 => "narrow",
            _ => "testid",
        },
        match first {
            0..=4 => "wrong",
            5..=10 => "narrow-secret",
            _ => "testsecret",
        },
    );
    if first <= 6 {
        call = call.nonce("used before");
    }
    call.acs3 = acs3;
    let mut request = String::from_utf8(call.bytes()).unwrap();
    if first <= 2 {
        request = request.replace("&SignatureNonce=", "&Nonce=");
        request = request.replace("x-acs-signature-nonce: ", "x-nonce: ");
    }
    if first <= 1 {
        request = request.replace("/?", "/?Twice=1&Twice=2&");
    }
    if first == 0 {
        request = request.replace("\r\n\r\n", "\r\nContent-Length: 100000000\r\n\r\n");
    }
    request.into_bytes()
}

#[tokio::test]
async fn first_fault_in_the_order_of_checks_is_reported() {
    for acs3 in [false, true] {
        let server = Server::with_execution().await;
        let earlier = history()
            .key("narrow", "narrow-secret")
            .nonce("used before");
        assert_eq!(server.code(earlier).await, "AccessDenied");
        let missing = match acs3 {
            true => "MissingRequiredHeader",
            false => "MissingRequiredParams",
        };
        for (first, expected) in [
            "EntityTooLarge",
            "InvalidArgument", // Twice
            missing,
            "InvalidAccessKeyID",
            "SignatureNotMatch",
            "RequestTimeTooSkewed",
            "SignatureNonceUsed",
            "APIVersionNotSupported",
            "ActionNotSupported",
            "InvalidArgument", // Limit
            "AccessDenied",
            "FlowNotExists",
        ]
        .into_iter()
        .enumerate()
        {
            let (_, code, message) = server.send(&wrong_from(first, acs3)).await.refusal();
            assert_eq!(code, expected, "fault {first}: {message}");
            for (at, word) in [(1, "Twice"), (9, "Limit")] {
                assert_eq!(
                    message.contains(word),
                    first == at,
                    "fault {first}: {message}"
                );
            }
        }
    }
}

#[tokio::test]
async fn security_token_is_checked_after_the_signature_and_before_the_time() {
    let server = Server::with_execution().await;
    for call in both(
        &history()
            .key("sts", "wrong")
            .token("wrong")
            .at(NOW - 60 * MINUTE),
    ) {
        assert_eq!(server.code(call.clone()).await, "SignatureNotMatch");
        let call = call.key("sts", "sts-secret");
        assert_eq!(server.code(call.clone()).await, "InvalidAccessKeyID");
        assert_eq!(
            server.code(call.token("sts-token")).await,
            "RequestTimeTooSkewed"
        );
    }
}
