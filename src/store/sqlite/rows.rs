//! Reads domain types from rows.

use sqlx::{Row, sqlite::SqliteRow};

use crate::{
    model::{Execution, Flow, Name, Status, Timestamp},
    store::Error,
};

pub(super) fn name_at(row: &SqliteRow, index: usize) -> Result<Name, Error> {
    Name::parse(row.try_get(index)?).ok_or_else(|| Error::damaged("name"))
}

pub(super) fn execution_name_at(row: &SqliteRow, index: usize) -> Result<Name, Error> {
    Name::parse_execution(row.try_get(index)?).ok_or_else(|| Error::damaged("name"))
}

pub(super) fn time_at(row: &SqliteRow, index: usize) -> Result<Timestamp, Error> {
    Timestamp::from_millis(row.try_get(index)?).ok_or_else(|| Error::damaged("time"))
}

/// The error for an index whose entry for `name` leads to a row of another name.
pub(super) fn index_mismatch(name: &Name) -> Error {
    Error::Corrupt(format!(
        "the index leads from {name} to a row of another name"
    ))
}

/// Returns the flow of a row: all columns, the definition after the name.
pub(super) fn flow_in(row: &SqliteRow) -> Result<Flow, Error> {
    Ok(Flow {
        id: row.try_get(0)?,
        name: name_at(row, 1)?,
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
pub(super) fn execution_in(row: &SqliteRow, flow: &Name) -> Result<Execution, Error> {
    let started_at = time_at(row, 5)?;
    let stopped_at = match row.try_get::<Option<i64>, _>(6)? {
        Some(_) => Some(time_at(row, 6)?.max(started_at)),
        None => None,
    };
    Ok(Execution {
        flow: flow.clone(),
        name: execution_name_at(row, 0)?,
        status: Status::parse(row.try_get(1)?).ok_or_else(|| Error::damaged("status"))?,
        input: row.try_get(2)?,
        output: row.try_get(3)?,
        definition: row.try_get(4)?,
        environment: row.try_get(7)?,
        started_at,
        stopped_at,
    })
}
