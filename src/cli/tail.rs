//! `flowledger tail`: the events of an execution as they come, until it ends.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use tokio::time::{Instant, sleep};

use super::{
    events,
    remote::{self, Event, History, connect, told},
    show,
    terminal::{print, width},
};
use crate::timeline::Timeline;
use crate::{
    config::ConnectArgs,
    model::{Status, Timestamp},
};

/// Seconds that a server may wait for an event before it answers that there is none.
const WAIT_SECONDS: u32 = 50;
/// Pause after an answer without events from a server that does not wait, such as the cloud's.
const PAUSE: Duration = Duration::from_secs(1);
/// Spans that the summary needs.
const BUDGET: usize = 200;

#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 0 if the execution succeeded, 1 if it ended in another way.

Examples:
  flowledger tail order order-1004-live
  flowledger tail order order-7 -n 1000 && echo shipped
  flowledger tail order order-7 --json | jq -c 'select(.Type==\"TaskFailed\")'")]
pub struct TailArgs {
    flow: String,
    execution: String,

    /// Print so many of the events that are there already
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,

    /// Each event as it came, one JSON a line, and no summary
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub async fn run(args: TailArgs) -> Result<ExitCode, String> {
    let client = connect(&args.connect).await?;
    let (flow, name) = (args.flow.as_str(), args.execution.as_str());
    let mut history = History::of(&client, flow, name);
    let mut printer = Printer {
        json: args.json,
        begin: None,
        timeline: Timeline::new(BUDGET),
    };

    let mut last = std::collections::VecDeque::new();
    let each = |event: Event| {
        printer.see(&event);
        last.push_back(event);
        if last.len() > args.lines {
            last.pop_front();
        }
    };
    history.whole(each).await.map_err(told)?;
    if !args.json {
        print(&events::head(events::STEP_WIDTH, width()))?;
    }
    for event in &last {
        if !printer.print(event)? {
            return Ok(ExitCode::SUCCESS); // the reader of the output has closed it
        }
    }
    while printer.runs() {
        let asked = Instant::now();
        let events = history.page(WAIT_SECONDS).await.map_err(told)?;
        for event in &events {
            printer.see(event);
            if !printer.print(event)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if events.is_empty() && asked.elapsed() < PAUSE {
            // No event may say that it ended.
            if !remote::describe(&client, flow, name)
                .await
                .map_err(told)?
                .runs()
            {
                break;
            }
            sleep(PAUSE).await;
        }
    }
    let execution = remote::describe(&client, flow, name).await.map_err(told)?;
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
    /// The time of the first event.
    begin: Option<Timestamp>,
    timeline: Timeline,
}

impl Printer {
    fn see(&mut self, event: &Event) {
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

    /// Whether no event has said that the execution ended.
    fn runs(&self) -> bool {
        self.timeline.root().state.is_open()
    }
}
