//! The two signature schemes, RPC v1 and ACS3: what is signed, and the secret key that signs it.
//!
//! Pure functions. Text to sign is streamed into the hash and never collected in memory. Recorded requests of
//! real clients verify this module, see `tests/it/signature`.

pub mod acs3;
pub mod rpc_v1;

/// Returns `bytes` in lower-case hex.
pub use hex::encode as hex;

use hmac::{Hmac, KeyInit, Mac, digest::Update};
use http::HeaderValue;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// An access key's secret. It has no `Debug`, no `Display` and no `==`, and its bytes are read only here.
/// Zeroed in memory when it is dropped.
pub struct SecretKey {
    text: Zeroizing<String>,
    /// HMAC states that have absorbed the key. Each signature clones one, which saves two compressions.
    rpc_v1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl SecretKey {
    pub fn new(secret: String) -> Self {
        let text = Zeroizing::new(secret);
        let of_rpc_v1 = Zeroizing::new(format!("{}&", *text));
        SecretKey {
            rpc_v1: Hmac::new_from_slice(of_rpc_v1.as_bytes()).expect("an HMAC takes any key"),
            sha256: Hmac::new_from_slice(text.as_bytes()).expect("an HMAC takes any key"),
            text,
        }
    }

    /// Returns whether `signature` is this key's RPC v1 signature of a request, in constant time. `params` are
    /// in signing order.
    pub fn signed_rpc_v1<'p>(
        &self,
        method: &str,
        params: impl Iterator<Item = (&'p str, &'p str)>,
        signature: &rpc_v1::Signature,
    ) -> bool {
        let mut mac = self.rpc_v1.clone();
        rpc_v1::string_to_sign(method, params, &mut mac);
        mac.verify(signature.into()).is_ok()
    }

    /// Returns whether `signature` is this key's ACS3 signature of `string_to_sign`, in constant time.
    pub fn signed_acs3(&self, string_to_sign: &str, signature: &acs3::Signature) -> bool {
        self.tagged(string_to_sign.as_bytes(), signature)
    }

    /// Returns the HMAC-SHA256 of `bytes`.
    pub fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        let mac = self.sha256.clone().chain_update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// Returns whether `tag` is a prefix of this key's HMAC-SHA256 of `bytes`, in constant time.
    pub fn tagged(&self, bytes: &[u8], tag: &[u8]) -> bool {
        let mac = self.sha256.clone().chain_update(bytes);
        mac.verify_truncated_left(tag).is_ok()
    }

    /// Returns the secret itself for the header that must carry it; `None` if a header cannot.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Returns whether the secret begins or ends with a character that cannot be seen: white space, a control
    /// character or a byte order mark, as a copy from a file or a web page adds them.
    pub fn has_invisible_end(&self) -> bool {
        let invisible =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}');
        self.text.starts_with(invisible) || self.text.ends_with(invisible)
    }

    /// Returns whether both are the same secret, in constant time except for their length.
    pub fn same_as(&self, other: &SecretKey) -> bool {
        self.is(&other.text)
    }

    /// Returns whether `token` is this secret itself, in constant time except for its length.
    pub fn is(&self, token: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.text.as_bytes(), token.as_bytes()).into()
    }
}

/// Returns the SHA-256 of `bytes` in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// The encoded form of one byte, padded to seven bytes, and its length in the last.
type Spelling = [u8; 8];

/// How the canonical query encodes each byte and its separators. A table, because appends sign up to 1 MiB.
struct Encoding {
    and: Spelling,
    equals: Spelling,
    bytes: [Spelling; 256],
}

/// Percent-encoding of RFC 3986, as ACS3 signs it.
static ONCE: Encoding = Encoding {
    and: spelling(b"&"),
    equals: spelling(b"="),
    bytes: percent_encoded(false),
};

/// The same, percent-encoded once more, as RPC v1 signs it.
static TWICE: Encoding = Encoding {
    and: spelling(b"%26"),
    equals: spelling(b"%3D"),
    bytes: percent_encoded(true),
};

const fn percent_encoded(twice: bool) -> [Spelling; 256] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut bytes = [[0; 8]; 256];
    let mut byte = 0_u8;
    loop {
        let [high, low] = [HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]];
        bytes[byte as usize] = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                spelling(&[byte])
            }
            _ if twice => spelling(&[b'%', b'2', b'5', high, low]),
            _ => spelling(&[b'%', high, low]),
        };
        if byte == u8::MAX {
            return bytes;
        }
        byte += 1;
    }
}

const fn spelling(text: &[u8]) -> Spelling {
    let mut spelling = [0; 8];
    let mut at = 0;
    while at < text.len() {
        spelling[at] = text[at];
        spelling[7] += 1;
        at += 1;
    }
    spelling
}

/// Streams the canonical query of `params`, which are in signing order, into a hash. Collects pieces of up to
/// 512 bytes, because an update costs more than the bytes in it; and always copies eight bytes, because a
/// copy of fixed length compiles to one instruction.
fn canonical_query<'p>(
    params: impl Iterator<Item = (&'p str, &'p str)>,
    encoding: &Encoding,
    into: &mut impl Update,
) {
    let mut piece = [0; 512];
    let mut filled = 0;
    let mut push = |spelling: &Spelling| {
        if filled > piece.len() - 8 {
            into.update(&piece[..filled]);
            filled = 0;
        }
        piece[filled..filled + 8].copy_from_slice(spelling);
        filled += usize::from(spelling[7]);
    };
    for (nth, (name, value)) in params.enumerate() {
        if nth > 0 {
            push(&encoding.and);
        }
        for byte in name.bytes() {
            push(&encoding.bytes[usize::from(byte)]);
        }
        push(&encoding.equals);
        for byte in value.bytes() {
            push(&encoding.bytes[usize::from(byte)]);
        }
    }
    into.update(&piece[..filled]);
}
