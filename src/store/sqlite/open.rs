//! Opening a file: is it ours, is it free, is its schema ours or older; and how its connections are set.

use std::{
    fs::File,
    num::NonZero,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    migrate::Migrator,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use super::{
    Sqlite, append, check,
    reader::Readers,
    writer::{self, Writer},
};
use crate::{
    model::task_token::TaskKey,
    store::{Error, notify::Notifier},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Marks a file as ours (`FLDG`); set by the first migration.
const APPLICATION_ID: i64 = 0x464C_4447;

/// Before 3.51.3 two connections that write and checkpoint at once could lose commits.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const _: () = assert!(
    libsqlite3_sys::SQLITE_VERSION_NUMBER >= SQLITE_VERSION_MIN,
    "SQLite is too old"
);

/// What may follow `?` in a URL. Anything else would read or keep something other than the file.
const PARAMETERS: [&str; 3] = ["", "mode=rwc", "mode=rw"];

/// Connections that read anything but histories, which have readers of their own. Such reads take microseconds
/// and a core each; more would only wait for cores.
const READERS: u32 = 4;
/// Longest wait for a free reader, before the caller is told to come again.
const READER_WAIT: Duration = Duration::from_secs(1);
/// How long SQLite itself waits for a lock. Nobody else should hold one, except a person's shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the file that reads see without copying.
const MMAP_BYTES: &str = "268435456";
/// Bytes to which the write-ahead log shrinks back after a checkpoint.
const WAL_KEPT_BYTES: &str = "67108864";

impl Sqlite {
    /// Opens `url` (`sqlite://FILE`), makes the file if it is missing, migrates it if it is older.
    pub async fn open(url: &str) -> Result<Self, String> {
        let options = options(url)?;
        let file = options.get_filename().to_owned();
        let say = |fault: String| describe_error(&file, &fault);
        // What is not ours is refused before anything is made beside it, or folded into it.
        if let Ok(Err(refusal)) = look(&aside(&options)).await {
            return Err(say(refusal));
        }
        let lock_path = lock_path(&file);
        let lock = lock(&lock_path).map_err(say)?;
        recover(&options).await.map_err(say)?;

        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("mmap_size", MMAP_BYTES)
            .pragma("journal_size_limit", WAL_KEPT_BYTES);
        let mut writer = options
            .clone()
            .auto_vacuum(SqliteAutoVacuum::Incremental) // deleted flows give their space back
            .pragma("wal_autocheckpoint", "0") // the writer sees to that
            .connect()
            .await
            .map_err(|e| say(e.to_string()))?;
        MIGRATIONS
            .run(&mut writer)
            .await
            .map_err(|e| say(format!("its schema cannot be brought up to date: {e}")))?;
        append::prepare(&mut writer)
            .await
            .map_err(|e| say(e.to_string()))?;
        let task_key = sqlx::query_scalar("SELECT key FROM task_key")
            .fetch_one(&mut writer)
            .await
            .map_err(|e| say(unreadable(&e)))?;
        if let [first, more @ ..] = &check::sample(&mut writer).await[..] {
            let (more, file) = (more.len(), file.display());
            tracing::error!(
                "{file} is damaged: {first}; of what was looked at, {more} more; `flowledger check` looks at all"
            );
        }
        let options = options.read_only(true).create_if_missing(false);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let histories = Readers::start(&options, cores)
            .await
            .map_err(|e| say(e.to_string()))?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .min_connections(connections)
                .max_connections(connections)
                .acquire_timeout(READER_WAIT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false) // a ping costs as much as a small page
                .connect_lazy_with(options.clone())
        };
        let notifier = Notifier::default();
        Ok(Sqlite {
            readers: pool(READERS),
            probe: pool(1),
            histories,
            writer: Writer::start(writer, notifier.clone(), lock_path),
            notifier,
            task_key: TaskKey::new(task_key),
            lock,
        })
    }
}

/// The file that `url` names, and how each connection opens it.
pub(super) fn options(url: &str) -> Result<SqliteConnectOptions, String> {
    let (path, parameters) = url.split_once('?').unwrap_or((url, ""));
    if path.ends_with([':', '/']) || path.ends_with(":memory:") {
        return Err("the database URL must name a file: sqlite://FILE".to_owned());
    }
    if !PARAMETERS.contains(&parameters) {
        return Err(format!(
            "'{url}' has a parameter that is not known; only ?mode=rwc and ?mode=rw are"
        ));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|e| format!("'{url}' is not a SQLite URL: {e}"))?;
    Ok(options
        .create_if_missing(parameters != "mode=rw")
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging())
}

/// Reads and leaves everything as it is. Without a log nobody writes, and nothing need be made beside the
/// file to read it.
pub(super) fn aside(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    let options = options.clone().create_if_missing(false).read_only(true);
    let unlogged = !has_log(&options);
    options.immutable(unlogged)
}

/// Whether a write-ahead log lies beside the file: somebody has it open, or did not close it.
pub(super) fn has_log(options: &SqliteConnectOptions) -> bool {
    let mut log = options.get_filename().as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).exists()
}

/// The lock file beside the database, wherever a link leads.
fn lock_path(file: &Path) -> PathBuf {
    let mut path = file
        .canonicalize()
        .unwrap_or_else(|_| file.to_owned())
        .into_os_string();
    path.push(".lock");
    path.into()
}

/// Takes the lock file. The database itself must not be opened and closed here: that would drop the locks of
/// SQLite's own connections in this process.
fn lock(path: &Path) -> Result<File, String> {
    let lock = File::options()
        .create(true)
        .append(true) // somebody else may call a file of his so
        .open(path)
        .map_err(|e| format!("its lock file cannot be made: {e}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err("another process has it open; stop that one first".to_owned())
        }
        Err(std::fs::TryLockError::Error(e)) => Err(format!("it cannot be locked: {e}")),
    }
}

/// Looks once more, now that nobody else has the file, and empties its log: what an earlier process could not
/// sync must not stay there, where no later sync reaches it.
async fn recover(options: &SqliteConnectOptions) -> Result<(), String> {
    let say = |e| unreadable(&e);
    let mut connection = options.connect().await.map_err(say)?;
    let verdict = schema(&mut connection).await.map_err(say)?;
    let emptied = match verdict {
        Ok(_) => writer::empty_log(&mut connection).await,
        Err(_) => Ok(()),
    };
    connection.close().await.map_err(say)?;
    match emptied {
        Err(fault @ (Error::Io(_) | Error::Unwritten(_))) => Err(fault.to_string()),
        _ => verdict.map(drop), // without room, the log stays as it is
    }
}

/// The schema of a file, or why this program must not touch it.
async fn look(options: &SqliteConnectOptions) -> Result<Result<i64, String>, sqlx::Error> {
    let looked = async {
        let mut connection = options.connect().await?;
        let verdict = schema(&mut connection).await?;
        connection.close().await?;
        Ok(verdict)
    };
    match looked.await {
        Err(e) if super::primary_code(&e) == Some(super::SQLITE_NOTADB) => {
            Ok(Err("it is not a SQLite file; name another one".to_owned()))
        }
        looked => looked,
    }
}

/// The schema, or why not: an old library, somebody else's file, a newer schema.
async fn schema(connection: &mut SqliteConnection) -> Result<Result<i64, String>, sqlx::Error> {
    let (version, tables, application, level): (String, i64, i64, i64) = sqlx::query_as(
        // The table of migrations is made before the first of them marks the file.
        "SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema WHERE tbl_name != '_sqlx_migrations'), \
         application_id, user_version FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(&mut *connection)
    .await?;
    let newest = newest_schema();
    Ok(if version_number(&version) < SQLITE_VERSION_MIN {
        Err(format!(
            "SQLite {version} is too old; 3.51.3 or newer is needed"
        ))
    } else if application == 0 && tables == 0 {
        Ok(level)
    } else if application != APPLICATION_ID {
        Err("it belongs to another program; name another file".to_owned())
    } else if level > newest {
        Err(format!(
            "it has schema {level}, this program knows up to {newest}; use a newer flowledger"
        ))
    } else if !migrations_match(connection).await? {
        Err(
            "a development build made it, and its schema was never released; name a new file, or serve it with that \
             build"
                .to_owned(),
        )
    } else {
        Ok(level)
    })
}

/// Whether the migrations that a database has applied are those of this program.
async fn migrations_match(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
            .fetch_all(connection)
            .await?;
    Ok(applied.iter().all(|(version, checksum)| {
        let known = MIGRATIONS.iter().find(|known| known.version == *version);
        known.is_some_and(|known| *known.checksum == **checksum)
    }))
}

fn newest_schema() -> i64 {
    let levels = MIGRATIONS.iter().map(|migration| migration.version);
    levels.max().unwrap_or_default()
}

/// Why a file cannot be checked, if so.
pub(super) async fn is_current(options: &SqliteConnectOptions) -> Result<(), String> {
    let level = look(options).await.map_err(|e| unreadable(&e))??;
    let newest = newest_schema();
    if level < newest {
        return Err(format!(
            "it has schema {level}; `flowledger serve` brings it to {newest}, then it can be checked"
        ));
    }
    Ok(())
}

/// A line for the operator. SQLite quotes what it cannot read, with all that stands there.
pub(super) fn describe_error(file: &Path, fault: &str) -> String {
    let fault = fault.replace(char::is_control, " ");
    format!("{}: {fault}", file.display())
}

/// Why a file cannot be read.
pub(super) fn unreadable(error: &sqlx::Error) -> String {
    match super::primary_code(error) {
        Some(super::SQLITE_CORRUPT) => {
            format!("it is damaged, start from a copy of it: {error}")
        }
        _ => error.to_string(),
    }
}

/// `3.51.3` as SQLite counts it: 3051003.
fn version_number(version: &str) -> i32 {
    version.split('.').take(3).fold(0, |number, part| {
        number * 1000 + part.parse::<i32>().unwrap_or(0)
    })
}
