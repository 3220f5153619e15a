//! ACS3-HMAC-SHA256: signs the method, the query, chosen headers and the hash of the body.

use hmac::digest::Update;
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::{ONCE, canonical_query};

/// A signature: an HMAC-SHA256.
pub type Signature = [u8; 32];

/// Names in SignedHeaders; as many as a request may have header fields. Bounds the search for duplicates,
/// which compares each name with each.
pub const SIGNED_HEADERS_MAX: usize = 100;

/// The scheme in the Authorization header.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The path that SDKs sign, whatever path they send.
pub const ROOT: &str = "/";

/// The parts of an `Authorization: ACS3-HMAC-SHA256 …` header.
#[derive(Debug)]
pub struct Authorization<'a> {
    pub credential: &'a str,
    /// Lower-case names, in the order in which they are signed.
    pub signed_headers: Vec<&'a str>,
    pub signature: Signature,
}

impl<'a> Authorization<'a> {
    /// Parses the parts, each of which must occur once, in any order: the classic Java SDK has its own.
    ///
    /// # Errors
    ///
    /// Returns the rule that is broken, to be read on from `Authorization`.
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

/// Streams the canonical request into a hash. `query` is in signing order. Header values are used as received.
/// A signed header that is absent counts as empty.
pub fn canonical_request<'p>(
    method: &str,
    path: &str,
    query: impl Iterator<Item = (&'p str, &'p str)>,
    headers: &HeaderMap,
    signed_headers: &[&str],
    payload_hash: &str,
    into: &mut impl Update,
) {
    into.update(method.as_bytes());
    into.update(b"\n");
    into.update(path.as_bytes());
    into.update(b"\n");
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

/// Returns the text to sign; the hash has absorbed the canonical request.
pub fn string_to_sign(canonical_request: Sha256) -> String {
    format!("{ALGORITHM}\n{}", hex::encode(canonical_request.finalize()))
}

/// Parses a signature of 64 lower-case hex digits, which is the only spelling that clients use.
fn parse_signature(text: &str) -> Option<Signature> {
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).ok()?;
    let lower_case = !text.bytes().any(|digit| digit.is_ascii_uppercase());
    lower_case.then_some(signature)
}
