//! Checksums of stored events. They cover the row's key too, so that an event at a wrong place is noticed.

/// The key of an event's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey {
    pub flow: i64,
    pub execution: i64,
    pub event_id: i64,
}

/// Returns the CRC-32 of flow, execution and EventId (8 bytes each, little-endian) and the event's JSON.
pub fn checksum(key: EventKey, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for id in [key.flow, key.execution, key.event_id] {
        hasher.update(&id.to_le_bytes());
    }
    hasher.update(json);
    hasher.finalize()
}

/// Whether `stored` is the checksum of this row.
pub fn matches(key: EventKey, json: &[u8], stored: i64) -> bool {
    i64::from(checksum(key, json)) == stored
}
