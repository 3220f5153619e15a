//! `flowledger serve` and `migrate` with a PostgreSQL server that is missing, goes away or has other tables.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::serve::{KNOWN, Process, fails};
use crate::support::backend::{Backend, Cluster};

/// Returns a server of the test's own, or `None` if PostgreSQL is not installed.
fn cluster() -> Option<Cluster> {
    Backend::postgres()?;
    Cluster::create()
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

/// Waits until `/readyz` answers this status.
fn wait_until_ready(process: &Process, status: &str) {
    for _ in 0..300 {
        let answer = process.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
        if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("/readyz does not become {status}");
}

#[test]
fn server_that_goes_away_and_comes_back_is_used_again() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url("");
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("FLOWLEDGER_ACCESS_KEY_ID", "id"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "secret"),
    ];
    let process = Process::serve(folder.path(), &[], &environment);
    for _ in 0..2 {
        // The first time, it was not there yet.
        wait_until_ready(&process, "503");
        assert_eq!(process.code(("id", "secret")), "InternalServerError");
        cluster.start(&[]);
        wait_until_ready(&process, "200");
        assert_eq!(process.code(("id", "secret")), KNOWN);
        cluster.crash();
    }
}

#[tokio::test]
async fn database_that_is_not_ours_is_refused_with_one_line_and_not_changed() {
    let Some(backend) = Backend::postgres() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let other = backend.database().await.url;
    execute(&other, "CREATE TABLE orders (id BIGINT)").await;
    let newer = backend.database().await.url;
    for _ in 0..2 {
        let migrated = fails(folder.path(), &["migrate"], &[("DATABASE_URL", &newer)]);
        assert_eq!(migrated, (0, String::new()));
    }
    execute(
        &newer,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    let empty = backend.database().await.url;
    let (_, schema) = empty.rsplit_once('=').unwrap();
    let role = "CREATE ROLE nobody_special LOGIN; GRANT USAGE ON SCHEMA";
    execute(&empty, &format!("{role} {schema} TO nobody_special")).await;
    let without_rights = empty.replace("test@", "nobody_special@");
    for (url, expected) in [
        (other.as_str(), "its tables belong to another program"),
        (&newer, "it has schema 9999, this program knows up to"),
        (&without_rights, "permission denied"),
        (
            &empty.replace("/postgres?", "/none?"),
            "database \"none\" does not exist",
        ),
        (
            &empty.replace("test@", "stranger@"),
            "role \"stranger\" does not exist",
        ),
        (
            "postgres://u:hush@h:port/d",
            "the database URL is not one of PostgreSQL",
        ),
    ] {
        for command in ["serve", "migrate"] {
            let (code, printed) = fails(folder.path(), &[command], &[("DATABASE_URL", url)]);
            assert_eq!(code, 1, "{command} {url}: {printed}");
            assert!(printed.contains(expected), "{command}: {printed}");
            assert_eq!(printed.lines().count(), 1, "{printed}");
            assert!(!printed.contains("hush"), "{printed}");
        }
    }
    // Nothing was added.
    execute(
        &other,
        "DROP TABLE orders; CREATE TABLE _sqlx_migrations (id BIGINT)",
    )
    .await;
    execute(&empty, "CREATE TABLE flows (id BIGINT)").await;
}
