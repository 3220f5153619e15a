//! Requests recorded from official clients, verified step by step and as a whole.

use flowledger::{
    auth::{Authenticator, keys::Keys},
    wire::{
        error::Code,
        params::{BodyKind, Params},
        signature::{SecretKey, acs3, rpc_v1, sha256_hex},
    },
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Recorded, acs3_signs, authenticate, owned, recorded, rpc_v1_signs, signed, sorted};
use crate::support::{KEYS, Server};

/// The only client that does not sign empty values.
const SIGNS_NO_EMPTY_VALUE: &str = "java-tea-fnf-2.0.1__history_reserved";

fn params(recorded: &Recorded) -> Params<'_> {
    let body = recorded.request.body.as_bytes();
    let form = (!body.is_empty()).then_some((BodyKind::Form, body));
    Params::parse(recorded.request.query(), form).unwrap()
}

fn secret(recorded: &Recorded) -> SecretKey {
    SecretKey::new(recorded.credentials.access_key_secret.clone())
}

#[test]
fn recorded_requests_cover_every_scheme() {
    assert_eq!(super::rpc_v1().len(), 59);
    assert_eq!(super::acs3().len(), 51);
    assert_eq!(super::of_scheme("ANONYMOUS").len(), 4);
    assert_eq!(recorded().len(), 59 + 51 + 4);
}

#[test]
fn query_and_form_are_decoded_as_recorded() {
    for recorded in recorded() {
        let params = params(&recorded);
        let (query, form) = (&recorded.expected.query, &recorded.expected.form);
        assert_eq!(
            owned(params.all()),
            sorted([&query[..], form].concat()),
            "{}",
            recorded.file
        );
        assert_eq!(
            owned(params.of_query()),
            sorted(query.clone()),
            "{}",
            recorded.file
        );
    }
}

#[test]
fn decoded_parameters_are_those_given_to_the_client() {
    for recorded in recorded() {
        let decoded = owned(params(&recorded).all());
        for (name, given) in &recorded.params {
            let given = match given {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let found = decoded.iter().find(|(found, _)| found == name);
            match found {
                Some((_, value)) => assert_eq!(value, &given, "{name} in {}", recorded.file),
                None => assert_eq!("", given, "{name} is missing in {}", recorded.file),
            }
        }
    }
}

#[test]
fn rpc_v1_string_to_sign_matches_the_recording() {
    for recorded in super::rpc_v1() {
        let params = params(&recorded);
        let method = &recorded.request.method;
        let signed = match recorded.file.as_str() {
            SIGNS_NO_EMPTY_VALUE => rpc_v1_signs(method, params.without_empty().unwrap()),
            _ => rpc_v1_signs(method, params.all()),
        };
        assert_eq!(
            signed, recorded.expected.string_to_sign,
            "{}",
            recorded.file
        );
    }
}

#[test]
fn recorded_rpc_v1_signature_verifies() {
    for recorded in super::rpc_v1() {
        let mut params = params(&recorded);
        let signature = params.given("Signature").unwrap();
        assert_eq!(signature, recorded.expected.signature, "{}", recorded.file);
        let signature = rpc_v1::parse_signature(signature).unwrap();
        if recorded.file == SIGNS_NO_EMPTY_VALUE {
            params.forget_empty();
        }
        let holds = |method: &str| {
            let secret = secret(&recorded);
            secret.signed_rpc_v1(method, params.all(), &signature)
        };
        let method = &recorded.request.method;
        assert!(holds(method), "{}", recorded.file);
        assert!(!holds(&format!("{method} ")), "{}", recorded.file);
    }
}

#[test]
fn acs3_string_to_sign_matches_the_recording() {
    for recorded in super::acs3() {
        let (file, expected) = (&recorded.file, &recorded.expected);
        let authorization = recorded.request.header("authorization").unwrap();
        let authorization = acs3::Authorization::parse(authorization).unwrap();
        assert_eq!(
            authorization.credential, recorded.credentials.access_key_id,
            "{file}"
        );
        assert_eq!(
            authorization.signed_headers, expected.signed_headers,
            "{file}"
        );
        let hash = sha256_hex(recorded.request.body.as_bytes());
        assert_eq!(hash, expected.payload_hash, "{file}");
        let canonical = acs3_signs(
            &recorded.request.method,
            params(&recorded).of_query(),
            &recorded.request.header_map(),
            &authorization.signed_headers,
            &hash,
        );
        assert_eq!(
            String::from_utf8_lossy(&canonical),
            expected.canonical_request,
            "{file}"
        );
        assert_eq!(
            acs3::string_to_sign(Sha256::new().chain_update(&canonical)),
            expected.string_to_sign,
            "{file}"
        );
    }
}

#[test]
fn recorded_acs3_signature_verifies() {
    for recorded in super::acs3() {
        let authorization = recorded.request.header("authorization").unwrap();
        let signature = acs3::Authorization::parse(authorization).unwrap().signature;
        assert_eq!(
            crate::support::call::hex(&signature),
            recorded.expected.signature,
            "{}",
            recorded.file
        );
        let text = &recorded.expected.string_to_sign;
        assert!(
            secret(&recorded).signed_acs3(text, &signature),
            "{}",
            recorded.file
        );
        assert!(
            !secret(&recorded).signed_acs3(&format!("{text} "), &signature),
            "{}",
            recorded.file
        );
    }
}

#[test]
fn recorded_request_is_accepted_once() {
    for recorded in signed() {
        let authenticator = recorded.authenticator();
        let accepted = authenticate(&authenticator, &recorded.request, recorded.time());
        let caller = accepted
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", recorded.file))
            .caller;
        assert_eq!(caller.action(), recorded.action, "{}", recorded.file);
        let version = match recorded.file.starts_with("published") {
            true => "2014-05-26",
            false => "2019-03-15",
        };
        assert_eq!(caller.version(), version, "{}", recorded.file);
        let again = authenticate(&authenticator, &recorded.request, recorded.time());
        assert_eq!(
            again.unwrap_err().code,
            Code::SignatureNonceUsed,
            "{}",
            recorded.file
        );
    }
}

#[test]
fn temporary_credentials_require_their_own_token() {
    let mut with_token = signed();
    with_token.retain(|recorded| recorded.credentials.security_token.is_some());
    assert_eq!(with_token.len(), 20);
    for recorded in with_token {
        let secret = &recorded.credentials.access_key_secret;
        let token = recorded.credentials.security_token.as_deref().unwrap();
        for (known, accepted) in [
            (Some(token), true),
            (None, true), // a key without a security token ignores one
            (Some("another"), false),
            (Some(&token[1..]), false),
        ] {
            let authenticator = recorded.authenticator_with(secret, known);
            let code = authenticate(&authenticator, &recorded.request, recorded.time())
                .map_err(|refusal| refusal.code);
            match accepted {
                true => assert!(code.is_ok(), "{} with {known:?}", recorded.file),
                false => assert_eq!(
                    code.unwrap_err(),
                    Code::InvalidAccessKeyId,
                    "{} with {known:?}",
                    recorded.file
                ),
            }
        }
    }
}

#[test]
fn client_without_credentials_is_refused() {
    for recorded in super::of_scheme("ANONYMOUS") {
        let authenticator = Authenticator::new(Keys::load(Some(KEYS), None).unwrap());
        let refusal = authenticate(&authenticator, &recorded.request, recorded.time()).unwrap_err();
        assert_eq!(
            refusal.code,
            Code::MissingRequiredParams,
            "{}",
            recorded.file
        );
    }
}

#[tokio::test]
async fn running_server_accepts_every_recorded_request() {
    let server = Server::start().await;
    let keys = r#"
        [[key]]
        id = "testid"
        secret = "testsecret"
        role = "admin"

        [[key]]
        id = "test-key-id"
        secret = "testsecret"
        role = "admin"
    "#;
    let keys = Keys::load(Some(keys), None).unwrap();
    server.app.authenticator.replace_keys(keys);
    let doubts = [
        "InvalidAccessKeyID",
        "MissingRequiredHeader",
        "MissingRequiredParams",
        "RequestTimeTooSkewed",
        "SignatureNonceUsed",
        "SignatureNotMatch",
        "UnsupportedMediaType",
    ];
    let mut answered = 0;
    for recorded in signed() {
        if recorded.file.starts_with("published") {
            continue; // of another product
        }
        server.set_time(recorded.time().millis());
        let answer = server.send(&recorded.request.bytes()).await;
        let code = answer.json["Code"].as_str().unwrap_or_default();
        assert!(
            !doubts.contains(&code),
            "{}: {}",
            recorded.file,
            answer.text
        );
        let fault = match recorded.file.split_once("__").unwrap().1 {
            "history_reserved" => "FlowName",
            "report_task_succeeded" => "TaskToken",
            _ => "",
        };
        assert_eq!(
            code == "InvalidArgument",
            !fault.is_empty(),
            "{}",
            answer.text
        );
        assert!(answer.text.contains(fault), "{}", answer.text);
        answered += usize::from(code.is_empty());
    }
    assert!(answered > 20, "only {answered} calls were answered");
}
