//! Keeps the log from delaying a request or filling a disk: a lossy writer, and a rate limit on lines that callers
//! without a key can cause. Other modules decide what is logged.

mod limit;
mod writer;

pub use limit::AnonymousLimit;
pub use writer::LogWriter;
