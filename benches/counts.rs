//! What a request costs in units that need no clock: instructions, statements, changes of threads. Fails
//! when one of them passes its bound.

use std::{fs, path::Path};

use crate::{
    callgrind::Profile,
    process, report,
    served::{self, EXECUTION, Served},
};

/// What is counted of one request.
const COUNTED: [&str; 5] = [
    "instructions but for the signature",
    "instructions for the signature",
    "statements compiled",
    "steps of statements",
    "changes of threads",
];

/// Makes a request of some kind, another one each time.
type Request = fn() -> Vec<u8>;

/// In the order of `COUNTED`.
type Counts = [f64; COUNTED.len()];

/// A request, and the most of each that it may cost: 10 to 15 % above what was counted, half above the most that
/// was ever counted for changes of threads, which vary. Whoever makes a request dearer for a good reason moves
/// its bound; whoever makes one cheaper, too.
const BOUNDS: [(&str, Request, Counts); 5] = [
    ("page of 1", || page(1), [140e3, 24e3, 0.1, 2.1, 12.]),
    ("page of 100", || page(100), [515e3, 24e3, 0.1, 2.1, 12.]),
    ("page of 1000", || page(1000), [4000e3, 25e3, 0.1, 2.1, 12.]),
    ("append of 1", || append(1), [335e3, 37e3, 0.1, 3.1, 30.]),
    ("append of 10", || append(10), [690e3, 155e3, 0.1, 3.1, 30.]),
];

/// Requests of each kind that every profile has, so that what the first ones cost is in none.
const BEFORE: usize = 20;
/// Requests of the kind that is counted.
const REQUESTS: usize = 200;
/// Rounds in which changes of threads are counted; the least of them counts, because a crowded machine adds some.
const ROUNDS: usize = 3;

/// The execution that is written to.
const WRITTEN: &str = "written";

fn page(limit: i64) -> Vec<u8> {
    served::page(EXECUTION, 1, limit)
}

fn append(count: i64) -> Vec<u8> {
    served::append(WRITTEN, 2, count)
}

/// What callgrind counts, in the order of `COUNTED`, when `request` follows those of `BEFORE`.
fn profile(folder: &Path, request: Option<Request>) -> [f64; 4] {
    fs::copy(folder.join("filled.db"), folder.join("bench.db")).unwrap();
    let of_each = BOUNDS.map(|(_, request, _)| [request; BEFORE]);
    let counted = request.map_or(vec![], |request| vec![request; REQUESTS]);
    let requests = of_each.as_flattened().iter().chain(&counted);
    let requests: Vec<_> = requests.map(|request| request()).collect();
    let profile = Profile::of(folder, &requests);
    let (_, signature) = profile.calls("flowledger::auth::Authenticator::authenticate");
    let (compiled, _) = profile.calls("sqlite3_prepare");
    let (steps, _) = profile.calls("sqlite3_step");
    let others = profile.instructions() - signature;
    [others, signature, compiled, steps].map(|count| count as f64)
}

/// How often one of the server's threads waits or is put aside for one request, on the machine itself.
fn switches(server: &Served, request: Request) -> f64 {
    let mut client = server.connect(1);
    let mut round = || {
        let requests: Vec<_> = (0..REQUESTS).map(|_| request()).collect();
        let before = process::switches(server.id());
        client.send(&requests);
        let after = process::switches(server.id());
        (after - before) as f64 / REQUESTS as f64
    };
    round();
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}

pub fn run() {
    let folder = served::filled("counts");
    let server = Served::start(&folder);
    served::start_execution(&mut server.connect(1), WRITTEN);
    server.stop();
    fs::copy(folder.join("bench.db"), folder.join("filled.db")).unwrap();

    let before = profile(&folder, None);
    let mut passed = Vec::new();
    report::head(
        "Counts of a request, and their bounds",
        &[&["request"][..], &COUNTED].concat(),
    );
    for (name, request, bounds) in BOUNDS {
        let after = profile(&folder, Some(request));
        let server = Served::start(&folder);
        let of_one = |nth: usize| (after[nth] - before[nth]) / REQUESTS as f64;
        let counts = [
            of_one(0),
            of_one(1),
            of_one(2),
            of_one(3),
            switches(&server, request),
        ];
        server.stop();
        let mut cells = vec![name.to_owned()];
        for ((count, bound), what) in counts.into_iter().zip(bounds).zip(COUNTED) {
            let cell = format!("{} (≤ {})", short(count), short(bound));
            if count > bound {
                passed.push(format!("{name}: {what} {cell}"));
            }
            cells.push(cell);
        }
        report::line(&cells);
    }
    let passed = passed.join("\n");
    assert!(passed.is_empty(), "bounds are passed:\n{passed}");
}

fn short(count: f64) -> String {
    if count >= 1000. {
        format!("{:.0}k", count / 1000.)
    } else {
        format!("{count:.1}")
    }
}
