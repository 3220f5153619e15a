//! Access rights: the same as in the API, and nothing about existence before rights are checked.

use super::PATHS;
use crate::support::Server;

/// Returns a page without the request id, which differs between any two responses.
fn plain(text: &str) -> String {
    let (before, rest) = text.split_once("<code>").unwrap();
    format!("{before}{}", rest.split_once("</code>").unwrap().1)
}

#[tokio::test]
async fn every_role_may_read() {
    let server = Server::with_execution().await;
    for (id, secret) in [
        ("reader", "reader-secret"),
        ("writer", "writer-secret"),
        ("testid", "testsecret"),
    ] {
        let cookie = server.session(id, secret).await;
        for path in PATHS.iter().filter(|path| !path.ends_with("live")) {
            assert_eq!(
                server.get(path, &[&cookie]).await.status,
                200,
                "{id} {path}"
            );
        }
    }
}

#[tokio::test]
async fn key_sees_only_its_flows_and_not_whether_others_exist() {
    let server = Server::with_execution().await;
    for flow in ["exact", "reader-1", "reader-2", "other"] {
        server.create(flow, "").await;
        server.start_one(flow, "e", "{}").await;
    }
    let cookie = server.session("narrow", "narrow-secret").await;
    let list = server.get("/ui/", &[&cookie]).await.text;
    for (flow, seen) in [
        ("exact", true),
        ("reader-1", true),
        ("reader-2", true),
        ("other", false),
        ("f", false),
    ] {
        assert_eq!(
            list.contains(&format!("/ui/flows/{flow}\"")),
            seen,
            "{flow}"
        );
        for path in &PATHS[1..8] {
            let path = path.replace("/f/", &format!("/{flow}/"));
            let path = path
                .strip_suffix("/f")
                .map_or(path.clone(), |path| format!("{path}/{flow}"));
            let answer = server.get(&path, &[&cookie]).await;
            assert_eq!(answer.status, if seen { 200 } else { 403 }, "{path}");
        }
    }
    let there = server.get("/ui/flows/other", &[&cookie]).await;
    for path in [
        "/ui/flows/none",
        "/ui/flows/other/executions/e",
        "/ui/flows/none/executions/e",
        "/ui/flows/other/executions/none/live",
    ] {
        let answer = server.get(path, &[&cookie]).await;
        assert_eq!(
            (answer.status, plain(&answer.text)),
            (403, plain(&there.text)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn missing_pages_are_not_found() {
    let server = Server::with_execution().await;
    let cookie = server.session("testid", "testsecret").await;
    for (path, status, message) in [
        ("/ui/flows/none", 404, "Flow &#39;none&#39; does not exist."),
        (
            "/ui/flows/none/executions/e",
            404,
            "Flow &#39;none&#39; does not exist.",
        ),
        (
            "/ui/flows/f/executions/none",
            404,
            "Execution &#39;none&#39; for flow &#39;f&#39; does not exist.",
        ),
        (
            "/ui/flows/f/executions/e/events/99",
            404,
            "There is no page at this address.",
        ),
        (
            "/ui/flows/f/executions/e/events/x",
            400,
            "The event&#39;s id must be an integer",
        ),
        ("/ui/flows/-", 400, "must be 1 to 128 letters"),
        (
            "/ui/flows/f?status=x",
            400,
            "status must be one that there is",
        ),
        ("/ui/flows/f?at=x", 400, "at must be one that was linked"),
        ("/ui/flows/f?from=x", 400, "from must be RFC 3339"),
        ("/ui/unknown", 404, "There is no page at this address."),
        (
            "/ui/assets/0/ui.css",
            404,
            "There is no page at this address.",
        ),
        ("/ui/sign-out", 404, "There is no page at this address."),
    ] {
        let answer = server.get(path, &[&cookie]).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text.contains(message), "{path}: {}", answer.text);
        let id = answer.header("x-acs-request-id").unwrap();
        assert!(
            answer.text.contains(&format!("<code>{id}</code>")),
            "{path}"
        );
    }
}
