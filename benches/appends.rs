//! Durable appends of several sizes at several concurrencies, compared with a plain SQLite writer that has the
//! same group commit, and with the disk's `fdatasync`.

use crate::{
    floor::writer,
    report::{self, Contender},
    served::{self, Served},
};

pub fn run() {
    let folder = served::folder("appends");
    let server = Served::start(&folder);
    served::create_flow(&mut server.connect(1));
    report::head(
        "Durable appends over HTTP, signatures checked",
        &[
            "events",
            "connections",
            "appends/s",
            "events/s",
            "/ plain writer",
            "/ fdatasync",
            "plain writer/s",
            "fdatasync/s",
        ],
    );
    for events in [1, 10, 100] {
        for at_once in [1, 16, 64, 256] {
            let mut client = server.connect(at_once);
            // One execution for each connection, as in the floor.
            let appends = if events == 100 { 640 } else { 2560 };
            let per_client = (appends / at_once).clamp(4, 200);
            let names: Vec<_> = (0..at_once)
                .map(|n| format!("e-{events}-{at_once}-{n}"))
                .collect();
            for name in &names {
                served::start_execution(&mut client, name);
            }
            let mut next = 2;
            let rates = report::alternate(&mut [
                Box::new(|| {
                    let requests: Vec<_> = (0..per_client)
                        .flat_map(|batch| {
                            let first = next + batch as i64 * events;
                            names
                                .iter()
                                .map(move |name| served::append(name, first, events))
                        })
                        .collect();
                    next += per_client as i64 * events;
                    (requests.len(), client.send(&requests))
                }) as Contender<'_>,
                Box::new(|| writer::append(&folder, at_once as i64, per_client as i64, events)),
                Box::new(|| writer::fdatasync(&folder, 200)),
            ]);
            report::line(&[
                events.to_string(),
                at_once.to_string(),
                format!("{:.0}", rates.of(0)),
                format!("{:.0}", rates.of(0) * events as f64),
                format!("{:.2}", rates.ratio(0, 1)),
                format!("{:.1}", rates.ratio(0, 2)),
                format!("{:.0}", rates.of(1)),
                format!("{:.0}", rates.of(2)),
            ]);
        }
    }
}
