//! How all commands write: what comes from events is made harmless, columns hold whatever the script, and
//! colours are for terminals.

use std::io::{self, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::{Status, Timestamp};
use crate::timeline::{Phase, SpanState};

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const OPEN: Style = AnsiColor::Cyan.on_default();
pub(super) const WAITS: Style = AnsiColor::Yellow.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();

/// Columns where there is no terminal to ask.
const WIDTH_DEFAULT: usize = 100;
/// Columns without which nothing can be drawn.
const WIDTH_MIN: usize = 40;

/// Writes to standard output, in colours if that is a terminal and NO_COLOR is not set. Returns false if its reader
/// has closed it, as in `flowledger ls | head -1`: that is no error.
///
/// # Errors
/// Standard output cannot be written, for example because its disk is full.
pub(super) fn print(text: &str) -> Result<bool, String> {
    print_to(anstream::stdout().lock(), text.as_bytes())
}

/// Does the same with bytes that are not to be changed.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<bool, String> {
    print_to(io::stdout().lock(), bytes)
}

fn print_to(mut output: impl Write, bytes: &[u8]) -> Result<bool, String> {
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("standard output cannot be written: {error}")),
    }
}

/// Columns to fill: `COLUMNS`, or what the terminal has.
pub(super) fn width() -> usize {
    let given = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let asked = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    given.or_else(asked).unwrap_or(WIDTH_DEFAULT).max(WIDTH_MIN)
}

/// `text` without anything that a terminal would obey, or that would show it in another order.
pub(super) fn safe(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        match c {
            _ if !c.is_control() && !hidden => harmless.push(c),
            '\n' | '\r' | '\t' => harmless.extend(c.escape_default()),
            _ => harmless.extend(c.escape_unicode()),
        }
    }
    harmless
}

pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// At most so many columns of `text`; what was cut off is a `…`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= most
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Exactly so many columns of `text`, filled with blanks.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut text = cut(text, width);
    text.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(columns(&text)),
    ));
    text
}

/// `text` at the right end of so many columns.
pub(super) fn right(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(columns(text));
    format!("{:blanks$}{text}", "")
}

/// `text` in a style; the stream drops it where it is not wanted.
pub(super) fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{style}{text}{style:#}")
    }
}

/// A sign and a style for a state. The signs differ without colours too.
pub(super) fn sign(state: SpanState) -> (&'static str, Style) {
    match state {
        SpanState::Succeeded => ("✓", GOOD),
        SpanState::Failed | SpanState::TimedOut => ("✗", BAD),
        SpanState::Stopped => ("■", WAITS),
        SpanState::Incomplete => ("?", DIM),
        SpanState::Open(Phase::Waiting) => ("◌", WAITS),
        SpanState::Open(_) => ("▶", OPEN),
    }
}

/// The state that a status in the vendor's words means.
pub(super) fn state(status: &str) -> SpanState {
    match Status::parse(status) {
        Some(Status::Succeeded) => SpanState::Succeeded,
        Some(Status::Failed) => SpanState::Failed,
        Some(Status::TimedOut) => SpanState::TimedOut,
        Some(Status::Stopped) => SpanState::Stopped,
        _ => SpanState::Open(Phase::Working),
    }
}

/// `7 ms`, `1.25 s`, `42.3 s`, `5 min 02 s`, `3 h 04 min`, `2 d 05 h`
pub(super) fn took(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{seconds}.{:02} s", millis % 1000 / 10),
        10..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// How long ago, in one unit.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    if time > now {
        return format!("in {}", took(time.distance(now)));
    }
    let seconds = now.distance(time) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// `2019-01-01 01:01:01Z`: a time as people read it, to the second.
pub(super) fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text[..19].replace('T', " "))
}
