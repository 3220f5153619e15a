//! The floor of HTTP: the same libraries, answering the same bytes to everything.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
};

use axum::{Router, http::header};
use bytes::Bytes;

use crate::served::announced;

/// A process that answers everything with the same bytes. It is killed when it is dropped.
pub struct FixedBytes {
    pub address: SocketAddr,
    process: Child,
}

impl FixedBytes {
    pub fn start(folder: &Path, body: &[u8]) -> Self {
        let file = folder.join("answer");
        fs::write(&file, body).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--serve-file").arg(file);
        let (process, address) = announced(command);
        FixedBytes { address, process }
    }
}

impl Drop for FixedBytes {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What that process does.
#[tokio::main]
pub async fn serve(file: &Path) {
    let body = Bytes::from(fs::read(file).unwrap());
    let content_type = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
    let answer = axum::routing::any(async move || (content_type, body.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", answer);
    axum::serve(listener, router).await.unwrap();
}
