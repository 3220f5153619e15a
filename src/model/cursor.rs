//! Where a page of a history begins and how long it may be.

/// A range of EventIds: the page's events, as far as they exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    first: i64,
    limit: i64,
}

impl Cursor {
    /// Events of one page; the vendor's limit.
    pub const LIMIT_MAX: i64 = 1000;
    /// The vendor's default.
    pub const LIMIT_DEFAULT: i64 = 60;

    /// Begins with event `first` (from 1), holds at most `limit` events.
    pub fn new(first: i64, limit: i64) -> Self {
        debug_assert!(first >= 1 && (1..=Self::LIMIT_MAX).contains(&limit));
        Cursor { first, limit }
    }

    pub fn first(self) -> i64 {
        self.first
    }

    pub fn limit(self) -> i64 {
        self.limit
    }

    /// The last EventId that fits, inclusive.
    pub fn last(self) -> i64 {
        self.first.saturating_add(self.limit - 1)
    }
}
