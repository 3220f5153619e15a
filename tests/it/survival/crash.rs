//! A server that is killed at random moments has everything that it acknowledged, whole, once and in order.

use std::{process::Stdio, time::Duration};

use proptest::prelude::RngExt;

use super::{
    times,
    trial::{ENVIRONMENT, Trial},
};
use crate::cli::command;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let url = "sqlite://killed.db";
    let mut trial = Trial::new();
    for _ in 0..times("CRASH_CYCLES", 50, 5) {
        // Dropped is killed by SIGKILL.
        trial.cycle(folder.path(), url, drop).await;
        if trial.random.random_ratio(1, 5) {
            // Killed while it starts, and mends what the last one left.
            let mut starting = command(
                folder.path(),
                &["serve", "--listen", "127.0.0.1:0", "--database-url", url],
            );
            let starting = starting
                .envs(ENVIRONMENT)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut starting = starting.spawn().unwrap();
            let moment = Duration::from_millis(trial.random.random_range(0..60));
            tokio::time::sleep(moment).await;
            starting.kill().unwrap();
            starting.wait().unwrap();
        }
    }
    trial.finish(folder.path(), url).await;
}
