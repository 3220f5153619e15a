//! `ListFlows` of the store: keyset pagination on the name.

use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgRow};

use super::{
    fault::Fault,
    rows::{FLOW, flow_in, flow_name_at},
};
use crate::{
    model::{Flow, Name},
    store::{
        ListFlows, Listed, Visible,
        list::{self, Key, Selection},
        scans::Scans,
    },
};

/// Name, group and bytes of the flows from a name on.
const KEYS: &str = "
    SELECT f.name, f.resource_group_id,
        (octet_length(f.description) + coalesce(octet_length(f.environment), 0) + octet_length(d.text))::BIGINT
    FROM flows f JOIN definitions d ON d.flow = f.flow AND d.definition = f.definition
    WHERE f.name >= $1
    ORDER BY f.name LIMIT $2";

/// Lists the flows that the caller may see.
pub(super) async fn list_flows(
    pool: &PgPool,
    scans: &Scans,
    list: &ListFlows,
    visible: Visible<'_>,
) -> Result<Listed<Flow, Name>, Fault> {
    let (chosen, next) = Selection::of_flows(list.limit)
        .choose(Some(scans), list.from.clone(), |from, limit| {
            keys(pool, list, visible, from, limit)
        })
        .await?;
    read(pool, &chosen, next).await
}

async fn keys(
    pool: &PgPool,
    list: &ListFlows,
    visible: Visible<'_>,
    from: Option<Name>,
    limit: usize,
) -> Result<Vec<Key<Name>>, Fault> {
    let rows = sqlx::query(KEYS)
        .bind(from.as_ref().map_or("", Name::as_str).as_bytes())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    let key = |row: &PgRow| {
        let at = flow_name_at(row, 0)?;
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
    pool: &PgPool,
    names: &[Name],
    next: Option<Name>,
) -> Result<Listed<Flow, Name>, Fault> {
    let sql = format!(
        "SELECT {FLOW} FROM flows f JOIN definitions d ON d.flow = f.flow AND d.definition = f.definition \
         WHERE f.name = ANY($1) ORDER BY f.name"
    );
    let names: Vec<_> = names.iter().map(|name| name.as_str().as_bytes()).collect();
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(names)
        .fetch_all(pool)
        .await?;
    let rows = rows.iter().map(|row| {
        let flow = flow_in(row).map_err(Fault::into_error)?;
        let at = flow.name.clone();
        Ok((flow, at))
    });
    Ok(list::page(rows, list::flow_bytes, next)?)
}
