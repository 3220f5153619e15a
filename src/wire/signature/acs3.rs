//! ACS3-HMAC-SHA256: method, query, chosen headers and the body's hash are signed.

use hmac::digest::Update;
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::{ONCE, canonical_query, hex};

/// The bytes of a signature.
pub type Signature = [u8; 32];

/// Names in SignedHeaders: as many as a request may have header fields. Each is compared with each.
pub const SIGNED_HEADERS_MAX: usize = 100;

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
        let names = signed_headers.ok_or(missing)?.split(';');
        let signed_headers: Vec<_> = names.take(SIGNED_HEADERS_MAX + 1).collect();
        if signed_headers.len() > SIGNED_HEADERS_MAX {
            return Err("must name at most 100 signed headers");
        }
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

/// The text whose hash is signed; `query` is in signing order. Header values go in as received; a signed
/// header that is not there counts as empty, and so does not verify.
pub fn canonical_request<'p>(
    method: &str,
    query: impl Iterator<Item = (&'p str, &'p str)>,
    headers: &HeaderMap,
    signed_headers: &[&str],
    payload_hash: &str,
    into: &mut impl Update,
) {
    into.update(method.as_bytes());
    into.update(b"\n/\n");
    canonical_query(query, &ONCE, into);
    into.update(b"\n");
    let mut values = Vec::new();
    for name in signed_headers {
        values.clear();
        values.extend(
            headers
                .get_all(*name)
                .iter()
                .map(|v| v.as_bytes().trim_ascii()),
        );
        values.sort_unstable();
        into.update(name.as_bytes());
        into.update(b":");
        joined(&values, b",", into);
        into.update(b"\n");
    }
    into.update(b"\n");
    joined(signed_headers, b";", into);
    into.update(b"\n");
    into.update(payload_hash.as_bytes());
}

fn joined(texts: &[impl AsRef<[u8]>], separator: &[u8], into: &mut impl Update) {
    for (nth, text) in texts.iter().enumerate() {
        if nth > 0 {
            into.update(separator);
        }
        into.update(text.as_ref());
    }
}

/// The text that is signed, for a hash that has taken in the canonical request.
pub fn string_to_sign(canonical_request: Sha256) -> String {
    format!("{ALGORITHM}\n{}", hex(&canonical_request.finalize()))
}

/// Reads a signature: 64 lower-case hex digits.
fn parse_signature(text: &str) -> Option<Signature> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let digit = |at: usize| match digits[at] {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut signature = [0; 32];
    for (at, byte) in signature.iter_mut().enumerate() {
        *byte = digit(2 * at)? << 4 | digit(2 * at + 1)?;
    }
    Some(signature)
}
