//! The table of events of an execution: one page of it, in either order, filtered, from any EventId on.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};

use super::{
    Ui,
    context::render,
    detail::Detail,
    error_page::PageError,
    filter::EventFilter,
    search::{EVENTS_MAX, Search},
    sign_in::SignedIn,
    urls::{PageUrl, execution_path, parse_execution_name},
    utc::UtcTime,
};
use crate::text::{count, duration, one_line};
use crate::timeline::HistoryEvent;
use crate::{
    limits::ClientId,
    model::{Execution, Name, Status, Timestamp},
    store::{HistoryQuery, Store},
    wire::error::ApiError,
};

/// Events shown before the one that the reader jumped to.
const CONTEXT: i64 = 12;
/// Causes outside the page that are looked up; each costs one read.
const CAUSES_MAX: usize = 16;
/// Characters of a detail that are shown in its row.
const LINE_MAX_CHARS: usize = 240;

/// The fields of `events.html`.
#[derive(Template)]
#[template(path = "events.html", config = "src/ui/askama.toml")]
pub(super) struct Events {
    pub rows: Vec<EventRow>,
    pub newest_first: bool,
    /// Whether new events belong on this page.
    pub at_end: bool,
    pub last: i64,
    /// `1 – 100 of 12,005`; with a filter how many match: `12 of 12,005`.
    pub range: String,
    pub filtered: bool,
    pub event_type: String,
    pub step: String,
    /// The URL of this page.
    pub here: PageUrl,
    pub previous: Option<PageUrl>,
    pub next: Option<PageUrl>,
}

/// One row of the table.
pub(super) struct EventRow {
    pub id: i64,
    pub event_type: String,
    /// The CSS class: `failed`, `succeeded`, `quiet` or empty.
    pub tone: &'static str,
    pub step: String,
    pub time: Option<UtcTime>,
    pub since_start: String,
    pub cause: i64,
    pub since_cause: String,
    pub line: String,
    /// The URL that unfolds the detail, or folds it again.
    pub toggle: PageUrl,
    pub base: String,
    pub unfolded: Option<Detail>,
}

impl Events {
    /// Reads the page that the URL asks for.
    pub async fn read(
        ui: &Ui,
        client: &ClientId,
        execution: &Execution,
        url: &PageUrl,
    ) -> Result<Self, PageError> {
        let newest_first = match url.get("order") {
            Some(order) => order == "newest",
            None => execution.status == Status::Running,
        };
        let here = url.with_path(execution_path(&execution.flow, &execution.name));
        let event = url.number("event").filter(|id| *id >= 1);
        let at = url.number("at").filter(|at| *at >= 1);
        let context = if newest_first { CONTEXT } else { -CONTEXT };
        let from = at.or(event.map(|id| id.saturating_add(context).max(1)));
        let filter = EventFilter::of(url);
        let mut counted = None;
        let (mut first, mut last) = (1, i64::MAX);
        if let Some(filter) = &filter {
            let shared = ui.shared.timelines.get(execution, url);
            let digest = shared.catch_up(ui, client).await?;
            let matches = digest.matches(filter);
            (first, last) = (matches.first, matches.last);
            counted = Some((digest.describe(&matches), digest.last_event_id()));
        }
        if newest_first {
            last = from.unwrap_or(last).min(last);
        } else {
            first = from.unwrap_or(first).max(first);
        }
        let search = Search {
            filter: filter.as_ref(),
            first,
            last,
            newest_first,
        };
        let found = search.run(ui, client, execution).await?;
        let end = found.last_event_id;
        let begins = from.unwrap_or(if newest_first { end } else { 1 });
        let before = here.without(&["event", "at"]);
        let previous = match (&filter, newest_first) {
            (Some(_), _) => from.map(|_| before.clone()),
            (None, true) => newer(&before, begins, end),
            (None, false) => (begins > 1).then(|| before.with("at", (begins - EVENTS_MAX).max(1))),
        };
        let (range, last) = counted.unwrap_or_else(|| {
            let range = format!("{} of {}", range(&found.events), count(end));
            (range, end)
        });
        Ok(Events {
            rows: {
                let _permit = ui.read(client).await?;
                rows(&*ui.store, execution, &found.events, &here, event).await?
            },
            newest_first,
            at_end: if newest_first {
                begins >= end
            } else {
                found.next.is_none()
            },
            last,
            range,
            filtered: filter.is_some(),
            event_type: url.get("type").unwrap_or_default().to_owned(),
            step: url.get("step").unwrap_or_default().to_owned(),
            previous,
            next: found.next.map(|next| before.with("at", next)),
            here,
        })
    }
}

/// Returns the URL of the page of newer events before the one that begins with EventId `begins`; None at the newest.
fn newer(before: &PageUrl, begins: i64, last_event_id: i64) -> Option<PageUrl> {
    let at = begins.saturating_add(EVENTS_MAX);
    let page = || match at < last_event_id {
        true => before.with("at", at),
        false => before.clone(),
    };
    (begins < last_event_id).then(page)
}

/// Returns the first and the last EventId: `1 – 100`.
fn range(events: &[HistoryEvent]) -> String {
    match (events.first(), events.last()) {
        (Some(first), Some(last)) => {
            format!("{} – {}", count(first.event_id), count(last.event_id))
        }
        _ => "none".to_owned(),
    }
}

/// Returns the rows of these events; the detail of event `unfolded` is shown below its row.
pub(super) async fn rows(
    store: &dyn Store,
    of: &Execution,
    events: &[HistoryEvent],
    here: &PageUrl,
    unfolded: Option<i64>,
) -> Result<Vec<EventRow>, PageError> {
    let times = times(store, of, events).await?;
    let base = here.at(execution_path(&of.flow, &of.name));
    let row = |event: &HistoryEvent| {
        let cause = times.get(&event.schedule_event_id).copied().flatten();
        let since = |from: Option<Timestamp>| {
            let (from, to) = (from?, event.time?);
            let sign = if to < from { "−" } else { "" };
            Some(format!("{sign}{}", duration(to.distance(from))))
        };
        let is_unfolded = unfolded == Some(event.event_id);
        EventRow {
            id: event.event_id,
            tone: tone(&event.event_type),
            event_type: one_line(&event.event_type, LINE_MAX_CHARS),
            step: one_line(&event.step_name, LINE_MAX_CHARS),
            time: event.time.map(UtcTime),
            since_start: since(Some(of.started_at)).unwrap_or_default(),
            cause: event.schedule_event_id,
            since_cause: since(cause).unwrap_or_default(),
            line: one_line(&event.event_detail, LINE_MAX_CHARS),
            toggle: if is_unfolded {
                here.without(&["event"])
            } else {
                here.with("event", event.event_id)
            },
            base: base.to_string(),
            unfolded: is_unfolded.then(|| Detail::of(&event.event_detail)),
        }
    };
    Ok(events.iter().map(row).collect())
}

fn tone(event_type: &str) -> &'static str {
    match event_type {
        failed if failed.ends_with("Failed") || failed.ends_with("TimedOut") => "failed",
        good if good.ends_with("Succeeded") => "succeeded",
        quiet if quiet.ends_with("Entered") || quiet.ends_with("Exited") => "quiet",
        _ => "",
    }
}

/// Returns the times of these events and of their causes; at most `CAUSES_MAX` causes are read.
async fn times(
    store: &dyn Store,
    of: &Execution,
    events: &[HistoryEvent],
) -> Result<BTreeMap<i64, Option<Timestamp>>, PageError> {
    let mut times: BTreeMap<_, _> = events.iter().map(|e| (e.event_id, e.time)).collect();
    let mut causes: Vec<_> = events.iter().map(|e| e.schedule_event_id).collect();
    causes.retain(|cause| *cause >= 1 && !times.contains_key(cause));
    causes.sort_unstable();
    causes.dedup();
    for cause in causes.into_iter().take(CAUSES_MAX) {
        if let Some(event) = one(store, &of.flow, &of.name, cause).await? {
            times.insert(cause, event.time);
        }
    }
    Ok(times)
}

/// Reads one event; None if there is no such EventId.
async fn one(
    store: &dyn Store,
    flow: &Name,
    execution: &Name,
    id: i64,
) -> Result<Option<HistoryEvent>, PageError> {
    let page = store
        .get_execution_history(flow, execution, &HistoryQuery::range(id, 1))
        .await?;
    let page = page.map_err(|refusal| PageError::from_refusal(&refusal, flow, Some(execution)))?;
    Ok(HistoryEvent::parse(&page.json))
}

#[derive(Template)]
#[template(path = "detail.html", config = "src/ui/askama.toml")]
struct Unfolded {
    base: String,
    id: i64,
    time: Option<UtcTime>,
    detail: Detail,
}

/// Reads the event that a path names; also returns the URL of its execution.
async fn named_event(
    ui: &Ui,
    signed_in: &SignedIn,
    (flow, execution, id): (String, String, String),
) -> Result<(String, HistoryEvent), PageError> {
    let flow = signed_in.flow(&flow)?;
    let execution = parse_execution_name(&execution)?;
    let id = id
        .parse()
        .ok()
        .filter(|id| *id >= 1)
        .ok_or_else(|| ApiError::invalid("The event's id", "must be an integer from 1 on"))?;
    let _permit = ui.read(&signed_in.context.client).await?;
    let event = one(&*ui.store, &flow, &execution, id).await?;
    Ok((
        signed_in
            .context
            .url(&execution_path(&flow, &execution))
            .to_string(),
        event.ok_or_else(PageError::not_found)?,
    ))
}

/// `…/events/N`: the formatted detail, as HTML that the script inserts below the row.
pub(super) async fn unfolded(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let (base, event) = named_event(&ui, &signed_in, place).await?;
    render(&Unfolded {
        base,
        id: event.event_id,
        time: event.time.map(UtcTime),
        detail: Detail::of(&event.event_detail),
    })
}

/// `…/events/N/detail`: the exact bytes of the detail.
pub(super) async fn raw(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(place): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let (_, event) = named_event(&ui, &signed_in, place).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, event.event_detail).into_response())
}
