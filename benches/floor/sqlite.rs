//! SQLite itself, in this process, without sqlx: the floor of reading rows.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::report::timed;

const PAGE: &str = "
    SELECT json FROM events WHERE execution = ?1 AND event_id BETWEEN ?2 AND ?3 ORDER BY event_id";

/// Connections to one file, one a thread.
pub struct Readers(Vec<Connection>);

impl Readers {
    pub fn open(file: &Path, threads: usize) -> Self {
        let open = || {
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
            let connection = connection.unwrap();
            connection
                .pragma_update(None, "mmap_size", 1 << 28)
                .unwrap();
            connection
        };
        Readers((0..threads).map(|_| open()).collect())
    }

    /// Reads the first `limit` events of execution 1 `pages` times in all.
    pub fn read(&mut self, limit: i64, pages: usize) -> (usize, Duration) {
        let share = pages / self.0.len();
        let elapsed = timed(|| {
            std::thread::scope(|scope| {
                for connection in &mut self.0 {
                    scope.spawn(move || {
                        for _ in 0..share {
                            read_page(connection, limit);
                        }
                    });
                }
            });
        });
        (share * self.0.len(), elapsed)
    }
}

fn read_page(connection: &Connection, limit: i64) {
    let mut statement = connection.prepare_cached(PAGE).unwrap();
    let mut rows = statement.query([1, 1, limit]).unwrap();
    let mut page = String::new();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        page.push_str(row.get_ref(0).unwrap().as_str().unwrap());
        page.push(',');
        count += 1;
    }
    assert_eq!(count, limit);
    std::hint::black_box(page);
}
