//! A scatter plot of executions: start against duration, on a logarithmic scale.

use super::outcome::ExecutionDot;
use crate::text::{date_time, tick};

/// Height of the plot area, in pixels.
const HEIGHT: f64 = 96.0;

/// The plot, ready to be drawn.
pub(super) struct Scatter {
    pub points: Vec<Point>,
    /// Labels of the vertical axis.
    pub ticks: Vec<Tick>,
    pub oldest: String,
    pub newest: String,
}

pub(super) struct Point {
    pub dot: ExecutionDot,
    /// From the left, in percent of the width; the labels of the axis are left of all points.
    pub x: String,
    /// From the top, in pixels.
    pub y: String,
    pub started: String,
}

pub(super) struct Tick {
    pub y: String,
    pub word: String,
}

/// Durations at which grid lines are drawn, in milliseconds.
const LINES: [u64; 13] = [
    1,
    10,
    100,
    1000,
    10_000,
    60_000,
    600_000,
    3_600_000,
    36_000_000,
    86_400_000,
    604_800_000,
    2_592_000_000,
    31_536_000_000,
];

impl Scatter {
    /// Returns None for fewer than two executions.
    pub fn new(dots: Vec<ExecutionDot>) -> Option<Self> {
        if dots.len() < 2 {
            return None;
        }
        let starts = || dots.iter().map(|dot| dot.started_at);
        let (oldest, newest) = (starts().min()?, starts().max()?);
        let shortest = dots.iter().map(|dot| dot.millis.max(1)).min()?;
        let longest = dots.iter().map(|dot| dot.millis.max(1)).max()?;
        // The nearest grid lines around all points, so that no point is on the edge.
        let low = LINES
            .into_iter()
            .rev()
            .find(|line| *line <= shortest)
            .unwrap_or(1);
        let high = LINES
            .into_iter()
            .find(|line| *line > longest)
            .unwrap_or(longest);
        let y = |millis: u64| {
            let (low, high) = (ln(low), ln(high));
            format!(
                "{:.1}",
                HEIGHT * (1.0 - (ln(millis) - low) / (high - low).max(0.1))
            )
        };
        let width = newest.distance(oldest);
        let x = |dot: &ExecutionDot| {
            let share = if width == 0 {
                0.5
            } else {
                ratio(dot.started_at.distance(oldest), width)
            };
            format!("{:.2}", 5.0 + 94.0 * share)
        };
        Some(Scatter {
            ticks: LINES
                .into_iter()
                .filter(|line| (low..=high).contains(line))
                .map(|line| Tick {
                    y: y(line),
                    word: tick(line),
                })
                .collect(),
            oldest: date_time(oldest),
            newest: date_time(newest),
            points: dots
                .into_iter()
                .map(|dot| Point {
                    x: x(&dot),
                    y: y(dot.millis.max(1)),
                    started: date_time(dot.started_at),
                    dot,
                })
                .collect(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture needs no more")]
fn ln(millis: u64) -> f64 {
    (millis as f64).ln()
}

#[expect(clippy::cast_precision_loss, reason = "a picture needs no more")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
