//! The database file: which file a URL names, how its connections are set, and whether its schema is ours.
//!
//! This module only reads. `lock` creates and locks the file, and `open` migrates it.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, migrate::Migrator, sqlite::SqliteConnectOptions,
};

use super::{SQLITE_CORRUPT, SQLITE_NOTADB, primary_code};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Marks a file as ours (`FLDG`); set by the first migration.
const APPLICATION_ID: i64 = 0x464C_4447;

/// Before 3.51.3 two connections that write and checkpoint at once could lose commits.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const _: () = assert!(
    libsqlite3_sys::SQLITE_VERSION_NUMBER >= SQLITE_VERSION_MIN,
    "SQLite is too old"
);

/// Parameters that may follow `?` in a URL. Others would open something else than a persistent file.
const PARAMETERS: [&str; 3] = ["", "mode=rwc", "mode=rw"];

/// How long SQLite itself waits for a lock. Only an operator's shell should ever hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses a URL. Returns the options of every connection, which name the file.
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
        .create_if_missing(creates(url))
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging())
}

/// Whether a URL lets the file be created if it is missing.
pub(super) fn creates(url: &str) -> bool {
    !url.ends_with("?mode=rw")
}

/// Options of a connection that reads and leaves everything as it is. Without a write-ahead log no
/// process writes, and SQLite need not create its index beside the file to read it.
pub(super) fn read_only(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    let options = options.clone().create_if_missing(false).read_only(true);
    let no_log = !has_log(&options);
    options.immutable(no_log)
}

/// Whether a write-ahead log is beside the file: a process has it open, or did not close it.
pub(super) fn has_log(options: &SqliteConnectOptions) -> bool {
    with_suffix(options.get_filename(), "-wal").exists()
}

/// The path of a file beside the database.
pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Returns the schema version of a file, or why this program must not touch it.
pub(super) async fn look(
    options: &SqliteConnectOptions,
) -> Result<Result<i64, String>, sqlx::Error> {
    let looked = async {
        let mut connection = options.connect().await?;
        let verdict = schema(&mut connection).await?;
        connection.close().await?;
        Ok(verdict)
    };
    match looked.await {
        Err(e) if primary_code(&e) == Some(SQLITE_NOTADB) => {
            Ok(Err("it is not a SQLite file; name another one".to_owned()))
        }
        looked => looked,
    }
}

/// Returns the schema version, or why not: an old library, another program's file, a newer schema.
pub(super) async fn schema(
    connection: &mut SqliteConnection,
) -> Result<Result<i64, String>, sqlx::Error> {
    let (library, tables, application, version): (String, i64, i64, i64) = sqlx::query_as(
        // sqlx creates its table of migrations before the first migration sets the application id.
        "SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema WHERE tbl_name != '_sqlx_migrations'), \
         application_id, user_version FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(&mut *connection)
    .await?;
    let newest = newest_schema();
    Ok(if version_number(&library) < SQLITE_VERSION_MIN {
        Err(format!(
            "SQLite {library} is too old; 3.51.3 or newer is needed"
        ))
    } else if application == 0 && tables == 0 {
        Ok(version)
    } else if application != APPLICATION_ID {
        Err("it belongs to another program; name another file".to_owned())
    } else if version > newest {
        Err(format!(
            "it has schema {version}, this program knows up to {newest}; use a newer flowledger"
        ))
    } else if !migrations_match(connection).await? {
        Err(
            "a development build made it, and its schema was never released; name a new file, or serve it with that \
             build"
                .to_owned(),
        )
    } else {
        Ok(version)
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

/// Returns name and version of the library that reads the file.
pub(super) fn engine() -> String {
    format!(
        "SQLite {}",
        libsqlite3_sys::SQLITE_VERSION.to_string_lossy()
    )
}

pub(super) fn newest_schema() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

/// Returns why a file cannot be checked, if so.
pub(super) async fn is_current(options: &SqliteConnectOptions) -> Result<(), String> {
    let version = look(options).await.map_err(|e| unreadable(&e))??;
    let newest = newest_schema();
    if version < newest {
        return Err(format!(
            "it has schema {version}; `flowledger serve` brings it to {newest}, then it can be checked"
        ));
    }
    Ok(())
}

/// One line for the operator. SQLite quotes what it cannot read, with all control characters in it.
pub(super) fn describe_error(file: &Path, error: &str) -> String {
    let error = error.replace(char::is_control, " ");
    format!("{}: {error}", file.display())
}

/// Why a file cannot be read.
pub(super) fn unreadable(error: &sqlx::Error) -> String {
    match primary_code(error) {
        Some(SQLITE_CORRUPT) => format!("it is damaged, start from a copy of it: {error}"),
        _ => error.to_string(),
    }
}

/// `3.51.3` as SQLite counts it: 3051003.
fn version_number(version: &str) -> i32 {
    version.split('.').take(3).fold(0, |number, part| {
        number * 1000 + part.parse::<i32>().unwrap_or(0)
    })
}
