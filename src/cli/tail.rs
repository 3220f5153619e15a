//! `flowledger tail`: prints the events of an execution as they are appended, until it ends.

use std::{collections::VecDeque, process::ExitCode, time::Duration};

use clap::Args;
use tokio::time::{Instant, sleep};

use super::{
    Failure, events,
    remote::{self, Event, History, connect, describe_error},
    show,
    terminal::{print, width},
};
use crate::{
    client,
    config::ConnectArgs,
    model::{Status, Timestamp},
    timeline::Timeline,
    wire::error::Code,
};

/// Longest long poll, in seconds; the API allows 60.
const WAIT_SECONDS: u32 = 50;
/// Interval of polls to a server that has no long poll, such as the cloud's.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Stored events that are printed for a person.
const LINES_DEFAULT: usize = 10;
/// Spans that are kept for the summary.
const SPANS_MAX: usize = 200;

#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 0 if the execution succeeded, 1 if it ended otherwise, 3 if there is no such flow or execution, 4 if \
the server cannot be reached, 5 if the events cannot be read for another reason, such as a wrong key. A server that \
stops answering is tried again for 13 s; a line on standard error says so.

Examples:
  flowledger tail order order-1004-live
  flowledger tail order order-7 -n 1000 && echo shipped
  flowledger tail order order-7 --json | jq -c 'select(.Type==\"TaskFailed\")'")]
pub struct TailArgs {
    flow: String,
    execution: String,

    /// Print this many of the events that are stored already [default: 10; with --json all]
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<usize>,

    /// Print each event unchanged, one JSON object a line, and no summary
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Exit code: there is no such flow or execution.
const UNKNOWN_NAME: u8 = 3;
/// Exit code: no server of this API answers.
const UNREACHABLE: u8 = 4;
/// Exit code: the events cannot be read for another reason.
const REFUSED: u8 = 5;

/// Prints events until the execution ends. Returns success if it succeeded, or if the reader of the output left, and
/// failure if the execution ended otherwise.
///
/// # Errors
/// The execution cannot be followed to its end, or output fails. The exit code differs from those of an execution.
pub async fn run(args: TailArgs) -> Result<ExitCode, Failure> {
    let refused = |message| Failure {
        message,
        exit_code: REFUSED,
    };
    let client = connect(&args.connect).await.map_err(refused)?;
    let (flow, name) = (args.flow.as_str(), args.execution.as_str());
    let mut history = History::new(&client, flow, name);
    let mut printer = Printer {
        json: args.json,
        begin: None,
        timeline: Timeline::new(SPANS_MAX),
    };
    let stored_max = args.lines.unwrap_or(match args.json {
        true => usize::MAX,
        false => LINES_DEFAULT,
    });

    let mut last = VecDeque::new();
    loop {
        for event in history.next_page(0).await.map_err(failure)? {
            printer.record(&event);
            last.push_back(event);
        }
        let surplus = last.len().saturating_sub(stored_max);
        last.drain(..surplus);
        let at_end = !history.has_more();
        if at_end && !args.json {
            print(&events::head(events::STEP_WIDTH, width()))?;
        }
        if at_end || stored_max == usize::MAX {
            for event in last.drain(..) {
                if !printer.print(&event)? {
                    return Ok(ExitCode::SUCCESS); // the reader of the output has closed it
                }
            }
        }
        if at_end {
            break;
        }
    }
    while printer.is_running() {
        let sent = Instant::now();
        let events = history.next_page(WAIT_SECONDS).await.map_err(failure)?;
        for event in &events {
            printer.record(event);
            if !printer.print(event)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if events.is_empty() && sent.elapsed() < POLL_INTERVAL {
            // An execution can end without an event that says so.
            let described = remote::describe(&client, flow, name).await;
            if !described.map_err(failure)?.is_running() {
                break;
            }
            sleep(POLL_INTERVAL).await;
        }
    }
    let execution = remote::describe(&client, flow, name).await;
    let execution = execution.map_err(failure)?;
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

fn failure(error: client::Error) -> Failure {
    let unknown = [Code::FlowNotExists, Code::ExecutionNotExists];
    let exit_code = match &error {
        error if unknown.iter().any(|code| error.is(code.as_str())) => UNKNOWN_NAME,
        client::Error::Refused { .. } => REFUSED,
        client::Error::Unreachable(_) | client::Error::UnexpectedAnswer(_) => UNREACHABLE,
    };
    Failure {
        message: describe_error(error),
        exit_code,
    }
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
