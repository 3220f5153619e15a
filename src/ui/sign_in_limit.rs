//! Rate limit of sign-in: per network and key id, and per network.
//!
//! A successful attempt takes no token. Guesses at a key from one network do not lock its owner out on another one;
//! behind a shared proxy they do, until the guesses stop.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Buckets of the table, 16 bytes each. Networks and key ids share them by hash, so that memory does not grow with
/// the number of either.
const BUCKETS: usize = 16 * 1024;

/// A token bucket: `burst` attempts at once, then one per `interval`.
#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    interval: Duration,
}

/// Rate per key id and network: enough for a person with typing errors, and 14,400 guesses a day.
const PER_KEY: Rate = Rate {
    burst: 10,
    interval: Duration::from_secs(6),
};
/// Rate per network: an office behind one address.
const PER_NETWORK: Rate = Rate {
    burst: 60,
    interval: Duration::from_secs(1),
};

pub(super) struct SignInLimit {
    started: Instant,
    hasher: RandomState,
    /// By bucket, when it will be full again, as the time since `started` (GCRA).
    full_at: Mutex<Box<[Duration]>>,
}

impl Default for SignInLimit {
    fn default() -> Self {
        SignInLimit {
            started: Instant::now(),
            hasher: RandomState::new(),
            full_at: Mutex::new(vec![Duration::ZERO; BUCKETS].into()),
        }
    }
}

impl SignInLimit {
    /// Takes a token for an attempt.
    ///
    /// # Errors
    /// How long to wait, if there is none.
    pub fn try_acquire(&self, network: IpAddr, key_id: &str) -> Result<(), Duration> {
        let now = self.started.elapsed();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, rate) in self.buckets(network, key_id) {
            let busy = full_at[bucket].saturating_sub(now);
            let wait = busy.saturating_sub(rate.interval * (rate.burst - 1));
            if wait > Duration::ZERO {
                return Err(wait);
            }
        }
        for (bucket, rate) in self.buckets(network, key_id) {
            full_at[bucket] = full_at[bucket].max(now) + rate.interval;
        }
        Ok(())
    }

    /// Gives the token of an attempt back that succeeded.
    pub fn give_back(&self, network: IpAddr, key_id: &str) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, rate) in self.buckets(network, key_id) {
            full_at[bucket] = full_at[bucket].saturating_sub(rate.interval);
        }
    }

    fn buckets(&self, network: IpAddr, key_id: &str) -> [(usize, Rate); 2] {
        let bucket = |key_id: Option<&str>| {
            let hash = self.hasher.hash_one((network, key_id)) % BUCKETS as u64;
            usize::try_from(hash).unwrap_or_default()
        };
        [(bucket(Some(key_id)), PER_KEY), (bucket(None), PER_NETWORK)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_limited_per_network_and_key_and_other_networks_are_not() {
        let limit = SignInLimit::default();
        for _ in 0..PER_KEY.burst {
            assert!(limit.try_acquire(network(1), "owner").is_ok());
        }
        let wait = limit.try_acquire(network(1), "owner").unwrap_err();
        assert!(wait <= PER_KEY.interval, "{wait:?}");
        assert!(limit.try_acquire(network(2), "owner").is_ok());
        assert!(limit.try_acquire(network(1), "other").is_ok());
        tokio::time::advance(wait).await;
        assert!(limit.try_acquire(network(1), "owner").is_ok());
        assert!(limit.try_acquire(network(1), "owner").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_at_many_keys_are_limited_per_network() {
        let limit = SignInLimit::default();
        let tries = 0..1_000;
        let allowed = tries.filter(|n| limit.try_acquire(network(1), &n.to_string()).is_ok());
        assert!(allowed.count() <= PER_NETWORK.burst as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_succeed_cost_nothing() {
        let limit = SignInLimit::default();
        for _ in 0..1_000 {
            limit.try_acquire(network(1), "owner").unwrap();
            limit.give_back(network(1), "owner");
        }
    }
}
