//! The `Authorization` header of ACS3. The input is its value.

use flowledger::wire::signature::acs3::Authorization;

use super::spec;

pub fn check(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else {
        return;
    };
    let expected = spec::authorization(value);
    let parsed = Authorization::parse(value);
    assert_eq!(parsed.is_ok(), expected.is_some(), "{value:?}");
    let (Ok(parsed), Some((credential, signed_headers, signature))) = (parsed, expected) else {
        return;
    };
    assert_eq!(parsed.credential, credential);
    assert_eq!(parsed.signed_headers, signed_headers);
    let hex: String = parsed
        .signature
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, signature);

    let parts = [
        format!("Credential={credential}"),
        format!("SignedHeaders={}", signed_headers.join(";")),
        format!("Signature={signature}"),
    ];
    for [a, b, c] in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let value = format!("ACS3-HMAC-SHA256 {},{}, {}", parts[a], parts[b], parts[c]);
        let again = Authorization::parse(&value).expect("the same parts");
        assert_eq!(again.credential, parsed.credential);
        assert_eq!(again.signed_headers, parsed.signed_headers);
        assert_eq!(again.signature, parsed.signature);
    }
}
