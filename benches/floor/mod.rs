//! The floors: minimal implementations of the same work, as references for the server's cost.

pub mod http;
pub mod rows;
pub mod sqlite;
pub mod writer;
