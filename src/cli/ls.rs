//! `flowledger ls`: lists flows, or the executions of one.

use std::io::IsTerminal;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{
    remote::{Execution, Flow, connect, describe_error},
    terminal::{DIM, cell, cut, paint, print, right, sign, state, width},
};
use crate::{
    client::Client,
    config::ConnectArgs,
    model::Timestamp,
    text::{ago, duration, visible},
};

/// Executions of one page: the most that the API allows.
const PAGE_MAX: usize = 100;

#[derive(Args, Debug)]
#[command(after_help = "\
Prints a table on a terminal, and one line each without a head to a pipe, with fields separated by tabs:
NAME, DESCRIPTION of flows; STATUS, NAME, START, MILLISECONDS of executions, newest first.

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

    /// List at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,

    /// One JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// Prints the list.
///
/// # Errors
/// One line for the user: the server refuses a page, or output fails.
pub async fn run(args: LsArgs) -> Result<(), String> {
    let client = connect(&args.connect).await?;
    let table = std::io::stdout().is_terminal();
    let now = client.clock().now();
    let text = match &args.flow {
        None => {
            let flows = flows(&client, args.limit).await?;
            lines(&flows, flows_head(), |flow| match (args.json, table) {
                (true, _) => json!(flow).to_string(),
                (_, true) => flow_row(flow, now),
                _ => tabbed(&[&flow.name, &flow.description]),
            })
        }
        Some(flow) => {
            let (status, prefix) = (args.status.as_deref(), args.prefix.as_deref());
            let executions = executions(&client, flow, status, prefix, args.limit).await?;
            lines(&executions, executions_head(), |execution| {
                match (args.json, table) {
                    (true, _) => execution_json(execution, now),
                    (_, true) => execution_row(execution, now),
                    _ => {
                        let started = execution.started().map(|time| time.to_string());
                        let millis = execution.millis(now).map(|millis| millis.to_string());
                        let [started, millis] = [started, millis].map(Option::unwrap_or_default);
                        tabbed(&[&execution.status, &execution.name, &started, &millis])
                    }
                }
            })
        }
    };
    print(&if table && !args.json {
        text
    } else {
        text.split_once('\n')
            .map_or("", |(_, rows)| rows)
            .to_owned()
    })?;
    Ok(())
}

/// Returns a head and a line for each item.
fn lines<T>(items: &[T], head: String, line: impl Fn(&T) -> String) -> String {
    let mut text = paint(DIM, &head) + "\n";
    for item in items {
        text.push_str(line(item).trim_end_matches(' '));
        text.push('\n');
    }
    text
}

fn tabbed(fields: &[&str]) -> String {
    fields
        .iter()
        .map(|field| visible(field))
        .collect::<Vec<_>>()
        .join("\t")
}

async fn flows(client: &Client, limit: usize) -> Result<Vec<Flow>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        flows: Vec<Flow>,
        next_token: Option<String>,
    }
    let mut flows = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut params = vec![("Limit", "100")];
        params.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page: Page = client
            .read("ListFlows", &params)
            .await
            .map_err(describe_error)?;
        flows.extend(page.flows);
        token = page.next_token.filter(|token| !token.is_empty());
        if flows.len() >= limit || token.is_none() {
            flows.truncate(limit);
            return Ok(flows);
        }
    }
}

/// Reads the newest executions of a flow, `limit` at most.
pub(super) async fn executions(
    client: &Client,
    flow: &str,
    status: Option<&str>,
    prefix: Option<&str>,
    limit: usize,
) -> Result<Vec<Execution>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        executions: Vec<Execution>,
        next_token: Option<String>,
    }
    let mut executions = Vec::new();
    let mut token: Option<String> = None;
    let page_limit = limit.clamp(1, PAGE_MAX).to_string();
    loop {
        let mut params = vec![
            ("FlowName", flow),
            ("Limit", &page_limit),
            ("MetadataOnly", "true"),
        ];
        params.extend(status.map(|status| ("Status", status)));
        params.extend(prefix.map(|prefix| ("ExecutionNamePrefix", prefix)));
        params.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page: Page = client
            .read("ListExecutions", &params)
            .await
            .map_err(describe_error)?;
        executions.extend(page.executions);
        token = page.next_token.filter(|token| !token.is_empty());
        if executions.len() >= limit || token.is_none() {
            executions.truncate(limit);
            return Ok(executions);
        }
    }
}

fn flows_head() -> String {
    format!("{} {} description", cell("flow", 32), cell("changed", 12))
}

fn flow_row(flow: &Flow, now: Timestamp) -> String {
    let changed = Timestamp::parse(&flow.last_modified_time).map(|time| ago(time, now));
    let changed = cell(&changed.unwrap_or_default(), 12);
    let description = cut(
        &visible(&flow.description),
        width().saturating_sub(47).max(10),
    );
    format!(
        "{} {} {}",
        cell(&visible(&flow.name), 32),
        paint(DIM, &changed),
        paint(DIM, &description)
    )
}

fn executions_head() -> String {
    format!(
        "  {} {} {} {}",
        cell("execution", 32),
        cell("status", 10),
        cell("started", 12),
        right("took", 12)
    )
}

fn execution_row(execution: &Execution, now: Timestamp) -> String {
    let (sign, style) = sign(state(&execution.status));
    let started = execution
        .started()
        .map(|time| ago(time, now))
        .unwrap_or_default();
    let millis = execution.millis(now).map(duration).unwrap_or_default();
    format!(
        "{} {} {} {} {}",
        paint(style, sign),
        cell(&visible(&execution.name), 32),
        paint(style, &cell(&visible(&execution.status), 10)),
        paint(DIM, &cell(&started, 12)),
        right(&millis, 12)
    )
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
