//! Background purge of deleted flows, in small steps. Each is one statement for one execution, so that on Citus it
//! concerns one shard. Its only state is the database, so any process continues it.

use std::{collections::HashMap, time::Duration};

use sqlx::{PgPool, Row};
use tokio::time::Instant;
use uuid::Uuid;

use super::fault::Fault;

/// Events that one step deletes.
const STEP: i64 = 100;
/// How long the mark of a deleted flow is kept after no row of it was found. A write that found the flow before its
/// deletion has ended by then: longer than a write is tried.
const GRACE: Duration = Duration::from_secs(60);

/// Flows without rows, and when they were first seen so.
pub(super) type Empty = HashMap<Uuid, Instant>;

/// Does one step. Returns false once there is nothing to do now.
pub(super) async fn step(pool: &PgPool, empty: &mut Empty) -> Result<bool, Fault> {
    let flows = sqlx::query("SELECT flow FROM deleted_flows ORDER BY deleted_at LIMIT 100")
        .fetch_all(pool)
        .await?;
    for row in &flows {
        let flow: Uuid = row.try_get(0)?;
        let execution = sqlx::query("SELECT execution FROM executions WHERE flow = $1 LIMIT 1")
            .bind(flow)
            .fetch_optional(pool)
            .await?;
        if let Some(row) = execution {
            empty.remove(&flow);
            delete_some(pool, flow, row.try_get(0)?).await?;
            return Ok(true);
        }
        if empty.entry(flow).or_insert_with(Instant::now).elapsed() >= GRACE {
            empty.remove(&flow);
            delete_rest(pool, flow).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes some events of an execution, or, after the last one, its row.
async fn delete_some(pool: &PgPool, flow: Uuid, execution: Uuid) -> Result<(), Fault> {
    let of_execution = [
        (
            "SELECT min(event_id) FROM events WHERE flow = $1 AND execution = $2",
            "DELETE FROM events WHERE flow = $1 AND execution = $2 AND event_id < $3",
        ),
        (
            "SELECT min(event_id) FROM ended_tasks WHERE flow = $1 AND execution = $2",
            "DELETE FROM ended_tasks WHERE flow = $1 AND execution = $2 AND event_id < $3",
        ),
    ];
    for (first, delete) in of_execution {
        let row = sqlx::query(first)
            .bind(flow)
            .bind(execution)
            .fetch_one(pool)
            .await?;
        if let Some(first) = row.try_get::<Option<i64>, _>(0)? {
            sqlx::query(delete)
                .bind(flow)
                .bind(execution)
                .bind(first + STEP)
                .execute(pool)
                .await?;
            return Ok(());
        }
    }
    sqlx::query("DELETE FROM executions WHERE flow = $1 AND execution = $2")
        .bind(flow)
        .bind(execution)
        .execute(pool)
        .await?;
    Ok(())
}

/// Deletes what writes have left that found the flow before its deletion, and then the mark.
async fn delete_rest(pool: &PgPool, flow: Uuid) -> Result<(), Fault> {
    for delete in [
        "DELETE FROM events WHERE flow = $1",
        "DELETE FROM ended_tasks WHERE flow = $1",
        "DELETE FROM definitions WHERE flow = $1",
        "DELETE FROM deleted_flows WHERE flow = $1",
    ] {
        sqlx::query(delete).bind(flow).execute(pool).await?;
    }
    Ok(())
}
