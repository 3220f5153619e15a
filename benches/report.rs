//! Contenders in turn, medians, and the lines of a table.

use std::time::{Duration, Instant};

/// Rounds of a comparison; the median of them counts.
pub const ROUNDS: usize = 5;

/// Something that is measured: how many units of work it did in what time.
pub type Contender<'a> = Box<dyn FnMut() -> (usize, Duration) + 'a>;

/// Units a second of each contender, round by round.
pub struct Rates(Vec<Vec<f64>>);

/// Lets the contenders take turns, so that what disturbs the machine disturbs all of them.
pub fn alternate(contenders: &mut [Contender<'_>]) -> Rates {
    let mut rates = vec![Vec::new(); contenders.len()];
    for round in 0..=ROUNDS {
        for (contender, rates) in contenders.iter_mut().zip(&mut rates) {
            let (units, elapsed) = contender();
            if round > 0 {
                // The first round warms up.
                rates.push(units as f64 / elapsed.as_secs_f64());
            }
        }
    }
    Rates(rates)
}

impl Rates {
    /// The median rate of one contender.
    pub fn of(&self, contender: usize) -> f64 {
        median(self.0[contender].clone())
    }

    /// The same as the cost of a unit, in microseconds.
    pub fn micros(&self, contender: usize) -> f64 {
        1e6 / self.of(contender)
    }

    /// The median over the rounds of one rate divided by another.
    pub fn ratio(&self, contender: usize, floor: usize) -> f64 {
        let pairs = self.0[contender].iter().zip(&self.0[floor]);
        median(pairs.map(|(rate, floor)| rate / floor).collect())
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long `work` takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let begun = now();
    work();
    begun.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Prints the head of a Markdown table.
pub fn head(title: &str, columns: &[&str]) {
    println!("\n### {title}\n\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Prints a line of it.
pub fn line(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}
