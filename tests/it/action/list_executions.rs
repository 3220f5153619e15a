//! ListExecutions: newest first, filters, keyset pagination without gaps or repeats.

use serde_json::{Value, json};

use crate::support::{Call, NOW, Server, backend::Backend};

/// Starts executions one second apart, beginning at `NOW`.
async fn with_executions(backend: Backend, names: &[&str]) -> Server {
    let server = Server::start_on(backend).await;
    server
        .ok(Call::new("CreateFlow")
            .form("Name", "f")
            .form("Definition", "d")
            .form("Type", "FDL"))
        .await;
    for (at, name) in (0..).zip(names) {
        server.set_time(NOW + at * 1000);
        let start = Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", name);
        server
            .ok(start.at(NOW + at * 1000).form("Input", "{\"a\":1}"))
            .await;
    }
    server.set_time(NOW);
    server
}

fn list() -> Call {
    Call::new("ListExecutions").query("FlowName", "f")
}

fn names(page: &Value) -> Vec<&str> {
    page["Executions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["Name"].as_str().unwrap())
        .collect()
}

/// The names on each page.
async fn pages(server: &Server, call: Call) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = call.with_new_nonce();
    loop {
        let page = server.ok(next).await;
        pages.push(names(&page).into_iter().map(str::to_owned).collect());
        let Some(token) = page.get("NextToken") else {
            return pages;
        };
        next = call
            .with_new_nonce()
            .query("NextToken", token.as_str().unwrap());
    }
}

pub async fn executions_are_listed_newest_first_in_pages(backend: Backend) {
    let server = with_executions(backend, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(pages(&server, list()).await, [["e", "d", "c", "b", "a"]]);
    let two: Vec<Vec<String>> = pages(&server, list().query("Limit", "2")).await;
    assert_eq!(two, vec![vec!["e", "d"], vec!["c", "b"], vec!["a"]]);
}

pub async fn executions_of_the_same_millisecond_keep_their_order(backend: Backend) {
    let server = with_executions(backend, &[]).await;
    for name in ["a", "b", "c"] {
        server
            .ok(Call::new("StartExecution")
                .form("FlowName", "f")
                .form("ExecutionName", name))
            .await;
    }
    assert_eq!(
        pages(&server, list().query("Limit", "1")).await,
        [["c"], ["b"], ["a"]]
    );
}

pub async fn listed_execution_has_the_form_of_describe_execution(backend: Backend) {
    let server = with_executions(backend, &["e"]).await;
    let mut one = server
        .ok(Call::new("DescribeExecution")
            .query("FlowName", "f")
            .query("ExecutionName", "e"))
        .await;
    one.as_object_mut().unwrap().remove("RequestId");
    assert_eq!(
        (&one["Output"], &one["StoppedTime"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(server.ok(list()).await["Executions"], json!([one]));
    for text in ["Input", "Output", "FlowDefinition"] {
        one.as_object_mut().unwrap().remove(text);
    }
    for yes in ["true", "True"] {
        assert_eq!(
            server.ok(list().query("MetadataOnly", yes)).await["Executions"],
            json!([one])
        );
    }
}

pub async fn list_is_filtered_by_status_start_time_and_prefix(backend: Backend) {
    let server = with_executions(backend, &["a1", "b1", "a2", "b2"]).await;
    server
        .ok(Call::new("StopExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "a1"))
        .await;
    let time = |second: i64| format!("2026-11-22T12:00:0{second}Z");
    for (filter, expected) in [
        (vec![("Status", "Stopped".to_owned())], vec!["a1"]),
        (
            vec![("Status", "Running".to_owned())],
            vec!["b2", "a2", "b1"],
        ),
        (vec![("Status", "Starting".to_owned())], vec![]),
        (
            vec![("ExecutionNamePrefix", "a".to_owned())],
            vec!["a2", "a1"],
        ),
        (vec![("ExecutionNamePrefix", "a%".to_owned())], vec![]),
        (vec![("StartedTimeBegin", time(2))], vec!["b2", "a2"]),
        (vec![("StartedTimeEnd", time(1))], vec!["b1", "a1"]),
        (
            vec![("StartedTimeBegin", time(1)), ("StartedTimeEnd", time(2))],
            vec!["a2", "b1"],
        ),
        (
            vec![("StartedTimeBegin", time(3)), ("StartedTimeEnd", time(2))],
            vec![],
        ),
        (
            vec![
                ("ExecutionNamePrefix", "a".to_owned()),
                ("Status", "Running".to_owned()),
            ],
            vec!["a2"],
        ),
    ] {
        for limit in ["1", "100"] {
            let call = filter
                .iter()
                .fold(list().query("Limit", limit), |call, (name, value)| {
                    call.query(name, value)
                });
            assert_eq!(
                pages(&server, call).await.concat(),
                expected,
                "{filter:?} by {limit}"
            );
        }
    }
}

pub async fn no_execution_belongs_to_a_map_run_a_version_or_an_alias(backend: Backend) {
    let server = with_executions(backend, &["a", "b"]).await;
    for name in ["MapRunName", "Qualifier"] {
        for call in [
            list().query(name, "1"),
            list().query(name, "x").query("Status", "Running"),
        ] {
            let page = server.ok(call).await;
            assert_eq!(page["Executions"], json!([]), "{name}");
            assert_eq!(page.get("NextToken"), None);
        }
        assert_eq!(
            pages(&server, list().query(name, "")).await,
            [["b", "a"]],
            "an empty value is none"
        );
        let absent = Call::new("ListExecutions").query("FlowName", "g");
        let (_, code, _) = server.refused(absent.query(name, "1")).await;
        assert_eq!(code, "FlowNotExists");
    }
}

pub async fn executions_that_start_between_pages_neither_hide_nor_repeat_others(backend: Backend) {
    let server = with_executions(backend, &["a", "b", "c", "d"]).await;
    let page = server.ok(list().query("Limit", "2")).await;
    server.set_time(NOW + 60_000);
    let start = Call::new("StartExecution")
        .form("FlowName", "f")
        .form("ExecutionName", "late");
    server.ok(start.at(NOW + 60_000)).await;
    let rest = list()
        .at(NOW + 60_000)
        .query("NextToken", page["NextToken"].as_str().unwrap());
    assert_eq!(names(&server.ok(rest).await), ["b", "a"]);
}

pub async fn invalid_arguments_are_refused_by_name(backend: Backend) {
    let server = with_executions(backend, &[]).await;
    for (parameter, value) in [
        ("Limit", "0"),
        ("Limit", "101"),
        ("Status", "running"),
        ("StartedTimeBegin", "yesterday"),
        ("StartedTimeEnd", "2026-11-22"),
        ("MetadataOnly", "1"),
        ("NextToken", "e"),
        ("NextToken", "1.x"),
        ("NextToken", "+1.1"),
        ("NextToken", "1.01"),
        ("ExecutionNamePrefix", &"a".repeat(129)),
        ("MapRunName", &"a".repeat(129)),
        ("Qualifier", &"a".repeat(129)),
    ] {
        let (status, code, message) = server.refused(list().query(parameter, value)).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "{parameter} {value}"
        );
        assert!(
            message.starts_with(&format!("Parameter error. {parameter} must ")),
            "{message}"
        );
    }
    assert_eq!(
        server.refused(Call::new("ListExecutions")).await.1,
        "MissingRequiredParams"
    );
    assert_eq!(
        server
            .refused(Call::new("ListExecutions").query("FlowName", "g"))
            .await
            .1,
        "FlowNotExists"
    );
}
