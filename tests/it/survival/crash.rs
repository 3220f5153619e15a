//! Crash test: a server that is killed at random moments keeps everything that it acknowledged, whole, once and
//! in order.

use std::{process::Stdio, time::Duration};

use proptest::prelude::RngExt;

use super::{
    crash_run::{CrashRun, ENVIRONMENT},
    times,
};
use crate::cli::command;

#[tokio::test(flavor = "multi_thread")]
async fn killed_server_loses_no_acknowledged_append() {
    let folder = tempfile::tempdir().unwrap();
    let url = "sqlite://killed.db";
    let mut crash_run = CrashRun::new();
    for _ in 0..times("CRASH_CYCLES", 50, 5) {
        // Dropping the process kills it by SIGKILL.
        crash_run.cycle(folder.path(), url, drop).await;
        if crash_run.random.random_ratio(1, 5) {
            // Kill another one while it starts and recovers.
            let mut starting = command(
                folder.path(),
                &["serve", "--listen", "127.0.0.1:0", "--database-url", url],
            );
            let starting = starting
                .envs(ENVIRONMENT)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut starting = starting.spawn().unwrap();
            let moment = Duration::from_millis(crash_run.random.random_range(0..60));
            tokio::time::sleep(moment).await;
            starting.kill().unwrap();
            starting.wait().unwrap();
        }
    }
    crash_run.finish(folder.path(), url).await;
}
