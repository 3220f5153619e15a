//! `flowledger health`: what a container's health check calls, so that its image needs no other tool.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

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
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: flowledger\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| answer)
    };
    match timeout(PATIENCE, ask).await {
        Err(_) => Err(format!("{address} does not answer within {PATIENCE:?}")),
        Ok(Err(error)) => Err(format!("{address} does not answer: {error}")),
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(Ok(answer)) => Err(answer
            .lines()
            .last()
            .unwrap_or("an empty answer")
            .to_owned()),
    }
}
