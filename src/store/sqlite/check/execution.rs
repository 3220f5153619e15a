//! An execution's row, compared with its events.

use serde::Deserialize;
use sqlx::{Row, sqlite::SqliteRow};

use crate::{
    model::{
        NewEvent, Status, Timestamp,
        execution::{started_detail, stopped_at},
    },
    store::{
        Error,
        sqlite::rows::{execution_name_at, name_at, time_at},
    },
};

pub(super) const EXECUTION: &str = "
    SELECT x.id, f.name, x.name, f.deleted_at IS NOT NULL, x.status, x.last_event_id, x.history_bytes,
        x.started_at, x.stopped_at, x.input, x.output, d.flow IS x.flow, x.flow
    FROM executions x LEFT JOIN flows f ON f.id = x.flow LEFT JOIN definitions d ON d.id = x.definition
    WHERE x.id >= ?1 ORDER BY x.id LIMIT 1";

/// An execution as its row, its flow and its definition describe it.
pub(super) struct Execution {
    pub(super) flow: i64,
    pub(super) id: i64,
    /// `FLOW/EXECUTION`, for messages.
    pub(super) path: String,
    pub(super) status: Status,
    pub(super) last_event_id: i64,
    pub(super) history_bytes: i64,
    pub(super) started_at: Timestamp,
    pub(super) stopped_at: Option<i64>,
    pub(super) input: String,
    pub(super) output: Option<String>,
    /// Whether its definition exists and belongs to its flow.
    pub(super) defined: bool,
}

impl Execution {
    /// Reads a row of `EXECUTION`. Returns None if its flow is deleted.
    pub(super) fn at(row: &SqliteRow) -> Result<Option<Self>, Error> {
        if row.try_get(3)? {
            return Ok(None);
        }
        Ok(Some(Execution {
            flow: row.try_get(12)?,
            id: row.try_get(0)?,
            path: format!("{}/{}", name_at(row, 1)?, execution_name_at(row, 2)?),
            status: Status::parse(row.try_get(4)?).ok_or_else(|| Error::damaged("status"))?,
            last_event_id: row.try_get(5)?,
            history_bytes: row.try_get(6)?,
            started_at: time_at(row, 7)?,
            stopped_at: row.try_get(8)?,
            input: row.try_get(9)?,
            output: row.try_get(10)?,
            defined: row.try_get(11)?,
        }))
    }

    /// Compares the values that both the row and the events contain.
    pub(super) fn compared(&self, read: &Read) -> [(&'static str, bool); 7] {
        let (start, end) = (event_in(&read.start), event_in(&read.end));
        let ends = end.as_ref().and_then(NewEvent::ends);
        let end = end.filter(|_| ends.is_some());
        let ended_at = end.as_ref().and_then(|end| end.time);
        let second = read.second.unwrap_or(self.started_at);
        let [moved, not_moved] = [true, false].map(|has_engine_time| {
            ended_at.map(|end| stopped_at(self.started_at, second, end, has_engine_time))
        });
        // Earlier versions stored the time of the last event.
        let ends_at = [moved, not_moved, ended_at].map(|end| end.map(Timestamp::millis));
        let detail = started_detail(&self.input);
        let started = start.as_ref();
        [
            (
                "start",
                started.is_some_and(|start| start.time == Some(self.started_at)),
            ),
            (
                "input",
                started.is_some_and(|start| {
                    start.event_detail == detail || start.input() == self.input
                }),
            ),
            ("status", self.status == ends.unwrap_or(Status::Running)),
            ("end", ends_at.contains(&self.stopped_at)),
            (
                "output",
                self.output.as_deref() == end.as_ref().and_then(NewEvent::output),
            ),
            ("number of bytes", self.history_bytes == read.bytes),
            ("definition", self.defined),
        ]
    }
}

/// The events of an execution that have been read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) last: i64,
    pub(super) bytes: i64,
    /// Whether each one was present and undamaged.
    pub(super) whole: bool,
    /// Time of the second event.
    pub(super) second: Option<Timestamp>,
    /// JSON of the first and the last event.
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
}

pub(super) fn event_in(json: &[u8]) -> Option<NewEvent> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Stored {
        #[serde(rename = "Type")]
        event_type: String,
        time: String,
        event_detail: String,
    }
    let stored: Stored = serde_json::from_slice(json).ok()?;
    let time = Timestamp::parse(&stored.time)?;
    Some(NewEvent::by_server(
        &stored.event_type,
        time,
        stored.event_detail,
    ))
}
