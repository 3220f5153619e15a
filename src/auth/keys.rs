//! Access keys: the keys file, roles, and which flows a key sees.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    model::{Name, Timestamp},
    wire::signature::SecretKey,
};

/// What a key may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Describes, lists and reads histories.
    Reader,
    /// Creates flows, starts executions, appends events.
    Writer,
    /// Deletes flows.
    Admin,
}

/// Patterns of flow names; `*` matches any characters. An empty list matches no flow.
#[derive(Clone, Debug)]
pub struct Globs(Arc<[String]>);

impl Globs {
    fn all() -> Self {
        Globs(Arc::new(["*".to_owned()]))
    }

    /// Returns the first pattern that no flow's name can match, for example because it ends with a blank.
    fn without_match(&self) -> Option<&str> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'*');
        let impossible = |glob: &&String| glob.is_empty() || !glob.bytes().all(in_name);
        self.0.iter().find(impossible).map(String::as_str)
    }

    /// Returns whether a pattern matches every flow.
    pub fn allow_all(&self) -> bool {
        self.0.iter().any(|glob| glob == "*")
    }

    /// Returns whether a pattern matches this flow.
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

    /// Returns the secret that signs requests.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Returns the role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the patterns of the flows that the key sees.
    pub fn flows(&self) -> &Globs {
        &self.flows
    }

    /// Returns the security token that a request must carry, if the key has one.
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

    /// Returns whether `token` is the security token of this key. A key without one accepts any.
    pub fn accepts_token(&self, token: Option<&str>) -> bool {
        match &self.security_token {
            None => true,
            Some(own) => token.is_some_and(|token| own.is(token)),
        }
    }
}

/// All access keys, by id.
pub struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    unknown_key: Arc<Key>,
}

/// The keys file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    key: Vec<KeyEntry>,
}

/// A `[[key]]` table of the keys file.
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

/// Reads a secret. The parser's own error would quote a value that is not a string, such as a bare number.
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

/// Describes an error by its line. The parser's full message would quote the line, and so a secret.
fn describe_error(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().split('\n').count();
    format!("line {line}: {}", error.message())
}

impl Keys {
    /// Loads the keys of a keys file's text and the admin key `(id, secret)` of the environment.
    ///
    /// # Errors
    ///
    /// Returns a line for the operator that names the key or the line of the file, never a secret.
    pub fn load(file: Option<&str>, admin: Option<(String, String)>) -> Result<Self, String> {
        let mut keys = Keys {
            by_id: HashMap::new(),
            unknown_key: Key::new("nobody".to_owned(), Role::Reader).into(),
        };
        if let Some((id, secret)) = admin {
            keys.add(id, Key::new(secret, Role::Admin))?;
        }
        if let Some(text) = file {
            let file: KeysFile = toml::from_str(text).map_err(|e| describe_error(text, &e))?;
            if file.key.is_empty() {
                return Err("there is no key; add a [[key]] table".to_owned());
            }
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
        let token = key.security_token.as_ref();
        for (name, secret) in [("secret", Some(&key.secret)), ("security token", token)] {
            if secret.is_some_and(SecretKey::has_invisible_end) {
                return Err(format!(
                    "key '{id}': the {name} begins or ends with white space; remove it"
                ));
            }
        }
        if let Some(glob) = key.flows.without_match() {
            return Err(format!(
                "key '{id}': no flow can have a name that matches '{}'",
                glob.escape_debug()
            ));
        }
        match self.by_id.insert(id.clone(), key.into()) {
            Some(_) => Err(format!("key '{id}' is there twice")),
            None => Ok(()),
        }
    }

    /// Returns the number of keys.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Checks that a request can be signed with one of the keys.
    ///
    /// # Errors
    ///
    /// Returns a line for the operator if all keys have expired.
    pub fn check_usable(&self, now: Timestamp) -> Result<(), String> {
        let mut last: Option<Timestamp> = None;
        for key in self.by_id.values() {
            match key.expires {
                Some(expires) if expires <= now => last = last.max(Some(expires)),
                _ => return Ok(()),
            }
        }
        Err(match last {
            Some(last) => format!("all keys have expired, the last one at {last}"),
            None => "there is no key".to_owned(),
        })
    }

    /// Returns the key with this id, unless it has expired.
    pub fn find(&self, id: &str, now: Timestamp) -> Option<&Arc<Key>> {
        self.by_id
            .get(id)
            .filter(|key| key.expires.is_none_or(|expires| now < expires))
    }

    /// Returns the key with this id; without an id, the only key.
    ///
    /// # Errors
    ///
    /// Returns a line for the user that lists the ids to choose from.
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

    /// Returns the key against which requests with an unknown key id are checked, so that they take as long as
    /// requests with a wrong secret.
    pub fn unknown_key(&self) -> &Arc<Key> {
        &self.unknown_key
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn star_matches_any_characters() {
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
