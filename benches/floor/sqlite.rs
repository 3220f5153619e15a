//! The floor of reading rows: SQLite in this process, without HTTP and without sqlx.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::report::timed;

const PAGE: &str = "
    SELECT json FROM events WHERE flow = 1 AND execution = ?1 AND event_id BETWEEN ?2 AND ?3 ORDER BY event_id";

/// Connections to one database file, one for each thread.
pub struct Readers(Vec<Connection>);

impl Readers {
    pub fn open(file: &Path, threads: usize) -> Self {
        Readers((0..threads).map(|_| open(file)).collect())
    }

    /// Reads the first `limit` events of execution 1 `pages` times, split between the threads.
    pub fn read(&mut self, limit: i64, pages: usize) -> (usize, Duration) {
        let share = pages / self.0.len();
        let elapsed = timed(|| {
            std::thread::scope(|scope| {
                for connection in &mut self.0 {
                    scope.spawn(move || {
                        for _ in 0..share {
                            std::hint::black_box(read_page(connection, 1, limit));
                        }
                    });
                }
            });
        });
        (share * self.0.len(), elapsed)
    }
}

/// Opens `file` for reading.
pub fn open(file: &Path) -> Connection {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection
        .pragma_update(None, "mmap_size", 1 << 28)
        .unwrap();
    connection
}

/// Returns `limit` events of execution 1 from EventId `first` on, as JSON objects separated by commas.
pub fn read_page(connection: &Connection, first: i64, limit: i64) -> String {
    let mut statement = connection.prepare_cached(PAGE).unwrap();
    let mut rows = statement.query([1, first, first + limit - 1]).unwrap();
    let mut page = String::new();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        if count > 0 {
            page.push(',');
        }
        page.push_str(row.get_ref(0).unwrap().as_str().unwrap());
        count += 1;
    }
    assert_eq!(count, limit);
    page
}
