//! DeleteFlow: the flow cannot be read from then on, and its rows are purged in the background.

use std::time::Duration;

use serde_json::json;

use crate::support::{Call, Server, backend::Backend};

fn history() -> Call {
    Call::new("GetExecutionHistory")
        .query("FlowName", "f")
        .query("ExecutionName", "e")
}

fn create() -> Call {
    Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "d")
        .form("Type", "FDL")
}

pub async fn deleted_flow_its_executions_and_events_cannot_be_read(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let answer = server.ok(Call::new("DeleteFlow").query("Name", "f")).await;
    assert_eq!(
        answer.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["RequestId"]
    );
    let append = Call::new("AppendExecutionEvents")
        .form("FlowName", "f")
        .form("ExecutionName", "e");
    for call in [
        history(),
        Call::new("DescribeFlow").query("Name", "f"),
        Call::new("DescribeExecution")
            .query("FlowName", "f")
            .query("ExecutionName", "e"),
        Call::new("ListExecutions").query("FlowName", "f"),
        append.form("Events", "[{\"Type\":\"A\"}]"),
        Call::new("DeleteFlow").form("Name", "f"),
    ] {
        assert_eq!(
            server.refused(call.clone()).await.1,
            "FlowNotExists",
            "{}",
            call.action
        );
    }
    assert_eq!(server.ok(Call::new("ListFlows")).await["Flows"], json!([]));
}

pub async fn new_flow_of_a_deleted_name_has_no_executions(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let old = server
        .ok(Call::new("DescribeFlow").query("Name", "f"))
        .await;
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    let new = server.ok(create()).await;
    assert_ne!(old["Id"], new["Id"]);
    assert_eq!(server.refused(history()).await.1, "ExecutionNotExists");
    assert_eq!(
        server
            .ok(Call::new("ListExecutions").query("FlowName", "f"))
            .await["Executions"],
        json!([])
    );
    server
        .ok(Call::new("StartExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e"))
        .await;
    assert_eq!(
        server.ok(history()).await["Events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// On SQLite only.
#[tokio::test]
async fn rows_of_a_deleted_flow_are_purged_also_after_a_restart_and_their_space_is_freed() {
    let server = Server::with_execution().await;
    let filler = json!([{"Type": "A", "EventDetail": "x".repeat(60_000)}]);
    for _ in 0..60 {
        server.append(&filler).await;
    }
    server.ok(Call::new("DeleteFlow").form("Name", "f")).await;
    server.app.store.close().await; // directly, because a graceful shutdown leaves time to purge much
    let database = server.stop().await;
    let file = database.file("test.db");
    let size = || std::fs::metadata(&file).unwrap().len();
    assert!(size() > 3_000_000, "nothing was deleted yet: {}", size());
    let server = Server::open(database).await;
    server.ok(create()).await; // the purge does not block writes
    let mut waited = 0;
    let database = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        waited += 1;
        let left: i64 = {
            let url = format!("sqlite://{}?mode=ro", file.display());
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url)
                .await
                .unwrap();
            sqlx::query_scalar(
                "SELECT (SELECT count(*) FROM events) + freelist_count FROM pragma_freelist_count",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap()
        };
        if left == 0 {
            break server.stop().await;
        }
        assert!(waited < 60, "{left} events and free pages are left");
    };
    assert!(size() < 300_000, "{} bytes are left", size());
    drop(database);
}

pub async fn invalid_and_missing_names_are_refused(backend: Backend) {
    let server = Server::start_on(backend).await;
    assert_eq!(
        server.refused(Call::new("DeleteFlow")).await.1,
        "MissingRequiredParams"
    );
    assert_eq!(
        server
            .refused(Call::new("DeleteFlow").query("Name", "a b"))
            .await
            .1,
        "InvalidArgument"
    );
    assert_eq!(
        server
            .refused(Call::new("DeleteFlow").query("Name", "f"))
            .await
            .1,
        "FlowNotExists"
    );
}
