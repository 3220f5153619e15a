//! Pages of histories: one statement, one row a page.

use memchr::memchr_iter;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{append::to_json, columns::damaged};
use crate::{
    model::{Name, Status},
    store::{
        Error, HistoryPage, Outcome, PAGE_MAX_BYTES, Refusal,
        checksum::{self, EventKey},
        types::EventRange,
    },
};

/// A range of an execution's events.
pub(super) struct RangeQuery {
    pub flow: Name,
    pub execution: Name,
    pub range: EventRange,
}

/// A row for each page that is wanted, because each row costs more than its events. Its last column is
/// count and sum of checksums, then the fragments, all on lines of their own; no JSON of ours contains a
/// line feed.
///
/// A large history might pass the byte limit of a page. Where, only a running sum of lengths tells, and takes
/// as long as the page itself: it is made if the plain sum passes the limit. That saves 38 % of a page of 100.
///
/// Events have checksums, names and ends have not; what else knows of them is asked instead. The rows to
/// which the indexes of names lead must bear these names, and a page that comes to the end of the history
/// looks for an event beyond.
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
            CASE WHEN x.history_bytes <= ?2 OR (
                SELECT sum(octet_length(json) + 1)
                FROM events
                WHERE flow = x.flow AND execution = x.id AND event_id BETWEEN w.value ->> 2 AND w.value ->> 3
            ) <= ?2 THEN w.value ->> 3 ELSE (
                SELECT max(event_id)
                FROM (
                    SELECT event_id, sum(octet_length(json) + 1) OVER (ORDER BY event_id) AS bytes
                    FROM events
                    WHERE flow = x.flow AND execution = x.id AND event_id BETWEEN w.value ->> 2 AND w.value ->> 3
                )
                WHERE bytes <= ?2 OR event_id = w.value ->> 2
            ) END
    )
    FROM jsonb_each(?1) w
    LEFT JOIN flows n ON n.name = w.value ->> 0 AND n.deleted_at IS NULL
    LEFT JOIN flows f ON f.id = n.id
    LEFT JOIN executions k ON k.flow = n.id AND k.name = w.value ->> 1
    LEFT JOIN executions x ON x.id = k.id";

/// Answers each page that is wanted, in order.
pub(super) async fn get_execution_histories(
    connection: &mut SqliteConnection,
    queries: impl Iterator<Item = &RangeQuery> + Clone,
) -> Result<Vec<Outcome<HistoryPage>>, Error> {
    let keys: Vec<_> = queries
        .clone()
        .map(|query| {
            let EventRange { first, last } = query.range;
            (query.flow.as_str(), query.execution.as_str(), first, last)
        })
        .collect();
    let rows = sqlx::query(HISTORIES)
        .bind(to_json(&keys)?)
        .bind(PAGE_MAX_BYTES)
        .fetch_all(connection)
        .await?;
    if rows.len() != keys.len() {
        return Err(Error::Corrupt("a page has no row, or two".to_owned()));
    }
    Ok(queries
        .zip(rows)
        .map(|(query, row)| page(query, &row))
        .collect())
}

fn page(query: &RangeQuery, row: &SqliteRow) -> Outcome<HistoryPage> {
    let RangeQuery {
        flow,
        execution,
        range,
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
    let (json, ends) = match row.try_get::<Option<&str>, _>(6)? {
        None => (String::new(), Vec::new()),
        Some(lines) => verified(flow_id, id, range.first, lines)?,
    };
    let next = range
        .first
        .saturating_add(i64::try_from(ends.len()).unwrap_or(i64::MAX));
    let ends_early = next <= range.last.min(last_event_id);
    if ends_early && i64::try_from(json.len()).unwrap_or(i64::MAX) < PAGE_MAX_BYTES / 32 {
        // One more event is far below the byte limit: it did not stop this page, so the event is gone.
        return Err(corrupt(format!("event {next} is missing")));
    }
    let status = Status::parse(row.try_get(3)?).ok_or_else(|| damaged("status"))?;
    Ok(Ok(HistoryPage {
        json,
        ends,
        last_event_id,
        running: status == Status::Running,
        next: (next <= last_event_id).then_some(next),
    }))
}

/// Verifies the fragments of the events from `first` on against their checksums and joins them by commas. Returns
/// the joined JSON and where each event ends in it.
fn verified(
    flow: i64,
    execution: i64,
    first: i64,
    lines: &str,
) -> Result<(String, Vec<usize>), Error> {
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
        let key = EventKey {
            flow,
            execution,
            event_id,
        };
        found += i64::from(checksum::checksum(key, json.as_bytes()));
    }
    if ends.len() != count || sum.parse() != Ok(found) {
        return Err(Error::Corrupt(format!(
            "an event of the {count} from {first} on of execution {execution} is damaged"
        )));
    }
    Ok((events, ends))
}
