//! What should not happen, and what happens then. docs/RELIABILITY.md names the long runs of these tests.

mod fuzz;
mod hostile;
