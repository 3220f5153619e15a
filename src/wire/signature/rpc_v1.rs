//! RPC signature version 1.0 (HMAC-SHA1): all parameters of query and form are signed, nothing else.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Param, percent_encode, sorted};

/// The bytes of a signature.
pub type Signature = [u8; 20];

/// `METHOD&%2F&` and the canonical parameters, percent-encoded once more. The path is always `/`.
pub fn string_to_sign(method: &str, params: &[Param<'_>]) -> String {
    let size: usize = params
        .iter()
        .map(|p| p.name.len() + p.value.len() + 8)
        .sum();
    let mut text = String::with_capacity(size * 5 / 4 + 16);
    text.push_str(method);
    text.push_str("&%2F&");
    for (nth, param) in sorted(params.iter().filter(|p| p.name != "Signature"))
        .into_iter()
        .enumerate()
    {
        if nth > 0 {
            text.push_str("%26");
        }
        percent_encode(&param.name, "%25", &mut text);
        text.push_str("%3D");
        percent_encode(&param.value, "%25", &mut text);
    }
    text
}

/// Reads a signature: Base64 with padding, in its one canonical spelling.
pub fn parse_signature(text: &str) -> Option<Signature> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
