//! `flowledger health`: what a container's health check calls, so that its image needs no other tool.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use http::{Request, StatusCode};
use tokio::time::timeout;

use crate::client::Http;

/// How long a server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Address and port of the server
    #[arg(
        long,
        env = "FLOWLEDGER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
}

/// Asks `/readyz`; the fault is what the server says, or that it does not answer.
pub async fn run(args: HealthArgs) -> Result<(), String> {
    let mut address = args.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let request = Request::get(format!("http://{address}/readyz")).body(Default::default());
    let request = request.map_err(|e| e.to_string())?;
    match timeout(PATIENCE, Http::new(false)?.send(request)).await {
        Err(_) => Err(format!("{address} does not answer within {PATIENCE:?}")),
        Ok(Err(fault)) => Err(format!("{address} does not answer: {fault}")),
        Ok(Ok(answer)) if answer.status == StatusCode::OK => Ok(()),
        Ok(Ok(answer)) => Err(String::from_utf8_lossy(&answer.body).trim().to_owned()),
    }
}
