//! The two signature schemes: what is signed (`rpc_v1`, `acs3`) and the key that signs it.
//!
//! Values in, values out. The recorded requests of real clients are the judge, see `tests/it/signature`.

pub mod acs3;
pub mod rpc_v1;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::params::Param;

/// An access key's secret. It has no `Debug`, no `Display` and no `==`; its bytes are read here only.
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    pub fn new(secret: String) -> Self {
        SecretKey(Zeroizing::new(secret))
    }

    /// Whether `signature` is this key's RPC v1 signature of `string_to_sign`, in constant time.
    pub fn signed_rpc_v1(&self, string_to_sign: &str, signature: &rpc_v1::Signature) -> bool {
        let key = Zeroizing::new(format!("{}&", *self.0));
        let Ok(mac) = Hmac::<Sha1>::new_from_slice(key.as_bytes()) else {
            return false;
        };
        mac.chain_update(string_to_sign)
            .verify(signature.into())
            .is_ok()
    }

    /// Whether `signature` is this key's ACS3 signature of `string_to_sign`, in constant time.
    pub fn signed_acs3(&self, string_to_sign: &str, signature: &acs3::Signature) -> bool {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            return false;
        };
        mac.chain_update(string_to_sign)
            .verify(signature.into())
            .is_ok()
    }

    /// The HMAC-SHA256 of `bytes`.
    pub fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("an HMAC takes any key");
        mac.chain_update(bytes).finalize().into_bytes().into()
    }

    /// Whether `tag` begins this key's HMAC-SHA256 of `bytes`, in constant time.
    pub fn tagged(&self, bytes: &[u8], tag: &[u8]) -> bool {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("an HMAC takes any key");
        mac.chain_update(bytes).verify_truncated_left(tag).is_ok()
    }

    /// The secret itself, for the header that must bring it; None if no header can.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.0).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether `token` is this secret itself, in constant time but for its length.
    pub fn is(&self, token: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), token.as_bytes()).into()
    }
}

/// Lower-case hex of the SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            hex
        })
}

/// The parameters in signing order: by name, bytewise.
fn sorted<'p, 'a>(params: impl IntoIterator<Item = &'p Param<'a>>) -> Vec<&'p Param<'a>>
where
    'a: 'p,
{
    let mut sorted: Vec<_> = params.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    sorted
}

/// Appends `text` percent-encoded by RFC 3986, each escape led by `percent` (`%`, or `%25` where the
/// whole is encoded once more).
fn percent_encode(text: &str, percent: &str, into: &mut String) {
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~') {
            continue;
        }
        if plain_from < at {
            into.push_str(&text[plain_from..at]);
        }
        into.push_str(percent);
        for nibble in [byte >> 4, byte & 15] {
            into.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
        }
        plain_from = at + 1;
    }
    into.push_str(&text[plain_from..]);
}
