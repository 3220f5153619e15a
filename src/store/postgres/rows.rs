//! Reads domain types from rows.

use sqlx::{Row, postgres::PgRow};

use super::fault::Fault;
use crate::{
    model::{Execution, Flow, Name, Status, Timestamp},
    store::Error,
};

/// Reads the name of a flow, which is stored as bytes.
pub(super) fn flow_name_at(row: &PgRow, index: usize) -> Result<Name, Fault> {
    let name = str::from_utf8(row.try_get(index)?).ok();
    Ok(name
        .and_then(Name::parse)
        .ok_or_else(|| Error::damaged("name"))?)
}

pub(super) fn execution_name_at(row: &PgRow, index: usize) -> Result<Name, Fault> {
    let name = Name::parse_execution(row.try_get(index)?);
    Ok(name.ok_or_else(|| Error::damaged("name"))?)
}

pub(super) fn time_at(row: &PgRow, index: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.try_get(index)?).ok_or_else(|| Error::damaged("time"))?)
}

pub(super) fn status_at(row: &PgRow, index: usize) -> Result<Status, Fault> {
    Ok(Status::parse(row.try_get(index)?).ok_or_else(|| Error::damaged("status"))?)
}

/// Columns of `flow_in`, of a flow f and its current definition d.
pub(super) const FLOW: &str = "f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment, \
     f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at";

pub(super) fn flow_in(row: &PgRow) -> Result<Flow, Fault> {
    Ok(Flow {
        id: row.try_get(0)?,
        name: flow_name_at(row, 1)?,
        definition: row.try_get(2)?,
        description: row.try_get(3)?,
        kind: row.try_get(4)?,
        role_arn: row.try_get(5)?,
        execution_mode: row.try_get(6)?,
        environment: row.try_get(7)?,
        external_storage_location: row.try_get(8)?,
        resource_group_id: row.try_get(9)?,
        created_at: time_at(row, 10)?,
        modified_at: time_at(row, 11)?,
    })
}

/// Returns the execution of a row that begins with name, status, input, output, definition, start, end and
/// environment.
pub(super) fn execution_in(row: &PgRow, flow: &Name) -> Result<Execution, Fault> {
    let started_at = time_at(row, 5)?;
    let stopped_at = match row.try_get::<Option<i64>, _>(6)? {
        Some(_) => Some(time_at(row, 6)?.max(started_at)),
        None => None,
    };
    Ok(Execution {
        flow: flow.clone(),
        name: execution_name_at(row, 0)?,
        status: status_at(row, 1)?,
        input: row.try_get(2)?,
        output: row.try_get(3)?,
        definition: row.try_get(4)?,
        environment: row.try_get(7)?,
        started_at,
        stopped_at,
    })
}
