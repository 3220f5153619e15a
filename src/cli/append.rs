//! `flowledger append`: events from standard input, in batches that know their place, so that a run which
//! was interrupted can be repeated from its beginning.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    time::timeout,
};

use super::{
    remote::{connect, told},
    terminal::{print, safe},
};
use crate::{
    client::{Client, Failure, Repeat},
    config::ConnectArgs,
    model::event::EXECUTION_STARTED,
    wire::error::Code,
};

/// Events of one append.
const BATCH_EVENTS: usize = 500;
/// Bytes of one append as they are sent: a request's body has 1 MiB.
const BATCH_BYTES: usize = 900 * 1024;
/// How long a batch that is not full waits for more lines.
const LINGER: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
#[command(after_help = "\
Each line is an event: Type, and if wanted StepName, EventDetail (a text), Time, ScheduleEventId, EventId.
Every batch says which EventId its first event must get. So a run that was interrupted is repeated as it
was: what is there already is compared, and the rest is appended.

Examples:
  flowledger append order order-7 < events.ndjson
  my-engine | flowledger append order order-8
  echo '{\"Type\":\"StepEntered\",\"StepName\":\"ship\"}' | flowledger append order order-7 --first end")]
pub struct AppendArgs {
    flow: String,
    execution: String,

    /// EventId of the first event, or `end` to append after whatever is there (then a repeat appends twice)
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
    /// As they are sent.
    bytes: usize,
    /// Number of the first line in the input, from 1.
    first_line: usize,
}

pub async fn run(args: AppendArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let target = Target {
        client: &client,
        flow: &args.flow,
        execution: &args.execution,
    };
    let there = target.last_event_id().await.map_err(told)?;
    let mut input = Input {
        lines: BufReader::new(tokio::io::stdin()).lines(),
        line: 0,
        held: None,
    };
    let (mut next, mut begin) = (None, 0);
    while let Some(batch) = input.batch().await? {
        let at = *next.get_or_insert_with(|| match args.first {
            Some(First::Id(id)) => id,
            Some(First::End) => there + 1,
            None => place(&batch.lines[0]),
        });
        begin = if begin == 0 { at } else { begin };
        let last_line = batch.first_line + batch.lines.len() - 1;
        let lines = format!("lines {} to {last_line}", batch.first_line);
        target.append(&batch.lines, at).await.map_err(|failure| match failure {
            failure if failure.is(Code::ConcurrentUpdateError.as_str()) => format!(
                "{lines}: the history goes another way from event {at} on: {} If these events are to follow what is there, say --first end",
                told(failure)
            ),
            failure => format!("{lines}: {}", told(failure)),
        })?;
        next = Some(at + count(&batch.lines));
    }
    let end = next.unwrap_or(begin);
    let known = (there + 1).clamp(begin, end) - begin;
    let known = if known > 0 {
        format!(", {known} of which were there")
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
                ", which was there"
            }
        )),
        events => print(&format!("{events} events, {begin} to {}{known}\n", end - 1)),
    }?;
    Ok(())
}

fn count(lines: &[String]) -> i64 {
    i64::try_from(lines.len()).unwrap_or(i64::MAX)
}

/// The EventId that a history which begins with this line begins with.
fn place(line: &str) -> i64 {
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
    async fn last_event_id(&self) -> Result<i64, Failure> {
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

    /// Appends the lines as the events from `at` on. A batch may stand there, or half of it: batches of an
    /// earlier run may have ended elsewhere.
    async fn append(&self, lines: &[String], at: i64) -> Result<(), Failure> {
        let conflict = match self.try_append(lines, at).await {
            Err(failure) if failure.is(Code::ConcurrentUpdateError.as_str()) => failure,
            result => return result,
        };
        let there = self.last_event_id().await? + 1 - at;
        match usize::try_from(there) {
            Ok(there) if there > 0 && there < lines.len() => {
                self.try_append(&lines[..there], at).await?;
                self.try_append(&lines[there..], at + count(&lines[..there]))
                    .await
            }
            _ => Err(conflict),
        }
    }

    async fn try_append(&self, lines: &[String], at: i64) -> Result<(), Failure> {
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
            .write("AppendExecutionEvents", &params, Repeat::Harmless)
            .await;
        answer.map(|_: serde::de::IgnoredAny| ())
    }
}

struct Input {
    lines: Lines<BufReader<Stdin>>,
    /// Lines read so far.
    line: usize,
    /// One that did not fit into the batch before it.
    held: Option<String>,
}

impl Input {
    /// The next lines: as many as make a batch, or as come without a pause. None at the end.
    async fn batch(&mut self) -> Result<Option<Batch>, String> {
        let mut batch = Batch::default();
        loop {
            let line = match self.held.take() {
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
                self.held = Some(line);
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

    /// A line that was read, if it is JSON.
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
                format!("line {} is not JSON: {}", self.line, safe(&e.to_string()))
            };
            serde_json::from_str::<&RawValue>(&line).map_err(fault)?;
        }
        Ok(Some(line))
    }
}

/// Bytes that a text takes in a form, with the comma behind it.
fn sent_bytes(text: &str) -> usize {
    let pieces = form_urlencoded::byte_serialize(text.as_bytes());
    pieces.map(str::len).sum::<usize>() + 3
}
