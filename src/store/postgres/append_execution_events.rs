//! `AppendExecutionEvents` of the store. An append inserts events behind the last one that it has found and takes no
//! lock: of two writers that begin with the same EventId, the primary key lets one pass (optimistic concurrency), and
//! the other looks again. So the row of an execution changes only at its end.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{
    fault::Fault,
    insert, keys,
    rows::{status_at, time_at},
    write::{Command, Transaction},
};
use crate::{
    model::{Name, NewEvent, Status, Timestamp, event::Batch, execution::stopped_at},
    store::{
        AppendRequest, Appended, Refusal,
        checksum::{self, EventKey},
        notify::Notifier,
        placement::{Placement, is_retry, place},
    },
};

/// A flow, and the key of one of its executions, which need not exist.
pub(super) struct Place {
    pub flow: Uuid,
    /// The flow's UUID for clients.
    pub flow_id: String,
    pub execution: Uuid,
    pub history: Option<History>,
}

/// What an append has to know of an execution.
pub(super) struct History {
    pub status: Status,
    pub started_at: Timestamp,
    pub last_event_id: i64,
}

/// An execution before its first event.
pub(super) struct NewExecution<'a> {
    pub name: &'a Name,
    pub input: &'a str,
    pub started_at: Timestamp,
}

impl Command for AppendRequest {
    type Answer = Appended;

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<Appended, Refusal>, Fault> {
        let mut place = match transaction.find(&self.flow, &self.execution).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if place.history.is_none()
            && let Some(event) = self.batch.starts()
        {
            let new = NewExecution {
                name: &self.execution,
                input: event.input(),
                started_at: event.time.unwrap_or(self.at),
            };
            transaction.start(&self.flow, &mut place, &new).await?;
        }
        transaction.append(&place, &self.batch, self.at).await
    }

    fn execution(&self) -> Option<(&Name, &Name)> {
        Some((&self.flow, &self.execution))
    }

    fn notify(&self, notifier: &Notifier, appended: &Appended) {
        let ends = self.batch.ends();
        notifier.appended(&self.flow, &self.execution, appended.last, ends);
    }
}

impl Transaction<'_> {
    /// Looks up a flow and an execution in one snapshot.
    pub(super) async fn find(
        &mut self,
        flow: &Name,
        execution: &Name,
    ) -> Result<Result<Place, Refusal>, Fault> {
        let mut key = self.flows.get(flow);
        loop {
            let execution = keys::execution(key, execution);
            let row = sqlx::query(
                "SELECT f.flow, f.uuid, x.status, x.started_at, \
                     (SELECT max(event_id) FROM events WHERE flow = $2 AND execution = $3) \
                 FROM flows f LEFT JOIN executions x ON x.flow = $2 AND x.execution = $3 \
                 WHERE f.name = $1",
            )
            .bind(flow.as_str().as_bytes())
            .bind(key)
            .bind(execution)
            .fetch_optional(&mut *self.connection)
            .await?;
            let Some(row) = row else {
                return Ok(Err(Refusal::FlowNotExists));
            };
            let found = row.try_get(0)?;
            if found != key {
                self.flows.set(flow, found);
                key = found;
                continue;
            }
            let history = match row.try_get::<Option<&str>, _>(2)? {
                None => None,
                Some(_) => Some(History {
                    status: status_at(&row, 2)?,
                    started_at: time_at(&row, 3)?,
                    last_event_id: row.try_get::<Option<i64>, _>(4)?.unwrap_or(0),
                }),
            };
            return Ok(Ok(Place {
                flow: key,
                flow_id: row.try_get(1)?,
                execution,
                history,
            }));
        }
    }

    /// Inserts the row of an execution, with the present definition and environment of the flow.
    pub(super) async fn start(
        &mut self,
        flow: &Name,
        place: &mut Place,
        new: &NewExecution<'_>,
    ) -> Result<(), Fault> {
        let row =
            sqlx::query("SELECT definition, environment FROM flows WHERE name = $1 AND flow = $2")
                .bind(flow.as_str().as_bytes())
                .bind(place.flow)
                .fetch_optional(&mut *self.connection)
                .await?
                .ok_or_else(Fault::lost_race)?;
        let inserted = sqlx::query(
            "INSERT INTO executions (flow, execution, id, name, status, started_at, definition, input, environment) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(place.flow)
        .bind(place.execution)
        .bind(self.ids.row(place.execution))
        .bind(new.name.as_str())
        .bind(Status::Running.as_str())
        .bind(new.started_at.millis())
        .bind(row.try_get::<Uuid, _>(0)?)
        .bind(new.input)
        .bind(row.try_get::<Option<&str>, _>(1)?)
        .execute(&mut *self.connection)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(Fault::lost_race());
        }
        place.history = Some(History {
            status: Status::Running,
            started_at: new.started_at,
            last_event_id: 0,
        });
        Ok(())
    }

    /// Appends a batch to an execution. Events without a time get `at`.
    pub(super) async fn append(
        &mut self,
        at_place: &Place,
        batch: &Batch,
        at: Timestamp,
    ) -> Result<Result<Appended, Refusal>, Fault> {
        let Some(history) = &at_place.history else {
            return Ok(Err(Refusal::ExecutionNotExists));
        };
        let (first, placement) = place(batch, history.status, history.last_event_id);
        let appended = Appended {
            first,
            last: batch.last(first),
            flow_id: at_place.flow_id.clone(),
        };
        match placement {
            Placement::New => {}
            Placement::Refused(refusal) => return Ok(Err(refusal)),
            Placement::Taken(refusal) => {
                let same = self.matches_stored(at_place, batch, &appended).await?;
                return Ok(if same { Ok(appended) } else { Err(refusal) });
            }
        }
        self.insert_events(at_place, history, first, batch, at)
            .await?;
        if let Some(event) = batch.events().last()
            && let Some(status) = event.ends()
        {
            let second = self.second_time(at_place, first, batch, at).await?;
            let second = second.unwrap_or(history.started_at);
            let end = event.time.unwrap_or(at);
            sqlx::query(
                "UPDATE executions SET status = $3, stopped_at = $4, output = $5 \
                 WHERE flow = $1 AND execution = $2",
            )
            .bind(at_place.flow)
            .bind(at_place.execution)
            .bind(status.as_str())
            .bind(stopped_at(history.started_at, second, end, event.has_engine_time()).millis())
            .bind(event.output())
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(Ok(appended))
    }

    /// Inserts the events of a batch and the tasks that they end.
    async fn insert_events(
        &mut self,
        place: &Place,
        history: &History,
        first: i64,
        batch: &Batch,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let events: Vec<(i64, &NewEvent)> = (first..).zip(batch.events()).collect();
        let day = keys::day(history.started_at);
        for events in insert::statements(&events) {
            let into = "events (flow, execution, start_day, event_id, json, checksum)";
            let sql = insert::sql(into, 3, 3, events.len());
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(place.flow)
                .bind(place.execution)
                .bind(day);
            for (event_id, event) in events {
                let mut json = Vec::new();
                event.render(*event_id, at, &mut json);
                let key = EventKey::hashed(place.flow, place.execution, *event_id);
                let checksum = checksum::checksum(key, &json);
                let json = String::from_utf8(json).expect("JSON is UTF-8");
                query = query.bind(event_id).bind(json).bind(i64::from(checksum));
            }
            let inserted = query.execute(&mut *self.connection).await?;
            if inserted.rows_affected() != events.len() as u64 {
                return Err(Fault::lost_race());
            }
        }
        let ended_task = |(event_id, event): &(i64, &NewEvent)| event.ended_task(*event_id);
        let ended: Vec<i64> = events.iter().filter_map(ended_task).collect();
        for ended in insert::statements(&ended) {
            let into = "ended_tasks (flow, execution, start_day, event_id)";
            let sql = insert::sql(into, 3, 1, ended.len());
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(place.flow)
                .bind(place.execution)
                .bind(day);
            for submitted in ended {
                query = query.bind(submitted);
            }
            query.execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    /// Whether the events of a batch equal those that are stored at its place (idempotent retry).
    async fn matches_stored(
        &mut self,
        place: &Place,
        batch: &Batch,
        taken: &Appended,
    ) -> Result<bool, Fault> {
        let rows = sqlx::query(
            "SELECT json, checksum FROM events \
             WHERE flow = $1 AND execution = $2 AND event_id BETWEEN $3 AND $4 ORDER BY event_id",
        )
        .bind(place.flow)
        .bind(place.execution)
        .bind(taken.first)
        .bind(taken.last)
        .fetch_all(&mut *self.connection)
        .await?;
        let stored = rows
            .iter()
            .map(|row| Ok((row.try_get::<&str, _>(0)?.as_bytes(), row.try_get(1)?)));
        let stored: Vec<_> = stored.collect::<Result<_, sqlx::Error>>()?;
        let key = |event_id| EventKey::hashed(place.flow, place.execution, event_id);
        let execution = place.execution;
        Ok(is_retry(batch, taken.first, &stored, key, execution)?)
    }

    /// Returns the time of event 2, which a batch contains if it begins with event 1 or 2.
    async fn second_time(
        &mut self,
        place: &Place,
        first: i64,
        batch: &Batch,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stored<'a> {
            time: &'a str,
        }
        if let Ok(index) = usize::try_from(2 - first) {
            let second = batch.events().get(index);
            return Ok(second.map(|event| event.time.unwrap_or(at)));
        }
        let row = sqlx::query(
            "SELECT json FROM events WHERE flow = $1 AND execution = $2 AND event_id = 2",
        )
        .bind(place.flow)
        .bind(place.execution)
        .fetch_one(&mut *self.connection)
        .await?;
        let stored = serde_json::from_str::<Stored<'_>>(row.try_get(0)?).ok();
        Ok(stored.and_then(|stored| Timestamp::parse(stored.time)))
    }

    /// Appends an event by the server.
    pub(super) async fn append_one(
        &mut self,
        place: &Place,
        event: NewEvent,
        at: Timestamp,
    ) -> Result<Result<Appended, Refusal>, Fault> {
        let batch = Batch::new(vec![event], None).expect("our own events keep the rules");
        self.append(place, &batch, at).await
    }
}
