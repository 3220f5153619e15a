//! `ListFlows` of the store: keyset pagination on the name.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{
    append_execution_events::to_json,
    rows::{flow_in, name_at},
};
use crate::{
    model::{Flow, Name},
    store::{
        Error, ListFlows, Listed, Visible,
        list::{self, Key, Selection},
        scans::Scans,
    },
};

/// Name, group and bytes of the flows from a name on. SQLite takes lengths from the head of a row without reading
/// the texts.
const KEYS: &str = "
    SELECT f.name, f.resource_group_id,
        octet_length(f.description) + ifnull(octet_length(f.environment), 0) + ifnull((
            SELECT octet_length(text) FROM definitions WHERE id = (SELECT max(id) FROM definitions WHERE flow = f.id)
        ), 0)
    FROM flows f
    WHERE f.deleted_at IS NULL AND f.name >= ?1
    ORDER BY f.name LIMIT ?2 + 0";

const BY_NAMES: &str = "
    SELECT f.uuid, f.name, d.text, f.description, f.kind, f.role_arn, f.execution_mode, f.environment,
        f.external_storage_location, f.resource_group_id, f.created_at, f.modified_at
    FROM jsonb_each(?1) k
    CROSS JOIN flows f ON f.name = k.value AND f.deleted_at IS NULL
    CROSS JOIN definitions d ON d.id = (SELECT max(id) FROM definitions WHERE flow = f.id)";

/// Lists the flows that the caller may see.
pub(super) async fn list_flows(
    pool: &SqlitePool,
    scans: &Scans,
    list: &ListFlows,
    visible: Visible<'_>,
) -> Result<Listed<Flow, Name>, Error> {
    let (chosen, next) = Selection::of_flows(list.limit)
        .choose(Some(scans), list.from.clone(), |from, limit| {
            keys(pool, list, visible, from, limit)
        })
        .await?;
    read(pool, &chosen, next).await
}

async fn keys(
    pool: &SqlitePool,
    list: &ListFlows,
    visible: Visible<'_>,
    from: Option<Name>,
    limit: usize,
) -> Result<Vec<Key<Name>>, Error> {
    let rows = sqlx::query(KEYS)
        .bind(from.as_ref().map_or("", Name::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    let key = |row: &SqliteRow| {
        let at = name_at(row, 0)?;
        let bytes: i64 = row.try_get(2)?;
        Ok(Key {
            matches: visible(&at) && list.is_of_group(row.try_get(1)?),
            at,
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        })
    };
    rows.iter().map(key).collect()
}

/// Reads the flows of these names. Those that were deleted meanwhile are left out.
async fn read(
    pool: &SqlitePool,
    names: &[Name],
    next: Option<Name>,
) -> Result<Listed<Flow, Name>, Error> {
    let names: Vec<_> = names.iter().map(Name::as_str).collect();
    let rows = sqlx::query(BY_NAMES)
        .bind(to_json(&names)?)
        .fetch_all(pool)
        .await?;
    let rows = rows.iter().map(|row| {
        let flow = flow_in(row)?;
        let at = flow.name.clone();
        Ok((flow, at))
    });
    list::page(rows, list::flow_bytes, next)
}
