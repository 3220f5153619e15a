//! `flowledger stats`: durations and failures of the steps of a flow in its newest executions.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ls::executions,
    remote::{connect, describe_error, timeline},
    show::json::statistics,
    terminal::{BAD, DIM, GOOD, cell, columns, paint, print, right, width},
};
use crate::{
    config::ConnectArgs,
    text::{duration, visible},
    timeline::StepStatistics,
};

/// Columns of `59 min 59 s` and a blank.
const TIME_WIDTH: usize = 12;
/// The columns of numbers: the word above each, right-aligned, and a space before it.
const COUNTS: [&str; 4] = ["visits", "failed", "fatal", "retries"];
/// Fewer columns of a bar are not worth drawing.
const BAR_MIN: usize = 4;
/// Spans that are kept of each execution, to find the step that failed it.
const SPANS_MAX: usize = 60;

#[derive(Args, Debug)]
#[command(after_help = "\
A visit is fatal if it made its execution fail; a failed visit after which the execution went on was caught.

Examples:
  flowledger stats order
  flowledger stats order --executions 100 --status Succeeded
  flowledger stats order --json | jq '.Steps[\"pack-item\"].P99Millis'")]
pub struct StatsArgs {
    flow: String,

    /// Use this many of the newest executions
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    executions: usize,

    /// Only executions with this status
    #[arg(long)]
    status: Option<String>,

    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Reads the timelines of the executions, adds their steps up and prints them.
///
/// # Errors
/// One line for the user: the server refuses a page, or output fails.
pub async fn run(args: StatsArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let status = args.status.as_deref();
    let executions = executions(&client, &args.flow, status, None, args.executions).await?;
    let mut steps: BTreeMap<String, StepFacts> = BTreeMap::new();
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    let mut events = 0;
    for execution in &executions {
        let timeline = timeline(&client, &args.flow, &execution.name, SPANS_MAX)
            .await
            .map_err(describe_error)?;
        events += timeline.events();
        for (step, known) in timeline.steps() {
            steps.entry(step.clone()).or_default().known.merge(known);
        }
        if let Some(failure) = timeline.root_cause().filter(|it| !it.path.is_empty()) {
            steps.entry(failure.span.name.clone()).or_default().fatal += 1;
        }
        *statuses.entry(&execution.status).or_default() += 1;
    }
    if args.json {
        let steps: serde_json::Map<_, _> = steps
            .iter()
            .map(|(name, facts)| (name.clone(), facts.json()))
            .collect();
        let all = json!({"FlowName": args.flow, "Executions": statuses, "Events": events, "Steps": steps});
        print(&format!("{all}\n"))?;
        return Ok(());
    }
    let counts: Vec<_> = statuses
        .iter()
        .map(|(status, count)| format!("{count} {}", visible(status)))
        .collect();
    let counts = if counts.is_empty() {
        "no executions".to_owned()
    } else {
        counts.join(", ")
    };
    print(&format!(
        "{}  {}\n\n{}",
        visible(&args.flow),
        paint(DIM, &format!("{counts}, {events} events")),
        table(&steps)
    ))?;
    Ok(())
}

/// What is known of one step.
#[derive(Default)]
struct StepFacts {
    known: StepStatistics,
    /// Executions that it made fail or time out.
    fatal: u64,
}

impl StepFacts {
    fn json(&self) -> Value {
        let mut json = statistics(&self.known);
        json["Fatal"] = self.fatal.into();
        json
    }
}

/// Returns the steps as a table, by total time, longest first.
fn table(steps: &BTreeMap<String, StepFacts>) -> String {
    let mut rows: Vec<_> = steps.iter().collect();
    rows.sort_by_key(|(_, facts)| std::cmp::Reverse(facts.known.durations.total()));
    let longest = rows
        .iter()
        .map(|(_, facts)| facts.known.durations.p99())
        .max()
        .unwrap_or(0)
        .max(1);
    let name_width = rows.iter().map(|(name, _)| columns(&visible(name))).max();
    let name_width = name_width.unwrap_or(0).clamp(4, 24);
    let counts_width = COUNTS.concat().len() + COUNTS.len();
    let bar_width = width().saturating_sub(name_width + counts_width + 2 * TIME_WIDTH + 2);
    let mut text = String::new();
    let head = COUNTS.map(|word| right(word, word.len() + 1)).concat();
    let head = format!(
        "{}{head}{}{}",
        cell("step", name_width),
        right("p50", TIME_WIDTH),
        right("p99", TIME_WIDTH)
    );
    text.push_str(&(paint(DIM, &head) + "\n"));
    for (name, StepFacts { known, fatal }) in rows {
        text.push_str(&cell(&visible(name), name_width));
        let visits = known.count + known.open;
        let counts = [visits, known.failed, *fatal, known.attempts_failed];
        for (word, count) in COUNTS.iter().zip(counts) {
            let cell = right(&count.to_string(), word.len() + 1);
            let is_bad = *word == "fatal" && count > 0;
            text.push_str(&if is_bad { paint(BAD, &cell) } else { cell });
        }
        text.push_str(&right(&duration(known.durations.p50()), TIME_WIDTH));
        text.push_str(&right(&duration(known.durations.p99()), TIME_WIDTH));
        if bar_width >= BAR_MIN {
            text.push_str("  ");
            text.push_str(&bar(known, longest, bar_width));
        }
        text.push('\n');
    }
    text
}

/// Returns a bar that is full up to the median and thin up to the 99th percentile.
fn bar(known: &StepStatistics, longest: u64, width: usize) -> String {
    let cells = |millis: u64| {
        let cells = u128::from(millis) * width as u128 / u128::from(longest);
        usize::try_from(cells).unwrap_or(width)
    };
    let full = cells(known.durations.p50()).max(usize::from(known.count > 0));
    let thin = cells(known.durations.p99()).saturating_sub(full);
    paint(GOOD, &"█".repeat(full)) + &paint(DIM, &"─".repeat(thin))
}
