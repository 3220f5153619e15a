//! ACS3-HMAC-SHA256: method, query, chosen headers and the body's hash are signed.

use http::HeaderMap;

use super::{Param, percent_encode, sha256_hex, sorted};

/// The bytes of a signature.
pub type Signature = [u8; 32];

pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The parts of an `Authorization: ACS3-HMAC-SHA256 …` header.
#[derive(Debug)]
pub struct Authorization<'a> {
    pub credential: &'a str,
    /// Lower-case names, in the order in which they are signed.
    pub signed_headers: Vec<&'a str>,
    pub signature: Signature,
}

impl<'a> Authorization<'a> {
    /// The parts come in any order (the classic Java SDK has an order of its own), each once. The fault
    /// reads on from `Authorization`.
    pub fn parse(header: &'a str) -> Result<Self, &'static str> {
        let parts = header
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '));
        let parts = parts.ok_or("must begin with ACS3-HMAC-SHA256")?;
        let [mut credential, mut signed_headers, mut signature] = [None; 3];
        for part in parts.split(',') {
            let (name, value) = part
                .trim()
                .split_once('=')
                .ok_or("must be a list of Name=value")?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err("must have Credential, SignedHeaders and Signature only"),
            };
            if slot.replace(value).is_some() {
                return Err("must have each part once");
            }
        }
        let missing = "must have Credential, SignedHeaders and Signature";
        let signed_headers: Vec<_> = signed_headers.ok_or(missing)?.split(';').collect();
        if signed_headers
            .iter()
            .enumerate()
            .any(|(at, name)| signed_headers[..at].contains(name))
        {
            return Err("must name each signed header once");
        }
        Ok(Authorization {
            credential: credential.filter(|id| !id.is_empty()).ok_or(missing)?,
            signed_headers,
            signature: signature
                .and_then(parse_signature)
                .ok_or("must have a Signature of 64 lower-case hex digits")?,
        })
    }
}

/// The text whose hash is signed. Header values go in as received; a signed header that is not there
/// counts as empty, and so does not verify.
pub fn canonical_request(
    method: &str,
    query: &[Param<'_>],
    headers: &HeaderMap,
    signed_headers: &[&str],
    payload_hash: &str,
) -> Vec<u8> {
    let mut text = format!("{method}\n/\n");
    for (nth, param) in sorted(query).into_iter().enumerate() {
        if nth > 0 {
            text.push('&');
        }
        percent_encode(&param.name, "%", &mut text);
        text.push('=');
        percent_encode(&param.value, "%", &mut text);
    }
    let mut text = text.into_bytes();
    text.push(b'\n');
    for name in signed_headers {
        let mut values: Vec<_> = headers
            .get_all(*name)
            .iter()
            .map(|v| v.as_bytes().trim_ascii())
            .collect();
        values.sort_unstable();
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&values.join(&b','));
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload_hash.as_bytes());
    text
}

pub fn string_to_sign(canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{}", sha256_hex(canonical_request))
}

/// Reads a signature: 64 lower-case hex digits.
fn parse_signature(text: &str) -> Option<Signature> {
    let digits = text.as_bytes();
    let mut signature = [0; 32];
    if digits.len() != 64
        || !digits
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    for (byte, pair) in signature.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(signature)
}
