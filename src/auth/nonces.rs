//! Nonces of authenticated requests, in memory: while the process runs, each request is accepted once.
//!
//! Nonces age by the monotonic clock, so neither a client's time nor a stepped system clock expires one. This
//! module keeps nothing on disk. The store keeps the nonces of writes, so replayed writes are refused after a restart.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Mutex,
};

use tokio::time::Instant;

use crate::model::{Nonce, Timestamp, nonce::Digest};

/// Minutes for which a nonce is remembered. The signed time of a request may be 15 minutes off either way, so a
/// replay passes the time check for 30 minutes.
const RETENTION_MINUTES: u64 = 31;
/// Nonces in memory, of all keys. One takes at most 64 bytes, even when its set and its vector have three times the
/// capacity that they need, so all of them take at most 32 MiB.
const NONCES_MAX: usize = 32 * 1024 * 1024 / 64;
/// Nonces that are evicted together when memory is full, so that the key with the most nonces is searched rarely.
const EVICTED: usize = 1024;
/// Expired nonces that one insert removes. More than it adds, so that they cannot pile up; few, so that no request is
/// delayed by a long sweep.
const EXPIRED_PER_INSERT: usize = 2;

/// The nonces of all keys.
pub(super) struct Nonces {
    started: Instant,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    keys: HashMap<String, KeyNonces>,
    count: usize,
}

/// The nonces of one key. Each key has its own set, so a flood of requests by one key evicts its own nonces first.
#[derive(Default)]
struct KeyNonces {
    /// The first halves of digests, to save memory. A collision is unlikely and only refuses a request of the same key.
    seen: HashSet<u64>,
    /// The contents of `seen` by minute of arrival, oldest first.
    minutes: VecDeque<Minute>,
    /// The newest signed time among expired nonces. A request signed at or before it may be a replay. Unless the clock
    /// was set back, such a request fails the time check anyway.
    newest_expired: Option<Timestamp>,
}

struct Minute {
    /// Minutes since the process began.
    number: u64,
    newest_signed: Timestamp,
    digests: Vec<u64>,
}

impl Default for Nonces {
    fn default() -> Self {
        Nonces {
            started: Instant::now(),
            memory: Mutex::default(),
        }
    }
}

impl Nonces {
    /// Inserts a nonce of a key. Returns false if it was seen before, or may have been.
    pub(super) fn insert(&self, key_id: &str, nonce: &Nonce) -> bool {
        let minute = self.started.elapsed().as_secs() / 60;
        let mut memory = self.memory.lock().expect("no panic holds this lock");
        memory.insert(key_id, half(nonce.digest), nonce.signed_at, minute)
    }
}

fn half(digest: Digest) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |half, byte| half << 8 | u64::from(*byte))
}

impl Memory {
    fn insert(&mut self, key_id: &str, digest: u64, signed_at: Timestamp, minute: u64) -> bool {
        if !self.keys.contains_key(key_id) {
            self.keys.insert(key_id.to_owned(), KeyNonces::default());
        }
        let Some(key) = self.keys.get_mut(key_id) else {
            return false;
        };
        self.count -= key.expire(minute);
        if !key.insert(digest, signed_at, minute) {
            return false;
        }
        self.count += 1;
        if self.count > NONCES_MAX {
            let largest = self.keys.values_mut().max_by_key(|key| key.seen.len());
            self.count -= largest.map_or(0, |key| key.remove_oldest(EVICTED));
        }
        true
    }
}

impl KeyNonces {
    fn insert(&mut self, digest: u64, signed_at: Timestamp, minute: u64) -> bool {
        if Some(signed_at) <= self.newest_expired || !self.seen.insert(digest) {
            return false;
        }
        match self.minutes.back_mut() {
            Some(newest) if newest.number == minute => {
                newest.newest_signed = newest.newest_signed.max(signed_at);
                newest.digests.push(digest);
            }
            _ => self.minutes.push_back(Minute {
                number: minute,
                newest_signed: signed_at,
                digests: vec![digest],
            }),
        }
        true
    }

    /// Removes up to `EXPIRED_PER_INSERT` expired nonces. Returns how many.
    fn expire(&mut self, minute: u64) -> usize {
        let oldest = self.minutes.front();
        let expired = oldest.filter(|oldest| oldest.number + RETENTION_MINUTES < minute);
        let Some(expired) = expired else { return 0 };
        self.newest_expired = self.newest_expired.max(Some(expired.newest_signed));
        self.remove_oldest(EXPIRED_PER_INSERT.min(expired.digests.len()))
    }

    /// Removes `count` of the oldest nonces, in no particular order within a minute. Returns how many it removed.
    fn remove_oldest(&mut self, count: usize) -> usize {
        let mut removed = 0;
        while removed < count
            && let Some(oldest) = self.minutes.front_mut()
        {
            match oldest.digests.pop() {
                Some(digest) => removed += usize::from(self.seen.remove(&digest)),
                None => drop(self.minutes.pop_front()),
            }
        }
        // Shrinks both collections, so that a key that once sent many requests does not keep the memory that
        // `NONCES_MAX` allows to all keys.
        if let Some(oldest) = self.minutes.front_mut()
            && oldest.digests.capacity() > 3 * oldest.digests.len() + EVICTED
        {
            oldest.digests.shrink_to(2 * oldest.digests.len());
        }
        if self.seen.capacity() > 3 * self.seen.len() + EVICTED {
            self.seen.shrink_to_fit();
        }
        if self
            .minutes
            .front()
            .is_some_and(|oldest| oldest.digests.is_empty())
        {
            self.minutes.pop_front();
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000).expect("a time")
    }

    /// Bytes of a set's table: for each slot the digest's 8 bytes and one control byte; an eighth of the slots is free.
    fn table_bytes(set: &HashSet<u64>) -> usize {
        set.capacity() / 7 * 8 * 9
    }

    fn bytes(memory: &Memory) -> usize {
        let key_bytes = |key: &KeyNonces| {
            let minutes = key.minutes.iter();
            let digests: usize = minutes.map(|minute| minute.digests.capacity() * 8).sum();
            digests + table_bytes(&key.seen)
        };
        memory.keys.values().map(key_bytes).sum()
    }

    #[test]
    fn nonce_is_accepted_once_within_31_minutes() {
        let mut memory = Memory::default();
        assert!(memory.insert("a", 1, at(100), 100));
        assert!(!memory.insert("a", 1, at(100), 100));
        assert!(!memory.insert("a", 1, at(131), 131));
        assert!(memory.insert("a", 1, at(132), 132));
        assert_eq!(memory.count, 1);
    }

    #[test]
    fn expired_nonce_is_refused_at_its_signed_time() {
        let mut memory = Memory::default();
        assert!(memory.insert("a", 1, at(115), 100));
        assert!(memory.insert("a", 2, at(132), 132));
        for (signed_at, other_key) in [(100, "b"), (115, "c")] {
            assert!(!memory.insert("a", 1, at(signed_at), 132), "{signed_at}");
            assert!(memory.insert(other_key, 1, at(signed_at), 132));
        }
        assert!(memory.insert("a", 1, at(116), 132));
    }

    #[test]
    fn removed_nonces_are_not_counted() {
        let mut memory = Memory::default();
        for n in 1..=9 {
            let minute = if n < 6 { 100 } else { 101 };
            assert!(memory.insert("a", n, at(100), minute));
        }
        for left in [7, 5, 4, 2, 0, 0] {
            memory.count -= memory.keys.get_mut("a").map_or(0, |key| key.expire(133));
            assert_eq!(memory.count, left);
        }
        assert!(memory.keys["a"].seen.is_empty());
    }

    #[test]
    fn request_signed_before_an_earlier_one_is_accepted() {
        let mut memory = Memory::default();
        assert!(memory.insert("a", 1, at(100), 7));
        assert!(memory.insert("a", 2, at(40), 7));
        assert!(!memory.insert("a", 1, at(40), 7));
        assert!(!memory.insert("a", 2, at(100), 7));
    }

    #[test]
    fn full_memory_evicts_the_oldest_nonces_of_the_key_with_most() {
        let mut memory = Memory::default();
        assert!(memory.insert("honest", 0, at(1), 1));
        let flood = u64::try_from(NONCES_MAX).expect("64 bits") + 10_000;
        for n in 0..flood {
            let minute = if n < 20_000 { 1 } else { 2 };
            assert!(memory.insert("flood", n, at(1), minute));
        }
        assert!(memory.count <= NONCES_MAX);
        let bytes = bytes(&memory);
        assert!((8 << 20..=32 << 20).contains(&bytes), "{bytes} bytes");
        assert!(!memory.insert("honest", 0, at(1), 2), "another key's stays");
        assert!(
            !memory.insert("flood", 20_000, at(1), 2),
            "so does a younger one"
        );
        let seen = &memory.keys["flood"].seen;
        let forgotten = (0..20_000).filter(|n| !seen.contains(n)).count();
        assert!((9_000..=12_000).contains(&forgotten), "{forgotten}");
    }

    #[test]
    fn many_keys_together_stay_below_the_bound() {
        let mut memory = Memory::default();
        for n in 0..2 * u64::try_from(NONCES_MAX).expect("64 bits") {
            // One key after the other sends many requests.
            let key = format!("key {}", n / 300_000);
            memory.insert(&key, n, at(1), 1);
        }
        let bytes = bytes(&memory);
        assert!(bytes <= 32 << 20, "{bytes} bytes");
    }
}
