//! Keys of rows. Every process computes them, so that no sequence and no hot range of keys is needed.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::model::{Flow, Name, Timestamp};

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// Names of flows that are remembered with their keys. Bounds the memory of a process to some megabytes.
const FLOWS_MAX: usize = 10_000;

/// Returns the first 128 bits of a SHA-256 over the parts and their lengths.
fn hash(parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize()[..16]);
    Uuid::from_bytes(key)
}

/// Returns the key of an execution.
pub(super) fn execution(flow: Uuid, name: &Name) -> Uuid {
    hash(&[flow.as_bytes(), name.as_str().as_bytes()])
}

/// Returns the key of a definition among those of its flow.
pub(super) fn definition(text: &str) -> Uuid {
    hash(&[text.as_bytes()])
}

/// Returns the day of an execution's start, counted from 1970.
pub(super) fn day(started_at: Timestamp) -> i64 {
    started_at.millis().div_euclid(MILLIS_PER_DAY)
}

/// Counts up with the running time of this process, which the system's clock does not move.
pub(super) struct Ids {
    opened_at: Timestamp,
    running: Instant,
    /// The last number.
    last: AtomicI64,
}

impl Ids {
    pub(super) fn new(opened_at: Timestamp) -> Self {
        Ids {
            opened_at,
            running: Instant::now(),
            last: AtomicI64::new(0),
        }
    }

    /// Returns the time of the start plus the running time, in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.micros() / 1000
    }

    fn micros(&self) -> i64 {
        let running = i64::try_from(self.running.elapsed().as_micros()).unwrap_or(i64::MAX);
        (self.opened_at.millis() * 1000).saturating_add(running)
    }

    /// Returns a number that is greater than the last one: microseconds since 1970.
    fn next(&self) -> i64 {
        let now = self.micros();
        let after = |last: i64| Some(now.max(last + 1));
        let last = self.last.fetch_update(Relaxed, Relaxed, after);
        last.map_or(now, |last| now.max(last + 1))
    }

    /// Returns the key of a new incarnation of a flow.
    pub(super) fn flow(&self, flow: &Flow) -> Uuid {
        let number = self.next().to_le_bytes();
        hash(&[flow.name.as_str().as_bytes(), flow.id.as_bytes(), &number])
    }

    /// Returns the id of a new row of an execution. Ids grow with the time of the insert; the lower half keeps those of
    /// several processes apart.
    pub(super) fn row(&self, execution: Uuid) -> Uuid {
        let (_, low) = execution.as_u64_pair();
        Uuid::from_u64_pair(self.next().unsigned_abs(), low)
    }
}

/// The keys of flows that were found last. A key may be outdated, so each statement that uses one returns the present
/// one too.
#[derive(Default)]
pub(super) struct FlowKeys(Mutex<HashMap<Name, Uuid>>);

impl FlowKeys {
    /// Returns the key of a flow as it was last found. No flow has the nil key, which stands for an unknown one.
    pub(super) fn get(&self, flow: &Name) -> Uuid {
        let keys = self.0.lock().expect("no panic holds this lock");
        keys.get(flow).copied().unwrap_or(Uuid::nil())
    }

    pub(super) fn set(&self, flow: &Name, key: Uuid) {
        let mut keys = self.0.lock().expect("no panic holds this lock");
        if keys.len() >= FLOWS_MAX {
            keys.clear();
        }
        keys.insert(flow.clone(), key);
    }
}
