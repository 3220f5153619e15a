//! `flowledger ls`.

use serde_json::Value;

use super::{printed, start, with_failed};

#[tokio::test]
async fn pipe_gets_one_line_each_with_tabs() {
    let server = with_failed().await;
    assert_eq!(printed(&server, &["ls"]).await, "f\t\n");
    assert_eq!(
        printed(&server, &["ls", "f"]).await,
        "Failed\te\t2026-11-22T12:00:00.000Z\t2150\n"
    );
}

#[tokio::test]
async fn filters_and_limit_hold_across_pages() {
    let server = with_failed().await;
    for n in 0..150 {
        start(&server, &format!("run-{n:03}")).await;
    }
    let count = async |arguments: &[&str]| {
        printed(&server, &[&["ls", "f"], arguments].concat())
            .await
            .lines()
            .count()
    };
    assert_eq!(count(&[]).await, 50);
    assert_eq!(count(&["--limit", "1000"]).await, 151);
    assert_eq!(count(&["--limit", "120"]).await, 120);
    assert_eq!(count(&["--prefix", "run-10"]).await, 10);
    assert_eq!(count(&["--status", "Failed"]).await, 1);
    assert_eq!(count(&["--limit", "0"]).await, 0);
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let server = with_failed().await;
    let text = printed(&server, &["ls", "f", "--json"]).await;
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (
            line["Name"].as_str(),
            line["Status"].as_str(),
            line["Millis"].as_i64()
        ),
        (Some("e"), Some("Failed"), Some(2150))
    );
    let flow: Value =
        serde_json::from_str(printed(&server, &["ls", "--json"]).await.trim_end()).unwrap();
    assert_eq!(flow["Name"], "f");
}
