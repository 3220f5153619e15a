//! The subcommands, one file each. Parsing the command line and the exit code are `main.rs`.

pub mod append;
pub mod call;
pub mod check;
pub mod completion;
mod demo;
mod events;
pub mod health;
mod keys;
mod log;
pub mod ls;
pub mod migrate;
mod remote;
pub mod serve;
pub mod show;
pub mod stats;
pub mod tail;
mod terminal;

/// Why a command fails: one line for the user, and the exit code.
pub struct Failure {
    pub message: String,
    pub exit_code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure {
            message,
            exit_code: 1,
        }
    }
}
