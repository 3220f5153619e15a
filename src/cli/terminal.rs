//! Output of all commands: columns that are aligned for texts in any script, and colours on a terminal only. Callers
//! pass stored texts through `text::visible` first.

use std::io::{self, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    model::Status,
    text,
    timeline::{Phase, SpanState},
};

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const OPEN: Style = AnsiColor::Cyan.on_default();
pub(super) const WAITS: Style = AnsiColor::Yellow.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();

/// Columns where there is no terminal.
const WIDTH_DEFAULT: usize = 100;
/// Fewer columns are not drawn.
const WIDTH_MIN: usize = 40;

/// Writes to standard output, in colours if that is a terminal and NO_COLOR is not set. Returns false if its reader
/// has closed it, as in `flowledger ls | head -1`: that is no error.
///
/// # Errors
/// Standard output cannot be written, for example because its disk is full.
pub(super) fn print(text: &str) -> Result<bool, String> {
    print_to(anstream::stdout().lock(), text.as_bytes())
}

/// Writes bytes unchanged; the rest is as for `print`.
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

/// Writes a line to standard error: what the user should know though the command goes on. A standard error that
/// cannot be written changes nothing.
pub(super) fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "flowledger: {line}"); // eprintln! panics
}

/// Returns the columns to fill: those in `COLUMNS`, or those of the terminal.
pub(super) fn width() -> usize {
    let given = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    given
        .or_else(of_terminal)
        .unwrap_or(WIDTH_DEFAULT)
        .max(WIDTH_MIN)
}

/// Returns how many columns of a terminal text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Returns `text` cut to at most `width` columns; `…` stands for what was cut off.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Returns exactly `width` columns of `text`, filled up with blanks.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut text = cut(text, width);
    text.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(columns(&text)),
    ));
    text
}

/// Returns `text` right-aligned in `width` columns.
pub(super) fn right(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(columns(text));
    format!("{:blanks$}{text}", "")
}

/// Returns `text` in a style. The output drops the style if it is no terminal.
pub(super) fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{style}{text}{style:#}")
    }
}

/// Returns the glyph and the style of a span's state. The glyphs differ without colours too.
pub(super) fn sign(state: SpanState) -> (&'static str, Style) {
    let style = match state {
        SpanState::Succeeded => GOOD,
        SpanState::Failed | SpanState::TimedOut => BAD,
        SpanState::Stopped | SpanState::Open(Phase::Waiting) => WAITS,
        SpanState::Incomplete => DIM,
        SpanState::Open(_) => OPEN,
    };
    (text::glyph(state), style)
}

/// Returns the state that an execution's status means; one that this version does not know is taken as running.
pub(super) fn state(status: &str) -> SpanState {
    Status::parse(status).map_or(SpanState::Open(Phase::Working), text::state)
}
