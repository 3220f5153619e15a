//! Task tokens: they name a submitted task and cannot be made up. Clients treat them as opaque.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::signature::SecretKey;

/// Bytes of the tag at a token's end: a SHA-256 HMAC, cut to what nobody can guess.
const TAG_BYTES: usize = 16;

/// The event that says that a task was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskToken {
    /// Of this very flow: one created later under its name has another.
    pub flow_id: String,
    pub flow: String,
    pub execution: String,
    pub event_id: i64,
}

impl TaskToken {
    pub fn sign(&self, key: &SecretKey) -> String {
        let TaskToken {
            flow_id,
            flow,
            execution,
            event_id,
        } = self;
        let mut token = format!("{flow_id}/{flow}/{execution}/{event_id}").into_bytes();
        let tag = key.tag(&token);
        token.extend_from_slice(&tag[..TAG_BYTES]);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// None for anything that `key` did not sign.
    pub fn verify(text: &str, key: &SecretKey) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        if !key.tagged(signed, tag) {
            return None;
        }
        let mut parts = std::str::from_utf8(signed).ok()?.split('/');
        let mut part = || parts.next().map(str::to_owned);
        Some(TaskToken {
            flow_id: part()?,
            flow: part()?,
            execution: part()?,
            event_id: part()?.parse().ok()?,
        })
    }
}
