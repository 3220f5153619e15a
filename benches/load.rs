//! The load generator: one thread with many keep-alive connections, each of which sends its next request when it
//! has the response to the last one (a closed loop).

use std::{
    cell::RefCell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::report;

/// Open connections to one server.
pub struct Connections {
    runtime: tokio::runtime::Runtime,
    streams: Vec<Stream>,
}

struct Stream {
    stream: TcpStream,
    /// Received bytes that were not parsed yet.
    bytes: Vec<u8>,
}

impl Connections {
    pub fn open(address: SocketAddr, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connect = async {
            let mut streams = Vec::with_capacity(count);
            for _ in 0..count {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let bytes = Vec::with_capacity(1 << 20);
                streams.push(Stream { stream, bytes });
            }
            streams
        };
        let streams = runtime.block_on(connect);
        Connections { runtime, streams }
    }

    /// Sends all `requests`, each over the first free connection, and returns the time until the last response.
    /// Panics at a status other than 200.
    pub fn send(&mut self, requests: &[Vec<u8>]) -> Duration {
        let next = RefCell::new(requests.iter());
        let each = self.streams.iter_mut().map(async |stream| {
            loop {
                let Some(request) = next.borrow_mut().next() else {
                    return;
                };
                stream.stream.write_all(request).await.unwrap();
                stream.answer().await;
            }
        });
        let all = futures_util::future::join_all(each);
        report::timed(|| drop(self.runtime.block_on(all)))
    }

    /// Sends requests until `end`. Each connection waits for its response, pauses, and sends the request that `make`
    /// returns for the numbers of connection and request. `answered` gets the latency of each request.
    pub fn until(
        &mut self,
        end: Instant,
        pause: Duration,
        make: impl Fn(usize, usize) -> Vec<u8>,
        answered: impl Fn(Duration),
    ) {
        let (make, answered) = (&make, &answered);
        let streams = self.streams.iter_mut().enumerate();
        let each = streams.map(async |(connection, stream)| {
            let mut count = 0;
            while report::now() < end {
                let request = make(connection, count);
                count += 1;
                let sent = report::now();
                stream.stream.write_all(&request).await.unwrap();
                stream.answer().await;
                answered(sent.elapsed());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
        let all = futures_util::future::join_all(each);
        self.runtime.block_on(all);
    }

    /// Sends one request and returns the body of its response.
    pub fn body(&mut self, request: &[u8]) -> Vec<u8> {
        let stream = &mut self.streams[0];
        self.runtime.block_on(async {
            stream.stream.write_all(request).await.unwrap();
            stream.answer().await;
        });
        std::mem::take(&mut stream.bytes)
    }
}

impl Stream {
    /// Reads one response into `bytes`, without its head. Panics if it is not 200 or has no Content-Length.
    async fn answer(&mut self) {
        self.bytes.clear();
        let head = loop {
            assert!(self.stream.read_buf(&mut self.bytes).await.unwrap() > 0);
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = std::str::from_utf8(&self.bytes[..head]).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        let length = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>().unwrap())
        });
        let end = head + length.expect("Content-Length");
        while self.bytes.len() < end {
            assert!(self.stream.read_buf(&mut self.bytes).await.unwrap() > 0);
        }
        assert_eq!(self.bytes.len(), end, "one response, no more");
        self.bytes.drain(..head);
    }
}
