//! `flowledger check`: looks for corruption in a database file and names each damaged row.

use std::{fmt::Write, process::ExitCode, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::print;
use crate::{config, store, text::visible};

/// How often the spinner turns while the size of the work is not known.
const SPINNER_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
#[command(after_help = "\
Reads the file and changes nothing; a server may have it open. Prints a line for each damaged row, which begins with \
FLOW/EXECUTION event ID where that is known, and a line with the counts. Exit code 0: sound, 1: damaged or cannot be \
checked, 2: wrong usage.

Examples:
  flowledger check
  flowledger check --quick --database-url sqlite:///var/lib/flowledger/flowledger.db")]
pub struct CheckArgs {
    /// Database
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true, // it may have a password
        default_value = config::DATABASE_URL,
        value_name = "URL"
    )]
    database_url: String,

    /// Check a sample only, as `serve` does at each start
    #[arg(long)]
    quick: bool,
}

/// Checks the database and prints what is damaged. Returns failure if anything is.
///
/// # Errors
/// One line for the user: the database cannot be checked, or output fails.
pub async fn run(args: CheckArgs) -> Result<ExitCode, String> {
    let bar = ProgressBar::new_spinner().with_message("pages and indexes"); // draws on a terminal only
    bar.enable_steady_tick(SPINNER_INTERVAL);
    let events =
        ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} events, {eta} left");
    let events = events.map_err(|e| e.to_string())?;
    let mut progress = |done, all| {
        if bar.length() != Some(all) {
            bar.set_style(events.clone());
            bar.set_length(all);
        }
        bar.set_position(done);
    };
    let checked = store::check(&args.database_url, args.quick, &mut progress).await;
    bar.finish_and_clear();
    let checked = checked?;
    let mut text = String::new();
    for fault in &checked.faults {
        let _ = writeln!(text, "{}", visible(fault));
    }
    let faults = checked.faults.len() as u64 + checked.more_faults;
    let verdict = match faults {
        0 => "sound".to_owned(),
        1 => "1 fault".to_owned(),
        _ => format!("{faults} faults"),
    };
    let sample = if args.quick { " in a sample" } else { "" };
    let _ = writeln!(
        text,
        "{}: {verdict}{sample} (flows {}, executions {}, events {})",
        args.database_url, checked.flows, checked.executions, checked.events
    );
    print(&text)?;
    Ok(ExitCode::from(u8::from(faults > 0)))
}
