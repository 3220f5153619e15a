//! A point in time in UTC, to the millisecond.

use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last one, in the year 9999, in milliseconds since 1970.
    pub const LAST_MILLIS: i64 = 253_402_300_799_999;

    /// The rule for times, to be read on from a parameter's name.
    pub const RULE: &str = "must be RFC 3339, such as 2019-01-01T01:01:01.001Z";

    /// Returns the time of these milliseconds; `None` outside the years 1 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        let years = 1..=9999;
        DateTime::from_timestamp_millis(millis)
            .filter(|t| years.contains(&t.year()))
            .map(|_| Timestamp(millis))
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with upper-case `T` and `Z`, any offset and any fraction; truncates to milliseconds.
    /// Refuses leap seconds, because their milliseconds are those of the next second.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let capitals = bytes.get(10) == Some(&b'T') && !text.ends_with('z');
        let strict = text.is_ascii() && capitals && bytes.get(17..19) != Some(b"60");
        let time = strict
            .then(|| DateTime::parse_from_rfc3339(text).ok())
            .flatten()?;
        Timestamp::from_millis(time.timestamp_millis())
    }

    /// Parses the time format of signed requests: exactly `YYYY-MM-DDThh:mm:ssZ`.
    pub fn parse_seconds(text: &str) -> Option<Self> {
        (text.len() == 20 && text.ends_with('Z'))
            .then(|| Timestamp::parse(text))
            .flatten()
    }

    /// Returns the milliseconds between the two times, in either order.
    pub fn distance(self, other: Timestamp) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        DateTime::from_timestamp_millis(time.0).unwrap_or_default()
    }
}

/// Writes `2019-01-01T01:01:01.001Z`, always with three digits of fraction.
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
