//! Response headers and assets; nothing is loaded from another origin.

use super::{OURS, PATHS, failed_history};
use crate::support::{Answer, Server};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn check(path: &str, answer: &Answer) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
}

#[tokio::test]
async fn every_response_has_security_headers_and_is_not_cached() {
    let server = Server::with_execution().await;
    let cookie = server.session("testid", "testsecret").await;
    let more = [
        "/ui",
        "/ui/sign-in",
        "/ui/none",
        "/ui/flows/none",
        "/ui/assets/0/ui.js",
    ];
    for path in PATHS
        .iter()
        .filter(|path| !path.ends_with("live"))
        .chain(&more)
    {
        for headers in [vec![], vec![cookie.as_str()]] {
            let answer = server.get(path, &headers).await;
            check(path, &answer);
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    check("sign-in", &server.sign_in("reader", "wrong").await);
    check("sign-out", &server.post("/ui/sign-out", &[OURS], &[]).await);
    check("foreign", &server.post("/ui/sign-out", &[], &[]).await);
}

#[tokio::test]
async fn assets_have_a_hash_in_their_url_and_are_cached() {
    let server = Server::start().await;
    let page = server.get("/ui/sign-in", &[]).await.text;
    let files: Vec<_> = page
        .split('"')
        .filter(|text| text.starts_with("/ui/assets/"))
        .collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for (file, kind) in files.iter().zip([
        "image/svg+xml",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
    ]) {
        let answer = server.get(file, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind)),
            "{file}"
        );
        check(file, &answer);
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        let changed = file.replacen("/ui/assets/", "/ui/assets/0", 1);
        assert_eq!(server.get(&changed, &[]).await.status, 404);
    }
}

#[tokio::test]
async fn pages_have_no_inline_scripts_and_no_foreign_urls() {
    let server = Server::with_execution().await;
    server.append(&failed_history()).await;
    for path in PATHS
        .iter()
        .filter(|path| !path.ends_with("live") && !path.ends_with("detail"))
    {
        let page = server.page(path).await;
        for pattern in [
            "<style",
            " style=",
            "javascript:",
            " onclick",
            " onload",
            " onerror",
            "src=\"http",
            "href=\"http",
            "//cdn",
        ] {
            assert!(!page.contains(pattern), "{path} has {pattern}");
        }
        assert_eq!(
            page.matches("<script").count(),
            usize::from(page.contains("<!doctype")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn theme_is_the_viewers_choice_or_the_browsers() {
    let server = Server::start().await;
    for (cookie, theme) in [
        ("dark", "dark"),
        ("light", "light"),
        ("x\" onload=\"alert(1)", ""),
        ("", ""),
    ] {
        let page = server
            .get("/ui/sign-in", &[&format!("Cookie: theme={cookie}")])
            .await
            .text;
        assert!(
            page.contains(&format!("<html lang=\"en\" data-theme=\"{theme}\">")),
            "{cookie}"
        );
    }
}
