//! What all pages have in common: who looks, headers, the layout, error pages, one log line.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use axum_extra::extract::{CookieJar, cookie::Cookie};
use tokio::time::{Instant, timeout};

use super::{Ui, asset, budget, fault::Fault, session};
use crate::{
    auth::Viewer,
    limits::{ClientId, PeerAddr},
    wire::error::{ApiError, shortened},
};

/// From a request's head to its answer's: also bounds a form that drips in.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest path in a log line, in characters; names are shorter.
const LOGGED_MAX_CHARS: usize = 320;

/// Nothing but our own files and forms, in nobody's frame. The referrer stays on this server; without any,
/// browsers would send our own forms with `Origin: null`.
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

/// One request, as far as all pages care.
#[derive(Clone)]
pub(super) struct Visit {
    pub request_id: String,
    /// None: as the browser likes it.
    pub theme: Option<&'static str>,
    pub viewer: Option<Arc<Viewer>>,
    /// What the viewer was known by.
    pub cookie: String,
    pub peer: PeerAddr,
    /// Who is charged.
    pub client: ClientId,
}

impl Visit {
    fn of(ui: &Ui, request: &Request) -> Self {
        let jar = CookieJar::from_headers(request.headers());
        let cookie = jar
            .get(session::COOKIE)
            .map_or("", Cookie::value)
            .to_owned();
        let theme = jar.get("theme").map(Cookie::value);
        let viewer = ui
            .authenticator
            .viewer(&cookie, ui.clock.now())
            .map(Arc::new);
        let peer = PeerAddr::of(request.extensions());
        Visit {
            request_id: ui.clock.uuid().hyphenated().to_string().to_uppercase(),
            theme: ["light", "dark"]
                .into_iter()
                .find(|known| theme == Some(*known)),
            client: match &viewer {
                Some(viewer) => ClientId::with_key(peer, viewer.key_id()),
                None => ClientId::anonymous(peer),
            },
            viewer,
            cookie,
            peer,
        }
    }

    pub fn layout(&self) -> Layout {
        Layout {
            theme: self.theme.unwrap_or_default(),
            key_id: self
                .viewer
                .as_ref()
                .map(|viewer| viewer.key_id().to_owned()),
            files: asset::files(),
        }
    }
}

/// What the layout's template needs.
pub(super) struct Layout {
    pub theme: &'static str,
    pub key_id: Option<String>,
    pub files: &'static asset::Files,
}

/// A page of a template.
pub(super) fn page(template: &impl Template) -> Result<Response, Fault> {
    let text = template
        .render()
        .map_err(crate::wire::error::ApiError::internal)?;
    Ok(Html(text).into_response())
}

#[derive(Template)]
#[template(path = "fault.html", config = "src/ui/askama.toml")]
struct FaultPage<'a> {
    layout: Layout,
    fault: &'a Fault,
    request_id: &'a str,
}

/// Goes around every request under `/ui`.
pub(super) async fn frame(State(ui): State<Arc<Ui>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = shortened(request.uri().path(), LOGGED_MAX_CHARS)
        .escape_debug()
        .to_string();
    let visit = Visit::of(&ui, &request);
    request.extensions_mut().insert(visit.clone());
    let response = timeout(ANSWER_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| Fault::late().into_response());
    let mut response = budget::charge(response, &ui.limits, visit.client.clone())
        .await
        .unwrap_or_else(|| Fault::from(ApiError::throttled()).into_response());
    let fault = response.extensions_mut().remove::<Fault>();
    let fault = fault.or_else(|| Fault::unread(&response));
    if let Some(fault) = &fault {
        let page = FaultPage {
            layout: visit.layout(),
            fault,
            request_id: &visit.request_id,
        };
        response = (fault.status, Html(page.render().unwrap_or_default())).into_response();
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&visit.request_id) {
        headers.insert("x-acs-request-id", id);
    }
    log(&ui, &visit, &path, &response, fault.as_ref(), begun);
    response
}

fn log(
    ui: &Ui,
    visit: &Visit,
    path: &str,
    response: &Response,
    fault: Option<&Fault>,
    begun: Instant,
) {
    let elapsed_ms = (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let status = response.status().as_u16();
    let source = fault
        .and_then(|fault| fault.source.as_ref())
        .and_then(|error| error.source.as_ref());
    let key_id = visit.viewer.as_ref().map_or("", |viewer| viewer.key_id());
    let peer = visit.peer.0;
    let mut suppressed = None;
    if source.is_none() && key_id.is_empty() {
        let Some(lines) = ui.anonymous_log.admit() else {
            return;
        };
        suppressed = (lines > 0).then_some(lines);
    }
    match source {
        Some(source) => {
            tracing::error!(ui.path = path, status, elapsed_ms, request.id = %visit.request_id, key.id = %key_id, peer.addr = %peer, "the page failed: {source}");
        }
        None => {
            tracing::info!(ui.path = path, status, elapsed_ms, request.id = %visit.request_id, key.id = %key_id, peer.addr = %peer, suppressed, "page");
        }
    }
}
