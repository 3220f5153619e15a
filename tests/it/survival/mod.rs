//! What a server survives. Each subject is small here and long by an environment variable; see
//! docs/RELIABILITY.md.

mod client;
mod overload;
mod slow;
