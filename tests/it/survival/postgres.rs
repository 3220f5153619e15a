//! Crash tests on PostgreSQL: FlowLedger processes append to the same executions, while the database server, or one of
//! them, is killed at random moments.

use tokio::time::sleep;

use super::{
    crash_run::{CrashRun, ENVIRONMENT},
    times,
};
use crate::{
    cli::Process,
    support::backend::{Backend, Cluster},
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_database_server_or_process_loses_no_acknowledged_append() {
    if Backend::postgres().is_none() {
        return;
    }
    let cluster = Cluster::create().unwrap();
    cluster.start(&[]);
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url(""));
    let mut crash_run = CrashRun::new();
    for cycle in 0..times("POSTGRES_CYCLES", 6, 3) {
        let first = crash_run.start(folder.path(), &url).await;
        let another = || Process::serve(folder.path(), &["--database-url", &url], &ENVIRONMENT);
        let (second, third) = (another(), another());
        let servers = [&first, &second, &third].map(|server| server.address);
        let work = crash_run.work(&servers);
        sleep(crash_run.moment()).await;
        match cycle % 3 {
            2 => drop(third), // by SIGKILL
            kind => tokio::task::block_in_place(|| {
                if kind == 0 {
                    cluster.kill()
                } else {
                    cluster.crash()
                }
                cluster.start(&[]);
            }),
        }
        sleep(crash_run.moment()).await;
        crash_run.rest(work).await;
    }
    crash_run.finish(folder.path(), &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promoted_synchronous_standby_has_every_acknowledged_append() {
    if Backend::postgres().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut crash_run = CrashRun::new();
    let mut primary = Cluster::create().unwrap();
    primary.start(&[]);
    for _ in 0..times("PROMOTIONS", 3, 1) {
        let standby = primary.start_standby().await;
        let server = crash_run.start(folder.path(), &primary.url("")).await;
        let work = crash_run.work(&[server.address]);
        sleep(crash_run.moment()).await;
        tokio::task::block_in_place(|| primary.kill());
        drop(server); // it would try for some seconds to reach the old primary
        crash_run.rest(work).await;
        tokio::task::block_in_place(|| standby.promote());
        primary = standby;
    }
    // A primary waits for the standby that it had.
    crash_run.finish(folder.path(), &primary.url("")).await;
}
