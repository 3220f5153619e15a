//! The subcommands.

mod demo;
pub mod health;
pub mod serve;
