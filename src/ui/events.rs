//! The events of an execution, a page at a time: either way, filtered, from any place on.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};

use super::{
    Ui,
    address::Address,
    detail::Detail,
    fault::Fault,
    frame::page as rendered,
    session::{Visitor, named},
};
use crate::text::{count, duration, one_line, time_of_day};
use crate::timeline::HistoryEvent;
use crate::{
    model::{Name, Timestamp},
    store::{HistoryQuery, Store},
    wire::error::ApiError,
};

/// Events of one page, and so in the browser at any time.
pub(super) const EVENTS_MAX: i64 = 100;
/// Events shown before one that was jumped to.
const CONTEXT: i64 = 12;
/// Causes outside the page that are looked up, each by a read of its own.
const CAUSES_MAX: usize = 16;
/// Characters of a detail in its one line.
const LINE_MAX_CHARS: usize = 240;

/// The page, as its template needs it.
#[derive(Template)]
#[template(path = "events.html", config = "src/ui/askama.toml")]
pub(super) struct Events {
    pub rows: Vec<Row>,
    pub newest_first: bool,
    /// Whether events that come now belong at the page's edge.
    pub at_end: bool,
    pub last: i64,
    pub total: String,
    pub range: String,
    pub filtered: bool,
    pub event_type: String,
    pub step: String,
    /// Where the page stands.
    pub here: Address,
    pub previous: Option<Address>,
    pub next: Option<Address>,
}

/// An event.
pub(super) struct Row {
    pub id: i64,
    pub event_type: String,
    /// `failed`, `succeeded`, `quiet` or nothing.
    pub tone: &'static str,
    pub step: String,
    pub time: String,
    pub since_start: String,
    pub cause: i64,
    pub since_cause: String,
    pub line: String,
    /// The address that unfolds it, or folds it again.
    pub toggle: Address,
    pub base: String,
    pub unfolded: Option<Detail>,
}

/// What a page of events is of.
pub(super) struct Of<'a> {
    pub flow: &'a Name,
    pub execution: &'a Name,
    pub started_at: Timestamp,
    pub running: bool,
}

/// The path of an execution's page.
pub(super) fn path(flow: &Name, execution: &Name) -> String {
    format!("/ui/flows/{flow}/executions/{execution}")
}

impl Events {
    /// The page that the address asks for.
    pub async fn read(store: &dyn Store, of: &Of<'_>, address: &Address) -> Result<Self, Fault> {
        let newest_first = match address.get("order") {
            Some(order) => order == "newest",
            None => of.running,
        };
        let here = address.under(path(of.flow, of.execution));
        let event = address.number("event").filter(|id| *id >= 1);
        let at = address.number("at").filter(|at| *at >= 1);
        let context = if newest_first { CONTEXT } else { -CONTEXT };
        let from = at.or(event.map(|id| id.saturating_add(context).max(1)));
        let query = HistoryQuery {
            from,
            limit: EVENTS_MAX,
            reverse: newest_first,
            types: address.get("type").map(|text| [text.to_owned()].into()),
            step: address.get("step").map(str::to_owned),
        };
        let page = store
            .get_execution_history(of.flow, of.execution, &query)
            .await?;
        let page = page.map_err(|refusal| Fault::refused(&refusal, of.flow, Some(of.execution)))?;
        let events: Vec<_> = page.events().filter_map(HistoryEvent::parse).collect();
        let filtered = query.filters();
        let shown = (
            events.first().map(|e| e.event_id),
            events.last().map(|e| e.event_id),
        );
        let begins = from.unwrap_or(if newest_first { page.last_event_id } else { 1 });
        let before = here.without(&["event", "at"]);
        let previous = if filtered {
            from.map(|_| before.clone())
        } else if newest_first {
            let newer = begins.saturating_add(EVENTS_MAX);
            let at = (newer < page.last_event_id).then_some(newer);
            let there = || at.map_or(before.clone(), |at| before.with("at", at));
            (begins < page.last_event_id).then(there)
        } else {
            (begins > 1).then(|| before.with("at", (begins - EVENTS_MAX).max(1)))
        };
        Ok(Events {
            rows: rows(store, of, &events, &here, event).await?,
            newest_first,
            at_end: if newest_first {
                begins >= page.last_event_id
            } else {
                page.next.is_none()
            },
            last: page.last_event_id,
            total: count(page.last_event_id),
            range: match shown {
                (Some(first), Some(last)) => format!("{} – {}", count(first), count(last)),
                _ => "none".to_owned(),
            },
            filtered,
            event_type: address.get("type").unwrap_or_default().to_owned(),
            step: address.get("step").unwrap_or_default().to_owned(),
            previous,
            next: page.next.map(|next| before.with("at", next)),
            here,
        })
    }
}

/// Rows of these events; the one that is asked for is unfolded.
pub(super) async fn rows(
    store: &dyn Store,
    of: &Of<'_>,
    events: &[HistoryEvent],
    here: &Address,
    unfolded: Option<i64>,
) -> Result<Vec<Row>, Fault> {
    let times = times(store, of, events).await?;
    let base = path(of.flow, of.execution);
    let row = |event: &HistoryEvent| {
        let cause = times.get(&event.schedule_event_id).copied().flatten();
        let since = |from: Option<Timestamp>| {
            let (from, to) = (from?, event.time?);
            let sign = if to < from { "−" } else { "" };
            Some(format!("{sign}{}", duration(to.distance(from))))
        };
        let is_unfolded = unfolded == Some(event.event_id);
        Row {
            id: event.event_id,
            tone: tone(&event.event_type),
            event_type: one_line(&event.event_type, LINE_MAX_CHARS),
            step: one_line(&event.step_name, LINE_MAX_CHARS),
            time: event.time.map(time_of_day).unwrap_or_default(),
            since_start: since(Some(of.started_at)).unwrap_or_default(),
            cause: event.schedule_event_id,
            since_cause: since(cause).unwrap_or_default(),
            line: one_line(&event.event_detail, LINE_MAX_CHARS),
            toggle: if is_unfolded {
                here.without(&["event"])
            } else {
                here.with("event", event.event_id)
            },
            base: base.clone(),
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

/// The times of these events and of their causes, as far as a few reads find them.
async fn times(
    store: &dyn Store,
    of: &Of<'_>,
    events: &[HistoryEvent],
) -> Result<BTreeMap<i64, Option<Timestamp>>, Fault> {
    let mut times: BTreeMap<_, _> = events.iter().map(|e| (e.event_id, e.time)).collect();
    let mut causes: Vec<_> = events.iter().map(|e| e.schedule_event_id).collect();
    causes.retain(|cause| *cause >= 1 && !times.contains_key(cause));
    causes.sort_unstable();
    causes.dedup();
    for cause in causes.into_iter().take(CAUSES_MAX) {
        if let Some(event) = one(store, of.flow, of.execution, cause).await? {
            times.insert(cause, event.time);
        }
    }
    Ok(times)
}

/// The event with this id, if there is one.
async fn one(
    store: &dyn Store,
    flow: &Name,
    execution: &Name,
    id: i64,
) -> Result<Option<HistoryEvent>, Fault> {
    let page = store
        .get_execution_history(flow, execution, &HistoryQuery::range(id, 1))
        .await?;
    let page = page.map_err(|refusal| Fault::refused(&refusal, flow, Some(execution)))?;
    Ok(HistoryEvent::parse(&page.json))
}

#[derive(Template)]
#[template(path = "detail.html", config = "src/ui/askama.toml")]
struct Unfolded {
    base: String,
    id: i64,
    detail: Detail,
}

/// The event that a path names.
async fn named_event(
    ui: &Ui,
    visitor: &Visitor,
    (flow, execution, id): (String, String, String),
) -> Result<(String, HistoryEvent), Fault> {
    let flow = visitor.flow(&flow)?;
    let execution = named("The execution's name", &execution)?;
    let id = id
        .parse()
        .ok()
        .filter(|id| *id >= 1)
        .ok_or_else(|| ApiError::invalid("The event's id", "must be an integer from 1 on"))?;
    let _permit = ui.read(&visitor.visit.client).await?;
    let event = one(&*ui.store, &flow, &execution, id).await?;
    Ok((path(&flow, &execution), event.ok_or_else(Fault::nowhere)?))
}

/// `…/events/N`: the detail, pretty, to be put below its row.
pub(super) async fn unfolded(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let (base, event) = named_event(&ui, &visitor, place).await?;
    rendered(&Unfolded {
        base,
        id: event.event_id,
        detail: Detail::of(&event.event_detail),
    })
}

/// `…/events/N/detail`: its exact bytes.
pub(super) async fn raw(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(place): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let (_, event) = named_event(&ui, &visitor, place).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, event.event_detail).into_response())
}
