//! HTTP: request smuggling, broken chunks, malformed heads, and paths, methods and headers that claim another request.

use super::{Row, changed, history, raw};
use crate::support::Call;

/// A form: refused because it is not signed, if the server reads it.
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

const UNSIGNED: &str = "MissingRequiredParams";

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\n{FORM}{headers}\r\n{body}")
}

fn get(line: &str, headers: &str) -> String {
    format!("{line}\r\n{headers}\r\n")
}

pub fn rows() -> Vec<Row> {
    let mut rows = lengths();
    rows.extend(chunks());
    rows.extend(lines());
    rows.extend(headers());
    rows.extend(paths());
    rows.extend(methods());
    rows
}

/// Bodies with two lengths, or an invalid one.
fn lengths() -> Vec<Row> {
    let smuggled = "GET /?Action=DeleteFlow HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut rows = vec![
        // Transfer-Encoding overrides Content-Length (RFC 9112, 6.3).
        raw(
            post(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            400,
            UNSIGNED,
        ),
        raw(
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                &format!("0\r\n\r\n{smuggled}"),
            ),
            400,
            UNSIGNED,
        ),
        raw(
            post("Content-Length: 3\r\nContent-Length: 3\r\n", "a=b"),
            400,
            UNSIGNED,
        ),
        raw(
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                "0\r\n\r\n",
            ),
            400,
            "",
        ),
        raw(
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            400,
            UNSIGNED,
        ),
        raw(
            post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            400,
            "",
        ),
        raw(
            post("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"),
            400,
            "",
        ),
        raw(
            post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replace("1.1", "1.0"),
            400,
            "",
        ),
    ];
    for two in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: 3, 4\r\n",
    ] {
        rows.push(raw(post(two, "a=b"), 400, ""));
    }
    for length in [
        "+3",
        "-3",
        "0x3",
        "3.0",
        "3e0",
        "3_",
        "",
        "٣",
        "99999999999999999999",
        "3;",
        "three",
    ] {
        rows.push(raw(
            post(&format!("Content-Length: {length}\r\n"), "a=b"),
            400,
            "",
        ));
    }
    for coding in [
        "identity",
        "xchunked",
        "gzip",
        "chunked, identity",
        "chunked;q=1",
        "\"chunked\"",
        "chunk",
    ] {
        rows.push(raw(
            post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"),
            400,
            "",
        ));
    }
    rows
}

fn chunks() -> Vec<Row> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let mut rows = vec![
        raw(
            chunked("3;extension=\"1\"\r\na=b\r\n0\r\n\r\n"),
            400,
            UNSIGNED,
        ),
        raw(chunked("0003\r\na=b\r\n0\r\n\r\n"), 400, UNSIGNED),
        // Trailers are read and ignored.
        raw(
            chunked("0\r\nSignature: x\r\nContent-Length: 9\r\n\r\n"),
            400,
            UNSIGNED,
        ),
        raw(
            chunked("0\r\nAuthorization: ACS3-HMAC-SHA256 x\r\nx-acs-action: DeleteFlow\r\n\r\n"),
            400,
            UNSIGNED,
        ),
    ];
    let extension = format!("3;{}\r\na=b\r\n0\r\n\r\n", "x".repeat(20_000));
    let trailers = format!("0\r\n{}\r\n", "T: x\r\n".repeat(5000));
    for broken in [
        "g\r\na=b\r\n0\r\n\r\n",
        "-1\r\na=b\r\n0\r\n\r\n",
        "0x3\r\na=b\r\n0\r\n\r\n",
        "3\r\na=bX\r\n0\r\n\r\n",
        "3\na=b\n0\n\n",
        "\r\na=b\r\n0\r\n\r\n",
        "fffffffffffffffff\r\na=b\r\n",
        "10000000000000000\r\na=b\r\n",
        "3 3\r\na=b\r\n0\r\n\r\n",
        extension.as_str(),
        &trailers,
    ] {
        rows.push(raw(chunked(broken), 400, "InvalidArgument"));
    }
    rows
}

/// Request lines, and other protocols.
fn lines() -> Vec<Row> {
    let mut rows = vec![
        raw(get("GET / HTTP/1.0", "Host: x\r\n"), 400, UNSIGNED),
        raw(get("\r\nGET / HTTP/1.1", "Host: x\r\n"), 400, UNSIGNED),
        raw(get("GET /? HTTP/1.1", "Host: x\r\n"), 400, UNSIGNED),
        raw(get("GET * HTTP/1.1", "Host: x\r\n"), 400, "InvalidArgument"),
        raw(
            get("OPTIONS * HTTP/1.1", "Host: x\r\n"),
            400,
            "InvalidArgument",
        ),
        raw(
            get("CONNECT x:443 HTTP/1.1", "Host: x:443\r\n"),
            400,
            "InvalidArgument",
        ),
    ];
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/1.1.1",
        "GET / http/1.1",
        "GET / ICAP/1.0",
        "GET /a b HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET(/) / HTTP/1.1",
        "/ HTTP/1.1",
        "GET",
        "GET ?Action=ListFlows HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET /%\u{7f} HTTP/1.1 x",
    ] {
        rows.push(raw(get(line, "Host: x\r\n"), 400, ""));
    }
    for greeting in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO evil.test\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"stats\r\nget x\r\n",
        b"{\"Action\":\"ListFlows\"}\r\n",
        b"\xff\xff\xff\xff\r\n\r\n",
        b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n",
    ] {
        rows.push(raw(greeting, 400, ""));
    }
    // The preface of HTTP/2: hyper closes the connection without an answer.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    rows.push(raw(preface, 0, ""));
    let long = "a".repeat(70_000);
    rows.push(raw(
        get(&format!("GET /?a={long} HTTP/1.1"), "Host: x\r\n"),
        414,
        "",
    ));
    rows.push(raw(
        get(&format!("{} / HTTP/1.1", "M".repeat(500)), "Host: x\r\n"),
        400,
        "InvalidArgument",
    ));
    rows
}

fn headers() -> Vec<Row> {
    let mut rows = Vec::new();
    for broken in [
        "Host : x\r\n",
        "Ho st: x\r\n",
        "Host\r\n",
        ": x\r\n",
        "Host: x\0\r\n",
        "H\0st: x\r\n",
        "Höst: x\r\n",
        "Host: x\r\n folded: y\r\n",
        "Host: x\r\n\ty\r\n",
        " Host: x\r\n",
        "Host: x\rX: y\r\n",
        "Host: x\r\nX: \x08\r\n",
        "Host: x\r\n(x): y\r\n",
    ] {
        rows.push(raw(get("GET / HTTP/1.1", broken), 400, ""));
    }
    for harmless in [
        "",
        "Host:\r\n",
        "Host: x\r\nHost: y\r\n",
        "Host: user:password@x:99999/%0d%0aX: y\r\n",
        "Host: x\r\nX: \u{ff}\u{202e}\r\n",
        "Host: x\r\nX: y\nZ: w\r\n",
        "Host: x\r\nExpect: 100-continue\r\n",
        "Host: x\r\nExpect: 200-ok\r\n",
        "Host: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
        "Host: x\r\nRange: bytes=0-0,-1\r\n",
        "Host: x\r\nTE: trailers, gzip\r\nAccept-Encoding: gzip;q=1e9\r\n",
        "Host: x\r\nContent-Encoding: gzip\r\n",
        "Host: x\r\nProxy: http://evil.test\r\nVia: 1.1 evil.test\r\n",
    ] {
        rows.push(raw(get("GET / HTTP/1.1", harmless), 400, UNSIGNED));
    }
    let many = |count: usize| "A: b\r\n".repeat(count);
    rows.push(raw(get("GET / HTTP/1.1", &many(100)), 400, UNSIGNED));
    rows.push(raw(get("GET / HTTP/1.1", &many(101)), 431, ""));
    rows.push(raw(get("GET / HTTP/1.1", &many(3000)), 431, ""));
    let long = |length: usize| format!("X: {}\r\n", "x".repeat(length));
    rows.push(raw(get("GET / HTTP/1.1", &long(70_000)), 400, UNSIGNED));
    // The server reads at most 16 KiB beyond the limit of 80 KiB.
    for length in [100_000, 500_000] {
        rows.push(raw(get("GET / HTTP/1.1", &long(length)), 431, ""));
    }
    rows.push(raw(
        get("GET / HTTP/1.1", &format!("{}: x\r\n", "n".repeat(70_000))),
        431,
        "",
    ));
    rows
}

/// Signed calls have one path; other spellings are other paths.
fn paths() -> Vec<Row> {
    let mut rows = Vec::new();
    for path in [
        "/..",
        "/../",
        "/./",
        "/%2e%2e/",
        "/%2e",
        "//evil.test/",
        "/;x=y",
        "/\\",
        "/%5c",
        "/%00",
        "/f",
        "/*",
        "/HEALTHZ",
        "/healthz/..",
        "/readyz/",
        "/UI/",
        "/metrics/../",
        "/admin",
        "/.git/config",
        "/.env",
        "/%252f",
        "/cgi-bin/x",
        "/\u{9b}31m",
        "/\u{202e}",
        "/etc/passwd",
    ] {
        rows.push(changed(
            history(),
            "GET /?",
            &format!("GET {path}?"),
            400,
            "InvalidArgument",
        ));
    }
    rows.push(changed(
        history(),
        "GET /?",
        "GET https://elsewhere.test:1/?",
        200,
        "",
    ));
    rows.push(changed(
        history(),
        " HTTP/1.1",
        "#?Action=DeleteFlow HTTP/1.1",
        200,
        "",
    ));
    rows.push(changed(
        history(),
        "GET /?",
        "GET http://elsewhere.test/x?",
        400,
        "InvalidArgument",
    ));
    rows
}

/// The signed action and method decide; headers that override a method change nothing.
fn methods() -> Vec<Row> {
    let mut rows = Vec::new();
    for method in [
        "TRACE", "OPTIONS", "PROPFIND", "MKCOL", "PURGE", "DEBUG", "LINK", "GETS", "Post",
    ] {
        let call = history().method(method);
        rows.push(super::call(call, 400, "InvalidArgument"));
    }
    rows.push(super::call(history().method("HEAD"), 400, ""));
    rows.push(changed(
        history(),
        "GET /",
        "POST /",
        403,
        "SignatureNotMatch",
    ));
    rows.push(changed(
        history().acs3(),
        "GET /",
        "POST /",
        403,
        "SignatureNotMatch",
    ));
    for header in [
        "X-HTTP-Method: DELETE",
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: PUT",
        "X-Rewrite-URL: /ui/",
        "X-Forwarded-Prefix: /ui",
        "X-Forwarded-Host: evil.test",
        "Forwarded: for=127.0.0.1;host=evil.test",
        "X-Real-IP: 127.0.0.1' OR 1=1",
        "x-acs-action: DeleteFlow",
        "x-acs-version: 1999-01-01",
        "x-acs-signature-nonce: another",
        "x-acs-caller-uid: 1",
        "Cookie: flowledger=x",
    ] {
        let name = format!("Host: flowledger.test\r\n{header}");
        rows.push(changed(history(), "Host: flowledger.test", &name, 200, ""));
    }
    let deletion = Call::new("DeleteFlow")
        .query("Name", "f")
        .key("reader", "reader-secret");
    rows.push(changed(
        deletion,
        "Host:",
        "X-Role: admin\r\nX-Forwarded-User: admin\r\nHost:",
        403,
        "AccessDenied",
    ));
    rows
}
