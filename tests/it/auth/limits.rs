//! Limits per key: parked long polls and parallel scans leave room for other keys and for plain reads.

use std::{sync::Arc, time::Duration};

use flowledger::limits::{ClientId, Limits, PeerAddr};
use tokio::task::JoinHandle;

use super::{create, history, start};
use crate::support::{Call, Server, test_store::TestDatabase};

/// A long poll by this key that has parked, beside those that have parked already.
async fn park(server: &Arc<Server>, key: (&str, &str)) -> JoinHandle<String> {
    let call = history().key(key.0, key.1);
    let call = call.query("NextToken", "99").query("WaitTimeSeconds", "60");
    let parked = server.app.limits.waits.in_use();
    let waiting = Arc::clone(server);
    let poll = tokio::spawn(async move { waiting.code(call).await });
    while server.app.limits.waits.in_use() == parked && !poll.is_finished() {
        tokio::task::yield_now().await;
    }
    poll
}

#[tokio::test]
async fn long_polls_of_one_key_leave_room_for_those_of_other_keys() {
    // Four long polls: two of a key, three of a network.
    let limits = Limits::with_connections(8);
    let server = Arc::new(Server::with_limits(TestDatabase::sqlite(), limits).await);
    server.ok(create("f")).await;
    server.ok(start("f", "e")).await;

    let (reader, admin) = (("reader", "reader-secret"), ("testid", "testsecret"));
    let mut parked = vec![park(&server, reader).await, park(&server, reader).await];
    let refused = park(&server, reader).await;
    assert_eq!(refused.await.unwrap(), "ResourceThrottled");
    parked.push(park(&server, admin).await);
    let refused = park(&server, ("writer", "writer-secret")).await;
    assert_eq!(refused.await.unwrap(), "ResourceThrottled");
    assert!(parked.iter().all(|poll| !poll.is_finished()));
    assert_eq!(server.code(history()).await, "OK", "plain reads go on");

    server
        .ok(Call::new("StopExecution")
            .form("FlowName", "f")
            .form("ExecutionName", "e"))
        .await;
    for poll in parked {
        assert_eq!(poll.await.unwrap(), "OK");
    }
    assert_eq!(server.app.limits.waits.in_use(), 0);
}

#[tokio::test]
async fn scans_wait_for_a_permit_and_plain_reads_do_not() {
    let server = Arc::new(Server::with_execution().await);
    let list = |action| Call::new(action).query("FlowName", "f");
    let narrow = |call: Call| call.key("narrow", "narrow-secret");
    for (key_id, scan, plain) in [
        ("testid", history().query("EventTypes", "A"), history()),
        (
            "testid",
            history().query("StepName", "s"),
            history().query("Reverse", "true"),
        ),
        (
            "testid",
            list("ListExecutions").query("ExecutionNamePrefix", "e"),
            list("ListExecutions").query("Status", "Running"),
        ),
        (
            "testid",
            Call::new("ListFlows").query("ResourceGroupId", "g"),
            Call::new("ListFlows"),
        ),
        (
            "narrow",
            narrow(Call::new("ListFlows")),
            narrow(Call::new("DescribeFlow").query("Name", "exact")),
        ),
    ] {
        let action = scan.action.clone();
        let client = ClientId::with_key(PeerAddr(server.address), key_id);
        let scans = &server.app.limits.scans;
        let held: Vec<_> = std::iter::from_fn(|| scans.try_acquire(&client)).collect();
        let waiting = Arc::clone(&server);
        let scan = tokio::spawn(async move { waiting.code(scan).await });
        assert_ne!(server.code(plain).await, "ResourceThrottled");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!scan.is_finished(), "{action}");
        drop(held);
        assert_eq!(scan.await.unwrap(), "OK", "{action}");
    }
}
