//! The nonce of a signed request, by which the server recognises a replay.

use crate::model::Timestamp;

/// The nonce of one signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The signed time of the request. A replay carries the same one.
    pub signed_at: Timestamp,
    /// The server's time when the request arrived.
    pub received_at: Timestamp,
    /// Digest of key id and nonce text.
    pub digest: Digest,
}

/// The first half of a SHA-256, which is long enough to resist collisions.
pub type Digest = [u8; 16];
