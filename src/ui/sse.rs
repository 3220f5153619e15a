//! `…/live`: server-sent events with which the page of a running execution updates itself.
//!
//! Each event holds the changed parts of the page as the same HTML that the page is made of. A stream has at
//! most one event in memory, because the next one is made when the connection asks for it.

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
    error_page::PageError,
    events::{EventRow, rows},
    execution::{Suggestions, found},
    filter::EventFilter,
    followers::FollowPermit,
    search::Search,
    sign_in::SignedIn,
    summary::Summary,
    timeline::TimelineView,
    timelines::SharedTimeline,
    urls::{PageUrl, execution_path},
};
use crate::{
    limits::{ClientId, Permit},
    model::{Execution, Status},
    store::Subscription,
    wire::error::ApiError,
};

/// How often a stream checks its session and its key, so that it ends soon after either is revoked.
const SESSION_CHECK: Duration = Duration::from_secs(1);
/// Interval of comments on a stream without events (keep-alive), because servers and proxies close idle connections.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes within this time become one event (debounce).
const DEBOUNCE: Duration = Duration::from_millis(400);

/// The parts of the page that change while an execution runs.
#[derive(Template)]
#[template(path = "sse_update.html", config = "src/ui/askama.toml")]
struct Update {
    summary: Summary,
    timeline: TimelineView,
    suggestions: Suggestions,
    rows: Vec<EventRow>,
    last: i64,
    /// How many events match the filter, if there is one.
    matches: Option<String>,
}

/// The state of one stream.
struct Follower {
    ui: Arc<Ui>,
    cookie: String,
    client: ClientId,
    execution: Execution,
    here: PageUrl,
    changes: Subscription,
    stopping: watch::Receiver<bool>,
    timeline: Arc<SharedTimeline>,
    /// The last EventId that the browser has.
    sent_event_id: i64,
    /// Whether the execution may have changed since the last event.
    may_have_changed: bool,
    /// The last event of the stream has been sent.
    ended: bool,
    _permits: (FollowPermit, Permit),
}

/// Answers 429 if the key, the execution or the server has too many followers.
pub(super) async fn follow(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(names): Path<(String, String)>,
    url: PageUrl,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &names).await?;
    let (flow, name) = (&execution.flow, &execution.name);
    let key_id = signed_in.viewer.key_id();
    let follow = ui.shared.followers.try_acquire(key_id, flow, name);
    let wait = ui.limits.waits.try_acquire(&signed_in.context.client);
    let permits = follow.zip(wait).ok_or_else(ApiError::throttled)?;
    let follower = Follower {
        changes: ui.store.subscribe(flow, name),
        stopping: ui.stopping.clone(),
        cookie: signed_in.context.cookie.clone(),
        client: signed_in.context.client.clone(),
        here: url
            .with_path(execution_path(flow, name))
            .without(&["after"]),
        timeline: ui.shared.timelines.get(&execution, &url),
        sent_event_id: url.number("after").unwrap_or(0),
        may_have_changed: true,
        ended: false,
        execution,
        ui,
        _permits: permits,
    };
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    // nginx buffers responses without this header.
    let unbuffered = [("x-accel-buffering", "no")];
    Ok((unbuffered, Sse::new(events)).into_response())
}

impl Follower {
    /// Returns the next event; None ends the stream.
    async fn next(&mut self) -> Option<Event> {
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            if self.ended || *self.stopping.borrow() {
                return None;
            }
            if !self.ui.has_access(&self.cookie, &self.execution.flow) {
                self.ended = true;
                return Some(Event::default().event("bye").data("the session is over"));
            }
            if std::mem::take(&mut self.may_have_changed) {
                // After an error the browser connects again, and is answered with an error page then.
                if let Some(event) = self.update().await.ok()? {
                    return Some(event);
                }
            }
            tokio::select! {
                () = self.changes.changed() => {}
                () = sleep_until(heartbeat) => return Some(Event::default().comment("")),
                () = sleep(SESSION_CHECK) => continue,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
            sleep(DEBOUNCE).await;
            self.may_have_changed = true;
        }
    }

    /// Returns the event with what has changed since the last one, if anything.
    async fn update(&mut self) -> Result<Option<Event>, PageError> {
        let store = &*self.ui.store;
        let (flow, name) = (self.execution.flow.clone(), self.execution.name.clone());
        let described = {
            let _permit = self.ui.read(&self.client).await?;
            store.describe_execution(&flow, &name).await?
        };
        let refused = |refusal| PageError::from_refusal(&refusal, &flow, Some(&name));
        self.execution = described.map_err(refused)?;
        self.ended = self.execution.status != Status::Running;
        let here = &self.here;
        let now = self.ui.clock.now();
        let filter = EventFilter::of(here);
        let digest = self.timeline.catch_up(&self.ui, &self.client).await?;
        let last = digest.last_event_id();
        if last <= self.sent_event_id && !self.ended {
            return Ok(None);
        }
        let summary = Summary::new(&self.execution, &digest, here, now);
        let timeline = TimelineView::new(&digest, here, now);
        let suggestions = Suggestions::of(&digest.tally);
        let matches = filter.as_ref().map(|filter| {
            let matches = digest.matches(filter);
            digest.describe(&matches)
        });
        drop(digest);
        let search = Search {
            filter: filter.as_ref(),
            first: self.sent_event_id + 1,
            last,
            newest_first: true,
        };
        let found = search.run(&self.ui, &self.client, &self.execution).await?;
        let rows = {
            let _permit = self.ui.read(&self.client).await?;
            rows(store, &self.execution, &found.events, here, None).await?
        };
        let update = Update {
            summary,
            timeline,
            suggestions,
            rows,
            last,
            matches,
        };
        self.sent_event_id = last;
        let html = update.render().map_err(ApiError::internal)?;
        let name = if self.ended { "end" } else { "news" };
        // A bare carriage return would end a line of the stream.
        let html = html.replace('\r', "&#13;");
        Ok(Some(Event::default().event(name).data(html)))
    }
}
