//! GetExecutionHistory: pages, tokens, filters, long polls, invalid arguments.

use serde_json::{Value, json};

use crate::support::{Call, Server, backend::Backend, invalid_names};

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

/// A server whose execution `e` has `count` events.
async fn with_events(backend: Backend, count: usize) -> Server {
    let server = Server::with_execution_on(backend).await;
    let event = json!({"Type": "StepEntered", "StepName": "s"});
    for _ in 0..(count - 1) / 1000 {
        server
            .append(&Value::Array(vec![event.clone(); 1000]))
            .await;
    }
    match (count - 1) % 1000 {
        0 => {}
        rest => drop(server.append(&Value::Array(vec![event; rest])).await),
    }
    server
}

fn ids(page: &Value) -> Vec<i64> {
    page["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["EventId"].as_i64().unwrap())
        .collect()
}

pub async fn event_is_answered_with_every_field_in_the_vendors_form(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server
        .append(&json!([{"Type": "StepEntered", "StepName": "步骤 \"1\" </script>", "EventDetail": "{\"input\":\"\u{1}\\u0000\"}",
            "Time": "2019-01-01T09:01:01.0019+08:00", "ScheduleEventId": 0}]))
        .await;
    let answer = server.call(history().query("NextToken", "2")).await;
    let id = answer.json["RequestId"].as_str().unwrap();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"Events":[{{"Type":"StepEntered","EventId":2,"Time":"2019-01-01T01:01:01.001Z","ScheduleEventId":0,"EventDetail":"{{\"input\":\"\u0001\\u0000\"}}","StepName":"步骤 \"1\" </script>"}}],"RequestId":"{id}"}}"#
        )
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    assert_eq!(answer.header("x-acs-request-id"), Some(id));
    let form = |at, c: char| {
        if [8, 13, 18, 23].contains(&at) {
            c == '-'
        } else {
            c.is_ascii_digit() || c.is_ascii_uppercase()
        }
    };
    assert!(
        id.len() == 36 && id.char_indices().all(|(at, c)| form(at, c)),
        "an upper-case UUID: {id}"
    );
}

pub async fn page_has_60_events_unless_a_limit_is_given(backend: Backend) {
    let server = with_events(backend, 130).await;
    for (limit, expected) in [
        (None, 60),
        (Some("1"), 1),
        (Some("7"), 7),
        (Some("130"), 130),
        (Some("1000"), 130),
    ] {
        let call = limit.map_or_else(history, |limit| history().query("Limit", limit));
        let page = server.ok(call).await;
        assert_eq!(
            ids(&page),
            (1..=expected).collect::<Vec<_>>(),
            "Limit {limit:?}"
        );
    }
}

pub async fn next_token_is_the_event_id_with_which_the_next_page_begins(backend: Backend) {
    let server = with_events(backend, 5).await;
    let page = server.ok(history().query("Limit", "2")).await;
    assert_eq!((ids(&page), &page["NextToken"]), (vec![1, 2], &json!("3")));
    let page = server
        .ok(history().query("Limit", "2").query("NextToken", "3"))
        .await;
    assert_eq!((ids(&page), &page["NextToken"]), (vec![3, 4], &json!("5")));
    let page = server
        .ok(history().query("Limit", "2").query("NextToken", "5"))
        .await;
    assert_eq!((ids(&page), page.get("NextToken")), (vec![5], None));
}

pub async fn page_that_ends_with_the_last_event_has_no_token(backend: Backend) {
    let server = with_events(backend, 4).await;
    let page = server.ok(history().query("Limit", "4")).await;
    assert_eq!((ids(&page).len(), page.get("NextToken")), (4, None));
}

pub async fn token_beyond_the_end_answers_no_events_and_no_token(backend: Backend) {
    let server = with_events(backend, 3).await;
    for token in ["4", "5000000000", "9223372036854775807"] {
        let page = server.ok(history().query("NextToken", token)).await;
        assert_eq!(
            (&page["Events"], page.get("NextToken")),
            (&json!([]), None),
            "token {token}"
        );
    }
}

pub async fn page_of_a_thousand_events_spans_several_batches(backend: Backend) {
    let server = with_events(backend, 2500).await;
    let mut all = Vec::new();
    let mut call = history().query("Limit", "1000");
    loop {
        let page = server.ok(call).await;
        all.extend(ids(&page));
        let Some(token) = page.get("NextToken") else {
            break;
        };
        call = history()
            .query("Limit", "1000")
            .query("NextToken", token.as_str().unwrap());
    }
    assert_eq!(all, (1..=2500).collect::<Vec<_>>());
}

pub async fn empty_optional_value_counts_as_absent(backend: Backend) {
    let server = with_events(backend, 3).await;
    let page = server
        .ok(history().query("NextToken", "").query("Limit", ""))
        .await;
    assert_eq!(ids(&page), [1, 2, 3]);
}

pub async fn post_works_and_unknown_parameters_are_ignored(backend: Backend) {
    let server = with_events(backend, 3).await;
    let call = Call::new("GetExecutionHistory")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Later", "x");
    assert_eq!(ids(&server.ok(call).await), [1, 2, 3]);
}

pub async fn invalid_arguments_are_refused_by_name(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for limit in [
        "0",
        "1001",
        "-1",
        "1.0",
        "1e3",
        " 1",
        "+1",
        "007",
        "x",
        "١",
        "99999999999999999999",
    ] {
        let refusal = server.refused(history().query("Limit", limit)).await;
        let message = "Parameter error. Limit must be an integer from 1 to 1000.".to_owned();
        assert_eq!(
            refusal,
            (400, "InvalidArgument".to_owned(), message),
            "Limit {limit}"
        );
    }
    for token in ["0", "-1", "abc", "1.5", "9223372036854775808", "flow_xxx"] {
        let (status, code, message) = server.refused(history().query("NextToken", token)).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "NextToken {token}"
        );
        assert!(
            message.starts_with("Parameter error. NextToken must be an integer from 1 "),
            "{message}"
        );
    }
    let call = |flow: &str, execution: &str| {
        Call::new("GetExecutionHistory")
            .query("FlowName", flow)
            .query("ExecutionName", execution)
    };
    for name in invalid_names() {
        for (parameter, call) in [
            ("FlowName", call(&name, "e")),
            ("ExecutionName", call("f", &name)),
        ] {
            let (status, code, message) = server.refused(call).await;
            assert_eq!(
                (status, code.as_str()),
                (400, "InvalidArgument"),
                "{name:?}"
            );
            assert!(
                message.starts_with(&format!("Parameter error. {parameter} must be 1 to 128 ")),
                "{message}"
            );
        }
    }
}

pub async fn missing_parameter_is_named(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let call = |name| Call::new("GetExecutionHistory").query(name, "f");
    for (call, missing) in [
        (call("ExecutionName"), "FlowName"),
        (call("FlowName"), "ExecutionName"),
    ] {
        let message = format!("The HTTP query '{missing}' must be specified.");
        assert_eq!(
            server.refused(call).await,
            (400, "MissingRequiredParams".to_owned(), message)
        );
    }
}

pub async fn missing_flow_and_missing_execution_are_404_with_codes_of_their_own(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let call = |flow, execution| {
        Call::new("GetExecutionHistory")
            .query("FlowName", flow)
            .query("ExecutionName", execution)
    };
    assert_eq!(
        server.refused(call("g", "e")).await,
        (
            404,
            "FlowNotExists".to_owned(),
            "Flow 'g' does not exist.".to_owned()
        )
    );
    assert_eq!(
        server.refused(call("f", "E")).await,
        (
            404,
            "ExecutionNotExists".to_owned(),
            "Execution 'E' for flow 'f' does not exist.".to_owned()
        )
    );
}

/// A server whose execution `e` has 2,500 events: every tenth is a failure, every hundredth is in step `rare`.
async fn with_kinds(backend: Backend) -> Server {
    let server = Server::with_execution_on(backend).await;
    let event = |id: i64| {
        let event_type = if id % 10 == 0 {
            "TaskFailed"
        } else {
            "TaskSucceeded"
        };
        json!({"Type": event_type, "StepName": if id % 100 == 0 { "rare" } else { "s" }})
    };
    for first in [2, 1002, 2002] {
        server
            .append(&(first..(first + 1000).min(2501)).map(event).collect())
            .await;
    }
    server
}

/// The EventIds of all pages, concatenated.
async fn all(server: &Server, call: Call) -> Vec<i64> {
    let (mut all, mut next) = (Vec::new(), call.with_new_nonce());
    loop {
        let answer = server.ok(next).await;
        all.extend(ids(&answer));
        let Some(token) = answer.get("NextToken") else {
            break;
        };
        next = call
            .with_new_nonce()
            .query("NextToken", token.as_str().unwrap());
    }
    all
}

pub async fn reverse_answers_the_newest_events_first(backend: Backend) {
    let server = with_events(backend, 130).await;
    let back = |limit: &str| history().query("Reverse", "true").query("Limit", limit);
    for limit in ["1", "7", "60", "130", "1000"] {
        assert_eq!(
            all(&server, back(limit)).await,
            (1..=130).rev().collect::<Vec<_>>(),
            "by {limit}"
        );
    }
    let page = server.ok(back("3")).await;
    assert_eq!(
        (ids(&page), &page["NextToken"]),
        (vec![130, 129, 128], &json!("127"))
    );
    let page = server.ok(back("3").query("NextToken", "2")).await;
    assert_eq!((ids(&page), page.get("NextToken")), (vec![2, 1], None));
    assert_eq!(
        ids(&server.ok(back("2").query("NextToken", "500")).await),
        [130, 129]
    );
}

pub async fn filtered_pages_are_complete_in_both_directions(backend: Backend) {
    let server = with_kinds(backend).await;
    let tens: Vec<i64> = (1..=250).map(|n| n * 10).collect();
    let hundreds: Vec<i64> = (1..=25).map(|n| n * 100).collect();
    for limit in ["1", "7", "25", "60", "1000"] {
        let failed = history()
            .query("EventTypes", "TaskFailed")
            .query("Limit", limit);
        assert_eq!(all(&server, failed.clone()).await, tens, "by {limit}");
        let back: Vec<i64> = tens.iter().rev().copied().collect();
        assert_eq!(
            all(&server, failed.query("Reverse", "True")).await,
            back,
            "by {limit}"
        );
        let rare = history().query("StepName", "rare").query("Limit", limit);
        assert_eq!(all(&server, rare.clone()).await, hundreds, "by {limit}");
        assert_eq!(
            all(&server, rare.query("EventTypes", "TaskSucceeded")).await,
            Vec::<i64>::new()
        );
    }
    let both = history()
        .query("EventTypes", "ExecutionStarted,TaskFailed")
        .query("Limit", "2");
    assert_eq!(ids(&server.ok(both).await), [1, 10]);
}

pub async fn long_poll_beyond_the_end_is_answered_by_the_next_event(backend: Backend) {
    let server = std::sync::Arc::new(with_events(backend, 3).await);
    let beyond = || {
        history()
            .query("NextToken", "4")
            .query("WaitTimeSeconds", "60")
    };
    let last = history()
        .query("NextToken", "3")
        .query("WaitTimeSeconds", "60");
    assert_eq!(at_once(&server, last).await, [3], "it is there already");
    let waiting = std::sync::Arc::clone(&server);
    let waiter = tokio::spawn(async move { waiting.ok(beyond()).await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiter.is_finished());
    server
        .append(&json!([{"Type": "ExecutionSucceeded"}]))
        .await;
    assert_eq!(ids(&waiter.await.unwrap()), [4]);
    // A long poll of an ended execution is answered at once.
    assert_eq!(at_once(&server, beyond()).await, [4]);
    let none = history()
        .query("NextToken", "5")
        .query("WaitTimeSeconds", "60");
    assert_eq!(at_once(&server, none).await, [0; 0]);
}

/// EventIds of an answer that comes long before the 60 seconds of the long poll.
async fn at_once(server: &Server, call: Call) -> Vec<i64> {
    let soon = std::time::Duration::from_secs(30);
    let answer = tokio::time::timeout(soon, server.ok(call)).await;
    ids(&answer.expect("it does not wait"))
}

pub async fn reverse_pages_of_large_events_have_no_gap(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let large = "\u{1}".repeat(60_000); // six times as long when escaped in the answer
    for _ in 0..60 {
        server
            .append(&json!([{"Type": "A", "EventDetail": large}]))
            .await;
    }
    let back = history().query("Reverse", "true").query("Limit", "1000");
    assert!(
        server.ok(back.clone()).await.get("NextToken").is_some(),
        "more than a page may hold"
    );
    assert_eq!(all(&server, back).await, (1..=61).rev().collect::<Vec<_>>());
}

pub async fn invalid_extension_parameters_are_refused_by_name(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    for (parameter, value) in [
        ("Reverse", "yes"),
        ("WaitTimeSeconds", "61"),
        ("WaitTimeSeconds", "-1"),
    ] {
        let (status, code, message) = server.refused(history().query(parameter, value)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert!(
            message.starts_with(&format!("Parameter error. {parameter} must be ")),
            "{message}"
        );
    }
}

pub async fn filter_of_more_types_or_letters_than_an_event_can_have_is_refused(backend: Backend) {
    let server = with_events(backend, 3).await;
    let names = |count: u8| -> String {
        let names = (0..count).map(|n| format!("A{}", "b".repeat(usize::from(n))));
        names.collect::<Vec<_>>().join(",")
    };
    let twice = format!("{},{}", names(63), names(63)); // each name counts once
    for types in ["StepEntered", &twice, &"a".repeat(64)] {
        server.ok(history().form("EventTypes", types)).await;
    }
    let rule =
        "EventTypes must be 1 to 64 event types, each of 1 to 64 letters, separated by commas.";
    let two_more = format!("{},C,D", names(63));
    for types in [
        two_more.as_str(),
        &"a".repeat(65),
        "StepEntered,",
        ",StepEntered",
        "StepEntered, StepExited",
        "Step_Entered",
        "Schritté",
        &",".repeat(200_000),
        &"A,".repeat(200_000),
    ] {
        let refusal = server.refused(history().form("EventTypes", types)).await;
        let message = format!("Parameter error. {rule}");
        assert_eq!(refusal, (400, "InvalidArgument".to_owned(), message));
    }
    let longest = "步".repeat(256);
    server.ok(history().form("StepName", &longest)).await;
    let refusal = server
        .refused(history().form("StepName", &(longest + "骤")))
        .await;
    let message = "Parameter error. StepName must be at most 256 characters.";
    assert_eq!(
        refusal,
        (400, "InvalidArgument".to_owned(), message.to_owned())
    );
}
