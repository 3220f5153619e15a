//! Access keys of a process: read from a file and the environment, read again on SIGHUP, made at the first start.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{
    auth::{Authenticator, keys::Keys},
    clock::Clock,
    config::KeySource,
    model::Timestamp,
};

/// Bytes of a keys file: more than 5,000 keys.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Longest wait for a keys file, which may be on a network file system whose server does not answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Permission bits with which users other than the owner read a file.
const READABLE_BY_OTHERS: u32 = 0o044;

/// A key that the first start made.
pub(super) struct NewKey {
    pub(super) id: String,
    pub(super) secret: String,
}

/// Reads the keys that `source` names.
///
/// # Errors
/// The file cannot be read within 5 s, is no regular file, is longer than 1 MiB, has no valid keys, or all keys have
/// expired. The text names the file, never a secret.
pub(super) async fn read(source: &KeySource, clock: &Clock) -> Result<Keys, String> {
    match timeout(READ_TIMEOUT, start_reading(source)).await {
        Ok(text) => parse(source, text, clock.now()),
        Err(_) => Err(too_slow(source)),
    }
}

/// Reads the keys of a running server again, or says in the log why they stay as they are.
pub(super) async fn reload(source: &KeySource, authenticator: &Authenticator, clock: &Clock) {
    let mut reading = start_reading(source);
    let text = match timeout(READ_TIMEOUT, &mut reading).await {
        Ok(text) => text,
        Err(_) => {
            tracing::error!("{}; the keys stay as they were", too_slow(source));
            reading.await // one thread hangs, however many signals arrive meanwhile
        }
    };
    match parse(source, text, clock.now()) {
        Ok(keys) => {
            tracing::info!(keys = keys.count(), "keys read again");
            authenticator.replace_keys(keys);
        }
        Err(fault) => tracing::error!("{fault}; the keys stay as they were"),
    }
}

/// Reads the file on a thread for blocking work.
fn start_reading(source: &KeySource) -> JoinHandle<Result<Option<String>, String>> {
    let path = source.path().map(Path::to_owned);
    spawn_blocking(move || match path {
        None => Ok(None),
        Some(path) => match read_file(&path) {
            Ok(text) => Ok(Some(text)),
            Err(fault) => Err(format!("{}: {fault}", path.display())),
        },
    })
}

fn read_file(path: &Path) -> Result<String, String> {
    // Asked before it is opened: opening a named pipe waits for a writer.
    let kind = fs::metadata(path).map_err(|e| e.to_string())?;
    if !kind.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mode = file
        .metadata()
        .map_err(|e| e.to_string())?
        .permissions()
        .mode();
    if mode & READABLE_BY_OTHERS != 0 {
        tracing::warn!(
            "{path}: other users may read this keys file (mode {:04o}); run: chmod 600 {path}",
            mode & 0o7777,
            path = path.display()
        );
    }
    let mut text = String::new();
    let read = file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|e| e.to_string())?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(format!("is longer than {FILE_MAX_BYTES} bytes"));
    }
    Ok(text)
}

fn parse(
    source: &KeySource,
    read: Result<Result<Option<String>, String>, tokio::task::JoinError>,
    now: Timestamp,
) -> Result<Keys, String> {
    let text = read.map_err(|e| e.to_string())??;
    if source.admin.is_some() {
        let admin = Keys::load(None, source.admin.clone());
        admin.map_err(|fault| format!("environment: {fault}"))?;
    }
    let file = source.path().unwrap_or(Path::new("")).display();
    let in_file = |fault: String| format!("{file}: {fault}");
    let keys = Keys::load(text.as_deref(), source.admin.clone()).map_err(in_file)?;
    keys.check_usable(now).map_err(in_file)?;
    Ok(keys)
}

fn too_slow(source: &KeySource) -> String {
    let path = source.path().unwrap_or(Path::new("")).display();
    format!("{path}: cannot be read within {READ_TIMEOUT:?}")
}

/// Makes an admin key and writes it to the file that is used when no keys are configured, readable by its owner
/// only. Returns None if there are keys already.
///
/// # Errors
/// The file cannot be written.
pub(super) fn generate(source: &KeySource, clock: &Clock) -> Result<Option<NewKey>, String> {
    if source.admin.is_some() || source.file.is_some() || source.generated.exists() {
        return Ok(None);
    }
    let id = format!(
        "FL{}",
        &clock.uuid().simple().to_string()[..16].to_uppercase()
    );
    let secret = format!("{}{}", clock.uuid().simple(), clock.uuid().simple());
    let path = &source.generated;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| format!("{}: the first key cannot be written: {e}", path.display()))?;
    let entry = format!("[[key]]\nid = \"{id}\"\nsecret = \"{secret}\"\nrole = \"admin\"\n");
    file.write_all(entry.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| format!("{}: the first key cannot be written: {e}", path.display()))?;
    Ok(Some(NewKey { id, secret }))
}
