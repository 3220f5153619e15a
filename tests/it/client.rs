//! The signing HTTP client: signatures, retries, errors.

use std::{cell::RefCell, collections::HashSet};

use flowledger::{
    auth::keys::Keys,
    client::{Client, Retry, authorization},
    clock::Clock,
    model::Timestamp,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    signature::acs3,
    support::{KEYS, NOW, Server},
};

fn keys(id: &str, secret: &str) -> Keys {
    Keys::load(None, Some((id.to_owned(), secret.to_owned()))).unwrap()
}

fn client(endpoint: &str) -> Client {
    let (id, key) = keys("testid", "testsecret").take(None).unwrap();
    Client::new(endpoint, id, key, Clock::System).unwrap()
}

#[test]
fn signatures_equal_those_of_official_clients() {
    let mut compared = 0;
    for recorded in acs3() {
        let mut headers = HeaderMap::new();
        for (name, value) in &recorded.request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let signs =
            |name: &&str| matches!(*name, "host" | "content-type") || name.starts_with("x-acs-");
        let mut names: Vec<_> = headers
            .keys()
            .map(HeaderName::as_str)
            .filter(signs)
            .collect();
        names.sort_unstable();
        if names != recorded.expected.signed_headers {
            continue; // some sign more headers, or not the host
        }
        let credentials = &recorded.credentials;
        let (id, key) = keys(&credentials.access_key_id, &credentials.access_key_secret)
            .take(None)
            .unwrap();
        let query = &recorded.expected.query;
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = recorded.request.body.as_bytes();
        let signed = authorization(&recorded.request.method, &query, &headers, body, &id, &key);
        let sent = recorded.request.header("authorization").unwrap();
        assert_eq!(
            signed.replace(", ", ","),
            sent.replace(", ", ","),
            "{}",
            recorded.file
        );
        compared += 1;
    }
    assert!(
        compared >= 10,
        "{compared} recorded requests sign what we sign"
    );
}

/// Serves these answers in turn, and the last one from then on, while `ask` runs. Returns the requests.
async fn answers(answers: &[&str], ask: impl AsyncFnOnce(String)) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = RefCell::new(Vec::new());
    let serve = async {
        for n in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap();
            requests
                .borrow_mut()
                .push(String::from_utf8_lossy(&request[..length]).into_owned());
            let answer = answers.get(n).or(answers.last()).unwrap();
            let (status, body) = answer.split_once(' ').unwrap();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nx-acs-retry-after: 1\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if status != "0" {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    };
    tokio::select! {
        () = serve => {}
        () = ask(endpoint) => {}
    }
    requests.into_inner()
}

const BUSY: &str = r#"429 {"Code":"ResourceThrottled","Message":"later"}"#;
const BROKEN: &str = r#"500 {"Code":"InternalServerError","Message":"?"}"#;
/// The connection ends without an answer.
const NOTHING: &str = "0 ";
const FINE: &str = r#"200 {"Flows":[]}"#;

#[tokio::test]
async fn read_is_retried_with_a_new_nonce() {
    let requests = answers(&[FINE, BUSY, BROKEN, NOTHING, FINE], async |endpoint| {
        let client = client(&endpoint);
        for _ in 0..2 {
            let answer: Value = client.read("ListFlows", &[("Limit", "5")]).await.unwrap();
            assert!(answer["Flows"].is_array());
        }
    })
    .await;
    assert_eq!(requests.len(), 5);
    let nonce = |request: &String| {
        request.split_once("x-acs-signature-nonce: ").unwrap().1[..36].to_owned()
    };
    assert_eq!(requests.iter().map(nonce).collect::<HashSet<_>>().len(), 5);
    assert!(
        requests
            .iter()
            .all(|request| request.starts_with("GET /?Limit=5 HTTP/1.1\r\n"))
    );
}

#[tokio::test]
async fn write_is_retried_only_if_it_was_throttled_or_is_idempotent() {
    for (retry, last, expected) in [
        (Retry::Never, BROKEN, 2),
        (Retry::Never, NOTHING, 2),
        (Retry::Safe, BROKEN, 3),
        (Retry::Safe, NOTHING, 3),
    ] {
        let requests = answers(&[BUSY, last, FINE], async |endpoint| {
            let result = client(&endpoint)
                .write::<Value>("StartExecution", &[("FlowName", "f")], retry)
                .await;
            assert_eq!(result.is_ok(), retry == Retry::Safe, "{result:?}");
        })
        .await;
        assert_eq!(requests.len(), expected, "{last}");
        assert!(
            requests
                .iter()
                .all(|request| request.starts_with("POST / HTTP/1.1\r\n"))
        );
    }
}

#[tokio::test]
async fn endpoint_that_never_answered_is_not_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = client(&endpoint)
        .read::<Value>("ListFlows", &[])
        .await
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("{endpoint}/: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn answer_of_another_api_is_an_error_that_says_so() {
    for (answer, expected) in [
        (
            "200 <html>",
            "the endpoint's answer is not this API's: HTTP 200, expected value",
        ),
        (
            "404 not here",
            "the endpoint's answer is not this API's: HTTP 404, no error that can be read",
        ),
        (
            r#"403 {"Code":"Forbidden","Message":"no"}"#,
            "Forbidden: no",
        ),
    ] {
        answers(&[answer], async |endpoint| {
            let failure = client(&endpoint)
                .read::<Value>("ListFlows", &[])
                .await
                .unwrap_err()
                .to_string();
            assert!(failure.starts_with(expected), "{failure}");
        })
        .await;
    }
}

#[tokio::test]
async fn wrong_scheme_of_an_endpoint_is_named() {
    let server = Server::start().await;
    let https = format!("https://{}", server.address);
    let failure = client(&https).read::<Value>("ListFlows", &[]).await;
    assert_eq!(
        failure.unwrap_err().to_string(),
        format!("{https}/: the server does not use TLS; write http://")
    );
    // A server with TLS answers a plain request with an alert: it cannot be read as a handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = format!("http://{}", listener.local_addr().unwrap());
    let alert = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 64 * 1024]).await.unwrap(), 0);
        stream
            .write_all(b"\x15\x03\x03\x00\x02\x02\x46")
            .await
            .unwrap();
    };
    let client = client(&http);
    let (failure, ()) = tokio::join!(client.read::<Value>("ListFlows", &[]), alert);
    assert_eq!(
        failure.unwrap_err().to_string(),
        format!("{http}/: the answer is not HTTP; if the server uses TLS, write https://")
    );
}

#[tokio::test]
async fn endpoint_must_be_an_http_or_https_origin_with_an_optional_base_path() {
    for endpoint in [
        "127.0.0.1:8080",
        "ftp://host",
        "http://",
        "http://host/a//b",
        "http://host?x=1",
        "http://host/path?x=1",
        "http://host/path#x",
        "",
        "http://a b",
    ] {
        let (id, key) = keys("a", "b").take(None).unwrap();
        assert!(
            Client::new(endpoint, id, key, Clock::System).is_err(),
            "{endpoint}"
        );
    }
    let server = Server::start().await;
    server.set_time(Clock::System.now().millis());
    let listed: Value = client(&format!("http://{}/", server.address))
        .read("ListFlows", &[])
        .await
        .unwrap();
    assert!(listed["Flows"].is_array());
}

#[tokio::test]
async fn temporary_credentials_send_their_security_token() {
    let server = Server::start().await;
    let keys = Keys::load(Some(KEYS), None).unwrap();
    let (id, key) = keys.take(Some("sts")).unwrap();
    let now = Clock::fixed(Timestamp::from_millis(NOW).unwrap());
    let client = Client::new(&format!("http://{}", server.address), id, key, now).unwrap();
    let listed: Value = client.read("ListFlows", &[]).await.unwrap();
    assert!(listed["Flows"].is_array());
}
