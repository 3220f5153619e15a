//! Replay test: a signed write is done once, also when the server is killed during replays of it.

use std::{net::SocketAddr, time::Duration};

use flowledger::clock::Clock;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

use super::{
    crash_run::{ENVIRONMENT, ask, create_flow},
    times,
};
use crate::{
    cli::Process,
    support::{Answer, Call},
};

const REPLAYS: usize = 64;

/// An append without ExpectedEventId, which is not idempotent: a replay would append again.
fn append(acs3: bool) -> Vec<u8> {
    let call = Call::new("AppendExecutionEvents")
        .at(Clock::System.now().millis())
        .form("FlowName", "f")
        .form("ExecutionName", "quiet")
        .form("Events", r#"[{"Type":"StepEntered"}]"#);
    Call { acs3, ..call }.bytes()
}

/// Sends the same bytes over many connections at once. Yields the code of each answer.
fn replay(address: SocketAddr, request: &[u8]) -> JoinSet<Option<String>> {
    let mut replays = JoinSet::new();
    for _ in 0..REPLAYS {
        let request = request.to_vec();
        replays.spawn(async move {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(&request).await.ok()?;
            let answer = Answer::try_read(&mut stream).await.ok()?;
            let code = answer.json["Code"].as_str().unwrap_or("OK");
            Some(code.to_owned())
        });
    }
    replays
}

/// Counts accepted and refused replays; any other answer fails the test.
async fn outcomes(replays: JoinSet<Option<String>>) -> (usize, usize) {
    let (mut accepted, mut refused) = (0, 0);
    for code in replays.join_all().await.into_iter().flatten() {
        match code.as_str() {
            "OK" => accepted += 1,
            "SignatureNonceUsed" => refused += 1,
            _ => panic!("{code}"),
        }
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn write_is_done_once_when_the_server_is_killed_amid_its_replays() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || Process::serve(folder.path(), &[], &ENVIRONMENT);
    let mut server = serve();
    create_flow(server.address).await;
    let rounds = times("REPLAY_KILLS", 20, 4);
    let (mut done, mut before, mut after, mut refusals) = (0, 0, 0, 0);
    for round in 0..rounds {
        let request = append(round % 2 == 1);
        let replays = replay(server.address, &request);
        sleep(Duration::from_millis((round % 10).into())).await;
        drop(server); // SIGKILL
        let (accepted, refused) = outcomes(replays).await;
        server = serve();
        let (accepted_later, refused_later) = outcomes(replay(server.address, &request)).await;
        assert!(
            accepted + accepted_later <= 1,
            "{accepted} and {accepted_later}"
        );
        let history = Call::new("GetExecutionHistory")
            .at(Clock::System.now().millis())
            .query("FlowName", "f")
            .query("ExecutionName", "quiet")
            .query("Limit", "1000");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let events = &ask(&mut stream, &history).await["Events"];
        done += 1;
        assert_eq!(events.as_array().unwrap().len(), 1 + done, "{events}");
        before += accepted;
        after += accepted_later;
        refusals += refused + refused_later;
    }
    println!(
        "{rounds} writes, each sent {REPLAYS} times before a kill and {REPLAYS} times after it: \
         {before} acknowledged before, {after} after, {refusals} replays refused, each done once"
    );
}
