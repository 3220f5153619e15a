//! `serve --base-path`, and commands whose endpoint has a path.

use super::{Process, command, run_with};
use crate::support::Server;

#[tokio::test]
async fn commands_call_the_path_of_the_endpoint() {
    let server = Server::below("/history").await;
    let create = "call CreateFlow Name=f Type=FDL Definition=d";
    let create: Vec<_> = create.split(' ').collect();
    for (path, arguments, code, expected) in [
        ("/history", &create[..], 0, "\"Name\":\"f\""),
        ("/history", &["ls"], 0, "f\t"),
        ("/history/", &["ls"], 0, "f\t"),
        (
            "",
            &["ls"],
            1,
            "InvalidArgument: Parameter error. The path must be /history/.",
        ),
        (
            "/other",
            &["ls"],
            1,
            "InvalidArgument: Parameter error. The path must be /history/.",
        ),
    ] {
        let endpoint = format!("http://{}{path}", server.address);
        let run = run_with(
            &server,
            arguments,
            &[("FLOWLEDGER_ENDPOINT", &endpoint)],
            "",
        )
        .await;
        let text = format!("{}{}", run.out, run.err);
        assert!(
            run.code == code && text.contains(expected),
            "{endpoint} {arguments:?}: {text}"
        );
    }
}

/// Paths that are no base path, of a server or an endpoint.
const INVALID: [&str; 12] = [
    "//history",
    "/history//x",
    "/..",
    "/history/../x",
    "/./x",
    "/history?x=1",
    "/history#x",
    "/his tory",
    "/his\ttory",
    "/hist%6Fry",
    "/history;x",
    "/{history}",
];

#[test]
fn invalid_base_path_and_endpoint_are_refused_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(folder.path(), arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for path in INVALID.iter().chain(&[
        "history",
        "history/",
        "http://h/history",
        "/healthz",
        "/readyz/",
    ]) {
        let (code, err) = run(&["serve", "--base-path", path]);
        let line = format!("error: invalid value '{path}' for '--base-path <PATH>': ");
        assert!(code == Some(2) && err.starts_with(&line), "{path}: {err}");
        assert!(
            err.contains("use a path such as /history") || err.contains("of a health check"),
            "{err}"
        );
    }
    std::fs::write(
        folder.path().join("flowledger.keys.toml"),
        crate::support::KEYS,
    )
    .unwrap();
    for path in INVALID {
        let endpoint = format!("http://127.0.0.1:1{path}");
        let (code, err) = run(&["ls", "--key", "testid", "--endpoint", &endpoint]);
        let expected = "is not an endpoint; use http://HOST:PORT or https://HOST, with the server's base path if it has one";
        let is_one_line = err.trim_end().lines().count() == 1;
        assert!(
            code == Some(1) && err.contains(expected) && is_one_line,
            "{endpoint}: {err}"
        );
    }
}

#[test]
fn server_says_its_base_path_and_is_ready_without_it() {
    for (arguments, environment) in [
        (&["--base-path", "/history/"][..], &[][..]),
        (&[], &[("FLOWLEDGER_BASE_PATH", "/history")]),
        (&["--demo", "--base-path", "/history"], &[]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::serve(folder.path(), arguments, environment);
        let address = server.address.to_string();
        assert!(
            server
                .printed
                .contains(&format!("http://{address}/history")),
            "{}",
            server.printed
        );
        let health = command(folder.path(), &["health", "--listen", &address]).status();
        assert!(health.unwrap().success());
    }
    let folder = tempfile::tempdir().unwrap();
    for none in ["", "/"] {
        let server = Process::serve(folder.path(), &["--base-path", none], &[]);
        assert!(
            server
                .printed
                .ends_with(&format!("http://{}\n", server.address)),
            "{}",
            server.printed
        );
    }
}
