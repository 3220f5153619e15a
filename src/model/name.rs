//! The name of a flow or an execution.

use std::fmt;

use serde::Serialize;

/// Longest name, in characters (all are ASCII); the vendor's limit.
pub const NAME_MAX_CHARS: usize = 128;

/// 1 to 128 characters of `A–Z a–z 0–9 _ -`, beginning with a letter or `_`; case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// The rule for names, to be read on from a parameter's name.
    pub const RULE: &str = "must be 1 to 128 letters, digits, hyphens and underscores, and must begin with a letter or an underscore";

    /// Parses a name; `None` if it breaks the rule.
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let valid = (first.is_ascii_alphabetic() || first == b'_')
            && text.len() <= NAME_MAX_CHARS
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        valid.then(|| Name(text.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
