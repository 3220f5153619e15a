//! The checksum of a stored event: it covers the row's key too, so that a right event at a wrong place
//! is noticed.

/// CRC-32 of execution and EventId (8 bytes each, little-endian) and the event's JSON.
pub fn checksum(execution: i64, event_id: i64, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&execution.to_le_bytes());
    hasher.update(&event_id.to_le_bytes());
    hasher.update(json);
    hasher.finalize()
}

/// Whether `stored` is the checksum of this row.
pub fn holds(execution: i64, event_id: i64, json: &[u8], stored: i64) -> bool {
    i64::from(checksum(execution, event_id, json)) == stored
}
