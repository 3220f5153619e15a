//! Counts what a request costs in units that need no clock: instructions, SQLite statements, context switches.
//! Fails when a count exceeds its bound.

use std::{fs, path::Path};

use crate::{
    callgrind::Profile,
    process, report,
    served::{self, EXECUTION, Served},
};

/// The quantities that are counted for one request.
const COUNTED: [&str; 5] = [
    "instructions without the signature",
    "instructions of the signature check",
    "statements compiled",
    "statement steps",
    "context switches",
];

/// Makes a request of one kind, with a new nonce each time.
type Request = fn() -> Vec<u8>;

/// One number for each of `COUNTED`, in its order.
type Counts = [f64; COUNTED.len()];

/// Each kind of request with its bounds: 10 to 15 % above what was counted. Context switches vary, so their bound
/// is half above the most that was ever counted. A change that makes a request cheaper lowers its bound; one that
/// makes it dearer for a good reason raises it.
const BOUNDS: [(&str, Request, Counts); 5] = [
    ("page of 1", || page(1), [140e3, 24e3, 0.1, 2.1, 12.]),
    ("page of 100", || page(100), [515e3, 24e3, 0.1, 2.1, 12.]),
    // Under valgrind such a page is slow enough that the store's periodic work adds steps.
    ("page of 1000", || page(1000), [4000e3, 25e3, 0.1, 2.3, 12.]),
    ("append of 1", || append(1), [335e3, 37e3, 0.1, 3.1, 30.]),
    ("append of 10", || append(10), [690e3, 155e3, 0.1, 3.1, 30.]),
];

/// Warm-up requests of each kind in every profile, so that the cost of first requests cancels out.
const WARM_UP: usize = 20;
/// Counted requests of one kind.
const REQUESTS: usize = 200;
/// Rounds in which context switches are counted. The least of them counts, because other load adds some.
const ROUNDS: usize = 3;

/// The execution that appends go to.
const APPENDED: &str = "written";

fn page(limit: i64) -> Vec<u8> {
    served::page(EXECUTION, 1, limit)
}

fn append(count: i64) -> Vec<u8> {
    served::append(APPENDED, 2, count)
}

/// Copies a database with its run file: without it, the server would refuse writes signed before its start.
fn copy(folder: &Path, from: &str, to: &str) {
    for suffix in ["", ".run"] {
        let path = |name: &str| folder.join(format!("{name}{suffix}"));
        fs::copy(path(from), path(to)).unwrap();
    }
}

/// Returns callgrind's counts, in the order of `COUNTED`, for the warm-up and then [`REQUESTS`] times `request`.
fn profile(folder: &Path, request: Option<Request>) -> [f64; 4] {
    copy(folder, "filled.db", "bench.db");
    let of_each = BOUNDS.map(|(_, request, _)| [request; WARM_UP]);
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

/// Returns the context switches of the server's threads for one request, counted without valgrind.
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
    served::start_execution(&mut server.connect(1), APPENDED);
    server.stop();
    copy(&folder, "bench.db", "filled.db");

    let before = profile(&folder, None);
    let mut exceeded = Vec::new();
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
                exceeded.push(format!("{name}: {what} {cell}"));
            }
            cells.push(cell);
        }
        report::line(&cells);
    }
    let exceeded = exceeded.join("\n");
    assert!(exceeded.is_empty(), "bounds exceeded:\n{exceeded}");
}

fn short(count: f64) -> String {
    if count >= 1000. {
        format!("{:.0}k", count / 1000.)
    } else {
        format!("{count:.1}")
    }
}
