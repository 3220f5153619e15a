//! An HTTP client of the API: signs requests (ACS3-HMAC-SHA256), sends them to a FlowLedger server or to the cloud,
//! and retries with backoff. It follows no redirects.
//!
//! It shares with the server only the canonical form that is signed; both are tested against recorded requests of
//! the official SDKs.
//!
//! It is built on hyper's client and not on reqwest: reqwest adds 21 crates to Cargo.lock, second copies of two
//! crates among them, and would save 25 lines here.

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
use tokio::time::{Instant, sleep, timeout};

use crate::{
    auth::keys::Key,
    clock::Clock,
    config::base_path,
    wire::{
        VERSION,
        signature::{acs3, hex, sha256_hex},
    },
};

/// Longest body of an answer, in bytes: a page has 16 MiB, and other servers may escape its JSON in longer forms.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest wait for an answer: a long poll takes up to 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Retries of a call, after pauses of 0.2, 0.4, 0.8 … seconds: 12.6 s in all. A server restarts in less.
const RETRIES_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest time from the first failure to the last retry, where each attempt takes up to the 10 s of a connection.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest pause that a server may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A connection pool to one endpoint, and the key that signs.
pub struct Client {
    http: Http,
    endpoint: Uri,
    /// The path of the endpoint, without a slash at its end.
    base_path: String,
    key_id: String,
    key: Key,
    clock: Clock,
    /// Whether the endpoint has answered before: one that never did is probably a wrong one.
    reached: AtomicBool,
    /// Gets a line when a call fails and is retried: what happened, and for how long it will be retried.
    retry_report: Option<fn(&str)>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint answered with an error of this API.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    /// The request could not be sent, or no answer came.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is not one of this API.
    #[error("the endpoint's answer is not this API's: {0}")]
    UnexpectedAnswer(String),
}

impl Error {
    /// Whether the endpoint answered with this code.
    pub fn is(&self, expected: &str) -> bool {
        matches!(self, Error::Refused { code, .. } if code == expected)
    }
}

/// Whether to retry a call when it is unknown whether it took effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The call is idempotent.
    Safe,
    Never,
}

impl Client {
    /// Makes a client of `endpoint`, which is `http://HOST:PORT` or `https://HOST`, with the server's base path if it
    /// has one. Connects at the first call.
    ///
    /// # Errors
    /// The endpoint has another form, or the system's certificates cannot be read.
    pub fn new(endpoint: &str, key_id: String, key: Key, clock: Clock) -> Result<Self, String> {
        let given = endpoint.trim_end_matches('/');
        let fault = || {
            format!(
                "'{endpoint}' is not an endpoint; use http://HOST:PORT or https://HOST, with the server's base path \
                 if it has one, such as https://HOST/history"
            )
        };
        // `Uri` would drop a fragment.
        if given.contains('#') {
            return Err(fault());
        }
        let endpoint: Uri = given.parse().map_err(|_| fault())?;
        let base_path = base_path(endpoint.path()).map_err(|_| fault())?;
        let is_http = matches!(endpoint.scheme_str(), Some("http" | "https"));
        if !is_http || endpoint.query().is_some() {
            return Err(fault());
        }
        Ok(Client {
            http: Http::new(endpoint.scheme_str() == Some("https"))?,
            endpoint,
            base_path,
            key_id,
            key,
            clock,
            reached: AtomicBool::new(false),
            retry_report: None,
        })
    }

    /// Reports each call that is retried because it is unknown whether it took effect, once, with a line.
    pub fn with_retry_report(mut self, report: fn(&str)) -> Self {
        self.retry_report = Some(report);
        self
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Calls an action that only reads, with its parameters in the query. Retries with backoff.
    pub async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<T, Error> {
        parse_answer(&self.call("GET", action, params, Retry::Safe).await?)
    }

    /// Calls an action that writes, with its parameters in a form.
    pub async fn write<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        params: &[(&str, &str)],
        retry: Retry,
    ) -> Result<T, Error> {
        parse_answer(&self.call("POST", action, params, retry).await?)
    }

    /// Calls any action and returns the answer, error answers too. A throttled call is retried always, because it
    /// had no effect; after a server error or a broken connection only an idempotent one.
    ///
    /// # Errors
    /// No answer came.
    pub async fn call(
        &self,
        method: &str,
        action: &str,
        params: &[(&str, &str)],
        retry: Retry,
    ) -> Result<Answer, Error> {
        let mut pause = FIRST_PAUSE;
        let mut retries_left = RETRIES_MAX;
        let mut first_failure: Option<Instant> = None;
        loop {
            let result = self.send(method, action, params).await;
            let throttled = match &result {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => Some(answer),
                Ok(answer) if answer.status.is_server_error() && retry == Retry::Safe => None,
                Err(_) if retry == Retry::Safe && self.reached.load(Relaxed) => None,
                _ => return result,
            };
            let tried = first_failure.map_or(Duration::ZERO, |first| first.elapsed());
            if retries_left == 0 || tried + pause > RETRY_TIMEOUT {
                let time = seconds(tried);
                let gave_up = |e: Error| Error::Unreachable(format!("{e}; gave up after {time}"));
                return result.map_err(gave_up);
            }
            if throttled.is_none() && first_failure.is_none() {
                first_failure = Some(Instant::now());
                let rest = seconds(pause * ((1 << retries_left) - 1));
                self.report_retry(&result, &rest);
            }
            let asked = throttled.and_then(Answer::retry_after);
            sleep(asked.unwrap_or(pause).min(PAUSE_MAX)).await;
            pause *= 2;
            retries_left -= 1;
        }
    }

    fn report_retry(&self, result: &Result<Answer, Error>, rest: &str) {
        let Some(report) = self.retry_report else {
            return;
        };
        let fault = match result {
            Ok(answer) => format!("{}: HTTP {}", self.endpoint, answer.status.as_u16()),
            Err(error) => error.to_string(),
        };
        report(&format!("{fault}; trying again for {rest}"));
    }

    /// Signs the request with the present time and a new nonce, and sends it.
    async fn send(
        &self,
        method: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        let encoded = encoded.extend_pairs(params).finish();
        let (query, body) = match method {
            "GET" => (params, Bytes::new()),
            _ => (&[][..], Bytes::from(encoded.clone())),
        };
        let mut target = format!("{}/", self.base_path);
        if !query.is_empty() {
            target = format!("{target}?{encoded}");
        }
        let fault = |e: http::Error| Error::Unreachable(format!("the request cannot be sent: {e}"));
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
                Error::Unreachable(
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
            .map_err(|e| Error::Unreachable(format!("{}: {e}", self.endpoint)))?;
        self.reached.store(true, Relaxed);
        Ok(answer)
    }
}

/// Returns the `Authorization` header of a request. It signs the host, the content type and all `x-acs-…` headers;
/// one of them is the hash of the body.
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
        acs3::ROOT,
        query.into_iter(),
        headers,
        &signed,
        &sha256_hex(body),
        &mut canonical,
    );
    let tag = key.secret().tag(acs3::string_to_sign(canonical).as_bytes());
    let signature = hex(tag);
    let algorithm = acs3::ALGORITHM;
    let signed = signed.join(";");
    format!("{algorithm} Credential={key_id},SignedHeaders={signed},Signature={signature}")
}

/// Returns the result in a successful answer.
fn parse_answer<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Error> {
    let unexpected = |fault: String| {
        Error::UnexpectedAnswer(format!("HTTP {}, {fault}", answer.status.as_u16()))
    };
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|e| unexpected(e.to_string()));
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Refusal {
        code: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Refusal { code, message }) => Err(Error::Refused { code, message }),
        Err(_) => Err(unexpected("no error that can be read".to_owned())),
    }
}

impl Answer {
    /// Returns the pause before a retry that the server asks for, if it does.
    fn retry_after(&self) -> Option<Duration> {
        let millis = self.headers.get("x-acs-retry-after")?.to_str().ok()?;
        millis.parse().ok().map(Duration::from_millis)
    }
}

/// HTTP/1.1 with or without TLS, without anything of this API.
pub enum Http {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    /// With the certificate authorities that the system trusts.
    Tls(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Http {
    /// Makes a connection pool.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
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

    /// Sends a request and reads the whole answer, which may have 64 MiB and take 90 s.
    ///
    /// # Errors
    /// No whole answer came. The text says why, without the address.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let exchange = async {
            let response = match self {
                Http::Plain(client) => client.request(request).await,
                Http::Tls(client) => client.request(request).await,
            };
            let response = response.map_err(|e| describe(&e, self))?;
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

/// Returns a time in whole seconds, for messages.
fn seconds(time: Duration) -> String {
    format!("{} s", (time.as_millis() + 500) / 1000)
}

/// Returns the last cause of an error, "Connection refused" rather than "client error (Connect)", and what to do where
/// the cause alone would be a riddle.
fn describe(error: &(dyn std::error::Error + 'static), http: &Http) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let not_http = |error: &(dyn std::error::Error + 'static)| {
        let error = error.downcast_ref::<hyper::Error>();
        error.is_some_and(hyper::Error::is_parse)
    };
    let parse_error = causes.clone().any(not_http);
    let cause = causes.last().map(ToString::to_string).unwrap_or_default();
    match http {
        Http::Plain(_) if parse_error => {
            "the answer is not HTTP; if the server uses TLS, write https://".to_owned()
        }
        // What rustls calls the first bytes of a plain answer.
        Http::Tls(_) if cause.contains("InvalidContentType") => {
            "the server does not use TLS; write http://".to_owned()
        }
        Http::Tls(_) if cause.contains("invalid peer certificate") => format!(
            "{cause}; the system does not trust it, SSL_CERT_FILE names a file of other authorities"
        ),
        _ => cause,
    }
}
