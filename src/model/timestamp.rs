//! A moment, to the millisecond, in UTC.

use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// What a time must be, to be read on from a parameter's name.
    pub const RULE: &str = "must be RFC 3339, such as 2019-01-01T01:01:01.001Z";

    pub fn from_millis(millis: i64) -> Option<Self> {
        let years = 1..=9999;
        DateTime::from_timestamp_millis(millis)
            .filter(|t| years.contains(&t.year()))
            .map(|_| Timestamp(millis))
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    /// RFC 3339 in its strict spelling (`T` and `Z` upper-case), with any offset and any fraction; what
    /// is finer than a millisecond is cut off. No leap second: its milliseconds are those of the next.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let capitals = bytes.get(10) == Some(&b'T') && !text.ends_with('z');
        let strict = text.is_ascii() && capitals && bytes.get(17..19) != Some(b"60");
        let time = strict
            .then(|| DateTime::parse_from_rfc3339(text).ok())
            .flatten()?;
        Timestamp::from_millis(time.timestamp_millis())
    }

    /// The time format of requests: exactly `YYYY-MM-DDThh:mm:ssZ`.
    pub fn parse_seconds(text: &str) -> Option<Self> {
        (text.len() == 20 && text.ends_with('Z'))
            .then(|| Timestamp::parse(text))
            .flatten()
    }

    /// Milliseconds between the two, whichever is later.
    pub fn distance(self, other: Timestamp) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        DateTime::from_timestamp_millis(time.0).unwrap_or_default()
    }
}

/// `2019-01-01T01:01:01.001Z`, always with three digits of fraction.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
