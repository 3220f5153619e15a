//! A histogram of durations in bounded memory.

use std::collections::BTreeMap;

/// Significant bits of a duration: exact up to 255 ms, with an error below 0.8 % beyond.
const PRECISION_BITS: u32 = 8;

/// A distribution of durations in milliseconds. It has one bucket per distinct value of `PRECISION_BITS` bits: a few
/// hundred in practice, 7,424 at most.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// The number of durations by the lower bound of their bucket.
    buckets: BTreeMap<u64, u64>,
    count: u64,
    total: u64,
    max: u64,
}

impl Histogram {
    pub fn record(&mut self, millis: u64) {
        let dropped = (u64::BITS - millis.leading_zeros()).saturating_sub(PRECISION_BITS);
        *self
            .buckets
            .entry(millis >> dropped << dropped)
            .or_default() += 1;
        self.count += 1;
        self.total = self.total.saturating_add(millis);
        self.max = self.max.max(millis);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all durations, in milliseconds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the longest duration, in milliseconds.
    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn p50(&self) -> u64 {
        self.percentile(50)
    }

    pub fn p99(&self) -> u64 {
        self.percentile(99)
    }

    /// Returns the nearest-rank percentile in milliseconds; 0 without durations.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let last = self.buckets.keys().next_back();
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return if Some(bucket) == last {
                    self.max
                } else {
                    *bucket
                };
            }
        }
        self.max
    }
}
