//! FlowLedger: execution histories of workflow engines, kept durably and in order, and read by the
//! CloudFlow SDKs that people already have (product `fnf`, version 2019-03-15).
//!
//! The house, from the street to the cellar; a module names only lower ones:
//!
//! - [`cli`]: the subcommands, except the command line itself (`main.rs`)
//! - [`server`]: connections, routes, limits, request id, the one log line, graceful stop
//! - [`client`]: the other end: signs requests and sends them to any endpoint
//! - [`action`]: what callers can ask for; outcomes get their codes here
//! - [`ui`]: the pages under `/ui/`
//! - [`text`]: durations, counts, glyphs and hidden characters, as pages and terminal show them
//! - [`auth`]: a signed request in, a `Caller` out; a cookie in, a `Viewer` out
//! - [`limits`]: permits per access key and network, so that one caller cannot take the server from others
//! - [`store`]: where histories are kept
//! - [`timeline`]: a history as a tree of spans, for pages and terminal
//! - [`config`]: flags and environment, checked
//! - [`wire`]: what the vendor dictates: parameters, signatures, errors, the envelope
//! - [`model`]: the nouns and the pure rules
//! - [`log`]: what keeps the log from costing an answer or a disk
//! - [`clock`]: time and ids
//!
//! A request passes four rooms: `server` (bounded body, id, parameters), `auth` (the caller), one file of
//! `action` (typed arguments, one store call), `store` (one statement or one transaction); the answer
//! goes back through `wire::response`.
//!
//! What always holds: an acknowledged append is synced, whole, once and in order. What is read was
//! verified against its checksum. Nothing about existence is said before rights are checked. No error
//! leaves that is not in the table of `wire::error`. No secret can be printed.

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
