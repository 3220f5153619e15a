//! Opens a database: locks it, refuses files of other programs, recovers it, migrates it, and starts the tasks.

use std::{num::NonZero, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use tokio::sync::RwLock;

use super::{
    Sqlite, append_execution_events, check,
    file::{self, MIGRATIONS, describe_error, unreadable},
    incarnation::RunFile,
    lock::{Lock, Watch},
    nonces::Ages,
    reader::Readers,
    wal::{self, ReaderGate, Wal},
    writer::{Task, Writer},
};
use crate::{
    model::{Timestamp, task_token::TaskKey},
    store::{Description, Error, notify::Notifier, scans::Scans},
};

/// Connections for all reads but those of histories, which have readers of their own. Such a read keeps a core busy
/// for microseconds, so more connections would only wait for cores.
const READERS: u32 = 4;
/// Longest wait for a free reader, before the request is refused as busy.
const READER_WAIT: Duration = Duration::from_secs(1);
/// No memory map of the database: with one, a read error or a file that another process truncated would be a signal
/// (SIGBUS) that kills the process, and not an error. The index of the write-ahead log stays mapped, because SQLite has
/// no other way to share it between connections.
const MMAP_BYTES: &str = "0";
/// Bytes to which the write-ahead log shrinks back after a checkpoint.
const WAL_KEPT_BYTES: &str = "67108864";

impl Sqlite {
    /// Opens `url` (`sqlite://FILE`), creates the file if it is missing, migrates it if it is older. `now` is
    /// the time from which on writes are accepted if the file is a copy.
    ///
    /// # Errors
    ///
    /// One line for the operator: what is wrong with which file, and what to do.
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, String> {
        let options = file::options(url)?;
        let file = options.get_filename().to_owned();
        open(url, &options, &file, now)
            .await
            .map_err(|error| describe_error(&file, &error))
    }
}

async fn open(
    url: &str,
    options: &SqliteConnectOptions,
    file: &Path,
    now: Timestamp,
) -> Result<Sqlite, String> {
    let lock = Lock::take(file, file::creates(url))?;
    // Refuses a file of another program before anything is created beside it, and before its WAL is checkpointed.
    if let Ok(verdict) = file::look(&file::read_only(options)).await {
        verdict?;
    }
    let in_run_file = |e| format!("its run file cannot be written: {e}");
    let run_file = RunFile::open(file)?;
    run_file.check_log(options).await?;
    run_file.mark_running().map_err(in_run_file)?;
    recover(options).await?;

    let options = options
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("mmap_size", MMAP_BYTES)
        .pragma("journal_size_limit", WAL_KEPT_BYTES);
    let mut connection = migrated(&options).await?;
    let incarnation = run_file.begin(&mut connection, now).await;
    let incarnation = incarnation.map_err(|e| unreadable(&e))?;
    // `check_log` compares the run file with the database without its log, so the run file may only be updated once the
    // log is checkpointed.
    let whole = wal::checkpoint(&mut connection).await;
    if whole.map_err(|e| e.to_string())? {
        let remembered = run_file.remember_durably(&incarnation);
        remembered.map_err(in_run_file)?;
    } else if !run_file.knows(&incarnation) {
        return Err("another process reads it; stop that one, then start again".to_owned());
    }
    let task_key = sqlx::query_scalar("SELECT key FROM task_key")
        .fetch_one(&mut connection)
        .await
        .map_err(|e| unreadable(&e))?;
    log_damage(&mut connection, file).await;

    let location = file.canonicalize().unwrap_or(file.to_owned());
    let options = options.read_only(true).create_if_missing(false);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let pages = Arc::new(RwLock::new(()));
    let histories = Readers::start(&options, cores, Arc::clone(&pages))
        .await
        .map_err(|e| e.to_string())?;
    let readers = pool(&options, READERS);
    let notifier = Notifier::default();
    let writer = Writer::start(Task {
        connection,
        notifier: notifier.clone(),
        watch: Watch::start(file)?,
        run_file,
        ages: Ages::new(incarnation.minute),
        incarnation,
        wal: Wal::new(ReaderGate::new(pages, readers.clone(), READERS)),
    });
    Ok(Sqlite {
        readers,
        probe: pool(&options, 1),
        histories,
        scans: Scans::default(),
        writer,
        notifier,
        task_key: TaskKey::new(task_key),
        description: Description {
            location: location.display().to_string(),
            engine: file::engine(),
            schema: file::newest_schema(),
            readers: cores,
        },
        lock,
    })
}

/// The writer's connection, to a database of the newest schema.
async fn migrated(options: &SqliteConnectOptions) -> Result<SqliteConnection, String> {
    let mut connection = options
        .clone()
        .auto_vacuum(SqliteAutoVacuum::Incremental) // the purge returns free pages to the file system
        .pragma("wal_autocheckpoint", "0") // the writer task runs the checkpoints
        .connect()
        .await
        .map_err(|e| e.to_string())?;
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(|e| format!("its schema cannot be brought up to date: {e}"))?;
    append_execution_events::prepare(&mut connection)
        .await
        .map_err(|e| e.to_string())?;
    Ok(connection)
}

fn pool(options: &SqliteConnectOptions, connections: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(READER_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false) // a ping would cost as much as a small page
        .connect_lazy_with(options.clone())
}

/// Logs damage in a sample of the histories.
async fn log_damage(connection: &mut SqliteConnection, file: &Path) {
    if let [first, more @ ..] = &check::sample(connection).await[..] {
        let (more, file) = (more.len(), file.display());
        tracing::error!(
            "{file} is damaged: {first}; the sample has {more} more faults; run `flowledger check` to check everything"
        );
    }
}

/// Checks the schema again, now that no other server has the file, and empties its log: an earlier process may have
/// failed to sync pages of the log, and a later sync of the log would not write them again.
async fn recover(options: &SqliteConnectOptions) -> Result<(), String> {
    let say = |e| unreadable(&e);
    let mut connection = options.connect().await.map_err(say)?;
    let verdict = file::schema(&mut connection).await.map_err(say)?;
    let emptied = match verdict {
        Ok(_) => wal::empty(&mut connection).await,
        Err(_) => Ok(()),
    };
    connection.close().await.map_err(say)?;
    match emptied {
        Err(error @ (Error::Io(_) | Error::Unwritten(_))) => Err(error.to_string()),
        _ => verdict.map(drop), // on a full disk or with a reader in the way, the log is checkpointed later
    }
}
