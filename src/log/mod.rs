//! What keeps the log from filling a disk: a limit on lines that callers without a key can cause. What is logged is
//! decided where it happens.

mod limit;

pub use limit::AnonymousLimit;
