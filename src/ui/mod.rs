//! The pages under `/ui/`: read-only, made on the server, readable without JavaScript.
//!
//! A request passes `frame` (request id, headers, error pages, the log line) and `session` (the viewer, or
//! off to sign in), then one page. Every state of a page is its `address`, so a link shows somebody else
//! the same thing.

mod address;
mod asset;
mod budget;
mod detail;
mod events;
mod execution;
mod executions;
mod fault;
mod flows;
mod followers;
mod frame;
mod live;
mod outcome;
mod picture;
mod scatter;
mod session;
mod sign_in_limit;
mod summary;
mod timelines;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
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
    store::Store,
    wire::error::ApiError,
};
use fault::Fault;

/// Bytes of a form; the only one has four fields.
const FORM_MAX_BYTES: usize = 16 * 1024;

/// What every page works with.
pub struct Ui {
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    pub clock: Arc<Clock>,
    pub limits: Arc<Limits>,
    /// For log lines about requests without a session.
    pub anonymous_log: Arc<AnonymousLimit>,
    /// Turns true when the server stops: nobody follows on.
    pub stopping: watch::Receiver<bool>,
    pub shared: Shared,
}

/// What requests share in memory.
#[derive(Default)]
pub struct Shared {
    timelines: timelines::Timelines,
    followers: followers::Followers,
    sign_ins: sign_in_limit::SignInLimit,
}

impl Ui {
    /// Waits for a read permit of the client; held around the reads of one page.
    async fn read(&self, client: &ClientId) -> Result<Permit, Fault> {
        let permit = self.limits.reads.acquire(client).await;
        permit.ok_or_else(|| ApiError::throttled().into())
    }
}

/// All paths from `/ui` on.
pub fn router(ui: Ui) -> Router {
    let ui = Arc::new(ui);
    Router::new()
        .route("/ui", get(async || Redirect::permanent("/ui/")))
        .route("/ui/", get(flows::page))
        .route(
            "/ui/sign-in",
            get(session::sign_in_page).post(session::sign_in),
        )
        .route("/ui/sign-out", post(session::sign_out))
        .route("/ui/assets/{hash}/{name}", get(asset::serve))
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
            "/ui/flows/{flow}/executions/{execution}/live",
            get(live::follow),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/events/{id}",
            get(events::unfolded),
        )
        .route(
            "/ui/flows/{flow}/executions/{execution}/events/{id}/detail",
            get(events::raw),
        )
        .route("/ui/{*elsewhere}", any(nowhere))
        .method_not_allowed_fallback(nowhere)
        .layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
        .layer(CatchPanicLayer::custom(fault::panicked))
        .layer(from_fn_with_state(Arc::clone(&ui), frame::frame))
        .with_state(ui)
}

async fn nowhere() -> Fault {
    Fault::nowhere()
}
