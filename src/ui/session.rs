//! Signing in and out, and who may see which page.

use std::sync::Arc;

use askama::Template;
use axum::{
    body::Bytes,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};

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
    wire::{error::ApiError, signature::SecretKey},
};

pub(super) const COOKIE: &str = "flowledger";

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

/// A cookie of this name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/ui/askama.toml")]
struct SignInPage {
    layout: Layout,
    next: String,
    key_id: String,
    failed: bool,
}

pub(super) async fn sign_in_page(visit: Visit, address: Address) -> Result<Response, Fault> {
    let next = local(address.get("next").unwrap_or_default());
    if visit.viewer.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    page(&SignInPage {
        layout: visit.layout(),
        next: next.to_owned(),
        key_id: String::new(),
        failed: false,
    })
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

pub(super) async fn sign_in(
    State(ui): State<Arc<Ui>>,
    visit: Visit,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    check_origin(&headers)?;
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(&body);
        fields
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (key_id, token, next) = (field("key_id"), field("security_token"), field("next"));
    let key_id = key_id.trim();
    let credentials = Credentials {
        key_id,
        secret: SecretKey::new(field("secret")),
        security_token: (!token.is_empty()).then_some(&token),
    };
    let next = local(&next);
    match ui.authenticator.sign_in(&credentials, ui.clock.now()) {
        Some(value) => {
            let set = set_cookie(&value, SESSION_MAX_MILLIS / 1000, &headers)?;
            Ok(([(header::SET_COOKIE, set)], Redirect::to(next)).into_response())
        }
        None => {
            let form = page(&SignInPage {
                layout: visit.layout(),
                next: next.to_owned(),
                key_id: key_id.to_owned(),
                failed: true,
            })?;
            Ok((StatusCode::FORBIDDEN, form).into_response())
        }
    }
}

pub(super) async fn sign_out(headers: HeaderMap) -> Result<Response, Fault> {
    check_origin(&headers)?;
    let set = set_cookie("", 0, &headers)?;
    Ok(([(header::SET_COOKIE, set)], Redirect::to("/ui/sign-in")).into_response())
}

fn set_cookie(value: &str, seconds: i64, headers: &HeaderMap) -> Result<HeaderValue, Fault> {
    let secure = if by_https(headers) { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/ui; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).map_err(|error| ApiError::internal(error).into())
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
