//! Background purge of soft-deleted flows: deletes small batches of rows between the writes of clients, then returns
//! free pages to the file system. Its only state is the database, so it continues after a restart.

use sqlx::{Row, SqliteConnection};

use crate::store::Error;

/// Rows or pages of one step. Bounds the time for which other writes wait to a few milliseconds, even if each event has
/// a detail of the maximum size.
const STEP: i64 = 100;

/// Does one step in a transaction of its own. Returns false once nothing is left.
pub(super) async fn step(connection: &mut SqliteConnection) -> Result<bool, Error> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let done = async {
        let more = delete(connection).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        Ok(more)
    }
    .await;
    match done {
        Ok(true) => Ok(true),
        Ok(false) => give_back(connection).await,
        Err(error) => {
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
            Err(error)
        }
    }
}

async fn delete(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let flow = sqlx::query("SELECT id FROM flows WHERE deleted_at > 0 ORDER BY deleted_at LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let Some(flow) = flow else { return Ok(false) };
    let flow: i64 = flow.try_get(0)?;
    let in_steps = [
        "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE flow = ?1 LIMIT ?2 + 0)",
        "DELETE FROM ended_tasks WHERE (flow, execution, event_id) IN
             (SELECT flow, execution, event_id FROM ended_tasks WHERE flow = ?1 LIMIT ?2 + 0)",
    ];
    for sql in in_steps {
        let rows = sqlx::query(sql)
            .bind(flow)
            .bind(STEP)
            .execute(&mut *connection)
            .await?;
        if rows.rows_affected() > 0 {
            return Ok(true);
        }
    }
    let execution = sqlx::query("SELECT id FROM executions WHERE flow = ?1 LIMIT 1")
        .bind(flow)
        .fetch_optional(&mut *connection)
        .await?;
    match execution {
        Some(execution) => {
            let last = &["DELETE FROM executions WHERE id = ?1"];
            delete_all(connection, last, execution.try_get(0)?).await
        }
        None => {
            let last = &[
                "DELETE FROM definitions WHERE flow = ?1",
                "DELETE FROM flows WHERE id = ?1",
            ];
            delete_all(connection, last, flow).await
        }
    }
}

/// Runs the statements; the last one must delete the row that an index led to. If it deletes none, the row is in the
/// index only (corruption): an error, because the purge would otherwise find the same row for ever.
async fn delete_all(
    connection: &mut SqliteConnection,
    statements: &[&'static str],
    id: i64,
) -> Result<bool, Error> {
    let mut gone = 0;
    for sql in statements {
        let done = sqlx::query(*sql).bind(id).execute(&mut *connection).await?;
        gone = done.rows_affected();
    }
    if gone == 0 {
        return Err(Error::Corrupt(format!("row {id} is in an index only")));
    }
    Ok(true)
}

/// Shrinks the file by some of its free pages. Returns false once there are none.
async fn give_back(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let free: i64 = sqlx::query("PRAGMA freelist_count")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if free == 0 {
        return Ok(false);
    }
    sqlx::query("PRAGMA incremental_vacuum(100)")
        .fetch_all(&mut *connection)
        .await?;
    let left: i64 = sqlx::query("PRAGMA freelist_count")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    Ok(0 < left && left < free)
}
