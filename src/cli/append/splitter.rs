//! Splits JSON text into events while it arrives: objects one after the other (usually one a line), arrays of
//! objects, and whole answers of GetExecutionHistory, also several in turn.
//!
//! It finds where each event begins and ends and checks that it is JSON. What an event must contain is the server's.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use crate::text::visible;

/// Longest event, in bytes: a request body has no more.
const EVENT_MAX_BYTES: usize = 1024 * 1024;
/// The field of an answer that has its events.
const EVENTS_KEY: &str = "\"Events\"";

/// An event as text, and the line of the input where it begins, from 1.
#[derive(Debug, PartialEq)]
pub(super) struct EventText {
    pub(super) json: String,
    pub(super) line: usize,
}

/// What encloses the scanner's position.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Nothing: between the values of the input.
    Outside,
    /// An array of events. `after_event`: a comma or the end must follow.
    Array { after_event: bool },
    /// An object, whose text is collected.
    Object,
}

pub(super) struct Splitter {
    place: Place,
    /// The line of the next byte.
    line: usize,
    /// Text of the object that is read.
    text: Vec<u8>,
    /// The line where it begins.
    first_line: usize,
    /// Its open brackets.
    open: Vec<u8>,
    in_string: bool,
    after_backslash: bool,
    /// The last byte of it that is no white space and not inside a string.
    last: u8,
    /// Whether the object, or the array, is an element of an array.
    in_array: bool,
    /// Text of an answer without its events, while its events are read or after that.
    answer: Option<Vec<u8>>,
    events: VecDeque<EventText>,
    /// Whether the last answer says that the history has more events.
    has_next_token: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Splitter {
            place: Place::Outside,
            line: 1,
            text: Vec::new(),
            first_line: 1,
            open: Vec::new(),
            in_string: false,
            after_backslash: false,
            last: 0,
            in_array: false,
            answer: None,
            events: VecDeque::new(),
            has_next_token: false,
        }
    }

    /// Takes the next event that is complete.
    pub(super) fn pop(&mut self) -> Option<EventText> {
        self.events.pop_front()
    }

    /// Whether the last answer was a page with more pages after it.
    pub(super) fn has_next_token(&self) -> bool {
        self.has_next_token
    }

    /// Reads a piece of the input.
    ///
    /// # Errors
    /// The input is not JSON, or something in it is no event. The text names the line. Events before it can be
    /// taken.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        for &byte in bytes {
            match self.place {
                Place::Outside => self.outside(byte)?,
                Place::Array { after_event } => self.array(byte, after_event)?,
                Place::Object => self.object(byte)?,
            }
            self.line += usize::from(byte == b'\n');
        }
        Ok(())
    }

    /// Checks that the input may end here.
    ///
    /// # Errors
    /// It ends inside an event, an array or an answer.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        match self.place {
            Place::Outside => Ok(()),
            Place::Array { .. } => Err(self.fault("the input ends within an array of events")),
            Place::Object => Err(self.not_json()),
        }
    }

    fn outside(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            // The bytes of a byte order mark: editors write one at the beginning, and `cat` puts it anywhere.
            b' ' | b'\t' | b'\r' | b'\n' | 0xEF | 0xBB | 0xBF => {}
            b'[' => {
                self.place = Place::Array { after_event: false };
                self.last = b'[';
            }
            b'{' => self.begin(false),
            0xFE | 0xFF => return Err(self.fault("the input is UTF-16; convert it to UTF-8")),
            _ => return Err(self.fault("an event is a JSON object")),
        }
        Ok(())
    }

    fn array(&mut self, byte: u8, after_event: bool) -> Result<(), String> {
        match (byte, after_event) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b',', true) => self.place = Place::Array { after_event: false },
            (b'{', false) => self.begin(true),
            (b']', _) if after_event || self.last != b',' => match self.answer.take() {
                None => self.place = Place::Outside,
                Some(answer) => self.resume(answer),
            },
            (_, true) => return Err(self.fault("',' or ']' must follow an event")),
            (_, false) => return Err(self.fault("an event is a JSON object")),
        }
        if !byte.is_ascii_whitespace() && matches!(self.place, Place::Array { .. }) {
            self.last = byte;
        }
        Ok(())
    }

    /// Begins to collect an object.
    fn begin(&mut self, in_array: bool) {
        self.place = Place::Object;
        self.first_line = self.line;
        self.in_array = in_array;
        self.text.clear();
        self.text.push(b'{');
        self.open = vec![b'{'];
        self.last = b'{';
    }

    /// Goes on with an answer after its events.
    fn resume(&mut self, mut answer: Vec<u8>) {
        answer.push(b']');
        self.text = answer;
        self.answer = Some(Vec::new()); // this one has had its events
        self.place = Place::Object;
        self.in_array = false;
        self.open = vec![b'{'];
        self.last = b']';
    }

    fn object(&mut self, byte: u8) -> Result<(), String> {
        if self.text.len() == EVENT_MAX_BYTES {
            let rule = format!("an event has at most {EVENT_MAX_BYTES} bytes");
            return Err(line_fault(self.first_line, &rule));
        }
        self.text.push(byte);
        if self.in_string {
            match byte {
                b'\n' => return Err(self.fault("a string has no end on this line")),
                _ if self.after_backslash => self.after_backslash = false,
                b'\\' => self.after_backslash = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                // Anything else is an error that would otherwise show only at the end of the input.
                if !matches!(self.last, b':' | b',' | b'[') {
                    return Err(self.not_json());
                }
                if byte == b'[' && self.begins_events() {
                    self.answer = Some(std::mem::take(&mut self.text));
                    self.place = Place::Array { after_event: false };
                    self.last = b'[';
                    return Ok(());
                }
                self.open.push(byte);
            }
            b'}' | b']' => {
                let opening = if byte == b'}' { b'{' } else { b'[' };
                if self.open.pop() != Some(opening) {
                    return Err(self.not_json());
                }
                if self.open.is_empty() {
                    return self.end();
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        Ok(())
    }

    /// Whether the bracket that was just read begins the events of an answer.
    fn begins_events(&self) -> bool {
        if self.in_array || self.answer.is_some() || self.open != [b'{'] {
            return false;
        }
        let before = std::str::from_utf8(&self.text[..self.text.len() - 1]).unwrap_or_default();
        let key = before.trim_end().strip_suffix(':').map(str::trim_end);
        let before = key.and_then(|key| key.strip_suffix(EVENTS_KEY));
        before.is_some_and(|before| before.trim_end().ends_with(['{', ',']))
    }

    /// Ends the object that was collected.
    fn end(&mut self) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            next_token: Option<String>,
        }
        if self.answer.take().is_some() {
            self.place = Place::Outside;
            let answer: Result<Answer, _> = serde_json::from_slice(&self.text);
            let answer = answer.map_err(|e| self.fault(&format!("not an answer: {e}")))?;
            self.has_next_token = answer.next_token.is_some_and(|token| !token.is_empty());
            return Ok(());
        }
        if serde_json::from_slice::<&RawValue>(&self.text).is_err() {
            return Err(self.not_json());
        }
        let json = String::from_utf8(std::mem::take(&mut self.text));
        let json = json.map_err(|_| line_fault(self.first_line, "the event is not UTF-8"))?;
        self.events.push_back(EventText {
            json,
            line: self.first_line,
        });
        self.place = match self.in_array {
            true => Place::Array { after_event: true },
            false => Place::Outside,
        };
        Ok(())
    }

    fn fault(&self, rule: &str) -> String {
        line_fault(self.line, rule)
    }

    /// Describes why the text that was collected is not JSON, and names the line that is to be changed.
    fn not_json(&self) -> String {
        let Err(error) = serde_json::from_slice::<&RawValue>(&self.text) else {
            return line_fault(self.first_line, "the event has no end");
        };
        let what = error.to_string();
        let what = visible(what.split(" at line ").next().unwrap_or_default());
        if self.answer.is_some() {
            return format!("line {} is not JSON: {what}", self.line);
        }
        let lines: Vec<&[u8]> = self.text.split(|&byte| byte == b'\n').collect();
        let mut at = match error.classify() {
            Category::Eof => lines.len(),
            _ => error.line().min(lines.len()),
        };
        // What is wrong at the beginning of a line is missing at the end of one before.
        let end = |at: usize| match error.classify() {
            Category::Eof => lines[at - 1].len(),
            _ if at == error.line() => error.column().saturating_sub(1).min(lines[at - 1].len()),
            _ => lines[at - 1].len(),
        };
        while at > 1 && lines[at - 1][..end(at)].trim_ascii().is_empty() {
            at -= 1;
        }
        let line = self.first_line + at - 1;
        format!("line {line} is not JSON: {what}")
    }
}

fn line_fault(line: usize, rule: &str) -> String {
    format!("line {line}: {rule}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits the input in pieces of `size` bytes. Returns the events with their lines, and the fault.
    fn split(input: &str, size: usize) -> (Vec<(usize, String)>, Option<String>) {
        let mut splitter = Splitter::new();
        let mut pieces = input.as_bytes().chunks(size);
        let read = pieces.try_for_each(|piece| splitter.push(piece));
        let fault = read.and_then(|()| splitter.finish()).err();
        let events = std::iter::from_fn(|| splitter.pop());
        let events = events.map(|event| (event.line, event.json)).collect();
        (events, fault)
    }

    #[test]
    fn lines_arrays_and_answers_are_split_into_events() {
        let (a, b) = (r#"{"Type":"A"}"#, r#"{"Type":"B","EventDetail":"[{\"]}"}"#);
        let two = |lines: [usize; 2]| vec![(lines[0], a.to_owned()), (lines[1], b.to_owned())];
        for (input, lines) in [
            (format!("{a}\n{b}\n"), [1, 2]),
            (format!("\u{feff}{a}\r\n\r\n{b}"), [1, 3]),
            (format!("{a}{b}"), [1, 1]),
            (format!("[{a},{b}]"), [1, 1]),
            (format!("\u{feff}[\n  {a},\n  {b}\n]\n"), [2, 3]),
            (format!("[]{a}\n[{b}]"), [1, 2]),
            (format!(r#"{{"Events":[{a},{b}],"RequestId":"r"}}"#), [1, 1]),
            (
                format!(
                    "{{\n\"RequestId\": \"r\",\n\"Events\" : [\n{a},\n{b}\n],\n\"NextToken\": \"\"\n}}\n"
                ),
                [4, 5],
            ),
            (
                format!("{{\"Events\":[{a}],\"NextToken\":\"2\"}}\n{{\"Events\":[{b}]}}"),
                [1, 2],
            ),
        ] {
            for size in [1, 7, 1000] {
                assert_eq!(split(&input, size), (two(lines), None), "{input}");
            }
        }
        assert_eq!(split("", 1), (vec![], None));
        assert_eq!(split("{\"Events\":[]}", 1), (vec![], None));
        let pretty = "{\n  \"Type\": \"A\"\n}\n{\n  \"Type\": \"B\"\n}\n";
        assert_eq!(split(pretty, 3).0.len(), 2);
        // Only the first field of this name in an answer has events.
        let nested = r#"{"Type":"A","X":{"Events":[1]}}"#;
        assert_eq!(split(nested, 1), (vec![(1, nested.to_owned())], None));
    }

    #[test]
    fn bad_line_is_named_and_events_before_it_are_returned() {
        let good = "{\"Type\":\"A\"}\n";
        for (input, events, expected) in [
            (
                "{\"Type\"",
                0,
                "line 1 is not JSON: EOF while parsing an object",
            ),
            (
                "{\"Type\"\n",
                0,
                "line 1 is not JSON: EOF while parsing an object",
            ),
            (
                "{\"Type\"\n{\"Type\":\"B\"}\n",
                0,
                "line 1 is not JSON: expected `:`",
            ),
            (
                "{\"Type\":\"A\"\n\n{\"Type\":\"B\"}\n",
                0,
                "line 1 is not JSON: expected `,` or `}`",
            ),
            (
                "{\"Type\":\"A\n\"}\n",
                0,
                "line 1: a string has no end on this line",
            ),
            (
                "{'Type':'A'}\n",
                0,
                "line 1 is not JSON: key must be a string",
            ),
            (
                "{\"Type\":\"A\"]\n",
                0,
                "line 1 is not JSON: expected `,` or `}`",
            ),
            (
                "{\n  \"Type\": \"A\"\n  \"StepName\": \"s\"\n}\n",
                0,
                "line 2 is not JSON: expected `,` or `}`",
            ),
            ("five\n", 0, "line 1: an event is a JSON object"),
            ("}\n", 0, "line 1: an event is a JSON object"),
            ("[5]", 0, "line 1: an event is a JSON object"),
            ("[{}\n{}]", 1, "line 2: ',' or ']' must follow an event"),
            ("[{},]", 1, "line 1: an event is a JSON object"),
            (
                "[{},\n",
                1,
                "line 2: the input ends within an array of events",
            ),
            (
                "{\"Events\":[{}\n,5]}",
                1,
                "line 2: an event is a JSON object",
            ),
            (
                "{\"Events\":[{}]",
                1,
                "line 1 is not JSON: EOF while parsing an object",
            ),
            ("{\"Events\":[{}] 5}", 1, "line 1: not an answer: "),
        ] {
            for before in 0..2 {
                let (found, fault) = split(&(good.repeat(before) + input), 1);
                let (line, rest) = expected.strip_prefix("line ").unwrap().split_at(1);
                let line: usize = line.parse().unwrap();
                let expected = format!("line {}{rest}", line + before);
                assert_eq!(found.len(), events + before, "{input}");
                assert!(
                    fault.as_ref().unwrap().starts_with(&expected),
                    "{input}: {fault:?}, not {expected}"
                );
            }
        }
        let mut splitter = Splitter::new();
        assert!(
            splitter
                .push(b"\xff\xfe{\0")
                .unwrap_err()
                .contains("UTF-16")
        );
        let mut splitter = Splitter::new();
        let bytes = splitter.push(b"{}\n{\"Type\":\"\xff\"}").unwrap_err();
        assert!(bytes.starts_with("line 2 "), "{bytes}");
        let endless = format!("{{\"Type\":\"{}", "x".repeat(EVENT_MAX_BYTES));
        let fault = Splitter::new().push(endless.as_bytes()).unwrap_err();
        assert_eq!(fault, "line 1: an event has at most 1048576 bytes");
    }
}
