//! `flowledger show`: an execution at a glance: its status, what failed and why, and where the time went.

mod gantt;
pub(super) mod json;
mod mermaid;

use clap::Args;

use super::{
    events,
    remote::{self, Event, Execution, History, connect, describe_error},
    terminal::{self, BAD, BOLD, DIM, WAITS, cut, paint, print, width},
};
use crate::{
    config::ConnectArgs,
    model::Timestamp,
    text::{ago, counted, date_time, duration, multi_line, visible},
    timeline::{FAILURE_MAX_CHARS, FailureDetail, Phase, ROOT, SpanState, Timeline},
};

/// Lines of one reason, such as a stack trace, that are printed; `--json --events` has the whole text.
const REASON_LINES_MAX: usize = 40;

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

    /// Print the table of events too
    #[arg(long)]
    events: bool,

    /// Draw this many spans one by one before siblings are folded
    #[arg(long, value_name = "COUNT", default_value_t = 60)]
    rows: usize,

    /// Print JSON, for scripts
    #[arg(long, conflicts_with = "mermaid")]
    json: bool,

    /// Print a Mermaid Gantt diagram
    #[arg(long, conflicts_with = "events")]
    mermaid: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Reads the whole history and prints the execution in the chosen form.
///
/// # Errors
/// One line for the user: the server refuses a page, or output fails.
pub async fn run(args: ShowArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let (flow, name) = (&args.flow, &args.execution);
    let execution = remote::describe(&client, flow, name)
        .await
        .map_err(describe_error)?;
    let mut timeline = Timeline::new(args.rows);
    let mut events: Vec<Event> = Vec::new();
    let mut history = History::new(&client, flow, name);
    let keep_events = args.events;
    let each = |event: Event| {
        timeline.push(&event.event);
        if keep_events {
            events.push(event);
        }
    };
    history.read_to_end(each).await.map_err(describe_error)?;
    let now = client.clock().now();
    if args.mermaid {
        print(&mermaid::mermaid(
            &timeline,
            &format!("{name} · {flow}"),
            now,
        ))?;
    } else if args.json {
        let mut output = json::json(flow, &execution, &timeline, now);
        if keep_events {
            let events: Vec<_> = events.iter().map(|event| &event.json).collect();
            output["History"] = serde_json::to_value(events).map_err(|e| e.to_string())?;
        }
        print(&format!("{output}\n"))?;
    } else {
        let mut text = head(flow, &execution, &timeline, now);
        text.push_str(&failure(&timeline));
        text.push_str(&open(&timeline, now));
        text.push('\n');
        text.push_str(&gantt::gantt(&timeline, now, width()));
        if keep_events {
            text.push('\n');
            text.push_str(&events::table(&events, width()));
        }
        print(&text)?;
    }
    Ok(())
}

/// Returns how many milliseconds the execution took, by its events if it has ended; has taken until `now` otherwise.
fn millis(execution: &Execution, timeline: &Timeline, now: Timestamp) -> Option<u64> {
    let root = timeline.root();
    let ended = !root.state.is_open();
    ended
        .then(|| root.millis(now))
        .or_else(|| execution.millis(now))
}

/// Returns the first lines: status, start, duration, number of events, input and output.
pub(super) fn head(
    flow: &str,
    execution: &Execution,
    timeline: &Timeline,
    now: Timestamp,
) -> String {
    let (sign, style) = terminal::sign(terminal::state(&execution.status));
    let name = paint(BOLD, &visible(&execution.name));
    let status = paint(style, &visible(&execution.status));
    let mut text = format!(
        "{} {name} · {}  {status}\n",
        paint(style, sign),
        visible(flow)
    );
    let mut facts = Vec::new();
    if let Some(started) = execution.started() {
        facts.push(format!(
            "started {}Z, {}",
            date_time(started),
            ago(started, now)
        ));
    }
    if let Some(millis) = millis(execution, timeline, now) {
        let verb = if execution.is_running() {
            "running for"
        } else {
            "took"
        };
        facts.push(format!("{verb} {}", duration(millis)));
    }
    facts.push(counted(timeline.events(), "event"));
    text.push_str(&format!("  {}\n", paint(DIM, &facts.join(" · "))));
    for (word, json) in [("in ", &execution.input), ("out", &execution.output)] {
        if let Some(json) = json.as_deref().filter(|json| !matches!(*json, "" | "{}")) {
            let json = cut(&visible(json), width().saturating_sub(7));
            text.push_str(&format!("  {} {json}\n", paint(DIM, word)));
        }
    }
    text
}

/// Returns what failed, where and why, or why the execution was stopped.
pub(super) fn failure(timeline: &Timeline) -> String {
    let Some(failure) = timeline.root_cause() else {
        let root = timeline.root();
        let stopped = root
            .failure
            .as_ref()
            .filter(|_| root.state == SpanState::Stopped);
        let why = stopped.map(reason).unwrap_or_default();
        let mut lines = why.iter();
        let first = lines
            .next()
            .map(|line| format!("\n  {}\n", paint(WAITS, &format!("■ {line}"))));
        return first.unwrap_or_default() + &indented(lines);
    };
    let path = match failure.path.as_slice() {
        [] => "the execution".to_owned(),
        path => visible(&path.join(" › ")),
    };
    let what = match (failure.span.state, failure.span.attempts) {
        (SpanState::Incomplete, _) => "was not finished".to_owned(),
        (SpanState::TimedOut, _) => "timed out".to_owned(),
        (_, 0 | 1) => "failed".to_owned(),
        (_, attempts) => format!("failed after {attempts} attempts"),
    };
    let mut text = format!("\n  {}\n", paint(BAD, &format!("✗ {path} {what}")));
    let reasons = [failure.detail, failure.also].into_iter().flatten();
    for detail in reasons {
        let event = paint(DIM, &format!("event {}", detail.event_id));
        text.push_str(&indented(reason(detail).iter().chain([&event])));
    }
    if failure.detail.is_none() {
        let event = paint(DIM, &format!("event {}", failure.event_id()));
        text.push_str(&format!("    no reason was given\n    {event}\n"));
    }
    text
}

fn indented<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    lines.map(|line| format!("    {line}\n")).collect()
}

/// Returns `error: cause`, or the one that is not empty, as lines.
fn reason(detail: &FailureDetail) -> Vec<String> {
    let parts = [&detail.error, &detail.cause].map(|part| multi_line(part, FAILURE_MAX_CHARS));
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let whole = parts.collect::<Vec<_>>().join(": ");
    let mut lines: Vec<_> = whole.lines().map(str::to_owned).collect();
    if lines.len() > REASON_LINES_MAX {
        let more = lines.len() - REASON_LINES_MAX;
        lines.truncate(REASON_LINES_MAX);
        lines.push(paint(DIM, &format!("… and {more} more lines")));
    }
    lines
}

/// Open spans that are listed; the others are counted.
const OPEN_LISTED_MAX: usize = 5;

/// Returns a line for each open span: what it does now, and for how long.
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
        let since = duration(now.max(since).distance(since));
        let path = visible(&timeline.path(span.id).join(" › "));
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
