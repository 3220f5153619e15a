//! The content of pages. Snapshots hold what is between `<main>` and `</main>`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{event, failed_history};
use crate::support::{Call, NOW, Server};

const MINUTE: i64 = 60 * 1000;

fn main_of(page: &str) -> &str {
    let (_, rest) = page.split_once("<main id=\"main\">").unwrap();
    rest.split_once("</main>").unwrap().0
}

/// Returns the EventIds of a page's rows in their order.
fn ids(page: &str) -> Vec<i64> {
    let rows = page.split("<tr id=\"e").skip(1);
    rows.map(|row| row.split('"').next().unwrap().parse().unwrap())
        .collect()
}

fn link(page: &str, rel: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<a rel=\"{rel}\" href=\""))?;
    let address = rest.split('"').next()?.replace("&#38;", "&");
    Some(address.split('#').next()?.to_owned())
}

/// Flow `f` with executions of every outcome, started a minute apart; `e` has the failed history.
async fn outcomes(server: &Server) {
    server.append(&failed_history()).await;
    for (at, execution, end) in [
        (1, "good", "ExecutionSucceeded"),
        (2, "late", "ExecutionTimedOut"),
        (3, "stopped", "ExecutionStopped"),
        (4, "runs", ""),
    ] {
        server.set_time(NOW + at * MINUTE);
        server.start_one("f", execution, "{}").await;
        if !end.is_empty() {
            let end = event(
                at * MINUTE + 900 * at,
                end,
                "",
                &json!({"output": {"n": at}}),
            );
            server.append_to("f", execution, &json!([end])).await;
        }
    }
    server.set_time(NOW + 5 * MINUTE);
}

#[tokio::test]
async fn flows_page_shows_last_outcomes() {
    let server = Server::with_execution().await;
    server.create("never-started", "").await;
    outcomes(&server).await;
    assert_snapshot!("flows", main_of(&server.page("/ui/").await));
    let found = server.page("/ui/?q=NEVER").await;
    assert!(found.contains("never-started") && !found.contains("/ui/flows/f\""));
    assert!(server.page("/ui/?q=zzz").await.contains("No flow matches."));
}

#[tokio::test]
async fn empty_flows_page_says_how_to_begin() {
    let server = Server::start().await;
    assert_snapshot!("empty", main_of(&server.page("/ui/").await));
}

#[tokio::test]
async fn flow_page_lists_executions() {
    let server = Server::with_execution().await;
    outcomes(&server).await;
    assert_snapshot!("executions", main_of(&server.page("/ui/flows/f").await));
}

#[tokio::test]
async fn executions_are_filtered_by_the_url() {
    let server = Server::with_execution().await;
    outcomes(&server).await;
    for (query, expected) in [
        ("", vec!["runs", "stopped", "late", "good", "e"]),
        ("?status=TimedOut", vec!["late"]),
        ("?status=Failed&prefix=e", vec!["e"]),
        ("?prefix=s", vec!["stopped"]),
        ("?from=2026-11-22T12:02", vec!["runs", "stopped", "late"]),
        (
            "?from=2026-11-22T12:01:00&to=2026-11-22T12:02:00Z",
            vec!["late", "good"],
        ),
        ("?prefix=none", vec![]),
    ] {
        let page = server.page(&format!("/ui/flows/f{query}")).await;
        let names = page
            .split("<a class=\"name\" href=\"/ui/flows/f/executions/")
            .skip(1);
        let names: Vec<_> = names.map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    }
}

#[tokio::test]
async fn executions_use_keyset_pagination() {
    let server = Server::with_execution().await;
    for number in 0..119 {
        server.set_time(NOW + number);
        server.start_one("f", &format!("e{number}"), "{}").await;
    }
    let (mut seen, mut next) = (Vec::new(), Some("/ui/flows/f".to_owned()));
    while let Some(address) = next {
        let page = server.page(&address).await;
        let names = page
            .split("<a class=\"name\" href=\"/ui/flows/f/executions/")
            .skip(1);
        seen.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
        next = link(&page, "next");
    }
    let expected: Vec<_> = (0..119).rev().map(|number| format!("e{number}")).collect();
    assert_eq!(seen, [expected, vec!["e".to_owned()]].concat());
}

#[tokio::test]
async fn page_of_a_failed_execution_begins_with_the_failure() {
    let server = Server::with_execution().await;
    server.append(&failed_history()).await;
    let page = server.page("/ui/flows/f/executions/e?event=20").await;
    assert!(
        page.contains("<title>✗ e · f · FlowLedger</title>"),
        "{page}"
    );
    assert_snapshot!("failed", main_of(&page));
}

#[tokio::test]
async fn page_of_a_running_execution_begins_with_open_steps() {
    let server = Server::with_execution().await;
    let mut events = failed_history();
    events.as_array_mut().unwrap().truncate(30);
    server.append(&events).await;
    server.set_time(NOW + 10_000);
    let page = server.page("/ui/flows/f/executions/e").await;
    assert!(
        page.contains("<title>● e · f · FlowLedger</title>"),
        "{page}"
    );
    let summary = page.split_once("<section id=\"summary\"").unwrap().1;
    assert_snapshot!("running", summary.split_once("</section>").unwrap().0);
    assert!(page.contains("data-live=\"/ui/flows/f/executions/e/live?after=31\""));
    assert_eq!(ids(&page)[..3], [31, 30, 29], "the newest first");
}

/// Returns events 2 to `last`, one second apart, of steps `a` and `b` in turn.
fn turns(last: i64) -> Value {
    let turn = |id: i64| {
        let (kind, step) = [("StepEntered", "a"), ("StepExited", "b")][usize::from(id % 2 == 1)];
        event(id * 1000, kind, step, &json!({"id": id}))
    };
    (2..=last).map(turn).collect()
}

#[tokio::test]
async fn events_are_paged_in_both_orders_from_any_event_id() {
    let server = Server::with_execution().await;
    server.append(&turns(350)).await;
    let base = "/ui/flows/f/executions/e/events";
    for (query, first, last) in [
        ("?order=oldest", 1, 100),
        ("?order=oldest&at=101", 101, 200),
        ("?order=oldest&at=340", 340, 350),
        ("?order=newest", 350, 251),
        ("?order=newest&at=50", 50, 1),
        ("?order=oldest&event=200", 188, 287),
        ("?order=newest&event=200", 212, 113),
        ("?order=oldest&event=3", 1, 100),
        ("", 350, 251),
    ] {
        let ids = ids(&server.page(&format!("{base}{query}")).await);
        assert_eq!((ids[0], *ids.last().unwrap()), (first, last), "{query}");
    }
    for (order, expected) in [
        ("oldest", (1..=350).collect::<Vec<_>>()),
        ("newest", (1..=350).rev().collect()),
    ] {
        let (mut seen, mut next) = (Vec::new(), Some(format!("{base}?order={order}")));
        let mut back = Vec::new();
        while let Some(address) = next {
            assert!(seen.len() < 350, "{address}");
            let page = server.page(&address).await;
            assert!(ids(&page).len() <= 100);
            seen.extend(ids(&page));
            back.push(link(&page, "prev").is_some());
            next = link(&page, "next").map(|next| next.replace("/e?", "/e/events?"));
        }
        assert_eq!(seen, expected);
        assert_eq!(back, [false, true, true, true]);
    }
}

#[tokio::test]
async fn events_are_filtered_by_parts_of_type_and_step_in_any_case() {
    let server = Server::with_execution().await;
    server.append(&turns(350)).await;
    let base = "/ui/flows/f/executions/e/events?order=oldest";
    for (query, expected, counted) in [
        (
            "&step=A",
            (2..=200).step_by(2).collect::<Vec<i64>>(),
            "175 of 350",
        ),
        (
            "&type=StepExited&at=300",
            (301..=349).step_by(2).collect(),
            "174 of 350",
        ),
        (
            "&type=exit&at=300",
            (301..=349).step_by(2).collect(),
            "174 of 350",
        ),
        ("&type=StepExited&step=a", vec![], "0 of 350"),
        ("&type=executionstarted", vec![1], "1 of 350"),
        ("&step=%25", vec![], "0 of 350"),
    ] {
        let page = server.page(&format!("{base}{query}")).await;
        assert_eq!(ids(&page), expected, "{query}");
        let counted = format!("<span class=\"range\">{counted}</span> match");
        assert!(page.contains(&counted), "{query}: {page}");
    }
    let empty = server.page(&format!("{base}&step=none")).await;
    assert!(empty.contains("No event matches.") && link(&empty, "next").is_none());
    let (mut seen, mut next) = (Vec::new(), Some(format!("{base}&step=B")));
    while let Some(address) = next {
        let page = server.page(&address).await;
        next = link(&page, "next").map(|next| next.replace("/e?", "/e/events?"));
        let expected = if next.is_some() { 100 } else { 74 };
        assert_eq!(ids(&page).len(), expected, "{address}");
        seen.extend(ids(&page));
    }
    assert_eq!(seen, (3..350).step_by(2).collect::<Vec<i64>>());
}

#[tokio::test]
async fn filter_searches_a_long_history_until_the_page_is_full() {
    let server = Server::with_execution().await;
    let mut events = turns(12_004);
    for at in (1999..12_000).step_by(1000) {
        events[at]["Type"] = json!("TaskFailed"); // events 2001, 3001, …
    }
    for batch in events.as_array().unwrap().chunks(1000) {
        server.append(&json!(batch)).await;
    }
    server
        .append(&json!([event(
            12_005_000,
            "ExecutionFailed",
            "",
            &json!({})
        )]))
        .await;
    let base = "/ui/flows/f/executions/e";
    let failed: Vec<i64> = (2001..12_005).step_by(1000).chain([12_005]).collect();
    for (order, expected) in [
        ("oldest", failed.clone()),
        ("newest", failed.into_iter().rev().collect()),
    ] {
        let page = server
            .page(&format!("{base}?type=failed&order={order}"))
            .await;
        assert_eq!(ids(&page), expected, "{order}");
        assert!(page.contains(">12 of 12,005</span> match"));
        assert!(link(&page, "next").is_none(), "all are on this page");
        // The fatal event is linked, whatever the filter.
        assert!(page.contains(&format!("{base}?order={order}&#38;event=12005#e12005")));
    }
}

#[tokio::test]
async fn filter_suggests_the_types_and_steps_that_occur() {
    let server = Server::with_execution().await;
    server.append(&failed_history()).await;
    let page = server.page("/ui/flows/f/executions/e?step=none").await;
    let options = |id: &str| -> Vec<String> {
        let (_, list) = page.split_once(&format!("<datalist id=\"{id}\">")).unwrap();
        let list = list.split_once("</datalist>").unwrap().0;
        let options = list.split("value=\"").skip(1);
        options
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let types = options("types");
    assert!(types.contains(&"Note".to_owned()), "a type of its own");
    assert!(!types.contains(&"TaskTimedOut".to_owned()), "{types:?}");
    let steps = ["charge-card", "prepare", "reserve-stock", "tell-customer"];
    assert_eq!(options("steps"), steps);
}

#[tokio::test]
async fn page_of_a_stopped_execution_says_why() {
    let server = Server::with_execution().await;
    for (execution, reason, expected) in [
        (
            "why",
            Some(("Obsolete", "a newer order\ncame in")),
            "<b>Obsolete</b> a newer order\ncame in",
        ),
        ("silent", None, "No reason was given."),
    ] {
        server.start_one("f", execution, "{}").await;
        let entered = event(5, "StepEntered", "pay", &json!({}));
        server.append_to("f", execution, &json!([entered])).await;
        let mut stop = Call::new("StopExecution")
            .form("FlowName", "f")
            .form("ExecutionName", execution);
        if let Some((error, cause)) = reason {
            stop = stop.form("Error", error).form("Cause", cause);
        }
        server.ok(stop).await;
        let page = server
            .page(&format!("/ui/flows/f/executions/{execution}"))
            .await;
        let (_, card) = page
            .split_once("<div class=\"card failure stopped\"")
            .unwrap();
        let card = card.split_once("</div>").unwrap().0;
        assert!(card.contains("<strong>Stopped</strong>"), "{card}");
        assert!(card.contains(expected), "{card}");
        assert!(card.contains("event=3#e3"), "{card}");
    }
}

#[tokio::test]
async fn cause_on_another_page_is_looked_up() {
    let server = Server::with_execution().await;
    let mut events = turns(350);
    events[248]["ScheduleEventId"] = json!(7); // event 250
    server.append(&events).await;
    let page = server
        .page("/ui/flows/f/executions/e/events?order=oldest&at=201")
        .await;
    let row = page.split_once("<tr id=\"e250\"").unwrap().1;
    let row = row.split_once("</tr>").unwrap().0;
    assert!(
        row.contains("title=\"since event 7\">+4 min 03 s</td>"),
        "{row}"
    );
    assert!(row.contains(">4 min 10 s</td>"), "{row}");
}

#[tokio::test]
async fn detail_unfolds_and_raw_bytes_are_unchanged() {
    let server = Server::with_execution().await;
    let with_hidden = "\u{feff}{\"a\" : 1.0,\r\n \"é\":\"\\u00e9\u{202e}\"}\r";
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(64 * 1024 - 11));
    for detail in [with_hidden, "{\"b\":[1,{}]}", "", &large] {
        server
            .append(&json!([{"Type": "StepEntered", "EventDetail": detail}]))
            .await;
    }
    let cookie = server.session("testid", "testsecret").await;
    for (id, detail, shown) in [
        (2, with_hidden, "<i>\\u{feff}</i>{&quot;a&quot; : 1.0,"),
        (
            3,
            "{\"b\":[1,{}]}",
            "{\n  <span class=\"k\">&quot;b&quot;</span>: [\n    <span class=\"n\">1</span>,\n    {}\n  ]\n}",
        ),
        (4, "", "not JSON"),
        (5, &large, "64.0 KiB"),
    ] {
        let path = format!("/ui/flows/f/executions/e/events/{id}");
        let raw = server.get(&format!("{path}/detail"), &[&cookie]).await;
        assert_eq!(raw.text, detail);
        assert_eq!(
            raw.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        let unfolded = server.page(&path).await;
        assert!(unfolded.contains(shown), "{unfolded}");
        let page = server
            .page(&format!("/ui/flows/f/executions/e?event={id}"))
            .await;
        assert!(page.contains(shown), "it is there without a script, too");
    }
    let page = server.page("/ui/flows/f/executions/e").await;
    assert!(
        page.len() < 40_000,
        "a large detail is not in the page: {}",
        page.len()
    );
}

#[tokio::test]
async fn band_unfolds() {
    let server = Server::with_execution().await;
    let mut events = vec![
        event(1, "StepEntered", "pack", &json!({})),
        event(2, "StepStarted", "pack", &json!({})),
    ];
    for item in 0..400 {
        let mut entered = event(
            10 + item * 10,
            "IterationEntered",
            "pack",
            &json!({"iteration": item}),
        );
        entered["ScheduleEventId"] = json!(3);
        events.extend([
            entered,
            event(
                15 + item * 10,
                "IterationExited",
                "pack",
                &json!({"iteration": item}),
            ),
        ]);
    }
    for batch in events.chunks(500) {
        server.append(&json!(batch)).await;
    }
    let page = server.page("/ui/flows/f/executions/e/timeline").await;
    let (_, rest) = page
        .split_once("<a href=\"/ui/flows/f/executions/e?open=")
        .expect("a band");
    assert!(page.contains("iterations × "), "{page}");
    let rows = page.matches("<li class=\"d").count();
    let open = rest.split('"').next().unwrap();
    let page = server
        .page(&format!("/ui/flows/f/executions/e/timeline?open={open}"))
        .await;
    assert!(page.matches("<li class=\"d").count() >= rows + 90, "{page}");
    assert!(page.contains(">Fold</a>"));
}

#[tokio::test]
async fn page_of_many_events_stays_small() {
    let server = Server::with_execution().await;
    for batch in turns(5000).as_array().unwrap().chunks(1000) {
        server.append(&json!(batch)).await;
    }
    let page = server.page("/ui/flows/f/executions/e").await;
    assert_eq!(ids(&page).len(), 100);
    assert!(
        page.matches('<').count() < 20_000,
        "{}",
        page.matches('<').count()
    );
    let stop = Call::new("StopExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    server.ok(stop).await;
    assert!(
        server
            .page("/ui/flows/f/executions/e")
            .await
            .contains("■ e · f")
    );
}

#[tokio::test]
async fn execution_named_by_a_uuid_has_a_page() {
    let server = Server::with_execution().await;
    let uuid = "69f71f89-8efc-4b3a-a2d9-1a2b3c4d5e6f";
    server.start_one("f", uuid, "{}").await;
    let path = format!("/ui/flows/f/executions/{uuid}");
    assert!(server.page("/ui/flows/f").await.contains(&path));
    for path in [&path, &format!("{path}/events/1")] {
        assert!(server.page(path).await.contains(uuid));
    }
}
