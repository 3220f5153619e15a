//! The source of wall-clock time and random ids, with a fixed one for tests. Nothing else reads the system's clock
//! or draws ids; time-outs use the monotonic `tokio::time`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use uuid::Uuid;

use crate::model::Timestamp;

/// A source of time and ids.
pub enum Clock {
    System,
    /// A time that only tests set, in milliseconds since 1970, and ids that count up from 1.
    Fixed {
        millis: AtomicI64,
        ids: AtomicU64,
    },
}

impl Clock {
    /// Returns a clock that stands at this time.
    pub fn fixed(at: Timestamp) -> Self {
        Clock::Fixed {
            millis: AtomicI64::new(at.millis()),
            ids: AtomicU64::new(0),
        }
    }

    /// Returns the present time, to the millisecond.
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

    /// Returns a new random id (UUID version 4).
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
