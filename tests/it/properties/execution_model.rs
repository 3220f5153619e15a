//! An execution as a plain list of events: the model that a store's executions are compared with. It is written
//! from the contract and shares no code with the store.

use flowledger::{
    model::{NewEvent, Status, Timestamp},
    store::{Appended, HistoryPage, Refusal},
};

use crate::support::test_store::{detailed, flow};

pub const ENDS: [(&str, Status); 4] = [
    ("ExecutionSucceeded", Status::Succeeded),
    ("ExecutionFailed", Status::Failed),
    ("ExecutionStopped", Status::Stopped),
    ("ExecutionTimedOut", Status::TimedOut),
];

/// Details of ending events with their outputs.
pub const OUTPUTS: [(&str, Option<&str>); 4] = [
    ("{}", None),
    ("{\"output\": {\"步\" : 1.50} }", Some("{\"步\" : 1.50}")),
    ("{\"x\":[],\"output\":\"\\u6b65\"}", Some("\"\\u6b65\"")),
    ("output", None),
];

#[derive(Clone)]
pub struct ExecutionModel {
    /// Each with its time and ScheduleEventId.
    pub events: Vec<NewEvent>,
    pub status: Status,
    /// Whether the last event was sent with a time.
    sent_time: bool,
}

impl ExecutionModel {
    pub fn started(at: Timestamp) -> Self {
        let started = NewEvent {
            time: Some(at),
            schedule_event_id: Some(0),
            ..detailed("ExecutionStarted", "{\"input\":{}}")
        };
        ExecutionModel {
            events: vec![started],
            status: Status::Running,
            sent_time: false,
        }
    }

    /// An execution before its first event.
    pub fn new() -> Self {
        ExecutionModel {
            events: Vec::new(),
            status: Status::Running,
            sent_time: false,
        }
    }

    /// The EventId that the next event gets.
    pub fn next(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap() + 1
    }

    pub fn append(
        &mut self,
        events: &[NewEvent],
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Appended, Refusal> {
        let next = self.next();
        let first = expected.unwrap_or(next);
        let last = first.saturating_add(i64::try_from(events.len()).unwrap() - 1);
        let conflict = Err(match self.status {
            Status::Running => Refusal::Conflict {
                next_event_id: next,
            },
            _ => Refusal::ExecutionAlreadyCompleted,
        });
        if first > next {
            return conflict;
        }
        if first < next {
            let range = usize::try_from(first - 1).unwrap()..usize::try_from(last).unwrap();
            let stored = self.events.get(range).unwrap_or_default();
            let mut pairs = (first..).zip(events).zip(stored);
            let whole = stored.len() == events.len();
            return match whole && pairs.all(|((id, sent), stored)| matches_stored(id, sent, stored))
            {
                true => Ok(appended(first, last)),
                false => conflict,
            };
        }
        if self.status != Status::Running {
            return Err(Refusal::ExecutionAlreadyCompleted);
        }
        if let Some(index) = ExecutionModel::invalid_schedule_event_id(events, first) {
            return Err(Refusal::InvalidScheduleEventId(index));
        }
        for (id, event) in (first..).zip(events) {
            let mut event = event.clone();
            self.sent_time = event.time.is_some();
            event.time.get_or_insert(now);
            event.schedule_event_id.get_or_insert(id - 1);
            let end = ENDS
                .iter()
                .find(|(event_type, _)| *event_type == event.event_type);
            self.status = end.map_or(Status::Running, |(_, status)| *status);
            self.events.push(event);
        }
        Ok(appended(first, last))
    }

    /// The first of these events whose ScheduleEventId is not below its own EventId.
    pub fn invalid_schedule_event_id(events: &[NewEvent], first: i64) -> Option<usize> {
        (0..events.len()).find(|&index| {
            let id = first.saturating_add(i64::try_from(index).unwrap());
            events[index]
                .schedule_event_id
                .is_some_and(|cause| cause >= id)
        })
    }

    /// A page as the contract describes it: six fields in order, short escapes, other control characters as
    /// \u00xx, all other text unchanged.
    pub fn page(&self, first: i64, limit: i64) -> HistoryPage {
        let end = self.next().min(first + limit);
        let events = (first..end).map(|id| {
            let event = &self.events[usize::try_from(id - 1).unwrap()];
            format!(
                "{{\"Type\":\"{}\",\"EventId\":{id},\"Time\":\"{}\",\"ScheduleEventId\":{},\"EventDetail\":{},\"StepName\":{}}}",
                event.event_type,
                event.time.unwrap(),
                event.schedule_event_id.unwrap(),
                quoted(&event.event_detail),
                quoted(&event.step_name),
            )
        });
        let events: Vec<_> = events.collect();
        let mut end_of_last = 0;
        let ends = events.iter().enumerate().map(|(at, json)| {
            end_of_last += json.len() + usize::from(at > 0);
            end_of_last
        });
        HistoryPage {
            ends: ends.collect(),
            json: events.join(","),
            next: (first.max(end) < self.next()).then_some(end),
            last_event_id: self.next() - 1,
            running: self.status == Status::Running,
        }
    }

    /// The event that ended the execution, if one did.
    fn end(&self) -> Option<&NewEvent> {
        self.events
            .last()
            .filter(|_| self.status != Status::Running)
    }

    /// The time of the last event; if it was sent, moved by as much as the second is earlier than the start. Not before
    /// the start.
    pub fn stopped_at(&self) -> Option<Timestamp> {
        let time = |event: &NewEvent| event.time.map(Timestamp::millis);
        let end = time(self.end()?)?;
        let (start, second) = (time(&self.events[0])?, time(&self.events[1])?);
        let behind = match self.status {
            Status::Stopped => 0,
            _ if !self.sent_time => 0,
            _ => (start - second).max(0),
        };
        Timestamp::from_millis(start.max(end + behind))
    }

    pub fn output(&self) -> Option<&'static str> {
        let detail = &self.end()?.event_detail;
        OUTPUTS.iter().find(|(known, _)| known == detail)?.1
    }
}

/// Whether the stored event is the one sent. Without a time it matches any.
fn matches_stored(id: i64, sent: &NewEvent, stored: &NewEvent) -> bool {
    stored.event_type == sent.event_type
        && stored.step_name == sent.step_name
        && stored.event_detail == sent.event_detail
        && stored.schedule_event_id == sent.schedule_event_id.or(Some(id - 1))
        && (sent.time.is_none() || stored.time == sent.time)
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn appended(first: i64, last: i64) -> Appended {
    Appended {
        first,
        last,
        flow_id: flow("f").id,
    }
}
