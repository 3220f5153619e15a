//! Runs the steps of `tests/conformance/scenario.json` with one driver; README.md there describes the steps.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    driver::Driver,
    values::{
        Values, is_form, part, with_whole_numbers, without_backslashes, without_empty_fields,
    },
};

/// A call's answer, or its error answer, and how long it took.
type Called = (Result<Value, Value>, Duration);

/// One run of the scenario with one driver.
pub struct Scenario<'a> {
    name: &'a str,
    server: SocketAddr,
    /// What the driver cannot do.
    lacks: Vec<String>,
    values: Values,
    driver: Driver,
    /// Appends events while the driver waits: a call of our own, as a driver makes one call at a time.
    append: fn(SocketAddr, &Value),
    checks: u32,
    request_ids: BTreeSet<String>,
    background: Vec<(Value, Values, JoinHandle<Called>)>,
}

impl<'a> Scenario<'a> {
    pub fn new(
        name: &'a str,
        server: SocketAddr,
        scenario: &Value,
        append: fn(SocketAddr, &Value),
    ) -> Self {
        let lacks = &scenario["drivers"][name]["lacks"];
        let lacks = lacks.as_array().expect("the scenario knows the driver");
        Scenario {
            name,
            server,
            lacks: lacks
                .iter()
                .map(|it| it.as_str().unwrap().to_owned())
                .collect(),
            values: Values::new(scenario),
            driver: Driver::start(name, &server.to_string()),
            append,
            checks: 0,
            request_ids: BTreeSet::new(),
            background: Vec::new(),
        }
    }

    /// Returns how many checks passed. Panics at the first that fails.
    pub fn run(mut self, steps: &Value) -> u32 {
        self.steps(steps);
        for (step, values, call) in std::mem::take(&mut self.background) {
            self.values = values;
            self.check_outcome(&step, call.join().unwrap());
        }
        self.checks += 1; // every answer has a RequestId of its own, see `received`
        self.checks
    }

    fn lacks(&self, what: &str) -> bool {
        self.lacks.iter().any(|lacking| lacking == what)
    }

    fn steps(&mut self, steps: &Value) {
        for step in steps.as_array().unwrap() {
            let named = |name: &str| step.get(name).and_then(Value::as_str);
            let skipped = named("needs").is_some_and(|needed| self.lacks(needed))
                || named("unless").is_some_and(|excluding| !self.lacks(excluding));
            if skipped {
                continue;
            }
            for values in self.each(step) {
                let outer = values.map(|values| std::mem::replace(&mut self.values, values));
                let unbound = |name: &str| !self.values.named.contains_key(name);
                if step.get("steps").is_some() {
                    self.steps(&step["steps"]);
                } else if !named("if").is_some_and(unbound) {
                    self.step(step);
                }
                if let Some(outer) = outer {
                    self.values = outer;
                }
            }
        }
    }

    /// Returns the values for each repetition of the step; one None for a step that is not repeated.
    fn each(&self, step: &Value) -> Vec<Option<Values>> {
        let with = |bound: &Map<String, Value>| {
            let mut values = self.values.clone();
            values.set(&Value::Object(bound.clone()));
            Some(values)
        };
        match step.get("each") {
            None => vec![None],
            Some(Value::Array(rows)) => rows
                .iter()
                .map(|row| with(row.as_object().unwrap()))
                .collect(),
            Some(list) => {
                let (name, items) = list.as_object().unwrap().iter().next().unwrap();
                let items = self.values.resolve(items);
                let items = items.as_array().unwrap().iter();
                items
                    .map(|item| with(&Map::from_iter([(name.clone(), item.clone())])))
                    .collect()
            }
        }
    }

    fn step(&mut self, step: &Value) {
        if let Some(named) = step.get("set") {
            self.values.set(named);
        } else if let Some(milliseconds) = step.get("pause") {
            thread::sleep(Duration::from_millis(milliseconds.as_u64().unwrap()));
        } else if let Some(value) = step.get("value") {
            let value = self.values.resolve(value);
            self.check(step, &value);
        } else if step.get("pages").is_some() {
            let pages = self.pages(step);
            self.check(step, &pages);
        } else if step.get("background").is_some() {
            let request = self.request(step, &step["call"], &self.values.resolve(&step["with"]));
            let mut driver = Driver::start(self.name, &self.server.to_string());
            let call = thread::spawn(move || {
                let mut first = request.clone();
                first["Action"] = json!("ListFlows"); // the start of the SDK is not timed
                first["Parameters"] = json!({"Limit": 1});
                driver.call(&first).unwrap();
                timed(&mut driver, &request)
            });
            self.background
                .push((step.clone(), self.values.clone(), call));
        } else if step.get("call").is_some() {
            let request = self.request(step, &step["call"], &self.values.resolve(&step["with"]));
            let called = self.call(step, &request);
            self.check_outcome(step, called);
        } else {
            assert!(step.get("part").is_some(), "no such step: {step}");
        }
    }

    fn request(&self, step: &Value, action: &Value, parameters: &Value) -> Value {
        let mut request = json!({
            "Action": self.values.resolve(action),
            "Parameters": parameters,
            "Key": match step["as"].as_str() {
                None => ["conformance-admin", "admin-secret"],
                Some("reader") => ["conformance-reader", "reader-secret"],
                Some("stranger") => ["no-such-key", "admin-secret"],
                Some("impostor") => ["conformance-admin", "wrong-secret"],
                Some(other) => panic!("who is {other}?"),
            },
        });
        if let Value::Object(more) = self.values.resolve(&step["send"]) {
            request.as_object_mut().unwrap().extend(more);
        }
        request
    }

    fn call(&mut self, step: &Value, request: &Value) -> Called {
        let meanwhile = step
            .get("meanwhile")
            .map(|events| self.values.resolve(events));
        let (append, server) = (self.append, self.server);
        let ending = meanwhile.map(|events| {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(500));
                append(server, &events);
            })
        });
        let called = timed(&mut self.driver, request);
        if let Some(ending) = ending {
            ending.join().unwrap();
        }
        called
    }

    /// Checks the outcome of a call.
    fn check_outcome(&mut self, step: &Value, (outcome, took): Called) {
        match (outcome, step.get("error")) {
            (Ok(answer), None) => {
                let answer = self.received(answer);
                self.check(step, &answer);
            }
            (Err(error), Some(expected)) => {
                let expected = self.values.resolve(expected);
                let status = if self.lacks("status") {
                    &Value::Null
                } else {
                    &expected[1]
                };
                let (code, text) = (
                    &error["Code"],
                    error["Message"].as_str().unwrap_or_default(),
                );
                let same = *code == expected[0] && error["Status"] == *status;
                let explained = text.contains(expected[2].as_str().unwrap());
                self.that(step, "error", same && explained, &expected, &error);
            }
            (Ok(answer), Some(expected)) => self.fail(step, "error", expected, &answer),
            (Err(error), None) => self.fail(step, "answer", &json!("a success"), &error),
        }
        if let Some(bounds) = step.get("takes") {
            let bounds = [0, 1].map(|end| bounds[end].as_f64().unwrap());
            let took = took.as_secs_f64();
            self.that(
                step,
                "seconds",
                bounds[0] <= took && took < bounds[1],
                &json!(bounds),
                &json!(took),
            );
        }
    }

    /// The answer without its RequestId, which is checked, and in one form for all SDKs.
    fn received(&mut self, mut answer: Value) -> Value {
        let id = answer
            .as_object_mut()
            .and_then(|fields| fields.remove("RequestId"));
        let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
        assert!(is_form("request id", id), "RequestId {id:?}");
        assert!(
            self.request_ids.insert(id.to_owned()),
            "RequestId {id} comes twice"
        );
        with_whole_numbers(&mut answer);
        if self.lacks("absent fields") {
            without_empty_fields(&mut answer);
        }
        answer
    }

    /// Calls until there is no NextToken.
    fn pages(&mut self, step: &Value) -> Value {
        let mut parameters = self.values.resolve(&step["with"]);
        let items_name = step["items"].as_str().unwrap();
        let (mut items, mut sizes, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let request = self.request(step, &step["pages"], &parameters);
            let (outcome, _) = self.call(step, &request);
            let answer =
                outcome.unwrap_or_else(|error| self.fail(step, "answer", &json!("a page"), &error));
            let mut page = self.received(answer);
            let Some(Value::Array(more)) = page.get_mut(items_name).map(Value::take) else {
                self.fail(step, items_name, &json!("a list"), &page)
            };
            sizes.push(more.len());
            items.extend(more);
            let Some(token) = page.get("NextToken") else {
                break;
            };
            parameters["NextToken"] = token.clone();
            tokens.push(token.clone());
        }
        json!({"Items": items, "Pages": sizes.len(), "Sizes": sizes, "Tokens": tokens})
    }

    /// Checks an answer against everything that the step says of it.
    fn check(&mut self, step: &Value, answer: &Value) {
        let none = Map::new();
        let expectations = |name: &str| step.get(name).map_or(&none, |it| it.as_object().unwrap());
        let strings = |name: &str| {
            let list = step.get(name).and_then(Value::as_array);
            list.into_iter().flatten().map(|it| it.as_str().unwrap())
        };
        if let Some(whole) = step.get("whole") {
            let whole = self.values.resolve(whole);
            self.equal(step, "the whole answer", Some(answer.clone()), &whole);
        }
        for (path, expected) in expectations("expect") {
            let expected = self.values.resolve(expected);
            self.equal(step, path, part(answer, path), &expected);
        }
        for (path, expected) in expectations("json") {
            let text = part(answer, path).unwrap_or_default();
            let got = serde_json::from_str(text.as_str().unwrap_or_default()).ok();
            let expected = self.values.resolve(expected);
            self.equal(step, path, got, &expected);
        }
        for (path, form) in expectations("form") {
            let got = part(answer, path).unwrap_or_default();
            let fits = got
                .as_str()
                .is_some_and(|text| is_form(form.as_str().unwrap(), text));
            self.that(step, path, fits, form, &got);
        }
        for path in strings("absent") {
            let got = part(answer, path);
            self.that(
                step,
                path,
                got.is_none(),
                &json!("no such field"),
                &json!(got),
            );
        }
        if let Some(allowed) = step.get("only") {
            let allowed = allowed.as_array().unwrap();
            let mut names = answer.as_object().unwrap().keys();
            let holds = names.all(|name| allowed.contains(&json!(name)));
            self.that(step, "only", holds, &step["only"], answer);
        }
        for (path, expected) in expectations("greater") {
            let (got, expected) = (
                part(answer, path).unwrap_or_default(),
                self.values.resolve(expected),
            );
            self.that(
                step,
                path,
                got.as_str() > expected.as_str(),
                &expected,
                &got,
            );
        }
        for (path, expected) in expectations("differs") {
            let (got, expected) = (
                part(answer, path).unwrap_or_default(),
                self.values.resolve(expected),
            );
            self.that(
                step,
                path,
                got.is_string() && got != expected,
                &expected,
                &got,
            );
        }
        for path in strings("sorted") {
            let got = part(answer, path).unwrap_or_default();
            let texts: Vec<_> = got.as_array().unwrap().iter().map(Value::as_str).collect();
            self.that(
                step,
                path,
                texts.is_sorted_by(|a, b| a < b),
                &json!("each once, in order"),
                &got,
            );
        }
        for (name, contained) in [("contains", true), ("lacks", false)] {
            for (path, expected) in expectations(name) {
                let got = part(answer, path).unwrap_or_default();
                for item in self.values.resolve(expected).as_array().unwrap() {
                    let found = got.as_array().unwrap().contains(item);
                    self.that(step, path, found == contained, item, &got);
                }
            }
        }
        if let Some(bounds) = step.get("history") {
            let bounds = self.values.resolve(bounds);
            self.check_history(step, &answer["Items"], &bounds);
        }
        if let Some(name) = step.get("keep") {
            let name = name.as_str().unwrap().to_owned();
            self.values.named.insert(name, answer.clone());
        }
    }

    /// Checks every event of the large history. The server's own times lie between these two.
    fn check_history(&mut self, step: &Value, events: &Value, bounds: &Value) {
        let events = events.as_array().unwrap();
        self.equal(
            step,
            "number of events",
            Some(json!(events.len())),
            &json!(self.values.events()),
        );
        for (id, event) in (1..).zip(events) {
            let mut expected = self.values.event(id).1;
            if expected.get("Time").is_none() {
                let time = event["Time"].as_str();
                let within = bounds[0].as_str() <= time && time <= bounds[1].as_str();
                if !within || !is_form("time", time.unwrap_or_default()) {
                    self.fail(step, &format!("Time of event {id}"), bounds, &event["Time"])
                }
                expected["Time"] = event["Time"].clone();
            }
            if self.lacks("escapes") {
                for name in ["StepName", "EventDetail"] {
                    expected[name] = json!(without_backslashes(expected[name].as_str().unwrap()));
                }
            }
            if self.lacks("absent fields") {
                without_empty_fields(&mut expected);
            }
            if *event != expected {
                self.fail(step, &format!("event {id}"), &expected, event);
            }
        }
        self.checks += 1;
    }

    fn equal(&mut self, step: &Value, what: &str, got: Option<Value>, expected: &Value) {
        let mut expected = expected.clone();
        if self.lacks("absent fields") {
            without_empty_fields(&mut expected);
        }
        let both_empty = self.lacks("absent fields") && got.is_none() && expected == "";
        let same = both_empty || got.as_ref() == Some(&expected);
        self.that(step, what, same, &expected, &json!(got));
    }

    fn that(&mut self, step: &Value, what: &str, holds: bool, expected: &Value, got: &Value) {
        if !holds {
            self.fail(step, what, expected, got);
        }
        self.checks += 1;
    }

    fn fail(&self, step: &Value, what: &str, expected: &Value, got: &Value) -> ! {
        let [expected, got] = [expected, got].map(Value::to_string);
        // Of long texts: from shortly before the first difference.
        let pairs = expected.chars().zip(got.chars());
        let at = pairs
            .take_while(|(a, b)| a == b)
            .count()
            .saturating_sub(100);
        let [expected, got] =
            [expected, got].map(|text| text.chars().skip(at).take(500).collect::<String>());
        let (name, checks) = (self.name, self.checks);
        panic!(
            "{name} after {checks} checks: {what}, from character {at}\n  expected {expected}\n  got      {got}\n  in       {step}"
        );
    }
}

fn timed(driver: &mut Driver, request: &Value) -> Called {
    let begin = Instant::now();
    let outcome = driver.call(request);
    (outcome, begin.elapsed())
}
