//! RPC signature version 1.0 (HMAC-SHA1): all parameters of query and form are signed, nothing else.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::digest::Update;

use super::{TWICE, canonical_query};

/// The bytes of a signature.
pub type Signature = [u8; 20];

/// `METHOD&%2F&` and the canonical parameters, percent-encoded once more. The path is always `/`.
/// `params` are in signing order.
pub fn string_to_sign<'p>(
    method: &str,
    params: impl Iterator<Item = (&'p str, &'p str)>,
    into: &mut impl Update,
) {
    into.update(method.as_bytes());
    into.update(b"&%2F&");
    let signed = params.filter(|(name, _)| *name != "Signature");
    canonical_query(signed, &TWICE, into);
}

/// Reads a signature: Base64 with padding, in its one canonical spelling.
pub fn parse_signature(text: &str) -> Option<Signature> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
