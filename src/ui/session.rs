//! Signing in and out, and who may see which page.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Form,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};

use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use serde::Deserialize;

use super::{
    Ui,
    address::Address,
    fault::Fault,
    frame::{Layout, Visit, page},
};
use crate::{
    auth::{
        Viewer,
        session::{Credentials, SESSION_MAX_MILLIS},
    },
    model::Name,
    wire::{
        error::{ApiError, shortened},
        signature::SecretKey,
    },
};

pub(super) const COOKIE: &str = "flowledger";
/// Longest key id in a log line, in characters; longer ones do not exist.
const LOGGED_MAX_CHARS: usize = 128;

/// Somebody who has signed in.
pub(super) struct Visitor {
    pub visit: Visit,
    pub viewer: Arc<Viewer>,
}

impl Visitor {
    /// A flow that this visitor may see, whether it exists or not.
    pub fn flow(&self, name: &str) -> Result<Name, Fault> {
        let flow = named("The flow's name", name)?;
        let seen = self.viewer.sees(&flow);
        seen.then_some(flow).ok_or_else(Fault::denied)
    }

    pub fn layout(&self) -> Layout {
        self.visit.layout()
    }
}

pub(super) fn named(what: &str, name: &str) -> Result<Name, Fault> {
    Name::parse(name).ok_or_else(|| ApiError::invalid(what, Name::RULE).into())
}

/// Whoever has not signed in is led there, and back again.
impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let visit = visit(parts).map_err(Fault::into_response)?;
        match visit.viewer.clone() {
            Some(viewer) => Ok(Visitor { visit, viewer }),
            // A strict cookie does not come along from another site: the browser asks again from here.
            None if from_elsewhere(&parts.headers) => {
                let here = parts.uri.to_string();
                let arrived = page(&ArrivePage {
                    layout: visit.layout(),
                    here,
                });
                Err(arrived.into_response())
            }
            None => {
                let asked = parts
                    .uri
                    .path_and_query()
                    .map_or("/ui/", |asked| asked.as_str());
                let sign_in = Address::new("/ui/sign-in");
                let sign_in = if asked == "/ui/" {
                    sign_in
                } else {
                    sign_in.with("next", asked)
                };
                Err(Redirect::to(&sign_in.to_string()).into_response())
            }
        }
    }
}

#[derive(Template)]
#[template(path = "arrive.html", config = "src/ui/askama.toml")]
struct ArrivePage {
    layout: Layout,
    here: String,
}

fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        visit(parts)
    }
}

fn visit(parts: &Parts) -> Result<Visit, Fault> {
    let visit = parts.extensions.get::<Visit>().cloned();
    visit.ok_or_else(|| ApiError::internal("a page without its frame").into())
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

pub(super) async fn sign_in_page(visit: Visit, address: Address) -> Result<Response, Fault> {
    let next = local(address.get("next").unwrap_or_default());
    if visit.viewer.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    form_page(&visit, "", next, "")
}

/// A page of this server, and nowhere else.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with("/ui/") && plain && !next.starts_with("/ui/sign-") {
        next
    } else {
        "/ui/"
    }
}

/// What the form sends.
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

pub(super) async fn sign_in(
    State(ui): State<Arc<Ui>>,
    visit: Visit,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response, Fault> {
    check_origin(&headers)?;
    let (key_id, next) = (form.key_id.trim(), local(&form.next));
    let (limit, network) = (&ui.shared.sign_ins, visit.client.network());
    if let Err(wait) = limit.try_acquire(network, key_id) {
        log_sign_in(&ui, &visit, key_id, "refused: too many attempts");
        return limited(&visit, key_id, next, wait);
    }
    let credentials = Credentials {
        key_id,
        secret: SecretKey::new(form.secret),
        security_token: (!form.security_token.is_empty()).then_some(&form.security_token),
    };
    let Some(value) = ui.authenticator.sign_in(&credentials, ui.clock.now()) else {
        log_sign_in(
            &ui,
            &visit,
            key_id,
            "refused: wrong key id, secret or security token",
        );
        let error =
            "That did not work. Check the key, its secret, and its security token if it has one.";
        let form = form_page(&visit, key_id, next, error)?;
        return Ok((StatusCode::FORBIDDEN, form).into_response());
    };
    limit.give_back(network, key_id);
    tracing::info!(key.id = %key_id, peer.addr = %visit.peer.0, request.id = %visit.request_id, "signed in");
    let cookie = cookie(value, SESSION_MAX_MILLIS / 1000, &headers);
    Ok((CookieJar::new().add(cookie), Redirect::to(next)).into_response())
}

/// Logs an attempt that was refused, with the key id as typed; such lines are rate-limited.
fn log_sign_in(ui: &Ui, visit: &Visit, key_id: &str, outcome: &str) {
    if let Some(lines) = ui.anonymous_log.admit() {
        let suppressed = (lines > 0).then_some(lines);
        let key_id = shortened(key_id, LOGGED_MAX_CHARS).escape_debug();
        tracing::warn!(key.id = %key_id, peer.addr = %visit.peer.0, request.id = %visit.request_id, suppressed, "sign-in {outcome}");
    }
}

/// The form again, with the time to wait. The secret was not looked at, so the answer tells nothing about it.
fn limited(visit: &Visit, key_id: &str, next: &str, wait: Duration) -> Result<Response, Fault> {
    let seconds = wait.as_millis().div_ceil(1000);
    let error = format!(
        "Too many requests: too many attempts to sign in from your network. Wait {seconds} s, then try again."
    );
    let form = form_page(visit, key_id, next, &error)?;
    let retry = [(header::RETRY_AFTER, seconds.to_string())];
    Ok((StatusCode::TOO_MANY_REQUESTS, retry, form).into_response())
}

fn form_page(visit: &Visit, key_id: &str, next: &str, error: &str) -> Result<Response, Fault> {
    page(&SignInPage {
        layout: visit.layout(),
        next: next.to_owned(),
        key_id: key_id.to_owned(),
        error: error.to_owned(),
    })
}

pub(super) async fn sign_out(headers: HeaderMap) -> Result<Response, Fault> {
    check_origin(&headers)?;
    let cookie = cookie(String::new(), 0, &headers);
    Ok((CookieJar::new().add(cookie), Redirect::to("/ui/sign-in")).into_response())
}

fn cookie(value: String, seconds: i64, headers: &HeaderMap) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .path("/ui")
        .max_age(time::Duration::seconds(seconds))
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(by_https(headers))
        .build()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the browser speaks HTTPS, by its own word: every browser sends the origin of a form, and what a
/// proxy says in `X-Forwarded-Proto` anybody could say.
fn by_https(headers: &HeaderMap) -> bool {
    text(headers, header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

/// Refuses a form from anywhere but our own pages. `SameSite` alone would let in a neighbour on another port.
fn check_origin(headers: &HeaderMap) -> Result<(), Fault> {
    let site = headers
        .get("sec-fetch-site")
        .map(|site| site == "same-origin" || site == "none");
    let origin = text(headers, header::ORIGIN)
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| Some(host) == text(headers, header::HOST));
    let ours = site.or(origin).unwrap_or(false);
    ours.then_some(()).ok_or_else(Fault::foreign)
}
