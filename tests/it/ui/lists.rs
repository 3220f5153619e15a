//! The lists of flows and executions: their order, and how they refresh.

use fantoccini::Locator;
use serde_json::json;

use super::{event, failed_history};
use crate::support::{
    NOW, Server,
    browser::{Browser, Window},
};

/// The texts of the links with class `name`.
fn names(page: &str) -> Vec<&str> {
    let rests = page.split("<a class=\"name\" href=\"").skip(1);
    let names = rests.map(|rest| rest.split(['>', '<']).nth(1).unwrap());
    names.collect()
}

/// Appends the end of execution `e` of a flow, at `NOW` plus `millis`.
async fn fail(server: &Server, flow: &str, millis: i64) {
    let failed = event(millis, "ExecutionFailed", "", &json!({"error": "E"}));
    server.append_to(flow, "e", &json!([failed])).await;
}

#[tokio::test]
async fn flows_page_is_ordered_by_the_url() {
    let server = Server::start().await;
    for (number, flow) in ["a", "b", "c", "d"].into_iter().enumerate() {
        server.create(flow, "").await;
        server.set_time(NOW + 1000 * number as i64);
        server.start_one(flow, "e", "{}").await;
    }
    fail(&server, "c", 9_000).await;
    fail(&server, "a", 8_000).await;
    server.set_time(NOW + 69_000);
    for (query, expected, sorted) in [
        (
            "",
            ["a", "b", "c", "d"],
            "aria-sort=\"ascending\"><a class=\"order\" href=\"/ui/\">Flow",
        ),
        (
            "?order=start",
            ["d", "c", "b", "a"],
            "aria-sort=\"descending\"><a class=\"order\" href=\"/ui/?order=start\">Last start",
        ),
        (
            "?order=failure",
            ["c", "a", "b", "d"],
            "aria-sort=\"descending\"><a class=\"order\" href=\"/ui/?order=failure\">Last failure",
        ),
        ("?order=none", ["a", "b", "c", "d"], "href=\"/ui/\">Flow"),
    ] {
        let page = server.page(&format!("/ui/{query}")).await;
        assert_eq!(names(&page), expected, "{query}");
        assert!(
            page.contains(sorted) && page.matches("aria-sort").count() == 1,
            "{query}: {page}"
        );
        assert!(
            page.contains(&format!("<a href=\"/ui/{query}\" data-refresh")),
            "{page}"
        );
        assert!(page.contains(
            "executions/e\" title=\"e\"><time datetime=\"2026-11-22T12:00:09.000Z\">1 min ago"
        ));
    }
    let filtered = server.page("/ui/?q=a&order=failure").await;
    assert!(filtered.contains("<input type=\"hidden\" name=\"order\" value=\"failure\">"));
    assert!(
        filtered.contains("href=\"/ui/?q=a&#38;order=start\""),
        "{filtered}"
    );
}

#[tokio::test]
async fn flows_beyond_a_page_count_for_the_order() {
    let server = Server::start().await;
    for number in 0..120 {
        server.create(&format!("f{number:03}"), "").await;
    }
    for (flow, at) in [("f119", 1_000), ("f060", 2_000)] {
        server.set_time(NOW + at);
        server.start_one(flow, "e", "{}").await;
        fail(&server, flow, at + 1).await;
    }
    for order in ["start", "failure"] {
        let (mut seen, mut next) = (Vec::new(), Some(format!("/ui/?order={order}")));
        while let Some(address) = next {
            let page = server.page(&address).await;
            seen.extend(names(&page).into_iter().map(str::to_owned));
            let link = page.split_once("<a rel=\"next\" href=\"");
            next = link.map(|(_, rest)| rest.split('"').next().unwrap().replace("&#38;", "&"));
        }
        assert_eq!(seen[..4], ["f060", "f119", "f000", "f001"], "{order}");
        assert_eq!(seen.len(), 120, "{order}");
    }
}

#[tokio::test]
async fn durations_of_running_executions_can_grow() {
    let server = Server::with_execution().await;
    server.set_time(NOW + 61_000);
    let page = server.page("/ui/flows/f").await;
    let expected = format!("<span data-since=\"{NOW}\">1 min 01 s</span>");
    assert!(page.contains(&expected), "{page}");
    fail(&server, "f", 61_000).await;
    assert!(!server.page("/ui/flows/f").await.contains("data-since"));
}

/// A server with the failed history, and a browser that shows its flows.
async fn open(window: Window) -> Option<(Server, Browser, String)> {
    let browser = Browser::open(window).await?;
    let server = Server::with_execution().await;
    server.append(&failed_history()).await;
    let base = format!("http://{}/ui", server.address);
    browser.open_url(&format!("{base}/")).await;
    browser.sign_in("testid", "testsecret").await;
    browser.wait("table.rows").await;
    Some((server, browser, base))
}

const COUNT: &str = "return all('table.rows tbody tr').length";

#[tokio::test]
async fn lists_refresh_themselves() {
    let Some((server, browser, base)) = open(Window::default()).await else {
        return;
    };
    for (path, add) in [("/", "flow"), ("/flows/f", "execution")] {
        browser.open_url(&format!("{base}{path}")).await;
        // The focus stays on its row, also when that moves.
        browser.run("find('table.rows a.name').focus(); window.kept = document.activeElement.textContent").await;
        let before = browser.run(COUNT).await.as_i64().unwrap();
        match add {
            "flow" => server.create("another", "").await,
            _ => server.start_one("f", "another", "{}").await,
        }
        browser
            .wait_until(&format!("{COUNT} === {}", before + 1))
            .await;
        let note = browser.text("[role=status]").await;
        assert!(
            note.starts_with("Changed at ") && note.ends_with(" UTC"),
            "{note}"
        );
        let kept = "return document.activeElement.matches('a.name') && document.activeElement.textContent === window.kept";
        assert_eq!(browser.run(kept).await, true, "{path}");
    }
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn list_in_use_does_not_move_and_says_that_it_has_changed() {
    let Some((server, browser, base)) = open(Window::default()).await else {
        return;
    };
    browser.open_url(&format!("{base}/flows/f")).await;
    browser
        .run("getSelection().selectAllChildren(find('table.rows'))")
        .await;
    server.start_one("f", "another", "{}").await;
    browser
        .wait_until("return find('[role=status]').textContent.startsWith('There are changes')")
        .await;
    assert_eq!(browser.run(COUNT).await, 1);
    browser.click("a[data-refresh]").await;
    browser.wait_until(&format!("{COUNT} === 2")).await;
    // Switched off, it stays as it is; the choice is kept.
    browser.run("getSelection().removeAllRanges()").await;
    browser.click(".refresh input").await;
    browser.open_url(&format!("{base}/flows/f")).await;
    assert_eq!(
        browser.run("return find('.refresh input').checked").await,
        false
    );
    server.start_one("f", "third", "{}").await;
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    assert_eq!(browser.run(COUNT).await, 2);
    browser.close().await;
    server.stop().await;
}

#[tokio::test]
async fn refresh_and_order_work_without_javascript() {
    let window = Window {
        scripts: false,
        ..Window::default()
    };
    let Some((server, browser, _)) = open(window).await else {
        return;
    };
    server.create("a", "").await;
    for (link, expected) in [("Refresh", "a"), ("Last failure", "f"), ("Flow", "a")] {
        let link = browser.client.find(Locator::LinkText(link)).await.unwrap();
        link.click().await.unwrap();
        assert_eq!(browser.text("a.name").await, expected);
    }
    browser.close().await;
    server.stop().await;
}
