//! The name of a flow or an execution.

use std::fmt;

use serde::Serialize;

/// Longest name, in characters (all are ASCII); the vendor's limit.
pub const NAME_MAX_CHARS: usize = 128;

/// 1 to 128 characters of `A–Z a–z 0–9 _ -`, beginning with a letter or `_`; case-sensitive. The name of an execution
/// may also be a lower-case UUID.
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

    /// The rule for names of executions, to be read on from a parameter's name.
    pub const EXECUTION_RULE: &str = "must be 1 to 128 letters, digits, hyphens and underscores, and must begin with a letter or an underscore, or be a lower-case UUID";

    /// Parses the name of an execution: a name, or a lower-case UUID, which the vendor's service generates against
    /// its own rule and which may begin with a digit. Returns `None` for any other text.
    pub fn parse_execution(text: &str) -> Option<Self> {
        Name::parse(text).or_else(|| is_lower_case_uuid(text).then(|| Name(text.to_owned())))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_lower_case_uuid(text: &str) -> bool {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => is_hex(b),
        })
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
