//! What makes a request unique: it is accepted once.

use crate::model::Timestamp;

/// The nonce of one signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The time that the request signed. A replay bears the same one.
    pub signed_at: Timestamp,
    /// Of key id and nonce text.
    pub digest: Digest,
}

/// The first half of a SHA-256: nobody can make two requests collide.
pub type Digest = [u8; 16];
