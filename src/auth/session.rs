//! Who looks at the pages: an access key signs in once, and a cookie says so from then on.
//!
//! The cookie is the key's id, an expiry, and an HMAC of both by the key's own secret. So there is no table
//! of sessions, no secret in the browser, and a key that is changed or removed ends its sessions.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{
    Authenticator,
    keys::{Globs, Key},
};
use crate::{
    model::{Name, Timestamp},
    wire::signature::SecretKey,
};

/// How long a session lasts, in milliseconds: a working day.
pub const SESSION_MAX_MILLIS: i64 = 12 * 60 * 60 * 1000;

/// Somebody whose cookie held. Every key may read, so only the flows differ.
#[derive(Debug)]
pub struct Viewer {
    key_id: String,
    flows: Globs,
}

impl Viewer {
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether the key's globs let it see this flow.
    pub fn sees(&self, flow: &Name) -> bool {
        self.flows.allow(flow)
    }
}

/// What somebody types to sign in.
pub struct Credentials<'a> {
    pub key_id: &'a str,
    pub secret: SecretKey,
    pub security_token: Option<&'a str>,
}

impl Authenticator {
    /// The cookie of a new session. None says nothing about what was wrong, and takes as long.
    pub fn sign_in(&self, credentials: &Credentials<'_>, now: Timestamp) -> Option<String> {
        let keys = self.keys.load();
        let key = keys.find(credentials.key_id, now);
        let against = key.unwrap_or(keys.nobody());
        // Comparing HMACs tells nothing about the secret's length either.
        let typed = credentials.secret.tag(b"sign in");
        let held = against.secret().tagged(b"sign in", &typed)
            & against.accepts_token(credentials.security_token);
        let expires = now.millis() + SESSION_MAX_MILLIS;
        let tag = BASE64_URL_SAFE_NO_PAD.encode(against.session_tag(credentials.key_id, expires));
        let id = BASE64_URL_SAFE_NO_PAD.encode(credentials.key_id);
        (held && key.is_some()).then(|| format!("{id}.{expires}.{tag}"))
    }

    /// Who bears this cookie, by the keys as they are now.
    pub fn viewer(&self, cookie: &str, now: Timestamp) -> Option<Viewer> {
        let (key_id, expires, tag) = parts(cookie)?;
        let keys = self.keys.load();
        let key = keys.find(&key_id, now);
        let held = key
            .unwrap_or(keys.nobody())
            .has_session_tag(&key_id, expires, &tag);
        let key = key.filter(|_| held && now.millis() < expires)?;
        Some(Viewer {
            key_id,
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

/// What is signed; nothing else that a secret signs begins like this.
fn signed(key_id: &str, expires: i64) -> Vec<u8> {
    format!("flowledger session\n{key_id}\n{expires}").into_bytes()
}

impl Key {
    /// By the secret, and then by the security token if there is one: a change of either ends the session.
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
