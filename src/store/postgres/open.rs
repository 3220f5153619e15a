//! Opens a database: parses its URL, looks at its schema, migrates it, and starts the background tasks.

use std::{
    str::FromStr,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::OnceCell, task::JoinSet, time::timeout};

use super::{
    Database, Opened, Postgres,
    fault::Fault,
    keys::{FlowKeys, Ids},
    nonces::Nonces,
    purge,
    schema::{self, Engine, Schema},
    turns::Turns,
    watch,
    write::Writes,
};
use crate::{
    model::{Timestamp, task_token::TaskKey},
    store::{Description, Error, notify::Notifier, scans::Scans},
};

/// Connections for reads and writes. A server accepts a hundred by default, so a few processes fit.
const CONNECTIONS_MAX: u32 = 20;
/// Connections of the background tasks and of readiness checks, so that those do not wait for callers.
const UPKEEP_CONNECTIONS_MAX: u32 = 2;
/// Longest wait for a free connection or a new one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle time after which a connection is tested before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How often a process looks whether it can reach the server.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two steps of the purge, so that the purge leaves most of the server to clients.
const PURGE_PAUSE: Duration = Duration::from_millis(2);
/// Pause before the purge looks for flows that other processes have deleted, and after a failure.
const PURGE_INTERVAL: Duration = Duration::from_secs(5);
/// How often nonces expire.
const MINUTE: Duration = Duration::from_secs(60);

/// Settings of each connection. Not `statement_timeout`: it would also end the wait of a commit for the synchronous
/// standby, which the server then reports as a success. An asynchronous commit would be acknowledged before it is
/// synced.
const SETTINGS: &str = "
    SELECT set_config('lock_timeout', '5s', false), set_config('idle_in_transaction_session_timeout', '10s', false),
        CASE WHEN current_setting('synchronous_commit', true) = 'off'
            THEN set_config('synchronous_commit', 'on', false) END";

impl Postgres {
    /// Opens `url` (`postgres://…`), creates the tables if there are none, migrates them if they are older. A server
    /// that cannot be reached is no error: the store is unavailable until it can.
    ///
    /// # Errors
    ///
    /// One line for the operator: what is wrong with which database, and what to do.
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, String> {
        let options = options(url)?;
        let location = location(&options);
        let database = Arc::new(Database {
            location: location.clone(),
            pool: pool(&options, CONNECTIONS_MAX),
            upkeep: pool(&options, UPKEEP_CONNECTIONS_MAX),
            options,
            opened: OnceCell::new(),
            unreachable: Mutex::default(),
            flows: FlowKeys::default(),
            ids: Ids::new(now),
            nonces: Nonces::default(),
            notifier: Notifier::default(),
            scans: Scans::default(),
            turns: Turns::default(),
            writes: Writes::default(),
        });
        let mut engine = "PostgreSQL".to_owned();
        match database.try_open().await {
            Ok(found) => engine = found,
            Err(Fault::Transient(error)) => {
                tracing::warn!(%error, "{location}: reads and writes are refused until it can be opened");
                database.set_unreachable(Some(error));
            }
            Err(Fault::Lasting(error)) => return Err(one_line(&location, &error)),
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(ping(Arc::clone(&database)));
        tasks.spawn(poll(Arc::clone(&database)));
        tasks.spawn(expire_nonces(Arc::clone(&database)));
        tasks.spawn(purge_flows(Arc::clone(&database)));
        Ok(Postgres {
            database,
            tasks: tasks.into(),
            description: description(location, engine),
        })
    }
}

/// Brings the tables of a database up to date, and spreads them over the workers if it is one of Citus. Can run again.
///
/// # Errors
///
/// One line for the operator.
pub async fn migrate(url: &str) -> Result<Description, String> {
    let options = options(url)?;
    let location = location(&options);
    let migrate = async {
        let mut connection = connect(&options).await?;
        let (engine, name) = Engine::of(&mut connection).await?;
        if schema::look(&mut connection).await? == Schema::Old {
            schema::migrate(&mut connection, engine).await?;
        }
        if engine == Engine::Citus {
            schema::distribute(&mut connection).await?;
        }
        let _ = connection.close().await;
        Ok(name)
    };
    match migrate.await.map_err(Fault::into_error) {
        Ok(engine) => Ok(description(location, engine)),
        Err(error) => Err(one_line(&location, &error)),
    }
}

fn description(location: String, engine: String) -> Description {
    Description {
        location,
        engine,
        schema: schema::newest(),
        readers: CONNECTIONS_MAX as usize,
    }
}

/// Parses a URL.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, String> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| format!("the database URL is not one of PostgreSQL: {e}"))?;
    Ok(options
        .application_name("flowledger")
        .disable_statement_logging())
}

/// Says which database the options name, without its password.
pub(super) fn location(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or(options.get_username());
    format!("database '{database}' at {host}:{}", options.get_port())
}

/// Says which database a URL names, without its password.
pub fn shown(url: &str) -> String {
    options(url).map_or_else(|fault| fault, |options| location(&options))
}

/// One line for the operator. The server quotes what it cannot read, with all control characters in it.
pub(super) fn one_line(location: &str, error: &Error) -> String {
    let error = error.to_string().replace(char::is_control, " ");
    format!("{location}: {error}")
}

fn pool(options: &PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire(false) // a ping would cost as much as a small page
        .before_acquire(|connection, age| {
            Box::pin(async move {
                // The server may have been restarted since.
                let idle = age.idle_for >= PING_AFTER_IDLE;
                Ok(!idle || connection.ping().await.is_ok())
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

/// Connects to a database directly: a pool would say only that the time is over, but not why.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Fault> {
    let timed_out = || Error::Unavailable("the database server does not answer".to_owned());
    match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Fault::Transient(timed_out())),
    }
}

impl Database {
    fn set_unreachable(&self, error: Option<Error>) {
        let mut unreachable = self.unreachable.lock().expect("no panic holds this lock");
        *unreachable = error;
    }

    /// Opens the database. Returns name and version of the engine.
    async fn try_open(&self) -> Result<String, Fault> {
        let mut connection = connect(&self.options).await?;
        let (engine, name) = Engine::of(&mut connection).await?;
        if schema::look(&mut connection).await? == Schema::Old {
            if engine != Engine::Postgres {
                let run = "its schema is not up to date; run `flowledger migrate` once";
                return Err(Error::Unavailable(run.to_owned()).into());
            }
            schema::migrate(&mut connection, engine).await?;
        }
        let row = sqlx::query("SELECT key FROM task_key WHERE one = 1")
            .fetch_one(&mut connection)
            .await?;
        self.nonces.refresh(&mut connection).await?;
        let task_key = TaskKey::new(row.try_get(0)?);
        let _ = connection.close().await;
        let _ = self.opened.set(Opened { task_key });
        Ok(name)
    }
}

/// Looks whether the server can be reached, and opens the database if that was not possible at the start.
async fn ping(database: Arc<Database>) {
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let found = match database.opened.get() {
            None => database.try_open().await.map(drop),
            Some(_) => match sqlx::query("SELECT 1").execute(&database.upkeep).await {
                Ok(_) => Ok(()),
                Err(_) => connect(&database.options).await.map(drop), // says why
            },
        };
        let was_unreachable = database.unreachable().is_some();
        let error = found.err().map(Fault::into_error);
        match &error {
            Some(error) if !was_unreachable => tracing::error!(%error, "{}", database.location),
            None if was_unreachable => tracing::info!("{}: reached again", database.location),
            _ => {}
        }
        database.set_unreachable(error);
    }
}

async fn poll(database: Arc<Database>) {
    loop {
        tokio::time::sleep(watch::POLL_PAUSE).await;
        let polled = watch::poll(&database.upkeep, &database.notifier, &database.flows).await;
        if let Err(fault) = polled {
            tracing::debug!(error = %fault.into_error(), "subscribed executions could not be polled");
        }
    }
}

async fn expire_nonces(database: Arc<Database>) {
    loop {
        tokio::time::sleep(MINUTE).await;
        let now = database.ids.now();
        if let Err(fault) = database.nonces.sweep(&database.upkeep, now).await {
            tracing::warn!(error = %fault.into_error(), "nonces do not expire");
        }
    }
}

async fn purge_flows(database: Arc<Database>) {
    let mut empty = purge::Empty::new();
    loop {
        let pause = match purge::step(&database.upkeep, &mut empty).await {
            Ok(true) => PURGE_PAUSE,
            Ok(false) => PURGE_INTERVAL,
            Err(fault) => {
                tracing::debug!(error = %fault.into_error(), "the purge of deleted flows waits");
                PURGE_INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}
