//! Slow clients: their connections are closed in time, and clients of other keys are not delayed.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, interval, sleep, timeout_at},
};

use super::client::{Connection, SLOW_KEY, Served, Times, append, call, page, setting, start};

/// What a slow client does.
#[derive(Clone, Copy, PartialEq)]
enum Slow {
    /// Sends a head a byte at a time.
    Head,
    /// Sends a small body a byte at a time.
    Body,
    /// Sends a part of a body, and closes that direction.
    HalfClosed,
    /// Sends the first part of a large body at once, and the rest a byte at a time.
    Upload,
    /// Asks for a large page and reads nothing.
    Unread,
    /// Sends nothing.
    Idle,
}

use Slow::*;

const KINDS: [Slow; 6] = [Head, Body, HalfClosed, Upload, Unread, Idle];
/// The seconds after which all but the idle ones are gone, and these too.
const SLOW_SECONDS: u64 = 20;
const IDLE_SECONDS: u64 = 65;
/// Tolerance of these times.
const LATE: Duration = Duration::from_secs(3);
/// Bound of the anonymous memory of the server, in MiB.
const MEMORY_MAX_MIB: u64 = 256;
/// Bound of the p99 latency of a well-behaved client.
const HONEST_P99: Duration = Duration::from_millis(50);
/// Bound of the latency of a large call: reservations of slow clients must be revoked first.
const LARGE: Duration = Duration::from_secs(10);

const HEAD: &str = "POST /?Action=DescribeFlow HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ";

/// Sends slowly, or nothing, until the server closes the connection.
async fn send_slowly(mut stream: TcpStream, kind: Slow) {
    let begin = match kind {
        Idle => String::new(),
        Head => "GET / HTTP/1.1\r\nA: ".to_owned(),
        Body => format!("{HEAD}1000\r\n\r\nName="),
        Upload => format!("{HEAD}1000000\r\n\r\n{}", "a".repeat(20_000)),
        HalfClosed => format!("{HEAD}100\r\n\r\nName="),
        Unread => {
            let large = page("large", 1, 1000).key(SLOW_KEY.0, SLOW_KEY.1);
            let close = large.header("Connection", "close");
            String::from_utf8(close.bytes()).unwrap()
        }
    };
    let _ = stream.write_all(begin.as_bytes()).await;
    if matches!(kind, HalfClosed) {
        let _ = stream.shutdown().await;
    }
    let drips = matches!(kind, Head | Body | Upload);
    let (mut reader, mut writer) = stream.split();
    let mut answer = [0; 1024];
    let mut second = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => if drips && writer.write_all(b"a").await.is_err() {
                return;
            },
            read = reader.read(&mut answer), if !matches!(kind, Unread) => match read {
                Ok(1..) => {}
                _ => return,
            },
        }
    }
}

/// Reads and appends, one call after the other, until it is stopped.
async fn call_steadily(mut connection: Connection, mut stop: oneshot::Receiver<()>) -> Times {
    connection.ok(&start("honest")).await;
    let mut times = Times::default();
    let mut next = 2;
    while stop.try_recv().is_err() {
        for ask in [
            page("honest", next - 1, 100),
            append("honest", Some(next), 5, 100),
            call("DescribeFlow").query("Name", "f"),
        ] {
            let begun = Instant::now();
            let reply = connection.ask(&ask).await.unwrap();
            times.add(begun.elapsed());
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
        next += 5;
        sleep(Duration::from_millis(20)).await;
    }
    times
}

/// Makes a large upload and reads a large page while slow clients hold memory reservations.
async fn call_with_large_bodies(mut connection: Connection, whole: bool) {
    connection.ok(&start("uploaded")).await;
    for ask in [
        append("uploaded", Some(2), 14, 60_000),
        page("large", 1, 1000),
    ] {
        let begun = Instant::now();
        connection.ok(&ask).await;
        let took = begun.elapsed();
        println!("{} of some MB: {took:?}", ask.action);
        assert!(!whole || took <= LARGE, "{} took {took:?}", ask.action);
    }
}

/// The short run does not wait for idle connections and asserts no latency: other tests run beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_are_closed_in_time_and_delay_no_others() {
    let count = usize::try_from(setting("SLOW_CONNECTIONS", 0)).unwrap();
    let whole = count > 0;
    let count = if whole { count } else { 300 };
    let served = Served::start().await;
    served.fill("large", 150, 60_000).await;
    let mut honest = served.connect().await;
    let mut large = served.connect().await;
    for open in [&mut honest, &mut large] {
        open.ok(&page("large", 1, 1)).await; // so the server has accepted it
    }
    let before = served.sockets();
    let (stop, stopped) = oneshot::channel();
    let honest = tokio::spawn(call_steadily(honest, stopped));

    let mut slow = JoinSet::new();
    for kind in KINDS.into_iter().cycle().take(count) {
        slow.spawn(send_slowly(served.connect().await.stream, kind));
    }
    let begun = Instant::now();
    let large = tokio::spawn(call_with_large_bodies(large, whole));
    let late = if whole { LATE } else { LATE * 5 };
    let mut memory = served.memory();
    let phases = [
        (SLOW_SECONDS, before + count.div_ceil(KINDS.len())),
        (IDLE_SECONDS, before),
    ];
    for (seconds, open) in phases.into_iter().take(if whole { 2 } else { 1 }) {
        let deadline = begun + Duration::from_secs(seconds) + late;
        while served.sockets() > open {
            let left = served.sockets();
            assert!(Instant::now() < deadline, "{left} are open, not {open}");
            memory = memory.max(served.memory());
            sleep(Duration::from_millis(100)).await;
        }
        println!("at most {open} open after {:?}", begun.elapsed());
    }
    timeout_at(begun + Duration::from_secs(60), large)
        .await
        .unwrap()
        .unwrap();
    stop.send(()).unwrap();
    let mut times = honest.await.unwrap();
    let p99 = times.percentile(99);
    println!(
        "{count} slow, {memory} MiB; an honest client's p50 {:?}, p99 {p99:?}",
        times.percentile(50)
    );
    assert!(memory <= MEMORY_MAX_MIB, "{memory} MiB");
    assert!(!whole || p99 <= HONEST_P99, "{p99:?}");
    assert_eq!(served.log(), "");
}
