//! The store in one SQLite file: a pool of readers and one writer task.

mod append;
mod columns;
mod executions;
mod flows;
mod history;
mod job;
mod nonces;
mod open;
mod writer;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::{AppendEvents, Appended, Error, Outcome, Page, StartExecution, Store};
use crate::model::{Cursor, Execution, Flow, Name, Nonce};

/// An open SQLite store.
pub struct Sqlite {
    readers: SqlitePool,
    writer: writer::Writer,
    /// Held as long as the store is open; a second process finds it taken.
    lock: std::fs::File,
}

#[async_trait]
impl Store for Sqlite {
    async fn create_flow(&self, flow: Flow, nonce: Option<Nonce>) -> Outcome<Flow> {
        self.writer.create_flow(flow, nonce).await
    }

    async fn describe_flow(&self, name: &Name) -> Outcome<Flow> {
        flows::describe_flow(&self.readers, name).await
    }

    async fn start_execution(
        &self,
        start: StartExecution,
        nonce: Option<Nonce>,
    ) -> Outcome<Execution> {
        self.writer.start_execution(start, nonce).await
    }

    async fn describe_execution(&self, flow: &Name, execution: &Name) -> Outcome<Execution> {
        executions::describe_execution(&self.readers, flow, execution).await
    }

    async fn append_execution_events(
        &self,
        append: AppendEvents,
        nonce: Option<Nonce>,
    ) -> Outcome<Appended> {
        self.writer.append_execution_events(append, nonce).await
    }

    async fn get_execution_history(
        &self,
        flow: &Name,
        execution: &Name,
        cursor: Cursor,
    ) -> Outcome<Page> {
        history::get_execution_history(&self.readers, flow, execution, cursor).await
    }

    async fn ready(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").fetch_one(&self.readers).await?;
        self.writer.ready()
    }

    async fn failed(&self) -> String {
        self.writer.failed().await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        let _ = self.lock.unlock(); // or the system does, when the process ends
    }
}

/// What SQLite says, in the store's terms.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let message = error.to_string();
        match (&error, primary_code(&error)) {
            (sqlx::Error::PoolTimedOut, _) => Error::Busy("all readers are in use".to_owned()),
            (sqlx::Error::PoolClosed, _) => Error::Unavailable("it is closing".to_owned()),
            (sqlx::Error::ColumnDecode { .. }, _) => Error::Corrupt(message),
            (_, Some(SQLITE_BUSY | SQLITE_LOCKED)) => Error::Busy(message),
            (_, Some(SQLITE_FULL | SQLITE_READONLY | SQLITE_CANTOPEN)) => {
                Error::Unavailable(message)
            }
            (_, Some(SQLITE_IOERR)) => Error::Io(message),
            (_, Some(SQLITE_CORRUPT | SQLITE_NOTADB)) => Error::Corrupt(message),
            _ => Error::Other(message),
        }
    }
}

// Primary result codes, <https://sqlite.org/rescode.html>.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;

/// The result code's first byte; the rest says more of the same.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
