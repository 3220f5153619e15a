//! What the ledger survives: each promise broken by force, and what came of it counted.

mod crash;
mod damage;
mod fuzz;
mod power;
mod replay;
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
mod hostile;
//! What a server survives. Each subject is small here and long by an environment variable; see
//! docs/RELIABILITY.md.

mod client;
mod overload;
mod slow;
