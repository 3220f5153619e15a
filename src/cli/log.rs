//! The log of `serve`: its format, and standard error as its output.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fs::File,
    io::{IsTerminal, Write, stderr},
    os::fd::AsFd,
    panic::PanicHookInfo,
    sync::Arc,
    time::Duration,
};

use tracing_subscriber::EnvFilter;

use crate::{config::LogFormat, log::LogWriter};

/// Longest wait for the last lines when the process ends: standard error may be a pipe without a reader.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The log of this process.
pub(super) struct Log(Arc<LogWriter>);

impl Log {
    /// Sends log lines and panic messages to standard error from now on.
    ///
    /// # Errors
    /// The system has no descriptor or thread to spare.
    pub(super) fn start(format: Option<LogFormat>) -> Result<Self, String> {
        let fault = |e| format!("the log cannot be started: {e}");
        // Not `std::io::stderr()`: a blocked write would hold its lock and so block every other thread that prints.
        let output = stderr().as_fd().try_clone_to_owned().map_err(fault)?;
        let report = |dropped| {
            tracing::warn!(
                dropped_lines = dropped,
                "log lines were dropped since the start, because standard error did not take them"
            );
        };
        let writer = LogWriter::start(File::from(output), report).map_err(fault)?;
        let terminal = stderr().is_terminal();
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .log_internal_errors(false) // it would print them with eprintln!, which blocks and panics
            .with_writer(Arc::clone(&writer));
        match format.unwrap_or(if terminal {
            LogFormat::Text
        } else {
            LogFormat::Json
        }) {
            LogFormat::Text => log
                .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
                .init(),
            LogFormat::Json => log.json().flatten_event(true).init(),
        }
        std::panic::set_hook(Box::new(log_panic)); // the standard one writes to standard error itself
        Ok(Log(writer))
    }

    /// Writes the line that says why the process ends, which is no log line.
    pub(super) fn end_with(&self, fault: &str) {
        let line = format!("flowledger: {fault}\n"); // written at once: each write is a line
        let _ = (&*self.0).write_all(line.as_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIMEOUT);
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or_default().escape_debug();
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture(); // only if RUST_BACKTRACE asks for it
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        panic.place = place,
        panic.backtrace = backtrace.as_ref().map(tracing::field::display),
        "a thread panicked: {message}"
    );
}
