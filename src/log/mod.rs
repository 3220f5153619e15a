//! What keeps the log from delaying a request or filling a disk: a lossy writer, and a limit on lines that callers
//! without a key can cause. What is logged is decided where it happens.

mod limit;
mod writer;

pub use limit::AnonymousLimit;
pub use writer::LogWriter;
