//! The pages under `/ui/`: made on the server, readable without JavaScript. They write only to stop an execution.
//!
//! A request passes `middleware` (context, headers, error page, log line), the extractor `SignedIn` (the viewer, or
//! a redirect to the sign-in page), then the handler of one page. The URL holds the whole state of a page, so a link
//! shows the same to every user who may see it.

mod assets;
mod budget;
mod context;
mod detail;
mod download;
mod error_page;
mod events;
mod execution;
mod executions;
mod filter;
mod flows;
mod followers;
mod middleware;
mod outcome;
mod scatter;
mod search;
mod sign_in;
mod sign_in_limit;
mod sse;
mod stop;
mod summary;
mod timeline;
mod timelines;
mod urls;
mod utc;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    middleware::from_fn_with_state,
    response::Redirect,
    routing::{any, get, post},
};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth::Authenticator,
    clock::Clock,
    limits::{ClientId, Limits, Permit},
    log::AnonymousLimit,
    model::Name,
    store::Store,
    wire::error::ApiError,
};
use error_page::PageError;
use urls::PageUrl;

/// Largest body of the sign-in form, in bytes; it has four fields.
const FORM_MAX_BYTES: usize = 16 * 1024;
/// Largest body of the form that stops an execution, in bytes: a cause of 4,096 characters, percent-encoded.
const STOP_FORM_MAX_BYTES: usize = 64 * 1024;

/// What the pages need from the server.
pub struct Ui {
    /// The path below which the server serves everything; a router has removed it from the URIs of requests.
    pub base_path: Arc<str>,
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    pub clock: Arc<Clock>,
    pub limits: Arc<Limits>,
    /// For log lines about requests without a session.
    pub anonymous_log: Arc<AnonymousLimit>,
    /// Turns true when the server shuts down; streams of events end then.
    pub stopping: watch::Receiver<bool>,
    pub shared: Shared,
}

/// State that requests share in memory; all of it is bounded.
#[derive(Default)]
pub struct Shared {
    timelines: timelines::Timelines,
    followers: followers::Followers,
    sign_ins: sign_in_limit::SignInLimit,
}

impl Ui {
    /// Waits for a read permit of the client; held around the reads of one page.
    async fn read(&self, client: &ClientId) -> Result<Permit, PageError> {
        let permit = self.limits.reads.acquire(client).await;
        permit.ok_or_else(|| ApiError::throttled().into())
    }

    /// Whether a session is valid and its key may read the flow, by the keys and the time of now. Streams ask this
    /// again and again.
    fn has_access(&self, cookie: &str, flow: &Name) -> bool {
        let viewer = self.authenticator.viewer(cookie, self.clock.now());
        viewer.is_some_and(|viewer| viewer.sees(flow))
    }
}

/// Returns the routes of all paths under `/ui`.
pub fn router(ui: Ui) -> Router {
    let ui = Arc::new(ui);
    Router::new()
        .route("/ui", get(to_first_page))
        .route("/ui/", get(flows::page))
        .route("/ui/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/ui/sign-out", post(sign_in::sign_out))
        .route("/ui/assets/{hash}/{name}", get(assets::serve))
        .route("/ui/flows/{flow}", get(executions::page))
        .route(
            "/ui/flows/{flow}/executions/{execution}",
            get(execution::page),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/events",
            get(execution::events),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/timeline",
            get(execution::timeline),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/history.json",
            get(download::history),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/stop",
            get(stop::back)
                .post(stop::stop)
                .layer(DefaultBodyLimit::max(STOP_FORM_MAX_BYTES)),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/live",
            get(sse::follow),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/events/{id}",
            get(events::unfolded),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/events/{id}/detail",
            get(events::raw),
        )
        .route("/ui/{*unknown}", any(not_found))
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
        .layer(CatchPanicLayer::custom(error_page::panicked))
        .layer(from_fn_with_state(Arc::clone(&ui), middleware::wrap))
        .with_state(ui)
}

async fn to_first_page(State(ui): State<Arc<Ui>>) -> Redirect {
    Redirect::permanent(&PageUrl::new(&ui.base_path, "/ui/").to_string())
}

async fn not_found() -> PageError {
    PageError::not_found()
}
