//! How pages and terminal write times, durations, counts and outcomes, and which characters they escape.
//!
//! The style of a page or a terminal (colours, columns, CSS classes) is not decided here.

use std::fmt::Display;

use crate::{
    model::{Status, Timestamp},
    timeline::{Phase, SpanState},
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns a duration in two units at most, rounded: `420 ms`, `7.30 s`, `12.3 s`, `2 min 03 s`,
/// `1 h 02 min`, `3 d 04 h`. `ui.js` counts running durations by the same rules.
pub fn duration(millis: u64) -> String {
    let rounded = |unit: u64| (millis + unit / 2) / unit;
    // The rounded value decides, so that 59.96 s is `1 min 00 s` and not `60.0 s`.
    let (hundredths, tenths) = (rounded(10), rounded(100));
    let (seconds, minutes, hours) = (rounded(SECOND), rounded(MINUTE), rounded(HOUR));
    if millis < SECOND {
        format!("{millis} ms")
    } else if hundredths < 1000 {
        format!("{}.{:02} s", hundredths / 100, hundredths % 100)
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else if minutes < 24 * 60 {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        format!("{} d {:02} h", hours / 24, hours % 24)
    }
}

/// Returns the label of a tick on a ruler: an exact duration without units that are zero, such as `0`,
/// `500 ms`, `1.5 s`, `2 min` or `1 min 30 s`.
pub fn tick(millis: u64) -> String {
    if millis == 0 {
        return "0".to_owned();
    }
    if millis < MINUTE && !millis.is_multiple_of(SECOND) && millis > SECOND {
        let fraction = format!("{:03}", millis % SECOND);
        return format!("{}.{} s", millis / SECOND, fraction.trim_end_matches('0'));
    }
    let units = [
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "min"),
        (SECOND, "s"),
        (1, "ms"),
    ];
    let mut rest = millis;
    let mut words = Vec::new();
    for (unit, name) in units {
        if rest >= unit {
            words.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    words.join(" ")
}

/// Returns the distance of two ticks, in milliseconds: the smallest that people count in with which a ruler of
/// `millis` has at most `ticks_max` ticks after the one at 0.
pub fn tick_step(millis: u64, ticks_max: u64) -> u64 {
    let in_units = [
        (1, &[1, 2, 5, 10, 20, 50, 100, 200, 500][..]),
        (SECOND, &[1, 2, 5, 10, 15, 30]),
        (MINUTE, &[1, 2, 5, 10, 15, 30]),
        (HOUR, &[1, 2, 3, 6, 12]),
        (DAY, &[1, 2, 7, 14, 30, 90, 365, 3650]),
    ];
    in_units
        .into_iter()
        .flat_map(|(unit, counts)| counts.iter().map(move |count| unit * count))
        .find(|step| millis / step <= ticks_max)
        .unwrap_or(millis)
}

/// Returns how long before `now` a time is, in one unit: `just now`, `42 s ago`, `5 min ago`, `3 d ago`. A
/// later time is `in 5.00 s`.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let millis = now.distance(time);
    if time > now {
        return format!("in {}", duration(millis));
    }
    match millis / SECOND {
        0..5 => "just now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// Returns `2026-11-22 12:00:00`, in UTC.
pub fn date_time(time: Timestamp) -> String {
    time.to_string()[..19].replace('T', " ")
}

/// Returns `12:00:00.123`, in UTC.
pub fn time_of_day(time: Timestamp) -> String {
    time.to_string()[11..23].to_owned()
}

/// Returns `2026-11-22 12:00:00.123 – 12:00:05.000 UTC`, with the date of the end only if it is another day. Without an
/// end it ends `now`; a period without length is one time.
pub fn period(begin: Timestamp, end: Option<Timestamp>) -> String {
    let day = |time: Timestamp| time.to_string()[..10].to_owned();
    let first = format!("{} {}", day(begin), time_of_day(begin));
    match end {
        Some(end) if end == begin => format!("{first} UTC"),
        Some(end) if day(end) == day(begin) => format!("{first} – {} UTC", time_of_day(end)),
        Some(end) => format!("{first} – {} {} UTC", day(end), time_of_day(end)),
        None => format!("{first} UTC – now"),
    }
}

/// Returns a number in groups of three digits: `100,000`.
pub fn count(number: impl Display) -> String {
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

/// Returns a number with its noun: `1 event`, `2,288 events`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Returns a size: `17 B`, `64.0 KiB`, rounded.
pub fn bytes(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => {
            let tenths = (bytes * 10 + 512) / 1024;
            format!("{}.{} KiB", count(tenths / 10), tenths % 10)
        }
    }
}

/// The glyph of a span that failed, after which the execution went on.
pub const CAUGHT: &str = "↷";

/// Returns the glyph of a span's state. Shapes differ, so that states can be distinguished without
/// colours, and none is a character that browsers draw as an emoji.
pub fn glyph(state: SpanState) -> &'static str {
    match state {
        SpanState::Open(Phase::Waiting) => "◌",
        SpanState::Open(_) => "●",
        SpanState::Succeeded => "✓",
        SpanState::Failed => "✗",
        SpanState::TimedOut => "◷",
        SpanState::Stopped => "■",
        SpanState::Incomplete => "?",
    }
}

/// Returns the state that the span of an execution with this status has.
pub fn state(status: Status) -> SpanState {
    match status {
        Status::Running => SpanState::Open(Phase::Working),
        Status::Succeeded => SpanState::Succeeded,
        Status::Failed => SpanState::Failed,
        Status::Stopped => SpanState::Stopped,
        Status::TimedOut => SpanState::TimedOut,
    }
}

/// Whether a browser or a terminal would obey or hide this character or reorder the text around it:
/// controls, and what Unicode calls default ignorable, bidirectional or a line separator. Variation
/// selectors stay: they choose the glyph of a visible character.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}')
}

/// Returns text that cannot change how a page or a terminal shows it: hidden characters become `\u{202e}`,
/// line breaks and tabs `\n`, `\r` and `\t`.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => visible.extend(c.escape_default()),
            c if is_hidden(c) => visible.extend(c.escape_unicode()),
            c => visible.push(c),
        }
    }
    visible
}

/// Blanks for a tab in a text of several lines.
const TAB: &str = "    ";

/// Returns text with its own line breaks, for example a stack trace: tabs become blanks, other hidden characters are
/// escaped, and what follows `max_chars` characters becomes `…`.
pub fn multi_line(text: &str, max_chars: usize) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut chars = text.chars().enumerate().peekable();
    while let Some((count, c)) = chars.next() {
        if count >= max_chars {
            lines.push('…');
            break;
        }
        match c {
            '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => {}
            '\r' | '\n' => lines.push('\n'),
            '\t' => lines.push_str(TAB),
            c if is_hidden(c) => lines.extend(c.escape_unicode()),
            c => lines.push(c),
        }
    }
    lines.truncate(lines.trim_end().len());
    lines
}

/// Returns text on one line: runs of white space become one blank, hidden characters are escaped, and what
/// follows `max_chars` characters becomes `…`.
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut blank = false;
    for (count, c) in text.chars().enumerate() {
        if count >= max_chars {
            line.push('…');
            break;
        }
        let white = matches!(c, ' ' | '\n' | '\t' | '\r');
        match c {
            _ if white && blank => {}
            _ if white => line.push(' '),
            c if is_hidden(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
        blank = white;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_and_carry_into_the_next_unit() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.00 s"),
            (7_298, "7.30 s"),
            (9_994, "9.99 s"),
            (9_995, "10.0 s"),
            (42_349, "42.3 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 00 s"),
            (59_960, "1 min 00 s"),
            (63_000, "1 min 03 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 00 min"),
            (86_369_999, "23 h 59 min"),
            (86_370_000, "1 d 00 h"),
            (273_600_000, "3 d 04 h"),
        ];
        for (millis, expected) in cases {
            assert_eq!(duration(millis), expected, "{millis}");
        }
        assert!(duration(u64::MAX / 2).ends_with(" h"));
    }

    #[test]
    fn period_names_the_day_of_its_end_only_if_it_is_another() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let begin = at("2026-11-22T23:59:59.999Z");
        let first = "2026-11-22 23:59:59.999";
        for (end, expected) in [
            (Some(begin), " UTC"),
            (None, " UTC – now"),
            (Some(at("2026-11-22T12:00:00Z")), " – 12:00:00.000 UTC"),
            (
                Some(at("2026-11-23T00:00:00Z")),
                " – 2026-11-23 00:00:00.000 UTC",
            ),
        ] {
            assert_eq!(period(begin, end), format!("{first}{expected}"));
        }
    }

    #[test]
    fn ticks_leave_out_units_that_are_zero() {
        let cases = [
            (0, "0"),
            (1, "1 ms"),
            (500, "500 ms"),
            (1_000, "1 s"),
            (1_500, "1.5 s"),
            (90_000, "1 min 30 s"),
            (120_000, "2 min"),
            (10_800_000, "3 h"),
            (129_600_000, "1 d 12 h"),
        ];
        for (millis, expected) in cases {
            assert_eq!(tick(millis), expected);
        }
    }

    #[test]
    fn ruler_has_as_many_ticks_as_fit() {
        let cases = [
            (0, 8, 1),
            (8, 8, 1),
            (9, 8, 2),
            (7_298, 8, SECOND),
            (17_999, 8, 2 * SECOND),
            (18_000, 8, 5 * SECOND),
            (8 * HOUR, 8, HOUR),
            (9 * HOUR, 8, 2 * HOUR),
            (u64::MAX, 8, u64::MAX),
        ];
        for (millis, ticks_max, expected) in cases {
            assert_eq!(tick_step(millis, ticks_max), expected, "{millis}");
        }
    }

    #[test]
    fn ago_has_one_unit() {
        let now = Timestamp::from_millis(10_000_000_000).unwrap();
        let before = |millis| ago(Timestamp::from_millis(now.millis() - millis).unwrap(), now);
        assert_eq!(before(4_999), "just now");
        assert_eq!(before(59_999), "59 s ago");
        assert_eq!(before(3_599_999), "59 min ago");
        assert_eq!(before(172_799_999), "47 h ago");
        assert_eq!(before(172_800_000), "2 d ago");
        assert_eq!(before(-5_000), "in 5.00 s");
    }

    #[test]
    fn counts_are_grouped_and_sizes_rounded() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(2_288, "event"), "2,288 events");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(65_535), "64.0 KiB");
    }

    #[test]
    fn every_kind_of_hidden_character_is_escaped() {
        let hidden = "\0\u{1b}\u{7f}\u{85}\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{202e}\u{2060}\u{206a}\u{206f}\u{feff}\u{e0000}\u{e0041}\u{e007f}";
        for c in hidden.chars() {
            assert!(is_hidden(c), "{c:?}");
            assert_eq!(visible(&c.to_string()), c.escape_unicode().to_string());
        }
        for c in "a é 步 👍🏽 \u{fe0f} \u{2027}".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
        assert_eq!(visible("a\tb\r\n\u{202e}"), "a\\tb\\r\\n\\u{202e}");
        assert_eq!(one_line(" a \n\t b\u{202e}", 100), " a b\\u{202e}");
        assert_eq!(one_line("步步步", 2), "步步…");
        let trace = "Error: no\r\n\tat a\rat b\u{202e}\n\n";
        assert_eq!(multi_line(trace, 100), "Error: no\n    at a\nat b\\u{202e}");
        assert_eq!(multi_line("步\n步步", 3), "步\n步…");
    }
}
