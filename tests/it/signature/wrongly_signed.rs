//! Requests with a valid signature by the key's owner over something that must be refused.

use flowledger::wire::{
    error::Code,
    params::{BodyKind, Params},
    signature::{SecretKey, acs3::SIGNED_HEADERS_MAX, rpc_v1},
};
use sha2::{Digest, Sha256};

use super::{
    Recorded, Sent, acs3, acs3_signature, acs3_signs, file, joined, owned, rpc_v1_signature,
    rpc_v1_text, tampered::TamperCheck,
};
use crate::support::call::hex;

/// Signs `sent` again over these headers, as its own client could.
fn signed_over(recorded: &Recorded, sent: &Sent, names: &[&str], hash: &str) -> Sent {
    let params = Params::parse(sent.query(), None).unwrap();
    let canonical = acs3_signs(
        &sent.method,
        params.of_query(),
        &sent.header_map(),
        names,
        hash,
    );
    let signature = acs3_signature(
        &recorded.credentials.access_key_secret,
        &format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical))),
    );
    let value = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={signature}",
        recorded.credentials.access_key_id,
        names.join(";")
    );
    sent.with_header("Authorization", &value)
}

#[test]
fn every_vendor_header_must_be_signed() {
    for recorded in acs3() {
        let all = recorded.signed_headers();
        let hash = &recorded.expected.payload_hash;
        let again = signed_over(&recorded, &recorded.request, &all, hash);
        let mut check = TamperCheck::new(&recorded, &again);
        for left_out in all.iter().filter(|name| name.starts_with("x-acs-")) {
            let mut fewer = all.clone();
            fewer.retain(|name| name != left_out);
            let forgery = signed_over(&recorded, &recorded.request, &fewer, hash);
            assert_eq!(
                check.refusal(&forgery, left_out),
                Code::InvalidArgument,
                "{}: {left_out}",
                recorded.file
            );
        }
    }
}

#[test]
fn duplicate_name_in_signed_headers_is_refused() {
    for recorded in acs3() {
        let mut names = recorded.signed_headers();
        names.push(names[0]);
        let hash = &recorded.expected.payload_hash;
        let twice = signed_over(&recorded, &recorded.request, &names, hash);
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        let code = check.refusal(&twice, "SignedHeaders");
        assert_eq!(code, Code::InvalidArgument, "{}", recorded.file);
    }
}

/// A request cannot have more headers, so signing more names would only cost time.
#[test]
fn too_many_signed_headers_are_refused() {
    let recorded = file("python-generic-0.4.6-v3__history_basic");
    let hash = &recorded.expected.payload_hash;
    let many: Vec<_> = (0..SIGNED_HEADERS_MAX).map(|n| format!("h{n}")).collect();
    let mut names = recorded.signed_headers();
    names.extend(many.iter().map(String::as_str));
    let refusal = recorded.replay(&signed_over(&recorded, &recorded.request, &names, hash));
    assert!(refusal.unwrap_err().message.contains("at most 100"));
    names.truncate(SIGNED_HEADERS_MAX);
    let most = signed_over(&recorded, &recorded.request, &names, hash);
    assert!(recorded.replay(&most).is_ok());
}

/// Two headers sign like one whose values are joined by a comma, so a reader of the first one only would see
/// another value than was signed.
#[test]
fn duplicate_vendor_header_is_refused_even_if_signed() {
    for recorded in acs3() {
        let hash = &recorded.expected.payload_hash;
        let mut names = recorded.signed_headers();
        names.push("x-acs-zone");
        let one = recorded.request.with_header("x-acs-zone", "a,b");
        let one = signed_over(&recorded, &one, &names, hash);
        let mut check = TamperCheck::new(&recorded, &one);
        let mut two = one.with_header("x-acs-zone", "a");
        two.headers.push(("x-acs-zone".to_owned(), "b".to_owned()));
        let code = check.refusal(&two, "x-acs-zone");
        assert_eq!(code, Code::InvalidArgument, "{}", recorded.file);

        let mut two = recorded.request.clone();
        two.headers.push(("Host".to_owned(), "another".to_owned()));
        let two = signed_over(&recorded, &two, &recorded.signed_headers(), hash);
        let code = check.refusal(&two, "Host");
        assert_eq!(code, Code::InvalidArgument, "{}", recorded.file);
    }
}

/// The content type selects the parser of the body, and one text can be both a form and JSON.
#[test]
fn content_type_of_a_body_must_be_signed_and_occur_once() {
    let mut bodies = acs3();
    bodies.retain(|recorded| !recorded.request.body.is_empty());
    for recorded in bodies {
        let hash = &recorded.expected.payload_hash;
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        let mut fewer = recorded.signed_headers();
        fewer.retain(|name| *name != "content-type");
        let unsigned = signed_over(&recorded, &recorded.request, &fewer, hash);
        let code = check.refusal(&unsigned, "content-type");
        assert_eq!(code, Code::InvalidArgument, "{}", recorded.file);

        let mut two = recorded.request.clone();
        let second = ("Content-Type".to_owned(), "application/json".to_owned());
        two.headers.push(second);
        let two = signed_over(&recorded, &two, &recorded.signed_headers(), hash);
        let code = check.refusal(&two, "content-type");
        assert_eq!(code, Code::InvalidArgument, "{}", recorded.file);
    }
}

#[test]
fn content_type_without_a_body_is_ignored() {
    let mut calls = acs3();
    calls.retain(|recorded| {
        recorded.request.body.is_empty() && recorded.request.header("content-type").is_none()
    });
    assert!(!calls.is_empty());
    for recorded in calls {
        let sent = recorded
            .request
            .with_header("Content-Type", "application/json");
        assert!(recorded.replay(&sent).is_ok(), "{}", recorded.file);
    }
}

#[test]
fn signed_hash_of_another_body_is_refused() {
    let other = hex(&Sha256::digest("another body"));
    for recorded in acs3() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        let names = recorded.signed_headers();
        let genuine = &recorded.expected.payload_hash;
        for claimed in ["UNSIGNED-PAYLOAD", &genuine.to_uppercase(), &other, "0"] {
            let sent = recorded
                .request
                .with_header("x-acs-content-sha256", claimed);
            for hash in [claimed, genuine] {
                let forgery = signed_over(&recorded, &sent, &names, hash);
                let code = check.refusal(&forgery, claimed);
                assert_eq!(code, Code::SignatureNotMatch, "{}", recorded.file);
            }
        }
    }
}

#[test]
fn rpc_v1_signature_in_any_other_spelling_is_refused() {
    let recorded = file("node-fnf-2019-03-15-1.2.0__history_basic");
    let genuine = &recorded.expected.signature;
    let secret = SecretKey::new(recorded.credentials.access_key_secret.clone());
    let params = Params::parse(recorded.request.query(), None).unwrap();
    let holds = |spelled: &str| {
        rpc_v1::parse_signature(spelled)
            .is_some_and(|signature| secret.signed_rpc_v1("GET", params.all(), &signature))
    };
    assert!(holds(genuine));
    let alphabet = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain("+/=-_ \n".chars());
    for other in alphabet {
        for (at, old) in genuine.char_indices().filter(|(_, old)| *old != other) {
            let forgery = format!("{}{other}{}", &genuine[..at], &genuine[at + 1..]);
            assert!(!holds(&forgery), "{other:?} instead of {old:?} at {at}");
        }
    }
    for forgery in [
        genuine.trim_end_matches('=').to_owned(),
        format!("{genuine}="),
        format!("{genuine}\n"),
        format!(" {genuine}"),
        genuine.replace('+', "-").replace('/', "_") + "?",
        String::new(),
        "====".to_owned(),
        "A".repeat(28),
    ] {
        assert!(!holds(&forgery), "{forgery:?}");
    }
}

#[test]
fn malformed_authorization_is_refused() {
    let recorded = file("python-generic-0.4.6-v3__history_basic");
    let mut check = TamperCheck::new(&recorded, &recorded.request);
    let genuine = recorded.request.header("authorization").unwrap();
    let signature = &recorded.expected.signature;
    let without_signature = genuine.split(",Signature=").next().unwrap();
    for forgery in [
        genuine.replace("ACS3-HMAC-SHA256", "ACS3-HMAC-SM3"),
        genuine.replace("ACS3-HMAC-SHA256", "ACS3-RSA-SHA256"),
        genuine.replace("ACS3-HMAC-SHA256", "ACS4-HMAC-SHA256"),
        genuine.replace("ACS3-HMAC-SHA256", "ACS3-HMAC-SHA2567"),
        genuine.replace("ACS3-HMAC-SHA256", "acs3-hmac-sha256"),
        genuine.replace("ACS3-HMAC-SHA256 ", "ACS3-HMAC-SHA256"),
        "ACS3-HMAC-SHA256".to_owned(),
        "ACS3-HMAC-SHA256 ".to_owned(),
        without_signature.to_owned(),
        genuine.replace("Credential=testid,", ""),
        genuine.replace("Credential=testid", "Credential="),
        format!("{genuine},"),
        format!("{genuine},Signature={signature}"),
        format!("{genuine},Credential=testid"),
        format!("{genuine},Extra=1"),
        genuine.replace("SignedHeaders=", "SignedHeaders=host;"),
        genuine.replace("Signature=", "signature="),
        genuine.replace(signature, &signature.to_uppercase()),
        genuine.replace(signature, &signature[..62]),
        genuine.replace(signature, &format!("{signature}00")),
        genuine.replace(signature, &format!("+{}", &signature[1..])),
        genuine.replace(signature, ""),
    ] {
        assert_ne!(forgery, genuine);
        let sent = recorded.request.with_header("authorization", &forgery);
        check.refusal(&sent, "Authorization");
    }
}

#[test]
fn authorization_parts_may_come_in_any_order_with_spaces() {
    let recorded = file("python-generic-0.4.6-v3__history_basic");
    let genuine = recorded.request.header("authorization").unwrap();
    let (scheme, parts) = genuine.split_once(' ').unwrap();
    let mut parts: Vec<_> = parts.split(',').collect();
    for _ in 0..3 {
        parts.rotate_left(1);
        let value = format!("{scheme} {}", parts.join(", "));
        let sent = recorded.request.with_header("authorization", &value);
        assert!(recorded.replay(&sent).is_ok(), "{value}");
    }
}

#[test]
fn request_with_two_schemes_is_refused() {
    let rpc_v1 = file("python-tea-fnf-2.0.1__history_basic");
    let acs3 = file("python-generic-0.4.6-v3__history_basic");
    let mut both = rpc_v1.request.clone();
    both.headers.clone_from(&acs3.request.headers);
    both.method.clone_from(&acs3.request.method);
    for (recorded, sent) in [
        (&rpc_v1, both.clone()),
        (&acs3, both),
        (&acs3, acs3.request.with_query("Signature=x")),
        (&acs3, acs3.request.with_query("Signature=")),
    ] {
        let refusal = recorded.replay(&sent).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidArgument);
        assert!(refusal.message.contains("Signature"), "{refusal}");
    }
}

/// A correctly signed RPC v1 request with these common parameters.
fn rpc_v1_with(changes: &[(&str, &str)]) -> (Recorded, Sent) {
    let recorded = file("python-tea-fnf-2.0.1__history_basic");
    let mut pairs = recorded.expected.query.clone();
    pairs.retain(|(name, _)| name != "Signature" && !changes.iter().any(|(it, _)| it == name));
    pairs.extend(
        changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let text = rpc_v1_text("GET", &pairs);
    let signature = rpc_v1_signature(&recorded.credentials.access_key_secret, &text);
    pairs.push(("Signature".to_owned(), signature));
    let mut sent = recorded.request.clone();
    sent.target = format!("/?{}", joined(&pairs));
    (recorded, sent)
}

#[test]
fn other_schemes_are_refused_by_name() {
    let (recorded, genuine) = rpc_v1_with(&[]);
    assert!(recorded.replay(&genuine).is_ok());
    for (name, value) in [
        ("SignatureMethod", "HMAC-SHA256"),
        ("SignatureMethod", "SHA256withRSA"),
        ("SignatureMethod", "hmac-sha1"),
        ("SignatureVersion", "2.0"),
        ("SignatureVersion", "1"),
        ("SignatureType", "BEARERTOKEN"),
        ("SignatureType", "PRIVATEKEY"),
        ("SignatureType", " "),
    ] {
        let (recorded, sent) = rpc_v1_with(&[(name, value)]);
        let refusal = recorded.replay(&sent).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidArgument, "{name}={value}");
        assert!(refusal.message.contains(name), "{refusal}");
    }
}

#[test]
fn bearer_token_does_not_authenticate() {
    let (recorded, genuine) = rpc_v1_with(&[]);
    let pairs = Params::parse(genuine.query(), Some((BodyKind::Form, b"BearerToken=t"))).unwrap();
    let mut pairs = owned(pairs.all());
    pairs.retain(|(name, _)| !name.starts_with("Signature") && name != "AccessKeyId");
    let mut sent = genuine.with_header("x-acs-bearer-token", "t");
    sent.target = format!("/?{}&SignatureType=BEARERTOKEN", joined(&pairs));
    let refusal = recorded.replay(&sent).unwrap_err();
    assert_eq!(refusal.code, Code::MissingRequiredParams);
}
