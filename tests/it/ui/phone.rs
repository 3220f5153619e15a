//! Layout on a phone, and the sizes of what a finger must hit.

use serde_json::json;

use super::{
    browser::{check_looks, open_failed},
    event,
};
use crate::support::{
    Server,
    browser::{Browser, Window},
};

const PHONE: Window = Window {
    width: 390,
    height: 844,
    scripts: true,
    zone: "UTC",
};

/// Texts of the greatest lengths, without a place to break.
async fn add_long_names(server: &Server) {
    let long = format!("a{}", "b".repeat(127));
    server.create(&long, &"d".repeat(200)).await;
    server.start_one(&long, &long, "{}").await;
    let step = "s".repeat(256);
    let reason = json!({"error": "E".repeat(128), "cause": "c".repeat(4096)});
    let events = json!([
        event(5, "StepEntered", &step, &json!({"input": "i".repeat(3000)})),
        event(6, "StepStarted", &step, &json!({})),
        event(7, "StepFailed", &step, &reason),
        event(8, "ExecutionFailed", "", &reason),
    ]);
    server.append_to(&long, &long, &events).await;
}

#[tokio::test]
async fn pages_fit_a_phone_in_both_themes() {
    let Some((server, browser, base)) = open_failed(PHONE).await else {
        return;
    };
    add_long_names(&server).await;
    server.start_one("f", "runs", "{}").await;
    let long = format!("a{}", "b".repeat(127));
    for (name, path) in [
        ("flows", "/".to_owned()),
        ("executions", "/flows/f".to_owned()),
        ("execution", "/flows/f/executions/e".to_owned()),
        ("event", "/flows/f/executions/e?event=21".to_owned()),
        ("filter", "/flows/f/executions/e?type=failed".to_owned()),
        ("running", "/flows/f/executions/runs".to_owned()),
        ("long-executions", format!("/flows/{long}")),
        ("long", format!("/flows/{long}/executions/{long}?event=2")),
    ] {
        browser.open_url(&format!("{base}{path}")).await;
        assert_eq!(browser.run("return innerWidth").await, 390);
        for theme in ["light", "dark"] {
            if browser.run("return isDark() ? 'dark' : 'light'").await != theme {
                browser.click("#theme").await;
            }
            check_looks(&browser, &format!("{path}, {theme}")).await;
            let file = format!("phone-{name}-{theme}.png");
            browser.save_screenshot(&file, None).await;
        }
        browser
            .run("for (const menu of all('details')) menu.open = true")
            .await;
        check_looks(&browser, &format!("{path}, all open")).await;
        browser.run("scrollTo(0, 0)").await;
        browser
            .save_screenshot(&format!("phone-{name}-open.png"), None)
            .await;
    }
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn unfolding_an_event_does_not_squeeze_its_row_on_a_phone() {
    let Some((server, browser, base)) = open_failed(PHONE).await else {
        return;
    };
    let widths =
        "return all('#e20 td').map((cell) => Math.round(cell.getBoundingClientRect().width))";
    let execution = format!("{base}/flows/f/executions/e");
    browser.open_url(&execution).await;
    let folded = browser.run(widths).await;
    browser.click("#e20 .toggle").await;
    browser.wait("tr.unfolded[data-of='20'] .json").await;
    assert_eq!(browser.run(widths).await, folded);
    browser.run("find('#e20').scrollIntoView()").await;
    browser.save_screenshot("phone-unfolded.png", None).await;
    browser.open_url(&format!("{execution}?event=20")).await;
    assert_eq!(browser.run(widths).await, folded, "by its link");
    let visible = "return all('#e20 td').filter((cell) => cell.checkVisibility({visibilityProperty: true})).map((cell) => cell.innerText.trim())";
    assert_eq!(
        browser.run(visible).await,
        json!(["20", "TaskFailed", "charge-card", "3.30 s"])
    );
    let detail = browser.text("tr.unfolded .tools").await;
    assert!(detail.contains("2026-11-22 12:00:03.300 UTC"), "{detail}");
    browser.close().await;
    server.stop().await;
}

/// Returns the smallest side of the elements in pixels.
async fn smallest(browser: &Browser, css: &str) -> f64 {
    let script = format!(
        "return Math.min(...all({css:?}).filter((element) => element.checkVisibility()).map((element) => {{ \
            const box = element.getBoundingClientRect(); return Math.min(box.width, box.height); }}))"
    );
    browser.run(&script).await.as_f64().unwrap()
}

#[tokio::test]
async fn outcome_marks_are_targets_of_24_pixels() {
    for window in [PHONE, Window::default()] {
        let Some((server, browser, base)) = open_failed(window).await else {
            return;
        };
        for number in 0..30 {
            server.start_one("f", &format!("e{number}"), "{}").await;
        }
        browser.open_url(&format!("{base}/")).await;
        assert!(smallest(&browser, ".strip a").await >= 24.0);
        check_looks(&browser, "strip").await;
        browser.open_url(&format!("{base}/flows/f")).await;
        assert!(smallest(&browser, ".scatter .target").await >= 24.0);
        // Links in a chart are links for assistive technology; `role=img` would hide them.
        let hidden = "return all('svg a:not([aria-hidden])').filter((link) => link.closest('[role=img], [aria-hidden=true]')).length";
        assert_eq!(browser.run(hidden).await, 0);
        let named = "return all('svg a:not([aria-hidden])').every((link) => link.getAttribute('aria-label') || link.querySelector(':scope > title'))";
        assert_eq!(browser.run(named).await, true);
        // A target reaches around a point, and a point is above the targets of others.
        let hit = "const point = all('.scatter a:not([aria-hidden]) circle').at(-1); const box = point.getBoundingClientRect();\
            const at = (dx) => document.elementFromPoint(box.x + box.width / 2 + dx, box.y + box.height / 2).closest('a').getAttribute('href');\
            return [at(0), at(10)]";
        let link = "/ui/flows/f/executions/e";
        assert_eq!(browser.run(hit).await, json!([link, link]));
        browser.close().await;
        server.stop().await;
    }
}
