//! Pages of several sizes at several concurrencies, compared with four floors. Only the server checks signatures.

use std::{fs, path::Path, sync::Arc, time::Duration};

use flowledger::{
    clock::Clock,
    model::Name,
    store::{self, HistoryQuery},
};
use tokio::runtime::Runtime;

use crate::{
    events::FLOW,
    floor::{http::HttpFloor, rows::Rows, sqlite::Readers},
    load::Connections,
    report::{self, Contender, timed},
    served::{self, EXECUTION, Served},
};

/// Threads of the floors that run in this process: the cores that the server and its client share.
const THREADS: usize = 2;

/// The store alone, in this process. What a request costs beyond it is HTTP, signature and log.
struct InProcess {
    runtime: Runtime,
    store: Arc<dyn store::Store>,
}

impl InProcess {
    fn open(file: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let url = format!("sqlite://{}", file.display());
        let store = runtime
            .block_on(store::open(&url, Clock::System.now()))
            .unwrap();
        InProcess { runtime, store }
    }

    fn read(&self, limit: i64, pages: usize, at_once: usize) -> (usize, Duration) {
        let share = pages / at_once;
        let read = |store: Arc<dyn store::Store>| async move {
            let flow = Name::parse(FLOW).unwrap();
            let execution = Name::parse(EXECUTION).unwrap();
            for _ in 0..share {
                let query = HistoryQuery::range(1, limit);
                let page = store.get_execution_history(&flow, &execution, &query).await;
                std::hint::black_box(page.unwrap().unwrap());
            }
        };
        let elapsed = timed(|| {
            self.runtime.block_on(async {
                let tasks: Vec<_> = (0..at_once)
                    .map(|_| tokio::spawn(read(self.store.clone())))
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
        (share * at_once, elapsed)
    }
}

pub fn run() {
    let folder = served::filled("pages");
    let [ours, theirs] = ["ours.db", "rows.db"].map(|name| folder.join(name));
    fs::copy(folder.join("bench.db"), &ours).unwrap();
    fs::copy(folder.join("bench.db"), &theirs).unwrap();

    let server = Served::start(&folder);
    let store = InProcess::open(&ours);
    let rows = Rows::open(&theirs);
    report::head(
        "Pages over HTTP, signatures checked",
        &[
            "events",
            "connections",
            "pages/s",
            "/ SQLite behind HTTP",
            "/ fixed bytes",
            "/ SQLite",
            "/ fetch_all",
            "store / SQLite",
        ],
    );
    for limit in [1, 60, 100, 1000] {
        let pages = if limit == 1000 { 640 } else { 3200 };
        for at_once in [1, 16, 64] {
            let mut readers = Readers::open(&folder.join("bench.db"), THREADS.min(at_once));
            let mut client = server.connect(at_once);
            let body = client.body(&served::page(EXECUTION, 1, limit));
            let fixed = HttpFloor::fixed_bytes(&folder, &body);
            let mut fixed_client = Connections::open(fixed.address, at_once);
            let behind_http = HttpFloor::sqlite(&folder.join("bench.db"));
            let mut sqlite_client = Connections::open(behind_http.address, at_once);
            let requests = || -> Vec<_> {
                let page = |_| served::page(EXECUTION, 1, limit);
                (0..pages).map(page).collect()
            };
            // The floors check neither signature nor nonce, so they may get the same requests each round.
            let unchecked = requests();
            let rates = report::alternate(&mut [
                Box::new(|| (pages, client.send(&requests()))) as Contender<'_>,
                Box::new(|| (pages, sqlite_client.send(&unchecked))),
                Box::new(|| (pages, fixed_client.send(&unchecked))),
                Box::new(|| readers.read(limit, pages)),
                Box::new(|| rows.read(limit, pages, at_once)),
                Box::new(|| store.read(limit, pages, at_once)),
            ]);
            report::line(&[
                limit.to_string(),
                at_once.to_string(),
                format!("{:.0}", rates.of(0)),
                format!("{:.2}", rates.ratio(0, 1)),
                format!("{:.2}", rates.ratio(0, 2)),
                format!("{:.2}", rates.ratio(0, 3)),
                format!("{:.2}", rates.ratio(0, 4)),
                format!("{:.2}", rates.ratio(5, 3)),
            ]);
        }
    }
}
