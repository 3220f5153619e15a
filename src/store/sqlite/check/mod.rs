//! Checks for corruption: of a sample at every start, of everything on demand. It changes nothing.

mod execution;

use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteRow};

use self::execution::{EXECUTION, Execution, Read, event_in};
use super::{
    file,
    get_execution_history::{RangeQuery, get_execution_histories},
    rows::{execution_name_at, name_at},
};
use crate::store::{
    CheckReport, Error, PAGE_MAX_BYTES, Progress,
    checksum::{self, EventKey},
    types::EventRange,
};

/// Executions of a sample: takes some milliseconds, however large the file is.
const SAMPLE: i64 = 16;
/// Events that a sample reads of each execution, from its end.
const SAMPLE_EVENTS: i64 = 100;
/// Events read together. Bounds the memory for those with the largest details to 100 MB.
const BATCH: i64 = 256;
/// Unreadable events of one execution, after which its rest is skipped: its last EventId may be damaged too.
const UNREADABLE_MAX: usize = 1000;

/// Checks the file that `url` names, with or without a running server.
///
/// # Errors
///
/// One line that says why the file cannot be checked.
pub(in crate::store) async fn check(
    url: &str,
    quick: bool,
    progress: &mut Progress<'_>,
) -> Result<CheckReport, String> {
    let options = file::options(url)?;
    let say = |fault: String| file::describe_error(options.get_filename(), &fault);
    loop {
        let unlogged = !file::has_log(&options);
        let aside = file::read_only(&options);
        file::is_current(&aside).await.map_err(say)?;
        let connected = aside.connect().await;
        let mut connection = connected.map_err(|e| say(file::unreadable(&e)))?;
        let mut check = Check::new(&mut connection, progress);
        let done = match quick {
            true => check.sample().await,
            false => check.everything().await,
        };
        let mut checked = check.checked;
        if let Err(error) = done {
            checked.fault(error.to_string());
        }
        let _ = connection.close().await;
        // If a log has appeared, a server has begun to write while the file was read without locks; the check repeats.
        if !(unlogged && file::has_log(&options)) {
            return Ok(checked);
        }
    }
}

/// Returns the damage in a sample of the histories.
pub(super) async fn sample(connection: &mut SqliteConnection) -> Vec<String> {
    let progress = &mut |_, _| {};
    let mut check = Check::new(connection, progress);
    if let Err(error) = check.sample().await {
        check.checked.fault(error.to_string());
    }
    check.checked.faults
}

struct Check<'a, 'b> {
    connection: &'a mut SqliteConnection,
    checked: CheckReport,
    progress: &'a mut Progress<'b>,
    /// Approximate number of events.
    total: u64,
}

impl<'a, 'b> Check<'a, 'b> {
    fn new(connection: &'a mut SqliteConnection, progress: &'a mut Progress<'b>) -> Self {
        Check {
            connection,
            checked: CheckReport::default(),
            progress,
            total: 0,
        }
    }

    /// Reads the last events of some executions, which are spread evenly over all, the way callers do.
    async fn sample(&mut self) -> Result<(), Error> {
        let (low, high): (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT min(id) FROM executions), (SELECT max(id) FROM executions)",
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let (Some(low), Some(high)) = (low, high) else {
            return Ok(());
        };
        let step = (high.saturating_sub(low) / SAMPLE).max(1);
        let mut from = low;
        while from <= high {
            let row = sqlx::query(
                "SELECT x.id, f.name, x.name, x.last_event_id FROM executions x CROSS JOIN flows f ON f.id = x.flow \
                 WHERE x.id >= ?1 AND f.deleted_at IS NULL ORDER BY x.id LIMIT 1",
            )
            .bind(from)
            .fetch_optional(&mut *self.connection)
            .await?;
            let Some(row) = row else { break };
            let id = ascending(&row, from)?;
            if let Err(error) = self.end(&row).await {
                self.checked.fault(format!("execution {id}: {error}"));
            }
            from = id.saturating_add(step);
        }
        Ok(())
    }

    /// Reads the last page of an execution; `row` has the names and the last EventId.
    async fn end(&mut self, row: &SqliteRow) -> Result<(), Error> {
        let last: i64 = row.try_get(3)?;
        let first = last.saturating_sub(SAMPLE_EVENTS - 1).max(1);
        let query = RangeQuery {
            flow: name_at(row, 1)?,
            execution: execution_name_at(row, 2)?,
            range: EventRange::new(first, SAMPLE_EVENTS),
            max_bytes: PAGE_MAX_BYTES,
        };
        let pages = get_execution_histories(self.connection, std::iter::once(&query)).await?;
        self.checked.executions += 1;
        for page in pages {
            let page =
                page?.map_err(|_| Error::Corrupt("its name does not lead to it".to_owned()))?;
            self.checked.events += page.ends.len() as u64;
        }
        Ok(())
    }

    async fn everything(&mut self) -> Result<(), Error> {
        self.structure().await?;
        let total = sqlx::query_scalar::<_, Option<i64>>("SELECT max(rowid) FROM events");
        let total = total.fetch_one(&mut *self.connection).await?;
        self.total = total.unwrap_or_default().unsigned_abs();
        self.flows().await?;
        let mut next = Some(i64::MIN);
        while let Some(from) = next {
            // One snapshot for a row and its events. A longer one would hold back the checkpoints of a running server.
            sqlx::query("BEGIN").execute(&mut *self.connection).await?;
            let done = self.execution(from).await;
            sqlx::query("COMMIT").execute(&mut *self.connection).await?;
            next = done?;
        }
        self.orphans().await
    }

    /// Checks pages, indexes against their tables, and foreign keys.
    async fn structure(&mut self) -> Result<(), Error> {
        let faults = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1000)");
        for fault in faults.fetch_all(&mut *self.connection).await? {
            if fault != "ok" {
                self.checked.fault(fault);
            }
        }
        let dangling = sqlx::query_as::<_, (String, Option<i64>, String)>(
            "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check",
        );
        for (table, row, parent) in dangling.fetch_all(&mut *self.connection).await? {
            let row = row.unwrap_or_default();
            self.checked.fault(format!(
                "{table}: row {row} names a row of {parent} that is missing"
            ));
        }
        Ok(())
    }

    async fn flows(&mut self) -> Result<(), Error> {
        let flows = sqlx::query(
            "SELECT name, EXISTS (SELECT 1 FROM definitions WHERE flow = flows.id) FROM flows WHERE deleted_at IS NULL",
        );
        for row in flows.fetch_all(&mut *self.connection).await? {
            self.checked.flows += 1;
            let name = name_at(&row, 0);
            match (name, row.try_get(1)?) {
                (Err(error), _) => self.checked.fault(format!("a flow: {error}")),
                (Ok(name), false) => self.checked.fault(format!("{name}: it has no definition")),
                (Ok(_), true) => {}
            }
        }
        Ok(())
    }

    /// Checks the first execution from this id on. Returns the id from which to look for the next one.
    async fn execution(&mut self, from: i64) -> Result<Option<i64>, Error> {
        let row = sqlx::query(EXECUTION)
            .bind(from)
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id = ascending(&row, from)?;
        match Execution::at(&row) {
            Ok(Some(execution)) => {
                self.checked.executions += 1;
                self.history(&execution).await;
            }
            Ok(None) => {} // its flow is deleted, and the purge may have deleted some of its events
            Err(error) => self.checked.fault(format!("execution {id}: {error}")),
        }
        Ok(id.checked_add(1))
    }

    /// Checks every event of an execution, and its row against them.
    async fn history(&mut self, execution: &Execution) {
        let read = self.events(execution).await;
        let (path, last) = (&execution.path, execution.last_event_id);
        if read.last < last {
            self.missing(path, read.last + 1, last);
        } else if read.last > last {
            self.checked.fault(format!(
                "{path}: its row says that event {last} is the last, but there is event {}",
                read.last
            ));
        } else if read.whole {
            for (what, fits) in execution.compared(&read) {
                if !fits {
                    self.checked
                        .fault(format!("{path}: its {what} is not what its events say"));
                }
            }
        }
    }

    async fn events(&mut self, execution: &Execution) -> Read {
        let mut read = Read {
            whole: true,
            ..Read::default()
        };
        let (mut after, mut limit, mut unreadable) = (i64::MIN, BATCH, 0);
        loop {
            let lines = sqlx::query_scalar::<_, Option<Vec<u8>>>(EVENTS)
                .bind(execution.flow)
                .bind(execution.id)
                .bind(after)
                .bind(limit)
                .fetch_one(&mut *self.connection)
                .await;
            match lines {
                Ok(None) => return read,
                Ok(Some(lines)) => {
                    for line in lines.split(|byte| *byte == b'\n') {
                        self.event(execution, line, &mut read);
                    }
                    (self.progress)(self.checked.events, self.total);
                    if read.last <= after {
                        return read; // `event` has reported an EventId out of order
                    }
                }
                Err(_) if limit > 1 => {
                    limit = 1; // reads one by one to find the unreadable event
                    continue;
                }
                Err(error) => {
                    read.last += 1;
                    read.whole = false;
                    unreadable += 1;
                    self.checked.fault(format!(
                        "{} event {}: {}",
                        execution.path,
                        read.last,
                        Error::from(error)
                    ));
                    if read.last >= execution.last_event_id || unreadable == UNREADABLE_MAX {
                        return read;
                    }
                }
            }
            after = read.last;
        }
    }

    /// Checks a line of `EVENTS`.
    fn event(&mut self, execution: &Execution, line: &[u8], read: &mut Read) {
        let path = &execution.path;
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let mut number = || str::from_utf8(parts.next()?).ok()?.parse::<i64>().ok();
        let (id, stored) = (number(), number());
        let json = parts.next().unwrap_or_default();
        let id = match id {
            Some(id) if id > read.last => id,
            _ => {
                read.whole = false;
                return self.checked.fault(format!(
                    "{path}: what follows event {} is no event",
                    read.last
                ));
            }
        };
        if id > read.last + 1 {
            read.whole = false;
            self.missing(path, read.last + 1, id - 1);
        }
        let key = EventKey::numbered(execution.flow, execution.id, id);
        if !stored.is_some_and(|stored| checksum::matches(key, json, stored)) {
            read.whole = false;
            self.checked
                .fault(format!("{path} event {id}: its checksum does not fit"));
        }
        self.checked.events += 1;
        read.last = id;
        read.bytes += i64::try_from(json.len()).unwrap_or(i64::MAX) + 1;
        read.end = json.to_owned();
        match id {
            1 => read.start = json.to_owned(),
            2 => read.second = event_in(json).and_then(|second| second.time),
            _ => {}
        }
    }

    fn missing(&mut self, path: &str, first: i64, last: i64) {
        let range = if first == last {
            String::new()
        } else {
            format!(" to {last}")
        };
        self.checked
            .fault(format!("{path} event {first}{range}: missing"));
    }

    async fn orphans(&mut self) -> Result<(), Error> {
        for (sql, what) in ORPHANS {
            for id in sqlx::query_scalar::<_, i64>(sql)
                .fetch_all(&mut *self.connection)
                .await?
            {
                self.checked.fault(format!(
                    "execution {id}: it is missing, but {what} of it are there"
                ));
            }
        }
        Ok(())
    }
}

/// Returns the id of a row that was searched from an id on. A damaged index may lead to a lower id, for ever.
fn ascending(row: &SqliteRow, from: i64) -> Result<i64, Error> {
    let id = row.try_get(0)?;
    if id < from {
        return Err(Error::Corrupt(format!(
            "execution {id} is not in its place; what follows {from} was not looked at"
        )));
    }
    Ok(id)
}

/// Returns a line for each event, all in one row, because an sqlx row costs more than an event.
const EVENTS: &str = "
    SELECT CAST(group_concat(line, char(10)) AS BLOB)
    FROM (
        SELECT event_id || ' ' || checksum || ' ' || json AS line
        FROM events
        WHERE flow = ?1 AND execution = ?2 AND event_id > ?3
        ORDER BY event_id LIMIT ?4
    )";

/// Executions without a row, though other rows have their id.
const ORPHANS: [(&str, &str); 2] = [
    (
        // Skips from the first event of one execution to that of the next, by the index.
        "WITH RECURSIVE first (flow, execution) AS (
            SELECT * FROM (SELECT flow, execution FROM events ORDER BY flow, execution LIMIT 1)
            UNION
            SELECT e.flow, e.execution FROM first f JOIN events e ON e.rowid = (
                SELECT rowid FROM events WHERE (flow, execution) > (f.flow, f.execution)
                ORDER BY flow, execution LIMIT 1
            )
        )
        SELECT execution FROM first f
        WHERE NOT EXISTS (SELECT 1 FROM executions WHERE id = f.execution AND flow = f.flow)",
        "events",
    ),
    (
        "SELECT DISTINCT execution FROM ended_tasks t
        WHERE NOT EXISTS (SELECT 1 FROM executions WHERE id = t.execution AND flow = t.flow)",
        "ended tasks",
    ),
];
