//! Time and ids: the system's, and fixed ones for tests. Nothing else asks the system for either.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use uuid::Uuid;

use crate::model::Timestamp;

/// Where the time and new ids come from.
pub enum Clock {
    System,
    /// A time that only tests move (milliseconds since 1970), and ids that count up.
    Fixed {
        millis: AtomicI64,
        ids: AtomicU64,
    },
}

impl Clock {
    pub fn fixed(at: Timestamp) -> Self {
        Clock::Fixed {
            millis: AtomicI64::new(at.millis()),
            ids: AtomicU64::new(0),
        }
    }

    pub fn now(&self) -> Timestamp {
        let millis = match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the system's clock"
            )]
            Clock::System => chrono::Utc::now().timestamp_millis(),
            Clock::Fixed { millis, .. } => millis.load(Relaxed),
        };
        Timestamp::from_millis(millis).expect("a system's clock is between the years 1 and 9999")
    }

    pub fn uuid(&self) -> Uuid {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that draws random ids"
            )]
            Clock::System => Uuid::new_v4(),
            Clock::Fixed { ids, .. } => Uuid::from_u128(u128::from(ids.fetch_add(1, Relaxed) + 1)),
        }
    }
}
