//! The events of an append. The input is one byte for ExpectedEventId (0: none) and their JSON.

use flowledger::{
    action::read_events,
    model::{NewEvent, Timestamp, event::Batch},
};

use super::{
    json::{self, Json},
    spec,
};

/// The six fields of a stored event, in the vendor's order.
const FIELDS: [&str; 6] = [
    "Type",
    "EventId",
    "Time",
    "ScheduleEventId",
    "EventDetail",
    "StepName",
];

/// Event types that end an execution.
const ENDS: [&str; 4] = [
    "ExecutionFailed",
    "ExecutionStopped",
    "ExecutionSucceeded",
    "ExecutionTimedOut",
];

/// An event as the contract defines it.
struct Event {
    event_type: String,
    event_id: Option<i64>,
    time: Option<i64>,
    schedule_event_id: Option<i64>,
    event_detail: String,
    step_name: String,
}

pub fn check(data: &[u8]) {
    let Some((expected, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let place = Some(i64::from(*expected)).filter(|id| *id > 0);
    let expected = events(text).filter(|events| fit(events, place));
    let batch = match read_events(text) {
        Ok(events) => Batch::new(events, place)
            .map_err(|(index, fault)| format!("Events[{index}].{} {}", fault.field, fault.rule)),
        Err(refusal) => Err(refusal.message),
    };
    match (batch, expected) {
        (Ok(batch), Some(expected)) => {
            let first = batch.expected().unwrap_or(7);
            assert_eq!(batch.events().len(), expected.len());
            for ((id, event), expected) in (first..).zip(batch.events()).zip(&expected) {
                check_stored(id, event, expected);
            }
        }
        (Err(fault), None) => assert!(fault.contains("Events"), "{fault}"),
        (Ok(_), None) => panic!("accepted: {text}"),
        (Err(fault), Some(_)) => panic!("{fault}: {text}"),
    }
}

/// The events that `text` is, if the contract accepts each of them.
fn events(text: &str) -> Option<Vec<Event>> {
    let Json::Array(items) = json::read(text)? else {
        return None;
    };
    let events: Option<Vec<_>> = items.into_iter().map(event).collect();
    events.filter(|events| (1..=1000).contains(&events.len()))
}

fn event(value: Json) -> Option<Event> {
    let Json::Object(members) = value else {
        return None;
    };
    members
        .iter()
        .all(|(name, _)| FIELDS.contains(&name.as_str()))
        .then_some(())?;
    let field = |name: &str| {
        let found = members.iter().find(|(found, _)| found == name);
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Json::Null)
    };
    let text = |name: &str| match field(name) {
        None => Some(None),
        Some(Json::Text(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let integer = |name: &str, least: i64| match field(name) {
        None => Some(None),
        Some(Json::Number(number)) => {
            let read = number.parse::<i64>().ok()?;
            (read >= least && read.to_string() == *number).then_some(Some(read))
        }
        Some(_) => None,
    };
    let time = match text("Time")? {
        None => None,
        Some(time) => Some(spec::time(&time)?.0),
    };
    let event = Event {
        event_type: text("Type")??,
        event_id: integer("EventId", 1)?,
        time,
        schedule_event_id: integer("ScheduleEventId", 0)?,
        event_detail: text("EventDetail")?.unwrap_or_else(|| "{}".to_owned()),
        step_name: text("StepName")?.unwrap_or_default(),
    };
    let letters = event.event_type.bytes().all(|b| b.is_ascii_alphabetic());
    let sized = (1..=64).contains(&event.event_type.len())
        && event.step_name.chars().count() <= 256
        && event.event_detail.len() <= 65_536;
    (letters && sized).then_some(event)
}

/// Whether these events are a valid batch whose first EventId is `place`.
fn fit(events: &[Event], place: Option<i64>) -> bool {
    let given = (0_i64..)
        .zip(events)
        .filter_map(|(at, event)| Some(event.event_id? - at));
    let places: Vec<_> = place.into_iter().chain(given).collect();
    let first = places.first().copied();
    let mut left = events.len();
    let each = (0_i64..).zip(events).all(|(at, event)| {
        left -= 1;
        let start = event.event_type != "ExecutionStarted" || first == Some(1) && at == 0;
        let end = !ENDS.contains(&event.event_type.as_str()) || left == 0;
        let id = first.and_then(|first| first.checked_add(at));
        let cause = id
            .zip(event.schedule_event_id)
            .is_none_or(|(id, cause)| cause < id);
        start && end && cause
    });
    each && places.iter().all(|it| *it >= 1 && Some(*it) == first)
}

/// Checks that the stored JSON is one line with the six fields as they were sent, and that it matches this event only.
fn check_stored(id: i64, event: &NewEvent, expected: &Event) {
    let arrived = Timestamp::from_millis(0).expect("a time");
    let mut stored = Vec::new();
    event.render(id, arrived, &mut stored);
    let stored = String::from_utf8(stored).expect("text");
    assert!(!stored.contains(['\n', '\r', '\0']), "{stored}");
    let Some(Json::Object(fields)) = json::read(&stored) else {
        panic!("no JSON: {stored}");
    };
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, FIELDS);
    let time = event.time.unwrap_or(arrived);
    assert_eq!(time.millis(), expected.time.unwrap_or(0));
    let cause = expected.schedule_event_id.unwrap_or(id - 1);
    let values = [
        Json::Text(expected.event_type.clone()),
        Json::Number(id.to_string()),
        Json::Text(time.to_string()),
        Json::Number(cause.to_string()),
        Json::Text(expected.event_detail.clone()),
        Json::Text(expected.step_name.clone()),
    ];
    assert!(
        fields.iter().map(|(_, value)| value).eq(&values),
        "{stored}"
    );
    assert!(event.is_stored_as(id, stored.as_bytes()));
    let other = NewEvent {
        step_name: format!("{}.", event.step_name),
        ..event.clone()
    };
    assert!(!other.is_stored_as(id, stored.as_bytes()));
    if let Some(output) = event.output() {
        let members = json::members(&event.event_detail);
        if let Some(members) = members {
            assert!(
                members
                    .iter()
                    .any(|(name, _, text)| name == "output" && *text == output)
            );
        }
    }
}
