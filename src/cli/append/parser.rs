//! Parses JSON text into events while it arrives: objects one after the other (usually one a line), arrays of
//! objects, and whole answers of GetExecutionHistory, also several in turn.
//!
//! It checks that an event is a JSON object. What an event must contain is the server's.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, Read},
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::text::visible;

/// Longest event, in bytes: a request body has no more.
const EVENT_MAX_BYTES: usize = 1024 * 1024;
const NOT_AN_EVENT: &str = "an event is a JSON object";
/// A byte order mark. Editors write one at the beginning of a file, and `cat` puts it anywhere.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// An event as text, and the line of the input where it begins, from 1.
#[derive(Debug, PartialEq)]
pub(super) struct EventText {
    pub(super) json: String,
    pub(super) line: usize,
}

/// Parses the input and hands each event to `emit` as soon as it is complete, until `emit` returns false. Returns
/// whether the last answer has a NextToken, so that the history has more events.
///
/// # Errors
/// The input is not JSON, or something in it is no event. The text names the line. All events before it were emitted.
pub(super) fn parse(
    input: impl BufRead,
    mut emit: impl FnMut(EventText) -> bool,
) -> Result<bool, String> {
    let position = Position::default();
    let mut input = Bytes {
        input,
        position: &position,
    };
    let mut has_next_token = false;
    while let Some(byte) = input.next_value().map_err(|e| unreadable(&e))? {
        match byte {
            b'{' | b'[' => {}
            0xFE | 0xFF => return Err(position.fault("the input is UTF-16; convert it to UTF-8")),
            _ => return Err(position.fault(NOT_AN_EVENT)),
        }
        let value = Value {
            position: &position,
            emit: &mut emit,
        };
        let parsed = value.deserialize(&mut serde_json::Deserializer::from_reader(&mut input));
        match parsed.map_err(|error| position.describe(error))? {
            Some(next_token) => has_next_token = next_token,
            None => return Ok(false),
        }
    }
    Ok(has_next_token)
}

fn unreadable(error: &io::Error) -> String {
    format!("standard input cannot be read: {error}")
}

/// Where the parser is.
struct Position {
    /// The line of the next byte.
    line: Cell<usize>,
    /// The lines of the last byte that is not white space, and of the one before it.
    last: Cell<usize>,
    before_last: Cell<usize>,
    /// The last byte that was read.
    byte: Cell<u8>,
    /// The line where the event, or what encloses it, begins, and its bytes so far.
    first: Cell<usize>,
    length: Cell<usize>,
}

impl Default for Position {
    fn default() -> Self {
        Position {
            line: Cell::new(1),
            last: Cell::new(1),
            before_last: Cell::new(1),
            byte: Cell::new(b' '),
            first: Cell::new(1),
            length: Cell::new(0),
        }
    }
}

impl Position {
    fn begin(&self) {
        self.first.set(self.line.get());
        self.length.set(0);
    }

    fn advance(&self, byte: u8) {
        self.byte.set(byte);
        self.length.set(self.length.get() + 1);
        if byte == b'\n' {
            self.line.set(self.line.get() + 1);
        } else if !byte.is_ascii_whitespace() {
            self.before_last.set(self.last.replace(self.line.get()));
        }
    }

    /// Returns the line that must change to mend the syntax: a comma or bracket that the parser misses at the beginning
    /// of a line belongs at the end of the line before.
    fn fault_line(&self, error: &serde_json::Error) -> usize {
        let ends = error.is_eof() || self.byte.get().is_ascii_whitespace();
        match !ends && self.length.get() > 1 {
            true => self.before_last.get(),
            false => self.last.get(),
        }
    }

    fn fault(&self, rule: &str) -> String {
        format!("line {}: {rule}", self.line.get())
    }

    fn describe(&self, error: serde_json::Error) -> String {
        if error.is_io() {
            let error = io::Error::from(error);
            return match error.kind() {
                io::ErrorKind::FileTooLarge => format!("line {}: {error}", self.first.get()),
                _ => unreadable(&error),
            };
        }
        let text = error.to_string();
        let text = visible(text.split(" at line ").next().unwrap_or_default());
        match error.is_data() {
            true => format!("line {}: {text}", self.first.get()),
            false => format!("line {} is not JSON: {text}", self.fault_line(&error)),
        }
    }
}

/// The input byte by byte: nothing after a value is read before the value is parsed.
struct Bytes<'a, R> {
    input: R,
    position: &'a Position,
}

impl<R: BufRead> Bytes<'_, R> {
    /// Goes to the next byte that is neither white space nor a byte order mark.
    fn next_value(&mut self) -> io::Result<Option<u8>> {
        loop {
            self.position.begin();
            match self.input.fill_buf()?.first() {
                Some(byte) if byte.is_ascii_whitespace() || MARK.contains(byte) => {
                    self.read_exact(&mut [0])?;
                }
                byte => return Ok(byte.copied()),
            }
        }
    }
}

impl<R: BufRead> Read for Bytes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position.length.get() == EVENT_MAX_BYTES {
            let rule = format!("an event has at most {EVENT_MAX_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, rule));
        }
        let length = self.input.read(&mut buffer[..1])?;
        if length == 1 {
            self.position.advance(buffer[0]);
        }
        Ok(length)
    }
}

/// A value of the input: an event, events, or an answer. Parsed to whether it has a NextToken; None if no more events
/// are taken.
struct Value<'a, F> {
    position: &'a Position,
    emit: &'a mut F,
}

impl<'de, F: FnMut(EventText) -> bool> DeserializeSeed<'de> for Value<'_, F> {
    type Value = Option<bool>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<bool>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(EventText) -> bool> Visitor<'de> for Value<'_, F> {
    type Value = Option<bool>;

    fn expecting(&self, text: &mut fmt::Formatter) -> fmt::Result {
        text.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Option<bool>, A::Error> {
        self.position.begin();
        while let Some(event) = events.next_element::<Box<RawValue>>()? {
            let json = String::from(Box::<str>::from(event));
            let line = self.position.last.get() - json.matches('\n').count();
            if !json.starts_with('{') {
                self.position.first.set(line);
                return Err(A::Error::custom(NOT_AN_EVENT));
            }
            if !(self.emit)(EventText { json, line }) {
                return Ok(None);
            }
            self.position.begin();
        }
        Ok(Some(false))
    }

    /// An object is an answer if it has the field `Events`, else an event.
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Option<bool>, A::Error> {
        let (mut is_answer, mut has_next_token) = (false, false);
        let mut json = "{".to_owned();
        while let Some(name) = object.next_key::<String>()? {
            if name == "Events" {
                is_answer = true;
                let events = Value {
                    position: self.position,
                    emit: &mut *self.emit,
                };
                if object.next_value_seed(events)?.is_none() {
                    return Ok(None);
                }
                continue;
            }
            let value: Box<RawValue> = object.next_value()?;
            if name == "NextToken" {
                has_next_token = !matches!(value.get(), "null" | "\"\"");
            }
            let comma = if json.len() > 1 { "," } else { "" };
            let name = serde_json::to_string(&name).map_err(A::Error::custom)?;
            json += &format!("{comma}{name}:{value}");
        }
        if is_answer {
            return Ok(Some(has_next_token));
        }
        json.push('}');
        let line = self.position.first.get();
        let more = (self.emit)(EventText { json, line });
        Ok(more.then_some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the events with their lines, and what `parse` returns.
    fn parsed(input: &[u8]) -> (Vec<(usize, String)>, Result<bool, String>) {
        let mut events = Vec::new();
        let result = parse(input, |event| {
            events.push((event.line, event.json));
            true
        });
        (events, result)
    }

    #[test]
    fn lines_arrays_and_answers_are_parsed_into_events() {
        let (a, b) = (r#"{"Type":"A"}"#, r#"{"Type":"B","EventDetail":"[{\"]}"}"#);
        for (input, lines, more) in [
            (format!("{a}\n{b}\n"), [1, 2], false),
            (format!("\u{feff}{a}\r\n\r\n{b}"), [1, 3], false),
            (format!("{a}{b}"), [1, 1], false),
            (format!("{a}\n\u{feff}{b}"), [1, 2], false),
            (format!("[{a},{b}]"), [1, 1], false),
            (format!("\u{feff}[\n  {a},\n  {b}\n]\n"), [2, 3], false),
            (format!("[]{a}\n[{b}]"), [1, 2], false),
            (
                format!(r#"{{"Events":[{a},{b}],"RequestId":"r"}}"#),
                [1, 1],
                false,
            ),
            (
                format!(
                    "{{\n\"RequestId\": \"r\",\n\"Events\" : [\n{a},\n{b}\n],\n\"NextToken\": \"\"\n}}\n"
                ),
                [4, 5],
                false,
            ),
            (
                format!(
                    "{{\"Events\":[{a}],\"NextToken\":\"2\"}}\n{{\"NextToken\":null,\"Events\":[{b}]}}"
                ),
                [1, 2],
                false,
            ),
            (
                format!("{{\"NextToken\":\"3\",\"Events\":[{a},{b}]}}"),
                [1, 1],
                true,
            ),
        ] {
            let events = vec![(lines[0], a.to_owned()), (lines[1], b.to_owned())];
            assert_eq!(parsed(input.as_bytes()), (events, Ok(more)), "{input}");
        }
        assert_eq!(parsed(b""), (vec![], Ok(false)));
        assert_eq!(parsed(b"{\"Events\":[]}"), (vec![], Ok(false)));
        // White space of an event counts for lines, also outside of arrays, where an event is built from its fields.
        let pretty = "{\n  \"Type\":\n \"A\"\n}\n[\n{\n  \"Type\": \"B\"\n}]\n";
        let lines: Vec<_> = parsed(pretty.as_bytes()).0.iter().map(|it| it.0).collect();
        assert_eq!(lines, [1, 6]);
        // Only the field of an answer has events.
        let nested = r#"{"Type":"A","X":{"Events":[1]}}"#;
        assert_eq!(parsed(nested.as_bytes()).0, [(1, nested.to_owned())]);
    }

    /// Inputs, how many events they have before the fault, and how it is described.
    const FAULTS: [(&str, usize, &str); 19] = [
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
            "line 1 is not JSON: control character",
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
        ("[{},\nnull\n]", 1, "line 2: an event is a JSON object"),
        ("[{}\n{}]", 1, "line 1 is not JSON: expected `,` or `]`"),
        ("[{},]", 1, "line 1 is not JSON: trailing comma"),
        ("[{},\n", 1, "line 1 is not JSON: EOF while parsing a"),
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
        (
            "{\"Events\":[{}] 5}",
            1,
            "line 1 is not JSON: expected `,` or `}`",
        ),
        (
            "{\"Events\":5}",
            0,
            "line 1: invalid type: integer `5`, expected an array of events",
        ),
    ];

    #[test]
    fn bad_line_is_named_and_events_before_it_are_returned() {
        let good = "{\"Type\":\"A\"}\n";
        let long = "x".repeat(EVENT_MAX_BYTES);
        let endless = format!("{{\"Type\":\"{long}");
        let endless_in_array = format!("[{{}},\n{{\"Type\":\"{long}");
        let endless = [
            (
                endless.as_str(),
                0,
                "line 1: an event has at most 1048576 bytes",
            ),
            (
                endless_in_array.as_str(),
                1,
                "line 1: an event has at most 1048576 bytes",
            ),
        ];
        for (input, events, expected) in FAULTS.into_iter().chain(endless) {
            for before in 0..2 {
                let (found, fault) = parsed((good.repeat(before) + input).as_bytes());
                let (line, rest) = expected.strip_prefix("line ").unwrap().split_at(1);
                let line: usize = line.parse().unwrap();
                let expected = format!("line {}{rest}", line + before);
                let start: String = input.chars().take(60).collect();
                assert_eq!(found.len(), events + before, "{start}");
                let fault = fault.unwrap_err();
                assert!(
                    fault.starts_with(&expected),
                    "{start}: {fault}, not {expected}"
                );
            }
        }
        let fault = parsed(b"\xff\xfe{\0").1.unwrap_err();
        assert!(fault.contains("UTF-16"), "{fault}");
        let fault = parsed(b"{}\n{\"Type\":\"\xff\"}").1.unwrap_err();
        assert!(fault.starts_with("line 2 "), "{fault}");
    }
}
