//! `ReportTaskSucceeded` and `ReportTaskFailed` of the store.

use sqlx::{Row, SqliteConnection};

use super::{append_execution_events::append_one, nonces, request::Request};
use crate::{
    model::Status,
    store::{
        Error, Refusal, ReportTask,
        checksum::{self, EventKey},
    },
};

/// Appends the end of a submitted task, in the transaction of a group.
pub(super) async fn report_task(
    connection: &mut SqliteConnection,
    request: &Request<ReportTask, i64>,
) -> Result<Result<i64, Refusal>, Error> {
    let report = &request.command;
    if !nonces::use_one(connection, request.nonce).await? {
        return Ok(Err(Refusal::NonceUsed));
    }
    let row = sqlx::query(
        "SELECT x.status, e.json, e.checksum, t.event_id IS NOT NULL, f.id, x.id \
         FROM flows f JOIN executions x ON x.flow = f.id AND x.name = ?3 \
         JOIN events e ON e.flow = f.id AND e.execution = x.id AND e.event_id = ?4 \
         LEFT JOIN ended_tasks t ON t.flow = f.id AND t.execution = x.id AND t.event_id = ?4 \
         WHERE f.name = ?1 AND f.uuid = ?2 AND f.deleted_at IS NULL",
    )
    .bind(report.flow.as_str())
    .bind(&report.flow_id)
    .bind(report.execution.as_str())
    .bind(report.submitted)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    let (status, json): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let key = EventKey::numbered(row.try_get(4)?, row.try_get(5)?, report.submitted);
    if !checksum::matches(key, json.as_bytes(), row.try_get(2)?) {
        return Err(Error::damaged("submitted task"));
    }
    if row.try_get(3)? || status != Status::Running.as_str() {
        return Ok(Err(Refusal::TaskAlreadyCompleted(report.submitted)));
    }
    let appended = append_one(
        connection,
        &report.flow,
        &report.execution,
        report.event(json)?,
        report.at,
    )
    .await?;
    Ok(appended.map(|appended| appended.first))
}
