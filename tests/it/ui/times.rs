//! What the script does with times: local time, growing durations, and the controls of the timeline.

use serde_json::json;

use super::browser::{check_looks, open_failed};
use crate::support::browser::Window;

#[tokio::test]
async fn local_time_is_a_choice_that_is_remembered() {
    let window = Window {
        zone: "Asia/Kolkata",
        ..Window::default()
    };
    let Some((server, browser, base)) = open_failed(window).await else {
        return;
    };
    server.start_one("f", "runs", "{}").await;
    let execution = format!("{base}/flows/f/executions/e");
    browser.open_url(&execution).await;
    assert_eq!(browser.text("#zone").await, "UTC");
    assert_eq!(browser.text(".facts time").await, "2026-11-22 12:00:00 UTC");
    assert_eq!(browser.text("#e20 time").await, "12:00:03.300");
    browser.click("#zone").await;
    for _ in 0..2 {
        assert_eq!(browser.text("#zone").await, "UTC+5:30");
        let started = browser.text(".facts time").await;
        assert_eq!(started, "2026-11-22 17:30:00 UTC+5:30");
        assert_eq!(browser.text("#e20 time").await, "17:30:03.300");
        assert_eq!(browser.text(".history th .utc").await, "UTC+5:30");
        check_looks(&browser, "local time").await;
        browser
            .run("find('.labels a[data-row=\"13\"]').focus()")
            .await;
        let tip = browser.text("#tip").await;
        let period = "2026-11-22 17:30:00.008 – 17:30:03.302 UTC+5:30 · event 13";
        assert!(tip.contains(period), "{tip}");
        browser.open_url(&execution).await;
    }
    // Parts that arrive later are local too.
    browser.click(".orders a:last-child").await;
    browser.wait("#events[data-newest=true]").await;
    assert_eq!(browser.text("#e20 time").await, "17:30:03.300");
    browser.click("#e20 .toggle").await;
    let detail = browser.text("tr.unfolded .tools time").await;
    assert_eq!(detail, "2026-11-22 17:30:03.300 UTC+5:30");
    browser.open_url(&format!("{base}/flows/f")).await;
    let axis = browser.text(".scatter text.utc").await;
    assert_eq!(axis, "2026-11-22 17:30:00 UTC+5:30");
    browser.click("#zone").await;
    let axis = browser.text(".scatter text.utc").await;
    assert_eq!(axis, "2026-11-22 12:00:00 UTC");
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn local_times_carry_into_the_next_day() {
    let window = Window {
        zone: "Pacific/Auckland",
        ..Window::default()
    };
    let Some((server, browser, _)) = open_failed(window).await else {
        return;
    };
    for (utc, local) in [
        (
            "2026-11-22 10:59:59.999 – 11:00:00.001 UTC",
            "2026-11-22 23:59:59.999 – 2026-11-23 00:00:00.001 UTC+13",
        ),
        (
            "2026-06-30 11:00:00 UTC – now",
            "2026-06-30 23:00:00 UTC+12 – now",
        ),
        (
            "2026-12-31 23:00:00.000 – 2027-01-01 01:00:00.000 UTC",
            "2027-01-01 12:00:00.000 – 14:00:00.000 UTC+13",
        ),
        ("step 12:34 · no time", "step 12:34 · no time"),
    ] {
        let script = format!("return localText({})", json!(utc));
        assert_eq!(browser.run(&script).await, local);
    }
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn running_durations_grow() {
    let Some((server, browser, base)) = open_failed(Window::default()).await else {
        return;
    };
    server.start_one("f", "runs", "{}").await;
    for path in ["/flows/f", "/flows/f/executions/runs"] {
        browser.open_url(&format!("{base}{path}")).await;
        browser
            .wait_until("return parseInt(find('[data-since]').textContent) >= 2")
            .await;
    }
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn timeline_has_controls_for_zoom_and_keys() {
    let Some((server, browser, base)) = open_failed(Window::default()).await else {
        return;
    };
    browser
        .open_url(&format!("{base}/flows/f/executions/e"))
        .await;
    let width = || browser.run("return find('#timeline .zoom').getAttribute('width')");
    let hint = browser.text(".hint").await;
    assert!(hint.contains("Drag over the bars to zoom"), "{hint}");
    browser.click(".hint [data-zoom='0.5']").await;
    assert_eq!(width().await, "200%");
    browser.click(".hint [data-zoom='0']").await;
    assert_eq!(width().await, "100%");
    browser.click(".hint [data-keys]").await;
    assert!(browser.text("#keys").await.contains("next failure"));
    browser.press("\u{e00c}").await;
    let legend = browser.text(".legend").await;
    for word in [
        "bold", "hatched", "hollow", "↷", "caught", "failed", "running",
    ] {
        assert!(legend.contains(word), "{word} is not in: {legend}");
    }
    let axes = browser.text(".grid").await;
    assert!(axes.contains("Time since the start") && axes.contains("Duration"));
    browser.close().await;
    server.stop().await;
}
