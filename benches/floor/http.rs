//! The floors over HTTP, each an axum server in a process of its own: one answers fixed bytes, the other reads
//! SQLite on the thread of the request. Neither checks a signature.

use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use axum::{
    Router,
    extract::RawQuery,
    http::header,
    routing::{MethodRouter, any},
};
use bytes::Bytes;
use rusqlite::Connection;

use super::sqlite;
use crate::served::announced;

/// A running floor server. Dropping it kills the process.
pub struct HttpFloor {
    pub address: SocketAddr,
    process: Child,
}

impl HttpFloor {
    /// Starts a server that answers every request with `body`.
    pub fn fixed_bytes(folder: &Path, body: &[u8]) -> Self {
        let file = folder.join("answer");
        fs::write(&file, body).unwrap();
        Self::start("--serve-file", &file)
    }

    /// Starts a server that answers pages of the history of execution 1 in `database`.
    pub fn sqlite(database: &Path) -> Self {
        Self::start("--serve-database", database)
    }

    fn start(flag: &str, file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(flag).arg(file);
        let (process, address) = announced(command);
        HttpFloor { address, process }
    }
}

impl Drop for HttpFloor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the server of [`HttpFloor::fixed_bytes`].
pub fn serve_file(file: &Path) {
    let body = Bytes::from(fs::read(file).unwrap());
    serve(any(async move || (CONTENT_TYPE, body.clone())));
}

/// Runs the server of [`HttpFloor::sqlite`].
pub fn serve_database(file: PathBuf) {
    thread_local! {
        /// Each worker thread of the runtime has its own connection, so requests share no lock.
        static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }
    serve(any(async move |RawQuery(query): RawQuery| {
        let (first, limit) = first_and_limit(&query.unwrap());
        let page = CONNECTION.with_borrow_mut(|connection| {
            let connection = connection.get_or_insert_with(|| sqlite::open(&file));
            sqlite::read_page(connection, first, limit)
        });
        (CONTENT_TYPE, answer(page, first + limit))
    }));
}

const CONTENT_TYPE: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/json;charset=utf-8")];

#[tokio::main]
async fn serve(route: MethodRouter) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", route);
    axum::serve(listener, router).await.unwrap();
}

/// Reads `NextToken` and `Limit` from the query string, with GetExecutionHistory's defaults.
fn first_and_limit(query: &str) -> (i64, i64) {
    let (mut first, mut limit) = (1, 60);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "NextToken" => first = value.parse().unwrap(),
            "Limit" => limit = value.parse().unwrap(),
            _ => {}
        }
    }
    (first, limit)
}

/// Completes the body around `events`, which are JSON objects separated by commas.
fn answer(events: String, next: i64) -> String {
    const HEAD: &str = "{\"Events\":[";
    let mut body = events;
    body.insert_str(0, HEAD);
    body.push_str("],\"NextToken\":\"");
    body.push_str(&next.to_string());
    body.push_str("\",\"RequestId\":\"00000000-0000-0000-0000-000000000000\"}");
    body
}
