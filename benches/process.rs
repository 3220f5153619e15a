//! Reads memory and context switches of a process from `/proc`.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// Returns the anonymous memory of a process in bytes (`RssAnon`, without mapped files).
pub fn anonymous_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    field(&status, "RssAnon") * 1024
}

/// Returns the peak of [`anonymous_bytes`] while `work` runs.
pub fn peak_while(process: u32, work: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Relaxed) {
                peak = peak.max(anonymous_bytes(process));
                thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        work();
        done.store(true, Relaxed);
        watch.join().unwrap()
    })
}

/// Returns the voluntary and involuntary context switches of all threads of a process.
pub fn switches(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of_one = |thread: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        field(&status, "voluntary_ctxt_switches") + field(&status, "nonvoluntary_ctxt_switches")
    };
    threads.map(of_one).sum()
}

fn field(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim().trim_end_matches(" kB"))
    });
    value.expect(name).parse().unwrap()
}
