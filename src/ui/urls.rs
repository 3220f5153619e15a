//! The URL of a page is its whole state: filters, where the list begins, what is unfolded. Every URL begins with the
//! server's base path, which this module adds.

use std::{convert::Infallible, fmt::Display, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use form_urlencoded::{Serializer, parse};

use super::{Ui, error_page::PageError};
use crate::{model::Name, wire::error::ApiError};

/// All query parameters of pages; others are ignored and not repeated in links.
const NAMES: [&str; 13] = [
    "after", "at", "event", "from", "next", "open", "order", "prefix", "q", "status", "step", "to",
    "type",
];
/// Longest value of a parameter, in bytes; longer ones are ignored, because every link repeats them.
const VALUE_MAX_BYTES: usize = 1024;

/// A path under `/ui/` and its query, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct PageUrl {
    base_path: Arc<str>,
    path: String,
    query: Vec<(&'static str, String)>,
}

impl PageUrl {
    pub fn new(base_path: &Arc<str>, path: impl Into<String>) -> Self {
        PageUrl {
            base_path: Arc::clone(base_path),
            path: path.into(),
            query: Vec::new(),
        }
    }

    /// Returns another path without a query.
    pub fn at(&self, path: impl Into<String>) -> Self {
        PageUrl::new(&self.base_path, path)
    }

    /// Returns the first value of a parameter that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that consists of digits only.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?
            .parse()
            .ok()
    }

    /// Returns the URL with one parameter set.
    pub fn with(&self, name: &'static str, value: impl Display) -> Self {
        debug_assert!(NAMES.contains(&name), "{name} is in no list");
        let mut url = self.without(&[name]);
        url.query.push((name, value.to_string()));
        url
    }

    /// Returns the URL without some parameters.
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.query.iter().filter(|(name, _)| !names.contains(name));
        PageUrl {
            query: kept.cloned().collect(),
            ..self.at(&self.path)
        }
    }

    /// Returns another path with the same query.
    pub fn with_path(&self, path: impl Into<String>) -> Self {
        PageUrl {
            query: self.query.clone(),
            ..self.at(path)
        }
    }
}

/// Writes the URL percent-encoded, as a link needs it.
impl Display for PageUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.base_path, self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        write!(f, "?{}", query.finish())
    }
}

impl FromRequestParts<Arc<Ui>> for PageUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Infallible> {
        let mut url = PageUrl::new(&ui.base_path, parts.uri.path());
        for (name, value) in parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let known = NAMES.into_iter().find(|known| *known == name);
            let value = value.trim();
            let usable = !value.is_empty() && value.len() <= VALUE_MAX_BYTES;
            if let Some(name) = known.filter(|name| usable && url.get(name).is_none()) {
                url.query.push((name, value.to_owned()));
            }
        }
        Ok(url)
    }
}

/// Returns the path of an execution's page, without the base path.
pub(super) fn execution_path(flow: &Name, execution: &Name) -> String {
    format!("/ui/flows/{flow}/executions/{execution}")
}

/// Returns the path of a part of an execution's page, such as `live` or `stop`.
pub(super) fn execution_part(flow: &Name, execution: &Name, part: &str) -> String {
    format!("{}/{part}", execution_path(flow, execution))
}

/// Parses a name from a path or a parameter; `what` begins the error message.
pub(super) fn parse_name(what: &str, name: &str) -> Result<Name, PageError> {
    Name::parse(name).ok_or_else(|| ApiError::invalid(what, Name::RULE).into())
}

/// Parses the name of an execution from a path.
pub(super) fn parse_execution_name(name: &str) -> Result<Name, PageError> {
    Name::parse_execution(name)
        .ok_or_else(|| ApiError::invalid("The execution's name", Name::EXECUTION_RULE).into())
}
