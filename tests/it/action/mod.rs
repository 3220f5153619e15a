//! One file an Action, each a list of sentences about it.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod list_executions;
mod list_flows;
mod report_task_failed;
mod report_task_succeeded;
mod start_execution;
mod stop_execution;
mod update_flow;
