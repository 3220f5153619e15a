//! Domain types and their pure rules: names, times, flows, executions, events, reasons, task tokens and nonces.

pub mod event;
pub mod execution;
pub mod flow;
pub mod name;
pub mod nonce;
pub mod reason;
pub mod task_token;
pub mod timestamp;

pub use event::NewEvent;
pub use execution::{Execution, Status};
pub use flow::Flow;
pub use name::Name;
pub use nonce::Nonce;
pub use timestamp::Timestamp;
