//! Protects the demo, whose key is public: without this check any web page that is open on this machine could write to
//! the demo, directly (CSRF) or through a host name that resolves to 127.0.0.1 (DNS rebinding).

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Answers 403 to a request whose Host is not a loopback address or that another web page caused.
pub(super) async fn refuse_foreign(request: Request, next: Next) -> Response {
    if !names_loopback(&request) {
        return refusal("requests whose Host is localhost or a loopback address");
    }
    if from_other_origin(request.headers()) && !opens_page(&request) {
        return refusal("browser requests from its own pages");
    }
    next.run(request).await
}

fn refusal(accepted: &str) -> Response {
    let text = format!("Access denied: the demo only accepts {accepted}.\n");
    (StatusCode::FORBIDDEN, text).into_response()
}

/// Whether Host, and the request line if it has a host too, name this machine.
fn names_loopback(request: &Request) -> bool {
    let host = text(request.headers(), &header::HOST);
    // The Python SDK sends its endpoint as Host, the base path included.
    let host = host.and_then(|host| host.split('/').next());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let line = request.uri().host();
    host.is_some_and(|host| is_loopback(host.host())) && line.is_none_or(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a browser says that another origin caused the request: another site, or another port of this machine.
/// SDKs send neither header.
fn from_other_origin(headers: &HeaderMap) -> bool {
    let own = text(headers, &header::HOST).map(|host| format!("http://{host}"));
    let origin = headers
        .contains_key(header::ORIGIN)
        .then(|| text(headers, &header::ORIGIN));
    let site = HeaderName::from_static("sec-fetch-site");
    let site = headers.get(&site).map(|site| site.as_bytes());
    origin.is_some_and(|origin| origin != own.as_deref())
        || site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
}

/// Whether a link that the user followed only opens a page: it changes nothing, and the linking page cannot read it.
fn opens_page(request: &Request) -> bool {
    let uri = request.uri();
    let mode = HeaderName::from_static("sec-fetch-mode");
    request.method() == Method::GET
        && text(request.headers(), &mode) == Some("navigate")
        && (uri.path().starts_with("/ui/") || (uri.path() == "/" && uri.query().is_none()))
}

/// The value of a header that is there once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
