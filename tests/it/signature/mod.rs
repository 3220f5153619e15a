//! Both signature schemes, verified with requests recorded from official clients (`tests/fixtures/signature`), with
//! tampered copies of them, and with a simple implementation of the vendor's description.

mod allocations;
mod canonical;
mod client_quirks;
mod empty_values;
mod json_bodies;
mod recorded;
mod tampered;
mod wrongly_signed;

use std::{collections::BTreeMap, fs};

use base64::{Engine, prelude::BASE64_STANDARD};
use flowledger::{
    auth::{Authenticator, Caller, Request, keys::Keys},
    model::Timestamp,
    wire::{
        error::ApiError,
        params::{BodyKind, Params},
        signature as scheme,
    },
};
use hmac::{Hmac, KeyInit, Mac, digest::Update};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

use crate::support::{
    Call,
    call::{encoded, hex},
};

pub type Pair = (String, String);

/// A file of `tests/fixtures/signature`; the README there explains the members.
#[derive(Deserialize)]
pub struct Recorded {
    #[serde(skip)]
    pub file: String,
    pub scheme: String,
    pub action: String,
    pub credentials: Credentials,
    pub params: BTreeMap<String, Value>,
    pub request: Sent,
    pub expected: Expected,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Credentials {
    pub access_key_id: String,
    pub access_key_secret: String,
    pub security_token: Option<String>,
}

/// A request as received.
#[derive(Clone, Deserialize)]
pub struct Sent {
    pub method: String,
    pub target: String,
    pub headers: Vec<Pair>,
    pub body: String,
}

#[derive(Deserialize)]
pub struct Expected {
    pub query: Vec<Pair>,
    pub form: Vec<Pair>,
    #[serde(default)]
    pub payload_hash: String,
    #[serde(default)]
    pub signed_headers: Vec<String>,
    #[serde(default)]
    pub canonical_request: String,
    #[serde(default)]
    pub string_to_sign: String,
    #[serde(default)]
    pub signature: String,
}

/// The verified caller, and the effective parameters in signing order.
#[derive(Debug)]
struct Accepted {
    caller: Caller,
    params: Vec<Pair>,
}

/// All recorded requests, sorted by file name.
fn recorded() -> Vec<Recorded> {
    let mut all: Vec<Recorded> = fs::read_dir("tests/fixtures/signature")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| Recorded {
            file: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            ..serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
        })
        .collect();
    all.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

/// The recorded requests of one scheme.
fn of_scheme(scheme: &str) -> Vec<Recorded> {
    let mut all = recorded();
    all.retain(|recorded| recorded.scheme == scheme);
    assert!(!all.is_empty(), "no request of {scheme}");
    all
}

fn rpc_v1() -> Vec<Recorded> {
    of_scheme("RPC-V1-HMAC-SHA1")
}

pub fn acs3() -> Vec<Recorded> {
    of_scheme("ACS3-HMAC-SHA256")
}

fn signed() -> Vec<Recorded> {
    rpc_v1().into_iter().chain(acs3()).collect()
}

/// The recorded request in this file.
fn file(name: &str) -> Recorded {
    let found = recorded()
        .into_iter()
        .find(|recorded| recorded.file == name);
    found.unwrap_or_else(|| panic!("no {name}.json"))
}

impl Recorded {
    /// The signed time.
    fn time(&self) -> Timestamp {
        let pairs = self.expected.query.iter().chain(&self.expected.form);
        let time = self.request.header("x-acs-date").unwrap_or_else(|| {
            let timestamp = pairs.clone().find(|(name, _)| name == "Timestamp");
            &timestamp.unwrap().1
        });
        Timestamp::parse_seconds(time).unwrap()
    }

    /// An authenticator without used nonces that knows the caller's key with this secret.
    fn authenticator_with(&self, secret: &str, token: Option<&str>) -> Authenticator {
        let id = &self.credentials.access_key_id;
        let mut keys = format!("[[key]]\nid = {id:?}\nsecret = {secret:?}\nrole = \"admin\"\n");
        if let Some(token) = token {
            keys.push_str(&format!("security_token = {token:?}\n"));
        }
        Authenticator::new(Keys::load(Some(&keys), None).unwrap())
    }

    fn signed_headers(&self) -> Vec<&str> {
        let names = self.expected.signed_headers.iter();
        names.map(String::as_str).collect()
    }

    fn authenticator(&self) -> Authenticator {
        let token = self.credentials.security_token.as_deref();
        self.authenticator_with(&self.credentials.access_key_secret, token)
    }

    /// Verifies `sent` in place of the recorded request, with a new authenticator.
    fn replay(&self, sent: &Sent) -> Result<Accepted, ApiError> {
        authenticate(&self.authenticator(), sent, self.time())
    }
}

impl Sent {
    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The same request with another value of a header.
    fn with_header(&self, name: &str, value: &str) -> Self {
        let mut sent = self.without_header(name);
        sent.headers.push((name.to_owned(), value.to_owned()));
        sent
    }

    fn without_header(&self, name: &str) -> Self {
        let mut sent = self.clone();
        sent.headers
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        sent
    }

    /// The same request with `more` in the query, not encoded any further.
    fn with_query(&self, more: &str) -> Self {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        let mut sent = self.clone();
        sent.target.push(separator);
        sent.target.push_str(more);
        sent
    }

    fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        map
    }

    /// The request as bytes of HTTP/1.1.
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

fn authenticate(
    authenticator: &Authenticator,
    sent: &Sent,
    now: Timestamp,
) -> Result<Accepted, ApiError> {
    let kind = match sent.header("content-type") {
        Some("application/json") => BodyKind::Json,
        _ => BodyKind::Form,
    };
    let body = sent.body.as_bytes();
    let mut params = Params::parse(
        sent.query(),
        Some((kind, body)).filter(|_| !body.is_empty()),
    )?;
    let request = Request {
        method: &sent.method,
        path: "/",
        headers: &sent.header_map(),
        body,
    };
    let caller = authenticator.authenticate(&request, &mut params, now)?;
    Ok(Accepted {
        caller,
        params: owned(params.all()),
    })
}

fn owned<'p>(params: impl Iterator<Item = (&'p str, &'p str)>) -> Vec<Pair> {
    params
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn sorted(pairs: impl IntoIterator<Item = Pair>) -> Vec<Pair> {
    let mut sorted: Vec<_> = pairs.into_iter().collect();
    sorted.sort();
    sorted
}

/// Collects the text to sign instead of hashing it.
#[derive(Default)]
struct Text(Vec<u8>);

impl Update for Text {
    fn update(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }
}

fn rpc_v1_signs<'p>(method: &str, params: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut text = Text::default();
    scheme::rpc_v1::string_to_sign(method, params, &mut text);
    String::from_utf8(text.0).unwrap()
}

fn acs3_signs<'p>(
    method: &str,
    query: impl Iterator<Item = (&'p str, &'p str)>,
    headers: &HeaderMap,
    names: &[&str],
    hash: &str,
) -> Vec<u8> {
    let mut text = Text::default();
    let root = scheme::acs3::ROOT;
    scheme::acs3::canonical_request(method, root, query, headers, names, hash, &mut text);
    text.0
}

/// Encodes pairs as a query or a form by RFC 3986.
fn joined(pairs: &[Pair]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

/// The text that RPC v1 signs, by the vendor's description.
fn rpc_v1_text(method: &str, pairs: &[Pair]) -> String {
    let mut sorted = sorted(pairs.iter().cloned());
    sorted.retain(|(name, _)| name != "Signature");
    format!("{method}&{}&{}", encoded("/"), encoded(&joined(&sorted)))
}

fn rpc_v1_signature(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).unwrap();
    BASE64_STANDARD.encode(mac.chain_update(text).finalize().into_bytes())
}

fn acs3_signature(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    hex(&mac.chain_update(text).finalize().into_bytes())
}

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

fn create_flow() -> Call {
    Call::new("CreateFlow")
        .form("Name", "new")
        .form("Definition", "version: v1")
        .form("Type", "FDL")
}
