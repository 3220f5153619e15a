//! `flowledger health`: asks a server whether it is ready. A container's health check calls it, so that the image
//! needs no HTTP client.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use http::{Request, StatusCode};
use tokio::time::timeout;

use crate::{
    client::Http,
    config::{HEALTH_PATHS, listen_address},
};

/// Longest wait for the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Address and port of the server: HOST:PORT, or only a port for 127.0.0.1
    #[arg(
        long,
        env = "FLOWLEDGER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS",
        value_parser = listen_address
    )]
    listen: SocketAddr,
}

/// Asks `/readyz`, which a server answers without its base path too.
///
/// # Errors
/// The server is not ready, with what it says, or does not answer within 5 s.
pub async fn run(args: HealthArgs) -> Result<(), String> {
    let mut address = args.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let [_, readyz] = HEALTH_PATHS;
    let request = Request::get(format!("http://{address}{readyz}")).body(Default::default());
    let request = request.map_err(|e| e.to_string())?;
    match timeout(ANSWER_TIMEOUT, Http::new(false)?.send(request)).await {
        Err(_) => Err(format!(
            "{address} does not answer within {ANSWER_TIMEOUT:?}"
        )),
        Ok(Err(fault)) => Err(format!("{address} does not answer: {fault}")),
        Ok(Ok(answer)) if answer.status == StatusCode::OK => Ok(()),
        Ok(Ok(answer)) => Err(String::from_utf8_lossy(&answer.body).trim().to_owned()),
    }
}
