//! Runs contenders in turn, and prints medians as Markdown tables.

use std::time::{Duration, Instant};

/// Measured rounds of a comparison; results are the median over them.
pub const ROUNDS: usize = 5;

/// Something to measure. Each call returns the units of work done and the time they took.
pub type Contender<'a> = Box<dyn FnMut() -> (usize, Duration) + 'a>;

/// Units a second of each contender in each round.
pub struct Rates(Vec<Vec<f64>>);

/// Runs the contenders in turn, so that other load on the machine affects all of them alike.
pub fn alternate(contenders: &mut [Contender<'_>]) -> Rates {
    let mut rates = vec![Vec::new(); contenders.len()];
    for round in 0..=ROUNDS {
        for (contender, rates) in contenders.iter_mut().zip(&mut rates) {
            let (units, elapsed) = contender();
            if round > 0 {
                // The first round is the warm-up.
                rates.push(units as f64 / elapsed.as_secs_f64());
            }
        }
    }
    Rates(rates)
}

impl Rates {
    /// Returns the median rate of one contender, in units a second.
    pub fn of(&self, contender: usize) -> f64 {
        median(self.0[contender].clone())
    }

    /// Returns the median cost of a unit, in microseconds.
    pub fn micros(&self, contender: usize) -> f64 {
        1e6 / self.of(contender)
    }

    /// Returns the median, over the rounds, of one contender's rate divided by another's in the same round.
    pub fn ratio(&self, contender: usize, floor: usize) -> f64 {
        let pairs = self.0[contender].iter().zip(&self.0[floor]);
        median(pairs.map(|(rate, floor)| rate / floor).collect())
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns how long `work` takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let begun = now();
    work();
    begun.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Prints the title and the head of a Markdown table.
pub fn head(title: &str, columns: &[&str]) {
    println!("\n### {title}\n\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Prints a line of a Markdown table.
pub fn line(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}
