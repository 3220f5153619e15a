//! Signatures: mixed schemes, invalid keys, time formats, and changes to what is signed and what is not.

use super::{Row, both, call, changed, history, now};
use crate::support::{Call, call::seconds};

const NOT: (u16, &str) = (403, "SignatureNotMatch");
const INVALID: (u16, &str) = (400, "InvalidArgument");

pub fn rows() -> Vec<Row> {
    let mut rows = schemes();
    rows.extend(acs3());
    rows.extend(keys());
    rows.extend(times());
    rows.extend(spellings());
    rows
}

/// A request uses exactly one scheme; unknown schemes are ignored or refused.
fn schemes() -> Vec<Row> {
    let with = |header: &str| format!("Host: flowledger.test\r\n{header}");
    let mut rows = Vec::new();
    for (header, (status, code)) in [
        ("Authorization: Basic dGVzdGlkOnRlc3RzZWNyZXQ=", (200, "")),
        ("Authorization: Bearer testsecret", (200, "")),
        ("Authorization: acs testid:x", (200, "")),
        ("Authorization:", (200, "")),
        ("Authorization: ACS testid:x", INVALID),
        ("Authorization: ACS3-HMAC-SHA256", INVALID),
        (
            "Authorization: ACS3-HMAC-SM3 Credential=testid,SignedHeaders=host,Signature=00",
            INVALID,
        ),
        (
            "Authorization: ACS4-HMAC-SHA256 Credential=testid,SignedHeaders=host,Signature=00",
            INVALID,
        ),
        ("Authorization: Basic x\r\nAuthorization: Basic y", INVALID),
        (
            "Authorization: Basic x\r\nAuthorization: ACS3-HMAC-SHA256 Credential=testid",
            INVALID,
        ),
        ("Authorization: \u{ff}", INVALID),
    ] {
        rows.push(changed(
            history(),
            "Host: flowledger.test",
            &with(header),
            status,
            code,
        ));
    }
    // Under ACS3 the common parameters of RPC v1 are ordinary parameters, except Signature.
    for (name, value, (status, code)) in [
        ("Signature", "x", INVALID),
        ("SignatureType", "BEARERTOKEN", (200, "")),
        ("AccessKeyId", "nobody", (200, "")),
        ("Timestamp", "1999-01-01T00:00:00Z", (200, "")),
        ("SecurityToken", "x", (200, "")),
        ("Action", "DeleteFlow", INVALID),
        ("Version", "2015-01-01", INVALID),
        ("Action", "GetExecutionHistory", (200, "")),
    ] {
        rows.push(call(history().acs3().query(name, value), status, code));
    }
    for (name, value) in [("BearerToken", "x"), ("SignatureType", "BEARERTOKEN")] {
        let bearer = changed(
            history().query(name, value),
            "&Signature=",
            "&S=",
            400,
            "MissingRequiredParams",
        );
        rows.push(bearer);
    }
    rows
}

/// Signed parts of an ACS3 request that are removed, doubled or replaced after it was signed.
fn acs3() -> Vec<Row> {
    let form = || {
        let call = Call::new("GetExecutionHistory").acs3();
        call.form("FlowName", "f").form("ExecutionName", "e")
    };
    let json = || {
        let body = r#"{"FlowName":"f","ExecutionName":"e"}"#;
        Call::new("GetExecutionHistory")
            .acs3()
            .body("application/json", body)
    };
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (upper, claim) = (
        empty.to_uppercase(),
        format!("x-acs-content-sha256: {empty}"),
    );
    let mut rows = Vec::new();
    for (genuine, from, to, (status, code)) in [
        (
            form(),
            "FlowName=f&ExecutionName=e",
            "FlowName=f&ExecutionName=g",
            NOT,
        ),
        (
            form(),
            "FlowName=f&ExecutionName=e",
            "ExecutionName=e&FlowName=f",
            NOT,
        ),
        (json(), r#"{"FlowName":"f","#, r#"{"FlowName":"g","#, NOT),
        (
            json(),
            "application/json",
            "application/x-www-form-urlencoded",
            NOT,
        ),
        (
            form(),
            "x-www-form-urlencoded",
            "x-www-form-urlencoded; charset=utf-16",
            NOT,
        ),
        (form(), "content-type;", "", INVALID),
        (history().acs3(), empty, "UNSIGNED-PAYLOAD", NOT),
        (
            history().acs3(),
            empty,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            NOT,
        ),
        (history().acs3(), empty, upper.as_str(), NOT),
        (
            history().acs3(),
            claim.as_str(),
            "x-acs-content-sha256: 0",
            NOT,
        ),
        (
            history().acs3(),
            "x-acs-action: GetExecutionHistory",
            "x-acs-action: DeleteFlow",
            NOT,
        ),
        (
            history().acs3(),
            "x-acs-action: ",
            "x-acs-action: DeleteFlow\r\nx-acs-action: ",
            INVALID,
        ),
        (
            history().acs3(),
            "x-acs-date: ",
            "x-acs-date: 2026-01-01T00:00:00Z\r\nx-acs-date: ",
            INVALID,
        ),
        (
            history().acs3(),
            "\r\nAuthorization",
            "\r\nx-acs-security-token: t\r\nAuthorization",
            INVALID,
        ),
        (
            history().acs3(),
            "x-acs-version: ",
            "x-acs-version: 2019-03-15\r\nx-acs-version: ",
            INVALID,
        ),
        (
            history().acs3(),
            "x-acs-signature-nonce: ",
            "X-ACS-Signature-Nonce: n\r\nx-acs-signature-nonce: ",
            INVALID,
        ),
        (
            history().acs3(),
            "x-acs-content-sha256: ",
            "x-acs-content-sha256: UNSIGNED-PAYLOAD\r\nx-acs-content-sha256: ",
            INVALID,
        ),
        (
            history().acs3(),
            "\r\nAuthorization: ACS3-HMAC-SHA256 ",
            "\r\nAuthorization: ACS3-HMAC-SHA256 x\r\nAuthorization: ACS3-HMAC-SHA256 ",
            INVALID,
        ),
        (
            history().acs3(),
            "\r\nAuthorization",
            "\r\nX-ACS-Extra: \r\nAuthorization",
            INVALID,
        ),
        (
            history().acs3(),
            "Host: flowledger.test",
            "Host: flowledger.test\r\nHost: flowledger.test",
            INVALID,
        ),
        (
            history().acs3(),
            "Host: flowledger.test",
            "Host: elsewhere.test",
            NOT,
        ),
        (
            history().acs3(),
            "SignedHeaders=host;",
            "SignedHeaders=",
            NOT,
        ),
        (
            history().acs3(),
            "SignedHeaders=host;",
            "SignedHeaders=Host;",
            NOT,
        ),
        (
            history().acs3(),
            "SignedHeaders=host;",
            "SignedHeaders=host;host;",
            INVALID,
        ),
        (
            history().acs3(),
            "SignedHeaders=host;",
            "SignedHeaders=host;;",
            NOT,
        ),
        (
            history().acs3(),
            "SignedHeaders=host;",
            "SignedHeaders=host;absent;",
            NOT,
        ),
        (
            history().acs3(),
            "x-acs-version,Signature",
            "x-acs-version;,Signature",
            NOT,
        ),
        (
            history().acs3(),
            ";x-acs-version,Signature",
            ",Signature",
            INVALID,
        ),
        (
            history().acs3(),
            "Credential=testid,",
            "Credential=reader,",
            NOT,
        ),
        (
            history().acs3(),
            "Credential=testid,",
            "Credential=testid,Credential=testid,",
            INVALID,
        ),
        (
            history().acs3(),
            "Credential=testid,",
            "Credential=testid/20261124/acs4_request,",
            (403, "InvalidAccessKeyID"),
        ),
        (
            history().acs3(),
            "Credential=testid,",
            "Credential=,",
            INVALID,
        ),
        (
            history().acs3(),
            "ACS3-HMAC-SHA256 ",
            "ACS3-HMAC-SHA256  ",
            (200, ""),
        ),
        (
            history().acs3(),
            "ACS3-HMAC-SHA256 ",
            "acs3-hmac-sha256 ",
            (400, "MissingRequiredParams"),
        ),
        (history().acs3(), "FlowName=f", "FlowName=%66", (200, "")),
        (history().acs3(), "FlowName=f", "FlowName=f&Extra", NOT),
    ] {
        rows.push(changed(genuine, from, to, status, code));
    }
    rows
}

fn keys() -> Vec<Row> {
    let mut rows = Vec::new();
    let long = "k".repeat(3000);
    for id in [
        "TestId",
        " testid",
        "testid ",
        "testid\0",
        "testid\n",
        "*",
        "%",
        "../keys.toml",
        "' OR '1'='1",
        "ｔestid",
        "tеstid",
        &long,
        "nobody",
        "expired",
    ] {
        let call = history().key(id, "testsecret");
        rows.push(super::call(call, 403, "InvalidAccessKeyID"));
    }
    for secret in [
        "",
        "testsecret ",
        "TESTSECRET",
        "testsecret&",
        "nobody",
        "reader-secret",
    ] {
        for call in both(&history().key("testid", secret)) {
            rows.push(super::call(call, 403, "SignatureNotMatch"));
        }
    }
    for token in [
        "",
        "sts-toke",
        "sts-tokenn",
        "STS-TOKEN",
        "sts-token,sts-token",
    ] {
        for call in both(&history().key("sts", "sts-secret").token(token)) {
            rows.push(super::call(call, 403, "InvalidAccessKeyID"));
        }
    }
    rows
}

/// Only `YYYY-MM-DDThh:mm:ssZ` is a time.
fn times() -> Vec<Row> {
    let mut rows = Vec::new();
    let skew = 16 * 60 * 1000;
    for (at, acs3) in [
        (now() - skew, false),
        (now() + skew, false),
        (now() - skew, true),
        (now() + skew, true),
    ] {
        let call = Call {
            acs3,
            ..history().at(at)
        };
        rows.push(super::call(call, 403, "RequestTimeTooSkewed"));
    }
    for time in [
        "now",
        "0",
        "1795348800000",
        "0x6B0F0F00",
        "1e9",
        "2026-W47-7T12:00:00Z",
        "2026-326T12:00:00ZZZ",
        "10000-01-01T00:00:00Z",
        "2026-00-22T12:00:00Z",
        "2026-13-22T12:00:00Z",
        "2026-11-00T12:00:00Z",
        "2026-11-31T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T12:60:00Z",
        "2026-11-22T12:00:60Z",
        "2026-11-22T12:00:61Z",
        "2026-11-22T-1:00:00Z",
        "2026-11-22T12:00:00A",
        "2026-11-22_12:00:00Z",
        "2026/11/22T12:00:00Z",
        "22-11-2026T12:00:00Z",
        "2026-11-22T12:00:00Z ",
        " 2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00Z\0",
        "2026-11-22T12:00:00\u{ff3a}",
        "2026-11-22T12:00:00Z; DROP TABLE nonces",
        "Sunday, 22-Nov-26 12:00:00 GMT",
        "Sun Nov 22 12:00:00 2026",
    ] {
        let mut call = history();
        time.clone_into(&mut call.time);
        rows.push(super::call(call, 400, "InvalidArgument"));
    }
    for rest in [",0Z", "-00:00", ".Z", "+0000"] {
        let mut call = history().acs3();
        call.time = seconds(now()).replace('Z', rest);
        rows.push(super::call(call, 400, "InvalidArgument"));
    }
    rows
}

/// Other spellings of a signature and of common parameters.
fn spellings() -> Vec<Row> {
    let mut rows = Vec::new();
    for (to, (status, code)) in [
        ("&Signature=A", NOT),
        ("&Signature=+", NOT),
        ("&Signature=%0A", NOT),
        ("&Signature=%25", NOT),
        ("&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&Other=", NOT),
        ("&signature=", INVALID),
        ("&Signature=x&Signature=", INVALID),
        ("&%53ignature=", (200, "")),
        ("&Signature=&Other=", (400, "MissingRequiredParams")),
        ("&Signature%00=", (400, "MissingRequiredParams")),
        ("&Signature[]=", (400, "MissingRequiredParams")),
    ] {
        rows.push(changed(history(), "&Signature=", to, status, code));
    }
    for (name, value, (status, code)) in [
        (
            "SignatureMethod=HMAC-SHA1",
            "SignatureMethod=HMAC-SHA256",
            INVALID,
        ),
        ("SignatureMethod=HMAC-SHA1", "SignatureMethod=none", INVALID),
        (
            "SignatureMethod=HMAC-SHA1",
            "SignatureMethod=HMAC-MD5",
            INVALID,
        ),
        ("SignatureVersion=1.0", "SignatureVersion=1.00", INVALID),
        ("SignatureVersion=1.0", "SignatureVersion=0", INVALID),
        ("SignatureNonce=", "SignatureNonce=0", NOT),
        ("Version=2019-03-15", "Version=2019-03-16", NOT),
        ("Action=GetExecutionHistory", "Action=DeleteFlow", NOT),
        ("Format=JSON", "Format=XML", NOT),
    ] {
        rows.push(changed(history(), name, value, status, code));
    }
    rows
}
