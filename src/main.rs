//! The command line: one subcommand, one exit code (0 done, 1 failed, 2 wrong usage).

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flowledger::{cli, config::ServeArgs};

/// Execution history that CloudFlow SDKs read unchanged
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API
    Serve(ServeArgs),
    /// Ask a server whether it is ready; exit code 0 if so
    Health(cli::health::HealthArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Serve(args) => cli::serve::run(args).await,
        Command::Health(args) => cli::health::run(args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("flowledger: {fault}");
            ExitCode::FAILURE
        }
    }
}
