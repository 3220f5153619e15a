//! The floor of the obvious implementation, in this process: one column for each field, sqlx's `fetch_all`, and
//! serde_json.

use std::{path::Path, time::Duration};

use serde::Serialize;
use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::runtime::Runtime;

use crate::report::timed;

#[derive(FromRow, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    event_type: String,
    event_id: i64,
    time: String,
    schedule_event_id: i64,
    event_detail: String,
    step_name: String,
}

/// Copies the first 2,000 events of execution 1 into a table with one column for each field.
const COPY: &str = "
    CREATE TABLE columns AS
    SELECT execution, event_id, json ->> 'Type' AS event_type, json ->> 'Time' AS time,
        json ->> 'ScheduleEventId' AS schedule_event_id, json ->> 'EventDetail' AS event_detail,
        json ->> 'StepName' AS step_name
    FROM events WHERE flow = 1 AND execution = 1 AND event_id <= 2000;
    CREATE UNIQUE INDEX columns_page ON columns (execution, event_id)";

/// A connection pool of the same size as the store's.
pub struct Rows {
    runtime: Runtime,
    pool: SqlitePool,
}

impl Rows {
    /// Opens `file` and adds the table `columns` to it.
    pub fn open(file: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(file)
            .pragma("mmap_size", "268435456");
        let pool = runtime.block_on(async {
            let pool = SqlitePoolOptions::new()
                .max_connections(4)
                .test_before_acquire(false)
                .connect_with(options)
                .await
                .unwrap();
            sqlx::raw_sql(COPY).execute(&pool).await.unwrap();
            pool
        });
        Rows { runtime, pool }
    }

    /// Reads the first `limit` events `pages` times, split between `at_once` tasks.
    pub fn read(&self, limit: i64, pages: usize, at_once: usize) -> (usize, Duration) {
        let share = pages / at_once;
        let elapsed = timed(|| {
            self.runtime.block_on(async {
                let tasks: Vec<_> = (0..at_once)
                    .map(|_| tokio::spawn(read_pages(self.pool.clone(), limit, share)))
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
        (share * at_once, elapsed)
    }
}

async fn read_pages(pool: SqlitePool, limit: i64, pages: usize) {
    for _ in 0..pages {
        let events: Vec<Event> = sqlx::query_as(
            "SELECT * FROM columns WHERE execution = 1 AND event_id BETWEEN ?1 AND ?2 ORDER BY event_id",
        )
        .bind(1)
        .bind(limit)
        .fetch_all(&pool)
        .await
        .unwrap();
        std::hint::black_box(serde_json::to_string(&events).unwrap());
    }
}
