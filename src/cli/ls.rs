//! `flowledger ls`: lists flows, or the executions of one.

use std::{collections::VecDeque, io::IsTerminal};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{
    remote::{Execution, Flow, connect, describe_error},
    terminal::{DIM, cell, columns, cut, paint, print, print_error, right, sign, state, width},
};
use crate::{
    client::Client,
    config::ConnectArgs,
    model::Timestamp,
    text::{ago, duration, visible},
};

/// Items of one page: the most that the API allows for executions.
const PAGE_MAX: usize = 100;
/// Rows on a terminal without `--limit`: about a screen, so that the newest ones stay in sight.
const ROWS_DEFAULT: usize = 50;
/// Columns of a name in a table that are kept in a narrow terminal.
const NAME_MIN: usize = 16;
/// Columns of a description that are kept beside long names.
const DESCRIPTION_MIN: usize = 10;
const CHANGED_WIDTH: usize = 12;
const STATUS_WIDTH: usize = 10;
const STARTED_WIDTH: usize = 12;
const TOOK_WIDTH: usize = 12;

#[derive(Args, Debug)]
#[command(after_help = "\
Prints a table on a terminal, and one line each without a head to a pipe, with fields separated by tabs: NAME, \
DESCRIPTION of flows; STATUS, NAME, START, MILLISECONDS of executions, newest first.

Examples:
  flowledger ls
  flowledger ls order --status Failed
  flowledger ls order --prefix order-10 --limit 500 | cut -f 2
  flowledger ls order --json | jq -r .Name")]
pub struct LsArgs {
    /// List the executions of this flow
    flow: Option<String>,

    /// Only executions with this status: Running, Succeeded, Failed, Stopped, TimedOut
    #[arg(long, requires = "flow")]
    status: Option<String>,

    /// Only executions whose names begin with this text
    #[arg(long, requires = "flow")]
    prefix: Option<String>,

    /// List at most this many; if there are more, a line on standard error says so [default: 50 on a terminal, else
    /// all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,

    /// One JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Prints the list: to a pipe page by page, on a terminal as one table.
///
/// # Errors
/// One line for the user: the server refuses a page, or output fails.
pub async fn run(args: LsArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let terminal = std::io::stdout().is_terminal();
    let table = terminal && !args.json;
    let limit = args.limit.or(terminal.then_some(ROWS_DEFAULT));
    let limit = limit.unwrap_or(usize::MAX);
    let now = client.clock().now();
    let more = match &args.flow {
        None => {
            let mut pages = Pages::<Flow>::new(&client, "ListFlows", vec![], limit);
            if table {
                print(&flows_table(&pages.all().await?, now))?;
            } else {
                let line = |flow: &Flow| match args.json {
                    true => json!(flow).to_string(),
                    false => tabbed(&[&flow.name, &flow.description]),
                };
                pages.print_lines(line).await?;
            }
            pages.has_more().await?
        }
        Some(flow) => {
            let filter = filter(flow, args.status.as_deref(), args.prefix.as_deref());
            let mut pages = Pages::<Execution>::new(&client, "ListExecutions", filter, limit);
            if table {
                print(&executions_table(&pages.all().await?, now))?;
            } else {
                let line = |execution: &Execution| match args.json {
                    true => execution_json(execution, now),
                    false => execution_line(execution, now),
                };
                pages.print_lines(line).await?;
            }
            pages.has_more().await?
        }
    };
    if more {
        print_error(&format!(
            "there are more than the {limit} that are listed; use a larger --limit"
        ));
    }
    Ok(())
}

fn tabbed(fields: &[&str]) -> String {
    fields
        .iter()
        .map(|field| visible(field))
        .collect::<Vec<_>>()
        .join("\t")
}

/// Reads a list page by page, up to a limit.
struct Pages<'a, T> {
    client: &'a Client,
    action: &'static str,
    params: Vec<(&'a str, &'a str)>,
    /// Items that may still be returned.
    left: usize,
    token: Option<String>,
    /// Items that were read and not returned.
    next: VecDeque<T>,
    at_end: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page<T> {
    #[serde(alias = "Flows", alias = "Executions")]
    items: Vec<T>,
    next_token: Option<String>,
}

impl<'a, T: for<'de> Deserialize<'de>> Pages<'a, T> {
    fn new(
        client: &'a Client,
        action: &'static str,
        params: Vec<(&'a str, &'a str)>,
        limit: usize,
    ) -> Self {
        Pages {
            client,
            action,
            params,
            left: limit,
            token: None,
            next: VecDeque::new(),
            at_end: false,
        }
    }

    /// Reads a page, unless an item is left or the end is reached. A page may be empty without being the last.
    async fn fill(&mut self) -> Result<(), String> {
        while self.next.is_empty() && !self.at_end {
            // One more than is wanted shows whether there are more.
            let limit = self.left.saturating_add(1).min(PAGE_MAX).to_string();
            let mut params = self.params.clone();
            params.push(("Limit", &limit));
            params.extend(self.token.as_deref().map(|token| ("NextToken", token)));
            let page = self.client.read(self.action, &params).await;
            let page: Page<T> = page.map_err(describe_error)?;
            self.next.extend(page.items);
            self.token = page.next_token.filter(|token| !token.is_empty());
            self.at_end = self.token.is_none();
        }
        Ok(())
    }

    /// Returns the next items; none at the end or at the limit.
    async fn page(&mut self) -> Result<Vec<T>, String> {
        if self.left > 0 {
            self.fill().await?;
        }
        let count = self.next.len().min(self.left);
        self.left -= count;
        Ok(self.next.drain(..count).collect())
    }

    /// Returns all items up to the limit.
    async fn all(&mut self) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        loop {
            let page = self.page().await?;
            if page.is_empty() {
                return Ok(items);
            }
            items.extend(page);
        }
    }

    /// Prints each item as a line, until the end, the limit, or until the reader of the output has closed it.
    async fn print_lines(&mut self, line: impl Fn(&T) -> String) -> Result<(), String> {
        loop {
            let page = self.page().await?;
            let lines: String = page.iter().map(|item| line(item) + "\n").collect();
            if page.is_empty() {
                return Ok(());
            }
            if !print(&lines)? {
                self.at_end = true;
                self.next.clear();
                return Ok(());
            }
        }
    }

    /// Whether there are items beyond the limit.
    async fn has_more(&mut self) -> Result<bool, String> {
        self.fill().await?;
        Ok(!self.next.is_empty())
    }
}

/// Returns the parameters that select executions of a flow, without their inputs and outputs.
fn filter<'a>(
    flow: &'a str,
    status: Option<&'a str>,
    prefix: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    let mut params = vec![("FlowName", flow), ("MetadataOnly", "true")];
    params.extend(status.map(|status| ("Status", status)));
    params.extend(prefix.map(|prefix| ("ExecutionNamePrefix", prefix)));
    params
}

/// Reads the newest executions of a flow, `limit` at most.
pub(super) async fn executions(
    client: &Client,
    flow: &str,
    status: Option<&str>,
    prefix: Option<&str>,
    limit: usize,
) -> Result<Vec<Execution>, String> {
    let filter = filter(flow, status, prefix);
    Pages::new(client, "ListExecutions", filter, limit)
        .all()
        .await
}

/// Returns the columns for names: as many as the longest takes, if `rest` columns beside it are left.
fn name_width<'a>(names: impl Iterator<Item = &'a str>, head: &str, rest: usize) -> usize {
    let longest = names.map(|name| columns(&visible(name))).max();
    let longest = longest.unwrap_or(0).max(head.len());
    longest.min(width().saturating_sub(rest).max(NAME_MIN))
}

/// Returns a head and a line for each flow.
fn flows_table(flows: &[Flow], now: Timestamp) -> String {
    let rest = CHANGED_WIDTH + DESCRIPTION_MIN + 2;
    let names = flows.iter().map(|flow| flow.name.as_str());
    let name_width = name_width(names, "flow", rest);
    let head = format!(
        "{} {} description",
        cell("flow", name_width),
        cell("changed", CHANGED_WIDTH)
    );
    let rows = flows.iter().map(|flow| flow_row(flow, name_width, now));
    lines(&head, rows)
}

/// Returns a head and a line for each execution.
fn executions_table(executions: &[Execution], now: Timestamp) -> String {
    let rest = 2 + STATUS_WIDTH + STARTED_WIDTH + TOOK_WIDTH + 3;
    let names = executions.iter().map(|execution| execution.name.as_str());
    let name_width = name_width(names, "execution", rest);
    let head = format!(
        "  {} {} {} {}",
        cell("execution", name_width),
        cell("status", STATUS_WIDTH),
        cell("started", STARTED_WIDTH),
        right("took", TOOK_WIDTH)
    );
    let rows = executions.iter();
    lines(
        &head,
        rows.map(|execution| execution_row(execution, name_width, now)),
    )
}

fn lines(head: &str, rows: impl Iterator<Item = String>) -> String {
    let mut text = paint(DIM, head) + "\n";
    for row in rows {
        text.push_str(row.trim_end_matches(' '));
        text.push('\n');
    }
    text
}

fn flow_row(flow: &Flow, name_width: usize, now: Timestamp) -> String {
    let changed = Timestamp::parse(&flow.last_modified_time).map(|time| ago(time, now));
    let changed = cell(&changed.unwrap_or_default(), CHANGED_WIDTH);
    let description = cut(
        &visible(&flow.description),
        width()
            .saturating_sub(name_width + CHANGED_WIDTH + 2)
            .max(DESCRIPTION_MIN),
    );
    format!(
        "{} {} {}",
        cell(&visible(&flow.name), name_width),
        paint(DIM, &changed),
        paint(DIM, &description)
    )
}

fn execution_row(execution: &Execution, name_width: usize, now: Timestamp) -> String {
    let (sign, style) = sign(state(&execution.status));
    let started = execution
        .started()
        .map(|time| ago(time, now))
        .unwrap_or_default();
    let millis = execution.millis(now).map(duration).unwrap_or_default();
    format!(
        "{} {} {} {} {}",
        paint(style, sign),
        cell(&visible(&execution.name), name_width),
        paint(style, &cell(&visible(&execution.status), STATUS_WIDTH)),
        paint(DIM, &cell(&started, STARTED_WIDTH)),
        right(&millis, TOOK_WIDTH)
    )
}

fn execution_line(execution: &Execution, now: Timestamp) -> String {
    let started = execution.started().map(|time| time.to_string());
    let millis = execution.millis(now).map(|millis| millis.to_string());
    let [started, millis] = [started, millis].map(Option::unwrap_or_default);
    tabbed(&[&execution.status, &execution.name, &started, &millis])
}

fn execution_json(execution: &Execution, now: Timestamp) -> String {
    json!({
        "Name": execution.name,
        "Status": execution.status,
        "StartedTime": execution.started(),
        "StoppedTime": execution.stopped(),
        "Millis": execution.millis(now),
    })
    .to_string()
}
