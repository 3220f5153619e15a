//! Access keys: where they come from and what they may do.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    model::{Name, Timestamp},
    wire::signature::SecretKey,
};

/// What a key may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Describe, list, read histories.
    Reader,
    /// And create flows, start executions, append events.
    Writer,
    /// And everything else.
    Admin,
}

/// Patterns of flow names; `*` stands for any characters. No pattern allows no flow.
#[derive(Clone, Debug)]
pub struct Globs(Arc<[String]>);

impl Globs {
    fn all() -> Self {
        Globs(Arc::new(["*".to_owned()]))
    }

    pub fn allow(&self, flow: &Name) -> bool {
        self.0.iter().any(|glob| matches(glob, flow.as_str()))
    }
}

fn matches(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// An access key.
pub struct Key {
    pub(super) secret: SecretKey,
    role: Role,
    flows: Globs,
    pub(super) security_token: Option<SecretKey>,
    expires: Option<Timestamp>,
}

impl Key {
    fn new(secret: String, role: Role) -> Self {
        Key {
            secret: SecretKey::new(secret),
            role,
            flows: Globs::all(),
            security_token: None,
            expires: None,
        }
    }

    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn flows(&self) -> &Globs {
        &self.flows
    }

    /// The token that a request must bring, if there is one.
    pub fn security_token(&self) -> Option<&SecretKey> {
        self.security_token.as_ref()
    }

    /// Returns whether both keys have the same secret and security token.
    pub(super) fn has_secrets_of(&self, other: &Key) -> bool {
        let same_token = match (&self.security_token, &other.security_token) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.same_as(theirs),
            _ => false,
        };
        same_token && self.secret.same_as(&other.secret)
    }

    /// Whether the request brought the token that this key needs, if it needs one.
    pub fn accepts_token(&self, brought: Option<&str>) -> bool {
        match &self.security_token {
            None => true,
            Some(token) => brought.is_some_and(|brought| token.is(brought)),
        }
    }
}

/// All keys, by id.
pub struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    nobody: Arc<Key>,
}

/// The keys file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

/// A `[[key]]` of the keys file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    #[serde(deserialize_with = "secret")]
    secret: SecretKey,
    role: Role,
    flows: Option<Vec<String>>,
    #[serde(default, deserialize_with = "optional_secret")]
    security_token: Option<SecretKey>,
    expires: Option<String>,
}

/// Reads a secret. The parser's own fault would quote one that is not text, such as a bare number.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretKey, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(SecretKey::new(text)),
        _ => Err(D::Error::custom("a secret must be text in quotes")),
    }
}

fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretKey>, D::Error> {
    secret(deserializer).map(Some)
}

/// The line of a fault and what it is. The parser's full message would quote the line, and so a secret.
fn fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().split('\n').count();
    format!("line {line}: {}", error.message())
}

impl Keys {
    /// The keys of a keys file's text, and the admin key `(id, secret)` of the environment, if there is one.
    /// A fault names the key, never a secret.
    pub fn load(file: Option<&str>, admin: Option<(String, String)>) -> Result<Self, String> {
        let mut keys = Keys {
            by_id: HashMap::new(),
            nobody: Key::new("nobody".to_owned(), Role::Reader).into(),
        };
        if let Some((id, secret)) = admin {
            keys.add(id, Key::new(secret, Role::Admin))?;
        }
        if let Some(text) = file {
            let file: KeysFile = toml::from_str(text).map_err(|e| fault(text, &e))?;
            for entry in file.key {
                let expires = entry.expires.as_deref().map(|text| {
                    Timestamp::parse(text)
                        .ok_or_else(|| format!("key '{}': expires must be RFC 3339", entry.id))
                });
                let key = Key {
                    secret: entry.secret,
                    role: entry.role,
                    flows: entry
                        .flows
                        .map_or_else(Globs::all, |globs| Globs(globs.into())),
                    security_token: entry.security_token,
                    expires: expires.transpose()?,
                };
                keys.add(entry.id, key)?;
            }
        }
        Ok(keys)
    }

    fn add(&mut self, id: String, key: Key) -> Result<(), String> {
        let valid = (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b',' && b != b'=');
        if !valid {
            return Err(format!(
                "key '{}': an id is 1 to 128 visible ASCII characters but , and =",
                id.escape_debug()
            ));
        }
        if key.secret.is("") {
            return Err(format!("key '{id}': the secret must not be empty"));
        }
        match self.by_id.insert(id.clone(), key.into()) {
            Some(_) => Err(format!("key '{id}' is there twice")),
            None => Ok(()),
        }
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// The key with this id, if it has not expired.
    pub fn find(&self, id: &str, now: Timestamp) -> Option<&Arc<Key>> {
        self.by_id
            .get(id)
            .filter(|key| key.expires.is_none_or(|expires| now < expires))
    }

    /// Takes the key with this id out, or the only one. The fault says what to do.
    pub fn take(mut self, id: Option<&str>) -> Result<(String, Key), String> {
        let mut ids: Vec<_> = self.by_id.keys().cloned().collect();
        ids.sort_unstable();
        let id = match (id, ids.as_slice()) {
            (Some(id), _) => id.to_owned(),
            (None, [only]) => only.clone(),
            (None, _) => return Err(format!("choose one key with --key: {}", ids.join(", "))),
        };
        match self.by_id.remove(&id).and_then(Arc::into_inner) {
            Some(key) => Ok((id, key)),
            None => Err(format!(
                "there is no key '{id}'; there are: {}",
                ids.join(", ")
            )),
        }
    }

    /// A key that nobody has: checking it takes as long as checking a wrong secret.
    pub fn nobody(&self) -> &Arc<Key> {
        &self.nobody
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (glob, text, expected) in [
            ("*", "anything", true),
            ("billing", "billing", true),
            ("billing", "billing2", false),
            ("billing-*", "billing-eu", true),
            ("billing-*", "billing", false),
            ("*-eu", "billing-eu", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a*bb*b", "abb", false),
            ("a*a", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} against {text}");
        }
    }
}
