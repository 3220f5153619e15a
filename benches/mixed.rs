//! Readers and appenders together for minutes: shows whether throughput, latency or memory degrades. Writes
//! docs/mixed.svg.

use std::{fs, path::Path, sync::Mutex, thread, time::Duration};

use crate::{
    plot::{self, Panel},
    process,
    report::{self, now},
    served::{self, Served},
};

/// Connections of each kind. A reader sends its next request when it has its page; an appender pauses between
/// appends, so that the events of ten minutes fit on the disk.
const EACH: usize = 16;
const PAUSE: Duration = Duration::from_millis(30);
/// Events that each history has before the run; readers read these.
const HISTORY: i64 = 1000;
/// Samples of a run: the points of each line of the plot.
const SAMPLES: u64 = 120;

/// The latency, in milliseconds, of each request that was answered since the last sample.
#[derive(Default)]
struct Window {
    pages: Vec<f64>,
    appends: Vec<f64>,
}

/// One value for each of `QUANTITIES`, in its order.
type Sample = [f64; 6];
const QUANTITIES: [&str; 6] = [
    "pages of 100 a second",
    "p99 of a page, ms",
    "appends of 10 a second",
    "p99 of an append, ms",
    "write-ahead log, MiB",
    "anonymous memory, MiB",
];

pub fn run(seconds: u64) {
    let folder = served::folder("mixed");
    let server = Served::start(&folder);
    let mut client = server.connect(1);
    served::create_flow(&mut client);
    for nth in 0..EACH {
        served::start_execution(&mut client, &name(nth));
        served::fill(&mut client, &name(nth), HISTORY);
    }

    let window = Mutex::new(Window::default());
    let begun = now();
    let end = begun + Duration::from_secs(seconds);
    let page = |nth, count: usize| {
        let first = i64::try_from(count * 101).unwrap() % (HISTORY - 100);
        served::page(&name(nth), 1 + first, 100)
    };
    let append = |nth, _| served::append(&name(nth), 2, 10);
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let samples: Vec<Sample> = thread::scope(|scope| {
        scope.spawn(|| {
            let answered = |took| window.lock().unwrap().pages.push(millis(took));
            server
                .connect(EACH)
                .until(end, Duration::ZERO, page, answered);
        });
        scope.spawn(|| {
            let answered = |took| window.lock().unwrap().appends.push(millis(took));
            server.connect(EACH).until(end, PAUSE, append, answered);
        });
        let count = SAMPLES.min(seconds);
        let length = Duration::from_secs(seconds) / u32::try_from(count).unwrap();
        let sample = |nth| {
            thread::sleep((begun + length * nth).saturating_duration_since(now()));
            let window = std::mem::take(&mut *window.lock().unwrap());
            sample(&server, &folder, window, length.as_secs_f64())
        };
        (1..=u32::try_from(count).unwrap()).map(sample).collect()
    });
    print(seconds, &samples);
    draw(seconds, &samples);
}

fn name(nth: usize) -> String {
    format!("mixed-{nth}")
}

fn sample(server: &Served, folder: &Path, window: Window, seconds: f64) -> Sample {
    const MIB: f64 = (1 << 20) as f64;
    let log = fs::metadata(folder.join("bench.db-wal")).map_or(0, |log| log.len());
    [
        window.pages.len() as f64 / seconds,
        percentile_99(window.pages),
        window.appends.len() as f64 / seconds,
        percentile_99(window.appends),
        log as f64 / MIB,
        process::anonymous_bytes(server.id()) as f64 / MIB,
    ]
}

fn percentile_99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() * 99 / 100)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Prints the medians of the first and the last tenth of the run, and the maximum.
fn print(seconds: u64, samples: &[Sample]) {
    let tenth = samples.len().div_ceil(10);
    let title = format!("Readers and appenders together, {seconds} seconds");
    report::head(&title, &["", "first tenth", "last tenth", "most"]);
    for (at, what) in QUANTITIES.iter().enumerate() {
        let of = |samples: &[Sample]| samples.iter().map(|sample| sample[at]).collect::<Vec<_>>();
        let first = report::median(of(&samples[..tenth]));
        let last = report::median(of(&samples[samples.len() - tenth..]));
        let most = of(samples).into_iter().fold(0., f64::max);
        let cells = [first, last, most].map(|value| format!("{value:.1}"));
        report::line(&[&[(*what).to_owned()][..], &cells].concat());
    }
}

fn draw(seconds: u64, samples: &[Sample]) {
    let of = |at: usize| samples.iter().map(|sample| sample[at]).collect();
    let panels = [
        Panel {
            title: "p99 latency, ms",
            lines: vec![("page of 100", of(1)), ("append of 10", of(3))],
        },
        Panel {
            title: QUANTITIES[4],
            lines: vec![("", of(4))],
        },
        Panel {
            title: QUANTITIES[5],
            lines: vec![("", of(5))],
        },
    ];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mixed.svg");
    fs::write(&file, plot::svg(seconds as f64, &panels)).unwrap();
}
