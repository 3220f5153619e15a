//! Tests of the SQLite backend: its file, its transactions and query plans, corruption.

mod damage;
mod file;
mod work;

use std::path::Path;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

/// Opens a connection beside the store's own, as another program would.
pub async fn connect(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file);
    options.create_if_missing(true).connect().await.unwrap()
}

/// Runs SQL on a closed database. Returns how many rows it changed.
pub async fn run_on(file: &Path, sql: &'static str) -> u64 {
    let mut connection = connect(file).await;
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}
