//! `flowledger call`: sends any signed request and prints the answer unchanged.

use std::process::ExitCode;

use clap::Args;

use super::{
    remote::{connect, describe_error},
    terminal::print_bytes,
};
use crate::{client::Retry, config::ConnectArgs};

#[derive(Args, Debug)]
#[command(after_help = "\
Prints the answer unchanged; the exit code is 1 if it is an error. Actions that begin with Describe, Get or List are \
sent by GET, all others by POST.

Examples:
  flowledger call ListFlows
  flowledger call CreateFlow Name=order Type=FDL Definition=@order.yml
  flowledger call StartExecution FlowName=order ExecutionName=order-7 'Input={\"total\":5}'
  flowledger call StopExecution FlowName=order ExecutionName=order-7 Cause='no longer needed'")]
pub struct CallArgs {
    /// GetExecutionHistory, StartExecution …
    action: String,

    /// Parameters; Name=@FILE takes the value from a file
    #[arg(value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,

    #[command(flatten)]
    connect: ConnectArgs,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter is NAME=VALUE")?;
    match value.strip_prefix('@') {
        None => Ok((name.to_owned(), value.to_owned())),
        Some(file) => {
            let value = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
            Ok((name.to_owned(), value))
        }
    }
}

/// Sends the request and prints the answer. Returns failure if that is an error answer.
///
/// # Errors
/// One line for the user: there is no answer, or output fails.
pub async fn run(args: CallArgs) -> Result<ExitCode, String> {
    let client = connect(&args.connect).await?;
    let parameters = args.parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let reads = ["Describe", "Get", "List"]
        .iter()
        .any(|verb| args.action.starts_with(verb));
    let (method, retry) = if reads {
        ("GET", Retry::Safe)
    } else {
        ("POST", Retry::Never)
    };
    let answer = client
        .call(method, &args.action, &parameters, retry)
        .await
        .map_err(describe_error)?;
    print_bytes(&[&answer.body, &b"\n"[..]].concat())?;
    let good = answer.status.is_success();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
