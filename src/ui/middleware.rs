//! Wraps every request under `/ui`: context, time-out, memory budget, error page, security headers, log line.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use tokio::time::{Instant, timeout};

use super::{
    Ui, budget,
    context::{Layout, PageContext},
    error_page::PageError,
};
use crate::wire::error::{ApiError, shortened};

/// From the head of a request to the head of its response. Also bounds a form whose body arrives slowly.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest path in a log line, in characters; the paths of pages are shorter.
const LOGGED_MAX_CHARS: usize = 320;

/// Only our own files and forms, and no embedding in frames. The referrer is sent to this server only; without
/// any, browsers would send our own forms with `Origin: null`.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

#[derive(Template)]
#[template(path = "error_page.html", config = "src/ui/askama.toml")]
struct ErrorPage<'a> {
    layout: Layout,
    error: &'a PageError,
    request_id: &'a str,
}

pub(super) async fn wrap(State(ui): State<Arc<Ui>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = shortened(request.uri().path(), LOGGED_MAX_CHARS)
        .escape_debug()
        .to_string();
    let context = PageContext::new(&ui, &request);
    request.extensions_mut().insert(context.clone());
    let response = timeout(RESPONSE_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| PageError::timed_out().into_response());
    let mut response = budget::charge(response, &ui.limits, context.client.clone())
        .await
        .unwrap_or_else(|| PageError::from(ApiError::throttled()).into_response());
    let error = response.extensions_mut().remove::<PageError>();
    let error = error.or_else(|| PageError::without_page(&response));
    if let Some(error) = &error {
        let page = ErrorPage {
            layout: context.layout(),
            error,
            request_id: &context.request_id,
        };
        response = (error.status, Html(page.render().unwrap_or_default())).into_response();
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert("x-acs-request-id", id);
    }
    log(&ui, &context, &path, &response, error.as_ref(), begun);
    response
}

/// Writes the log line of a page. Lines of requests without a session are rate-limited.
fn log(
    ui: &Ui,
    context: &PageContext,
    path: &str,
    response: &Response,
    error: Option<&PageError>,
    begun: Instant,
) {
    let elapsed_ms = (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let status = response.status().as_u16();
    let source = error
        .and_then(|error| error.source.as_ref())
        .and_then(|error| error.source.as_ref());
    let key_id = context.viewer.as_ref().map_or("", |viewer| viewer.key_id());
    let peer = context.peer.0;
    let mut suppressed = None;
    if source.is_none() && key_id.is_empty() {
        let Some(lines) = ui.anonymous_log.admit() else {
            return;
        };
        suppressed = (lines > 0).then_some(lines);
    }
    match source {
        Some(source) => {
            tracing::error!(ui.path = path, status, elapsed_ms, request.id = %context.request_id, key.id = %key_id, peer.addr = %peer, "the page failed: {source}");
        }
        None => {
            tracing::info!(ui.path = path, status, elapsed_ms, request.id = %context.request_id, key.id = %key_id, peer.addr = %peer, suppressed, "page");
        }
    }
}
