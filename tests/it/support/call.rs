//! A signed request, written from the vendor's description of the two schemes. It shares no code with the server; the
//! recorded requests of real clients (tests/fixtures/signature) verify the server independently.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::NOW;

/// A call to be signed and sent. By default RPC v1, GET, key `testid`, at `NOW`, with a new nonce. With a form or a body
/// it is a POST.
#[derive(Clone)]
pub struct Call {
    pub action: String,
    pub version: String,
    pub method: &'static str,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// Content type and bytes of a body other than a form.
    pub body: Option<(String, Vec<u8>)>,
    /// The path that is sent, and the path that ACS3 signs.
    pub path: String,
    pub signed_path: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub key: (String, String),
    pub security_token: Option<String>,
    pub time: String,
    pub nonce: String,
    pub acs3: bool,
}

/// `YYYY-MM-DDThh:mm:ssZ`
pub fn seconds(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis)
        .unwrap()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn new_nonce() -> String {
    static NONCES: AtomicU64 = AtomicU64::new(0);
    format!("nonce-{}", NONCES.fetch_add(1, Relaxed))
}

impl Call {
    pub fn new(action: &str) -> Self {
        Call {
            action: action.to_owned(),
            version: "2019-03-15".to_owned(),
            method: "GET",
            query: Vec::new(),
            form: Vec::new(),
            body: None,
            path: "/".to_owned(),
            signed_path: "/".to_owned(),
            host: "flowledger.test".to_owned(),
            headers: Vec::new(),
            key: ("testid".to_owned(), "testsecret".to_owned()),
            security_token: None,
            time: seconds(NOW),
            nonce: new_nonce(),
            acs3: false,
        }
    }

    /// The same call with a new nonce.
    pub fn with_new_nonce(&self) -> Self {
        self.clone().nonce(&new_nonce())
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn form(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self.method = "POST";
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type.to_owned(), body.into()));
        self.method = "POST";
        self
    }

    pub fn path(mut self, sent: &str, signed: &str) -> Self {
        self.path = sent.to_owned();
        self.signed_path = signed.to_owned();
        self
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn key(mut self, id: &str, secret: &str) -> Self {
        self.key = (id.to_owned(), secret.to_owned());
        self
    }

    pub fn token(mut self, token: &str) -> Self {
        self.security_token = Some(token.to_owned());
        self
    }

    pub fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// Sets the time of the signature, in milliseconds since 1970.
    pub fn at(mut self, millis: i64) -> Self {
        self.time = seconds(millis);
        self
    }

    pub fn nonce(mut self, nonce: &str) -> Self {
        self.nonce = nonce.to_owned();
        self
    }

    /// Signs by ACS3-HMAC-SHA256 instead of RPC v1.
    pub fn acs3(mut self) -> Self {
        self.acs3 = true;
        self
    }

    /// The bytes of the signed HTTP request.
    pub fn bytes(&self) -> Vec<u8> {
        let (content_type, body) = match &self.body {
            Some((content_type, body)) => (content_type.clone(), body.clone()),
            None if self.form.is_empty() => (String::new(), Vec::new()),
            None => (
                "application/x-www-form-urlencoded".to_owned(),
                joined(&self.form).into_bytes(),
            ),
        };
        let mut query = self.query.clone();
        let mut headers = vec![("Host".to_owned(), self.host.clone())];
        if !content_type.is_empty() {
            headers.push(("Content-Type".to_owned(), content_type));
        }
        headers.extend(self.headers.clone());
        if self.acs3 {
            self.sign_acs3(&query, &mut headers, &body);
        } else {
            self.sign_rpc_v1(&mut query);
        }
        if self.method == "POST" || !body.is_empty() {
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        let (method, path) = (self.method, &self.path);
        let mut request = format!("{method} {path}?{} HTTP/1.1\r\n", joined(&query));
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend(body);
        request
    }

    /// The signed request as a value, without HTTP.
    pub fn to_request(&self) -> http::Request<Vec<u8>> {
        let bytes = self.bytes();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.unwrap() + 4);
        let mut lines = std::str::from_utf8(head).unwrap().trim_end().split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let mut request = http::Request::builder()
            .method(first.next().unwrap())
            .uri(first.next().unwrap());
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        request.body(body.to_vec()).unwrap()
    }

    fn sign_rpc_v1(&self, query: &mut Vec<(String, String)>) {
        for (name, value) in [
            ("Action", self.action.as_str()),
            ("Version", &self.version),
            ("Format", "JSON"),
            ("Timestamp", &self.time),
            ("SignatureNonce", &self.nonce),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("AccessKeyId", &self.key.0),
            (
                "SecurityToken",
                self.security_token.as_deref().unwrap_or_default(),
            ),
        ] {
            if !(name == "SecurityToken" && value.is_empty()) {
                query.push((name.to_owned(), value.to_owned()));
            }
        }
        let mut signed: Vec<_> = query.iter().chain(&self.form).cloned().collect();
        signed.sort();
        let text = format!("{}&%2F&{}", self.method, encoded(&joined(&signed)));
        let mac = Hmac::<Sha1>::new_from_slice(format!("{}&", self.key.1).as_bytes()).unwrap();
        let signature = BASE64_STANDARD.encode(mac.chain_update(text).finalize().into_bytes());
        query.push(("Signature".to_owned(), signature));
    }

    fn sign_acs3(
        &self,
        query: &[(String, String)],
        headers: &mut Vec<(String, String)>,
        body: &[u8],
    ) {
        let hash = hex(&Sha256::digest(body));
        for (name, value) in [
            ("x-acs-action", self.action.as_str()),
            ("x-acs-version", &self.version),
            ("x-acs-date", &self.time),
            ("x-acs-signature-nonce", &self.nonce),
            ("x-acs-content-sha256", &hash),
            (
                "x-acs-security-token",
                self.security_token.as_deref().unwrap_or_default(),
            ),
        ] {
            if !(name == "x-acs-security-token" && value.is_empty()) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let mut signed: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.trim()))
            .collect();
        signed.sort();
        let lines: String = signed
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names = signed
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(";");
        let mut query = query.to_vec();
        query.sort();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{hash}",
            self.method,
            self.signed_path,
            joined(&query)
        );
        let text = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical)));
        let mac = Hmac::<Sha256>::new_from_slice(self.key.1.as_bytes()).unwrap();
        let signature = hex(&mac.chain_update(text).finalize().into_bytes());
        let value = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
            self.key.0
        );
        headers.push(("Authorization".to_owned(), value));
    }
}

/// Percent-encodes by RFC 3986.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
