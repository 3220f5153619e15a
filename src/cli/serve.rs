//! `flowledger serve`: opens the store, loads the keys, serves until a signal stops it.

use std::{
    io::{Write, stdout},
    process::ExitCode,
    sync::Arc,
    thread,
};

use futures_util::FutureExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{demo, keys, log::Log};
use crate::{
    auth::{Authenticator, keys::Keys},
    clock::Clock,
    config::{Config, KeySource, ServeArgs},
    server::{self, App},
    store::{self, Store},
};

/// Serves until SIGTERM or SIGINT. From the start of the log on, nothing here writes to standard error but the log.
///
/// # Errors
/// The flags contradict each other, or the log cannot be started.
pub async fn run(args: ServeArgs) -> Result<ExitCode, String> {
    let config = Config::try_from(args)?;
    let log = Log::start(config.log_format)?;
    Ok(match start(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            log.end_with(&fault);
            ExitCode::FAILURE
        }
    })
}

/// The fault is one line that says what to do.
async fn start(config: Config) -> Result<(), String> {
    let listener = TcpListener::bind(config.listen).await.map_err(|e| {
        format!(
            "cannot listen on {}: {e}; choose another with --listen",
            config.listen
        )
    })?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let clock = Clock::System;
    if config.demo {
        let folder =
            tempfile::tempdir().map_err(|e| format!("no folder for the demo's database: {e}"))?;
        let store = store::open(
            &format!("sqlite://{}/demo.db", folder.path().display()),
            clock.now(),
        )
        .await?;
        demo::load(&*store, &clock).await?;
        let keys = Keys::load(
            None,
            Some((demo::KEY_ID.to_owned(), demo::KEY_SECRET.to_owned())),
        )?;
        let app = app(store, keys, clock, &config);
        tokio::spawn(demo::grow(Arc::clone(&app)));
        let place = format!("{address}{}", config.base_path);
        return serve(listener, app, None, demo::welcome(&place)).await;
    }
    let store = store::open(&config.database_url, clock.now()).await?;
    let new_key = keys::generate(&config.keys, &clock)?;
    let keys = keys::read(&config.keys, &clock).await?;
    let app = app(store, keys, clock, &config);
    let mut welcome = String::new();
    if let Some(key) = new_key {
        welcome = format!(
            "A first access key (shown once, kept in {}):\n  id      {}\n  secret  {}\n\n",
            config.keys.generated.display(),
            key.id,
            key.secret
        );
    }
    welcome += &format!(
        "FlowLedger serves {} at http://{address}{}",
        store::shown(&config.database_url),
        config.base_path
    );
    serve(listener, app, Some(config.keys), welcome).await
}

fn app(store: Arc<dyn Store>, keys: Keys, clock: Clock, config: &Config) -> Arc<App> {
    Arc::new(App {
        base_path: config.base_path.as_str().into(),
        store,
        authenticator: Authenticator::new(keys).into(),
        clock: clock.into(),
        limits: Default::default(),
        anonymous_log: Default::default(),
        stopping: Default::default(),
        demo: config.demo,
    })
}

async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    keys: Option<KeySource>,
    welcome: String,
) -> Result<(), String> {
    let on = |kind| signal(kind).map_err(|e| format!("cannot listen for signals: {e}"));
    let (mut term, mut int, mut hangup) = (
        on(SignalKind::terminate())?,
        on(SignalKind::interrupt())?,
        on(SignalKind::hangup())?,
    );
    log_start(&app, &listener);
    print_without_waiting(welcome); // after the above: its reader may send a signal at once
    let authenticator = Arc::clone(&app.authenticator);
    let clock = Arc::clone(&app.clock);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(source) = &keys {
                keys::reload(source, &authenticator, &clock).await;
            }
        }
    });
    let stop = async {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("stopping");
    };
    let fault = |failure| format!("{failure}; check the disk, then start again");
    let all_finished = tokio::select! {
        finished = server::serve(listener, Arc::clone(&app), stop) => finished,
        failure = app.store.failed() => return Err(fault(failure)),
    };
    app.store.close().await;
    if let Some(failure) = app.store.failed().now_or_never() {
        return Err(fault(failure));
    }
    tracing::info!(all_finished, "stopped");
    Ok(())
}

/// Logs what runs, where, on which data, and the limits that depend on the machine.
fn log_start(app: &App, listener: &TcpListener) {
    let store = app.store.describe();
    tracing::info!(
        version = env!("FLOWLEDGER_VERSION"),
        listen.addr = listener.local_addr().ok().map(tracing::field::display),
        listen.base_path = &*app.base_path,
        database.path = store.location,
        database.engine = store.engine,
        database.schema = store.schema,
        limits.connections = app.limits.connections.total(),
        limits.waits = app.limits.waits.total(),
        limits.readers = store.readers,
        demo = app.demo,
        "started"
    );
}

/// Prints a line from a thread of its own: standard output may be a pipe that is full or has no reader.
fn print_without_waiting(mut text: String) {
    text.push('\n');
    let print = move || drop(stdout().write_all(text.as_bytes()));
    let _ = thread::Builder::new().spawn(print);
}
