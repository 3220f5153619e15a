//! Signing in and out, and how sessions end.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{OURS, PATHS};
use crate::support::{KEYS, NOW, Server};

const HOUR: i64 = 60 * 60 * 1000;

async fn status(server: &Server, cookie: &str) -> u16 {
    server.get("/ui/", &[cookie]).await.status
}

#[tokio::test]
async fn only_browsers_are_redirected_from_the_root_to_the_pages() {
    let server = Server::start().await;
    let html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
    let answer = server.get("/", &[html]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/ui/"))
    );
    for (path, headers) in [
        ("/", vec![]),
        ("/", vec!["Accept: */*"]),
        ("/?Action=ListFlows", vec![html]),
        (
            "/",
            vec![
                html,
                "Authorization: ACS3-HMAC-SHA256 Credential=a,SignedHeaders=b,Signature=c",
            ],
        ),
    ] {
        let answer = server.get(path, &headers).await;
        assert_eq!(answer.status, 400, "{path} {headers:?}");
        answer.refusal();
    }
    let answer = server.get("/ui", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, Some("/ui/"))
    );
}

#[tokio::test]
async fn session_cookie_is_http_only_and_same_site_strict() {
    let server = Server::start().await;
    for (id, secret) in [
        ("testid", "testsecret"),
        ("reader", "reader-secret"),
        ("narrow", "narrow-secret"),
    ] {
        let answer = server.sign_in(id, secret).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/ui/"))
        );
        let set = answer.header("set-cookie").unwrap().to_owned();
        let (value, attributes) = set.split_once(';').unwrap();
        let mut attributes: Vec<_> = attributes.split(';').map(str::trim).collect();
        attributes.sort_unstable();
        let expected = ["HttpOnly", "Max-Age=43200", "Path=/ui", "SameSite=Strict"];
        assert_eq!(attributes, expected);
        assert!(!set.contains(secret), "{set}");
        let page = server.get("/ui/", &[&format!("Cookie: {value}")]).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains(&format!("signed in with\">{id}</span>")));
        assert_eq!(
            status(&server, &format!("Cookie: a=b; {value}; c=d")).await,
            200
        );
    }
}

#[tokio::test]
async fn session_cookie_is_secure_over_https() {
    let server = Server::start().await;
    let form = [("key_id", "reader"), ("secret", "reader-secret")];
    let https = ["Origin: https://flowledger.test", "X-Forwarded-Proto: http"];
    let answer = server.post("/ui/sign-in", &https, &form).await;
    assert!(answer.header("set-cookie").unwrap().contains("; Secure"));
    let http = [OURS, "X-Forwarded-Proto: https"];
    let answer = server.post("/ui/sign-in", &http, &form).await;
    assert!(!answer.header("set-cookie").unwrap().contains("Secure"));
}

#[tokio::test]
async fn failed_sign_in_does_not_say_what_is_wrong() {
    let server = Server::start().await;
    let known = server.sign_in("reader", "wrong").await;
    assert_eq!(known.status, 403);
    assert!(known.text.contains("Sign-in failed."));
    assert_eq!(known.header("set-cookie"), None);
    for (id, secret) in [
        ("reader", "reader-secre"),
        ("reader", "reader-secret "),
        ("reader", ""),
        ("reader", "testsecret"),
        ("unknown", "unknown"),
        ("expired", "expired-secret"),
        ("sts", "sts-secret"),
    ] {
        let answer = server.sign_in(id, secret).await;
        assert_eq!(answer.status, 403, "{id} {secret}");
        let like_known = answer
            .text
            .replace(&format!("value=\"{id}\""), "value=\"reader\"");
        assert_eq!(like_known, known.text, "{id} {secret}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn key_with_a_security_token_needs_it() {
    let server = Server::start().await;
    let form = |token| {
        [
            ("key_id", "sts"),
            ("secret", "sts-secret"),
            ("security_token", token),
        ]
    };
    for token in ["", "wrong", "sts-tokens"] {
        let answer = server.post("/ui/sign-in", &[OURS], &form(token)).await;
        assert_eq!(answer.status, 403, "{token}");
    }
    let answer = server
        .post("/ui/sign-in", &[OURS], &form("sts-token"))
        .await;
    assert_eq!(answer.status, 303);
    let set = answer.header("set-cookie").unwrap();
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    assert_eq!(status(&server, &cookie).await, 200);
    server.replace_keys(&KEYS.replace("sts-token", "another-token"));
    assert_eq!(status(&server, &cookie).await, 303, "the token has changed");
}

#[tokio::test]
async fn session_ends_after_twelve_hours_or_with_its_key() {
    let server = Server::start().await;
    let cookie = server.session("reader", "reader-secret").await;
    server.set_time(NOW + 12 * HOUR - 1);
    assert_eq!(status(&server, &cookie).await, 200);
    server.set_time(NOW + 12 * HOUR);
    assert_eq!(status(&server, &cookie).await, 303);

    let cookie = server.session("reader", "reader-secret").await;
    for keys in [
        KEYS.replace("reader-secret", "new-secret"),
        KEYS.replace("\"reader\"\nsecret", "\"other\"\nsecret"),
        KEYS.replace(
            "role = \"reader\"",
            "role = \"reader\"\nexpires = \"2026-11-23T00:00:00Z\"",
        ),
    ] {
        assert_ne!(keys, KEYS);
        server.replace_keys(&keys);
        assert_eq!(status(&server, &cookie).await, 303);
        server.replace_keys(KEYS);
        assert_eq!(status(&server, &cookie).await, 200, "the old key is back");
    }
}

#[tokio::test]
async fn forged_cookie_is_refused() {
    let server = Server::start().await;
    let cookie = server.session("reader", "reader-secret").await;
    let value = cookie.strip_prefix("Cookie: flowledger=").unwrap();
    let [id, expires, tag] = value.split('.').collect::<Vec<_>>().try_into().unwrap();
    let admin = BASE64_URL_SAFE_NO_PAD.encode("testid");
    let later = (expires.parse::<i64>().unwrap() + 1).to_string();
    let other = if tag.starts_with('A') { "B" } else { "A" };
    let other = format!("{other}{}", &tag[1..]);
    let mut forged = vec![
        format!("{admin}.{expires}.{tag}"),
        format!("{id}.{later}.{tag}"),
        format!("{id}.{expires}.{other}"),
        format!("{id}.{expires}."),
        format!("{id}.{expires}.{tag}."),
        format!("{id}.{expires}.{tag}.x"),
        format!("{id}.0{expires}.{tag}x"),
        format!("{id}..{tag}"),
        format!(".{expires}.{tag}"),
        format!("{id}.-{expires}.{tag}"),
        format!("{id}.+{expires}.{tag}"),
        format!("{id}.0{expires}.{tag}"),
        format!(
            "{}.{expires}.{tag}",
            BASE64_URL_SAFE_NO_PAD.encode(b"\xff\n")
        ),
        String::new(),
        "..".to_owned(),
        "x".repeat(4000),
    ];
    // A truncated tag is refused although it is a prefix of the right one.
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(tag).unwrap();
    for length in [0, 1, 16, 31] {
        forged.push(format!(
            "{id}.{expires}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(&bytes[..length])
        ));
    }
    for value in &forged {
        let answer = server
            .get("/ui/", &[&format!("Cookie: flowledger={value}")])
            .await;
        assert_eq!(answer.status, 303, "{value}");
    }
    assert_eq!(status(&server, &cookie).await, 200);
}

#[tokio::test]
async fn sign_out_removes_the_cookie() {
    let server = Server::start().await;
    let cookie = server.session("reader", "reader-secret").await;
    let answer = server.post("/ui/sign-out", &[OURS, &cookie], &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/ui/sign-in"))
    );
    let set = answer.header("set-cookie").unwrap();
    assert!(
        set.starts_with("flowledger=;") && set.contains("; Path=/ui; Max-Age=0"),
        "{set}"
    );
}

#[tokio::test]
async fn forms_of_other_origins_are_refused() {
    let server = Server::start().await;
    let cookie = server.session("reader", "reader-secret").await;
    let form = [("key_id", "reader"), ("secret", "reader-secret")];
    for (headers, allowed) in [
        (vec![OURS], true),
        (vec![OURS, "Sec-Fetch-Site: same-origin"], true),
        (vec!["Sec-Fetch-Site: same-origin"], true),
        (vec![], false),
        (vec!["Origin: null"], false),
        (vec!["Origin: http://evil.test"], false),
        (vec!["Origin: http://flowledger.test:8081"], false),
        (vec!["Origin: http://flowledger.test.evil.test"], false),
        (vec![OURS, "Sec-Fetch-Site: cross-site"], false),
        (vec![OURS, "Sec-Fetch-Site: same-site"], false),
    ] {
        for path in ["/ui/sign-in", "/ui/sign-out"] {
            let headers = [&headers[..], &[&cookie]].concat();
            let answer = server.post(path, &headers, &form).await;
            assert_eq!(
                answer.status,
                if allowed { 303 } else { 403 },
                "{path} {headers:?}"
            );
            assert_eq!(answer.header("set-cookie").is_some(), allowed);
        }
    }
}

#[tokio::test]
async fn sign_in_redirects_to_the_requested_page_of_this_server_only() {
    let server = Server::start().await;
    let answer = server.get("/ui/flows/f?status=Failed", &[]).await;
    let sign_in = answer.header("location").unwrap().to_owned();
    assert_eq!(
        sign_in,
        "/ui/sign-in?next=%2Fui%2Fflows%2Ff%3Fstatus%3DFailed"
    );
    let form = server.get(&sign_in, &[]).await.text;
    assert!(
        form.contains(r#"name="next" value="/ui/flows/f?status=Failed""#),
        "{form}"
    );
    for (next, location) in [
        ("/ui/flows/f?status=Failed", "/ui/flows/f?status=Failed"),
        ("", "/ui/"),
        ("//evil.test/", "/ui/"),
        ("https://evil.test/ui/", "/ui/"),
        ("/ui/../../evil", "/ui/../../evil"), // stays on this server
        ("/ui/\\evil.test", "/ui/"),
        ("/ui/\r\nSet-Cookie: a=b", "/ui/"),
        ("/other", "/ui/"),
        ("/ui/sign-in", "/ui/"),
        ("/ui/sign-out", "/ui/"),
    ] {
        let form = [
            ("key_id", "reader"),
            ("secret", "reader-secret"),
            ("next", next),
        ];
        let answer = server.post("/ui/sign-in", &[OURS], &form).await;
        assert_eq!(answer.header("location"), Some(location), "{next}");
    }
}

#[tokio::test]
async fn link_from_another_site_finds_the_session() {
    let server = Server::start().await;
    // The browser does not send the strict cookie: the page reloads itself, then from our own site.
    let answer = server
        .get("/ui/flows/f", &["Sec-Fetch-Site: cross-site"])
        .await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .text
            .contains(r#"<meta http-equiv="refresh" content="0">"#)
    );
    assert_eq!(
        server
            .get("/ui/flows/f", &["Sec-Fetch-Site: same-origin"])
            .await
            .status,
        303
    );
}

#[tokio::test]
async fn every_page_without_a_session_redirects_to_sign_in() {
    let server = Server::with_execution().await;
    for path in PATHS {
        for path in [
            path.to_owned(),
            path.replace("flows/f", "flows/none"),
            path.replace("executions/e", "executions/none"),
        ] {
            let answer = server.get(&path, &[]).await;
            let location = answer.header("location").unwrap_or_default();
            assert_eq!(answer.status, 303, "{path}");
            assert!(location.starts_with("/ui/sign-in"), "{path}: {location}");
            assert_eq!(answer.text, "");
        }
    }
}

#[tokio::test]
async fn form_beyond_the_size_limit_is_refused() {
    let server = Server::start().await;
    let secret = "a".repeat(20_000);
    let answer = server.sign_in("reader", &secret).await;
    assert_eq!(answer.status, 413);
    assert!(
        answer.text.contains("The request could not be read."),
        "{}",
        answer.text
    );
}

#[tokio::test(start_paused = true)]
async fn slow_form_is_refused_after_twenty_seconds() {
    let server = Server::start().await;
    let begun = tokio::time::Instant::now();
    let head = format!(
        "POST /ui/sign-in HTTP/1.1\r\nHost: flowledger.test\r\n{OURS}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nkey_id="
    );
    let answer = server.send(head.as_bytes()).await;
    assert_eq!((answer.status, begun.elapsed().as_secs()), (408, 20));
    assert!(
        answer.text.contains("This took too long."),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn guesses_at_a_key_are_limited_and_other_keys_still_sign_in() {
    let server = Server::start().await;
    for _ in 0..10 {
        assert_eq!(server.sign_in("testid", "wrong").await.status, 403);
    }
    for secret in ["wrong", "testsecret"] {
        let answer = server.sign_in("testid", secret).await;
        assert_eq!(answer.status, 429, "{secret}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
        assert!(answer.text.contains("Too many requests"), "{}", answer.text);
        assert!(answer.header("set-cookie").is_none());
    }
    for _ in 0..30 {
        let answer = server.sign_in("reader", "reader-secret").await;
        assert_eq!(answer.status, 303, "successes cost nothing");
    }
}
