//! The time-outs of a connection: a TCP stream that fails when its peer is too slow, and the state that it
//! shares with the requests and the listener.
//!
//! hyper's own time-out for a request's head also runs while a connection is idle, so one value cannot suit both:
//! clients keep idle connections for a minute (keep-alive), but a head needs only seconds.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take},
    net::TcpStream,
    sync::{Notify, watch},
    time::{Instant, Sleep, sleep_until},
};

use crate::limits::{ClientId, Limits, Permit, SMALL_BYTES};

/// Longest time from the first byte of a request's head to its last.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time without a byte between two requests (keep-alive). Above the 60 s for which Java clients keep a
/// connection, so that the server does not close one that a client is about to use.
const IDLE_TIMEOUT: Duration = Duration::from_secs(65);
/// Longest time from the accept of a pending connection to the end of its first request's head. Short, because there
/// are few places for pending connections.
const PENDING_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time in which the client reads less than `PACE_BYTES` of an answer and less than the rest of it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a client must read within `WRITE_TIMEOUT`. If a single byte were enough, a client that reads byte by byte
/// would make the server hold a large answer for ever.
const PACE_BYTES: usize = 64 * 1024;
/// The same two while another request waits for memory (contention): an answer of 16 MiB holds its permit for 80 s at
/// most. Not shorter, because a client that is only busy must not be cut off: a broken connection is worse for it than
/// a throttled request is for the one that waits.
const CONTENDED_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const CONTENDED_PACE_BYTES: usize = 1024 * 1024;
/// How often a connection that cannot write checks for contention.
const CONTENTION_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of one read. hyper doubles its buffer whenever a read fills it, up to the largest head, and keeps it
/// while the connection is idle; a read of one byte less than the buffer never does.
const READ_MAX_BYTES: u64 = SMALL_BYTES as u64 - 1;
/// Bytes of a request's head that are read before it is refused: its line of at most 64 KiB, and the fields. This is
/// also the largest buffer that hyper allocates for a head above `SMALL_BYTES`.
pub const HEAD_MAX_BYTES: usize = 80 * 1024;

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// A request is arriving, or an answer is still being written.
    Transferring,
    /// A request is being worked on; the peer may be silent.
    InFlight,
    /// Between two requests, or before the first.
    Idle(Instant),
    /// It is being closed to make room for another connection, and reads no more requests.
    Closing,
}

/// State shared by the connection's stream, its requests and the listener.
pub struct ConnectionState {
    activity: Mutex<Activity>,
    close: Notify,
    /// Whether it has a place among the connections that are served.
    admitted: AtomicBool,
    /// Whether a head above `SMALL_BYTES` has come.
    large_head: AtomicBool,
    /// Whether the peer has closed its side while a request was in flight. It may still wait for the answer.
    half_closed: watch::Sender<bool>,
    /// Whether the answer is a stream without an end.
    streaming: AtomicBool,
    /// Who is charged for the answer that is being written.
    client: Mutex<ClientId>,
}

impl ConnectionState {
    pub fn new(client: ClientId, admitted: bool) -> Self {
        ConnectionState {
            activity: Mutex::new(Activity::Idle(Instant::now())),
            close: Notify::new(),
            admitted: admitted.into(),
            large_head: false.into(),
            half_closed: watch::Sender::default(),
            streaming: false.into(),
            client: client.into(),
        }
    }

    /// Notes that a request's head is complete. Returns false if the connection is being closed: the request
    /// must not be worked on then.
    pub fn begin_request(&self) -> bool {
        self.enter(Activity::InFlight)
    }

    /// Notes that an answer begins, for whose body `client` is charged.
    pub fn begin_answer(&self, client: Option<ClientId>) {
        if let Some(client) = client {
            *self.client.lock().expect("no panic holds this lock") = client;
        }
    }

    /// Notes that the answer is known as a whole, though not yet written.
    pub fn end_request(&self) {
        self.enter(Activity::Transferring);
    }

    /// Notes that the answer is a stream. It ends when the peer closes its side, because nothing else ends it.
    pub fn begin_stream(&self) {
        self.streaming.store(true, Relaxed);
        if *self.half_closed.borrow() {
            self.close.notify_one();
        }
    }

    /// Notes that the peer has closed its side while a request is in flight.
    fn set_half_closed(&self) {
        self.half_closed.send_replace(true);
        if self.streaming.load(Relaxed) {
            self.close.notify_one();
        }
    }

    /// Returns what long polls watch: they answer at once when the peer has closed its side, because it may be gone.
    pub fn half_closed(&self) -> HalfClosed {
        HalfClosed(self.half_closed.subscribe())
    }

    pub fn client(&self) -> ClientId {
        self.client
            .lock()
            .expect("no panic holds this lock")
            .clone()
    }

    pub fn is_admitted(&self) -> bool {
        self.admitted.load(Relaxed)
    }

    pub fn set_admitted(&self) {
        self.admitted.store(true, Relaxed);
    }

    pub fn has_large_head(&self) -> bool {
        self.large_head.load(Relaxed)
    }

    /// Returns since when the connection is idle, if it is.
    pub fn idle_since(&self) -> Option<Instant> {
        match *self.activity() {
            Activity::Idle(since) => Some(since),
            _ => None,
        }
    }

    /// Closes the connection unless a request has begun to arrive meanwhile.
    pub fn close_if_idle(&self) {
        let mut activity = self.activity();
        if matches!(*activity, Activity::Idle(_)) {
            *activity = Activity::Closing;
            self.close.notify_one();
        }
    }

    /// Completes when the connection must be closed: it gives way to another one, or its stream has no reader.
    pub async fn closed(&self) {
        self.close.notified().await;
    }

    /// Notes that everything is written, and no part of another request has come.
    fn set_idle(&self, since: Instant) {
        let mut activity = self.activity();
        if *activity == Activity::Transferring {
            *activity = Activity::Idle(since);
        }
    }

    fn is_in_flight(&self) -> bool {
        *self.activity() == Activity::InFlight
    }

    /// Changes the activity; returns false if the connection is being closed.
    fn enter(&self, next: Activity) -> bool {
        let mut activity = self.activity();
        let open = *activity != Activity::Closing;
        if open {
            *activity = next;
        }
        open
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().expect("no panic holds this lock")
    }
}

/// Turns true when the peer closes its side of the connection while its request is in flight.
#[derive(Clone)]
pub struct HalfClosed(pub watch::Receiver<bool>);

/// A TCP stream with these time-outs. A read or write that is too late returns an error, on which hyper closes the
/// connection.
pub struct TimeoutStream {
    stream: Take<TcpStream>,
    state: Arc<ConnectionState>,
    limits: Arc<Limits>,
    /// When the last byte went either way.
    moved: Instant,
    /// When the first byte of an unfinished head came, and how many have come.
    head: Option<(Instant, usize)>,
    /// Memory of a large head, held until the connection closes, because hyper keeps the buffer.
    head_permit: Option<Permit>,
    /// Since when writes have been blocked by the client, and how many bytes it has read since.
    blocked: Option<(Instant, usize)>,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Pin<Box<Sleep>>,
}

impl TimeoutStream {
    pub fn new(stream: TcpStream, state: Arc<ConnectionState>, limits: Arc<Limits>) -> Self {
        let _ = stream.set_nodelay(true);
        let now = Instant::now();
        let timer = || Box::pin(sleep_until(now + IDLE_TIMEOUT));
        TimeoutStream {
            stream: stream.take(READ_MAX_BYTES),
            state,
            limits,
            moved: now,
            head: None,
            head_permit: None,
            blocked: None,
            read_timer: timer(),
            write_timer: timer(),
        }
    }

    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.get_mut())
    }

    /// Takes memory for a head above `SMALL_BYTES` before more of it is read.
    fn reserve_head(&mut self) -> io::Result<()> {
        let is_large = self.head.is_some_and(|(_, bytes)| bytes > SMALL_BYTES);
        if is_large && self.head_permit.is_none() {
            let uploads = &self.limits.uploads;
            self.head_permit = uploads.try_acquire(&self.state.client(), HEAD_MAX_BYTES);
            self.state.large_head.store(true, Relaxed);
            if self.head_permit.is_none() {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        }
        Ok(())
    }

    /// Looks whether the peer has closed its side, without reading. hyper does not read while a request is in flight.
    fn watch_peer(&self, cx: &mut Context<'_>) -> io::Result<()> {
        if *self.state.half_closed.borrow() {
            return Ok(());
        }
        let mut byte = [0];
        match self
            .stream
            .get_ref()
            .poll_peek(cx, &mut ReadBuf::new(&mut byte))
        {
            Poll::Ready(Ok(0)) => self.state.set_half_closed(),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => {}
        }
        Ok(())
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = result {
            self.head = None; // an answer means that the head is over
            self.moved = Instant::now();
            if let Some((since, taken)) = self.blocked {
                let taken = taken + bytes;
                let keeps_pace = taken >= self.pace().1;
                self.blocked = (!keeps_pace).then_some((since, taken));
            }
        }
        if result.is_ready() {
            return result;
        }
        let (since, _) = *self.blocked.get_or_insert((Instant::now(), 0));
        loop {
            let now = Instant::now();
            if now >= since + self.pace().0 {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let look = (now + CONTENTION_INTERVAL).min(since + WRITE_TIMEOUT);
            ready!(wait(&mut self.write_timer, look, cx));
        }
    }

    /// Returns how fast the peer must take an answer now: in which time how many bytes.
    fn pace(&self) -> (Duration, usize) {
        if self.limits.answers.is_contended(&self.state.client()) {
            (CONTENDED_WRITE_TIMEOUT, CONTENDED_PACE_BYTES)
        } else {
            (WRITE_TIMEOUT, PACE_BYTES)
        }
    }
}

/// Is ready at `deadline`. A timer that is set to an earlier time is reset only after it has fired, because most timers
/// are never needed and a reset at each read would cost more.
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

impl AsyncRead for TimeoutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_in_flight = this.state.is_in_flight();
        if !is_in_flight {
            this.reserve_head()?;
        }
        let before = buf.filled().len();
        this.stream.set_limit(READ_MAX_BYTES);
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if is_in_flight {
            this.head = None;
            if result.is_pending() {
                // hyper does not read again when the answer is written: wake it up for the idle time-out.
                let _ = wait(&mut this.read_timer, Instant::now() + IDLE_TIMEOUT, cx);
            }
            return result;
        }
        if result.is_ready() {
            this.moved = Instant::now();
            let (_, bytes) = this.head.get_or_insert((this.moved, 0));
            *bytes += buf.filled().len() - before;
            if !this.state.enter(Activity::Transferring) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            return result;
        }
        let (idle, head) = if this.state.is_admitted() {
            (IDLE_TIMEOUT, HEAD_TIMEOUT)
        } else {
            (PENDING_TIMEOUT, PENDING_TIMEOUT)
        };
        let deadline = this
            .head
            .map_or(this.moved + idle, |(first, _)| first + head);
        ready!(wait(&mut this.read_timer, deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = this.tcp().poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = this.tcp().poll_write_vectored(cx, slices);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    /// hyper flushes once everything it has is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.blocked = None;
        if this.head.is_none() {
            this.state.set_idle(this.moved);
        }
        if this.state.is_in_flight() {
            this.watch_peer(cx)?;
        }
        this.tcp().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().tcp().poll_shutdown(cx)
    }
}
