//! `flowledger serve`: opens the store, loads the keys, serves until it is told to stop.

use std::{fs, io::IsTerminal, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use futures_util::FutureExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use super::demo;
use crate::{
    auth::{Authenticator, keys::Keys},
    clock::Clock,
    config::{Config, KeySource, LogFormat, ServeArgs},
    server::{self, App},
    store,
};

/// Prints a line; whoever reads it may have gone.
macro_rules! say {
    ($($text:tt)*) => {
        let _ = writeln!(std::io::stdout(), $($text)*);
    };
}

/// Serves until SIGTERM or SIGINT. The fault is one line that says what to do.
pub async fn run(args: ServeArgs) -> Result<(), String> {
    let config = Config::try_from(args)?;
    log_to_stderr(config.log_format);
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
        let store = store::open(&format!("sqlite://{}/demo.db", folder.path().display())).await?;
        demo::load(&*store, &clock).await?;
        let keys = Keys::load(
            None,
            Some((demo::KEY_ID.to_owned(), demo::KEY_SECRET.to_owned())),
        )?;
        let app = Arc::new(App {
            store,
            authenticator: Authenticator::new(keys).into(),
            clock: clock.into(),
            limits: Default::default(),
            anonymous_log: Default::default(),
            stopping: Default::default(),
        });
        tokio::spawn(demo::grow(Arc::clone(&app)));
        return serve(listener, app, None, &demo::welcome(address)).await;
    }
    let store = store::open(&config.database_url).await?;
    let keys = load_keys(&config.keys, &clock)?;
    let app = Arc::new(App {
        store,
        authenticator: Authenticator::new(keys).into(),
        clock: clock.into(),
        limits: Default::default(),
        anonymous_log: Default::default(),
        stopping: Default::default(),
    });
    let welcome = format!(
        "FlowLedger serves {} at http://{address}",
        config.database_url
    );
    serve(listener, app, Some(config.keys), &welcome).await
}

async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    keys: Option<KeySource>,
    welcome: &str,
) -> Result<(), String> {
    let on = |kind| signal(kind).map_err(|e| format!("cannot listen for signals: {e}"));
    let (mut term, mut int, mut hangup) = (
        on(SignalKind::terminate())?,
        on(SignalKind::interrupt())?,
        on(SignalKind::hangup())?,
    );
    say!("{welcome}"); // who reads it may send a signal at once
    let reloaded = Arc::clone(&app);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(keys) = &keys {
                reload_keys(keys, &reloaded);
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

fn log_to_stderr(format: Option<LogFormat>) {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
            .init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// The keys that the configuration names; makes one if it names none.
fn load_keys(source: &KeySource, clock: &Clock) -> Result<Keys, String> {
    if source.admin.is_none() && source.file.is_none() && !source.generated.exists() {
        generate_key(&source.generated, clock)?;
    }
    read_keys(source)
}

/// The fault says where, never a secret.
pub(super) fn read_keys(source: &KeySource) -> Result<Keys, String> {
    let generated = source.admin.is_none().then_some(&source.generated);
    let file = source.file.as_ref().or(generated);
    let say = |path: &Path, fault: String| format!("{}: {fault}", path.display());
    let text = file
        .map(|path| fs::read_to_string(path).map_err(|e| say(path, e.to_string())))
        .transpose()?;
    let place = file.map_or(Path::new("environment"), |path| path);
    Keys::load(text.as_deref(), source.admin.clone()).map_err(|fault| say(place, fault))
}

fn reload_keys(source: &KeySource, app: &App) {
    match read_keys(source) {
        Ok(keys) => {
            tracing::info!(keys = keys.count(), "keys read again");
            app.authenticator.replace_keys(keys);
        }
        Err(fault) => tracing::error!("{fault}; the keys stay as they were"),
    }
}

/// Writes a new admin key to `path`, readable by nobody else, and shows it once.
fn generate_key(path: &Path, clock: &Clock) -> Result<(), String> {
    let id = format!(
        "FL{}",
        &clock.uuid().simple().to_string()[..16].to_uppercase()
    );
    let secret = format!("{}{}", clock.uuid().simple(), clock.uuid().simple());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| format!("{}: the first key cannot be written: {e}", path.display()))?;
    let entry = format!("[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\nrole = \"admin\"\n");
    file.write_all(entry.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| format!("{}: {e}", path.display()))?;
    say!(
        "A first access key (shown once, kept in {}):\n  id      {id}\n  secret  {secret}\n",
        path.display()
    );
    Ok(())
}
