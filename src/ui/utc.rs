//! A time as templates write it. The script shows the times of elements of class `utc` in local time too.

use std::fmt;

use crate::{
    model::Timestamp,
    text::{date_time, period, time_of_day},
};

/// A time; templates call its methods through any number of references.
#[derive(Clone, Copy)]
pub(super) struct UtcTime(pub Timestamp);

impl UtcTime {
    /// Returns `2026-11-22 12:00:00 UTC`.
    pub fn seconds(&self) -> String {
        format!("{} UTC", date_time(self.0))
    }

    /// Returns `2026-11-22 12:00:00.123 UTC`.
    pub fn millis(&self) -> String {
        period(self.0, Some(self.0))
    }

    /// Returns `12:00:00.123`.
    pub fn time_of_day(&self) -> String {
        time_of_day(self.0)
    }
}

/// Writes RFC 3339, for the attribute `datetime`.
impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
