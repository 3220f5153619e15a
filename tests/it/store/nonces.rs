//! Replay protection of writes: the store accepts each nonce once, even if it refuses the write.

use flowledger::{
    model::{NewEvent, Nonce},
    store::{Refusal, Store},
};

use super::{
    tasks::{report, stop},
    upkeep::{change, deletion},
};
use crate::support::test_store::{TestDatabase, append, at, event, flow, nonce, start};

/// Returns the refusal of each kind of write with this nonce, if it is refused.
async fn outcomes(store: &dyn Store, nonce: Nonce) -> [Option<Refusal>; 7] {
    let nonce = Some(nonce);
    let append = append("f", "e", &[event("StepEntered")], None);
    [
        store.create_flow(flow("f"), nonce).await.unwrap().err(),
        store.update_flow(change(), nonce).await.unwrap().err(),
        store.delete_flow(deletion("f"), nonce).await.unwrap().err(),
        store
            .start_execution(start("f", "e"), nonce)
            .await
            .unwrap()
            .err(),
        store.stop_execution(stop("e"), nonce).await.unwrap().err(),
        store
            .report_task(report("e", 2), nonce)
            .await
            .unwrap()
            .err(),
        store
            .append_execution_events(append, nonce)
            .await
            .unwrap()
            .err(),
    ]
}

const ALL_USED: [Option<Refusal>; 7] = [const { Some(Refusal::NonceUsed) }; 7];

pub async fn nonce_is_accepted_for_one_write_of_any_kind(database: TestDatabase) {
    let store = database.open().await.inner;
    let append = |events: &[NewEvent]| append("f", "e", events, None);
    store
        .create_flow(flow("f"), Some(nonce(1)))
        .await
        .unwrap()
        .unwrap();
    store
        .start_execution(start("f", "e"), Some(nonce(2)))
        .await
        .unwrap()
        .unwrap();
    let submitted = append(&[event("TaskSubmitted")]);
    store
        .append_execution_events(submitted, Some(nonce(3)))
        .await
        .unwrap()
        .unwrap();
    store
        .report_task(report("e", 2), Some(nonce(4)))
        .await
        .unwrap()
        .unwrap();
    store
        .update_flow(change(), Some(nonce(5)))
        .await
        .unwrap()
        .unwrap();
    store
        .stop_execution(stop("e"), Some(nonce(6)))
        .await
        .unwrap()
        .unwrap();
    store.create_flow(flow("g"), None).await.unwrap().unwrap();
    store
        .delete_flow(deletion("g"), Some(nonce(7)))
        .await
        .unwrap()
        .unwrap();
    for used in 1..=7 {
        assert_eq!(
            outcomes(&*store, nonce(used)).await,
            ALL_USED,
            "nonce {used}"
        );
    }
}

pub async fn refused_write_uses_its_nonce(database: TestDatabase) {
    let store = database.with_execution().await.inner;
    let created = store.create_flow(flow("f"), Some(nonce(1))).await.unwrap();
    assert_eq!(created.unwrap_err(), Refusal::FlowAlreadyExists);
    let started = store
        .start_execution(start("nope", "e"), Some(nonce(2)))
        .await
        .unwrap();
    assert_eq!(started.unwrap_err(), Refusal::FlowNotExists);
    let conflict = append("f", "e", &[event("StepEntered")], 9);
    let conflict = store
        .append_execution_events(conflict, Some(nonce(3)))
        .await
        .unwrap();
    assert_eq!(
        conflict.unwrap_err(),
        Refusal::Conflict { next_event_id: 2 }
    );
    let missing = append("f", "nope", &[event("StepEntered")], None);
    let missing = store
        .append_execution_events(missing, Some(nonce(4)))
        .await
        .unwrap();
    assert_eq!(missing.unwrap_err(), Refusal::ExecutionNotExists);
    let stopped = store
        .stop_execution(stop("nope"), Some(nonce(5)))
        .await
        .unwrap();
    assert_eq!(stopped.unwrap_err(), Refusal::ExecutionNotExists);
    let reported = store
        .report_task(report("e", 2), Some(nonce(6)))
        .await
        .unwrap();
    assert_eq!(reported.unwrap_err(), Refusal::FlowNotExists);
    let deleted = store
        .delete_flow(deletion("nope"), Some(nonce(7)))
        .await
        .unwrap();
    assert_eq!(deleted.unwrap_err(), Refusal::FlowNotExists);
    for used in 1..=7 {
        assert_eq!(
            outcomes(&*store, nonce(used)).await,
            ALL_USED,
            "nonce {used}"
        );
    }
}

pub async fn nonce_stays_used_after_a_restart(database: TestDatabase) {
    let store = database.with_execution().await;
    let done = append("f", "e", &[event("StepEntered")], None);
    store
        .inner
        .append_execution_events(done, Some(nonce(1)))
        .await
        .unwrap()
        .unwrap();
    let refused = store
        .inner
        .create_flow(flow("f"), Some(nonce(2)))
        .await
        .unwrap();
    assert_eq!(refused.unwrap_err(), Refusal::FlowAlreadyExists);
    store.close().await;
    let store = database.open().await.inner;
    for used in 1..=2 {
        assert_eq!(
            outcomes(&*store, nonce(used)).await,
            ALL_USED,
            "nonce {used}"
        );
    }
}

pub async fn write_with_a_used_nonce_changes_nothing(database: TestDatabase) {
    let store = database.with_execution().await;
    store
        .inner
        .create_flow(flow("g"), Some(nonce(1)))
        .await
        .unwrap()
        .unwrap();
    let inner = &store.inner;
    let created = inner.create_flow(flow("h"), Some(nonce(1))).await.unwrap();
    assert_eq!(created.unwrap_err(), Refusal::NonceUsed);
    let started = inner
        .start_execution(start("f", "new"), Some(nonce(1)))
        .await
        .unwrap();
    assert_eq!(started.unwrap_err(), Refusal::NonceUsed);
    outcomes(&**inner, nonce(1)).await;
    assert_eq!(store.history("e").await.len(), 1);
    let new = append("f", "new", &[event("StepEntered")], None);
    let new = inner.append_execution_events(new, None).await.unwrap();
    assert_eq!(new.unwrap_err(), Refusal::ExecutionNotExists);
    assert!(
        inner.create_flow(flow("h"), None).await.unwrap().is_ok(),
        "the name is free"
    );
}

pub async fn one_of_many_parallel_writes_with_the_same_nonce_succeeds(database: TestDatabase) {
    let store = database.with_execution().await;
    let replays = (0..64).map(|_| {
        let store = store.inner.clone();
        tokio::spawn(async move {
            let append = append("f", "e", &[event("StepEntered")], None);
            store
                .append_execution_events(append, Some(nonce(1)))
                .await
                .unwrap()
        })
    });
    let mut done = 0;
    for replay in replays.collect::<Vec<_>>() {
        match replay.await.unwrap() {
            Ok(_) => done += 1,
            Err(refusal) => assert_eq!(refusal, Refusal::NonceUsed),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(store.history("e").await.len(), 2);
}

const MINUTE: i64 = 60_000;

/// Returns the nonce of a request. `signed` and `received` are minutes after the start of the test.
fn timed(digest: u8, signed: i64, received: i64) -> Nonce {
    Nonce {
        signed_at: at(signed * MINUTE),
        received_at: at(received * MINUTE),
        ..nonce(digest)
    }
}

async fn refusal(store: &dyn Store, nonce: Nonce) -> Option<Refusal> {
    let append = append("f", "e", &[event("StepEntered")], None);
    let appended = store.append_execution_events(append, Some(nonce)).await;
    appended.unwrap().err()
}

/// Advances tokio's clock by `minutes`, because nonces age by the monotonic clock.
async fn run_for(minutes: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(60 * minutes)).await;
    tokio::time::resume();
}

/// Waits until the store has deleted nonces that were signed at `signed` or later; it then refuses new nonces of that
/// time, because they may be replays.
async fn wait_until_nonces_are_deleted(store: &dyn Store, signed: i64) {
    for tries in 0..=200 {
        let fresh = u8::try_from(50 + tries).unwrap();
        match refusal(store, timed(fresh, signed, 40)).await {
            Some(Refusal::SignedTooEarly(_)) => return,
            _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
    panic!("no nonce was deleted");
}

pub async fn forgotten_nonce_is_refused_by_its_signed_time(database: TestDatabase) {
    let test_store = database.with_execution().await;
    let store = &*test_store.inner;
    let (old, ahead) = (timed(1, 0, 0), timed(2, 120, 120));
    assert_eq!(refusal(store, old).await, None);
    assert_eq!(
        refusal(store, ahead).await,
        None,
        "signed while the server's clock was ahead"
    );
    run_for(32).await;
    assert_eq!(refusal(store, old).await, Some(Refusal::NonceUsed));
    assert_eq!(refusal(store, timed(3, 31, 32)).await, None);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    run_for(32).await;
    wait_until_nonces_are_deleted(store, 0).await;
    let forgotten = Some(Refusal::SignedTooEarly(at(0)));
    assert_eq!(refusal(store, old).await, forgotten);
    assert_eq!(refusal(store, ahead).await, Some(Refusal::NonceUsed));
    assert_eq!(
        refusal(store, timed(4, 60, 64)).await,
        None,
        "signed after the newest deleted nonce"
    );
    test_store.close().await;
    let store = database.open().await.inner;
    // The write at 64 minutes may have let the one that was signed at 31 be forgotten too.
    let refused = refusal(&*store, old).await;
    let is_forgotten = matches!(refused, Some(Refusal::SignedTooEarly(until)) if until >= at(0));
    assert!(is_forgotten, "{refused:?}");
    assert_eq!(refusal(&*store, ahead).await, Some(Refusal::NonceUsed));
}
