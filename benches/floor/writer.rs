//! The floors of durable appends, in this process: a plain SQLite writer with group commit, and the disk alone.

use std::{
    fs::File,
    io::{Seek, Write},
    path::Path,
    sync::mpsc,
    time::Duration,
};

use rusqlite::Connection;

use crate::{events, report::timed};

/// Maximum appends of one transaction, the same as the server's.
const GROUP_MAX: usize = 256;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (
        flow INTEGER NOT NULL, execution INTEGER NOT NULL, event_id INTEGER NOT NULL, json TEXT NOT NULL, checksum INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX events_by_execution ON events (flow, execution, event_id)";

/// A batch to append, and the channel that reports its commit.
struct Append {
    execution: i64,
    first: i64,
    events: Vec<String>,
    done: mpsc::Sender<()>,
}

/// Appends `per_client` batches of `count` events from each of `clients` threads. Each thread waits for the commit
/// of its batch before the next one. Returns the number of appends and the time they took.
pub fn append(folder: &Path, clients: i64, per_client: i64, count: i64) -> (usize, Duration) {
    let file = folder.join("floor.db");
    let _ = std::fs::remove_file(&file);
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let (queue, waiting) = mpsc::channel();
    let elapsed = timed(|| {
        std::thread::scope(|scope| {
            for execution in 0..clients {
                let queue = queue.clone();
                scope.spawn(move || client(&queue, execution, per_client, count));
            }
            drop(queue);
            write(connection, &waiting);
        });
    });
    (usize::try_from(clients * per_client).unwrap(), elapsed)
}

fn client(queue: &mpsc::Sender<Append>, execution: i64, batches: i64, count: i64) {
    let json: Vec<_> = (0..count).map(|id| events::event(id).to_string()).collect();
    for batch in 0..batches {
        let (done, is_done) = mpsc::channel();
        let append = Append {
            execution,
            first: batch * count,
            events: json.clone(),
            done,
        };
        queue.send(append).unwrap();
        is_done.recv().unwrap();
    }
}

/// Group commit: writes the queued batches in one transaction and reports them after its commit.
fn write(connection: Connection, waiting: &mpsc::Receiver<Append>) {
    let sql = "INSERT INTO events VALUES (1, ?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare(sql).unwrap();
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first)
            .chain(waiting.try_iter())
            .take(GROUP_MAX)
            .collect();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for append in &group {
            for (event_id, json) in (append.first..).zip(&append.events) {
                let row = (append.execution, event_id, json, 0);
                insert.execute(row).unwrap();
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        for append in group {
            append.done.send(()).unwrap();
        }
    }
}

/// Writes 4 KiB and calls `fdatasync`, `times` times.
pub fn fdatasync(folder: &Path, times: usize) -> (usize, Duration) {
    let mut file = File::create(folder.join("synced")).unwrap();
    file.write_all(&[0; 1 << 20]).unwrap();
    file.sync_all().unwrap();
    let elapsed = timed(|| {
        for nth in 0..times {
            file.seek(std::io::SeekFrom::Start((nth % 256) as u64 * 4096))
                .unwrap();
            file.write_all(&[1; 4096]).unwrap();
            file.sync_data().unwrap();
        }
    });
    (times, elapsed)
}
