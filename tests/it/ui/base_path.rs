//! A server below a base path, as behind a reverse proxy that passes the path on unchanged.

use std::collections::BTreeSet;

use super::{OURS, PATHS, failed_history, request, sse::Stream};
use crate::support::{Call, Server};

const BASE: &str = "/history";
/// What a proxy adds to a request.
const PROXY: &str = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Prefix: /history";

fn below(call: Call) -> Call {
    call.path("/history/", "/")
}

/// Starts a server with the failed history as execution `e` of flow `f`.
async fn server() -> Server {
    let server = Server::below(BASE).await;
    let create = Call::new("CreateFlow").form("Name", "f");
    let create = create.form("Definition", "d").form("Type", "FDL");
    server.ok(below(create)).await;
    let of = |action| {
        let call = Call::new(action).form("FlowName", "f");
        below(call.form("ExecutionName", "e"))
    };
    server.ok(of("StartExecution")).await;
    let events = failed_history().to_string();
    let append = of("AppendExecutionEvents").form("Events", &events);
    server.ok(append).await;
    server
}

/// Signs in as admin; returns the `Cookie` header line.
async fn session(server: &Server) -> String {
    let form = [
        ("key_id", "testid"),
        ("secret", "testsecret"),
        ("next", "/ui/flows/f"),
    ];
    let answer = server
        .post("/history/ui/sign-in", &[OURS, PROXY], &form)
        .await;
    assert_eq!(answer.header("location"), Some("/history/ui/flows/f"));
    let set = answer.header("set-cookie").unwrap();
    assert!(set.contains("; Path=/history/ui;"), "{set}");
    format!("Cookie: {}", set.split(';').next().unwrap())
}

/// The URLs in the attributes of a page.
fn urls(page: &str) -> BTreeSet<String> {
    let attributes = ["href", "src", "action", "data-live", "data-copy"];
    let values = attributes.iter().flat_map(|name| {
        let begin = format!(" {name}=\"");
        let rests: Vec<_> = page.split(&begin).skip(1).collect();
        rests
            .into_iter()
            .map(|rest| rest.split('"').next().unwrap())
    });
    let values = values.filter(|value| !value.starts_with('#'));
    values.map(|value| value.replace("&#38;", "&")).collect()
}

#[tokio::test]
async fn every_url_of_every_page_begins_with_the_base_path() {
    let server = server().await;
    let cookie = session(&server).await;
    let more = [
        "/ui/none",
        "/ui/flows/f/executions/e?event=20",
        "/ui/sign-in",
    ];
    let mut found = BTreeSet::new();
    for path in PATHS
        .iter()
        .chain(&more)
        .filter(|path| !path.ends_with("live"))
    {
        for headers in [vec![PROXY], vec![PROXY, &cookie]] {
            let answer = server.get(&format!("{BASE}{path}"), &headers).await;
            if let Some(location) = answer.header("location") {
                assert!(location.starts_with("/history/ui/"), "{path}: {location}");
            }
            found.extend(urls(&answer.text));
        }
    }
    let live = "/history/ui/flows/f/executions/e/live?after=1";
    let live = Stream::open_path(&server, live, &cookie).await;
    let live = urls(&live.rest().await);
    assert!(live.len() > 20 && found.len() > 50, "{live:#?} {found:#?}");
    found.extend(live);
    for url in found {
        assert!(url.starts_with("/history/ui/"), "{url}");
        let path = url.split('#').next().unwrap();
        if !path.contains("/sign-") {
            assert_eq!(server.get(path, &[&cookie]).await.status, 200, "{url}");
        }
    }
}

#[tokio::test]
async fn redirects_begin_with_the_base_path() {
    let server = server().await;
    let cookie = session(&server).await;
    let html = "Accept: text/html";
    for (path, headers, status, location) in [
        ("/history", vec![html], 303, "/history/ui/"),
        ("/history/", vec![html], 303, "/history/ui/"),
        ("/history/ui", vec![], 308, "/history/ui/"),
        ("/history/ui/", vec![], 303, "/history/ui/sign-in"),
        (
            "/history/ui/flows/f?status=Failed",
            vec![],
            303,
            "/history/ui/sign-in?next=%2Fui%2Fflows%2Ff%3Fstatus%3DFailed",
        ),
        (
            "/history/ui/sign-in?next=/ui/flows/f",
            vec![&*cookie],
            303,
            "/history/ui/flows/f",
        ),
    ] {
        let answer = server.get(path, &headers).await;
        let found = (answer.status, answer.header("location"));
        assert_eq!(found, (status, Some(location)), "{path}");
    }
    let sign_out = server
        .post("/history/ui/sign-out", &[OURS, &cookie], &[])
        .await;
    assert_eq!(sign_out.header("location"), Some("/history/ui/sign-in"));
    let set = sign_out.header("set-cookie").unwrap();
    assert!(set.contains("; Path=/history/ui; Max-Age=0"), "{set}");
    let from_other_site = ["Sec-Fetch-Site: cross-site"];
    let page = server.get("/history/ui/flows/f", &from_other_site).await;
    assert!(
        page.text
            .contains("<a href=\"/history/ui/flows/f\">Continue")
    );
}

#[tokio::test]
async fn api_verifies_signatures_of_the_root_and_of_the_path_as_sent() {
    let server = server().await;
    for (sent, signed, accepted) in [
        ("/history", "/", true),
        ("/history", "/history", true),
        ("/history/", "/", true),
        ("/history/", "/history/", true),
        ("/history/", "/history", false),
        ("/history", "/history/", false),
        ("/history/", "/other/", false),
        ("/history/", "", false),
        // With a slash after the endpoint.
        ("/history//", "/", true),
    ] {
        for call in [
            Call::new("ListFlows").acs3().query("Limit", "5"),
            Call::new("DescribeFlow").acs3().form("Name", "f"),
        ] {
            let answer = server.call(call.path(sent, signed)).await;
            let status = if accepted { 200 } else { 403 };
            assert_eq!(answer.status, status, "{sent} {signed}: {}", answer.text);
            if !accepted {
                assert_eq!(answer.refusal().1, "SignatureNotMatch");
            }
        }
        // RPC v1 signs no path.
        server.ok(Call::new("ListFlows").path(sent, signed)).await;
    }
    let root = Server::start().await;
    let call = Call::new("ListFlows").acs3().path("/", "/history");
    assert_eq!(root.refused(call).await.1, "SignatureNotMatch");
}

#[tokio::test]
async fn nothing_but_health_checks_is_answered_outside_of_the_base_path() {
    let server = server().await;
    for path in ["/healthz", "/readyz", "/history/healthz", "/history/readyz"] {
        let answer = server.get(path, &[]).await;
        assert_eq!((answer.status, &*answer.text), (200, "ok\n"), "{path}");
    }
    for path in [
        "/",
        "/ui/",
        "/ui/sign-in",
        "/historyx",
        "/HISTORY/",
        "/history/history/",
        "/history/other",
        "/hist%6Fry/",
        "//history/",
        "/other/healthz",
    ] {
        let answer = server.get(path, &["Accept: text/html"]).await;
        assert_eq!(answer.status, 400, "{path}");
        let (_, code, message) = answer.refusal();
        let expected = (
            "InvalidArgument",
            "Parameter error. The path must be /history/.",
        );
        assert_eq!((&*code, &*message), expected, "{path}");
        server
            .call(Call::new("ListFlows").path(path, "/"))
            .await
            .refusal();
    }
}

#[tokio::test]
async fn base_path_may_have_several_parts_and_names_of_our_own_paths() {
    for base in ["/a/b-c/d.e_f~g", "/ui", "/ui/flows", "/healthz/x"] {
        let server = Server::below(base).await;
        let call = Call::new("ListFlows").path(&format!("{base}/"), "/");
        server.ok(call).await;
        let answer = server.get(&format!("{base}/ui/"), &[]).await;
        let sign_in = format!("{base}/ui/sign-in");
        assert_eq!(answer.header("location"), Some(&*sign_in));
        assert_eq!(server.get(&sign_in, &[]).await.status, 200);
        for path in ["/healthz", "/readyz"] {
            assert_eq!(server.get(path, &[]).await.status, 200, "{base} {path}");
        }
    }
}

/// The cookies of a browser: by name and path, sent to every port of a host and to every path below their own, the
/// longest path first.
#[derive(Default)]
struct Jar(Vec<(String, String, String)>);

impl Jar {
    /// Requests `path` of a server at `host`, with the form if there is one, and keeps its cookies.
    async fn send(&mut self, server: &Server, host: &str, path: &str, form: &str) -> u16 {
        let sent = self
            .0
            .iter()
            .filter(|(_, scope, _)| path.starts_with(scope.as_str()));
        let sent: Vec<_> = sent
            .map(|(name, _, value)| format!("{name}={value}"))
            .collect();
        let cookies = format!("Cookie: {}", sent.join("; "));
        let method = if form.is_empty() { "GET" } else { "POST" };
        let headers = [cookies.as_str(), "Sec-Fetch-Site: same-origin"];
        let request = request(method, path, &headers, form).replace("flowledger.test", host);
        let answer = server.send(request.as_bytes()).await;
        if let Some(set) = answer.header("set-cookie") {
            let mut parts = set.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let scope = parts.find_map(|part| part.strip_prefix("Path=")).unwrap();
            self.0
                .retain(|(kept, of, _)| (&**kept, &**of) != (name, scope));
            if !value.is_empty() {
                self.0
                    .push((name.to_owned(), scope.to_owned(), value.to_owned()));
            }
            self.0
                .sort_by_key(|(_, scope, _)| std::cmp::Reverse(scope.len()));
        }
        answer.status
    }
}

const FORM: &str = "key_id=reader&secret=reader-secret";

#[tokio::test]
async fn servers_on_one_host_do_not_sign_each_other_out() {
    // The second server has another secret, so that the cookie of the first is invalid there.
    for (first, second) in [
        (("", "host.test:8080"), ("", "host.test:8081")),
        (("", "host.test:8080"), ("", "host.test")),
        (("", "[::1]:8080"), ("", "[::1]")),
        (("/a", "host.test"), ("/b", "host.test")),
        (("", "host.test"), ("/history", "host.test")),
        (("", "host.test"), ("/ui", "host.test")),
        (("/a", "host.test"), ("/a/ui", "host.test")),
    ] {
        let mut servers = Vec::new();
        for (base, host) in [first, second] {
            servers.push((Server::below(base).await, base, host));
        }
        let other = crate::support::KEYS.replace("reader-secret", "other-secret");
        servers[1].0.replace_keys(&other);
        let mut jar = Jar::default();
        for (form, (server, base, host)) in [FORM, &FORM.replace("reader-", "other-")]
            .into_iter()
            .zip(&servers)
        {
            let status = jar
                .send(server, host, &format!("{base}/ui/sign-in"), form)
                .await;
            assert_eq!(status, 303);
        }
        for (server, base, host) in &servers {
            let status = jar.send(server, host, &format!("{base}/ui/"), "").await;
            assert_eq!(status, 200, "{first:?} {second:?}: {:?}", jar.0);
        }
        let (server, base, host) = &servers[1];
        jar.send(server, host, &format!("{base}/ui/sign-out"), "x=y")
            .await;
        for ((server, base, host), status) in servers.iter().zip([200, 303]) {
            let path = format!("{base}/ui/");
            assert_eq!(
                jar.send(server, host, &path, "").await,
                status,
                "{first:?} {second:?}"
            );
        }
    }
}
