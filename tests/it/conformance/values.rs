//! The values of the scenario: texts that name other values, and short forms of long ones.

use std::collections::BTreeMap;

use flowledger::clock::Clock;
use serde_json::{Map, Value, json};

use crate::support::call::seconds;

/// What `$name` stands for in the scenario, and the history that its batches are cut from.
#[derive(Clone)]
pub struct Values {
    pub named: BTreeMap<String, Value>,
    history: Value,
}

/// The part of a value at a path: fields, indexes (-1: the last), `#` (the length), `keys`, and `*` for each.
pub fn part(value: &Value, path: &str) -> Option<Value> {
    let Some((first, rest)) = path.split_once('.') else {
        return piece(value, path);
    };
    if first != "*" {
        return part(&piece(value, first)?, rest);
    }
    let parts = value.as_array()?.iter().map(|item| part(item, rest));
    Some(Value::Array(parts.map(Option::unwrap_or_default).collect()))
}

fn piece(value: &Value, name: &str) -> Option<Value> {
    match (value, name) {
        (Value::Array(items), "#") => Some(json!(items.len())),
        (Value::Array(items), "-1") => items.last().cloned(),
        (Value::Array(items), index) => items.get(index.parse::<usize>().ok()?).cloned(),
        (Value::Object(fields), "keys") => Some(json!(fields.keys().collect::<Vec<_>>())),
        (Value::Object(fields), name) => fields.get(name).cloned(),
        _ => None,
    }
}

impl Values {
    pub fn new(scenario: &Value) -> Self {
        let mut values = Values {
            named: BTreeMap::new(),
            history: Value::Null,
        };
        values.history = values.resolve(&scenario["history"]);
        values.set(&scenario["values"]);
        values
    }

    pub fn set(&mut self, named: &Value) {
        for (name, value) in named.as_object().unwrap() {
            self.named.insert(name.clone(), self.resolve(value));
        }
    }

    fn get(&self, path: &str) -> Value {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let value = self
            .named
            .get(name)
            .unwrap_or_else(|| panic!("the scenario has no {name}"));
        if rest.is_empty() {
            return value.clone();
        }
        part(value, rest).unwrap_or_else(|| panic!("no {path} in {value:.1000}"))
    }

    /// The value that a part of the scenario stands for.
    pub fn resolve(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).collect(),
            Value::Object(fields) => self.short_form(fields).unwrap_or_else(|| {
                let fields = fields.iter().map(|(name, value)| {
                    let name = self.text(name).as_str().unwrap().to_owned();
                    (name, self.resolve(value))
                });
                Value::Object(fields.collect())
            }),
            plain => plain.clone(),
        }
    }

    fn text(&self, text: &str) -> Value {
        if let Some(path) = text.strip_prefix('$').filter(|path| !path.starts_with('{')) {
            return self.get(path);
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (path, after) = after.split_once('}').unwrap();
            filled.push_str(before);
            filled.push_str(self.get(path).as_str().unwrap());
            rest = after;
        }
        Value::String(filled + rest)
    }

    fn short_form(&self, fields: &Map<String, Value>) -> Option<Value> {
        let get = |name: &str| fields.get(name).map(|value| self.resolve(value));
        let count = |value: Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        if let (Some(text), Some(times)) = (get("repeat"), get("times")) {
            return Some(json!(text.as_str().unwrap().repeat(count(times))));
        }
        if let Some(Value::Array(texts)) = get("join") {
            let texts: Vec<_> = texts.iter().map(|text| text.as_str().unwrap()).collect();
            return Some(json!(texts.concat()));
        }
        if let (Some(times), Some(item)) = (get("list of"), get("item")) {
            return Some(json!(vec![item; count(times)]));
        }
        if let Some(Value::Array(objects)) = get("merge") {
            let fields = objects.into_iter().flat_map(|object| match object {
                Value::Object(fields) => fields,
                other => panic!("{other} is no object"),
            });
            return Some(Value::Object(fields.collect()));
        }
        if let (Some(names), Some(prefix)) = (get("those of"), get("that begin with")) {
            let prefix = prefix.as_str().unwrap();
            let names = names.as_array().unwrap().iter();
            let begin = names.filter(|name| name.as_str().unwrap().starts_with(prefix));
            return Some(begin.cloned().collect());
        }
        if let Some(prefix) = get("random") {
            let random = Clock::System.uuid();
            return Some(json!(format!("{}{random}", prefix.as_str().unwrap())));
        }
        if let Some(minutes) = get("minutes from now") {
            let millis = minutes.as_i64().unwrap() * 60_000;
            return Some(json!(seconds(Clock::System.now().millis() + millis)));
        }
        if let Some(range) = get("batch") {
            let ends = [0, 1].map(|end| range[end].as_u64().unwrap());
            let mut events: Vec<_> = (ends[0]..=ends[1]).map(|id| self.event(id).0).collect();
            if let Some(change) = get("change") {
                let event = &mut events[count(change[0].clone())];
                event[change[1].as_str().unwrap()] = change[2].clone();
            }
            return Some(json!(events));
        }
        // The sizes of the pages of so many items, and the tokens between them if these are EventIds.
        if let Some(pages) = get("sizes") {
            let (all, size) = (count(pages[0].clone()), count(pages[1].clone()));
            let sizes = (0..all).step_by(size).map(|from| size.min(all - from));
            return Some(json!(sizes.collect::<Vec<_>>()));
        }
        let pages = get("first ids")?;
        let (all, size) = (count(pages[0].clone()), count(pages[1].clone()));
        let first = (0..all).step_by(size).skip(1);
        Some(json!(
            first.map(|at| (at + 1).to_string()).collect::<Vec<_>>()
        ))
    }

    /// How many events the large history has.
    pub fn events(&self) -> u64 {
        self.history["events"].as_u64().unwrap()
    }

    /// An event of the large history as it is sent, and as it must be answered; without Time where that is the
    /// server's own. Any field but Type is sent in some events and not in others.
    pub fn event(&self, id: u64) -> (Value, Value) {
        let list = |name: &str| {
            let lists = self.history.as_object().unwrap().iter();
            let mut found = lists.filter(|(found, _)| found.starts_with(name));
            found.next().unwrap().1
        };
        let nth = |list: &Value, at: u64| {
            let items = list.as_array().unwrap();
            items[usize::try_from(at).unwrap() % items.len()].clone()
        };
        let mut sent = json!({});
        if id == 1 {
            let input = self.get("input");
            let detail = format!("{{\"input\":{}}}", input.as_str().unwrap());
            sent = json!({"Type": "ExecutionStarted", "EventDetail": detail});
        } else if id == self.events() {
            let output = self.get("output");
            let detail = format!("{{\"output\":{}}}", output.as_str().unwrap());
            sent = json!({"Type": "ExecutionSucceeded", "EventDetail": detail});
        } else {
            sent["Type"] = nth(list("types"), id);
            let text = nth(list("texts"), id / 4);
            let long = list("step names").get(id.to_string());
            if !id.is_multiple_of(5) {
                sent["StepName"] = long.cloned().unwrap_or(nth(list("texts"), id));
            }
            match (list("details").get(id.to_string()), id % 4) {
                (Some(large), _) => sent["EventDetail"] = large.clone(),
                (None, 1) => {
                    sent["EventDetail"] = json!(json!({"n": id, "text": text}).to_string());
                }
                (None, 2) => sent["EventDetail"] = text,
                _ => {}
            }
            match (id % 3, id % 9) {
                (0, _) => sent["ScheduleEventId"] = json!(id / 2),
                (_, 1) => sent["ScheduleEventId"] = json!(0),
                _ => {}
            }
            if id.is_multiple_of(2) {
                sent["Time"] = nth(list("times"), id / 2)[0].clone();
            }
            if id.is_multiple_of(7) {
                sent["EventId"] = json!(id);
            }
        }
        let mut answered = json!({"StepName": "", "EventDetail": "{}", "ScheduleEventId": id - 1});
        for (name, value) in sent.as_object().unwrap() {
            answered[name] = value.clone();
        }
        answered["EventId"] = json!(id);
        if sent.get("Time").is_some() {
            answered["Time"] = nth(list("times"), id / 2)[1].clone();
        }
        (sent, answered)
    }
}

/// Whether the text has this form.
pub fn is_form(form: &str, text: &str) -> bool {
    let like = |pattern: &str| {
        text.chars().count() == pattern.len()
            && text
                .chars()
                .zip(pattern.chars())
                .all(|(c, like)| match like {
                    'd' => c.is_ascii_digit(),
                    other => c == other,
                })
    };
    match form {
        "time" => like("dddd-dd-ddTdd:dd:dd.dddZ"),
        "id" => text.len() == 36 && text.chars().all(|c| "0123456789abcdef-".contains(c)),
        "request id" => text.len() == 36 && text.chars().all(|c| "0123456789ABCDEF-".contains(c)),
        other => panic!("no form is called {other}"),
    }
}

/// Some SDKs read every number as a fraction.
pub fn with_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .to_string()
                .strip_suffix(".0")
                .and_then(|whole| whole.parse::<i64>().ok());
            if let Some(whole) = whole {
                *value = json!(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(with_whole_numbers),
        _ => {}
    }
}

/// For an SDK whose answers have every field, empty if the server did not send it.
pub fn without_empty_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_empty_fields),
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null() && field != "");
            fields.values_mut().for_each(without_empty_fields);
        }
        _ => {}
    }
}

/// What an SDK makes of a text that drops the backslash of escapes of the form backslash-uXXXX.
pub fn without_backslashes(text: &str) -> String {
    let pieces = text.chars().map(|c| match c {
        '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => c.to_string(),
        control if control < ' ' => format!("u{:04x}", u32::from(control)),
        other => other.to_string(),
    });
    pieces.collect()
}
