//! A page's address is its state: what is filtered, where the page begins, what is unfolded.

use std::{convert::Infallible, fmt::Display};

use axum::{extract::FromRequestParts, http::request::Parts};
use form_urlencoded::{Serializer, parse};

/// Everything that an address can say; other names mean nothing and are dropped.
const NAMES: [&str; 13] = [
    "after", "at", "event", "from", "next", "open", "order", "prefix", "q", "status", "step", "to",
    "type",
];
/// Longest value that is listened to, in bytes: links repeat it.
const VALUE_MAX_BYTES: usize = 1024;

/// A path under `/ui/` and its query, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Address {
    path: String,
    query: Vec<(&'static str, String)>,
}

impl Address {
    pub fn new(path: impl Into<String>) -> Self {
        Address {
            path: path.into(),
            query: Vec::new(),
        }
    }

    /// The first value that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    }

    /// A value of digits only, without a leading zero.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?
            .parse()
            .ok()
    }

    /// The same with one thing different.
    pub fn with(&self, name: &'static str, value: impl Display) -> Self {
        debug_assert!(NAMES.contains(&name), "{name} is in no list");
        let mut address = self.without(&[name]);
        address.query.push((name, value.to_string()));
        address
    }

    /// The same without some things.
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.query.iter().filter(|(name, _)| !names.contains(name));
        Address {
            path: self.path.clone(),
            query: kept.cloned().collect(),
        }
    }

    /// Elsewhere, with the same query.
    pub fn under(&self, path: impl Into<String>) -> Self {
        Address {
            path: path.into(),
            query: self.query.clone(),
        }
    }
}

/// As a link has it.
impl Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        write!(f, "?{}", query.finish())
    }
}

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut address = Address::new(parts.uri.path());
        for (name, value) in parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let known = NAMES.into_iter().find(|known| *known == name);
            let value = value.trim();
            let heard = !value.is_empty() && value.len() <= VALUE_MAX_BYTES;
            if let Some(name) = known.filter(|name| heard && address.get(name).is_none()) {
                address.query.push((name, value.to_owned()));
            }
        }
        Ok(address)
    }
}
