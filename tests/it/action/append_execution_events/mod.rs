//! AppendExecutionEvents: EventIds, defaults, retries, conflicts, ends of executions, limits.

pub mod starts;

use serde_json::{Value, json};

use crate::support::{Call, NOW, Server, backend::Backend, call::seconds, invalid_names};

fn append(events: &Value) -> Call {
    Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e")
        .form("Events", &events.to_string())
}

fn expecting(first: i64, events: &Value) -> Call {
    append(events).form("ExpectedEventId", &first.to_string())
}

async fn events(server: &Server) -> Vec<Value> {
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e");
    let page = server.ok(call.query("Limit", "1000")).await;
    page["Events"].as_array().unwrap().clone()
}

/// Checks that `call` is refused with this code and message, and that nothing was written.
async fn refuses(server: &Server, call: Call, code: &str, message: &str) {
    let before = events(server).await;
    let (_, found, text) = server.refused(call).await;
    assert_eq!(found, code, "{text}");
    assert!(text.contains(message), "{text} should contain {message}");
    assert_eq!(events(server).await, before);
}

pub async fn appended_events_get_the_next_ids_and_defaults(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let answer = server
        .ok(append(
            &json!([{"Type": "StepEntered"}, {"Type": "StepExited", "StepName": null}]),
        ))
        .await;
    assert_eq!(
        (&answer["FirstEventId"], &answer["LastEventId"]),
        (&json!(2), &json!(3))
    );
    let time = seconds(NOW).replace('Z', ".000Z");
    assert_eq!(
        events(&server).await[1..],
        [
            json!({"Type": "StepEntered", "EventId": 2, "Time": time, "ScheduleEventId": 1, "EventDetail": "{}", "StepName": ""}),
            json!({"Type": "StepExited", "EventId": 3, "Time": time, "ScheduleEventId": 2, "EventDetail": "{}", "StepName": ""}),
        ]
    );
}

pub async fn retried_append_at_the_expected_event_id_returns_the_same_ids(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let batch = json!([{"Type": "StepEntered", "StepName": "s"}, {"Type": "ExecutionSucceeded"}]);
    let first = server.ok(expecting(2, &batch)).await;
    for _ in 0..2 {
        let again = server.ok(expecting(2, &batch)).await;
        assert_eq!(
            (&again["FirstEventId"], &again["LastEventId"]),
            (&first["FirstEventId"], &first["LastEventId"])
        );
    }
    assert_eq!(events(&server).await.len(), 3);
}

pub async fn append_with_wrong_expected_event_id_returns_conflict(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let batch = json!([{"Type": "StepEntered", "StepName": "s"}, {"Type": "StepExited"}]);
    server.ok(expecting(2, &batch)).await;
    for other in [
        json!([{"Type": "StepEntered", "StepName": "t"}, {"Type": "StepExited"}]),
        json!([{"Type": "StepEntered"}, {"Type": "StepExited"}]),
        json!([{"Type": "StepEntered", "StepName": "s", "Time": "2020-01-01T00:00:00Z"}]),
        json!([{"Type": "StepEntered", "StepName": "s", "ScheduleEventId": 0}]),
        json!([{"Type": "StepEntered", "StepName": "s", "EventDetail": "{ }"}]),
    ] {
        refuses(
            &server,
            expecting(2, &other),
            "ConcurrentUpdateError",
            "The next EventId is 4.",
        )
        .await;
    }
    // The first half is stored already, the second half would be new.
    refuses(
        &server,
        expecting(3, &json!([{"Type": "StepExited"}, {"Type": "StepExited"}])),
        "ConcurrentUpdateError",
        "4",
    )
    .await;
    refuses(
        &server,
        expecting(5, &json!([{"Type": "StepExited"}])),
        "ConcurrentUpdateError",
        "4",
    )
    .await;
    server
        .ok(expecting(3, &json!([{"Type": "StepExited"}])))
        .await;
}

pub async fn event_id_inside_an_event_implies_the_expected_event_id(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let batch = json!([{"Type": "A"}, {"Type": "B", "EventId": 3}]);
    server.ok(append(&batch)).await;
    server.ok(append(&batch)).await;
    assert_eq!(events(&server).await.len(), 3);
    let rule = "EventId must be the one that the event gets";
    refuses(
        &server,
        expecting(4, &batch),
        "InvalidArgument",
        &format!("Events[1].{rule}"),
    )
    .await;
    refuses(
        &server,
        append(&json!([{"Type": "A"}, {"Type": "B", "EventId": 1}])),
        "InvalidArgument",
        rule,
    )
    .await;
    refuses(
        &server,
        append(&json!([{"Type": "A", "EventId": 7}])),
        "ConcurrentUpdateError",
        "The next EventId is 4.",
    )
    .await;
}

pub async fn append_to_an_ended_execution_is_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server
        .ok(append(&json!([{"Type": "ExecutionFailed"}])))
        .await;
    let message = "Execution 'e' for flow 'f' has already completed.";
    refuses(
        &server,
        append(&json!([{"Type": "StepEntered"}])),
        "ExecutionAlreadyCompleted",
        message,
    )
    .await;
    refuses(
        &server,
        expecting(3, &json!([{"Type": "ExecutionFailed"}])),
        "ExecutionAlreadyCompleted",
        message,
    )
    .await;
}

pub async fn execution_started_must_be_event_1_and_an_ending_event_the_last(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let started = json!([{"Type": "ExecutionStarted", "EventDetail": "{\"input\":{}}"}]);
    server.ok(expecting(1, &started)).await; // a retry of event 1
    refuses(
        &server,
        append(&started),
        "InvalidArgument",
        "Events[0].Type ExecutionStarted must be event 1",
    )
    .await;
    refuses(
        &server,
        expecting(2, &started),
        "InvalidArgument",
        "must be event 1",
    )
    .await;
    refuses(
        &server,
        expecting(1, &json!([{"Type": "A"}, {"Type": "ExecutionStarted"}])),
        "InvalidArgument",
        "Events[1].Type ExecutionStarted must be event 1",
    )
    .await;
    let early = json!([{"Type": "ExecutionStopped"}, {"Type": "StepExited"}]);
    refuses(
        &server,
        append(&early),
        "InvalidArgument",
        "Events[0].Type ExecutionStopped must be the last event",
    )
    .await;
}

pub async fn schedule_event_id_must_be_smaller_than_the_event_id(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    server
        .ok(append(
            &json!([{"Type": "A", "ScheduleEventId": 0}, {"Type": "B", "ScheduleEventId": 2}]),
        ))
        .await;
    let own = json!([{"Type": "A"}, {"Type": "B", "ScheduleEventId": 5}]);
    for call in [append(&own), expecting(4, &own)] {
        refuses(
            &server,
            call,
            "InvalidArgument",
            "Events[1].ScheduleEventId must be smaller than the event's EventId",
        )
        .await;
    }
    refuses(
        &server,
        append(&json!([{"Type": "A", "ScheduleEventId": -1}])),
        "InvalidArgument",
        "at least 0",
    )
    .await;
}

pub async fn text_is_stored_byte_for_byte_however_it_was_escaped(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let text = "步骤 \"q\" \\ / </script> \u{0}\u{1}\u{1f}\u{7f}\u{2028}\u{fffd} 🎉 %2B+&= \r\n\t\u{8}\u{c}";
    let escaped: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04X}"))
        .collect();
    let detail = format!("{{\"a\":\"{}\"}}", "x".repeat(65_528));
    assert_eq!(detail.len(), 65_536);
    server
        .ok(append(
            &json!([{"Type": "A", "StepName": text, "EventDetail": detail}]),
        ))
        .await;
    let body =
        format!("[{{\"Type\":\"A\",\"StepName\":\"{escaped}\",\"EventDetail\":\"{escaped}\"}}]");
    let call = Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    server.ok(call.form("Events", &body)).await;
    let events = events(&server).await;
    assert_eq!(
        (
            events[1]["StepName"].as_str(),
            events[1]["EventDetail"].as_str()
        ),
        (Some(text), Some(detail.as_str()))
    );
    assert_eq!(
        (
            events[2]["StepName"].as_str(),
            events[2]["EventDetail"].as_str()
        ),
        (Some(text), Some(text))
    );
}

pub async fn json_body_may_hold_the_events_as_an_array(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let body = json!({"FlowName": "f", "ExecutionName": "e", "ExpectedEventId": 2, "Events": [{"Type": "A", "StepName": "é"}]});
    let call = Call::new("AppendExecutionEvents")
        .acs3()
        .body("application/json", body.to_string());
    assert_eq!(server.ok(call).await["FirstEventId"], 2);
    assert_eq!(events(&server).await[1]["StepName"], "é");
}

pub async fn invalid_event_refuses_the_whole_batch_and_is_named_by_its_index(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let good = json!({"Type": "StepEntered"});
    for (event, message) in [
        (json!({}), "missing field `Type`"),
        (
            json!({"Type": ""}),
            "Events[1].Type must be 1 to 64 letters",
        ),
        (
            json!({"Type": "a".repeat(65)}),
            "Events[1].Type must be 1 to 64 letters",
        ),
        (
            json!({"Type": "Step_Entered"}),
            "Events[1].Type must be 1 to 64 letters",
        ),
        (
            json!({"Type": "Schritté"}),
            "Events[1].Type must be 1 to 64 letters",
        ),
        (
            json!({"Type": 1}),
            "Events[1].Type is misformed: invalid type",
        ),
        (
            json!({"Type": "A", "Colour": "red"}),
            "unknown field `Colour`",
        ),
        (
            json!({"Type": "A", "EventDetail": {}}),
            "Events[1].EventDetail is misformed: invalid type: map",
        ),
        (
            json!({"Type": "A", "EventDetail": "x".repeat(65_537)}),
            "Events[1].EventDetail must be at most 65536 bytes",
        ),
        (
            json!({"Type": "A", "StepName": "é".repeat(257)}),
            "Events[1].StepName must be at most 256 characters",
        ),
        (
            json!({"Type": "A", "Time": "2020-01-01"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": "2020-01-01T00:00:00"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": "2020-13-01T00:00:00Z"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": "2016-12-31T23:59:60Z"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": "0000-12-31T23:59:59Z"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": "9999-12-31T23:59:59-01:00"}),
            "Events[1].Time must be RFC 3339",
        ),
        (
            json!({"Type": "A", "Time": 5}),
            "Events[1].Time is misformed",
        ),
        (
            json!({"Type": "A", "EventId": 3.0}),
            "Events[1].EventId is misformed",
        ),
        (
            json!({"Type": "A", "EventId": "3"}),
            "Events[1].EventId is misformed",
        ),
        (
            json!({"Type": "A", "EventId": 0}),
            "Events[1].EventId must be at least 1",
        ),
        (json!([]), "Events[1] must be an object"),
        (json!("A"), "Events[1] must be an object"),
    ] {
        refuses(
            &server,
            append(&json!([good, event])),
            "InvalidArgument",
            message,
        )
        .await;
    }
    for text in [
        "",
        "x",
        "{}",
        "[]",
        "[",
        "[{\"Type\":\"A\"},]",
        "[{\"Type\":\"A\",\"Type\":\"A\"}]",
        "[{\"Type\":\"\\ud800\"}]",
    ] {
        let call = Call::new("AppendExecutionEvents")
            .form("FlowName", "f")
            .form("ExecutionName", "e")
            .form("Events", text);
        let code = if text.is_empty() {
            "MissingRequiredParams"
        } else {
            "InvalidArgument"
        };
        refuses(&server, call, code, "Events").await;
    }
    refuses(
        &server,
        append(&json!(vec![good.clone(); 1001])),
        "InvalidArgument",
        "1 to 1000 objects, not of 1001",
    )
    .await;
    server.ok(append(&json!(vec![good; 1000]))).await;
}

pub async fn invalid_expected_event_ids_and_names_are_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let batch = json!([{"Type": "A"}]);
    for place in ["0", "-1", "x", "2.0", "9223372036854775808"] {
        let call = append(&batch).form("ExpectedEventId", place);
        refuses(
            &server,
            call,
            "InvalidArgument",
            "ExpectedEventId must be an integer from 1 to",
        )
        .await;
    }
    let call = |flow: &str, execution: &str| {
        Call::new("AppendExecutionEvents")
            .form("FlowName", flow)
            .form("ExecutionName", execution)
            .form("Events", "[{\"Type\":\"A\"}]")
    };
    for name in invalid_names() {
        assert_eq!(server.refused(call(&name, "e")).await.1, "InvalidArgument");
        assert_eq!(server.refused(call("f", &name)).await.1, "InvalidArgument");
    }
    assert_eq!(server.refused(call("g", "e")).await.1, "FlowNotExists");
    assert_eq!(server.refused(call("f", "x")).await.1, "ExecutionNotExists");
    for missing in ["FlowName", "ExecutionName", "Events"] {
        let mut call = call("f", "e");
        call.form.retain(|(name, _)| name != missing);
        assert_eq!(
            server.refused(call).await.1,
            "MissingRequiredParams",
            "{missing}"
        );
    }
}
