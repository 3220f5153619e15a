//! `ListFlows` of the store: keyset pagination on the name.

use sqlx::{Row, SqlitePool};

use super::{
    append_execution_events::to_json,
    rows::{flow_in, name_at},
    scans::Scans,
};
use crate::{
    model::{Flow, Name},
    store::{Error, ListFlows, Listed, Visible, exceeds_page, json_bytes},
};

/// Flows of one slice: some milliseconds of one core.
const SLICE: usize = 250;

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

/// Lists the flows that the caller may see. It reads names and lengths in slices, chooses the page, and then reads
/// the chosen flows. There is no scan limit: the token of a page that ends early would name a flow that the caller
/// may not see.
pub(super) async fn list_flows(
    pool: &SqlitePool,
    scans: &Scans,
    list: &ListFlows,
    visible: Visible<'_>,
) -> Result<Listed<Flow, Name>, Error> {
    let _scan = scans.begin().await?;
    let is_wanted = |name: &Name, group: Option<&str>| {
        let asked = list.resource_group_id.as_deref();
        visible(name) && (asked.is_none() || asked == group)
    };
    let (mut names, mut bytes) = (Vec::<Name>::new(), 0);
    let mut from = list.from.as_ref().map_or("", Name::as_str).to_owned();
    let next = 'scan: loop {
        let mut keys = {
            let _slice = scans.slice().await;
            sqlx::query(KEYS)
                .bind(&from)
                .bind(i64::try_from(SLICE).unwrap_or(i64::MAX) + 1)
                .fetch_all(pool)
                .await?
        };
        // The one beyond the slice, which tells whether there is more.
        let behind = if keys.len() > SLICE { keys.pop() } else { None };
        for key in keys {
            let name = name_at(&key, 0)?;
            if !is_wanted(&name, key.try_get(1)?) {
                continue;
            }
            bytes += usize::try_from(key.try_get::<i64, _>(2)?).unwrap_or(usize::MAX);
            let full = names.len() == list.limit || exceeds_page(bytes);
            if full && !names.is_empty() {
                break 'scan Some(name);
            }
            names.push(name);
        }
        match behind {
            Some(key) => from = name_at(&key, 0)?.to_string(),
            None => break None,
        }
    };
    read(pool, &names, next).await
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
    let (mut items, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let flow = flow_in(&row)?;
        bytes += answered_bytes(&flow);
        if exceeds_page(bytes) && !items.is_empty() {
            return Ok(Listed {
                items,
                next: Some(flow.name),
            });
        }
        items.push(flow);
    }
    Ok(Listed { items, next })
}

/// Bytes of a flow's texts in an answer.
fn answered_bytes(flow: &Flow) -> usize {
    let texts = [
        Some(&flow.definition),
        Some(&flow.description),
        Some(&flow.kind),
        flow.role_arn.as_ref(),
        flow.environment.as_ref(),
        flow.external_storage_location.as_ref(),
        flow.resource_group_id.as_ref(),
    ];
    texts
        .into_iter()
        .flatten()
        .map(|text| json_bytes(text))
        .sum()
}
