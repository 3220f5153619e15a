//! One file per action; each test name states a behaviour.

mod append_execution_events;
mod create_flow;
mod delete_flow;
mod describe_execution;
mod describe_flow;
mod get_execution_history;
mod list_executions;
mod list_flows;
mod list_schedules;
mod report_task_failed;
mod report_task_succeeded;
mod start_execution;
mod stop_execution;
mod update_flow;
