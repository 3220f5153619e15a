//! `…/live`: a running execution's page follows by itself, through server-sent events.
//!
//! Each event brings what has changed, as the same HTML of which the page is made. The timeline is kept
//! between events, so a long history is read once and then only what is new of it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Ui,
    address::Address,
    events::{EVENTS_MAX, Of, Row, path, rows},
    execution::found,
    fault::Fault,
    followers::FollowPermit,
    picture::Picture,
    session::Visitor,
    summary::Summary,
    timelines::SharedTimeline,
};
use crate::limits::{ClientId, Permit};
use crate::timeline::HistoryEvent;
use crate::wire::error::ApiError;
use crate::{
    model::{Execution, Status},
    store::{HistoryQuery, Subscription},
};

/// How often the session and the key are checked, so that a stream ends soon after they do.
const SESSION_CHECK: Duration = Duration::from_secs(1);
/// A comment is sent after so long without an event, because servers and proxies end idle connections.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// News are gathered for so long before they are told.
const GATHERED: Duration = Duration::from_millis(400);

/// What changes while an execution runs.
#[derive(Template)]
#[template(path = "live.html", config = "src/ui/askama.toml")]
struct News {
    summary: Summary,
    picture: Picture,
    rows: Vec<Row>,
    last: i64,
}

/// One who follows.
struct Follower {
    ui: Arc<Ui>,
    cookie: String,
    execution: Execution,
    here: Address,
    changes: Subscription,
    stopping: watch::Receiver<bool>,
    timeline: Arc<SharedTimeline>,
    client: ClientId,
    _permits: (FollowPermit, Permit),
    /// The EventId told last.
    told: i64,
    /// There may be news.
    due: bool,
    /// There will be none any more.
    over: bool,
}

pub(super) async fn follow(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String)>,
    address: Address,
) -> Result<Response, Fault> {
    let execution = found(&ui, &visitor, &place).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let key_id = visitor.viewer.key_id();
    let follow = ui.shared.followers.try_acquire(key_id, flow, name);
    let wait = ui.limits.waits.try_acquire(&visitor.visit.client);
    let permits = follow.zip(wait).ok_or_else(ApiError::throttled)?;
    let follower = Follower {
        _permits: permits,
        client: visitor.visit.client.clone(),
        changes: ui.store.subscribe(flow, name),
        stopping: ui.stopping.clone(),
        cookie: visitor.visit.cookie.clone(),
        here: address.under(path(flow, name)).without(&["after"]),
        timeline: ui.shared.timelines.get(&execution, &address),
        told: address.number("after").unwrap_or(0),
        due: true,
        over: false,
        execution,
        ui,
    };
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let unbuffered = [("x-accel-buffering", "no")]; // what a common proxy needs to hear
    Ok((unbuffered, Sse::new(events)).into_response())
}

impl Follower {
    /// The next thing to tell; None when there is nothing more to come.
    async fn next(&mut self) -> Option<Event> {
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            if self.over || *self.stopping.borrow() {
                return None;
            }
            if !self.may_see() {
                self.over = true;
                return Some(Event::default().event("bye").data("the session is over"));
            }
            if std::mem::take(&mut self.due) {
                // After a fault the browser asks again, and is told why.
                if let Some(event) = self.news().await.ok()? {
                    return Some(event);
                }
            }
            let grown = tokio::select! {
                () = self.changes.changed() => true,
                () = sleep_until(heartbeat) => return Some(Event::default().comment("")),
                () = sleep(SESSION_CHECK) => false,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            if !grown {
                continue;
            }
            sleep(GATHERED).await;
            self.due = true;
        }
    }

    /// By the keys and the time as they are now.
    fn may_see(&self) -> bool {
        let viewer = self
            .ui
            .authenticator
            .viewer(&self.cookie, self.ui.clock.now());
        viewer.is_some_and(|viewer| viewer.sees(&self.execution.flow))
    }

    /// What has happened since, if anything.
    async fn news(&mut self) -> Result<Option<Event>, Fault> {
        let store = &*self.ui.store;
        let (flow, name) = (self.execution.flow.clone(), self.execution.name.clone());
        let permit = self.ui.read(&self.client).await?;
        let described = store.describe_execution(&flow, &name).await?;
        self.execution =
            described.map_err(|refusal| Fault::refused(&refusal, &flow, Some(&name)))?;
        let latest = HistoryQuery {
            limit: EVENTS_MAX,
            reverse: true,
            types: self.here.get("type").map(|text| [text.to_owned()].into()),
            step: self.here.get("step").map(str::to_owned),
            from: None,
        };
        let page = store.get_execution_history(&flow, &name, &latest).await?;
        let page = page.map_err(|refusal| Fault::refused(&refusal, &flow, Some(&name)))?;
        self.over = self.execution.status != Status::Running;
        if page.last_event_id <= self.told && !self.over {
            return Ok(None);
        }
        let events = page.events().filter_map(HistoryEvent::parse);
        let events: Vec<_> = events.filter(|event| event.event_id > self.told).collect();
        let now = self.ui.clock.now();
        let here = self.here.clone();
        let of = Of::from(&self.execution);
        let rows = rows(store, &of, &events, &here, None).await?;
        drop(permit);
        let timeline = self.timeline.catch_up(&self.ui, &self.client).await?;
        let last = page.last_event_id;
        let news = News {
            rows,
            summary: Summary::of(&self.execution, &timeline, last, &here, now),
            picture: Picture::of(&timeline, &here, now, last),
            last,
        };
        drop(timeline);
        self.told = page.last_event_id;
        let html = news
            .render()
            .map_err(crate::wire::error::ApiError::internal)?;
        let name = if self.over { "end" } else { "news" };
        // A bare carriage return would end a line of the stream.
        let html = html.replace('\r', "&#13;");
        Ok(Some(Event::default().event(name).data(html)))
    }
}
