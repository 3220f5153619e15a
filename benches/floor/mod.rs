//! The floors: the least that the same work could cost, each made of as little as possible.

pub mod http;
pub mod rows;
pub mod sqlite;
pub mod writer;
