//! `AppendExecutionEvents` of the store, for a whole group of appends (group commit): one statement looks up their
//! executions, one writes all rows. The parameters are JSON arrays that `jsonb_each` unfolds, because each sqlx
//! statement costs two context switches.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{new_execution::NewExecution, request::Request};
use crate::{
    model::{Name, NewEvent, Nonce, Status, Timestamp, event::Batch},
    store::{
        AppendRequest, Appended, Error, Refusal,
        checksum::{self, EventKey},
        placement::{Placement, is_retry, place},
    },
};

type Append = Request<AppendRequest, Appended>;

/// The flow and the execution of an append, as `LOOK_UP` found them.
#[derive(Deserialize)]
struct Place {
    flow: Option<i64>,
    flow_uuid: Option<String>,
    execution: Option<i64>,
    status: Option<Status>,
    last_event_id: Option<i64>,
    history_bytes: Option<i64>,
    /// Not 0 if an index of names leads to a row of another name, or if the row's last EventId is wrong.
    damaged: i64,
    nonce_used: i64,
}

/// An execution within the transaction, before its row is written.
struct State {
    flow: i64,
    id: i64,
    status: Status,
    last_event_id: i64,
    history_bytes: i64,
    changed: bool,
}

impl State {
    /// The state of an execution before its first event.
    fn new(flow: i64, id: i64) -> Self {
        State {
            flow,
            id,
            status: Status::Running,
            last_event_id: 0,
            history_bytes: 0,
            changed: false,
        }
    }
}

/// The rows to write, except those of `executions`.
#[derive(Default)]
struct Pending {
    /// The JSON of all events, concatenated.
    json: Vec<u8>,
    /// Flow, execution, EventId, where its JSON begins in `json` (from 1), its length, and its checksum.
    events: Vec<(i64, i64, i64, usize, usize, u32)>,
    /// Execution, status, time and Output of the executions that end, and whether the time is the engine's.
    ended: Vec<(i64, Status, i64, Option<String>, bool)>,
    /// Flow, execution and EventId of tasks that ended.
    ended_tasks: Vec<(i64, i64, i64)>,
    nonces: HashSet<NonceKey>,
}

/// Performs all `requests` in order and records their outcomes. One statement writes everything or nothing, unless one
/// of them starts an execution: then the caller has begun a transaction.
///
/// # Errors
///
/// An error that concerns the whole group.
pub(super) async fn append_all(
    connection: &mut SqliteConnection,
    requests: Vec<&mut Append>,
) -> Result<(), Error> {
    let keys: Vec<_> = requests
        .iter()
        .map(|request| request.nonce.map(key))
        .collect();
    let places = look_up(connection, &requests, &keys).await?;
    let mut states: HashMap<i64, State> = HashMap::new();
    let mut started = HashMap::new(); // by the appends of this group
    let mut pending = Pending::default();
    for ((request, place), nonce) in requests.into_iter().zip(places).zip(keys) {
        // Used by an earlier transaction, or by an earlier append of this one.
        if place.nonce_used != 0 || nonce.is_some_and(|nonce| !pending.nonces.insert(nonce)) {
            request.outcome = Some(Ok(Err(Refusal::NonceUsed)));
            continue;
        }
        let result = match place {
            Place { damaged: 1.., .. } => Err(Error::Corrupt(format!(
                "execution {}/{}: its row is not its own, or does not know its end",
                request.command.flow, request.command.execution
            ))),
            Place {
                flow: Some(flow),
                flow_uuid: Some(flow_uuid),
                execution: Some(id),
                status: Some(status),
                last_event_id: Some(last_event_id),
                history_bytes: Some(history_bytes),
                ..
            } => {
                let state = states.entry(id).or_insert(State {
                    flow,
                    id,
                    status,
                    last_event_id,
                    history_bytes,
                    changed: false,
                });
                append(connection, &request.command, flow_uuid, state, &mut pending).await
            }
            Place {
                flow: Some(flow),
                flow_uuid: Some(flow_uuid),
                ..
            } => {
                let command = &request.command;
                let key = (flow, command.execution.clone());
                let id = match started.get(&key) {
                    Some(id) => Some(*id),
                    None => start(connection, command).await?,
                };
                match id {
                    Some(id) => {
                        started.insert(key, id);
                        let state = states.entry(id).or_insert(State::new(flow, id));
                        append(connection, command, flow_uuid, state, &mut pending).await
                    }
                    None => Ok(Err(Refusal::ExecutionNotExists)),
                }
            }
            Place { .. } => Ok(Err(Refusal::FlowNotExists)),
        };
        request.record(result)?;
    }
    pending.write(connection, states.values()).await
}

/// Inserts the row of the execution that the batch starts, if it starts one. Returns its id.
async fn start(
    connection: &mut SqliteConnection,
    command: &AppendRequest,
) -> Result<Option<i64>, Error> {
    let Some(event) = command.batch.starts() else {
        return Ok(None);
    };
    let new = NewExecution {
        flow: &command.flow,
        name: &command.execution,
        input: event.input(),
        started_at: event.time.unwrap_or(command.at),
    };
    Ok(new.insert(connection).await?.map(|(_, id)| id))
}

/// Appends an event by the server, in the transaction of a request that has used its nonce.
pub(super) async fn append_one(
    connection: &mut SqliteConnection,
    flow: &Name,
    execution: &Name,
    event: NewEvent,
    at: Timestamp,
) -> Result<Result<Appended, Refusal>, Error> {
    let batch = Batch::new(vec![event], None).expect("our own events keep the rules");
    let mut request = Request::nested(AppendRequest {
        flow: flow.clone(),
        execution: execution.clone(),
        batch,
        at,
    });
    append_all(connection, vec![&mut request]).await?;
    request
        .outcome
        .unwrap_or(Ok(Err(Refusal::ExecutionNotExists)))
}

/// Writes event 1 of a new execution.
pub(super) async fn append_first(
    connection: &mut SqliteConnection,
    (flow, execution): (i64, i64),
    started: &NewEvent,
    at: Timestamp,
) -> Result<(), Error> {
    let mut state = State::new(flow, execution);
    let mut pending = Pending::default();
    pending.push(&mut state, started, at);
    pending.write(connection, [&state]).await
}

/// Performs one append after those that `state` and `pending` contain already.
async fn append(
    connection: &mut SqliteConnection,
    command: &AppendRequest,
    flow_id: String,
    state: &mut State,
    pending: &mut Pending,
) -> Result<Result<Appended, Refusal>, Error> {
    let (first, placement) = place(&command.batch, state.status, state.last_event_id);
    let appended = Appended {
        first,
        last: command.batch.last(first),
        flow_id,
    };
    match placement {
        Placement::New => {}
        Placement::Refused(refusal) => return Ok(Err(refusal)),
        Placement::Taken(refusal) => {
            let key = (state.flow, state.id);
            let same = matches_stored(connection, key, command, &appended, pending).await?;
            return Ok(if same { Ok(appended) } else { Err(refusal) });
        }
    }
    for event in command.batch.events() {
        pending.push(state, event, command.at);
    }
    Ok(Ok(appended))
}

/// Whether the events of `command` equal the events with the EventIds of `taken`, written or pending (idempotent
/// retry).
async fn matches_stored(
    connection: &mut SqliteConnection,
    (flow, execution): (i64, i64),
    command: &AppendRequest,
    taken: &Appended,
    pending: &Pending,
) -> Result<bool, Error> {
    let rows = sqlx::query(
        "SELECT json, checksum FROM events \
         WHERE flow = ?1 AND execution = ?2 AND event_id BETWEEN ?3 AND ?4 ORDER BY event_id",
    )
    .bind(flow)
    .bind(execution)
    .bind(taken.first)
    .bind(taken.last)
    .fetch_all(connection)
    .await?;
    let written = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let pending = pending.within(execution, taken.first..=taken.last).map(Ok);
    let found: Vec<(&[u8], i64)> = written.chain(pending).collect::<Result<_, sqlx::Error>>()?;
    let key = |event_id| EventKey::numbered(flow, execution, event_id);
    is_retry(&command.batch, taken.first, &found, key, execution)
}

impl Pending {
    /// Adds `event` to the end of the execution's history.
    fn push(&mut self, state: &mut State, event: &NewEvent, default_time: Timestamp) {
        let event_id = state.last_event_id + 1;
        let start = self.json.len();
        event.render(event_id, default_time, &mut self.json);
        let json = &self.json[start..];
        let (flow, execution) = (state.flow, state.id);
        let key = EventKey::numbered(flow, execution, event_id);
        let checksum = checksum::checksum(key, json);
        let start = start + 1; // SQL counts from 1
        self.events
            .push((flow, execution, event_id, start, json.len(), checksum));
        state.last_event_id = event_id;
        state.history_bytes += i64::try_from(json.len()).unwrap_or(i64::MAX) + 1;
        state.changed = true;
        if let Some(submitted) = event.ended_task(event_id) {
            self.ended_tasks.push((flow, execution, submitted));
        }
        if let Some(status) = event.ends() {
            state.status = status;
            let stopped_at = event.time.unwrap_or(default_time).millis();
            let output = event.output().map(str::to_owned);
            let has_engine_time = event.has_engine_time();
            self.ended
                .push((state.id, status, stopped_at, output, has_engine_time));
        }
    }

    /// Returns JSON and checksum of the pending events of an execution with these EventIds.
    fn within(
        &self,
        execution: i64,
        ids: RangeInclusive<i64>,
    ) -> impl Iterator<Item = (&[u8], i64)> {
        self.events
            .iter()
            .filter(move |event| event.1 == execution && ids.contains(&event.2))
            .map(|&(_, _, _, start, length, checksum)| {
                (&self.json[start - 1..][..length], checksum.into())
            })
    }

    async fn write<'s>(
        self,
        connection: &mut SqliteConnection,
        states: impl IntoIterator<Item = &'s State>,
    ) -> Result<(), Error> {
        let changed = states.into_iter().filter(|state| state.changed);
        let executions: Vec<_> = changed
            .map(|state| (state.id, state.last_event_id, state.history_bytes))
            .collect();
        sqlx::query("INSERT INTO temp.appends VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
            .bind(self.json)
            .bind(to_json(&self.events)?)
            .bind(to_json(&executions)?)
            .bind(to_json(&self.ended)?)
            .bind(to_json(&self.ended_tasks)?)
            .bind(to_json(&self.nonces)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Creates the view that `Pending::write` inserts into. Its trigger runs all statements of a group as one. With the
/// same statements one by one between BEGIN and COMMIT, 16 connections made 29 % fewer appends of 1 and 18 % fewer
/// of 10; with a statement for each row, 47 % and 46 % fewer (docs/BENCHMARKS.md, "Durable appends").
pub(super) async fn prepare(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let steps = [
        INSERT_EVENTS,
        UPDATE_EXECUTIONS,
        END_EXECUTIONS,
        INSERT_ENDED_TASKS,
        INSERT_NONCES,
    ];
    let steps = steps.join(";").replace('?', "NEW.c"); // ?1 is the column c1
    let sql = format!(
        "CREATE TEMP VIEW appends AS
         SELECT NULL AS c1, NULL AS c2, NULL AS c3, NULL AS c4, NULL AS c5, NULL AS c6;
         CREATE TEMP TRIGGER append INSTEAD OF INSERT ON appends BEGIN {steps}; END"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

const INSERT_EVENTS: &str = "
    INSERT INTO events (flow, execution, event_id, json, checksum)
    SELECT value ->> 0, value ->> 1, value ->> 2, CAST(substr(?1, value ->> 3, value ->> 4) AS TEXT), value ->> 5
    FROM jsonb_each(?2)";

const UPDATE_EXECUTIONS: &str = "
    UPDATE executions SET last_event_id = v.value ->> 1, history_bytes = v.value ->> 2
    FROM jsonb_each(?3) v
    WHERE executions.id = v.value ->> 0";

/// Separate from `UPDATE_EXECUTIONS`, because a new status changes an index too. `stopped_at` is that of
/// `model::execution::stopped_at`, which `check` compares; the number is `Timestamp::LAST_MILLIS`.
const END_EXECUTIONS: &str = "
    UPDATE executions SET status = v.value ->> 1, output = v.value ->> 3, stopped_at = max(started_at, min(253402300799999,
        v.value ->> 2 + iif(v.value ->> 4, coalesce((
            SELECT max(0, started_at - CAST(round(1000 * unixepoch(e.json ->> 'Time', 'subsec')) AS INTEGER))
            FROM events e
            WHERE e.flow = executions.flow AND e.execution = executions.id AND e.event_id = 2 AND json_valid(e.json)
        ), 0), 0)))
    FROM jsonb_each(?4) v
    WHERE executions.id = v.value ->> 0";

const INSERT_ENDED_TASKS: &str = "
    INSERT INTO ended_tasks (flow, execution, event_id)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?5) WHERE true
    ON CONFLICT DO NOTHING";

const INSERT_NONCES: &str = "
    INSERT INTO nonces (signed_at, digest, minute)
    SELECT value ->> 0, unhex(value ->> 1), (SELECT minute FROM incarnation) FROM jsonb_each(?6) WHERE true
    ON CONFLICT DO NOTHING";

/// Names and last EventIds have no checksum; they are compared with other rows, as for a page.
const LOOK_UP: &str = "
    SELECT json_group_array(json_object('flow', f.id, 'flow_uuid', f.uuid, 'execution', x.id, 'status', x.status,
        'last_event_id', x.last_event_id, 'history_bytes', x.history_bytes,
        'damaged', n.id IS NOT NULL AND (f.name = j.value ->> 0 AND f.deleted_at IS NULL) IS NOT TRUE
            OR k.id IS NOT NULL AND (x.flow = n.id AND x.name = j.value ->> 1
                AND x.last_event_id = (
                    SELECT max(event_id) FROM events WHERE flow = x.flow AND execution = x.id
                )) IS NOT TRUE,
        'nonce_used', u.digest IS NOT NULL))
    FROM jsonb_each(?1) j
    LEFT JOIN flows n ON n.name = j.value ->> 0 AND n.deleted_at IS NULL
    LEFT JOIN flows f ON f.id = n.id
    LEFT JOIN executions k ON k.flow = n.id AND k.name = j.value ->> 1
    LEFT JOIN executions x ON x.id = k.id
    LEFT JOIN nonces u ON u.signed_at = j.value ->> 2 AND u.digest = unhex(j.value ->> 3)";

/// Returns a place for each request, in order.
async fn look_up(
    connection: &mut SqliteConnection,
    requests: &[&mut Append],
    nonces: &[Option<NonceKey>],
) -> Result<Vec<Place>, Error> {
    let keys: Vec<_> = requests
        .iter()
        .zip(nonces)
        .map(|(request, nonce)| {
            let (signed_at, digest) = nonce.as_ref().map(|(at, digest)| (at, digest)).unzip();
            let AppendRequest {
                flow, execution, ..
            } = &request.command;
            (flow.as_str(), execution.as_str(), signed_at, digest)
        })
        .collect();
    let row = sqlx::query(LOOK_UP)
        .bind(to_json(&keys)?)
        .fetch_one(connection)
        .await?;
    let places: Vec<Place> =
        serde_json::from_str(row.try_get(0)?).map_err(|e| Error::Corrupt(e.to_string()))?;
    if places.len() != requests.len() {
        return Err(Error::Corrupt("an append has no place, or two".to_owned()));
    }
    Ok(places)
}

pub(super) fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Other(e.to_string()))
}

/// A nonce's key in its table: the signed time, and the digest in hex.
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
