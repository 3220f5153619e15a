//! Connections, routes, time-outs and the graceful stop.

mod api;
mod budget;
mod connection;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth::Authenticator,
    clock::Clock,
    store::Store,
    ui::{self, Ui},
};
use budget::Budget;
use connection::Paced;

/// Connections that are served at the same time.
const CONNECTIONS_MAX: usize = 4096;
/// Connections beyond those that wait for a place; more are closed at once.
const WAITING_MAX: usize = 256;
/// Longest wait for a place, before the caller is told to come again. Terraform never tries again.
const PLACE_WAIT: Duration = Duration::from_secs(1);
/// How long a connection without a place may take to hear so.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a request's head that are read before it is refused: its line of at most 64 KiB, and the fields.
const HEAD_MAX_BYTES: usize = 80 * 1024;
/// Header fields of a request.
const HEADERS_MAX: usize = 100;
/// From a stop to the last connection that is accepted, and the last request that is looked for on those that
/// are open: what was sent before may still wait in a socket, and is answered.
const LAST_CALL: Duration = Duration::from_millis(100);
/// Longest wait for requests in flight after that; the process is to be gone after five seconds.
const STOP_WAIT: Duration = Duration::from_secs(4);
/// Pause after a connection could not be accepted, for example because there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Descriptors that are not connections: the database, the log, the listener.
const OTHER_FILES: u64 = 64;
/// Bytes of all large request bodies together, while they arrive and are worked on. A call holds about four
/// times its body.
const UPLOADS_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of all large answers together, until they are sent: two of the largest.
const ANSWERS_MAX_BYTES: usize = 32 * 1024 * 1024;

/// What every request works with.
pub struct App {
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    pub clock: Arc<Clock>,
    /// Turns true when the server stops, so that nobody waits on.
    pub stopping: watch::Sender<bool>,
}

/// The same, and the memory that requests share.
struct Shared {
    app: Arc<App>,
    uploads: Budget,
    answers: Arc<Budget>,
}

/// Serves until `stop`, then answers what was sent until then. Answers whether all of it was finished.
pub async fn serve(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) -> bool {
    let answers = Arc::new(Budget::new(ANSWERS_MAX_BYTES));
    let router = router(Shared {
        app: Arc::clone(&app),
        uploads: Budget::new(UPLOADS_MAX_BYTES),
        answers: Arc::clone(&answers),
    });
    let places = Arc::new(Semaphore::new(connections_max()));
    let waiting = Arc::new(Semaphore::new(WAITING_MAX));
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(async {
        stop.await;
        app.stopping.send_replace(true);
        sleep(LAST_CALL).await;
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (router, watcher) = (router.clone(), open.watcher());
        let stopping = app.stopping.subscribe();
        let stream = Paced::new(stream, Arc::clone(&answers));
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            tokio::spawn(async move {
                watcher
                    .watch(connection(stream, router, stopping, place))
                    .await
            });
        } else if let Ok(turn) = Arc::clone(&waiting).try_acquire_owned() {
            let place = Arc::clone(&places).acquire_owned();
            tokio::spawn(async move {
                match timeout(PLACE_WAIT, place).await {
                    Ok(Ok(place)) => {
                        drop(turn);
                        let _ = watcher
                            .watch(connection(stream, router, stopping, place))
                            .await;
                    }
                    _ => drop(timeout(REFUSAL_TIMEOUT, refuse(stream, turn)).await),
                }
            });
        }
    }
    drop(listener);
    timeout(STOP_WAIT, open.shutdown()).await.is_ok()
}

/// As many as are allowed, and as the process has descriptors for.
fn connections_max() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX)
        .unwrap_or(1024)
        .saturating_sub(OTHER_FILES);
    CONNECTIONS_MAX.min(usize::try_from(files).unwrap_or(usize::MAX))
}

type Connection<S> = http1::Connection<TokioIo<Paced>, S>;

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .header_read_timeout(None);
    http
}

fn connection(
    stream: Paced,
    router: Router,
    stopping: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> Connection<
    impl hyper::service::Service<
        Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future: Send,
    > + use<>,
> {
    let busy = stream.busy();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let _held = &place;
        busy.set(true);
        let (router, busy, stopping) = (router.clone(), busy.clone(), stopping.clone());
        async move {
            let mut response = router.oneshot(request.map(axum::body::Body::new)).await?;
            if *stopping.borrow() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            busy.set(false);
            Ok(response)
        }
    });
    http().serve_connection(TokioIo::new(stream), service)
}

/// Answers the first request with `ResourceThrottled` and closes.
async fn refuse(stream: Paced, _turn: OwnedSemaphorePermit) {
    let service = hyper::service::service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(api::throttled())
    });
    let _ = http()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn router(shared: Shared) -> Router {
    let app = &shared.app;
    let pages = ui::router(Ui {
        store: Arc::clone(&app.store),
        authenticator: Arc::clone(&app.authenticator),
        clock: Arc::clone(&app.clock),
        stopping: app.stopping.subscribe(),
    });
    Router::new()
        .route("/", any(root))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(api::elsewhere)
        .layer(CatchPanicLayer::custom(api::panicked))
        .with_state(Arc::new(shared))
        .merge(pages)
}

/// The API; a browser that was only given the address is led to the pages.
async fn root(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let headers = request.headers();
    let reads_html = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let asks_nothing = request.method() == Method::GET
        && request.uri().query().is_none()
        && !headers.contains_key(header::AUTHORIZATION);
    if reads_html && asks_nothing {
        return Redirect::to("/ui/").into_response();
    }
    api::handle(State(shared), request).await
}

/// 200 if reads and writes can be served now, else 503 and why.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    match shared.app.store.ready().await {
        Ok(()) => (headers, "ok\n").into_response(),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            headers,
            format!("{error}\n"),
        )
            .into_response(),
    }
}
