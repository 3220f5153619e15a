//! One file an Action, each a list of sentences about it.

mod append_execution_events;
mod create_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod start_execution;
