//! Shows what grows with the number of stored events: a database of a hundred thousand, a million and ten million
//! events, compared with a small one.

use std::{fs, path::Path};

use flowledger::{
    clock::Clock,
    model::{Name, Timestamp, event::Batch},
    store::{self, AppendRequest, StartExecution},
};

use crate::{
    events::{FLOW, new_event},
    process,
    report::{self, Contender, now},
    served::{self, Served},
};

/// Events of each execution.
const HISTORY: i64 = 1000;
/// Executions of the small database, and of the large one in each step.
const SMALL: i64 = 10;
const SIZES: [i64; 3] = [100, 1_000, 10_000];

/// Executions that are filled in parallel. There is one writer, so more would only queue.
const FILLED_AT_ONCE: i64 = 8;

const CONNECTIONS: usize = 16;
const REQUESTS: i64 = 640;

/// Runs the steps of at most `events` stored events.
pub fn run(events: i64) {
    let [small, large] = ["scale-small", "scale"].map(served::folder);
    begin(&large);
    let mut filled = 0;
    report::head(
        "Database size",
        &[
            "stored events",
            "page of 100, µs",
            "/ small",
            "append of 10, µs",
            "/ small",
            "start to first answer, ms",
            "memory idle, MiB",
            "under load",
            "bytes per event",
            "bytes per byte of detail",
        ],
    );
    for size in SIZES.into_iter().filter(|size| size * HISTORY <= events) {
        fill(&large, filled..size);
        filled = size;
        let bytes = fs::metadata(large.join("bench.db")).unwrap().len() as f64;
        let [first_answer, idle, loaded] = alone(&large, size);
        begin(&small);
        fill(&small, 0..SMALL);
        let [page, page_ratio, append, append_ratio] = beside(&small, &large, size);
        let events = (size * HISTORY) as f64;
        let details: usize = (2..=HISTORY)
            .map(|id| new_event(id).event_detail.len())
            .sum();
        report::line(&[
            (size * HISTORY).to_string(),
            format!("{page:.0}"),
            format!("{page_ratio:.2}"),
            format!("{append:.0}"),
            format!("{append_ratio:.2}"),
            format!("{first_answer:.1}"),
            format!("{idle:.1}"),
            format!("{loaded:.1}"),
            format!("{:.0}", bytes / events),
            format!("{:.2}", bytes / (details as f64 * size as f64)),
        ]);
    }
    fs::remove_dir_all(large).unwrap();
}

/// Creates a new database with the flow.
fn begin(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir_all(folder).unwrap();
    let server = Served::start(folder);
    served::create_flow(&mut server.connect(1));
    server.stop();
}

/// Adds the executions of these numbers through the store, because HTTP would take several times as long.
#[tokio::main]
async fn fill(folder: &Path, executions: std::ops::Range<i64>) {
    let url = format!("sqlite://{}", folder.join("bench.db").display());
    let store = store::open(&url, Clock::System.now()).await.unwrap();
    let flow = Name::parse(FLOW).unwrap();
    let millis = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let at = Timestamp::from_millis(i64::try_from(millis).unwrap()).unwrap();
    let share = async |nth: i64| {
        for number in executions
            .clone()
            .filter(|number| number % FILLED_AT_ONCE == nth)
        {
            let (flow, name) = (flow.clone(), Name::parse(&name(number)).unwrap());
            let start = StartExecution {
                flow: flow.clone(),
                name: name.clone(),
                input: "{}".to_owned(),
                at,
            };
            store.start_execution(start, None).await.unwrap().unwrap();
            let events = (2..=HISTORY).map(new_event).collect();
            let append = AppendRequest {
                flow,
                execution: name,
                batch: Batch::new(events, Some(2)).unwrap(),
                at,
            };
            store
                .append_execution_events(append, None)
                .await
                .unwrap()
                .unwrap();
        }
    };
    futures_util::future::join_all((0..FILLED_AT_ONCE).map(share)).await;
    store.close().await;
}

/// The `nth` of `count` executions, all over the file.
fn any(nth: i64, count: i64) -> String {
    name(nth * 7919 % count)
}

fn name(number: i64) -> String {
    format!("e-{number}")
}

fn pages(executions: i64, limit: i64) -> Vec<Vec<u8>> {
    let page = |nth| {
        let first = 1 + nth * 101 % (HISTORY - limit + 1);
        served::page(&any(nth, executions), first, limit)
    };
    (0..REQUESTS).map(page).collect()
}

fn appends(executions: i64, events: i64) -> Vec<Vec<u8>> {
    let append = |nth| served::append(&any(nth, executions), 2, events);
    (0..REQUESTS).map(append).collect()
}

/// Returns the milliseconds from the start of the process to its first page, its anonymous memory in MiB then, and
/// the peak of that under load. The requests are so few that their nonces do not count.
fn alone(folder: &Path, executions: i64) -> [f64; 3] {
    let first = served::page(&any(1, executions), 1, 100);
    let start = || {
        let begun = now();
        let server = Served::start(folder);
        server.connect(1).body(&first);
        (begun.elapsed().as_secs_f64() * 1e3, server)
    };
    let times = (0..report::ROUNDS).map(|_| {
        let (millis, server) = start();
        server.stop();
        millis
    });
    let first_answer = report::median(times.collect());
    let (_, server) = start();
    let idle = process::anonymous_bytes(server.id());
    let mut client = server.connect(64);
    let (pages, appends) = (pages(executions, HISTORY), appends(executions, 100));
    let loaded = process::peak_while(server.id(), || {
        client.send(&pages);
        client.send(&appends);
    });
    server.stop();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    [first_answer, mib(idle), mib(loaded)]
}

/// Returns the cost of a page and of an append in microseconds, each followed by its ratio to the small database.
fn beside(small: &Path, large: &Path, executions: i64) -> [f64; 4] {
    let servers = [small, large].map(Served::start);
    let [mut small, mut large] = servers.each_ref().map(|server| server.connect(CONNECTIONS));
    let count = usize::try_from(REQUESTS).unwrap();
    let mut compare = |requests: fn(i64, i64) -> Vec<Vec<u8>>, events| -> [f64; 2] {
        let rates = report::alternate(&mut [
            Box::new(|| (count, small.send(&requests(SMALL, events)))) as Contender<'_>,
            Box::new(|| (count, large.send(&requests(executions, events)))),
        ]);
        [rates.micros(1), 1. / rates.ratio(1, 0)]
    };
    let [page, page_ratio] = compare(pages, 100);
    let [append, append_ratio] = compare(appends, 10);
    [page, page_ratio, append, append_ratio]
}
