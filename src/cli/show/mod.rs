//! `flowledger show`: an execution at a glance: how it stands, what failed and why, where the time went.

mod gantt;
pub(super) mod json;
mod mermaid;

use clap::Args;

use super::{
    events,
    remote::{self, Event, Execution, History, connect, told},
    terminal::{self, BAD, BOLD, DIM, WAITS, ago, clock, cut, paint, print, safe, took, width},
};
use crate::timeline::{FailureDetail, Phase, ROOT, SpanState, Timeline};
use crate::{config::ConnectArgs, model::Timestamp};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowledger show order order-1002-failed
  flowledger show order order-1003-bulk --rows 1000
  flowledger show order order-1001 --events | less
  flowledger show order order-1001 --json | jq .Failure
  flowledger show order order-1001 --mermaid > run.mmd")]
pub struct ShowArgs {
    flow: String,
    execution: String,

    /// The table of events too
    #[arg(long)]
    events: bool,

    /// Spans that are drawn one by one before siblings are folded
    #[arg(long, value_name = "COUNT", default_value_t = 60)]
    rows: usize,

    /// JSON instead, for scripts
    #[arg(long, conflicts_with = "mermaid")]
    json: bool,

    /// A Mermaid Gantt diagram instead
    #[arg(long, conflicts_with = "events")]
    mermaid: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub async fn run(args: ShowArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let (flow, name) = (&args.flow, &args.execution);
    let execution = remote::describe(&client, flow, name).await.map_err(told)?;
    let mut timeline = Timeline::new(args.rows);
    let mut events: Vec<Event> = Vec::new();
    let mut history = History::of(&client, flow, name);
    let keep = args.events;
    let each = |event: Event| {
        timeline.push(&event.event);
        if keep {
            events.push(event);
        }
    };
    history.whole(each).await.map_err(told)?;
    let now = client.clock().now();
    if args.mermaid {
        print(&mermaid::mermaid(
            &timeline,
            &format!("{name} · {flow}"),
            now,
        ))?;
    } else if args.json {
        let mut picture = json::json(flow, &execution, &timeline, now);
        if keep {
            let events: Vec<_> = events.iter().map(|event| &event.json).collect();
            picture["History"] = serde_json::to_value(events).map_err(|e| e.to_string())?;
        }
        print(&format!("{picture}\n"))?;
    } else {
        let mut text = head(flow, &execution, &timeline, now);
        text.push_str(&failure(&timeline));
        text.push_str(&open(&timeline, now));
        text.push('\n');
        text.push_str(&gantt::gantt(&timeline, now, width()));
        if keep {
            text.push('\n');
            text.push_str(&events::table(&events, width()));
        }
        print(&text)?;
    }
    Ok(())
}

/// Whether it runs, since when, how long; what went in and came out.
pub(super) fn head(
    flow: &str,
    execution: &Execution,
    timeline: &Timeline,
    now: Timestamp,
) -> String {
    let (sign, style) = terminal::sign(terminal::state(&execution.status));
    let name = paint(BOLD, &safe(&execution.name));
    let status = paint(style, &safe(&execution.status));
    let mut text = format!("{} {name} · {}  {status}\n", paint(style, sign), safe(flow));
    let mut facts = Vec::new();
    if let Some(started) = execution.started() {
        facts.push(format!("started {}, {}", clock(started), ago(started, now)));
    }
    if let Some(millis) = execution.millis(now) {
        let verb = if execution.runs() {
            "running for"
        } else {
            "took"
        };
        facts.push(format!("{verb} {}", took(millis)));
    }
    facts.push(format!("{} events", timeline.events()));
    text.push_str(&format!("  {}\n", paint(DIM, &facts.join(" · "))));
    for (word, json) in [("in ", &execution.input), ("out", &execution.output)] {
        if let Some(json) = json.as_deref().filter(|json| !matches!(*json, "" | "{}")) {
            let json = cut(&safe(json), width().saturating_sub(7));
            text.push_str(&format!("  {} {json}\n", paint(DIM, word)));
        }
    }
    text
}

/// What failed, where, why; or why it was stopped.
pub(super) fn failure(timeline: &Timeline) -> String {
    let Some(failure) = timeline.root_cause() else {
        let root = timeline.root();
        let stopped = root
            .failure
            .as_ref()
            .filter(|_| root.state == SpanState::Stopped);
        return match stopped.map(why) {
            Some(why) if !why.is_empty() => format!("\n  {}\n", paint(WAITS, &format!("■ {why}"))),
            _ => String::new(),
        };
    };
    let path = match failure.path.as_slice() {
        [] => "the execution".to_owned(),
        path => safe(&path.join(" › ")),
    };
    let what = match (failure.span.state, failure.span.attempts) {
        (SpanState::Incomplete, _) => "was not finished".to_owned(),
        (SpanState::TimedOut, _) => "timed out".to_owned(),
        (_, 0 | 1) => "failed".to_owned(),
        (_, attempts) => format!("failed after {attempts} attempts"),
    };
    let mut text = format!("\n  {}\n", paint(BAD, &format!("✗ {path} {what}")));
    if let Some(detail) = failure.detail {
        let why = match why(detail) {
            why if why.is_empty() => "no reason was given".to_owned(),
            why => why,
        };
        let event = paint(DIM, &format!("event {}", detail.event_id));
        text.push_str(&format!("    {why}\n    {event}\n"));
    }
    text
}

/// `error: cause`, as far as they are there.
fn why(detail: &FailureDetail) -> String {
    let parts = [&detail.error, &detail.cause].map(|part| safe(part));
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(": ")
}

/// Open steps that are listed; the others are counted.
const OPEN_LISTED_MAX: usize = 5;

/// What goes on now, and since when.
fn open(timeline: &Timeline, now: Timestamp) -> String {
    let open: Vec<_> = timeline
        .innermost_open()
        .into_iter()
        .filter(|span| span.id != ROOT)
        .collect();
    let mut text = String::new();
    for span in open.iter().take(OPEN_LISTED_MAX) {
        let (sign, style) = terminal::sign(span.state);
        let does = match span.state {
            SpanState::Open(Phase::Waiting) => "waits for a report",
            SpanState::Open(Phase::Queued) => "is queued",
            SpanState::Open(Phase::Pausing) => "waits for its next attempt",
            _ => "works",
        };
        let since = span
            .segments
            .last()
            .map_or(span.begin, |segment| segment.end.unwrap_or(segment.begin));
        let since = took(now.max(since).distance(since));
        let path = safe(&timeline.path(span.id).join(" › "));
        let event = paint(DIM, &format!("(event {})", span.last_event_id));
        text.push_str(&format!(
            "  {} {path} {does}, for {since} {event}\n",
            paint(style, sign)
        ));
    }
    if open.len() > OPEN_LISTED_MAX {
        text.push_str(&format!("    and {} more\n", open.len() - OPEN_LISTED_MAX));
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}
