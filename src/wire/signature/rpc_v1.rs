//! RPC signature version 1.0 (HMAC-SHA1): signs the method and all parameters of query and form, and nothing
//! else: neither path, nor host, nor headers.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::digest::Update;

use super::{TWICE, canonical_query};

/// A signature: an HMAC-SHA1.
pub type Signature = [u8; 20];

/// Streams the text to sign into a hash: `METHOD&%2F&` and the canonical query, percent-encoded once more.
/// The path is always `/`. `params` are in signing order.
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

/// Parses a signature in padded Base64, in its canonical spelling only.
pub fn parse_signature(text: &str) -> Option<Signature> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
