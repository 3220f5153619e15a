//! How long many things took, in little memory.

use std::collections::BTreeMap;

/// Bits of a duration that are kept: to 255 ms durations are exact, beyond that to 0.8 %.
const PRECISION_BITS: u32 = 8;

/// A distribution of durations in milliseconds. It has a few hundred numbers at most, however many
/// durations it takes.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// The count of durations by the least that falls into the same bucket.
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

    /// All of them together, in milliseconds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, in milliseconds.
    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn p50(&self) -> u64 {
        self.percentile(50)
    }

    pub fn p99(&self) -> u64 {
        self.percentile(99)
    }

    /// Milliseconds that so many percent of the durations do not exceed; 0 if there is none.
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
