//! Nonces that were seen: each is accepted once within 31 minutes.

use std::{
    collections::{HashSet, VecDeque},
    sync::Mutex,
};

use crate::model::{Timestamp, nonce::Digest};

/// How long a nonce is remembered, in minutes: a request's time may be 15 minutes off either way.
const KEPT_MINUTES: i64 = 31;
/// Nonces in memory. A set that has just grown takes 40 bytes for each: 32 MiB in all.
const NONCES_MAX: usize = 32 * 1024 * 1024 / 40;

/// The nonces of all callers, by the minute in which they arrived.
#[derive(Default)]
pub(super) struct Nonces(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    minutes: VecDeque<Minute>,
    count: usize,
}

#[derive(Default)]
struct Minute {
    minute: i64,
    reads: HashSet<Digest>,
    writes: HashSet<Digest>,
}

impl Nonces {
    /// Remembers a nonce; false if it was seen before.
    pub(super) fn insert(&self, digest: Digest, now: Timestamp, write: bool) -> bool {
        self.0.lock().expect("no panic holds this lock").insert(
            digest,
            now.millis().div_euclid(60_000),
            write,
        )
    }
}

impl Memory {
    fn insert(&mut self, digest: Digest, minute: i64, write: bool) -> bool {
        while self
            .minutes
            .front()
            .is_some_and(|oldest| oldest.minute + KEPT_MINUTES < minute)
        {
            let expired = self.minutes.pop_front().unwrap_or_default();
            self.count -= expired.reads.len() + expired.writes.len();
        }
        if self
            .minutes
            .iter()
            .any(|m| m.reads.contains(&digest) || m.writes.contains(&digest))
        {
            return false;
        }
        if self.count >= NONCES_MAX {
            self.forget_oldest();
        }
        // A clock that was set back fills the newest minute on.
        if self
            .minutes
            .back()
            .is_none_or(|newest| newest.minute < minute)
        {
            self.minutes.push_back(Minute {
                minute,
                ..Minute::default()
            });
        }
        if let Some(newest) = self.minutes.back_mut() {
            if write {
                newest.writes.insert(digest)
            } else {
                newest.reads.insert(digest)
            };
            self.count += 1;
        }
        true
    }

    /// Makes room: the oldest reads go first, then the oldest writes, which the store knows as well.
    fn forget_oldest(&mut self) {
        let forgotten = match self.minutes.iter_mut().find(|m| !m.reads.is_empty()) {
            Some(minute) => std::mem::take(&mut minute.reads),
            None => self
                .minutes
                .iter_mut()
                .find(|m| !m.writes.is_empty())
                .map(|m| std::mem::take(&mut m.writes))
                .unwrap_or_default(),
        };
        self.count -= forgotten.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> Digest {
        std::array::from_fn(|at| n.to_le_bytes().get(at).copied().unwrap_or_default())
    }

    /// Bytes of a set's table: 16 and one to find them by, an eighth of the places free.
    fn bytes(set: &HashSet<Digest>) -> usize {
        set.capacity() / 7 * 8 * 17
    }

    #[test]
    fn a_nonce_is_accepted_once_within_its_31_minutes() {
        let mut memory = Memory::default();
        assert!(memory.insert(digest(1), 100, false));
        assert!(!memory.insert(digest(1), 100, true));
        assert!(!memory.insert(digest(1), 131, false));
        assert!(memory.insert(digest(1), 132, false));
        assert_eq!(memory.count, 1);
    }

    #[test]
    fn what_is_forgotten_is_counted_no_more() {
        let mut memory = Memory::default();
        for n in 1..=9 {
            assert!(memory.insert(digest(n), if n < 6 { 100 } else { 101 }, n % 3 > 0));
        }
        for left in [8, 6, 2, 0] {
            memory.forget_oldest(); // a read, two of the next minute, then four writes and two
            assert_eq!(memory.count, left);
        }
        for n in 1..=5 {
            assert!(memory.insert(digest(n), 200, n > 3));
        }
        assert!(memory.insert(digest(9), 232, true));
        assert_eq!(memory.count, 1);
    }

    #[test]
    fn a_clock_set_back_forgets_nothing() {
        let mut memory = Memory::default();
        assert!(memory.insert(digest(1), 100, false));
        assert!(memory.insert(digest(2), 40, false));
        assert!(!memory.insert(digest(1), 40, false));
        assert!(!memory.insert(digest(2), 100, false));
    }

    #[test]
    fn when_memory_is_full_the_oldest_reads_go_first_and_writes_stay() {
        let mut memory = Memory::default();
        assert!(memory.insert(digest(0), 1, true));
        for n in 1..=NONCES_MAX {
            assert!(memory.insert(digest(n), if n < 1000 { 1 } else { 2 }, false));
        }
        assert!(memory.count <= NONCES_MAX);
        let sets = memory.minutes.iter().flat_map(|m| [&m.reads, &m.writes]);
        let bytes: usize = sets.map(bytes).sum();
        assert!((16 << 20..=32 << 20).contains(&bytes), "{bytes} bytes");
        assert!(
            !memory.insert(digest(0), 2, false),
            "the write is remembered"
        );
        assert!(
            !memory.insert(digest(1000), 2, false),
            "so is a younger read"
        );
        assert!(
            memory.insert(digest(1), 2, false),
            "the oldest reads are not"
        );
    }
}
