//! Sessions of the pages: a user signs in with an access key and gets a cookie.
//!
//! The cookie holds the key's id, an expiry, and an HMAC of both by the key's own secret. So the server keeps no
//! table of sessions, the browser holds no secret, and changing or removing a key ends its sessions. Sign-in does
//! the same work whether the id, the secret or the security token is wrong. Limiting the rate of attempts is up to
//! `ui`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{
    Authenticator,
    keys::{Globs, Key, Role},
};
use crate::{
    model::{Name, Timestamp},
    wire::signature::SecretKey,
};

/// Longest session, in milliseconds: a working day.
pub const SESSION_MAX_MILLIS: i64 = 12 * 60 * 60 * 1000;

/// A user whose session cookie was verified. Every role may read.
#[derive(Debug)]
pub struct Viewer {
    key_id: String,
    role: Role,
    flows: Globs,
}

impl Viewer {
    /// Returns the id of the key that signed in.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns whether the key has at least this role.
    pub fn is(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Returns whether the key's globs match this flow.
    pub fn sees(&self, flow: &Name) -> bool {
        self.flows.allow(flow)
    }
}

/// The fields of the sign-in form.
pub struct Credentials<'a> {
    pub key_id: &'a str,
    pub secret: SecretKey,
    pub security_token: Option<&'a str>,
}

impl Authenticator {
    /// Returns the cookie of a new session, or `None` after the same work for any wrong field.
    pub fn sign_in(&self, credentials: &Credentials<'_>, now: Timestamp) -> Option<String> {
        let keys = self.keys.load();
        let key = keys.find(credentials.key_id, now);
        let against = key.unwrap_or(keys.unknown_key());
        // Compares HMACs, because comparing the secrets themselves would leak their length.
        let typed = credentials.secret.tag(b"sign in");
        let held = against.secret().tagged(b"sign in", &typed)
            & against.accepts_token(credentials.security_token);
        let expires = now.millis() + SESSION_MAX_MILLIS;
        let tag = BASE64_URL_SAFE_NO_PAD.encode(against.session_tag(credentials.key_id, expires));
        let id = BASE64_URL_SAFE_NO_PAD.encode(credentials.key_id);
        (held && key.is_some()).then(|| format!("{id}.{expires}.{tag}"))
    }

    /// Returns the user of this cookie, verified against the present keys.
    pub fn viewer(&self, cookie: &str, now: Timestamp) -> Option<Viewer> {
        let (key_id, expires, tag) = parts(cookie)?;
        let keys = self.keys.load();
        let key = keys.find(&key_id, now);
        let held = key
            .unwrap_or(keys.unknown_key())
            .has_session_tag(&key_id, expires, &tag);
        let key = key.filter(|_| held && now.millis() < expires)?;
        Some(Viewer {
            key_id,
            role: key.role(),
            flows: key.flows().clone(),
        })
    }
}

fn parts(cookie: &str) -> Option<(String, i64, [u8; 32])> {
    let mut parts = cookie.split('.');
    let mut part = || parts.next();
    let id = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part()?).ok()?).ok()?;
    let expires = part()?;
    let tag = BASE64_URL_SAFE_NO_PAD
        .decode(part()?)
        .ok()?
        .try_into()
        .ok()?;
    let one_spelling = |number: &i64| number.to_string() == expires;
    let expires = expires.parse().ok().filter(one_spelling)?;
    part().is_none().then_some((id, expires, tag))
}

/// Returns the text to sign. Its first line separates it from everything else that the secret signs.
fn signed(key_id: &str, expires: i64) -> Vec<u8> {
    format!("flowledger session\n{key_id}\n{expires}").into_bytes()
}

impl Key {
    /// Signs with the secret and then with the security token, if the key has one, so that changing either ends
    /// the session.
    fn session_tag(&self, key_id: &str, expires: i64) -> [u8; 32] {
        let tag = self.secret.tag(&signed(key_id, expires));
        match &self.security_token {
            None => tag,
            Some(token) => token.tag(&tag),
        }
    }

    fn has_session_tag(&self, key_id: &str, expires: i64, tag: &[u8; 32]) -> bool {
        match &self.security_token {
            None => self.secret.tagged(&signed(key_id, expires), tag),
            Some(token) => token.tagged(&self.secret.tag(&signed(key_id, expires)), tag),
        }
    }
}
