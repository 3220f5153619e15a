//! The filter of the table of events, and a tally that says beforehand how many events of a history match it.

use std::collections::{BTreeMap, BTreeSet};

use super::urls::PageUrl;
use crate::timeline::HistoryEvent;

/// Pairs of a type and a step that are counted one by one; events of further pairs may or may not match. Bounds the
/// memory of a tally to a few MiB; real flows have hundreds.
const PAIRS_MAX: usize = 2_000;

/// Selects events whose type and step contain these texts, whatever their case.
pub(super) struct EventFilter {
    event_type: String,
    step: String,
}

impl EventFilter {
    /// Returns the filter of the URL; None if it shows all events.
    pub fn of(url: &PageUrl) -> Option<Self> {
        let text = |name| url.get(name).unwrap_or_default().to_lowercase();
        let (event_type, step) = (text("type"), text("step"));
        let filters = !event_type.is_empty() || !step.is_empty();
        filters.then_some(EventFilter { event_type, step })
    }

    pub fn matches(&self, event_type: &str, step: &str) -> bool {
        event_type.to_lowercase().contains(&self.event_type)
            && step.to_lowercase().contains(&self.step)
    }
}

/// The number of some events, and the first and the last EventId among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrences {
    pub count: i64,
    pub first: i64,
    pub last: i64,
}

impl Occurrences {
    const NONE: Self = Occurrences {
        count: 0,
        first: i64::MAX,
        last: 0,
    };

    fn add(&mut self, other: Occurrences) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// The events that match a filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matches {
    /// Those that are known to match.
    pub count: i64,
    /// Whether these are all.
    pub exact: bool,
    /// No event before this one matches, and none after `last`.
    pub first: i64,
    pub last: i64,
}

/// Counts events by type and step.
pub(super) struct Tally {
    pairs: BTreeMap<String, BTreeMap<String, Occurrences>>,
    pairs_count: usize,
    /// Events of the pairs beyond `PAIRS_MAX`.
    others: Occurrences,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            pairs: BTreeMap::new(),
            pairs_count: 0,
            others: Occurrences::NONE,
        }
    }
}

impl Tally {
    pub fn push(&mut self, event: &HistoryEvent) {
        let one = Occurrences {
            count: 1,
            first: event.event_id,
            last: event.event_id,
        };
        let steps = self.pairs.get_mut(&event.event_type);
        if let Some(known) = steps.and_then(|steps| steps.get_mut(&event.step_name)) {
            known.add(one);
        } else if self.pairs_count < PAIRS_MAX {
            self.pairs_count += 1;
            let steps = self.pairs.entry(event.event_type.clone()).or_default();
            steps.insert(event.step_name.clone(), one);
        } else {
            self.others.add(one);
        }
    }

    pub fn matches(&self, filter: &EventFilter) -> Matches {
        let mut sum = Occurrences::NONE;
        for (event_type, steps) in &self.pairs {
            for (step, occurrences) in steps {
                if filter.matches(event_type, step) {
                    sum.add(*occurrences);
                }
            }
        }
        Matches {
            count: sum.count,
            exact: self.others.count == 0,
            first: sum.first.min(self.others.first),
            last: sum.last.max(self.others.last),
        }
    }

    /// Returns the event types that occur.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.pairs.keys().map(String::as_str)
    }

    /// Returns the first `max` names of steps that occur.
    pub fn steps(&self, max: usize) -> Vec<&str> {
        let names = self.pairs.values().flat_map(BTreeMap::keys);
        let names = names.map(String::as_str).filter(|name| !name.is_empty());
        let names: BTreeSet<_> = names.collect();
        names.into_iter().take(max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_id: i64, event_type: &str, step: &str) -> HistoryEvent {
        let json = serde_json::json!({"Type": event_type, "EventId": event_id, "StepName": step});
        HistoryEvent::parse(&json.to_string()).unwrap()
    }

    fn filter(query: &[(&'static str, &str)]) -> Option<EventFilter> {
        let with = |url: PageUrl, (name, value): &(&'static str, &str)| url.with(name, value);
        EventFilter::of(&query.iter().fold(PageUrl::new(&"".into(), "/"), with))
    }

    #[test]
    fn filter_matches_any_part_in_any_case() {
        assert!(filter(&[]).is_none());
        let by = |query: &[_], event_type, step| filter(query).unwrap().matches(event_type, step);
        assert!(by(&[("step", "PAY")], "StepEntered", "repay-é"));
        assert!(by(&[("step", "É")], "StepEntered", "repay-é"));
        assert!(by(&[("type", "failed")], "TaskFailed", ""));
        assert!(by(
            &[("type", "failed"), ("step", "pay")],
            "TaskFailed",
            "pay"
        ));
        assert!(!by(
            &[("type", "failed"), ("step", "pay")],
            "TaskFailed",
            "x"
        ));
        assert!(!by(&[("type", "failed")], "StepExited", "failed"));
    }

    #[test]
    fn tally_says_how_many_match_and_where() {
        let mut tally = Tally::default();
        for id in 1..=9 {
            let (event_type, step) = [("StepEntered", "pay"), ("StepExited", "Repay")][id % 2];
            tally.push(&event(id.try_into().unwrap(), event_type, step));
        }
        let matches = |query: &[_]| tally.matches(&filter(query).unwrap());
        let exact = |count, first, last| Matches {
            count,
            exact: true,
            first,
            last,
        };
        assert_eq!(matches(&[("step", "PAY")]), exact(9, 1, 9));
        assert_eq!(matches(&[("step", "repay")]), exact(5, 1, 9));
        assert_eq!(matches(&[("type", "ENTERED")]), exact(4, 2, 8));
        assert_eq!(matches(&[("step", "ship")]), exact(0, i64::MAX, 0));
        assert_eq!(
            tally.types().collect::<Vec<_>>(),
            ["StepEntered", "StepExited"]
        );
        assert_eq!(tally.steps(9), ["Repay", "pay"]);
    }

    #[test]
    fn tally_of_many_names_is_bounded_and_says_that_it_is_not_exact() {
        let mut tally = Tally::default();
        for id in 1..=3_000 {
            tally.push(&event(id, "StepEntered", &format!("step-{id}")));
        }
        let matches = tally.matches(&filter(&[("step", "step-1000")]).unwrap());
        assert_eq!((matches.count, matches.exact), (1, false));
        assert_eq!((matches.first, matches.last), (1000, 3000));
    }
}
