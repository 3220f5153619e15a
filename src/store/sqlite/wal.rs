//! The write-ahead log (WAL): when it is moved into the database (checkpoint), and how its size stays bounded.
//!
//! A checkpoint cannot pass the snapshot of a reader, and SQLite reuses the log from its beginning only while no reader
//! uses it. With many readers of large pages there is always an open snapshot, so the log would grow without end.
//! Once it is long, readers of this process are therefore paused for a checkpoint. Readers of other processes
//! (`flowledger check`, a shell, a backup) cannot be paused: the log grows as long as they read.

use std::{sync::Arc, time::Duration};

use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::{
    sync::{OwnedRwLockWriteGuard, RwLock},
    time::timeout,
};

use crate::store::Error;

/// Pages of the log that are not in the database yet, before a checkpoint moves them; SQLite's own default.
const CHECKPOINT_PAGES: i64 = 1000;
/// Pages of the log, of 4 KiB, at which readers are paused: 32 MiB. Until the checkpoint the log grows by at most one
/// transaction (256 writes, whose large bodies together have at most 16 MiB) and by what is written until the readers
/// have ended, so it stays below 256 MiB.
const PAUSE_PAGES: i64 = 8192;
/// Longest wait for the readers. A page of 16 MiB takes a tenth of a second.
const PAUSE_WAIT: Duration = Duration::from_secs(2);

/// Lets readers pass, or pauses them.
#[derive(Clone)]
pub(super) struct ReaderGate {
    pages: Arc<RwLock<()>>,
    others: SqlitePool,
    others_max: u32,
}

/// Readers are paused until this is dropped.
struct Paused {
    _pages: OwnedRwLockWriteGuard<()>,
    _others: Vec<PoolConnection<Sqlite>>,
}

impl ReaderGate {
    /// `pages` is held by readers of histories for reading; `others` is the pool of all other reads, of
    /// `others_max` connections.
    pub(super) fn new(pages: Arc<RwLock<()>>, others: SqlitePool, others_max: u32) -> Self {
        ReaderGate {
            pages,
            others,
            others_max,
        }
    }

    /// Waits until no read is under way, for a bounded time.
    async fn pause(&self) -> Option<Paused> {
        let pause = async {
            let pages = Arc::clone(&self.pages).write_owned().await;
            let mut others = Vec::new();
            for _ in 0..self.others_max {
                others.push(self.others.acquire().await.ok()?);
            }
            Some(Paused {
                _pages: pages,
                _others: others,
            })
        };
        timeout(PAUSE_WAIT, pause).await.ok().flatten()
    }
}

/// The log of the database.
pub(super) struct Wal {
    readers: ReaderGate,
    /// Pages of the log at which readers are paused next.
    pause_at: i64,
}

impl Wal {
    pub(super) fn new(readers: ReaderGate) -> Self {
        Wal {
            readers,
            pause_at: PAUSE_PAGES,
        }
    }

    /// Checkpoints the log once it is long. SQLite's automatic checkpoint would run within a commit, for which clients
    /// wait, and would not report a failed sync.
    pub(super) async fn checkpoint(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(), Error> {
        let size = run(connection, "PRAGMA wal_checkpoint(NOOP)").await?;
        if size.pages < self.pause_at {
            if size.pages - size.moved >= CHECKPOINT_PAGES {
                checkpoint(connection).await?;
            }
            return Ok(());
        }
        let paused = self.readers.pause().await;
        let whole = checkpoint(connection).await?;
        drop(paused);
        // After a complete checkpoint the next write reuses the log from its beginning. A reader of another process can
        // prevent that; the next pause is then put off, because one at every write would only delay writes.
        self.pause_at = PAUSE_PAGES + if whole { 0 } else { size.pages };
        if !whole {
            tracing::warn!(
                wal.pages = size.pages,
                "the write-ahead log grows: a reader holds an old snapshot, perhaps another process"
            );
        }
        Ok(())
    }
}

struct Size {
    pages: i64,
    moved: i64,
}

async fn run(connection: &mut SqliteConnection, pragma: &'static str) -> Result<Size, Error> {
    let row = sqlx::query(pragma).fetch_one(connection).await?;
    Ok(Size {
        pages: row.try_get(1)?,
        moved: row.try_get(2)?,
    })
}

/// Checkpoints the pages that no reader's snapshot holds back; never waits. Returns whether the whole log was moved.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let size = run(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    Ok(size.moved == size.pages)
}

/// Checkpoints the whole log and truncates it, so that the database file alone has everything. Closing the last
/// connection does the same, but does not report a failed sync.
pub(super) async fn empty(connection: &mut SqliteConnection) -> Result<(), Error> {
    run(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(())
}
