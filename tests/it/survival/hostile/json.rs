//! JSON: the events of an append, inputs of executions, bodies under ACS3.

use super::{Row, append, call};
use crate::support::Call;

const INVALID: (u16, &str) = (400, "InvalidArgument");

pub fn rows() -> Vec<Row> {
    let mut rows = events();
    rows.extend(inputs());
    rows.extend(bodies());
    rows
}

fn nested(open: &str, depth: usize, close: &str) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

fn events() -> Vec<Row> {
    let mut rows = Vec::new();
    let wide = format!("[{}]", vec!["{\"Type\":\"A\"}"; 1001].join(","));
    let deep = nested("[", 20_000, "]");
    let unknown = format!("[{{\"Type\":\"A\",\"x\":{}}}]", nested("[", 127, "]"));
    let detail = format!(
        "[{{\"Type\":\"A\",\"EventDetail\":\"{}\"}}]",
        "\\u0041".repeat(65_537)
    );
    let step = format!(
        "[{{\"Type\":\"A\",\"StepName\":\"{}\"}}]",
        "\\ud83c\\udf89".repeat(257)
    );
    for events in [
        "null",
        "1",
        "\"[]\"",
        "[null]",
        "[1]",
        "[[]]",
        "[[{\"Type\":\"A\"}]]",
        "[{}]",
        "[{\"Type\":\"A\"}",
        "[{\"Type\":\"A\"}]]",
        "[{\"Type\":\"A\"}][]",
        "[{\"Type\":\"A\"},]",
        "[,{\"Type\":\"A\"}]",
        "[{\"Type\":\"A\",}]",
        "[{\"Type\":\"A\"} {\"Type\":\"A\"}]",
        "[{'Type':'A'}]",
        "[{Type:\"A\"}]",
        "[{\"Type\":\"A\"}/**/]",
        "//\n[{\"Type\":\"A\"}]",
        "[{\"Type\":NaN}]",
        "[{\"Type\":Infinity}]",
        "[{\"Type\":undefined}]",
        "\u{feff}[{\"Type\":\"A\"}]",
        "\0[{\"Type\":\"A\"}]",
        "[{\"Type\":\"A\"}]\0",
        "\u{a0}[{\"Type\":\"A\"}]",
        "[{\"Type\":\"A\",\"Type\":\"B\"}]",
        "[{\"Type\":\"A\",\"T\\u0079pe\":\"B\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"s\",\"StepName\":null}]",
        "[{\"type\":\"A\"}]",
        "[{\"Type\":\"A\",\"stepName\":\"s\"}]",
        "[{\"Type\":\"A\",\"__proto__\":{}}]",
        "[{\"Type\":\"A\",\"\":0}]",
        "[{\"Type\":\"A\",\"RequestId\":\"x\"}]",
        "[{\"Type\":\"A\\u0000\"}]",
        "[{\"Type\":\"A B\"}]",
        "[{\"Type\":\"А\"}]",
        "[{\"Type\":null}]",
        "[{\"Type\":[\"A\"]}]",
        "[{\"Type\":\"\\ud800\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\\udc00\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\\udc00\\ud800\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\\ud83c\\u0041\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\\x41\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\\u00g0\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\n\"}]",
        "[{\"Type\":\"A\",\"StepName\":\"\u{1b}\"}]",
        "[{\"Type\":\"A\",\"StepName\":7}]",
        "[{\"Type\":\"A\",\"EventDetail\":null,\"EventDetail\":\"x\"}]",
        "[{\"Type\":\"A\",\"EventDetail\":{\"a\":1}}]",
        "[{\"Type\":\"A\",\"EventDetail\":[]}]",
        "[{\"Type\":\"A\",\"EventId\":9223372036854775808}]",
        "[{\"Type\":\"A\",\"EventId\":-9223372036854775809}]",
        "[{\"Type\":\"A\",\"EventId\":1e400}]",
        "[{\"Type\":\"A\",\"EventId\":1e0}]",
        "[{\"Type\":\"A\",\"EventId\":-0}]",
        "[{\"Type\":\"A\",\"EventId\":01}]",
        "[{\"Type\":\"A\",\"EventId\":+1}]",
        "[{\"Type\":\"A\",\"EventId\":0x1}]",
        "[{\"Type\":\"A\",\"EventId\":true}]",
        "[{\"Type\":\"A\",\"EventId\":-1}]",
        "[{\"Type\":\"A\",\"ScheduleEventId\":9223372036854775807}]",
        "[{\"Type\":\"A\",\"ScheduleEventId\":-1}]",
        "[{\"Type\":\"A\",\"ScheduleEventId\":\"0\"}]",
        "[{\"Type\":\"A\",\"Time\":1795348800}]",
        "[{\"Type\":\"A\",\"Time\":\"\"}]",
        "[{\"Type\":\"A\",\"Time\":\"now\"}]",
        "[{\"Type\":\"A\",\"Time\":\"2026-11-22T12:00:60Z\"}]",
        "[{\"Type\":\"A\",\"Time\":\"2026-11-22T12:00:00\\u0000Z\"}]",
        "[{\"Type\":\"A\",\"Time\":\"2026-11-22T12:00:00+99:00\"}]",
        "[{\"Type\":\"A\",\"Time\":\"2026-11-22t12:00:00z\"}]",
        "[{\"Type\":\"A\",\"Time\":\"+12026-11-22T12:00:00Z\"}]",
        "[{\"Type\":\"ExecutionStarted\"}]",
        "[{\"Type\":\"ExecutionFailed\"},{\"Type\":\"A\"}]",
        wide.as_str(),
        &deep,
        &unknown,
        &detail,
        &step,
    ] {
        rows.push(call(append(events), INVALID.0, INVALID.1));
    }
    rows
}

/// `Input` must be an object that all JSON parsers read alike.
fn inputs() -> Vec<Row> {
    let deep = format!("{{\"a\":{}}}", nested("[", 32, "]"));
    let deeper = nested("{\"a\":", 5_000, "}");
    let mut rows = Vec::new();
    for input in [
        "[]",
        "\"{}\"",
        "1",
        "null",
        "{",
        "{}{}",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.1}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":-Infinity}",
        "{\"a\":tru}",
        "{\"a\":TRUE}",
        "{\"a\":\"\\ud800\"}",
        "{\"\\udfff\":1}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}",
        "{\"b\":{\"a\":1,\"a\":{}}}",
        "{\"b\":[{\"a\":1,\"a\":1}]}",
        "{\"\":1,\"\":2}",
        "\u{feff}{}",
        "{}\0",
        "\u{2028}{}",
        "{/**/}",
        "{\"a\":1e999}",
        deep.as_str(),
        &deeper,
    ] {
        let start = Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "never");
        rows.push(call(start.form("Input", input), INVALID.0, INVALID.1));
    }
    rows
}

fn bodies() -> Vec<Row> {
    let mut rows = Vec::new();
    for body in [
        "[{\"FlowName\":\"f\"}]",
        "{\"FlowName\":\"f\",\"Flow\\u004eame\":\"g\"}",
        "{\"flowname\":\"f\"}",
        "{\"FlowName\":\"f\",\"Limit\":1e999}",
        "{\"FlowName\":\"f\",\"Limit\":1.0}",
        "{\"FlowName\":\"f\",\"Limit\":[1]}",
        "{\"FlowName\":{\"$ne\":null}}",
        "{\"FlowName\":[\"f\"]}",
        "{\"FlowName\":1}",
        "{\"FlowName\":\"f\",\"Signature\":\"x\"}",
        "{\"FlowName\":\"f\",\"Action\":\"DeleteFlow\"}",
        "{\"FlowName\":\"f\",\"Version\":\"1\"}",
        "{\"FlowName\":\"f\",\"a\":{\"b\":1,\"b\":1}}",
    ] {
        let list = Call::new("ListExecutions")
            .acs3()
            .body("application/json", body);
        rows.push(call(list, INVALID.0, INVALID.1));
    }
    for body in [
        "{\"FlowName\":null}",
        "{}",
        "{\"\\u0000FlowName\":\"f\"}",
        "{\"FlowName\":\"\"}",
    ] {
        let list = Call::new("ListExecutions")
            .acs3()
            .body("application/json", body);
        rows.push(call(list, 400, "MissingRequiredParams"));
    }
    let absent = Call::new("ListExecutions")
        .acs3()
        .body("application/json", "{\"FlowName\":true}");
    rows.push(call(absent, 404, "FlowNotExists"));
    let list = |body: &str| {
        Call::new("ListExecutions")
            .acs3()
            .body("application/json", body)
    };
    rows.push(call(
        list("{\"FlowName\":\"f\",\"__proto__\":{\"Limit\":0}}"),
        200,
        "",
    ));
    rows.push(call(list(" {\"Flow\\u004eame\":\"\\u0066\"}\n"), 200, ""));
    rows
}
