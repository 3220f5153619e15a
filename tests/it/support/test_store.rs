//! A store without a server, with short forms of the calls that tests make.

use std::{path::PathBuf, sync::Arc};

use flowledger::{
    model::{Execution, Flow, Name, NewEvent, Nonce, Timestamp, event::Batch},
    store::{
        self, AppendRequest, Appended, Error, HISTORY_LIMIT_MAX, HistoryPage, HistoryQuery,
        Outcome, Refusal, StartExecution, Store,
    },
};
use tempfile::TempDir;

use super::NOW;

/// The database of a store. It outlives a close of the store and is deleted when this value is dropped.
pub struct TestDatabase {
    pub url: String,
    folder: TempDir,
}

impl TestDatabase {
    /// A path for a new SQLite file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        TestDatabase { url, folder }
    }

    /// A database of a server.
    pub fn of_server(url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        TestDatabase { url, folder }
    }

    /// The path of a file beside a SQLite database.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn open(&self) -> TestStore {
        TestStore {
            inner: store::open(&self.url, at(0)).await.unwrap(),
        }
    }

    /// An open store that has flow `f` with a running execution `e`.
    pub async fn with_execution(&self) -> TestStore {
        let store = self.open().await;
        store
            .inner
            .create_flow(flow("f"), None)
            .await
            .unwrap()
            .unwrap();
        store.start("e").await.unwrap();
        store
    }
}

/// An open store. Calls that name no flow and execution concern execution `e` of flow `f`.
pub struct TestStore {
    pub inner: Arc<dyn Store>,
}

impl TestStore {
    /// Closes the store, so that another one can open the database.
    pub async fn close(self) {
        self.inner.close().await;
    }

    pub async fn start(&self, execution: &str) -> Result<(), Refusal> {
        let started = self
            .inner
            .start_execution(start("f", execution), None)
            .await;
        started.unwrap().map(|_| ())
    }

    pub async fn append(
        &self,
        events: &[NewEvent],
        expected: impl Into<Option<i64>>,
    ) -> Result<Appended, Refusal> {
        self.try_append(events, expected).await.unwrap()
    }

    pub async fn try_append(
        &self,
        events: &[NewEvent],
        expected: impl Into<Option<i64>>,
    ) -> Outcome<Appended> {
        let append = append("f", "e", events, expected);
        self.inner.append_execution_events(append, None).await
    }

    pub async fn append_to(
        &self,
        execution: &str,
        events: &[NewEvent],
        expected: impl Into<Option<i64>>,
    ) -> Result<Appended, Refusal> {
        let append = append("f", execution, events, expected);
        self.inner
            .append_execution_events(append, None)
            .await
            .unwrap()
    }

    pub async fn describe(&self, execution: &str) -> Execution {
        let described = self
            .inner
            .describe_execution(&name("f"), &name(execution))
            .await;
        described.unwrap().unwrap()
    }

    pub async fn page(&self, first: i64, limit: i64) -> HistoryPage {
        self.try_page(first, limit).await.unwrap()
    }

    pub async fn try_page(&self, first: i64, limit: i64) -> Result<HistoryPage, Error> {
        self.try_page_of("e", first, limit).await
    }

    pub async fn try_page_of(
        &self,
        execution: &str,
        first: i64,
        limit: i64,
    ) -> Result<HistoryPage, Error> {
        let (flow, execution) = (name("f"), name(execution));
        let query = HistoryQuery::range(first, limit);
        let page = self
            .inner
            .get_execution_history(&flow, &execution, &query)
            .await;
        page.map(Result::unwrap)
    }

    /// The whole history of an execution as JSON, read in pages.
    pub async fn history(&self, execution: &str) -> Vec<serde_json::Value> {
        let (mut history, mut next) = (Vec::new(), Some(1));
        while let Some(first) = next {
            let page = self
                .try_page_of(execution, first, HISTORY_LIMIT_MAX)
                .await
                .unwrap();
            history.extend(events_of(&page));
            next = page.next;
        }
        history
    }

    /// The details of all events but the first, as text.
    pub async fn details(&self, execution: &str) -> Vec<String> {
        let history = self.history(execution).await;
        for (id, event) in (1..).zip(&history) {
            assert_eq!(event["EventId"], id, "gapless from 1");
        }
        let details = history.iter().skip(1);
        details
            .map(|event| event["EventDetail"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub fn events_of(page: &HistoryPage) -> Vec<serde_json::Value> {
    serde_json::from_str(&format!("[{}]", page.json)).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The time of fixed clocks plus this, in milliseconds.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis).unwrap()
}

/// A flow that has a value in every field.
pub fn flow(text: &str) -> Flow {
    Flow {
        id: "00000000-0000-0000-0000-000000000001".to_owned(),
        name: name(text),
        definition: "version: v1\nname: \"步骤\" \\u6b65\r\n\t'\u{1F600}'".to_owned(),
        description: "first line\nsecond line, \u{7f} \"quoted\"".to_owned(),
        kind: "FDL".to_owned(),
        role_arn: Some("acs:ram::1:role/r".to_owned()),
        execution_mode: "Express".to_owned(),
        environment: Some(r#"{"Variables":[]}"#.to_owned()),
        external_storage_location: Some("oss://bucket/".to_owned()),
        resource_group_id: Some("rg-1".to_owned()),
        created_at: at(0),
        modified_at: at(1),
    }
}

pub fn start(flow: &str, execution: &str) -> StartExecution {
    StartExecution {
        flow: name(flow),
        name: name(execution),
        input: "{}".to_owned(),
        at: at(0),
    }
}

/// An append that arrives ten seconds after the start.
pub fn append(
    flow: &str,
    execution: &str,
    events: &[NewEvent],
    expected: impl Into<Option<i64>>,
) -> AppendRequest {
    AppendRequest {
        flow: name(flow),
        execution: name(execution),
        batch: Batch::new(events.to_vec(), expected.into()).unwrap(),
        at: at(10_000),
    }
}

/// An event with its type only.
pub fn event(event_type: &str) -> NewEvent {
    NewEvent {
        event_type: event_type.to_owned(),
        time: None,
        schedule_event_id: None,
        event_id: None,
        step_name: String::new(),
        event_detail: "{}".to_owned(),
    }
}

/// An event with a type and a detail.
pub fn detailed(event_type: &str, detail: &str) -> NewEvent {
    NewEvent {
        event_detail: detail.to_owned(),
        ..event(event_type)
    }
}

pub fn nonce(digest: u8) -> Nonce {
    Nonce {
        signed_at: at(0),
        received_at: at(0),
        digest: [digest; 16],
    }
}
