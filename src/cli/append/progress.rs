//! Says how far a long run got: on a terminal in place, else with a line from time to time.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::cli::terminal::print_error;

/// A run that is shorter shows nothing.
const QUIET: Duration = Duration::from_secs(1);
/// Between two lines where standard error is no terminal, for example in the log of a job.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// How often the spinner turns.
const SPINNER_INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    started: Instant,
    last_line: Instant,
    /// On a terminal, once the run is long.
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Progress {
            started: now,
            last_line: now,
            bar: None,
        }
    }

    /// Shows how far the run got, if it is time to.
    pub(super) fn report(&mut self, done: &str, percent: Option<u64>) {
        let percent = percent.map_or(String::new(), |percent| {
            format!(" ({percent} % of the input)")
        });
        let text = format!("{done}{percent}");
        if stderr().is_terminal() {
            if self.started.elapsed() >= QUIET {
                let bar = self.bar.get_or_insert_with(|| {
                    let bar = ProgressBar::new_spinner();
                    bar.enable_steady_tick(SPINNER_INTERVAL);
                    bar
                });
                bar.set_message(text);
            }
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            print_error(&text);
        }
    }

    /// Removes what is shown on a terminal.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
