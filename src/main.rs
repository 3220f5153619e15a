//! The command line: parses the arguments, runs one subcommand and returns its exit code: 0 success, 1 failure,
//! 2 wrong usage.

use std::{
    io::{ErrorKind, Write, stderr, stdout},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use flowledger::{
    cli::{self, Failure},
    config::{self, ServeArgs},
};
use tokio::runtime::Runtime;

/// Measured with pages of 100 events: 26,000 a second, 20,000 with glibc's allocator. With that one a page of 1,000
/// events in the middle of a history also took nearly twice as long as the first page, which is a few KB smaller.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Execution history that CloudFlow SDKs read unchanged
#[derive(Parser)]
#[command(version = env!("FLOWLEDGER_VERSION"))] // set by build.rs
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API
    Serve(ServeArgs),
    /// Show an execution: its status, what failed, where the time went
    Show(cli::show::ShowArgs),
    /// Follow the events of an execution until it ends; exit code 0 if it succeeded
    Tail(cli::tail::TailArgs),
    /// List flows, or the executions of a flow
    Ls(cli::ls::LsArgs),
    /// Show durations and failures of the steps of a flow in its newest executions
    Stats(cli::stats::StatsArgs),
    /// Append events in JSON from standard input; safe to retry
    Append(cli::append::AppendArgs),
    /// Send any signed request and print the answer unchanged
    Call(cli::call::CallArgs),
    /// Check a database for corruption, also while it is served; exit code 0 if it is sound
    Check(cli::check::CheckArgs),
    /// Bring the schema of a database up to date
    Migrate(cli::migrate::MigrateArgs),
    /// Ask a server whether it is ready; exit code 0 if it is
    Health(cli::health::HealthArgs),
    /// Print a completion script for a shell
    Completion(cli::completion::CompletionArgs),
}

fn main() -> ExitCode {
    let arguments = definition().try_get_matches();
    let command = match arguments.and_then(|arguments| CommandLine::from_arg_matches(&arguments)) {
        Ok(CommandLine { command }) => command,
        Err(error) => return print_usage(&error),
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let result = runtime.block_on(run(command));
    // Does not wait for a read that blocks, of standard input or of a keys file.
    runtime.shutdown_background();
    result.unwrap_or_else(|failure| {
        let _ = fail(&failure.message);
        failure.exit_code.into()
    })
}

/// Returns the definition of the command line.
fn definition() -> clap::Command {
    let definition = CommandLine::command();
    match std::env::args_os().any(|argument| argument == "--demo") {
        true => definition.mut_subcommand("serve", config::without_environment),
        false => definition,
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    let done = |()| ExitCode::SUCCESS;
    let result = match command {
        Command::Serve(args) => cli::serve::run(args).await,
        Command::Show(args) => cli::show::run(args).await.map(done),
        Command::Tail(args) => return cli::tail::run(args).await,
        Command::Ls(args) => cli::ls::run(args).await.map(done),
        Command::Stats(args) => cli::stats::run(args).await.map(done),
        Command::Append(args) => return cli::append::run(args).await.map(done),
        Command::Call(args) => cli::call::run(args).await,
        Command::Check(args) => cli::check::run(args).await,
        Command::Migrate(args) => cli::migrate::run(args).await.map(done),
        Command::Health(args) => cli::health::run(args).await.map(done),
        Command::Completion(args) => cli::completion::run(&args, CommandLine::command()).map(done),
    };
    result.map_err(Failure::from)
}

/// Prints the help, the version, or what is wrong with the arguments.
fn print_usage(error: &clap::Error) -> ExitCode {
    match error.print().and_then(|()| stdout().flush()) {
        Err(fault) if !error.use_stderr() && fault.kind() != ErrorKind::BrokenPipe => {
            fail(&format!("standard output cannot be written: {fault}"))
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

fn fail(fault: &str) -> ExitCode {
    let _ = writeln!(stderr(), "flowledger: {fault}"); // eprintln! panics if it cannot write
    ExitCode::FAILURE
}
