//! FlowLedger: a server that stores the execution histories of workflow engines, durably and in order. It speaks
//! the API of Alibaba CloudFlow (product `fnf`, version 2019-03-15), so existing SDKs read it unchanged.
//!
//! Layers, top to bottom; a module depends only on lower ones. `main.rs`, the command line, is above them all.
//!
//! - [`cli`]: one file per subcommand
//! - [`server`]: connections, routes, body limits, request ids, the request log, graceful shutdown
//! - [`client`]: signs requests and sends them to any endpoint, with retry
//! - [`action`]: one file per action: typed arguments, one store call, error codes
//! - [`ui`]: the pages under `/ui/`
//! - [`auth`]: turns a signed request into a `Caller` and a session cookie into a `Viewer`
//! - [`timeline`]: folds a history into a tree of spans, for browser and terminal
//! - [`text`]: durations, counts, glyphs and hidden characters, for browser and terminal
//! - [`limits`]: permits per access key and network, so that one caller cannot use up the server's capacity
//! - [`store`]: persistence: flows, executions, events, nonces
//! - [`config`]: flags and environment variables, checked
//! - [`log`]: a bounded, lossy log writer that never delays an answer
//! - [`clock`]: time and ids
//! - [`wire`]: the vendor's wire format: parameters, signatures, errors, the envelope of an answer
//! - [`model`]: domain types and their pure rules
//!
//! A request passes `server` (bounded body, request id, parameters), `auth` (the caller), one file of `action`
//! (typed arguments, one store call) and `store` (one statement or one transaction). The answer returns through
//! `wire::response`.
//!
//! Invariants:
//!
//! - An acknowledged append has been synced to disk; it is whole, once, and in order.
//! - Every event that is read has been verified against its checksum.
//! - No answer tells whether something exists before the caller's rights are checked.
//! - Every error answer has a code of the table in `wire::error`.
//! - No secret can be printed or compared except in constant time.

pub mod action;
pub mod auth;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod limits;
pub mod log;
pub mod model;
pub mod server;
pub mod store;
pub mod text;
pub mod timeline;
pub mod ui;
pub mod wire;
