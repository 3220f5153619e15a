//! The listener: accepts and admits connections, speaks HTTP on them, and shuts down gracefully.
//!
//! A connection takes a permit when it is accepted. Without a free one its first request is read all the
//! same: health checks are answered, and any other request closes the connection that has been idle longest
//! and takes its place. Only if none is idle is it throttled (load shedding).

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use axum::{
    Router,
    body::HttpBody,
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use super::{
    App, api, router,
    timeouts::{ConnectionState, HEAD_MAX_BYTES, TimeoutStream},
};
use crate::{
    config::HEALTH_PATHS,
    limits::{ClientId, PeerAddr, Permit},
};

/// Header fields of a request.
const HEADERS_MAX: usize = 100;
/// Time from the beginning of a shutdown in which the server still accepts connections and reads requests. What clients
/// sent before the signal may still be in a socket's buffer and must be answered.
const DRAIN_GRACE: Duration = Duration::from_millis(100);
/// Longest wait for requests in flight after that. The process must exit within five seconds of the signal.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);
/// Pause after a connection could not be accepted, for example because there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
struct Server {
    app: Arc<App>,
    router: Router,
    open: Connections,
}

/// Serves until `stop` completes, then drains: answers what was sent until then. Returns whether all of it
/// was answered in time.
pub async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) -> bool {
    let server = Arc::new(Server {
        router: router(Arc::clone(&app)),
        app: Arc::clone(&app),
        open: Connections::default(),
    });
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(async {
        stop.await;
        app.stopping.send_replace(true);
        sleep(DRAIN_GRACE).await;
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => start(&server, stream, peer, graceful.watcher()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_ok()
}

/// Serves a connection in a task of its own, or closes it if there are too many.
fn start(server: &Arc<Server>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
    let limits = &server.app.limits;
    let peer = PeerAddr(peer);
    let client = ClientId::anonymous(peer);
    let (admitted, permit) = match limits.connections.try_acquire(&client) {
        Some(permit) => (true, permit),
        None => match limits.pending_connections.try_acquire(&client) {
            Some(permit) => (false, permit),
            None => return,
        },
    };
    let state = Arc::new(ConnectionState::new(client, admitted));
    let connection = Arc::new(Connection {
        server: Arc::clone(server),
        peer,
        state: Arc::clone(&state),
        permit: Mutex::new(permit),
    });
    tokio::spawn(async move {
        let server = &connection.server;
        server.open.insert(&state);
        let stream = TimeoutStream::new(stream, Arc::clone(&state), Arc::clone(&server.app.limits));
        let service = hyper::service::service_fn(|request| Arc::clone(&connection).answer(request));
        let serving = watcher.watch(http().serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = serving => {}
            () = state.closed() => {}
        }
    });
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .half_close(true) // a client that has sent a whole request may still wait for its answer
        .header_read_timeout(None);
    http
}

/// An open connection.
struct Connection {
    server: Arc<Server>,
    peer: PeerAddr,
    state: Arc<ConnectionState>,
    /// Of `connections`, or of `pending_connections` until it is admitted.
    permit: Mutex<Permit>,
}

impl Connection {
    /// Answers a request. All answers of the server pass here.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Infallible> {
        if !self.state.begin_request() {
            return std::future::pending().await;
        }
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.state.half_closed());
        let mut closes = self.state.has_large_head();
        let mut response = if self.is_health_check(&request) || self.admit().await {
            self.server.router.clone().oneshot(request).await?
        } else {
            api::throttled(&self.server.app, &request)
        };
        let is_stream = response.body().size_hint().exact().is_none();
        closes |= is_stream || !self.state.is_admitted() || *self.server.app.stopping.borrow();
        let client = response.extensions_mut().remove::<ClientId>();
        let headers = response.headers_mut();
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.state.begin_answer(client);
        // The connection of a stream of events counts as in flight until the stream ends; otherwise it would be closed
        // as idle between two events.
        if is_stream {
            self.state.begin_stream();
        } else {
            self.state.end_request();
        }
        Ok(response)
    }

    /// Whether a request is a health check, which is answered even if all connections are in use.
    fn is_health_check(&self, request: &Request) -> bool {
        let path = request.uri().path();
        let below = path.strip_prefix(&*self.server.app.base_path);
        HEALTH_PATHS.contains(&path) || below.is_some_and(|path| HEALTH_PATHS.contains(&path))
    }

    /// Gives a pending connection a place among those that are served; returns false if there is none.
    async fn admit(&self) -> bool {
        if self.state.is_admitted() {
            return true;
        }
        let connections = &self.server.app.limits.connections;
        let client = self.state.client();
        let mut permit = connections.try_acquire(&client);
        if permit.is_none() {
            let own = connections.is_network_share_used(&client);
            self.server.open.close_idle(own.then(|| client.network()));
            permit = connections.acquire(&client).await;
        }
        let Some(permit) = permit else { return false };
        *self.permit.lock().expect("no panic holds this lock") = permit;
        self.state.set_admitted();
        true
    }
}

/// All open connections, to find those that are idle. A keep-alive connection without a request gives way to
/// a connection that has one, as in other servers.
#[derive(Default)]
struct Connections(Mutex<Vec<Weak<ConnectionState>>>);

impl Connections {
    fn insert(&self, state: &Arc<ConnectionState>) {
        let mut open = self.0.lock().expect("no panic holds this lock");
        if open.len() == open.capacity() {
            open.retain(|state| state.strong_count() > 0);
        }
        open.push(Arc::downgrade(state));
    }

    /// Closes the connection that has been idle longest; with `network`, the one of this network.
    fn close_idle(&self, network: Option<IpAddr>) {
        let open = self.0.lock().expect("no panic holds this lock");
        let states = open.iter().filter_map(Weak::upgrade);
        let idle = states.filter_map(|state| {
            let in_scope = network.is_none_or(|network| state.client().network() == network);
            let frees_place = in_scope && state.is_admitted();
            let since = state.idle_since().filter(|_| frees_place)?;
            Some((since, state))
        });
        if let Some((_, state)) = idle.min_by_key(|(since, _)| *since) {
            state.close_if_idle();
        }
    }
}
