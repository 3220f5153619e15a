//! Task tokens: each names a submitted task and is signed, so that clients cannot forge one. Clients treat them as
//! opaque.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the tag at the end of a token: an HMAC-SHA256, truncated to 128 bits.
const TAG_BYTES: usize = 16;

/// The key that signs task tokens. It has no `Debug`, no `Display` and no `==`; its bytes are read here only.
pub struct TaskKey(Hmac<Sha256>);

impl TaskKey {
    /// Takes the key as the database holds it.
    pub fn new(key: String) -> Self {
        let key = Zeroizing::new(key);
        TaskKey(Hmac::new_from_slice(key.as_bytes()).expect("an HMAC takes any key"))
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(bytes)
    }
}

/// The event that submitted a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskToken {
    /// The flow's UUID: a flow that is created later under the same name has another.
    pub flow_id: String,
    pub flow: String,
    pub execution: String,
    pub event_id: i64,
}

impl TaskToken {
    /// Returns the token, signed and in Base64.
    pub fn sign(&self, key: &TaskKey) -> String {
        let TaskToken {
            flow_id,
            flow,
            execution,
            event_id,
        } = self;
        let mut token = format!("{flow_id}/{flow}/{execution}/{event_id}").into_bytes();
        let tag = key.mac(&token).finalize().into_bytes();
        token.extend_from_slice(&tag[..TAG_BYTES]);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// Verifies and parses a token; `None` if `key` did not sign it.
    pub fn verify(text: &str, key: &TaskKey) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        key.mac(signed).verify_truncated_left(tag).ok()?;
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
