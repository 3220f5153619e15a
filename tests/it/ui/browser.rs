//! The pages in a real browser. Screenshots and figures are written to `target/ui`.

use std::fs;

use fantoccini::Locator;
use serde_json::{Value, json};

use super::{event, failed_history, hostile};
use crate::{
    cli::Process,
    support::{
        Server,
        browser::{Browser, Window, artifact_path},
    },
};

/// Returns texts with a contrast below 4.5, and the page's width if it is wider than the window.
const FAULTS: &str = include_str!("layout_faults.js");

pub(super) async fn check_looks(browser: &Browser, what: &str) {
    let faults = browser.run(FAULTS).await;
    assert_eq!(faults, json!([]), "{what}");
}

/// A server with the failed history as execution `e` of flow `f`, and a browser that has signed in.
pub(super) async fn open_failed(window: Window) -> Option<(Server, Browser, String)> {
    let browser = Browser::open(window).await?;
    let server = Server::with_execution().await;
    server.append(&failed_history()).await;
    let base = format!("http://{}/ui", server.address);
    browser.open_url(&format!("{base}/")).await;
    browser.sign_in("testid", "testsecret").await;
    browser.wait("table.rows").await;
    Some((server, browser, base))
}

#[tokio::test]
async fn demo_pages_work_in_both_themes() {
    let Some(browser) = Browser::open(Window::default()).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Process::serve(folder.path(), &["--demo"], &[]);
    // The address that the demo prints redirects to the pages, and these to the sign-in page.
    browser.open_url(&format!("http://{}/", demo.address)).await;
    check_looks(&browser, "sign-in").await;
    browser.save_screenshot("sign-in.png", None).await;
    browser.sign_in("demo", "demo-secret").await;
    browser.wait(".strip").await;
    for theme in ["light", "dark"] {
        if browser.run("return isDark() ? 'dark' : 'light'").await != theme {
            browser.click("#theme").await;
        }
        browser
            .open_url(&format!("http://{}/ui/", demo.address))
            .await;
        let kept = browser
            .run("return document.documentElement.dataset.theme || (isDark() ? 'dark' : 'light')")
            .await;
        assert_eq!(kept, theme, "the choice is kept");
        check_looks(&browser, &format!("flows, {theme}")).await;
        browser
            .save_screenshot(&format!("flows-{theme}.png"), None)
            .await;
        browser.click("a.name").await;
        browser.wait(".scatter circle").await;
        check_looks(&browser, &format!("executions, {theme}")).await;
        browser
            .save_screenshot(&format!("executions-{theme}.png"), None)
            .await;

        browser
            .client
            .find(Locator::LinkText("order-1002-failed"))
            .await
            .unwrap()
            .click()
            .await
            .unwrap();
        let failure = browser.text(".failure").await;
        assert!(
            failure.contains("prepare › branch 1 › charge-card"),
            "{failure}"
        );
        browser.click(".failure a").await;
        let detail = browser.text("tr.unfolded .json").await;
        assert!(
            detail.contains("\"cause\": \"payment gateway: 503\""),
            "{detail}"
        );
        check_looks(&browser, &format!("failed, {theme}")).await;
        browser.run("scrollTo(0, 0)").await;
        browser
            .save_screenshot(&format!("failed-{theme}.png"), None)
            .await;
        if theme == "light" {
            // docs/timeline.png, which the README shows, is a copy of this screenshot.
            browser
                .save_screenshot("timeline.png", Some("#timeline"))
                .await;
        }

        browser
            .open_url(&format!(
                "http://{}/ui/flows/order/executions/order-1004-live",
                demo.address
            ))
            .await;
        browser
            .wait_until("return find('#live').dataset.state === 'live'")
            .await;
        let before = browser
            .run("return Number(find('#events').dataset.last)")
            .await;
        browser
            .wait_until(&format!(
                "return Number(find('#events tr.event').dataset.id) > {before}"
            ))
            .await;
        check_looks(&browser, &format!("live, {theme}")).await;
        browser
            .save_screenshot(&format!("live-{theme}.png"), None)
            .await;
        // New events do not move the rows while a detail is unfolded.
        // By script, because the rows move while the browser aims.
        browser
            .run("find('#events tr.event .toggle').click()")
            .await;
        browser.wait("tr.unfolded .json").await;
        let first = browser
            .run("return find('#events tr.event').dataset.id")
            .await;
        browser.wait(".fresh:not([hidden]) button").await;
        assert_eq!(
            browser
                .run("return find('#events tr.event').dataset.id")
                .await,
            first
        );
        // In one script, because more events may arrive after the click.
        let shown = "find('.fresh button').click(); return find('.range').textContent\
            .endsWith(` of ${Number(find('#events').dataset.last).toLocaleString('en')}`)";
        assert_eq!(browser.run(shown).await, true);
        assert_ne!(
            browser
                .run("return find('#events tr.event').dataset.id")
                .await,
            first
        );
    }
    browser
        .client
        .find(Locator::Css(".who form button"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    browser.wait("form.sign-in").await;
    browser
        .open_url(&format!("http://{}/ui/flows/order", demo.address))
        .await;
    browser.wait("form.sign-in").await;
    browser.close().await;
}

#[tokio::test]
async fn timeline_is_navigated_by_keyboard_and_zoomed() {
    let Some((server, browser, base)) = open_failed(Window::default()).await else {
        return;
    };
    browser
        .open_url(&format!("{base}/flows/f/executions/e"))
        .await;
    browser
        .save_screenshot("timeline-keys.png", Some("#timeline"))
        .await;
    browser.press("f").await;
    let row = || browser.run("return document.activeElement.dataset.row");
    assert_eq!(row().await, "1", "the execution failed");
    for _ in 0..5 {
        browser.press("\u{e015}").await; // arrow down
    }
    assert_eq!(row().await, "13");
    let tip = browser.text("#tip").await;
    assert!(
        tip.contains("charge-card · Failed · 3.29 s · 2 attempts"),
        "{tip}"
    );
    assert!(
        tip.contains("12:00:00.008 – 12:00:03.302 UTC · event 13"),
        "{tip}"
    );
    browser.press("\u{e007}").await; // enter
    browser.wait("tr.unfolded[data-of='13'] .json").await;
    assert_eq!(
        browser
            .run("return document.activeElement.closest('tr').dataset.id")
            .await,
        "13"
    );
    let address = browser.client.current_url().await.unwrap();
    assert!(address.query().unwrap().contains("event=13"), "{address}");
    browser.press("\u{e00c}").await; // escape: folds, and returns the focus
    assert_eq!(row().await, "13");
    assert_eq!(
        browser
            .run("return document.querySelectorAll('tr.unfolded').length")
            .await,
        0
    );

    browser.press("+").await;
    browser.press("+").await;
    assert_eq!(
        browser
            .run("return find('#timeline .zoom').getAttribute('width')")
            .await,
        "400%"
    );
    browser.press("0").await;
    assert_eq!(
        browser
            .run("return find('#timeline .zoom').getAttribute('width')")
            .await,
        "100%"
    );
    browser.press("?").await;
    assert!(browser.text("#keys").await.contains("next failure"));
    browser.press("\u{e00c}").await;

    // A click on a bar opens its first event.
    browser.run("find('g.row[data-row=\"27\"] .waiting').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))").await;
    browser.wait("tr.unfolded[data-of='27']").await;
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn flows_are_filtered_while_typing() {
    let Some((server, browser, base)) = open_failed(Window::default()).await else {
        return;
    };
    server.create("billing", "").await;
    browser.open_url(&format!("{base}/")).await;
    browser.press("/").await;
    browser.press("bil").await;
    browser
        .wait_until("return all('a.name').map((a) => a.textContent).join() === 'billing'")
        .await;
    assert!(
        browser
            .client
            .current_url()
            .await
            .unwrap()
            .as_str()
            .ends_with("?q=bil")
    );
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn pages_fit_a_window_of_360_pixels() {
    let window = Window {
        width: 360,
        height: 740,
        ..Window::default()
    };
    let Some((server, browser, base)) = open_failed(window).await else {
        return;
    };
    for path in [
        "/",
        "/flows/f",
        "/flows/f/executions/e?event=21",
        "/flows/none",
    ] {
        browser.open_url(&format!("{base}{path}")).await;
        assert_eq!(browser.run("return innerWidth").await, 360);
        check_looks(&browser, path).await;
        browser
            .save_screenshot(
                &format!("small{}.png", path.replace(['/', '?', '='], "-")),
                None,
            )
            .await;
    }
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn pages_work_without_javascript() {
    let window = Window {
        scripts: false,
        ..Window::default()
    };
    let Some((server, browser, base)) = open_failed(window).await else {
        return;
    };
    browser.open_url(&format!("{base}/flows/f")).await;
    browser.click("a.name").await;
    assert!(browser.text(".failure").await.contains("charge-card"));
    browser.click(".failure a").await;
    assert!(
        browser
            .text("tr.unfolded .json")
            .await
            .contains("gateway: 503")
    );
    browser.click(".orders a:last-child").await;
    assert_eq!(browser.text("#events tr.event .toggle").await, "35");
    browser.click(".labels li:nth-child(6) a").await;
    browser.wait("tr.unfolded[data-of='13']").await;
    assert_eq!(
        browser
            .client
            .find_all(Locator::Css("#theme, .copy:not([hidden])"))
            .await
            .unwrap()
            .len(),
        0
    );
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn hostile_texts_run_no_script() {
    let Some(browser) = Browser::open(Window::default()).await else {
        return;
    };
    for payload in hostile::PAYLOADS {
        let server = hostile::full_of(payload).await;
        let base = format!("http://{}/ui", server.address);
        browser.open_url(&format!("{base}/")).await;
        browser.sign_in("testid", "testsecret").await; // each server has a cookie of its own
        browser.wait("table.rows").await;
        for path in ["/flows/f", "/flows/f/executions/e?event=6"] {
            browser.open_url(&format!("{base}{path}")).await;
            if path.contains("executions") {
                browser.click("#events tr[data-id='4'] .toggle").await;
                browser.wait("tr.unfolded[data-of='4'] .json").await;
                browser.run("find('.labels li:last-child a').focus()").await;
            }
            assert_eq!(
                browser.run("return typeof window.pwned").await,
                "undefined",
                "{payload}"
            );
            let elements = browser.run("return document.querySelectorAll('main script, main img, main iframe, main style, main base, main math, [onerror], [onload], [onfocus], [onclick]').length");
            assert_eq!(elements.await, 0, "{payload}");
            assert_eq!(
                browser.client.current_url().await.unwrap().as_str(),
                format!(
                    "{base}{}",
                    if path.contains("executions") {
                        "/flows/f/executions/e?event=4&at=1"
                    } else {
                        path
                    }
                )
            );
        }
        server.stop().await;
    }
    browser.close().await;
}

/// Appends a foreach with about `events` events.
async fn foreach(server: &Server, events: i64) {
    let plain = json!({});
    let mut batch = vec![
        event(1, "StepEntered", "each", &plain),
        event(2, "StepStarted", "each", &plain),
    ];
    let mut last = 3;
    for item in 0..events / 9 {
        let at = item * 40;
        for (millis, kind, step, cause) in [
            (1, "IterationEntered", "each", 3),
            (2, "StepEntered", "work", last + 1),
            (3, "StepStarted", "work", last + 2),
            (4, "TaskScheduled", "work", last + 3),
            (6, "TaskStarted", "work", last + 4),
            (
                30,
                if item % 997 == 996 {
                    "TaskFailed"
                } else {
                    "TaskSucceeded"
                },
                "work",
                last + 5,
            ),
            (
                31,
                if item % 997 == 996 {
                    "StepFailed"
                } else {
                    "StepSucceeded"
                },
                "work",
                last + 6,
            ),
            (32, "StepExited", "work", last + 7),
            (33, "IterationExited", "each", last + 8),
        ] {
            let mut event = event(
                at + millis,
                kind,
                step,
                &json!({"iteration": item, "note": "x".repeat(60)}),
            );
            event["ScheduleEventId"] = json!(cause);
            batch.push(event);
        }
        last += 9;
        if batch.len() > 900 {
            server
                .append(&Value::Array(std::mem::take(&mut batch)))
                .await;
        }
    }
    batch.push(event(events * 5, "ExecutionSucceeded", "", &plain));
    server.append(&Value::Array(batch)).await;
}

#[tokio::test]
async fn page_of_a_hundred_thousand_events_stays_small() {
    let Some(browser) = Browser::open(Window::default()).await else {
        return;
    };
    let server = Server::with_execution().await;
    foreach(&server, 100_000).await;
    let base = format!("http://{}/ui", server.address);
    browser.open_url(&format!("{base}/")).await;
    browser.sign_in("testid", "testsecret").await;
    browser.wait("table.rows").await;
    let mut figures = String::new();
    for path in [
        "/flows/f/executions/e",
        "/flows/f/executions/e?order=newest",
    ] {
        browser.open_url(&format!("{base}{path}")).await;
        browser
            .wait_until("return performance.getEntriesByName('first-contentful-paint').length > 0")
            .await;
        let page = browser
            .run("const [page] = performance.getEntriesByType('navigation'); return {\
                first_paint_ms: Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime),\
                answered_ms: Math.round(page.responseEnd), bytes: page.decodedBodySize,\
                rows: document.querySelectorAll('#events tr.event').length,\
                elements: document.querySelectorAll('*').length}")
            .await;
        assert_eq!(page["rows"], 100);
        assert!(page["elements"].as_i64().unwrap() < 5000, "{page}");
        figures.push_str(&format!("{path}: {page}\n"));
    }
    browser.save_screenshot("hundred-thousand.png", None).await;
    let total = browser.text(".events .head .muted").await;
    assert!(total.ends_with("of 100,003"), "{total}");
    // Jumps into the middle, and unfolds a band of iterations.
    browser
        .wait("input[name='event']")
        .await
        .send_keys("50000\u{e007}")
        .await
        .unwrap();
    browser.wait("tr.unfolded[data-of='50000'] .json").await;
    browser.click(".labels .band a").await;
    browser
        .wait_until("return all('.labels li').length > 100")
        .await;
    browser
        .save_screenshot("hundred-thousand-unfolded.png", None)
        .await;
    fs::write(artifact_path("figures.txt"), figures).unwrap();
    browser.close().await;
    server.stop().await;
}
