//! A client of the API: signs requests (ACS3-HMAC-SHA256) and sends them to any endpoint, here or in the
//! cloud.
//!
//! With the server it shares the canonical form that is signed and nothing else; recorded requests of real
//! clients judge both.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use crate::{
    auth::keys::Key,
    clock::Clock,
    wire::{
        VERSION,
        signature::{acs3, hex, sha256_hex},
    },
};

/// Bytes of an answer that are taken in: a page has 16 MiB, and JSON may spell it longer.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long an answer may take: a call may wait for 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// How long it may take to reach an endpoint.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Times that a call which may be repeated is tried again, after pauses of 0.2, 0.4, 0.8 … seconds.
const REPEATS_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause that a server may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Connections to an endpoint, and the key that signs.
pub struct Client {
    http: Http,
    endpoint: Uri,
    key_id: String,
    key: Key,
    clock: Clock,
    /// Whether the endpoint has ever answered.
    reached: AtomicBool,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The endpoint refused the call.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    #[error("{0}")]
    Unreached(String),
    /// It answered, but not as this API does.
    #[error("the endpoint's answer is not this API's: {0}")]
    Strange(String),
}

impl Failure {
    /// Whether it is a refusal with this code.
    pub fn is(&self, expected: &str) -> bool {
        matches!(self, Failure::Refused { code, .. } if code == expected)
    }
}

/// Whether a call may be sent again when it is not known what became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or its repeat is told from a new call.
    Harmless,
    Never,
}

impl Client {
    /// `endpoint` is `http://host:port` or `https://host`.
    pub fn new(endpoint: &str, key_id: String, key: Key, clock: Clock) -> Result<Self, String> {
        let given = endpoint.trim_end_matches('/');
        let fault =
            || format!("'{endpoint}' is not an endpoint; use http://HOST:PORT or https://HOST");
        let endpoint: Uri = given.parse().map_err(|_| fault())?;
        let plain = endpoint.query().is_none() && matches!(endpoint.path(), "" | "/");
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || !plain {
            return Err(fault());
        }
        Ok(Client {
            http: Http::new(endpoint.scheme_str() == Some("https"))?,
            endpoint,
            key_id,
            key,
            clock,
            reached: AtomicBool::new(false),
        })
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Calls an action that only reads: its parameters are in the query.
    pub async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<T, Failure> {
        understood(&self.call("GET", action, params, Repeat::Harmless).await?)
    }

    /// Calls an action that writes: its parameters are in a form.
    pub async fn write<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        params: &[(&str, &str)],
        repeat: Repeat,
    ) -> Result<T, Failure> {
        understood(&self.call("POST", action, params, repeat).await?)
    }

    /// Calls any action and answers what came, refusals too. What was throttled is sent again, because
    /// nothing has come of it; what may be repeated also after a fault on either side.
    pub async fn call(
        &self,
        method: &str,
        action: &str,
        params: &[(&str, &str)],
        repeat: Repeat,
    ) -> Result<Answer, Failure> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..REPEATS_MAX {
            let result = self.send(method, action, params).await;
            match &result {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    sleep(answer.retry_after().unwrap_or(pause).min(PAUSE_MAX)).await;
                }
                Ok(answer) if answer.status.is_server_error() && repeat == Repeat::Harmless => {
                    sleep(pause).await;
                }
                // An endpoint that never answered is a wrong one.
                Err(_) if repeat == Repeat::Harmless && self.reached.load(Relaxed) => {
                    sleep(pause).await
                }
                _ => return result,
            }
            pause *= 2;
        }
        self.send(method, action, params).await
    }

    /// Signs with a time and a nonce of its own, and sends.
    async fn send(
        &self,
        method: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        let encoded = encoded.extend_pairs(params).finish();
        let (query, body) = match method {
            "GET" => (params, Bytes::new()),
            _ => (&[][..], Bytes::from(encoded.clone())),
        };
        let target = if query.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{encoded}")
        };
        let fault = |e: http::Error| Failure::Unreached(format!("the request cannot be sent: {e}"));
        let mut parts = self.endpoint.clone().into_parts();
        parts.path_and_query = Some(
            target
                .parse()
                .map_err(|e: http::uri::InvalidUri| fault(e.into()))?,
        );
        let uri = Uri::from_parts(parts).map_err(|e| fault(e.into()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body.clone()))
            .map_err(fault)?;

        let now = self.clock.now().to_string();
        let date = format!("{}Z", now.split('.').next().unwrap_or_default());
        let headers = request.headers_mut();
        let host = self
            .endpoint
            .authority()
            .map_or("", |authority| authority.as_str());
        for (name, value) in [
            ("host", host),
            ("x-acs-action", action),
            ("x-acs-version", VERSION),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &self.clock.uuid().to_string()),
            ("x-acs-content-sha256", &sha256_hex(&body)),
        ] {
            let value = HeaderValue::from_str(value).map_err(|e| fault(e.into()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, FORM);
        }
        if let Some(token) = self.key.security_token() {
            let token = token.header_value().ok_or_else(|| {
                Failure::Unreached(
                    "the security token has characters that no header takes".to_owned(),
                )
            })?;
            headers.insert("x-acs-security-token", token);
        }
        let authorization = authorization(method, query, headers, &body, &self.key_id, &self.key);
        let authorization = HeaderValue::from_str(&authorization).map_err(|e| fault(e.into()))?;
        headers.insert(header::AUTHORIZATION, authorization);
        let answer = self
            .http
            .send(request)
            .await
            .map_err(|e| Failure::Unreached(format!("{}: {e}", self.endpoint)))?;
        self.reached.store(true, Relaxed);
        Ok(answer)
    }
}

/// The `Authorization` of a request: the host, the content type and all `x-acs-…` headers are signed, and
/// the body by its hash among them.
pub fn authorization(
    method: &str,
    query: &[(&str, &str)],
    headers: &HeaderMap,
    body: &[u8],
    key_id: &str,
    key: &Key,
) -> String {
    let signs =
        |name: &&str| matches!(*name, "host" | "content-type") || name.starts_with("x-acs-");
    let mut signed: Vec<&str> = headers
        .keys()
        .map(HeaderName::as_str)
        .filter(signs)
        .collect();
    signed.sort_unstable();
    let mut query = query.to_vec();
    query.sort_unstable();
    let mut canonical = Sha256::new();
    acs3::canonical_request(
        method,
        query.into_iter(),
        headers,
        &signed,
        &sha256_hex(body),
        &mut canonical,
    );
    let tag = key.secret().tag(acs3::string_to_sign(canonical).as_bytes());
    let signature = hex(&tag);
    let algorithm = acs3::ALGORITHM;
    let signed = signed.join(";");
    format!("{algorithm} Credential={key_id},SignedHeaders={signed},Signature={signature}")
}

/// The body of an answer that is no refusal.
fn understood<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Failure> {
    let strange =
        |fault: String| Failure::Strange(format!("HTTP {}, {fault}", answer.status.as_u16()));
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|e| strange(e.to_string()));
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Refusal {
        code: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Refusal { code, message }) => Err(Failure::Refused { code, message }),
        Err(_) => Err(strange("no error that can be read".to_owned())),
    }
}

impl Answer {
    /// How long to wait before the next try, if the server says so.
    fn retry_after(&self) -> Option<Duration> {
        let millis = self.headers.get("x-acs-retry-after")?.to_str().ok()?;
        millis.parse().ok().map(Duration::from_millis)
    }
}

/// HTTP/1.1 with or without TLS, and nothing of this API.
pub enum Http {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    /// Trusts whom the system trusts.
    Tls(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Http {
    pub fn new(tls: bool) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let client = || legacy::Client::builder(TokioExecutor::new());
        if !tls {
            return Ok(Http::Plain(client().build(tcp)));
        }
        tcp.enforce_http(false);
        let fault = |e| format!("the system's certificates cannot be read: {e}");
        let builder = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(fault)?;
        let connector = builder.https_only().enable_http1().wrap_connector(tcp);
        Ok(Http::Tls(client().build(connector)))
    }

    /// The fault says what happened, without the address.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let exchange = async {
            let response = match self {
                Http::Plain(client) => client.request(request).await,
                Http::Tls(client) => client.request(request).await,
            };
            let response = response.map_err(|e| innermost(&e))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
            let body = body
                .map_err(|e| format!("the answer broke off: {e}"))?
                .to_bytes();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        let late = |_| format!("no answer within {ANSWER_TIMEOUT:?}");
        timeout(ANSWER_TIMEOUT, exchange).await.map_err(late)?
    }
}

/// The last cause of an error: "Connection refused" rather than "client error (Connect)".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
