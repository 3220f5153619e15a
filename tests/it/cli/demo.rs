//! `serve --demo`: what it prints, and whom it refuses.

use std::fs;

use super::serve::{KNOWN, Process, fails};

#[test]
fn demo_prints_what_to_type_and_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--demo"], &[]);
    assert_eq!(server.code(("demo", "demo-secret")), KNOWN);
    let address = server.address.to_string();
    let (code, rest) = server.stop("TERM");
    assert_eq!(code, Some(0));
    for snippet in [
        "alibabacloud_fnf20190315",
        "aliyunsdkfnf",
        "@alicloud/fnf-2019-03-15",
        &address,
    ] {
        assert!(rest.contains(snippet), "{rest}");
    }
    // The README shows the same code, for the usual address.
    let readme = include_str!("../../../README.md");
    let (_, code) = rest.split_once("\n# Python").unwrap();
    let (code, _) = code.split_once("\nCtrl-C").unwrap();
    let lines = code.lines().skip(1).filter(|line| !line.is_empty());
    for line in lines.filter(|line| !line.starts_with("# ") && !line.starts_with("// ")) {
        let line = line.replace(&address, "127.0.0.1:8080");
        assert!(
            readme.contains(&format!("\n{line}\n")),
            "the README lacks: {line}"
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left, ["log"], "the demo leaves nothing behind");
}

#[test]
fn demo_ignores_the_database_and_the_keys_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    for environment in [
        &[
            ("DATABASE_URL", "postgres://app:secret@db/app"),
            ("FLOWLEDGER_KEYS", "missing.toml"),
            ("FLOWLEDGER_ACCESS_KEY_ID", "incomplete"),
        ][..],
        &[
            ("DATABASE_URL", ""),
            ("FLOWLEDGER_KEYS", ""),
            ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
            ("FLOWLEDGER_ACCESS_KEY_SECRET", " s3cret"),
        ],
    ] {
        let server = Process::serve(folder.path(), &["--demo"], environment);
        assert_eq!(server.code(("demo", "demo-secret")), KNOWN);
        assert_eq!(server.stop("TERM").0, Some(0));
    }
    // What the user typed is an error.
    for (flag, value) in [("--keys", "x"), ("--database-url", "sqlite://x.db")] {
        let (code, stderr) = fails(folder.path(), &["serve", "--demo", flag, value], &[]);
        assert_eq!(code, 2);
        assert!(
            stderr.contains("'--demo' cannot be used with") && stderr.contains(flag),
            "{stderr}"
        );
    }
    // Without the demo the environment counts.
    let environment = [("FLOWLEDGER_KEYS", "missing.toml")];
    let (code, stderr) = fails(folder.path(), &["serve", "--listen", "0"], &environment);
    assert!(code == 1 && stderr.contains("missing.toml"), "{stderr}");
}

#[test]
fn demo_refuses_requests_that_another_web_page_can_cause() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--demo"], &[]);
    let port = server.address.port();
    let own = format!("127.0.0.1:{port}");
    let localhost = format!("localhost:{port}");
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    let site =
        |site: &str, mode: &str| format!("Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\n");
    let own_origin = origin(&format!("http://{own}"));
    for (method, target, host, headers, accepted) in [
        ("GET", "/healthz", own.as_str(), "", true),
        ("GET", "/healthz", &localhost, "", true),
        ("GET", "/healthz", "LOCALHOST", "", true),
        ("GET", "/healthz", "[::1]:80", "", true),
        // DNS rebinding: the attacker's name leads to 127.0.0.1.
        (
            "GET",
            "/healthz",
            &format!("evil.example:{port}"),
            "",
            false,
        ),
        ("GET", "/healthz", "localhost.evil.example", "", false),
        ("GET", "/healthz", "192.168.1.7", "", false),
        ("GET", "/healthz", "", "", false),
        (
            "GET",
            &format!("http://evil.example:{port}/healthz"),
            &own,
            "",
            false,
        ),
        // A form or script of another page.
        ("POST", "/", &own, &origin("https://evil.example"), false),
        ("POST", "/", &own, &origin("null"), false),
        ("POST", "/", &own, &origin("http://127.0.0.1:1"), false),
        (
            "POST",
            "/",
            &own,
            &(own_origin.clone() + &own_origin),
            false,
        ),
        (
            "GET",
            "/?Action=DeleteFlow",
            &own,
            &site("cross-site", "no-cors"),
            false,
        ),
        (
            "GET",
            "/?Action=DeleteFlow",
            &own,
            &site("cross-site", "navigate"),
            false,
        ),
        (
            "GET",
            "/?Action=DeleteFlow",
            &own,
            &site("same-site", "cors"),
            false,
        ),
        (
            "POST",
            "/ui/sign-in",
            &own,
            &site("cross-site", "navigate"),
            false,
        ),
        // Its own pages, an address that the user typed, a link to a page.
        ("POST", "/", &own, &own_origin, true),
        ("GET", "/ui/", &own, &site("same-origin", "navigate"), true),
        ("GET", "/ui/", &own, &site("none", "navigate"), true),
        ("GET", "/ui/", &own, &site("cross-site", "navigate"), true),
        ("GET", "/", &own, &site("cross-site", "navigate"), true),
        ("GET", "/ui/", &own, &site("cross-site", "no-cors"), false),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let answer = server.send(request.as_bytes());
        let refused =
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("the demo only accepts");
        assert_eq!(!refused, accepted, "{request}{answer}");
    }
}

#[test]
fn without_demo_any_host_and_origin_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &[]);
    let request =
        b"GET /healthz HTTP/1.1\r\nHost: proxy.example\r\nOrigin: https://other.example\r\n\r\n";
    assert!(server.send(request).starts_with("HTTP/1.1 200 "));
}
