//! A connection that closes itself when its peer is too slow.
//!
//! The HTTP library has one time-out for a request's head, which also runs while a connection is idle.
//! Clients keep idle connections for a minute, but nobody needs more than seconds for a head.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::budget::Budget;

/// From the first byte of a request's head to its last.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a byte between two requests. Above the 60 s for which Java clients keep a connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(65);
/// Without the peer taking `PACE_BYTES` of the answer, or its rest.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The same while others wait for memory. Whoever is only busy comes back within this; who is cut off sees a
/// broken connection, which is worse than to be throttled.
const SHORT_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection that cannot write looks whether others wait.
const SHORT_LOOK: Duration = Duration::from_secs(1);
/// What counts as taking the answer. Byte by byte, a large one would be held for ever.
const PACE_BYTES: usize = 64 * 1024;

/// Whether a request is being worked on; set by whoever works on it. Then the peer may be silent.
#[derive(Clone, Default)]
pub struct Busy(Arc<AtomicBool>);

impl Busy {
    pub fn set(&self, busy: bool) {
        self.0.store(busy, Relaxed);
    }
}

/// A TCP stream under these time-outs. What is late is an error, on which the HTTP library closes.
pub struct Paced {
    stream: TcpStream,
    busy: Busy,
    /// When the last byte went either way.
    moved: Instant,
    /// When the first byte of an unfinished head came.
    head: Option<Instant>,
    /// Since when the peer does not take the answer.
    stuck: Option<Instant>,
    /// Bytes taken since then.
    taken: usize,
    /// Answers share this memory.
    answers: Arc<Budget>,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Pin<Box<Sleep>>,
}

impl Paced {
    pub fn new(stream: TcpStream, answers: Arc<Budget>) -> Self {
        let _ = stream.set_nodelay(true);
        let now = Instant::now();
        let timer = || Box::pin(sleep_until(now + IDLE_TIMEOUT));
        Paced {
            stream,
            busy: Busy::default(),
            moved: now,
            head: None,
            stuck: None,
            taken: 0,
            answers,
            read_timer: timer(),
            write_timer: timer(),
        }
    }

    pub fn busy(&self) -> Busy {
        self.busy.clone()
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        if let Poll::Ready(Ok(bytes)) = result {
            self.taken += bytes;
            if self.taken >= PACE_BYTES {
                self.goes_on();
            }
            self.head = None; // an answer means that the head is over
            self.moved = now;
        }
        if result.is_ready() {
            return result;
        }
        let stuck = *self.stuck.get_or_insert(now);
        loop {
            let now = Instant::now();
            let limit = if self.answers.is_short() {
                SHORT_WRITE_TIMEOUT
            } else {
                WRITE_TIMEOUT
            };
            if now >= stuck + limit {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let look = (now + SHORT_LOOK).min(stuck + WRITE_TIMEOUT);
            ready!(wait(&mut self.write_timer, look, cx));
        }
    }

    /// The peer goes on taking the answer.
    fn goes_on(&mut self) {
        (self.stuck, self.taken) = (None, 0);
    }
}

/// Is ready at `deadline`. A timer set earlier is left to run out first: most are never needed.
fn wait(timer: &mut Pin<Box<Sleep>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    loop {
        ready!(timer.as_mut().poll(cx));
        if timer.deadline() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.busy.0.load(Relaxed) {
            this.head = None;
            if result.is_pending() {
                // The HTTP library will not ask again when the answer is written: wake it up later.
                let _ = wait(&mut this.read_timer, Instant::now() + IDLE_TIMEOUT, cx);
            }
            return result;
        }
        if result.is_ready() {
            this.moved = Instant::now();
            this.head.get_or_insert(this.moved);
            return result;
        }
        let deadline = this
            .head
            .map_or(this.moved + IDLE_TIMEOUT, |first| first + HEAD_TIMEOUT);
        ready!(wait(&mut this.read_timer, deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.goes_on(); // all is taken
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
