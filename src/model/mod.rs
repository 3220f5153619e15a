//! The nouns and the pure rules: names, times, flows, executions, events, cursors and nonces.

pub mod cursor;
pub mod event;
pub mod execution;
pub mod flow;
pub mod name;
pub mod nonce;
pub mod timestamp;

pub use cursor::Cursor;
pub use event::NewEvent;
pub use execution::{Execution, Status};
pub use flow::Flow;
pub use name::Name;
pub use nonce::Nonce;
pub use timestamp::Timestamp;
