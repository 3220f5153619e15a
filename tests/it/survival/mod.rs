//! Fault injection and load tests. They count their outcomes; docs/RELIABILITY.md describes each test and quotes the
//! counts of its last long run.

mod client;
mod crash;
mod crash_run;
mod damage;
mod faults;
mod full;
mod fuzz;
mod hostile;
mod one_file;
mod overload;
mod postgres;
mod power;
mod process;
mod replay;
mod restore;
mod slow;
mod stop;
mod wal;

/// Repetitions of a test: the value of the variable, or the default in CI or outside CI.
fn times(variable: &str, in_ci: u32, outside_ci: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or_else(
        || {
            if std::env::var_os("CI").is_some() {
                in_ci
            } else {
                outside_ci
            }
        },
        |times| times.parse().expect(variable),
    )
}
