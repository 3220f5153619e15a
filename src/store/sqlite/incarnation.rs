//! The identity and age of a database, by which a start recognises a restored copy and a write-ahead log (WAL) that
//! belongs to another file.
//!
//! The database stores both in its table `incarnation`. A small run file beside it (`FILE.run`) stores what the last
//! server knew, and is not part of a backup. If the two do not match, the start takes the database for a copy and gives
//! it a new incarnation. A copy lacks the nonces of later writes, so writes signed before the start are refused; a new
//! key refuses the task tokens of the old incarnation.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{file::with_suffix, lock::MODE};
use crate::{model::Timestamp, store::Error};

/// The content of the run file. Its length is constant, so that one write replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Whether the last server stopped cleanly.
    stopped: bool,
    id: String,
    /// A lower bound of the database's `Incarnation::minute`, even without its write-ahead log.
    minute: i64,
}

/// The run file. It stays open while the database is open.
pub(super) struct RunFile {
    file: File,
    path: PathBuf,
    record: Option<Record>,
}

/// The row of the table `incarnation`.
pub(super) struct Incarnation {
    id: String,
    /// The database's age: the number of minutes in which servers wrote, plus one for each start and stop.
    pub minute: i64,
    /// Milliseconds since 1970: writes signed at or before are refused.
    pub refused_until: i64,
}

/// The id in the run file until the database's id is known. No database has it.
const UNKNOWN: &str = "00000000000000000000000000000000";
/// The beginning of every run file.
const PREFIX: &str = "flowledger run ";
/// Bytes that are read of a run file. Ours has fewer; a longer file belongs to another program.
const READ_MAX_BYTES: u64 = 256;

impl Record {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix(PREFIX)?.split_whitespace();
        let record = Record {
            stopped: words.next()? == "stopped",
            id: words.next()?.to_owned(),
            minute: words.next()?.parse().ok()?,
        };
        (record.text() == text).then_some(record)
    }

    fn text(&self) -> String {
        let state = if self.stopped { "stopped" } else { "running" };
        let facts = format!("{state} {} {:020}", self.id, self.minute);
        // A torn write may mix two ids; without the checksum the mix would pass for the id of another database.
        let checksum = crc32fast::hash(facts.as_bytes());
        format!("{PREFIX}{facts} {checksum:08x}\n")
    }
}

impl RunFile {
    /// Opens or creates the run file of a database. If `database` is a symbolic link, the file is beside its target.
    ///
    /// # Errors
    ///
    /// A text for the operator: the file cannot be read, or belongs to another program.
    pub(super) fn open(database: &Path) -> Result<Self, String> {
        let read = RunFile::read(database);
        let (file, path, bytes) = read.map_err(|e| format!("its run file cannot be read: {e}"))?;
        if !bytes.is_empty() && !bytes.starts_with(PREFIX.as_bytes()) {
            let path = path.display();
            return Err(format!("{path} belongs to another program; rename it"));
        }
        let record = str::from_utf8(&bytes).ok().and_then(Record::parse);
        Ok(RunFile { file, path, record })
    }

    fn read(database: &Path) -> io::Result<(File, PathBuf, Vec<u8>)> {
        let path = with_suffix(&database.canonicalize()?, ".run");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file)
            .take(READ_MAX_BYTES)
            .read_to_end(&mut bytes)?;
        Ok((file, path, bytes))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records that a server runs. From now on, a write-ahead log beside the database is taken for its own.
    pub(super) fn mark_running(&self) -> io::Result<()> {
        let record = self.record.clone().unwrap_or(Record {
            stopped: false,
            id: UNKNOWN.to_owned(),
            minute: 0,
        });
        self.write_durably(&Record {
            stopped: false,
            ..record
        })
    }

    /// Records the id of the database, and its age without the write-ahead log.
    pub(super) fn remember_durably(&self, incarnation: &Incarnation) -> io::Result<()> {
        self.write_durably(&incarnation.record(false))
    }

    /// Records the same without a sync. A power cut may then leave an older age in the file, which is still a lower
    /// bound.
    pub(super) fn remember(&self, incarnation: &Incarnation) {
        if let Err(error) = self.write(&incarnation.record(false)) {
            tracing::warn!(%error, "the run file cannot be written; an older copy may go unnoticed");
        }
    }

    /// Records a clean stop.
    pub(super) fn mark_stopped(&self, incarnation: &Incarnation) -> io::Result<()> {
        self.write_durably(&incarnation.record(true))
    }

    fn write_durably(&self, record: &Record) -> io::Result<()> {
        self.write(record)?;
        self.file.sync_all()?;
        // A new file also needs its folder's entry to be synced.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let text = record.text();
        self.file.write_all_at(text.as_bytes(), 0)?;
        if self.file.metadata()?.len() != text.len() as u64 {
            self.file.set_len(text.len() as u64)?;
        }
        Ok(())
    }

    /// Refuses a write-ahead log that does not belong to the database. SQLite does not recognise one: it would
    /// overwrite pages of the database by pages of another file.
    ///
    /// Compares the run file with the database without its log. A crashed server leaves a log, and a database that is
    /// at least as old as the run file says; a clean stop leaves no log.
    pub(super) async fn check_log(&self, options: &SqliteConnectOptions) -> Result<(), String> {
        let database = options.get_filename();
        let log = with_suffix(database, "-wal");
        if !log.metadata().is_ok_and(|log| log.len() > 0) {
            return Ok(());
        }
        let Some((main, stopped)) = without_log(options).await else {
            return Ok(()); // the file is damaged, or nothing was checkpointed yet: there is nothing to compare
        };
        let running = self.record.as_ref().filter(|record| !record.stopped);
        let fault = match running {
            None if stopped => "the last server stopped in good order and left none",
            Some(record) if record.id != UNKNOWN && record.id != main.id => {
                "it is the log of another database that was here before"
            }
            Some(record) if record.id == main.id && record.minute > main.minute => {
                "the database is an older copy than the log needs"
            }
            _ => return Ok(()),
        };
        let (file, log) = (database.display(), log.display());
        Err(format!(
            "the write-ahead log beside it does not fit: {fault}. If the log was left by another file, remove \
             {log} and {file}-shm. If both were copied together, fold them: sqlite3 {file} \
             'PRAGMA wal_checkpoint(TRUNCATE)'. Then start again"
        ))
    }

    /// Returns whether the run file has the id of this incarnation.
    pub(super) fn knows(&self, incarnation: &Incarnation) -> bool {
        let record = self.record.as_ref();
        record.is_some_and(|record| record.id == incarnation.id)
    }

    /// Begins a run of the server. A database that does not match the run file gets a new incarnation.
    pub(super) async fn begin(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<Incarnation, sqlx::Error> {
        let found = Incarnation::read(connection).await?;
        let record = self.record.as_ref();
        let known =
            self.knows(&found) && record.is_some_and(|record| record.minute <= found.minute);
        let unknown = |record: &Record| record.id == UNKNOWN;
        let new = found.minute == 0 && record.is_none_or(unknown);
        if new {
            // Written first: if this start ended here, for example by a power cut, the next one would take the database
            // for a copy.
            self.remember_durably(&found).map_err(sqlx::Error::Io)?;
        }
        let mut transaction = connection.begin().await?;
        if !(known || new) {
            tracing::warn!(
                "the database is a copy, or its run file is missing: task tokens from before this start and \
                 writes signed before it are refused"
            );
            sqlx::query(
                "UPDATE incarnation SET id = lower(hex(randomblob(16))), refused_until = ?1",
            )
            .bind(now.millis())
            .execute(&mut *transaction)
            .await?;
            sqlx::query("UPDATE task_key SET key = lower(hex(randomblob(32)))")
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("UPDATE incarnation SET minute = minute + 1, stopped = 0")
            .execute(&mut *transaction)
            .await?;
        let begun = Incarnation::read(&mut transaction).await?;
        transaction.commit().await?;
        Ok(begun)
    }
}

impl Incarnation {
    fn record(&self, stopped: bool) -> Record {
        Record {
            stopped,
            id: self.id.clone(),
            minute: self.minute,
        }
    }

    async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query("SELECT id, minute, refused_until FROM incarnation")
            .fetch_one(connection)
            .await?;
        Ok(Incarnation {
            id: row.try_get(0)?,
            minute: row.try_get(1)?,
            refused_until: row.try_get(2)?,
        })
    }

    /// Counts a minute, in a transaction of its own. `stops` marks a clean stop.
    pub(super) async fn next_minute(
        &mut self,
        connection: &mut SqliteConnection,
        stops: bool,
    ) -> Result<(), Error> {
        sqlx::query("UPDATE incarnation SET minute = minute + 1, stopped = ?1")
            .bind(stops)
            .execute(connection)
            .await?;
        self.minute += 1;
        Ok(())
    }
}

/// Reads the incarnation from a database file without its log, and whether the file was stopped cleanly.
async fn without_log(options: &SqliteConnectOptions) -> Option<(Incarnation, bool)> {
    let options = options.clone().create_if_missing(false).read_only(true);
    let mut connection = options.immutable(true).connect().await.ok()?;
    let incarnation = Incarnation::read(&mut connection).await;
    let stopped = sqlx::query_scalar("SELECT stopped FROM incarnation")
        .fetch_one(&mut connection)
        .await;
    let _ = connection.close().await;
    Some((incarnation.ok()?, stopped.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_record_is_parsed_and_a_torn_write_is_refused() {
        for stopped in [false, true] {
            let record = Record {
                stopped,
                id: UNKNOWN.replace('0', "a"),
                minute: 7,
            };
            let text = record.text();
            assert_eq!(text.len(), 86, "{text}");
            assert_eq!(Record::parse(&text), Some(record.clone()));
            let other_id = Record {
                id: UNKNOWN.to_owned(),
                ..record
            };
            let torn = format!("{}{}", &text[..38], &other_id.text()[38..]);
            for other in ["", &text[..85], &torn, &text.replace('7', "x"), "content"] {
                assert_eq!(Record::parse(other), None, "{other}");
            }
        }
    }
}
