//! Compares acknowledged batches with the histories that the server answers. Each event's detail names its batch and
//! its index there, so that lost, torn, duplicated and reordered batches are found.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The events of one append. Appender and number identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    pub appender: u64,
    /// Ascends with every batch of its appender.
    pub number: u64,
    pub size: u64,
    /// Whether its last event ends the execution.
    pub ends: bool,
}

#[derive(Serialize, Deserialize)]
struct Detail {
    appender: u64,
    number: u64,
    index: u64,
    size: u64,
    ends: bool,
    /// Text of a length that varies from event to event.
    filling: String,
}

impl Batch {
    /// The detail of its event at `index`, from 0.
    fn detail(&self, index: u64) -> String {
        let length = match (self.number + index) % 64 {
            0 => 3000,
            more => more,
        };
        let detail = Detail {
            appender: self.appender,
            number: self.number,
            index,
            size: self.size,
            ends: self.ends,
            filling: "步é\"\\z"
                .chars()
                .cycle()
                .zip(0..length)
                .map(|(c, _)| c)
                .collect(),
        };
        serde_json::to_string(&detail).unwrap()
    }

    fn event_type(&self, index: u64) -> &'static str {
        if self.ends && index + 1 == self.size {
            "ExecutionSucceeded"
        } else {
            "StepEntered"
        }
    }

    /// The parameter `Events` of AppendExecutionEvents.
    pub fn events(&self) -> String {
        let event =
            |index| json!({"Type": self.event_type(index), "EventDetail": self.detail(index)});
        Value::Array((0..self.size).map(event).collect()).to_string()
    }

    /// The batch of an event that was read and the index in it; None if any byte differs from what was sent.
    fn of(event: &Value) -> Option<(Batch, u64)> {
        let text = event["EventDetail"].as_str()?;
        let detail: Detail = serde_json::from_str(text).ok()?;
        let batch = Batch {
            appender: detail.appender,
            number: detail.number,
            size: detail.size,
            ends: detail.ends,
        };
        let whole = text == batch.detail(detail.index)
            && event["Type"] == batch.event_type(detail.index)
            && detail.index < batch.size;
        whole.then_some((batch, detail.index))
    }

    fn key(&self) -> (u64, u64) {
        (self.appender, self.number)
    }
}

/// A batch with its execution and its first EventId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    pub batch: Batch,
    pub execution: String,
    pub first: i64,
}

/// Descriptions of what is wrong, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub lost: Vec<String>,
    pub duplicated: Vec<String>,
    pub reordered: Vec<String>,
    pub torn: Vec<String>,
}

/// How far an execution has been read.
struct Seen {
    /// The EventId that comes next.
    next: i64,
    ended: bool,
    /// The number of the last batch of each appender.
    last: HashMap<u64, u64>,
}

/// One pass over the server's histories, in any number of steps.
#[derive(Default)]
pub struct Audit {
    executions: BTreeMap<String, Seen>,
    placed: HashMap<(u64, u64), StoredBatch>,
    never_sent: HashSet<(u64, u64)>,
    pub events: u64,
    pub faults: Faults,
}

impl Audit {
    /// Returns an audit that has read nothing yet.
    pub fn restarted(&self) -> Self {
        Audit {
            never_sent: self.never_sent.clone(),
            ..Audit::default()
        }
    }

    /// The EventId to read from: the last one that was read, which must still be stored.
    pub fn resume_from(&self, execution: &str) -> i64 {
        self.executions
            .get(execution)
            .map_or(1, |seen| seen.next - 1)
    }

    /// Whether the event that ended the execution has been read.
    pub fn ended(&self, execution: &str) -> bool {
        self.executions
            .get(execution)
            .is_some_and(|seen| seen.ended)
    }

    /// Records batches of which only a part was sent: none of their events may be stored.
    pub fn never_sent(&mut self, batches: impl IntoIterator<Item = Batch>) {
        self.never_sent
            .extend(batches.into_iter().map(|batch| batch.key()));
    }

    /// Whether the batch has been read.
    pub fn contains(&self, batch: &Batch) -> bool {
        self.placed.contains_key(&batch.key())
    }

    /// Reads events of an execution, from `from` to the end.
    pub fn read(&mut self, execution: &str, events: &[Value]) {
        let from = self.resume_from(execution);
        let seen = self.executions.entry(execution.to_owned()).or_insert(Seen {
            next: from,
            ended: false,
            last: HashMap::new(),
        });
        let faults = &mut self.faults;
        let known = seen.next > from; // its first event has been read before
        seen.next = from;
        let mut open: Option<(Batch, i64, u64)> = None; // batch, first EventId, index that must come
        for event in events {
            let id = event["EventId"].as_i64().unwrap_or_default();
            let place = format!("{execution}/{id}");
            match id - seen.next {
                0 => {}
                1.. => faults.lost.push(format!("{place}: no event {}", seen.next)),
                _ => faults
                    .duplicated
                    .push(format!("{place}: after {}", seen.next - 1)),
            }
            seen.next = id + 1;
            if known && id == from {
                continue;
            }
            self.events += 1;
            if seen.ended {
                faults.reordered.push(format!("{place}: after the end"));
            }
            if id == 1 {
                if event["Type"] != "ExecutionStarted" {
                    faults.torn.push(format!("{place}: {event}"));
                }
                continue;
            }
            let Some((batch, index)) = Batch::of(event) else {
                faults.torn.push(format!("{place}: not as sent: {event}"));
                continue;
            };
            let first = match open.take() {
                Some((other, first, next)) if other == batch && index == next => first,
                None if index == 0 => id,
                other => {
                    faults
                        .torn
                        .push(format!("{place}: {index} of {batch:?} within {other:?}"));
                    id
                }
            };
            if index + 1 < batch.size {
                open = Some((batch, first, index + 1));
                continue;
            }
            seen.ended = batch.ends;
            if self.never_sent.contains(&batch.key()) {
                faults
                    .torn
                    .push(format!("{place}: {batch:?} was sent in part only"));
            }
            if seen.last.insert(batch.appender, batch.number) >= Some(batch.number) {
                faults
                    .reordered
                    .push(format!("{place}: {batch:?} after a later one"));
            }
            let execution = execution.to_owned();
            let placed = StoredBatch {
                batch,
                execution,
                first,
            };
            if let Some(other) = self.placed.insert(batch.key(), placed) {
                faults
                    .duplicated
                    .push(format!("{place}: {batch:?} is also at {other:?}"));
            }
        }
        if let Some(open) = open {
            faults
                .torn
                .push(format!("{execution} ends within {open:?}"));
        }
        if seen.next <= from {
            faults
                .lost
                .push(format!("{execution}: event {from} is gone"));
        }
    }

    /// Checks that every acknowledged batch has been read at the EventIds of its acknowledgement.
    pub fn check_acknowledged<'a>(
        &mut self,
        acknowledged: impl IntoIterator<Item = &'a StoredBatch>,
    ) {
        for promised in acknowledged {
            match self.placed.get(&promised.batch.key()) {
                None => self.faults.lost.push(format!("{promised:?}")),
                Some(found) if found == promised => {}
                Some(found) => self
                    .faults
                    .reordered
                    .push(format!("{promised:?} is {found:?}")),
            }
        }
    }
}

/// An audit that has read the batches with these numbers, after `change` to their events.
fn audited(numbers: &[u64], change: fn(&mut Vec<Value>)) -> Faults {
    let batch = |number| Batch {
        appender: 1,
        number,
        size: 3,
        ends: false,
    };
    let mut events = vec![json!({"Type": "ExecutionStarted"})];
    for number in numbers {
        let batch: Vec<Value> = serde_json::from_str(&batch(*number).events()).unwrap();
        events.extend(batch);
    }
    change(&mut events);
    for (id, event) in (1..).zip(&mut events) {
        if event.get("EventId").is_none() {
            event["EventId"] = json!(id);
        }
    }
    let mut audit = Audit::default();
    audit.never_sent([batch(9)]);
    audit.read("e", &events);
    let promised = (1..=2).map(|number| StoredBatch {
        batch: batch(number),
        execution: "e".to_owned(),
        first: number as i64 * 3 - 1,
    });
    audit.check_acknowledged(&promised.collect::<Vec<_>>());
    audit.faults
}

#[test]
fn audit_finds_each_kind_of_fault() {
    let found = |numbers: &[u64], change| {
        let Faults {
            lost,
            duplicated,
            reordered,
            torn,
        } = audited(numbers, change);
        [lost, duplicated, reordered, torn].map(|faults| !faults.is_empty())
    };
    let (fine, lost, duplicated, reordered, torn) = (
        [false; 4],
        [true, false, false, false],
        [false, true, false, false],
        [false, false, true, false],
        [false, false, false, true],
    );
    assert_eq!(found(&[1, 2], |_| {}), fine);
    assert_eq!(found(&[1, 2, 3], |_| {}), fine, "an answer may be missing");
    assert_eq!(found(&[1], |_| {}), lost);
    assert_eq!(found(&[1, 2, 2], |_| {})[1], duplicated[1]);
    assert_eq!(found(&[2, 1], |_| {}), reordered);
    assert_eq!(found(&[1, 2, 9], |_| {}), torn);
    assert_eq!(found(&[1, 2, 3], |events| drop(events.pop())), torn);
    assert_eq!(found(&[1, 2, 3], |events| events.swap(7, 8)), torn);
    let misspelled = |events: &mut Vec<Value>| events[8]["EventDetail"] = json!("{}");
    assert_eq!(found(&[1, 2, 3], misspelled)[3], torn[3]);
    let misnumbered = |events: &mut Vec<Value>| events[9]["EventId"] = json!(20);
    assert_eq!(found(&[1, 2, 3], misnumbered), lost);
    let twice = |events: &mut Vec<Value>| events[9]["EventId"] = json!(9);
    assert_eq!(found(&[1, 2, 3], twice), duplicated);

    let mut audit = Audit::default();
    let start = json!({"Type": "ExecutionStarted", "EventId": 1});
    audit.read("e", std::slice::from_ref(&start));
    audit.read("e", &[start]);
    assert_eq!((audit.events, &audit.faults), (1, &Faults::default()));
    audit.read("e", &[]);
    assert_eq!(audit.faults.lost.len(), 1, "what was there is gone");
}
