//! `GetExecutionHistory` of the store: ranges of events, one statement for all that wait, one row for each.

use memchr::memchr_iter;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::append_execution_events::to_json;
use crate::{
    model::{Name, Status},
    store::{
        Error, HistoryPage, Outcome, Refusal,
        checksum::{self, EventKey},
        scan::page_of,
        types::EventRange,
    },
};

/// A range of an execution's events, as far as they exist and fit into `max_bytes`. The first one always fits.
pub(super) struct RangeQuery {
    pub flow: Name,
    pub execution: Name,
    pub range: EventRange,
    pub max_bytes: i64,
}

/// Returns one row for each range, because sqlx hands rows from thread to thread, one by one. With a row for each
/// event and two statements for each page, 16 connections read 32 % fewer pages of 1, 61 % fewer of 100 and 72 %
/// fewer of 1,000 (docs/BENCHMARKS.md, "Pages"). The last column is the number of events, the sum of their
/// checksums, and then their JSON, each on a line of its own: stored JSON contains no line feed.
///
/// Where the byte limit of a range lies, only a running sum of lengths tells, which takes as long as reading the
/// range itself. It is computed only if the plain sum exceeds the limit: that saves 38 % of a page of 100.
///
/// Events have checksums, names and last EventIds have not; they are compared with what else knows of them. The
/// rows to which the indexes of names lead must have these names, and a range that reaches the end of the history
/// looks for an event beyond it.
const HISTORIES: &str = "
    SELECT n.id, k.id, x.last_event_id, x.status,
        f.name = w.value ->> 0 AND f.deleted_at IS NULL
            AND (k.id IS NULL OR (x.flow = n.id AND x.name = w.value ->> 1)),
        CASE WHEN w.value ->> 3 >= x.last_event_id THEN
            EXISTS (SELECT 1 FROM events WHERE flow = x.flow AND execution = x.id AND event_id > x.last_event_id)
        END, (
        SELECT count(*) || char(10) || sum(checksum) || char(10) || group_concat(json, char(10))
        FROM events
        WHERE flow = x.flow AND execution = x.id AND event_id >= w.value ->> 2 AND event_id <=
            CASE WHEN x.history_bytes <= w.value ->> 4 OR (
                SELECT sum(octet_length(json) + 1)
                FROM events
                WHERE flow = x.flow AND execution = x.id AND event_id BETWEEN w.value ->> 2 AND w.value ->> 3
            ) <= w.value ->> 4 THEN w.value ->> 3 ELSE (
                SELECT max(event_id)
                FROM (
                    SELECT event_id, sum(octet_length(json) + 1) OVER (ORDER BY event_id) AS bytes
                    FROM events
                    WHERE flow = x.flow AND execution = x.id AND event_id BETWEEN w.value ->> 2 AND w.value ->> 3
                )
                WHERE bytes <= w.value ->> 4 OR event_id = w.value ->> 2
            ) END
    )
    FROM jsonb_each(?1) w
    LEFT JOIN flows n ON n.name = w.value ->> 0 AND n.deleted_at IS NULL
    LEFT JOIN flows f ON f.id = n.id
    LEFT JOIN executions k ON k.flow = n.id AND k.name = w.value ->> 1
    LEFT JOIN executions x ON x.id = k.id";

/// Reads all `queries` and returns their outcomes in order.
pub(super) async fn get_execution_histories(
    connection: &mut SqliteConnection,
    queries: impl Iterator<Item = &RangeQuery> + Clone,
) -> Result<Vec<Outcome<HistoryPage>>, Error> {
    let keys: Vec<_> = queries
        .clone()
        .map(|query| {
            let EventRange { first, last } = query.range;
            let (flow, execution) = (query.flow.as_str(), query.execution.as_str());
            (flow, execution, first, last, query.max_bytes)
        })
        .collect();
    let rows = sqlx::query(HISTORIES)
        .bind(to_json(&keys)?)
        .fetch_all(&mut *connection)
        .await?;
    if rows.len() != keys.len() {
        return Err(Error::Corrupt("a page has no row, or two".to_owned()));
    }
    let mut pages = Vec::with_capacity(rows.len());
    for (query, row) in queries.zip(rows) {
        pages.push(page(connection, query, &row).await);
    }
    Ok(pages)
}

async fn page(
    connection: &mut SqliteConnection,
    query: &RangeQuery,
    row: &SqliteRow,
) -> Outcome<HistoryPage> {
    let RangeQuery {
        flow,
        execution,
        range,
        max_bytes,
    } = query;
    let corrupt = |fault: String| Error::Corrupt(format!("execution {flow}/{execution}: {fault}"));
    let Some(flow_id) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok(Err(Refusal::FlowNotExists));
    };
    if row.try_get::<Option<bool>, _>(4)? != Some(true) {
        return Err(corrupt(
            "its index leads to a row of another name".to_owned(),
        ));
    }
    let Some(id) = row.try_get::<Option<i64>, _>(1)? else {
        return Ok(Err(Refusal::ExecutionNotExists));
    };
    let last_event_id: i64 = row.try_get(2)?;
    if row.try_get::<Option<bool>, _>(5)? == Some(true) {
        return Err(corrupt(format!("event {last_event_id} is not the last")));
    }
    let verified = match row.try_get::<Option<&str>, _>(6) {
        Ok(None) => Some((String::new(), Vec::new())),
        Ok(Some(lines)) => verified(flow_id, id, range.first, lines),
        Err(_) => None, // not UTF-8
    };
    let Some(events) = verified else {
        return Err(corrupt(find_damage(connection, flow_id, id, *range).await?));
    };
    let status = Status::parse(row.try_get(3)?).ok_or_else(|| Error::damaged("status"))?;
    page_of(*range, *max_bytes, events, (last_event_id, status))
        .map(Ok)
        .map_err(corrupt)
}

/// Says which event of a range is damaged, after the sum of their checksums did not match.
async fn find_damage(
    connection: &mut SqliteConnection,
    flow: i64,
    execution: i64,
    range: EventRange,
) -> Result<String, Error> {
    let rows = sqlx::query(
        "SELECT event_id, CAST(json AS BLOB), checksum FROM events \
         WHERE flow = ?1 AND execution = ?2 AND event_id BETWEEN ?3 AND ?4 ORDER BY event_id",
    )
    .bind(flow)
    .bind(execution)
    .bind(range.first)
    .bind(range.last)
    .fetch_all(connection)
    .await?;
    for (event_id, row) in (range.first..).zip(&rows) {
        if row.try_get::<i64, _>(0)? != event_id {
            return Ok(format!("event {event_id} is missing"));
        }
        let key = EventKey::numbered(flow, execution, event_id);
        if !checksum::matches(key, row.try_get(1)?, row.try_get(2)?) {
            return Ok(format!("event {event_id} is damaged"));
        }
    }
    let (first, last) = (range.first, range.last);
    Ok(format!(
        "the events {first} to {last} could not be read together"
    ))
}

/// Verifies the events from `first` on against their checksums and joins them by commas. Returns the joined JSON and
/// where each event ends in it; None if the number of events or the sum of the checksums differs.
fn verified(flow: i64, execution: i64, first: i64, lines: &str) -> Option<(String, Vec<usize>)> {
    let mut lines = lines.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (count, sum, joined) = (line(), line(), line());
    let count: usize = count.parse().unwrap_or_default();
    let mut events = String::with_capacity(joined.len());
    let mut ends = Vec::with_capacity(count);
    let (mut start, mut found) = (0, 0);
    let line_ends = memchr_iter(b'\n', joined.as_bytes()).chain([joined.len()]);
    for (event_id, end) in (first..).zip(line_ends) {
        if event_id > first {
            events.push(',');
        }
        let json = &joined[start..end];
        start = end + 1;
        events.push_str(json);
        ends.push(events.len());
        let key = EventKey::numbered(flow, execution, event_id);
        found += i64::from(checksum::checksum(key, json.as_bytes()));
    }
    (ends.len() == count && sum.parse() == Ok(found)).then_some((events, ends))
}
