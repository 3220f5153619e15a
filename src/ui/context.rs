//! What every page knows about its request (who, from where, which theme), and the layout around its content.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use axum_extra::extract::{CookieJar, cookie::Cookie};

use super::{
    Ui,
    assets::{AssetUrls, asset_urls},
    error_page::PageError,
    urls::PageUrl,
};
use crate::{
    auth::Viewer,
    limits::{ClientId, PeerAddr},
    model::Timestamp,
    wire::error::ApiError,
};

/// One request under `/ui`. The middleware makes it; pages extract it.
#[derive(Clone)]
pub(super) struct PageContext {
    base_path: Arc<str>,
    pub request_id: String,
    /// `light` or `dark` if the viewer chose one; None follows the browser's preference.
    pub theme: Option<&'static str>,
    /// None without a valid session.
    pub viewer: Option<Arc<Viewer>>,
    pub cookie_name: String,
    /// The value of the session cookie, valid or not; a stream of events checks it again.
    pub cookie: String,
    /// The server's time.
    pub now: Timestamp,
    pub peer: PeerAddr,
    /// Who is charged for memory, reads and waits.
    pub client: ClientId,
}

impl PageContext {
    pub fn new(ui: &Ui, request: &Request) -> Self {
        let jar = CookieJar::from_headers(request.headers());
        let cookie_name = cookie_name(&ui.base_path, request.headers());
        let cookie = jar.get(&cookie_name).map_or("", Cookie::value).to_owned();
        let theme = jar.get("theme").map(Cookie::value);
        let now = ui.clock.now();
        let viewer = ui.authenticator.viewer(&cookie, now);
        let viewer = viewer.map(Arc::new);
        let peer = PeerAddr::of(request.extensions());
        PageContext {
            base_path: Arc::clone(&ui.base_path),
            request_id: ui.clock.uuid().hyphenated().to_string().to_uppercase(),
            theme: ["light", "dark"]
                .into_iter()
                .find(|known| theme == Some(*known)),
            client: match &viewer {
                Some(viewer) => ClientId::with_key(peer, viewer.key_id()),
                None => ClientId::anonymous(peer),
            },
            viewer,
            cookie_name,
            cookie,
            now,
            peer,
        }
    }

    /// Returns the context that the middleware has put into the request.
    pub fn of(parts: &Parts) -> Result<Self, PageError> {
        let context = parts.extensions.get::<PageContext>().cloned();
        context.ok_or_else(|| ApiError::internal("a page without its middleware").into())
    }

    /// Returns the URL of a page.
    pub fn url(&self, path: &str) -> PageUrl {
        PageUrl::new(&self.base_path, path)
    }

    pub fn layout(&self) -> Layout {
        let viewer = self.viewer.as_ref();
        Layout {
            base_path: Arc::clone(&self.base_path),
            theme: self.theme.unwrap_or_default(),
            key_id: viewer.map(|viewer| viewer.key_id().to_owned()),
            now: self.now.millis(),
            assets: asset_urls(),
        }
    }
}

/// Returns the name of the session cookie, which differs between servers on one host: browsers send a cookie to all
/// ports of a host, and to the pages of every base path below its own. The port is the one that the browser uses, by
/// `Host`, and not the one that the server listens on: servers behind one address share sessions, and servers in
/// containers may all listen on the same port.
fn cookie_name(base_path: &str, headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':'));
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.map_or(String::new(), |port| format!("-{port}"));
    format!("flowledger{port}{}", base_path.replace('/', "-"))
}

impl<S: Sync> FromRequestParts<S> for PageContext {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        PageContext::of(parts)
    }
}

/// The fields of `layout.html`, which is around the content of every page.
pub(super) struct Layout {
    /// What the links of templates begin with.
    pub base_path: Arc<str>,
    pub theme: &'static str,
    pub key_id: Option<String>,
    /// The server's time in milliseconds since 1970, from which the script counts durations on.
    pub now: i64,
    pub assets: &'static AssetUrls,
}

/// Returns the HTML response of a template.
pub(super) fn render(template: &impl Template) -> Result<Response, PageError> {
    let html = template.render().map_err(ApiError::internal)?;
    Ok(Html(html).into_response())
}
