//! The HTTP server: connections, routes, time-outs, limits and graceful shutdown.

mod api;
mod body;
mod demo_guard;
mod http;
mod request_log;
mod timeouts;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth::Authenticator,
    clock::Clock,
    config::HEALTH_PATHS,
    limits::Limits,
    log::AnonymousLimit,
    store::Store,
    ui::{self, Ui},
};
pub use http::serve;

/// What every request works with.
pub struct App {
    /// The path below which everything is served; see `config::base_path`.
    pub base_path: Arc<str>,
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    pub clock: Arc<Clock>,
    pub limits: Arc<Limits>,
    pub anonymous_log: Arc<AnonymousLimit>,
    /// Turns true when the server shuts down: long polls and streams end then.
    pub stopping: watch::Sender<bool>,
    /// Whether to refuse requests that other web pages caused, because the demo's key is public.
    pub demo: bool,
}

fn router(app: Arc<App>) -> Router {
    let pages = ui::router(Ui {
        base_path: Arc::clone(&app.base_path),
        store: Arc::clone(&app.store),
        authenticator: Arc::clone(&app.authenticator),
        clock: Arc::clone(&app.clock),
        limits: Arc::clone(&app.limits),
        anonymous_log: Arc::clone(&app.anonymous_log),
        stopping: app.stopping.subscribe(),
        shared: ui::Shared::default(),
    });
    let health = Router::new()
        .route(HEALTH_PATHS[0], get(async || "ok\n"))
        .route(HEALTH_PATHS[1], get(ready));
    let mut served = Router::new()
        .route("/", any(root))
        .merge(health.clone())
        .fallback(api::unknown_path)
        .layer(CatchPanicLayer::custom(api::panicked))
        .with_state(Arc::clone(&app))
        .merge(pages);
    if app.demo {
        served = served.layer(middleware::from_fn(demo_guard::refuse_foreign));
    }
    if app.base_path.is_empty() {
        return served;
    }
    health
        .nest_service(&app.base_path, served) // its routes see URIs without the base path
        .fallback(api::unknown_path)
        .with_state(app)
}

/// Serves the API, and redirects a browser that was given only the server's address to the pages.
async fn root(State(app): State<Arc<App>>, request: Request) -> Response {
    let headers = request.headers();
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let has_no_parameters = request.method() == Method::GET
        && request.uri().query().is_none()
        && !headers.contains_key(header::AUTHORIZATION);
    if accepts_html && has_no_parameters {
        return Redirect::to(&format!("{}/ui/", app.base_path)).into_response();
    }
    api::handle(State(app), request).await
}

/// Answers 200 if reads and writes can be served now, else 503 and why.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    match app.store.ready().await {
        Ok(()) => (headers, "ok\n").into_response(),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            headers,
            format!("{error}\n"),
        )
            .into_response(),
    }
}
