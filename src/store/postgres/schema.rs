//! The schema of a database: whether it is ours, and how it is migrated.

use std::fmt;

use sqlx::{AssertSqlSafe, PgConnection, Row, migrate::Migrator};

use super::fault::Fault;
use crate::store::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The database system behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    Citus,
    /// It speaks PostgreSQL's protocol, and may have no advisory locks.
    Other,
}

impl Engine {
    /// Returns the engine, and its name and version.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<(Self, String), Fault> {
        let row = sqlx::query(
            "SELECT version(), (SELECT extversion FROM pg_extension WHERE extname = 'citus')",
        )
        .fetch_one(connection)
        .await?;
        let (version, citus): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
        // `PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on …`
        let words: Vec<_> = version.split(' ').take(2).collect();
        let name = words.join(" ");
        Ok(match citus {
            Some(citus) => (Engine::Citus, format!("{name}, Citus {citus}")),
            None if version.starts_with("PostgreSQL") && !version.contains("-YB-") => {
                (Engine::Postgres, name)
            }
            None => (Engine::Other, version.to_owned()),
        })
    }
}

/// How a schema relates to that of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    Current,
    /// It is empty or older.
    Old,
}

pub(super) fn newest() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

/// Looks at the tables without changing anything.
///
/// # Errors
///
/// They belong to another program or a newer version.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Schema, Fault> {
    let refuse = |reason: &str| Err(Error::Unavailable(reason.to_owned()).into());
    let row = sqlx::query(
        "SELECT count(*), count(CASE WHEN c.relname = '_sqlx_migrations' THEN 1 END), current_schema()::TEXT \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if row.try_get::<Option<&str>, _>(2)?.is_none() {
        return refuse("its search_path names no schema; create one, or name one in the URL");
    }
    let (tables, marks): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    match (tables, marks) {
        (0, _) => return Ok(Schema::Old),
        (_, 0) => return refuse("its tables belong to another program; name another database"),
        _ => {}
    }
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
    )
    .fetch_all(connection)
    .await?;
    for (version, checksum) in &applied {
        let known = MIGRATIONS.iter().find(|known| known.version == *version);
        match known {
            Some(known) if *known.checksum == **checksum => {}
            Some(_) => {
                return refuse(
                    "its tables belong to another program or a development build; name another database",
                );
            }
            None => {
                let newest = newest();
                return refuse(&format!(
                    "it has schema {version}, this program knows up to {newest}; use a newer flowledger"
                ));
            }
        }
    }
    let newest = applied
        .last()
        .is_some_and(|(version, _)| *version == newest());
    Ok(if newest { Schema::Current } else { Schema::Old })
}

/// Applies the migrations that are missing. They can run again, so two processes may do it at once.
pub(super) async fn migrate(connection: &mut PgConnection, engine: Engine) -> Result<(), Fault> {
    let mut migrations = Migrator {
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrations.set_locking(engine != Engine::Other);
    let migrated = migrations.run_direct(None, connection, false).await;
    migrated.map_err(failed)
}

/// Tables that Citus spreads over its workers, and the column by whose hash it does so. The first one is that to which
/// the tables with the same column are tied (colocated): a write to an execution then stays on one worker.
const DISTRIBUTED: [(&str, &str); 4] = [
    ("executions", "execution"),
    ("events", "execution"),
    ("ended_tasks", "execution"),
    ("nonces", "digest"),
];
/// Small tables that Citus copies to each worker.
const COPIED: [&str; 5] = [
    "flows",
    "definitions",
    "deleted_flows",
    "forgotten_nonces",
    "task_key",
];

/// Returns the statements that spread the tables over the workers of Citus. Each can run again.
fn distribution() -> impl Iterator<Item = String> {
    let unless_done = |call: String, table: &str| {
        format!(
            "SELECT {call} WHERE NOT EXISTS \
             (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = '{table}'::regclass)"
        )
    };
    let copied = COPIED
        .into_iter()
        .map(move |table| unless_done(format!("create_reference_table('{table}')"), table));
    let (first, first_column) = DISTRIBUTED[0];
    let distributed = DISTRIBUTED.into_iter().map(move |(table, column)| {
        let with = match (table == first, column == first_column) {
            (false, true) => first,
            _ => "none",
        };
        let call =
            format!("create_distributed_table('{table}', '{column}', colocate_with => '{with}')");
        unless_done(call, table)
    });
    copied.chain(distributed)
}

/// Spreads the tables over the workers of Citus.
pub(super) async fn distribute(connection: &mut PgConnection) -> Result<(), Fault> {
    for statement in distribution() {
        let done = sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await;
        done.map_err(failed)?;
    }
    Ok(())
}

fn failed(error: impl fmt::Display) -> Fault {
    Error::Unavailable(format!("its schema cannot be brought up to date: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_distributed_or_copied_on_citus() {
        let files: String = MIGRATIONS.iter().map(|file| file.sql.as_str()).collect();
        let mut tables: Vec<_> = files
            .split("CREATE TABLE IF NOT EXISTS ")
            .skip(1)
            .map(|rest| rest.split_once(' ').unwrap().0)
            .collect();
        tables.sort_unstable();
        let distributed = DISTRIBUTED.map(|(table, _)| table);
        let mut spread = [&COPIED[..], &distributed].concat();
        spread.sort_unstable();
        assert_eq!(tables, spread);
        for (table, column) in DISTRIBUTED {
            let body = files.split_once(&format!("EXISTS {table} (")).unwrap().1;
            let key = body.split_once("PRIMARY KEY (").unwrap().1;
            let key = key.split_once(')').unwrap().0;
            assert!(key.split(", ").any(|part| part == column), "{table}: {key}");
        }
        let statements: Vec<_> = distribution().collect();
        assert_eq!(
            statements[6],
            "SELECT create_distributed_table('events', 'execution', colocate_with => 'executions') WHERE NOT EXISTS \
             (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'events'::regclass)"
        );
    }
}
