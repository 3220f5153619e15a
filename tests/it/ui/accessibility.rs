//! Accessibility of every page by axe-core, in both themes, on a screen and on a phone. `tests/browser/setup` installs
//! it.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{event, failed_history};
use crate::support::{
    NOW, Server,
    browser::{Browser, Window},
};

/// Returns the violations that keep people from using the page, and its width if it is wider than the window.
/// Animations are ended, because a glyph that pulses has little contrast for a moment.
const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    document.getAnimations().forEach((animation) => animation.cancel());
    const options = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };
    axe.run(document, options).then(({ violations }) => {
        const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        const faults = found.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id} (${help}): ${node.html}`));
        const width = document.documentElement.scrollWidth;
        if (width > innerWidth) faults.push(`it is ${width} px wide`);
        done(faults);
    }, (fault) => done([`axe failed: ${fault}`]));";

/// Returns the source of axe-core. Returns None, with a line that says so, if it is not installed; in CI it must be.
fn axe() -> Option<String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source =
        fs::read_to_string(project.join("target/browser/node_modules/axe-core/axe.min.js"));
    if source.is_err() {
        let advice = "there is no axe-core; tests/browser/setup installs it";
        assert!(std::env::var_os("CI").is_none(), "{advice}");
        eprintln!("SKIPPED: {advice}");
    }
    source.ok()
}

/// A server with a flow whose executions have every outcome, and a flow without any.
async fn server() -> Server {
    let server = Server::with_execution().await;
    server.create("empty", "a description").await;
    server.append(&failed_history()).await;
    for (execution, end) in [
        ("succeeded", "ExecutionSucceeded"),
        ("timed-out", "ExecutionTimedOut"),
        ("stopped", "ExecutionStopped"),
        ("running", ""),
    ] {
        server
            .start_one("f", execution, r#"{"total": 5, "paid": false}"#)
            .await;
        let mut events = failed_history();
        let events = events.as_array_mut().unwrap();
        events.truncate(30);
        if !end.is_empty() {
            events.push(event(6_000, end, "", &json!({"output": {"n": 1}})));
        }
        server
            .append_to("f", execution, &Value::Array(events.clone()))
            .await;
    }
    server.set_time(NOW + 73_000);
    server
}

async fn check(browser: &Browser, axe: &str, page: &str, faults: &mut Vec<String>) {
    browser.run(axe).await;
    for theme in ["light", "dark"] {
        browser
            .run(&format!(
                "document.documentElement.dataset.theme = '{theme}'"
            ))
            .await;
        let found = browser
            .client
            .execute_async(CHECK, Vec::new())
            .await
            .unwrap();
        for fault in found.as_array().unwrap() {
            faults.push(format!("{page}, {theme}: {}", fault.as_str().unwrap()));
        }
    }
}

async fn check_every_page(width: u32, height: u32) {
    let window = Window {
        width,
        height,
        ..Window::default()
    };
    let (Some(axe), Some(browser)) = (axe(), Browser::open(window).await) else {
        return;
    };
    let server = server().await;
    let mut faults = Vec::new();
    browser
        .open_url(&format!("http://{}/ui/", server.address))
        .await;
    check(&browser, &axe, "sign-in", &mut faults).await;
    browser.sign_in("reader", "wrong").await;
    browser.wait("[role=alert]").await;
    check(&browser, &axe, "sign-in refused", &mut faults).await;
    browser.sign_in("testid", "testsecret").await;
    browser.wait("table.rows").await;
    for path in [
        "/ui/",
        "/ui/?q=none",
        "/ui/?order=failure",
        "/ui/flows/f",
        "/ui/flows/f?status=Failed&prefix=none",
        "/ui/flows/empty",
        "/ui/flows/f/executions/e",
        "/ui/flows/f/executions/e?event=20",
        "/ui/flows/f/executions/succeeded",
        "/ui/flows/f/executions/timed-out",
        "/ui/flows/f/executions/stopped",
        "/ui/flows/f/executions/running",
        "/ui/flows/f/executions/none",
        "/ui/flows/f?status=none",
        "/ui/none",
    ] {
        browser
            .open_url(&format!("http://{}{path}", server.address))
            .await;
        check(&browser, &axe, path, &mut faults).await;
    }
    browser.close().await;
    server.stop().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn pages_are_accessible_on_a_screen() {
    check_every_page(1280, 900).await;
}

#[tokio::test]
async fn pages_are_accessible_on_a_phone() {
    check_every_page(390, 844).await;
}
