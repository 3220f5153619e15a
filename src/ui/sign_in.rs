//! Signing in and out, and the extractor that requires a session.
//!
//! The session itself (the cookie's content and its check) is `auth::session`.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Form,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts, uri::PathAndQuery},
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use serde::Deserialize;

use super::{
    Ui,
    context::{Layout, PageContext, render},
    error_page::PageError,
    urls::{PageUrl, parse_name},
};
use crate::{
    auth::{
        Viewer,
        session::{Credentials, SESSION_MAX_MILLIS},
    },
    model::Name,
    wire::{error::shortened, signature::SecretKey},
};

/// Longest key id in a log line, in characters; longer ones do not exist.
const LOGGED_MAX_CHARS: usize = 128;

/// A request with a valid session. Without one, the extractor redirects to the sign-in page, which leads back.
pub(super) struct SignedIn {
    pub context: PageContext,
    pub viewer: Arc<Viewer>,
}

impl SignedIn {
    /// Returns the flow of this name, whether it exists or not.
    ///
    /// # Errors
    /// `Access denied` if the key's globs do not cover it.
    pub fn flow(&self, name: &str) -> Result<Name, PageError> {
        let flow = parse_name("The flow's name", name)?;
        let seen = self.viewer.sees(&flow);
        seen.then_some(flow).ok_or_else(PageError::access_denied)
    }

    pub fn layout(&self) -> Layout {
        self.context.layout()
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let context = PageContext::of(parts).map_err(PageError::into_response)?;
        match context.viewer.clone() {
            Some(viewer) => Ok(SignedIn { context, viewer }),
            // Browsers leave a `SameSite=Strict` cookie out when a link on another site leads here. This page
            // reloads itself, and then the request comes from our own site and has the cookie.
            None if is_cross_site(&parts.headers) => {
                let page = render(&ReloadPage {
                    layout: context.layout(),
                    here: context.url(path_and_query(parts)).to_string(),
                });
                Err(page.into_response())
            }
            None => {
                let sign_in = context.url("/ui/sign-in");
                let sign_in = match path_and_query(parts) {
                    "/ui/" => sign_in,
                    requested => sign_in.with("next", requested),
                };
                Err(Redirect::to(&sign_in.to_string()).into_response())
            }
        }
    }
}

/// Returns the page that a request asks for, without the base path.
fn path_and_query(parts: &Parts) -> &str {
    parts
        .uri
        .path_and_query()
        .map_or("/ui/", PathAndQuery::as_str)
}

#[derive(Template)]
#[template(path = "reload.html", config = "src/ui/askama.toml")]
struct ReloadPage {
    layout: Layout,
    here: String,
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/ui/askama.toml")]
struct SignInPage {
    layout: Layout,
    next: String,
    key_id: String,
    /// Why the last attempt was refused; empty before the first.
    error: String,
}

/// `GET /ui/sign-in`
pub(super) async fn page(context: PageContext, url: PageUrl) -> Result<Response, PageError> {
    let next = local(url.get("next").unwrap_or_default());
    if context.viewer.is_some() {
        return Ok(redirect(&context, next));
    }
    form_page(&context, "", next, "")
}

fn redirect(context: &PageContext, path: &str) -> Response {
    Redirect::to(&context.url(path).to_string()).into_response()
}

/// Returns `next` if it is a page of this server, else the first page: no open redirect.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with("/ui/") && plain && !next.starts_with("/ui/sign-") {
        next
    } else {
        "/ui/"
    }
}

/// The fields of the form.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    security_token: String,
    #[serde(default)]
    next: String,
}

/// `POST /ui/sign-in`
pub(super) async fn sign_in(
    State(ui): State<Arc<Ui>>,
    context: PageContext,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response, PageError> {
    check_origin(&headers)?;
    let (key_id, next) = (form.key_id.trim(), local(&form.next));
    let (limit, network) = (&ui.shared.sign_ins, context.client.network());
    if let Err(wait) = limit.try_acquire(network, key_id) {
        log_refusal(&ui, &context, key_id, "too many attempts");
        return too_many_attempts(&context, key_id, next, wait);
    }
    let credentials = Credentials {
        key_id,
        secret: SecretKey::new(form.secret),
        security_token: (!form.security_token.is_empty()).then_some(&form.security_token),
    };
    let Some(value) = ui.authenticator.sign_in(&credentials, ui.clock.now()) else {
        let reason = "wrong key id, secret or security token";
        log_refusal(&ui, &context, key_id, reason);
        let error =
            "Sign-in failed. Check the key id, its secret, and its security token if it has one.";
        let form = form_page(&context, key_id, next, error)?;
        return Ok((StatusCode::FORBIDDEN, form).into_response());
    };
    limit.give_back(network, key_id);
    tracing::info!(key.id = %key_id, peer.addr = %context.peer.0, request.id = %context.request_id, "signed in");
    let cookie = cookie(&context, value, SESSION_MAX_MILLIS / 1000, &headers);
    Ok((CookieJar::new().add(cookie), redirect(&context, next)).into_response())
}

/// Logs an attempt that was refused, with the key id as typed; such lines are rate-limited.
fn log_refusal(ui: &Ui, context: &PageContext, key_id: &str, reason: &str) {
    if let Some(lines) = ui.anonymous_log.admit() {
        let suppressed = (lines > 0).then_some(lines);
        let key_id = shortened(key_id, LOGGED_MAX_CHARS).escape_debug();
        tracing::warn!(key.id = %key_id, peer.addr = %context.peer.0, request.id = %context.request_id, suppressed, "sign-in refused: {reason}");
    }
}

/// Returns the form with the time after which the user may retry. The secret was not checked, so the answer does not
/// reveal whether it was right.
fn too_many_attempts(
    context: &PageContext,
    key_id: &str,
    next: &str,
    wait: Duration,
) -> Result<Response, PageError> {
    let seconds = wait.as_millis().div_ceil(1000);
    let error = format!(
        "Too many requests: too many attempts to sign in from your network. Wait {seconds} s, then try again."
    );
    let form = form_page(context, key_id, next, &error)?;
    let retry = [(header::RETRY_AFTER, seconds.to_string())];
    Ok((StatusCode::TOO_MANY_REQUESTS, retry, form).into_response())
}

fn form_page(
    context: &PageContext,
    key_id: &str,
    next: &str,
    error: &str,
) -> Result<Response, PageError> {
    render(&SignInPage {
        layout: context.layout(),
        next: next.to_owned(),
        key_id: key_id.to_owned(),
        error: error.to_owned(),
    })
}

/// `POST /ui/sign-out`
pub(super) async fn sign_out(
    context: PageContext,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    check_origin(&headers)?;
    let cookie = cookie(&context, String::new(), 0, &headers);
    let sign_in = redirect(&context, "/ui/sign-in");
    Ok((CookieJar::new().add(cookie), sign_in).into_response())
}

fn cookie(
    context: &PageContext,
    value: String,
    seconds: i64,
    headers: &HeaderMap,
) -> Cookie<'static> {
    Cookie::build((context.cookie_name.clone(), value))
        .path(context.url("/ui").to_string())
        .max_age(time::Duration::seconds(seconds))
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_https(headers))
        .build()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the browser uses HTTPS, by the `Origin` that every browser sends with a form. `X-Forwarded-Proto` is
/// not used, because any client can send it.
fn is_https(headers: &HeaderMap) -> bool {
    text(headers, header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

/// Refuses a form that was not sent from our own pages (CSRF). `SameSite` alone would accept forms from another
/// port of the same host.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), PageError> {
    let site = headers
        .get("sec-fetch-site")
        .map(|site| site == "same-origin" || site == "none");
    let origin = text(headers, header::ORIGIN)
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| Some(host) == text(headers, header::HOST));
    let ours = site.or(origin).unwrap_or(false);
    ours.then_some(()).ok_or_else(PageError::foreign_form)
}
