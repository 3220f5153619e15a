//! One file an Action, each a list of sentences about it.

mod get_execution_history;
