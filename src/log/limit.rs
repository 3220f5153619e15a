//! A rate limit for log lines that callers without a key can cause.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Lines in one `WINDOW`. With 400 bytes each, a flood of refused requests adds at most 4 kB a second to the log;
/// unlimited it was 15 MB a second.
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Limits the log lines about requests without a verified key to 10 a second in total. One instance is
/// shared by everything that logs such requests.
pub struct AnonymousLimit(Mutex<State>);

struct State {
    window_started: Instant,
    /// Lines admitted in this window.
    admitted: u32,
    /// Lines suppressed since the last one that was admitted.
    suppressed: u64,
}

impl Default for AnonymousLimit {
    fn default() -> Self {
        AnonymousLimit(Mutex::new(State {
            window_started: Instant::now(),
            admitted: 0,
            suppressed: 0,
        }))
    }
}

impl AnonymousLimit {
    /// Returns None if the line must not be written; otherwise how many lines were suppressed since the last one
    /// that was admitted, to be logged with this line.
    pub fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(state.window_started) >= WINDOW {
            state.window_started = now;
            state.admitted = 0;
        }
        if state.admitted == LINES_MAX {
            state.suppressed += 1;
            return None;
        }
        state.admitted += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_over_the_limit_are_suppressed_and_counted_in_the_next_line() {
        let limit = AnonymousLimit::default();
        for _ in 0..2 {
            for _ in 0..LINES_MAX {
                assert_eq!(limit.admit(), Some(0));
            }
            assert_eq!(
                (limit.admit(), limit.admit(), limit.admit()),
                (None, None, None)
            );
            tokio::time::advance(WINDOW).await;
            assert_eq!(limit.admit(), Some(3));
            tokio::time::advance(WINDOW).await;
        }
    }
}
