//! What the commands ask a server, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{keys, terminal::safe};
use crate::{
    client::{Client, Failure},
    clock::Clock,
    config::ConnectArgs,
    model::Timestamp,
    timeline::{HistoryEvent, Timeline},
};

/// Events of one page: as many as the vendor allows.
const PAGE_EVENTS: &str = "1000";

/// An execution as DescribeExecution and ListExecutions answer it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Execution {
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) input: Option<String>,
    #[serde(default)]
    pub(super) output: Option<String>,
    #[serde(default)]
    started_time: Option<String>,
    #[serde(default)]
    stopped_time: Option<String>,
}

impl Execution {
    pub(super) fn started(&self) -> Option<Timestamp> {
        Timestamp::parse(self.started_time.as_deref()?)
    }

    pub(super) fn stopped(&self) -> Option<Timestamp> {
        Timestamp::parse(self.stopped_time.as_deref()?)
    }

    /// Milliseconds that it ran, or has run until `now`.
    pub(super) fn millis(&self, now: Timestamp) -> Option<u64> {
        let end = self.stopped().unwrap_or(now);
        self.started().map(|begin| end.max(begin).distance(begin))
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.status.as_str(), "Running" | "Starting")
    }
}

/// A flow as ListFlows answers it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Flow {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) last_modified_time: String,
}

/// Connects with the key that the arguments and the environment name.
pub(super) async fn connect(args: &ConnectArgs) -> Result<Client, String> {
    let (source, chosen) = args.key()?;
    let keys = keys::read(&source).await?;
    let (id, key) = keys.take(chosen.as_deref())?;
    Client::new(&args.endpoint, id, key, Clock::System)
}

/// One line for the user.
pub(super) fn told(failure: Failure) -> String {
    safe(&failure.to_string())
}

pub(super) async fn describe(
    client: &Client,
    flow: &str,
    execution: &str,
) -> Result<Execution, Failure> {
    let params = [("FlowName", flow), ("ExecutionName", execution)];
    client.read("DescribeExecution", &params).await
}

/// An event, and its JSON as it came.
pub(super) struct Event {
    pub(super) json: Box<RawValue>,
    pub(super) event: HistoryEvent,
}

/// Reads a history from its begin on, a page at a time.
pub(super) struct History<'a> {
    client: &'a Client,
    flow: &'a str,
    execution: &'a str,
    token: Option<String>,
    last_event_id: i64,
}

impl<'a> History<'a> {
    pub(super) fn of(client: &'a Client, flow: &'a str, execution: &'a str) -> Self {
        History {
            client,
            flow,
            execution,
            token: None,
            last_event_id: 0,
        }
    }

    /// The next events; none at the end so far. A page beyond the end may wait so many seconds for one.
    pub(super) async fn page(&mut self, wait_seconds: u32) -> Result<Vec<Event>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            #[serde(default)]
            events: Vec<Box<RawValue>>,
            next_token: Option<String>,
        }
        let beyond = (self.last_event_id + 1).to_string();
        let wait = wait_seconds.to_string();
        let mut params = vec![
            ("FlowName", self.flow),
            ("ExecutionName", self.execution),
            ("Limit", PAGE_EVENTS),
        ];
        if self.last_event_id > 0 {
            params.push(("NextToken", self.token.as_deref().unwrap_or(&beyond)));
        }
        if wait_seconds > 0 {
            params.push(("WaitTimeSeconds", &wait));
        }
        let page: Page = self.client.read("GetExecutionHistory", &params).await?;
        self.token = page.next_token.filter(|token| !token.is_empty());
        let mut events = Vec::with_capacity(page.events.len());
        for json in page.events {
            let event = HistoryEvent::parse(json.get());
            let event =
                event.ok_or_else(|| Failure::Strange(format!("no event: {}", json.get())))?;
            // A server that does not page by EventId may send some again.
            if event.event_id > self.last_event_id {
                self.last_event_id = event.event_id;
                events.push(Event { json, event });
            }
        }
        Ok(events)
    }

    /// Whether the page read last was not the end.
    pub(super) fn more(&self) -> bool {
        self.token.is_some()
    }

    /// Everything up to now.
    pub(super) async fn whole(&mut self, mut each: impl FnMut(Event)) -> Result<(), Failure> {
        loop {
            self.page(0).await?.into_iter().for_each(&mut each);
            if !self.more() {
                return Ok(());
            }
        }
    }
}

/// The picture of an execution as it is now.
pub(super) async fn timeline(
    client: &Client,
    flow: &str,
    execution: &str,
    budget: usize,
) -> Result<Timeline, Failure> {
    let mut timeline = Timeline::new(budget);
    let mut history = History::of(client, flow, execution);
    history.whole(|event| timeline.push(&event.event)).await?;
    Ok(timeline)
}
