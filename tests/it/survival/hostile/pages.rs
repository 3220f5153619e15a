//! The pages: cross-origin forms, forged cookies, path traversal, methods that write.

use super::{Row, raw};

/// The Origin of a form of our own pages.
const OURS: &str = "Origin: http://x\r\n";

fn get(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn post(path: &str, headers: &str, form: &str) -> String {
    let length = form.len();
    let form_type = "Content-Type: application/x-www-form-urlencoded\r\n";
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\n{form_type}Content-Length: {length}\r\n{headers}\r\n{form}"
    )
}

pub fn rows() -> Vec<Row> {
    let mut rows = origins();
    rows.extend(forms());
    rows.extend(addresses());
    rows
}

fn origins() -> Vec<Row> {
    let form = "key_id=testid&secret=testsecret";
    let mut rows = Vec::new();
    for foreign in [
        "",
        "Origin:\r\n",
        "Origin: x\r\n",
        "Origin: http://X\r\n",
        "Origin: http://x:80\r\n",
        "Origin: http://x/\r\n",
        "Origin: http://x.evil.test\r\n",
        "Origin: http://evil.test/http://x\r\n",
        "Origin: http://user@x\r\n",
        "Origin: http://x, http://evil.test\r\n",
        "Origin: http://evil.test\r\nOrigin: http://x\r\n",
        "Origin: file://\r\n",
        "Origin: null\r\nReferer: http://x/ui/sign-in\r\n",
        "Referer: http://x/ui/sign-in\r\n",
        "Sec-Fetch-Site: cross-site\r\nOrigin: http://x\r\n",
        "Sec-Fetch-Site: Same-Origin\r\n",
        "Sec-Fetch-Site: same-origin, none\r\n",
        "Sec-Fetch-Site:\r\nOrigin: http://x\r\n",
        "X-Requested-With: XMLHttpRequest\r\n",
    ] {
        rows.push(raw(post("/ui/sign-in", foreign, form), 403, ""));
    }
    rows.push(raw(post("/ui/sign-in", OURS, form), 303, ""));
    for out in [
        "",
        "Origin: http://evil.test\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        rows.push(raw(post("/ui/sign-out", out, ""), 403, ""));
    }
    rows
}

fn forms() -> Vec<Row> {
    let mut rows = Vec::new();
    for wrong in [
        "",
        "key_id=testid",
        "secret=testsecret",
        "key_id=testid%00&secret=testsecret",
        "key_id[]=testid&secret[]=testsecret",
        "key_id=testid'--&secret=x",
        "key_id=*&secret=*",
        "{\"key_id\":\"testid\",\"secret\":\"testsecret\"}",
        "key_id=testid&secret=testsecret%FF",
        "key_id=sts&secret=sts-secret",
        "key_id=expired&secret=expired-secret",
    ] {
        rows.push(raw(post("/ui/sign-in", OURS, wrong), 403, ""));
    }
    for doubled in [
        "key_id=testid&secret=wrong&secret=testsecret",
        "key_id=other&key_id=testid&secret=testsecret",
    ] {
        rows.push(raw(post("/ui/sign-in", OURS, doubled), 422, ""));
    }
    let large = format!("key_id=testid&secret={}", "x".repeat(20_000));
    rows.push(raw(post("/ui/sign-in", OURS, &large), 413, ""));
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        for path in ["/ui/", "/ui/flows/f", "/ui/sign-in"] {
            rows.push(raw(get(&format!("{method} {path}"), OURS), 404, ""));
        }
    }
    for path in ["/ui/", "/ui/flows/f", "/ui/flows/f/executions/e"] {
        rows.push(raw(post(path, OURS, "Name=f"), 404, ""));
    }
    for path in ["/healthz", "/readyz"] {
        rows.push(raw(post(path, OURS, "Name=f"), 405, ""));
    }
    rows
}

fn addresses() -> Vec<Row> {
    let mut rows = Vec::new();
    for cookie in [
        "flowledger=".to_owned(),
        "flowledger=dGVzdGlk.99999999999999.AAAA".to_owned(),
        "flowledger=dGVzdGlk.9223372036854775808.AAAA".to_owned(),
        "flowledger=../../keys.toml".to_owned(),
        "flowledger=\"'; DROP TABLE\"".to_owned(),
        "flowledger".to_owned(),
        "FLOWLEDGER=x; theme=<script>".to_owned(),
        format!("flowledger={}", "A".repeat(60_000)),
        "a=b; ".repeat(10_000),
    ] {
        rows.push(raw(
            get("GET /ui/", &format!("Cookie: {cookie}\r\n")),
            303,
            "",
        ));
    }
    // Without a session every page redirects to the sign-in, whether its flow exists or not.
    for path in [
        "/ui/flows/..",
        "/ui/flows/%2e%2e%2f",
        "/ui/flows/f%00",
        "/ui/flows/%ff",
        "/ui/flows/f/executions/e/events/-1",
        "/ui/flows/f/executions/e/events/99999999999999999999",
        "/ui/flows/%C2%9B31m",
        "/ui/?q=%00%ff",
        "/ui/?q=%zz",
        "/ui/flows/f?at=+1.1&from=x&to=y",
    ] {
        rows.push(raw(get(&format!("GET {path}"), ""), 303, ""));
    }
    for path in [
        "/ui/assets/../../../../etc/passwd",
        "/ui/assets/x/../../keys.toml",
        "/ui/assets/%2e%2e/%2e%2e/keys.toml",
        "/ui/assets/0/ui.css",
        "/ui/keys.toml",
        "/ui/flows",
        "/ui//",
        "/ui/flows/f/",
        "/ui/flows/f/executions",
        "/ui/\u{9b}31m",
        "/ui/flows/f/executions/e/live/x",
    ] {
        rows.push(raw(get(&format!("GET {path}"), ""), 404, ""));
    }
    rows
}
