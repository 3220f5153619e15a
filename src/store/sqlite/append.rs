//! Appends, a whole group of them at once: one statement looks up where they go, one writes all events,
//! one moves the ends of all histories, one remembers all nonces. What is bound is JSON that
//! `json_each` unfolds, because each statement costs two changes of threads.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection};

use super::job::Job;
use crate::{
    model::{Name, NewEvent, Nonce, Status, Timestamp, event::Batch},
    store::{AppendEvents, Appended, Error, Refusal, checksum},
};

type Append = Job<AppendEvents, Appended>;

/// Where an append goes: a row of `look_up`.
#[derive(Deserialize)]
struct Place {
    flow: Option<String>,
    execution: Option<i64>,
    status: Option<Status>,
    last_event_id: Option<i64>,
    history_bytes: Option<i64>,
    nonce_used: i64,
}

/// How an execution stands within the transaction, before its row is written.
#[derive(Serialize)]
struct State {
    id: i64,
    status: Status,
    last_event_id: i64,
    history_bytes: i64,
    stopped_at: Option<i64>,
    output: Option<String>,
}

/// Events that have their place but are not written yet.
#[derive(Default)]
struct Pending {
    /// Their JSON, end to end.
    json: Vec<u8>,
    /// A JSON array for `INSERT_EVENTS`, without its brackets.
    rows: String,
    /// Execution and EventId of what the events say is over.
    ended_tasks: Vec<(i64, i64)>,
}

/// Does all `jobs`, in order, and fills in their outcomes. An error leaves the transaction to be undone.
pub(super) async fn append_all(
    connection: &mut SqliteConnection,
    jobs: Vec<&mut Append>,
) -> Result<(), Error> {
    let keys: Vec<_> = jobs.iter().map(|job| job.nonce.map(key)).collect();
    let places = look_up(connection, &jobs, &keys).await?;
    let mut states: HashMap<i64, State> = HashMap::new();
    let mut pending = Pending::default();
    let mut nonces = HashSet::with_capacity(jobs.len());
    for ((job, place), nonce) in jobs.into_iter().zip(places).zip(keys) {
        // Used by an earlier transaction, or by an earlier append of this one.
        if place.nonce_used != 0 || nonce.is_some_and(|nonce| !nonces.insert(nonce)) {
            job.outcome = Some(Ok(Err(Refusal::NonceUsed)));
            continue;
        }
        let result = match place {
            Place {
                flow: Some(flow),
                execution: Some(id),
                status: Some(status),
                last_event_id: Some(last_event_id),
                history_bytes: Some(history_bytes),
                ..
            } => {
                let state = State {
                    id,
                    status,
                    last_event_id,
                    history_bytes,
                    stopped_at: None,
                    output: None,
                };
                let state = states.entry(id).or_insert(state);
                append(connection, &job.ask, flow, state, &mut pending).await
            }
            Place { flow: Some(_), .. } => Ok(Err(Refusal::ExecutionNotExists)),
            Place { .. } => Ok(Err(Refusal::FlowNotExists)),
        };
        job.settle(result)?;
    }
    pending.write(connection).await?;
    let states: Vec<_> = states.into_values().collect();
    execute(connection, UPDATE_EXECUTIONS, &states).await?;
    let nonces: Vec<_> = nonces.into_iter().collect();
    execute(connection, INSERT_NONCES, &nonces).await
}

/// Appends one event of our own, within the transaction of a job that has used its nonce.
pub(super) async fn append_one(
    connection: &mut SqliteConnection,
    flow: &Name,
    execution: &Name,
    event: NewEvent,
    at: Timestamp,
) -> Result<Result<Appended, Refusal>, Error> {
    let batch = Batch::new(vec![event], None).expect("our own events keep the rules");
    let mut job = Job::part(AppendEvents {
        flow: flow.clone(),
        execution: execution.clone(),
        batch,
        at,
    });
    append_all(connection, vec![&mut job]).await?;
    job.outcome.unwrap_or(Ok(Err(Refusal::ExecutionNotExists)))
}

/// Writes event 1 of a new execution.
pub(super) async fn append_first(
    connection: &mut SqliteConnection,
    execution: i64,
    started: &NewEvent,
    at: Timestamp,
) -> Result<(), Error> {
    let mut state = State {
        id: execution,
        status: Status::Running,
        last_event_id: 0,
        history_bytes: 0,
        stopped_at: None,
        output: None,
    };
    let mut pending = Pending::default();
    pending.push(&mut state, started, at);
    pending.write(connection).await?;
    execute(connection, UPDATE_EXECUTIONS, &[state]).await
}

/// One append on top of what `state` and `pending` hold already.
async fn append(
    connection: &mut SqliteConnection,
    ask: &AppendEvents,
    flow_id: String,
    state: &mut State,
    pending: &mut Pending,
) -> Result<Result<Appended, Refusal>, Error> {
    let next = state.last_event_id + 1;
    let first = ask.batch.expected().unwrap_or(next);
    let appended = Appended {
        first,
        last: ask.batch.last(first),
        flow_id,
    };
    // Whoever is late for an execution that has ended should hear that, wherever he thought to append.
    let refusal = match state.status {
        Status::Running => Refusal::Conflict {
            next_event_id: next,
        },
        _ => Refusal::ExecutionAlreadyCompleted,
    };
    if first < next && appended.last <= state.last_event_id {
        pending.write(connection).await?;
        let same = stands(connection, state.id, ask, &appended).await?;
        return Ok(if same { Ok(appended) } else { Err(refusal) });
    }
    if first != next || state.status != Status::Running {
        return Ok(Err(refusal));
    }
    if let Some(index) = ask.batch.misfit(first) {
        return Ok(Err(Refusal::Misfit(index)));
    }
    for event in ask.batch.events() {
        pending.push(state, event, ask.at);
    }
    Ok(Ok(appended))
}

/// Whether the events of `ask` are those that have the ids of `place`.
async fn stands(
    connection: &mut SqliteConnection,
    execution: i64,
    ask: &AppendEvents,
    place: &Appended,
) -> Result<bool, Error> {
    let rows = sqlx::query(
        "SELECT json, checksum FROM events WHERE execution = ?1 AND event_id BETWEEN ?2 AND ?3 ORDER BY event_id",
    )
    .bind(execution)
    .bind(place.first)
    .bind(place.last)
    .fetch_all(connection)
    .await?;
    if rows.len() != ask.batch.events().len() {
        return Err(Error::Corrupt(format!(
            "an event of execution {execution} is missing"
        )));
    }
    for ((event_id, event), row) in (place.first..).zip(ask.batch.events()).zip(rows) {
        let json: &str = row.try_get(0)?;
        if !checksum::holds(execution, event_id, json, row.try_get(1)?) {
            return Err(Error::Corrupt(format!(
                "event {event_id} of execution {execution} is damaged"
            )));
        }
        if !event.is_stored_as(event_id, json) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Pending {
    /// Puts `event` at the end of the execution's history.
    fn push(&mut self, state: &mut State, event: &NewEvent, default_time: Timestamp) {
        let event_id = state.last_event_id + 1;
        let json = event.render(event_id, default_time);
        let (start, length) = (self.json.len() + 1, json.len()); // SQL counts from 1
        let comma = if self.rows.is_empty() { "" } else { "," };
        let checksum = checksum::checksum(state.id, event_id, json.as_bytes());
        let _ = write!(
            self.rows,
            "{comma}[{},{event_id},{start},{length},{checksum}]",
            state.id
        );
        self.json.extend_from_slice(json.as_bytes());
        state.last_event_id = event_id;
        state.history_bytes += i64::try_from(length).unwrap_or(i64::MAX) + 1;
        if event.ends_task() {
            let submitted = event.schedule_event_id.unwrap_or(event_id - 1);
            self.ended_tasks.push((state.id, submitted));
        }
        if let Some(status) = event.ends() {
            state.status = status;
            state.stopped_at = Some(event.time.unwrap_or(default_time).millis());
            state.output = event.output().map(str::to_owned);
        }
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let Pending {
            json,
            rows,
            ended_tasks,
        } = std::mem::take(self);
        if !rows.is_empty() {
            sqlx::query(INSERT_EVENTS)
                .bind(json)
                .bind(format!("[{rows}]"))
                .execute(&mut *connection)
                .await?;
        }
        execute(connection, INSERT_ENDED_TASKS, &ended_tasks).await
    }
}

const INSERT_EVENTS: &str = "
    INSERT INTO events (execution, event_id, json, checksum)
    SELECT value ->> 0, value ->> 1, CAST(substr(?1, value ->> 2, value ->> 3) AS TEXT), value ->> 4
    FROM json_each(?2)";

const INSERT_ENDED_TASKS: &str = "
    INSERT INTO ended_tasks (execution, event_id)
    SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING";

const UPDATE_EXECUTIONS: &str = "
    UPDATE executions
    SET status = v.value ->> 'status', last_event_id = v.value ->> 'last_event_id',
        history_bytes = v.value ->> 'history_bytes', stopped_at = coalesce(v.value ->> 'stopped_at', stopped_at),
        output = coalesce(v.value ->> 'output', output)
    FROM json_each(?1) v
    WHERE executions.id = v.value ->> 'id'";

const INSERT_NONCES: &str = "
    INSERT INTO nonces (signed_at, digest)
    SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING";

const LOOK_UP: &str = "
    SELECT json_group_array(json_object('flow', f.uuid, 'execution', x.id, 'status', x.status,
        'last_event_id', x.last_event_id, 'history_bytes', x.history_bytes, 'nonce_used', n.digest IS NOT NULL))
    FROM json_each(?1) j
    LEFT JOIN flows f ON f.name = j.value ->> 0 AND f.deleted_at IS NULL
    LEFT JOIN executions x ON x.flow = f.id AND x.name = j.value ->> 1
    LEFT JOIN nonces n ON n.signed_at = j.value ->> 2 AND n.digest = unhex(j.value ->> 3)";

/// Answers a place for each job, in order.
async fn look_up(
    connection: &mut SqliteConnection,
    jobs: &[&mut Append],
    nonces: &[Option<NonceKey>],
) -> Result<Vec<Place>, Error> {
    let keys: Vec<_> = jobs
        .iter()
        .zip(nonces)
        .map(|(job, nonce)| {
            let (signed_at, digest) = nonce.as_ref().map(|(at, digest)| (at, digest)).unzip();
            let AppendEvents {
                flow, execution, ..
            } = &job.ask;
            (flow.as_str(), execution.as_str(), signed_at, digest)
        })
        .collect();
    let row = sqlx::query(LOOK_UP)
        .bind(to_json(&keys)?)
        .fetch_one(connection)
        .await?;
    let places: Vec<Place> =
        serde_json::from_str(row.try_get(0)?).map_err(|e| Error::Corrupt(e.to_string()))?;
    if places.len() != jobs.len() {
        return Err(Error::Corrupt("an append has no place, or two".to_owned()));
    }
    Ok(places)
}

/// Runs `statement` once for all of `rows`.
async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[impl Serialize],
) -> Result<(), Error> {
    if !rows.is_empty() {
        sqlx::query(statement)
            .bind(to_json(rows)?)
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(super) fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Other(e.to_string()))
}

/// A nonce's key in its table: the time that was signed, and the digest in hex.
type NonceKey = (i64, String);

fn key(nonce: Nonce) -> NonceKey {
    let hex = nonce
        .digest
        .iter()
        .fold(String::with_capacity(32), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    (nonce.signed_at.millis(), hex)
}
