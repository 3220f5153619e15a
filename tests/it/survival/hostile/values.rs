//! Values of parameters: invalid numbers, names, tokens, switches, choices and filters.

use super::{Row, call, history};
use crate::support::Call;

const INVALID: (u16, &str) = (400, "InvalidArgument");

pub fn rows() -> Vec<Row> {
    let mut rows = numbers();
    rows.extend(names());
    rows.extend(tokens());
    rows.extend(choices());
    rows.extend(filters());
    rows.extend(actions());
    rows
}

fn refused(refused: Call) -> Row {
    call(refused, INVALID.0, INVALID.1)
}

fn numbers() -> Vec<Row> {
    let long = "9".repeat(400);
    let numbers = [
        "-0",
        "+1",
        "01",
        "00",
        "1.0",
        "1.",
        ".5",
        "1e2",
        "1E0",
        "0x10",
        "0b1",
        "0o7",
        "1_000",
        "1,000",
        " 1",
        "1 ",
        "1\0",
        "1\n",
        "１",
        "٣",
        "½",
        "NaN",
        "Infinity",
        "null",
        "true",
        "[1]",
        "{}",
        "\"1\"",
        "1;2",
        "1=1",
        "1 OR 1=1",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551616",
        "-1",
        &long,
    ];
    let mut rows = Vec::new();
    for number in numbers {
        for name in ["Limit", "NextToken"] {
            rows.push(refused(history().query(name, number)));
        }
    }
    rows.push(refused(history().query("Limit", "1001")));
    rows.push(call(
        history().query("NextToken", "9223372036854775807"),
        200,
        "",
    ));
    for number in ["61", "-1", "0.5", "60s"] {
        rows.push(refused(history().query("WaitTimeSeconds", number)));
    }
    for number in ["0", "+1", "1.0", "9223372036854775808", "-1"] {
        let append = super::append(r#"[{"Type":"A"}]"#).form("ExpectedEventId", number);
        rows.push(refused(append));
    }
    let far = super::append(r#"[{"Type":"A"}]"#).form("ExpectedEventId", "9223372036854775807");
    rows.push(call(far, 409, "ConcurrentUpdateError"));
    let two = super::append(r#"[{"Type":"A"},{"Type":"B"}]"#)
        .form("ExpectedEventId", "9223372036854775807");
    rows.push(call(two, 409, "ConcurrentUpdateError"));
    rows
}

fn names() -> Vec<Row> {
    let long = "n".repeat(3_000);
    let mut rows = Vec::new();
    for name in [
        "0",
        "-f",
        "f ",
        " f",
        "f\0",
        "f\n",
        "f\r\n",
        "f\t",
        "f/e",
        "f\\e",
        "..",
        ".",
        "f.",
        "f:e",
        "f;e",
        "f%",
        "%66",
        "f*",
        "*",
        "f?",
        "$f",
        "f'",
        "f\"",
        "f`id`",
        "$(id)",
        "f|id",
        "{{7*7}}",
        "<f>",
        "ｆ",
        "ғ",
        "f\u{301}",
        "f\u{200b}",
        "\u{202e}f",
        "f\u{7f}",
        "🎉",
        "null\u{0}",
        &long,
    ] {
        rows.push(refused(Call::new("DescribeFlow").form("Name", name)));
        let execution = Call::new("DescribeExecution")
            .form("FlowName", "f")
            .form("ExecutionName", name);
        rows.push(refused(execution));
    }
    // These names are valid; no flow has them.
    for name in [
        "F",
        "null",
        "undefined",
        "NaN",
        "True",
        "_",
        "__proto__",
        "constructor",
        "CON",
        "sqlite_master",
        "f-",
        "f_",
    ] {
        rows.push(call(
            Call::new("DescribeFlow").query("Name", name),
            404,
            "FlowNotExists",
        ));
    }
    rows
}

fn tokens() -> Vec<Row> {
    let mut rows = Vec::new();
    for token in [
        "0",
        "AAAA",
        "====",
        "../x",
        "Zi9lLzE",
        "null",
        "\0",
        "🎉",
        "Zi9lLzEAAAAAAAAAAAAAAAAAAAAAA",
        "' OR 1=1",
    ] {
        let report = Call::new("ReportTaskSucceeded").query("TaskToken", token);
        rows.push(refused(report.form("Output", "{}")));
    }
    for token in [
        "1",
        ".",
        "1.",
        ".1",
        "1.1.1",
        "+1.1",
        "1.+1",
        "01.1",
        "1.01",
        "1.0x1",
        "1e1.1",
        "9223372036854775808.1",
        "1.340282366920938463463374607431768211456",
        "1,1",
        "f",
    ] {
        let list = Call::new("ListExecutions").query("FlowName", "f");
        rows.push(refused(list.query("NextToken", token)));
    }
    for token in ["f/", "0", "f'--", "f\0", "流"] {
        rows.push(refused(Call::new("ListFlows").query("NextToken", token)));
    }
    rows
}

fn choices() -> Vec<Row> {
    let list = || Call::new("ListExecutions").query("FlowName", "f");
    let create = || {
        Call::new("CreateFlow")
            .form("Name", "g")
            .form("Definition", "d")
    };
    let mut rows = Vec::new();
    for (name, value) in [
        ("Status", "Starting,Running"),
        ("Status", "RUNNING"),
        ("Status", "Running' OR '1'='1"),
        ("Status", "%"),
        ("MetadataOnly", "yes"),
        ("MetadataOnly", "0"),
        ("MetadataOnly", "true\0"),
        ("MetadataOnly", "ｔrue"),
        ("StartedTimeBegin", "2026-11-22T12:00:60Z"),
        ("StartedTimeBegin", "0000-01-01T00:00:00Z"),
        ("StartedTimeEnd", "99999-01-01T00:00:00Z"),
        ("StartedTimeEnd", "2026-11-22T12:00:00+24:00"),
        ("StartedTimeEnd", "2026-11-22 12:00:00Z"),
        ("ExecutionNamePrefix", "e\0"),
    ] {
        rows.push(refused(list().query(name, value)));
    }
    for (name, value) in [
        ("Reverse", "1"),
        ("Reverse", "desc"),
        ("Reverse", "true;"),
        ("Reverse", "TRUE FALSE"),
    ] {
        rows.push(refused(history().query(name, value)));
    }
    for (name, value) in [("Type", "fdl"), ("Type", "FDL\0"), ("Type", "ASL")] {
        rows.push(refused(create().form(name, value)));
    }
    for (name, value) in [
        ("ExecutionMode", "standard"),
        ("ExecutionMode", "Express,Standard"),
        ("Environment", "[]"),
        ("Environment", "{\"a\":1,\"a\":2}"),
        ("Environment", "{\"a\":\"\\ud800\"}"),
        ("Description", "\0"),
        ("RoleArn", "acs:ram::1:role/\0"),
        ("ResourceGroupId", "\0"),
    ] {
        rows.push(refused(create().form("Type", "FDL").form(name, value)));
    }
    // The text of a filter is no pattern: these match nothing.
    for prefix in ["%", "_", "e%' OR 1=1 --", "*", "[a-z]", "\\"] {
        rows.push(call(list().query("ExecutionNamePrefix", prefix), 200, ""));
    }
    rows
}

/// Filters of a history are bounded: their size must not multiply the rows that a request reads.
fn filters() -> Vec<Row> {
    let filtered = |name: &str, value: &str| {
        let call = Call::new("GetExecutionHistory")
            .form("FlowName", "f")
            .form("ExecutionName", "e");
        call.form(name, value)
    };
    let types = |count: usize| {
        let letters = |at: usize| ["A", "B"].map(|letter| letter.repeat(at + 1)).join(",");
        (0..count / 2).map(letters).collect::<Vec<_>>().join(",")
    };
    let mut rows = Vec::new();
    for list in [
        ",".repeat(300_000),
        "A,".repeat(200_000),
        format!("{},StepEntered", ",".repeat(64)),
        format!("{},C", types(64)),
        "A".repeat(65),
        ",".to_owned(),
        "A,".to_owned(),
        ",A".to_owned(),
        "A,,B".to_owned(),
        "A B".to_owned(),
        "A, B".to_owned(),
        "A;B".to_owned(),
        "A1".to_owned(),
        "А".to_owned(),
        "A\0".to_owned(),
        "A%".to_owned(),
        "*".to_owned(),
        "['A']".to_owned(),
        "A' OR '1'='1".to_owned(),
    ] {
        rows.push(refused(filtered("EventTypes", &list)));
    }
    rows.push(call(filtered("EventTypes", &types(64)), 200, ""));
    let repeated = vec!["StepEntered"; 64].join(",");
    rows.push(call(filtered("EventTypes", &repeated), 200, ""));
    for step in ["s".repeat(257), "步".repeat(100_000)] {
        rows.push(refused(filtered("StepName", &step)));
    }
    for step in ["%", "_", "s' OR '1'='1", "\0", "🚀"] {
        rows.push(call(filtered("StepName", step), 200, ""));
    }
    rows.push(call(filtered("StepName", &"🚀".repeat(256)), 200, ""));
    for wait in ["61", "-1", "1e1", "0x1"] {
        let call = filtered("EventTypes", "A").form("WaitTimeSeconds", wait);
        rows.push(refused(call));
    }
    rows
}

/// Only the supported Actions, by their exact names.
fn actions() -> Vec<Row> {
    let mut rows = Vec::new();
    for action in [
        "",
        " ",
        "*",
        "getExecutionHistory",
        "GetExecutionHistory\0",
        "GetExecutionHistory ",
        "GetExecutionHistory;DeleteFlow",
        "GetExecutionHistory,ListFlows",
        "../DeleteFlow",
        "run",
        "DescribeRegions",
        "CreateSchedule",
        "StartSyncExecution",
        "'; DROP TABLE events; --",
    ] {
        rows.push(call(Call::new(action), 400, "ActionNotSupported"));
    }
    for version in [
        "",
        "2019-03-15 ",
        "2019-03-15\0",
        "2019-3-15",
        "*",
        "latest",
        "2018-01-01",
    ] {
        rows.push(call(
            history().version(version),
            400,
            "APIVersionNotSupported",
        ));
    }
    rows
}
