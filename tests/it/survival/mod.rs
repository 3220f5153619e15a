//! What the ledger survives: each promise broken by force, and what came of it counted.

mod client;
mod crash;
mod damage;
mod faults;
mod full;
mod fuzz;
mod hostile;
mod overload;
mod power;
mod process;
mod replay;
mod slow;
mod stop;
mod trial;

/// How often a test does its work: as the variable says, else so often in CI and so often elsewhere.
fn times(variable: &str, in_ci: u32, elsewhere: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or_else(
        || {
            if std::env::var_os("CI").is_some() {
                in_ci
            } else {
                elsewhere
            }
        },
        |times| times.parse().expect(variable),
    )
}
