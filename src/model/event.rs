//! Events: the rules of a batch, and the JSON in which an event is stored and answered.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::{Status, Timestamp};

/// Longest EventDetail, in bytes; the vendor's limit.
pub const EVENT_DETAIL_MAX_BYTES: usize = 64 * 1024;
/// Longest StepName, in characters; ours, twice the longest name of anything else.
pub const STEP_NAME_MAX_CHARS: usize = 256;
/// Longest event type, in letters; ours, three times the vendor's longest.
pub const EVENT_TYPE_MAX_CHARS: usize = 64;
/// Events of one append; ours, as many as one page of a history.
pub const BATCH_MAX_EVENTS: usize = 1000;
/// Distinct event types in one filter; ours, more than twice the number of the vendor's types. Bounds the work
/// per event that a filtered read looks at.
pub const FILTER_MAX_TYPES: usize = 64;

/// The type of event 1 of every execution, and of no other event.
pub const EXECUTION_STARTED: &str = "ExecutionStarted";

/// The type of an event that submits a task, which is then to be reported.
pub const TASK_SUBMITTED: &str = "TaskSubmitted";
pub const TASK_SUCCEEDED: &str = "TaskSucceeded";
pub const TASK_FAILED: &str = "TaskFailed";

/// What a list of event types must be, to be read on from a parameter's name.
pub const TYPES_RULE: &str =
    "must be 1 to 64 event types, each of 1 to 64 letters, separated by commas";

/// Parses event types that are separated by commas; a type may be named more than once. Returns `None`
/// for a name that no event can have, and for more than `FILTER_MAX_TYPES` distinct ones.
pub fn parse_types(text: &str) -> Option<HashSet<String>> {
    let mut types = HashSet::new();
    for event_type in text.split(',') {
        if !is_event_type(event_type) {
            return None;
        }
        if !types.contains(event_type) {
            if types.len() == FILTER_MAX_TYPES {
                return None;
            }
            types.insert(event_type.to_owned());
        }
    }
    Some(types)
}

fn is_event_type(text: &str) -> bool {
    (1..=EVENT_TYPE_MAX_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// An event to append. Fields that are `None` get their defaults when the event gets its EventId.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event_type: String,
    /// Default: the time at which the append arrived.
    pub time: Option<Timestamp>,
    /// Default: the EventId before its own.
    pub schedule_event_id: Option<i64>,
    /// The EventId that the event must get, if any.
    pub event_id: Option<i64>,
    pub step_name: String,
    pub event_detail: String,
}

/// An event as answered, with the fields in the vendor's order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rendered<'a> {
    #[serde(rename = "Type")]
    event_type: &'a str,
    event_id: i64,
    time: Timestamp,
    schedule_event_id: i64,
    event_detail: &'a str,
    step_name: &'a str,
}

impl NewEvent {
    /// Returns an event that the server itself appends.
    pub fn by_server(event_type: &str, time: Timestamp, event_detail: String) -> Self {
        NewEvent {
            event_type: event_type.to_owned(),
            time: Some(time),
            schedule_event_id: None,
            event_id: None,
            step_name: String::new(),
            event_detail,
        }
    }

    /// Appends the event's JSON to `into`: compact, raw UTF-8 except for what JSON must escape.
    pub fn render(&self, event_id: i64, default_time: Timestamp, into: &mut Vec<u8>) {
        let rendered = Rendered {
            event_type: &self.event_type,
            event_id,
            time: self.time.unwrap_or(default_time),
            schedule_event_id: self.schedule_event_id.unwrap_or(event_id - 1),
            event_detail: &self.event_detail,
            step_name: &self.step_name,
        };
        serde_json::to_writer(into, &rendered).expect("strings and integers always serialize")
    }

    /// Returns whether `stored` is the JSON of this event at `event_id`. An event without a time matches any time.
    /// This makes a retried append idempotent.
    pub fn is_stored_as(&self, event_id: i64, stored: &[u8]) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stored<'a> {
            time: &'a str,
        }
        let time = serde_json::from_slice::<Stored<'_>>(stored)
            .ok()
            .and_then(|s| Timestamp::parse(s.time));
        time.is_some_and(|time| {
            let mut same = Vec::with_capacity(stored.len());
            self.render(event_id, time, &mut same);
            same == stored
        })
    }

    /// Returns the status with which this event ends its execution, if it does.
    pub fn ends(&self) -> Option<Status> {
        Status::ended_by(&self.event_type)
    }

    /// Returns whether the time is from the clock of the engine. StopExecution writes `ExecutionStopped`.
    pub fn has_engine_time(&self) -> bool {
        self.time.is_some() && self.ends() != Some(Status::Stopped)
    }

    /// Returns the EventId of the event that submitted the task that this event ends at `event_id`, if it does.
    pub fn ended_task(&self, event_id: i64) -> Option<i64> {
        let ends = matches!(
            self.event_type.as_str(),
            TASK_SUCCEEDED | TASK_FAILED | "TaskTimedOut"
        );
        ends.then(|| self.schedule_event_id.unwrap_or(event_id - 1))
    }

    /// Returns the JSON of `output` in the EventDetail, byte for byte.
    pub fn output(&self) -> Option<&str> {
        #[derive(Deserialize)]
        struct Detail<'a> {
            #[serde(borrow)]
            output: Option<&'a RawValue>,
        }
        self.detail::<Detail<'_>>()?.output.map(RawValue::get)
    }

    /// Returns the JSON of `input` in the EventDetail, byte for byte; that of an empty object if there is none.
    pub fn input(&self) -> &str {
        #[derive(Deserialize)]
        struct Detail<'a> {
            #[serde(borrow)]
            input: Option<&'a RawValue>,
        }
        let detail = self.detail::<Detail<'_>>();
        detail
            .and_then(|detail| detail.input)
            .map_or("{}", RawValue::get)
    }

    /// Parses the EventDetail if it is a JSON object. (serde would read a struct from an array too.)
    fn detail<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        let object = self.event_detail.trim_start().starts_with('{');
        object
            .then(|| serde_json::from_str(&self.event_detail).ok())
            .flatten()
    }

    fn check(&self) -> Result<(), InvalidEvent> {
        if !is_event_type(&self.event_type) {
            return Err(InvalidEvent::new(
                "Type",
                format!("must be 1 to {EVENT_TYPE_MAX_CHARS} letters"),
            ));
        }
        if self.step_name.chars().count() > STEP_NAME_MAX_CHARS {
            return Err(InvalidEvent::new(
                "StepName",
                format!("must be at most {STEP_NAME_MAX_CHARS} characters"),
            ));
        }
        if self.event_detail.len() > EVENT_DETAIL_MAX_BYTES {
            return Err(InvalidEvent::new(
                "EventDetail",
                format!("must be at most {EVENT_DETAIL_MAX_BYTES} bytes"),
            ));
        }
        if self.event_id.is_some_and(|id| id < 1) {
            return Err(InvalidEvent::new("EventId", "must be at least 1"));
        }
        if self.schedule_event_id.is_some_and(|id| id < 0) {
            return Err(InvalidEvent::new("ScheduleEventId", "must be at least 0"));
        }
        Ok(())
    }
}

/// A rule that one event of a batch breaks.
#[derive(Debug)]
pub struct InvalidEvent {
    pub field: &'static str,
    /// To be read on from the field's name.
    pub rule: String,
}

impl InvalidEvent {
    fn new(field: &'static str, rule: impl Into<String>) -> Self {
        InvalidEvent {
            field,
            rule: rule.into(),
        }
    }
}

/// Events to append together, checked against every rule that does not depend on the history.
#[derive(Clone, Debug)]
pub struct Batch {
    events: Vec<NewEvent>,
    expected: Option<i64>,
}

impl Batch {
    /// Checks the events. `expected` is the EventId that the first event must get (optimistic concurrency); an
    /// `EventId` inside an event implies it.
    ///
    /// # Errors
    ///
    /// Returns the index of the first invalid event and the rule that it breaks.
    pub fn new(
        events: Vec<NewEvent>,
        mut expected: Option<i64>,
    ) -> Result<Self, (usize, InvalidEvent)> {
        for (index, event) in events.iter().enumerate() {
            let offset = i64::try_from(index).unwrap_or(i64::MAX);
            event.check().map_err(|invalid| (index, invalid))?;
            if let Some(id) = event.event_id {
                let first = id - offset;
                if first < 1 || expected.is_some_and(|expected| expected != first) {
                    return Err((
                        index,
                        InvalidEvent::new("EventId", "must be the one that the event gets"),
                    ));
                }
                expected = Some(first);
            }
        }
        let batch = Batch { events, expected };
        batch.check_order()?;
        match expected.and_then(|first| batch.invalid_schedule_event_id(first)) {
            Some(index) => Err((
                index,
                InvalidEvent::new("ScheduleEventId", Self::SCHEDULE_RULE),
            )),
            None => Ok(batch),
        }
    }

    /// What a ScheduleEventId must be, to be read on from the field's name.
    pub const SCHEDULE_RULE: &str = "must be smaller than the event's EventId";

    fn check_order(&self) -> Result<(), (usize, InvalidEvent)> {
        for (index, event) in self.events.iter().enumerate() {
            if event.event_type == EXECUTION_STARTED && (index > 0 || self.expected != Some(1)) {
                return Err((
                    index,
                    InvalidEvent::new("Type", format!("{EXECUTION_STARTED} must be event 1")),
                ));
            }
            if event.ends().is_some() && index + 1 < self.events.len() {
                let rule = format!("{} must be the last event", event.event_type);
                return Err((index, InvalidEvent::new("Type", rule)));
            }
        }
        Ok(())
    }

    /// Returns the index of the first event whose ScheduleEventId is not smaller than its EventId, if the batch
    /// begins with EventId `first`.
    pub fn invalid_schedule_event_id(&self, first: i64) -> Option<usize> {
        (first..=i64::MAX)
            .zip(&self.events)
            .position(|(id, event)| event.schedule_event_id.is_some_and(|cause| cause >= id))
    }

    /// Returns the event that starts the execution, if this batch begins with it.
    pub fn starts(&self) -> Option<&NewEvent> {
        let first = self.events.first()?; // at event 1 only
        (first.event_type == EXECUTION_STARTED).then_some(first)
    }

    /// Returns whether the last event ends the execution.
    pub fn ends(&self) -> bool {
        self.events
            .last()
            .is_some_and(|event| event.ends().is_some())
    }

    /// Returns the indexes of events of this type.
    pub fn offsets_of(&self, event_type: &str) -> impl Iterator<Item = i64> {
        (0..)
            .zip(&self.events)
            .filter(move |(_, event)| event.event_type == event_type)
            .map(|(at, _)| at)
    }

    /// Returns the events in order.
    pub fn events(&self) -> &[NewEvent] {
        &self.events
    }

    /// Returns the EventId that the first event must get, if any.
    pub fn expected(&self) -> Option<i64> {
        self.expected
    }

    /// Returns the EventId of the last event if the first one gets `first`.
    pub fn last(&self, first: i64) -> i64 {
        first.saturating_add(i64::try_from(self.events.len()).unwrap_or(i64::MAX) - 1)
    }
}
