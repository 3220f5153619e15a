//! Refusals: the closed table of codes, the form of every body, and what is refused before a signature is checked.

use std::collections::BTreeSet;

use flowledger::wire::error::{ApiError, Code};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Answer, Call, Server};

const BODY_MAX: usize = 1024 * 1024;
/// Bytes of a body above the limit that the server reads and discards, so that its sender reads the refusal.
const DISCARD_MAX: usize = 8 * 1024 * 1024;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

/// A request without a signature.
fn unsigned(first_line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{first_line} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{headers}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    unsigned("POST /", headers, body)
}

#[test]
fn table_of_codes_is_the_vendors() {
    let table: String = Code::all()
        .map(|code| format!("{} {}: {}\n", code.status(), code.as_str(), code.template()))
        .collect();
    insta::assert_snapshot!(table, @r#"
    403 AccessDenied: The resources doesn't belong to you.
    400 ActionNotSupported: The requested API operation '%s' is incorrect. Please check.
    400 APIVersionNotSupported: The requested API version '%s' is not supported yet. Please check.
    409 ConcurrentUpdateError: Update conflict, please retry. %s
    400 EntityTooLarge: The payload size exceeds maximum allowed size (%s bytes).
    400 ExecutionAlreadyCompleted: Execution '%s' for flow '%s' has already completed.
    400 ExecutionAlreadyExists: Execution '%s' for flow '%s' already exists.
    404 ExecutionNotExists: Execution '%s' for flow '%s' does not exist.
    409 FlowAlreadyExists: Flow '%s' already exists.
    404 FlowNotExists: Flow '%s' does not exist.
    500 InternalServerError: An internal error has occurred. Please retry.
    403 InvalidAccessKeyID: The AccessKey ID '%s' is invalid.
    400 InvalidArgument: Parameter error. %s
    400 MissingRequiredHeader: The HTTP header '%s' must be specified.
    400 MissingRequiredParams: The HTTP query '%s' must be specified.
    403 RequestTimeTooSkewed: The difference between the request time %s and the current time %s is too large.
    429 ResourceThrottled: The request is throttled. Please try again later.
    400 SignatureNonceUsed: Specified signature nonce was used already.
    403 SignatureNotMatch: The request signature we calculated does not match the signature you provided. Check your access key and signing method.
    400 TaskAlreadyCompleted: Task '%s' has already completed.
    415 UnsupportedMediaType: The content type must be "application/json".
    "#);
}

#[test]
fn table_of_codes_has_each_code_once() {
    for (at, code) in Code::all().enumerate() {
        assert_eq!(code as usize, at, "{code:?} in the table");
    }
    let texts: BTreeSet<_> = Code::all().map(|code| code.as_str()).collect();
    assert_eq!(texts.len(), Code::all().count());
}

#[test]
fn status_404_means_missing_flow_or_execution_only() {
    let gone: Vec<_> = Code::all().filter(|code| code.status() == 404).collect();
    assert_eq!(gone, [Code::ExecutionNotExists, Code::FlowNotExists]);
    assert!(Code::all().all(|code| (400..=500).contains(&code.status())));
}

#[test]
fn message_takes_its_arguments_in_order() {
    let error = ApiError::new(Code::ExecutionNotExists, &[&"e", &"f"]);
    assert_eq!(error.message, "Execution 'e' for flow 'f' does not exist.");
    let error = ApiError::new(Code::ExecutionNotExists, &[&"%s", &"f"]);
    assert_eq!(error.message, "Execution '%s' for flow 'f' does not exist.");
    let error = ApiError::new(Code::ConcurrentUpdateError, &[]);
    assert_eq!(error.message, "Update conflict, please retry.");
    let error = ApiError::invalid("Limit", "must be small");
    assert_eq!(error.message, "Parameter error. Limit must be small.");
}

#[tokio::test]
async fn every_refusal_has_four_text_members_and_nosniff() {
    let server = Server::with_execution().await;
    let requests = [
        history().query("Limit", "0").bytes(),
        history().key("nobody", "x").bytes(),
        history().key("testid", "x").acs3().bytes(),
        history().version("1").bytes(),
        Call::new("\"\n\u{1b}[31m</script>\u{2028}步骤").bytes(),
        Call::new("DescribeFlow").query("Name", "absent").bytes(),
        history().query("NextToken", "x").acs3().bytes(),
        unsigned("GET /", "", ""),
        unsigned("GET /elsewhere?FlowName=f", "", ""),
        unsigned("DELETE /", "", ""),
        post("Content-Type: text/plain", "x"),
        post(FORM, "%"),
        unsigned("GET /?%ff", "", ""),
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n".to_vec(),
    ];
    let mut ids = BTreeSet::new();
    for request in requests {
        let answer = server.send(&request).await;
        let Value::Object(body) = &answer.json else {
            panic!("no object: {}", answer.text)
        };
        let names: Vec<_> = body.keys().map(String::as_str).collect();
        assert_eq!(names, ["Code", "HostId", "Message", "RequestId"]);
        assert!(
            body.values()
                .all(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        );
        let expected = answer.header("content-type");
        assert_eq!(expected, Some("application/json;charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let id = body["RequestId"].as_str().unwrap();
        assert_eq!(answer.header("x-acs-request-id"), Some(id));
        assert!(
            id.len() == 36
                && id
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F' | b'-')),
            "{id}"
        );
        ids.insert(id.to_owned());
        let host = body["HostId"].as_str().unwrap();
        assert!(["h", "flowledger.test"].contains(&host), "{host}");
        let code = body["Code"].as_str().unwrap();
        let row = Code::all().find(|known| known.as_str() == code);
        assert_eq!(row.unwrap().status(), answer.status);
    }
    assert_eq!(ids.len(), 14, "each has an id of its own");
}

#[tokio::test]
async fn success_has_no_code() {
    let server = Server::with_execution().await;
    let body = server.ok(history()).await;
    assert_eq!(body.get("Code"), None);
    assert_eq!(body.get("Message"), None);
}

#[tokio::test]
async fn message_quotes_names_as_deploy_tools_expect() {
    let server = Server::with_execution().await;
    let history = |flow: &str, execution: &str| {
        Call::new("GetExecutionHistory")
            .query("FlowName", flow)
            .query("ExecutionName", execution)
    };
    let flow = server.refused(history("absent", "e")).await;
    assert_eq!(
        flow,
        (
            404,
            "FlowNotExists".into(),
            "Flow 'absent' does not exist.".into()
        )
    );
    let execution = server.refused(history("f", "absent")).await;
    let message = "Execution 'absent' for flow 'f' does not exist.";
    assert_eq!(
        execution,
        (404, "ExecutionNotExists".into(), message.into())
    );
}

#[tokio::test]
async fn message_repeats_unknown_version_and_action() {
    let server = Server::start().await;
    let refused = server.refused(history().version("2015-01-01")).await;
    let message = "The requested API version '2015-01-01' is not supported yet. Please check.";
    assert_eq!(
        refused,
        (400, "APIVersionNotSupported".into(), message.into())
    );
    for action in ["Nothing", "getExecutionHistory", "GetExecutionHistory ", ""] {
        let refused = server.refused(Call::new(action)).await;
        let message = format!("The requested API operation '{action}' is incorrect. Please check.");
        assert_eq!(refused, (400, "ActionNotSupported".into(), message));
    }
}

#[tokio::test]
async fn message_truncates_what_the_client_sent() {
    let server = Server::start().await;
    let long = "步".repeat(3000);
    for call in [
        Call::new(&long),
        Call::new("GetExecutionHistory").version(&long),
        history().query(&long, "1").query(&long, "2"),
        history().key(&long, "x"),
    ] {
        let (_, _, message) = server.refused(call).await;
        assert!(message.contains("步步步"), "{message}");
        assert!(message.chars().count() < 700, "{}", message.chars().count());
    }
}

#[tokio::test]
async fn host_id_is_the_truncated_host_header() {
    let server = Server::start().await;
    let host = format!("\"h{}", "o".repeat(3000));
    let answer = server.call(Call::new("Nothing").host(&host)).await;
    assert_eq!(answer.json["HostId"], host[..128]);
    let answer = server.send(b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, &answer.json["HostId"]), (400, &json!("")));
}

// Before any signature

#[tokio::test]
async fn unknown_path_is_an_invalid_argument_and_runs_nothing() {
    let server = Server::with_execution().await;
    for path in [
        "/prefix/",
        "//",
        "/index.html",
        "/2019-03-15",
        "/healthz/",
        "/%2F",
        "/.",
    ] {
        let request = String::from_utf8(history().bytes()).unwrap();
        let request = request.replacen(" /?", &format!(" {path}?"), 1);
        let (status, code, message) = server.send(request.as_bytes()).await.refusal();
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"), "{path}");
        assert_eq!(message, "Parameter error. The path must be /.");
    }
}

#[tokio::test]
async fn methods_other_than_get_and_post_are_refused() {
    let server = Server::with_execution().await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "get", "BREW"] {
        let (status, code, message) = server.refused(history().method(method)).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "{method}"
        );
        assert_eq!(
            message,
            "Parameter error. The HTTP method must be GET or POST."
        );
    }
}

#[tokio::test]
async fn head_is_refused() {
    let server = Server::with_execution().await;
    let request = String::from_utf8(history().bytes()).unwrap();
    let request = request
        .replacen("GET ", "HEAD ", 1)
        .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn body_must_be_a_form_or_json() {
    let server = Server::start().await;
    for media_type in [
        "Content-Type: text/plain",
        "Content-Type: text/xml",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: application/jsonp",
        "Content-Type: application/x-www-form-urlencode",
        "Content-Type: ;",
        "Content-Type:",
        "X-Content-Type: application/json",
    ] {
        let (status, code, message) = server.send(&post(media_type, "FlowName=f")).await.refusal();
        assert_eq!(
            (status, code.as_str()),
            (415, "UnsupportedMediaType"),
            "{media_type}"
        );
        assert_eq!(message, "The content type must be \"application/json\".");
    }
    for media_type in [
        FORM,
        "Content-Type: Application/X-WWW-Form-URLencoded ; charset=UTF-8",
    ] {
        let code = server
            .send(&post(media_type, "FlowName=f"))
            .await
            .refusal()
            .1;
        assert_eq!(code, "MissingRequiredParams", "{media_type}");
    }
}

#[tokio::test]
async fn content_type_of_an_empty_body_is_ignored() {
    let server = Server::with_execution().await;
    for call in [history(), history().method("POST"), history().acs3()] {
        let call = call
            .header("Content-Type", "text/plain")
            .header("Content-Encoding", "gzip");
        server.ok(call).await;
    }
}

#[tokio::test]
async fn compressed_body_is_refused() {
    let server = Server::start().await;
    for encoding in ["gzip", "deflate", "br", "gzip, identity", "x"] {
        let headers = format!("{FORM}\r\nContent-Encoding: {encoding}");
        let (status, code, _) = server.send(&post(&headers, "FlowName=f")).await.refusal();
        assert_eq!(
            (status, code.as_str()),
            (415, "UnsupportedMediaType"),
            "{encoding}"
        );
    }
    let headers = format!("{FORM}\r\nContent-Encoding: identity");
    let code = server.send(&post(&headers, "FlowName=f")).await.refusal().1;
    assert_eq!(code, "MissingRequiredParams");
}

fn assert_too_large(answer: &Answer) {
    let message = "The payload size exceeds maximum allowed size (1048576 bytes).";
    assert_eq!(
        answer.refusal(),
        (400, "EntityTooLarge".into(), message.into())
    );
}

#[tokio::test]
async fn huge_content_length_is_refused_before_the_body_is_sent() {
    let server = Server::start().await;
    for announced in [DISCARD_MAX + 1, 100_000_000_000] {
        for method in ["POST", "GET"] {
            let head = format!(
                "{method} / HTTP/1.1\r\nHost: h\r\n{FORM}\r\nContent-Length: {announced}\r\n\r\n"
            );
            assert_too_large(&server.send(head.as_bytes()).await);
        }
    }
}

/// A request whose body comes in chunks, without the last one.
fn chunked(bytes: usize) -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: h\r\n{FORM}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut left = bytes;
    while left > 0 {
        let size = left.min(60_000);
        request.push_str(&format!("{size:x}\r\n{}\r\n", "x".repeat(size)));
        left -= size;
    }
    request.into_bytes()
}

#[tokio::test]
async fn body_one_byte_above_the_limit_is_refused() {
    let server = Server::start().await;
    let announced = post(FORM, &"x".repeat(BODY_MAX + 1));
    assert_too_large(&server.send(&announced).await);
    let in_chunks = [&chunked(BODY_MAX + 1)[..], b"0\r\n\r\n"].concat();
    assert_too_large(&server.send(&in_chunks).await);
}

#[tokio::test]
async fn chunked_body_is_refused_once_it_passes_the_limit() {
    let server = Server::start().await;
    assert_too_large(&server.send(&chunked(DISCARD_MAX + 1)).await);
}

#[tokio::test]
async fn body_at_the_limit_is_accepted() {
    let server = Server::start().await;
    let announced = post(FORM, &"x".repeat(BODY_MAX));
    assert_eq!(
        server.send(&announced).await.refusal().1,
        "MissingRequiredParams"
    );
    let in_chunks = [&chunked(BODY_MAX)[..], b"0\r\n\r\n"].concat();
    assert_eq!(
        server.send(&in_chunks).await.refusal().1,
        "MissingRequiredParams"
    );
}

#[tokio::test]
async fn request_has_at_most_a_hundred_parameters() {
    let server = Server::start().await;
    let pairs = |from: usize, to: usize| {
        let pairs: Vec<_> = (from..to).map(|nth| format!("p{nth}={nth}")).collect();
        pairs.join("&")
    };
    let object = |count: usize| {
        let members: Vec<_> = (0..count).map(|nth| format!("\"p{nth}\":{nth}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let ways = |count: usize| {
        [
            unsigned(&format!("GET /?{}", pairs(0, count)), "", ""),
            post(FORM, &pairs(0, count)),
            unsigned(&format!("POST /?{}", pairs(0, 50)), FORM, &pairs(50, count)),
            post("Content-Type: application/json", &object(count)),
        ]
    };
    for request in ways(100) {
        assert_eq!(
            server.send(&request).await.refusal().1,
            "MissingRequiredParams"
        );
    }
    for request in ways(101).into_iter().chain(ways(3000)) {
        let (_, code, message) = server.send(&request).await.refusal();
        assert_eq!(code, "InvalidArgument");
        assert_eq!(
            message,
            "Parameter error. The request must have at most 100 parameters."
        );
    }
}

#[tokio::test]
async fn message_names_the_place_of_broken_percent_encoding() {
    let server = Server::start().await;
    for broken in [
        "%",
        "a=%",
        "%4",
        "a=%4",
        "a=%zz",
        "a=%+1",
        "a=%ff",
        "a=%c3",
        "a=%C3%28",
        "a=%ed%a0%80",
    ] {
        for (request, place) in [
            (unsigned(&format!("GET /?{broken}"), "", ""), "The query"),
            (post(FORM, broken), "The body"),
        ] {
            let (_, code, message) = server.send(&request).await.refusal();
            assert_eq!(code, "InvalidArgument", "{broken}");
            assert_eq!(
                message,
                format!("Parameter error. {place} must be percent-encoded UTF-8.")
            );
        }
    }
    let mut raw = post(FORM, "a=x");
    *raw.last_mut().unwrap() = 0xff;
    let (_, _, message) = server.send(&raw).await.refusal();
    assert_eq!(message, "Parameter error. The body must be UTF-8.");
}

// Internal errors

#[tokio::test]
async fn closed_store_is_an_internal_error_without_details() {
    let server = Server::with_execution().await;
    server.app.store.close().await;
    for call in [
        history(),
        Call::new("DescribeFlow").query("Name", "f"),
        Call::new("StartExecution").form("FlowName", "f"),
    ] {
        let refused = server.refused(call).await;
        let message = "An internal error has occurred. Please retry.";
        assert_eq!(refused, (500, "InternalServerError".into(), message.into()));
    }
}
