//! Times, spans of time and numbers as people read them.

use std::fmt::Display;

use crate::model::{Status, Timestamp};

/// How an execution stands, for the eye: by shape and word as well as colour.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub class: &'static str,
    pub glyph: &'static str,
    pub word: &'static str,
}

pub(super) fn mark(status: Status) -> Mark {
    let (class, glyph) = match status {
        Status::Running => ("running", "●"),
        Status::Succeeded => ("succeeded", "✓"),
        Status::Failed => ("failed", "✗"),
        Status::Stopped => ("stopped", "■"),
        Status::TimedOut => ("timedout", "◷"),
    };
    Mark {
        class,
        glyph,
        word: if status == Status::TimedOut {
            "Timed out"
        } else {
            status.as_str()
        },
    }
}

/// A span of time in two units at most: `420 ms`, `12.3 s`, `2 m 03 s`, `1 h 02 m`, `3 d 04 h`.
pub(super) fn duration(millis: i64) -> String {
    let millis = millis.max(0);
    let (seconds, minutes, hours) = (millis / 1000, millis / 60_000, millis / 3_600_000);
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{seconds}.{} s", millis % 1000 / 100),
        60_000..3_600_000 => format!("{minutes} m {:02} s", seconds % 60),
        3_600_000..86_400_000 => format!("{hours} h {:02} m", minutes % 60),
        _ => format!("{} d {:02} h", hours / 24, hours % 24),
    }
}

/// How long ago, in one unit.
pub(super) fn ago(now: Timestamp, time: Timestamp) -> String {
    let seconds = (now.millis() - time.millis()) / 1000;
    match seconds {
        ..0 => "ahead of the clock".to_owned(),
        0..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// `2026-11-22 12:00:00`, UTC.
pub(super) fn day_time(time: Timestamp) -> String {
    time.to_string()[..19].replace('T', " ")
}

/// `12:00:00.123`, UTC.
pub(super) fn time_of_day(time: Timestamp) -> String {
    time.to_string()[11..23].to_owned()
}

/// `100,000`
pub(super) fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 event`, `2,288 events`
pub(super) fn counted(number: i64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// `17 B`, `64.0 KiB`
pub(super) fn bytes(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024),
    }
}

/// Whether a browser would hide this character, or turn the text around it.
pub(super) fn escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Somebody's text on one line, at most so many characters, with nothing hidden in it.
pub(super) fn line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut blank = false;
    for (count, c) in text.chars().enumerate() {
        if count >= max_chars {
            line.push('…');
            break;
        }
        match c {
            ' ' | '\n' | '\t' | '\r' if blank => {}
            ' ' | '\n' | '\t' | '\r' => line.push(' '),
            c if escape(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
        blank = matches!(c, ' ' | '\n' | '\t' | '\r');
    }
    line
}
