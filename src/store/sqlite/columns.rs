//! Columns that hold nouns.

use sqlx::{Row, sqlite::SqliteRow};

use crate::{
    model::{Name, Timestamp},
    store::Error,
};

pub(super) fn name_at(row: &SqliteRow, index: usize) -> Result<Name, Error> {
    Name::parse(row.try_get(index)?).ok_or_else(|| damaged("name"))
}

pub(super) fn time_at(row: &SqliteRow, index: usize) -> Result<Timestamp, Error> {
    Timestamp::from_millis(row.try_get(index)?).ok_or_else(|| damaged("time"))
}

pub(super) fn damaged(what: &str) -> Error {
    Error::Corrupt(format!("a {what} is not one"))
}

/// What an index says of this name is another's.
pub(super) fn index_mismatch(name: &Name) -> Error {
    Error::Corrupt(format!(
        "the index leads from {name} to a row of another name"
    ))
}
