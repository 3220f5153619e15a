//! Calls of the terminal commands to a server.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{keys, terminal::print_error};
use crate::{
    client::{self, Client},
    clock::Clock,
    config::ConnectArgs,
    model::Timestamp,
    text::visible,
    timeline::{HistoryEvent, Timeline},
};

/// Events of one page: the most that the API allows.
const PAGE_EVENTS: &str = "1000";

/// An execution in the answers of DescribeExecution and ListExecutions.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Execution {
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) input: Option<String>,
    /// None while there is none, which the API answers as an empty text.
    #[serde(default, deserialize_with = "non_empty")]
    pub(super) output: Option<String>,
    #[serde(default)]
    started_time: Option<String>,
    #[serde(default)]
    stopped_time: Option<String>,
}

fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl Execution {
    pub(super) fn started(&self) -> Option<Timestamp> {
        Timestamp::parse(self.started_time.as_deref()?)
    }

    pub(super) fn stopped(&self) -> Option<Timestamp> {
        Timestamp::parse(self.stopped_time.as_deref()?)
    }

    /// Returns how many milliseconds it took, or has taken until `now`.
    pub(super) fn millis(&self, now: Timestamp) -> Option<u64> {
        let end = self.stopped().unwrap_or(now);
        self.started().map(|begin| end.max(begin).distance(begin))
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.status.as_str(), "Running" | "Starting")
    }
}

/// A flow in the answer of ListFlows.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Flow {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) last_modified_time: String,
}

/// Makes a client with the key that the arguments and the environment name. Sends nothing yet.
///
/// # Errors
/// There is no key, or several and none is chosen; the endpoint is no URL.
pub(super) async fn connect(args: &ConnectArgs) -> Result<Client, String> {
    let (source, chosen) = args.key()?;
    let clock = Clock::System;
    let keys = keys::read(&source, &clock).await?;
    let (id, key) = keys.take(chosen.as_deref())?;
    let client = Client::new(&args.endpoint, id, key, clock)?;
    Ok(client.with_retry_report(|line| print_error(&visible(line))))
}

/// Returns the error as one line without characters that change a terminal.
pub(super) fn describe_error(error: client::Error) -> String {
    visible(&error.to_string())
}

pub(super) async fn describe(
    client: &Client,
    flow: &str,
    execution: &str,
) -> Result<Execution, client::Error> {
    let params = [("FlowName", flow), ("ExecutionName", execution)];
    client.read("DescribeExecution", &params).await
}

/// An event, and its JSON as received.
pub(super) struct Event {
    pub(super) json: Box<RawValue>,
    pub(super) event: HistoryEvent,
}

/// Reads a history from its first event on, one page per call.
pub(super) struct History<'a> {
    client: &'a Client,
    flow: &'a str,
    execution: &'a str,
    token: Option<String>,
    last_event_id: i64,
}

impl<'a> History<'a> {
    pub(super) fn new(client: &'a Client, flow: &'a str, execution: &'a str) -> Self {
        History {
            client,
            flow,
            execution,
            token: None,
            last_event_id: 0,
        }
    }

    /// Reads the next events; none at the present end. There the server may wait for an event (long poll), for
    /// `wait_seconds` at most.
    pub(super) async fn next_page(
        &mut self,
        wait_seconds: u32,
    ) -> Result<Vec<Event>, client::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            #[serde(default)]
            events: Vec<Box<RawValue>>,
            next_token: Option<String>,
        }
        let next_event_id = (self.last_event_id + 1).to_string();
        let wait = wait_seconds.to_string();
        let mut params = vec![
            ("FlowName", self.flow),
            ("ExecutionName", self.execution),
            ("Limit", PAGE_EVENTS),
        ];
        if self.last_event_id > 0 {
            params.push(("NextToken", self.token.as_deref().unwrap_or(&next_event_id)));
        }
        if wait_seconds > 0 {
            params.push(("WaitTimeSeconds", &wait));
        }
        let page: Page = self.client.read("GetExecutionHistory", &params).await?;
        self.token = page.next_token.filter(|token| !token.is_empty());
        let mut events = Vec::with_capacity(page.events.len());
        for json in page.events {
            let event = HistoryEvent::parse(json.get());
            let event = event.ok_or_else(|| {
                client::Error::UnexpectedAnswer(format!("no event: {}", json.get()))
            })?;
            // A server whose NextToken is no EventId may send events again.
            if event.event_id > self.last_event_id {
                self.last_event_id = event.event_id;
                events.push(Event { json, event });
            }
        }
        Ok(events)
    }

    /// Whether the server has more pages now.
    pub(super) fn has_more(&self) -> bool {
        self.token.is_some()
    }

    /// Reads all events up to the present end.
    pub(super) async fn read_to_end(
        &mut self,
        mut each: impl FnMut(Event),
    ) -> Result<(), client::Error> {
        loop {
            self.next_page(0).await?.into_iter().for_each(&mut each);
            if !self.has_more() {
                return Ok(());
            }
        }
    }
}

/// Reads the timeline of an execution, with at most `budget` spans.
pub(super) async fn timeline(
    client: &Client,
    flow: &str,
    execution: &str,
    budget: usize,
) -> Result<Timeline, client::Error> {
    let mut timeline = Timeline::new(budget);
    let mut history = History::new(client, flow, execution);
    history
        .read_to_end(|event| timeline.push(&event.event))
        .await?;
    Ok(timeline)
}
