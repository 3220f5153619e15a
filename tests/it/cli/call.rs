//! `flowledger call`.

use serde_json::{Value, json};

use super::{printed, run};
use crate::support::Server;

#[tokio::test]
async fn answer_is_printed_unchanged() {
    let server = Server::with_execution().await;
    let answer = printed(
        &server,
        &["call", "DescribeExecution", "FlowName=f", "ExecutionName=e"],
    )
    .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["Status"], answer["RequestId"].is_string()),
        (&json!("Running"), true)
    );
}

#[tokio::test]
async fn error_answer_is_printed_and_ends_with_1() {
    let server = Server::start().await;
    let run = run(&server, &["call", "DescribeFlow", "Name=none"]).await;
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (run.code, &answer["Code"], run.err.as_str()),
        (1, &json!("FlowNotExists"), "")
    );
}

#[tokio::test]
async fn values_may_have_any_characters_or_come_from_files() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.yml");
    let definition = "version: v1\nname: '步骤 & = + % @'\n";
    std::fs::write(&file, definition).unwrap();
    let definition_of = format!("Definition=@{}", file.display());
    printed(
        &server,
        &[
            "call",
            "CreateFlow",
            "Name=order",
            "Type=FDL",
            &definition_of,
            "Description=a=b c+d&e",
        ],
    )
    .await;
    let flow: Value =
        serde_json::from_str(&printed(&server, &["call", "DescribeFlow", "Name=order"]).await)
            .unwrap();
    assert_eq!(
        (&flow["Definition"], &flow["Description"]),
        (&json!(definition), &json!("a=b c+d&e"))
    );
    let missing = run(&server, &["call", "CreateFlow", "Definition=@/missing"]).await;
    assert!(
        missing.code == 2 && missing.err.contains("/missing: No such file"),
        "{}",
        missing.err
    );
}
