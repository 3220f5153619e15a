//! Checksums of stored events. They cover the row's key too, so that an event at a wrong place is noticed.

use uuid::Uuid;

/// The key of an event's row. The backend's keys of flows and executions have `N` bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey<const N: usize> {
    flow: [u8; N],
    execution: [u8; N],
    event_id: i64,
}

impl EventKey<8> {
    /// Returns the key of an event in SQLite, whose flows and executions have numbers.
    pub fn numbered(flow: i64, execution: i64, event_id: i64) -> Self {
        EventKey {
            flow: flow.to_le_bytes(),
            execution: execution.to_le_bytes(),
            event_id,
        }
    }
}

impl EventKey<16> {
    /// Returns the key of an event in PostgreSQL, where hashes stand for flows and executions.
    pub fn hashed(flow: Uuid, execution: Uuid, event_id: i64) -> Self {
        EventKey {
            flow: flow.into_bytes(),
            execution: execution.into_bytes(),
            event_id,
        }
    }
}

/// Returns the CRC-32 of flow, execution, EventId (8 bytes, little-endian) and the event's JSON.
pub fn checksum<const N: usize>(key: EventKey<N>, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key.flow);
    hasher.update(&key.execution);
    hasher.update(&key.event_id.to_le_bytes());
    hasher.update(json);
    hasher.finalize()
}

/// Whether `stored` is the checksum of this row.
pub fn matches<const N: usize>(key: EventKey<N>, json: &[u8], stored: i64) -> bool {
    i64::from(checksum(key, json)) == stored
}
