//! `flowledger tail`: prints the events of an execution as they are appended, until it ends.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use tokio::time::{Instant, sleep};

use super::{
    events,
    remote::{self, Event, History, connect, describe_error},
    show,
    terminal::{print, width},
};
use crate::{
    config::ConnectArgs,
    model::{Status, Timestamp},
    timeline::Timeline,
};

/// Longest long poll, in seconds; the API allows 60.
const WAIT_SECONDS: u32 = 50;
/// Interval of polls to a server that has no long poll, such as the cloud's.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Spans that are kept for the summary.
const SPANS_MAX: usize = 200;

#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 0 if the execution succeeded, 1 if it ended otherwise.

Examples:
  flowledger tail order order-1004-live
  flowledger tail order order-7 -n 1000 && echo shipped
  flowledger tail order order-7 --json | jq -c 'select(.Type==\"TaskFailed\")'")]
pub struct TailArgs {
    flow: String,
    execution: String,

    /// Print this many of the events that are stored already
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,

    /// Print each event unchanged, one JSON object a line, and no summary
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Prints events until the execution ends. Returns success if it succeeded, or if the reader of the output left.
///
/// # Errors
/// One line for the user: the server refuses a page, or output fails.
pub async fn run(args: TailArgs) -> Result<ExitCode, String> {
    let client = connect(&args.connect).await?;
    let (flow, name) = (args.flow.as_str(), args.execution.as_str());
    let mut history = History::new(&client, flow, name);
    let mut printer = Printer {
        json: args.json,
        begin: None,
        timeline: Timeline::new(SPANS_MAX),
    };

    let mut last = std::collections::VecDeque::new();
    let each = |event: Event| {
        printer.record(&event);
        last.push_back(event);
        if last.len() > args.lines {
            last.pop_front();
        }
    };
    history.read_to_end(each).await.map_err(describe_error)?;
    if !args.json {
        print(&events::head(events::STEP_WIDTH, width()))?;
    }
    for event in &last {
        if !printer.print(event)? {
            return Ok(ExitCode::SUCCESS); // the reader of the output has closed it
        }
    }
    while printer.is_running() {
        let sent = Instant::now();
        let events = history
            .next_page(WAIT_SECONDS)
            .await
            .map_err(describe_error)?;
        for event in &events {
            printer.record(event);
            if !printer.print(event)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if events.is_empty() && sent.elapsed() < POLL_INTERVAL {
            // An execution can end without an event that says so.
            if !remote::describe(&client, flow, name)
                .await
                .map_err(describe_error)?
                .is_running()
            {
                break;
            }
            sleep(POLL_INTERVAL).await;
        }
    }
    let execution = remote::describe(&client, flow, name)
        .await
        .map_err(describe_error)?;
    if !args.json {
        let head = show::head(flow, &execution, &printer.timeline, client.clock().now());
        print(&format!("\n{head}{}", show::failure(&printer.timeline)))?;
    }
    let good = execution.status == Status::Succeeded.as_str();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Printer {
    json: bool,
    /// Time of the first event.
    begin: Option<Timestamp>,
    timeline: Timeline,
}

impl Printer {
    fn record(&mut self, event: &Event) {
        self.begin = self.begin.or(event.event.time);
        self.timeline.push(&event.event);
    }

    /// Returns false if the reader of the output has closed it.
    fn print(&self, event: &Event) -> Result<bool, String> {
        print(&match self.json {
            true => format!("{}\n", event.json.get()),
            false => events::line(&event.event, self.begin, events::STEP_WIDTH, width()),
        })
    }

    /// Whether no event said that the execution ended.
    fn is_running(&self) -> bool {
        self.timeline.root().state.is_open()
    }
}
