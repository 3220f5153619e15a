//! `flowledger append`: appends events from standard input in batches. Each batch says which EventId its first event
//! must get, which makes a repeated run idempotent.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    time::timeout,
};

use super::{
    remote::{connect, describe_error},
    terminal::print,
};
use crate::{
    client::{self, Client, Retry},
    config::ConnectArgs,
    model::event::EXECUTION_STARTED,
    text::visible,
    wire::error::Code,
};

/// Events of one append.
const BATCH_EVENTS: usize = 500;
/// Bytes of one append as sent: the body of a request may have 1 MiB.
const BATCH_BYTES: usize = 900 * 1024;
/// Longest wait of a batch that is not full for the next line.
const LINGER: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
#[command(after_help = "\
Each line is an event: Type, and optionally StepName, EventDetail (a text), Time, ScheduleEventId, EventId.
Every batch says which EventId its first event must get. To retry an interrupted run, run the same command
with the same input: events that are stored already are compared, the others are appended.

Examples:
  flowledger append order order-7 < events.ndjson
  my-engine | flowledger append order order-8
  echo '{\"Type\":\"StepEntered\",\"StepName\":\"ship\"}' | flowledger append order order-7 --first end")]
pub struct AppendArgs {
    flow: String,
    execution: String,

    /// EventId of the first event, or `end` to append after the last stored event (then a retry appends twice)
    /// [default: the first line's EventId; else 1 for ExecutionStarted; else 2]
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

/// Consecutive lines, each a JSON object.
#[derive(Default)]
struct Batch {
    lines: Vec<String>,
    /// Bytes of the lines as sent.
    bytes: usize,
    /// Number of the first line in the input, from 1.
    first_line: usize,
}

/// Appends standard input batch by batch and prints how many events were appended.
///
/// # Errors
/// One line for the user: a line is no event, the server refuses a batch, or output fails.
pub async fn run(args: AppendArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let target = Target {
        client: &client,
        flow: &args.flow,
        execution: &args.execution,
    };
    let stored = target.last_event_id().await.map_err(describe_error)?;
    let mut input = Input {
        lines: BufReader::new(tokio::io::stdin()).lines(),
        line: 0,
        next_batch: None,
    };
    let (mut next, mut begin) = (None, 0);
    while let Some(batch) = input.batch().await? {
        let at = *next.get_or_insert_with(|| match args.first {
            Some(First::Id(id)) => id,
            Some(First::End) => stored + 1,
            None => first_event_id(&batch.lines[0]),
        });
        begin = if begin == 0 { at } else { begin };
        let last_line = batch.first_line + batch.lines.len() - 1;
        let lines = format!("lines {} to {last_line}", batch.first_line);
        target.append(&batch.lines, at).await.map_err(|error| match error {
            error if error.is(Code::ConcurrentUpdateError.as_str()) => format!(
                "{lines}: the history has other events from event {at} on: {} To append after the stored events, use --first end",
                describe_error(error)
            ),
            error => format!("{lines}: {}", describe_error(error)),
        })?;
        next = Some(at + count(&batch.lines));
    }
    let end = next.unwrap_or(begin);
    let known = (stored + 1).clamp(begin, end) - begin;
    let known = if known > 0 {
        format!(", {known} of which were stored already")
    } else {
        String::new()
    };
    match end - begin {
        0 => print("no events\n"),
        1 => print(&format!(
            "event {begin}{}\n",
            if known.is_empty() {
                ""
            } else {
                ", which was stored already"
            }
        )),
        events => print(&format!("{events} events, {begin} to {}{known}\n", end - 1)),
    }?;
    Ok(())
}

fn count(lines: &[String]) -> i64 {
    i64::try_from(lines.len()).unwrap_or(i64::MAX)
}

/// Returns the EventId of the first line of a history: its own, or 1 if it starts the execution, or 2.
fn first_event_id(line: &str) -> i64 {
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
    }) = serde_json::from_str(line)
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

    /// Appends the lines as the events from `at` on. All of them may be stored already, or the first ones only: an
    /// earlier run may have split its input into other batches. The two parts are sent one after the other then.
    async fn append(&self, lines: &[String], at: i64) -> Result<(), client::Error> {
        let conflict = match self.try_append(lines, at).await {
            Err(error) if error.is(Code::ConcurrentUpdateError.as_str()) => error,
            result => return result,
        };
        let stored = self.last_event_id().await? + 1 - at;
        match usize::try_from(stored) {
            Ok(stored) if stored > 0 && stored < lines.len() => {
                self.try_append(&lines[..stored], at).await?;
                self.try_append(&lines[stored..], at + count(&lines[..stored]))
                    .await
            }
            _ => Err(conflict),
        }
    }

    async fn try_append(&self, lines: &[String], at: i64) -> Result<(), client::Error> {
        let events = format!("[{}]", lines.join(","));
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

struct Input {
    lines: Lines<BufReader<Stdin>>,
    /// Lines read so far.
    line: usize,
    /// A line that did not fit into the last batch.
    next_batch: Option<String>,
}

impl Input {
    /// Returns the next lines: as many as make a batch, or as come without a pause. None at the end.
    async fn batch(&mut self) -> Result<Option<Batch>, String> {
        let mut batch = Batch::default();
        loop {
            let line = match self.next_batch.take() {
                Some(line) => Some(line),
                None if batch.lines.is_empty() => self.next().await?,
                None => match timeout(LINGER, self.lines.next_line()).await {
                    Ok(line) => self.checked(line)?,
                    Err(_) => break,
                },
            };
            let Some(line) = line else {
                break;
            };
            if line.trim().is_empty() {
                continue;
            }
            let bytes = sent_bytes(&line);
            if batch.lines.is_empty() {
                batch.first_line = self.line;
            } else if batch.bytes + bytes > BATCH_BYTES {
                self.next_batch = Some(line);
                break;
            }
            batch.bytes += bytes;
            batch.lines.push(line);
            if batch.lines.len() == BATCH_EVENTS {
                break;
            }
        }
        Ok((!batch.lines.is_empty()).then_some(batch))
    }

    async fn next(&mut self) -> Result<Option<String>, String> {
        let line = self.lines.next_line().await;
        self.checked(line)
    }

    /// Returns the line that was read, if it is JSON.
    fn checked(&mut self, line: std::io::Result<Option<String>>) -> Result<Option<String>, String> {
        let line = line.map_err(|e| {
            format!(
                "standard input cannot be read after line {}: {e}",
                self.line
            )
        })?;
        let Some(line) = line else {
            return Ok(None);
        };
        self.line += 1;
        if !line.trim().is_empty() {
            let fault = |e: serde_json::Error| {
                format!(
                    "line {} is not JSON: {}",
                    self.line,
                    visible(&e.to_string())
                )
            };
            serde_json::from_str::<&RawValue>(&line).map_err(fault)?;
        }
        Ok(Some(line))
    }
}

/// Returns how many bytes a text takes in a form, with the percent-encoded comma after it.
fn sent_bytes(text: &str) -> usize {
    let pieces = form_urlencoded::byte_serialize(text.as_bytes());
    pieces.map(str::len).sum::<usize>() + 3
}
