//! `flowledger append`: appends events from standard input in batches. Each batch says which EventId its first event
//! must get, which makes a repeated run idempotent.

mod input;
mod parser;
mod progress;

use clap::Args;
use serde::Deserialize;

use self::{
    input::{Batch, Input},
    parser::EventText,
    progress::Progress,
};
use super::{
    Failure,
    remote::{connect, describe_error},
    terminal::{print, print_error},
};
use crate::{
    client::{self, Client, Retry},
    config::ConnectArgs,
    model::event::EXECUTION_STARTED,
    text::counted,
    wire::error::Code,
};

/// Exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

#[derive(Args, Debug)]
#[command(after_help = "\
The input is a JSON object for each event, usually one a line, or JSON arrays of them, or answers of \
GetExecutionHistory. An event has a Type, and optionally StepName, EventDetail (a text), Time, ScheduleEventId, \
EventId.

Every batch says which EventId its first event must get. To retry an interrupted run, run the same command with the \
same input: events that are stored already are compared, the others are appended.

Examples:
  flowledger append order order-7 < events.ndjson
  flowledger tail order order-7 --json | flowledger append order copy-of-7
  my-engine | flowledger append order order-8
  echo '{\"Type\":\"StepEntered\",\"StepName\":\"ship\"}' | flowledger append order order-7 --first end")]
pub struct AppendArgs {
    flow: String,
    execution: String,

    /// EventId of the first event, or `end` to append after the last stored event (then a retry appends twice)
    /// [default: the first event's EventId; else 1 for ExecutionStarted; else 2]
    #[arg(long, value_name = "EVENT_ID", value_parser = first)]
    first: Option<First>,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug)]
enum First {
    Id(i64),
    End,
}

fn first(text: &str) -> Result<First, String> {
    match text.parse() {
        Ok(id) if id >= 1 => Ok(First::Id(id)),
        _ if text == "end" => Ok(First::End),
        _ => Err("must be an EventId or `end`".to_owned()),
    }
}

/// An execution to append to.
struct Target<'a> {
    client: &'a Client,
    flow: &'a str,
    execution: &'a str,
}

/// A run, and how far it got.
struct Session<'a> {
    target: Target<'a>,
    first: Option<First>,
    input: Input,
    progress: Progress,
    /// EventId of the last event that was stored before the run; 0 if there is no such execution yet.
    stored: i64,
    /// EventId of the first event, once it is known.
    begin: i64,
    /// EventId after the last one that the server acknowledged.
    next: i64,
    /// The line where the last acknowledged event begins.
    line: usize,
}

/// Appends standard input batch by batch and prints how many events were appended.
///
/// # Errors
/// One line for the user, with how far the run got: a line is no event, the server refuses a batch, output fails, or
/// Ctrl-C.
pub async fn run(args: AppendArgs) -> Result<(), Failure> {
    let client = connect(&args.connect).await?;
    let mut session = Session {
        target: Target {
            client: &client,
            flow: &args.flow,
            execution: &args.execution,
        },
        first: args.first,
        input: Input::new(),
        progress: Progress::new(),
        stored: 0,
        begin: 0,
        next: 0,
        line: 0,
    };
    let result = tokio::select! {
        biased; // the signal is caught from the first request on
        interrupt = tokio::signal::ctrl_c() => Err(interrupt.err().map(|e| e.to_string())),
        result = session.append_all() => result.map_err(Some),
    };
    session.progress.clear();
    match result {
        Ok(()) => {
            print(&session.summary())?;
            Ok(())
        }
        Err(Some(fault)) => Err(format!("{fault}{}", session.appended_before()).into()),
        Err(None) => Err(Failure {
            message: session.interruption(),
            exit_code: INTERRUPTED,
        }),
    }
}

impl Session<'_> {
    async fn append_all(&mut self) -> Result<(), String> {
        let unknown = match self.target.last_event_id().await {
            Ok(stored) => {
                self.stored = stored;
                None
            }
            Err(error) if error.is(Code::ExecutionNotExists.as_str()) => Some(error),
            Err(error) => return Err(describe_error(error)),
        };
        let first = self.input.batch().await?;
        if let Some(batch) = &first {
            self.begin = match self.first {
                Some(First::Id(id)) => id,
                Some(First::End) => self.stored + 1,
                None => first_event_id(&batch.events[0].json),
            };
            self.next = self.begin;
        }
        // Only event 1 can start an execution.
        match unknown {
            Some(error) if self.begin != 1 => return Err(describe_error(error)),
            _ => {}
        }
        let mut batch = first;
        while let Some(events) = batch {
            self.append(&events).await?;
            batch = self.input.batch().await?;
        }
        if self.input.is_cut() {
            print_error(
                "the last answer of the input has a NextToken: the history has more events",
            );
        }
        Ok(())
    }

    async fn append(&mut self, batch: &Batch) -> Result<(), String> {
        let (events, at) = (&batch.events, self.next);
        self.target.append(events, at).await.map_err(|error| {
            let lines = lines(events);
            match error {
                error if error.is(Code::ConcurrentUpdateError.as_str()) => format!(
                    "{lines}: the history has other events from event {at} on: {} To append after the stored events, use --first end",
                    describe_error(error)
                ),
                error => {
                    let fault = describe_error(error);
                    name_line(&fault, events).unwrap_or_else(|| format!("{lines}: {fault}"))
                }
            }
        })?;
        self.next = at + length(events);
        self.line = events[events.len() - 1].line;
        let text = format!(
            "{}, {} to {}",
            counted(self.next.abs_diff(self.begin), "event"),
            self.begin,
            self.next - 1
        );
        self.progress.report(&text, self.input.percent());
        Ok(())
    }

    fn summary(&self) -> String {
        let (begin, end) = (self.begin, self.next);
        let known = (self.stored + 1).clamp(begin, end) - begin;
        match (end - begin, known) {
            (0, _) => "no events\n".to_owned(),
            (1, 0) => format!("event {begin}\n"),
            (1, _) => format!("event {begin}, which was stored already\n"),
            (events, 0) => format!("{events} events, {begin} to {}\n", end - 1),
            (events, known) => format!(
                "{events} events, {begin} to {}, {known} of which were stored already\n",
                end - 1
            ),
        }
    }

    /// Returns what follows an error if a part of the input is stored.
    fn appended_before(&self) -> String {
        match self.next - self.begin {
            0 => String::new(),
            1 => format!("; event {} is stored", self.begin),
            _ => format!("; events {} to {} are stored", self.begin, self.next - 1),
        }
    }

    fn interruption(&self) -> String {
        if self.next == self.begin {
            return "interrupted; no event was acknowledged".to_owned();
        }
        let again = match self.first {
            Some(First::End) => format!(
                "to continue, give the input after line {} and --first {}",
                self.line, self.next
            ),
            _ => "to continue, run the same command with the same input".to_owned(),
        };
        format!(
            "interrupted{}, up to line {} of the input; {again}",
            self.appended_before(),
            self.line
        )
    }
}

/// Returns the lines of these events, in words.
fn lines(events: &[EventText]) -> String {
    match (events[0].line, events[events.len() - 1].line) {
        (first, last) if first == last => format!("line {first}"),
        (first, last) => format!("lines {first} to {last}"),
    }
}

/// Returns a refusal with the line of the event instead of its index, if the server names an event.
fn name_line(fault: &str, events: &[EventText]) -> Option<String> {
    let (before, rest) = fault.split_once("Events[")?;
    let (index, rest) = rest.split_once(']')?;
    let event = events.get(index.parse::<usize>().ok()?)?;
    let rest = rest
        .strip_prefix('.')
        .map_or_else(|| format!("the event{rest}"), str::to_owned);
    Some(format!("line {}: {before}{rest}", event.line))
}

fn length(events: &[EventText]) -> i64 {
    i64::try_from(events.len()).unwrap_or(i64::MAX)
}

/// Returns the EventId of the first event of a history: its own, or 1 if it starts the execution, or 2.
fn first_event_id(json: &str) -> i64 {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Event {
        #[serde(rename = "Type")]
        event_type: Option<String>,
        event_id: Option<i64>,
    }
    let Ok(Event {
        event_type,
        event_id,
    }) = serde_json::from_str(json)
    else {
        return 2;
    };
    let started = event_type.as_deref() == Some(EXECUTION_STARTED);
    event_id.unwrap_or(if started { 1 } else { 2 })
}

impl Target<'_> {
    async fn last_event_id(&self) -> Result<i64, client::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            events: Vec<Event>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Event {
            event_id: i64,
        }
        let params = [
            ("FlowName", self.flow),
            ("ExecutionName", self.execution),
            ("Reverse", "true"),
            ("Limit", "1"),
        ];
        let page: Page = self.client.read("GetExecutionHistory", &params).await?;
        Ok(page.events.first().map_or(0, |event| event.event_id))
    }

    /// Appends the events from EventId `at` on. All of them may be stored already, or the first ones only: an
    /// earlier run may have split its input into other batches. The two parts are sent one after the other then.
    async fn append(&self, events: &[EventText], at: i64) -> Result<(), client::Error> {
        let conflict = match self.try_append(events, at).await {
            Err(error) if error.is(Code::ConcurrentUpdateError.as_str()) => error,
            result => return result,
        };
        let stored = self.last_event_id().await? + 1 - at;
        match usize::try_from(stored) {
            Ok(stored) if stored > 0 && stored < events.len() => {
                let (stored, missing) = events.split_at(stored);
                self.try_append(stored, at).await?;
                self.try_append(missing, at + length(stored)).await
            }
            _ => Err(conflict),
        }
    }

    async fn try_append(&self, events: &[EventText], at: i64) -> Result<(), client::Error> {
        let events: Vec<_> = events.iter().map(|event| event.json.as_str()).collect();
        let events = format!("[{}]", events.join(","));
        let expected = at.to_string();
        let params = [
            ("FlowName", self.flow),
            ("ExecutionName", self.execution),
            ("ExpectedEventId", &expected),
            ("Events", &events),
        ];
        let answer = self
            .client
            .write("AppendExecutionEvents", &params, Retry::Safe)
            .await;
        answer.map(|_: serde::de::IgnoredAny| ())
    }
}
