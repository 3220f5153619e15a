//! Formats JSON for reading: one value per line, indented, coloured. Other text is shown as it is.
//!
//! The only code that writes HTML without a template, so it escapes every character that it copies.

use std::fmt::Write;

use serde::de::IgnoredAny;

use crate::{
    text::{bytes, is_hidden},
    timeline::is_reason,
};

/// Tokens beyond which colours are left out: browsers take noticeable time for so many elements.
const COLOURED_MAX: usize = 5_000;
/// Levels that are indented; deeper ones get the indentation of this level.
const INDENTED_MAX: usize = 24;

/// A stored text and how to show it.
pub(super) struct Detail {
    /// Escaped HTML.
    pub html: String,
    pub is_json: bool,
    pub size: String,
}

impl Detail {
    pub fn of(text: &str) -> Self {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let mut html = String::with_capacity(text.len() * 2);
        if is_json {
            pretty(text, &mut html);
        } else {
            visible(text, &mut html);
        }
        Detail {
            html,
            is_json,
            size: bytes(text.len()),
        }
    }
}

/// Appends text as HTML. Characters that a browser would hide, or that reorder text, are written as `\u{…}`.
fn visible(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if is_hidden(c) && c != '\n' && c != '\t' => {
                let _ = write!(html, "<i>{}</i>", c.escape_unicode());
            }
            c => html.push(c),
        }
    }
}

/// Appends a JSON string, quotes included. The line breaks and tabs of a reason are not shown as `\n` and `\t`, so that
/// a stack trace stands on lines.
fn string(word: &str, is_reason: bool, html: &mut String) {
    if !is_reason {
        return visible(word, html);
    }
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        visible(before, html);
        let (escape, after) = after.split_at(after.chars().next().map_or(0, char::len_utf8));
        match escape {
            "n" => html.push('\n'),
            "t" => html.push('\t'),
            "r" if after.starts_with("\\n") => {}
            _ => {
                html.push('\\');
                visible(escape, html);
            }
        }
        rest = after;
    }
    visible(rest, html);
}

/// Appends formatted JSON as HTML. `json` must be valid.
fn pretty(json: &str, html: &mut String) {
    let words = json.bytes().filter(|b| matches!(b, b',' | b':')).count();
    let coloured = words <= COLOURED_MAX;
    let (mut depth, mut rest) = (0, json.trim_start());
    let mut key = "";
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '{' | '[' | '}' | ']' | ',' | ':' => 1,
            _ => rest
                .find([',', '}', ']', ' ', '\n', '\r', '\t'])
                .unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        rest = after.trim_start();
        match first {
            '{' | '[' => {
                html.push(first);
                if rest.starts_with(['}', ']']) {
                    html.push_str(&rest[..1]);
                    rest = rest[1..].trim_start();
                } else {
                    depth += 1;
                    new_line(depth, html);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(depth, html);
                html.push(first);
            }
            ',' => {
                html.push(',');
                new_line(depth, html);
            }
            ':' => html.push_str(": "),
            _ => {
                let class = match first {
                    '"' if rest.starts_with(':') => "k",
                    '"' => "s",
                    _ => "n",
                };
                if class == "k" {
                    key = word.trim_matches('"');
                }
                let is_reason = class == "s" && is_reason(key);
                if coloured {
                    let _ = write!(html, "<span class=\"{class}\">");
                    string(word, is_reason, html);
                    html.push_str("</span>");
                } else {
                    string(word, is_reason, html);
                }
            }
        }
    }
}

fn new_line(depth: usize, html: &mut String) {
    html.push('\n');
    for _ in 0..depth.min(INDENTED_MAX) {
        html.push_str("  ");
    }
}

/// Returns the length in bytes of the JSON string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::Detail;

    fn html(text: &str) -> String {
        Detail::of(text).html
    }

    #[test]
    fn json_is_shown_one_value_per_line_in_its_spelling() {
        let text = r#" {"b":1.50e3,"a":[true,null,{}],"b":"x\"<y>","empty":[ ] } "#;
        let expected = "{\n  <span class=\"k\">&quot;b&quot;</span>: <span class=\"n\">1.50e3</span>,\n  \
            <span class=\"k\">&quot;a&quot;</span>: [\n    <span class=\"n\">true</span>,\n    \
            <span class=\"n\">null</span>,\n    {}\n  ],\n  <span class=\"k\">&quot;b&quot;</span>: \
            <span class=\"s\">&quot;x\\&quot;&lt;y&gt;&quot;</span>,\n  <span class=\"k\">&quot;empty&quot;</span>: []\n}";
        assert_eq!(html(text), expected);
    }

    #[test]
    fn reasons_stand_on_lines() {
        let text = r#"{"cause":"E: \"x\"\r\n\tat C:\\new\\t <y>","other":"a\nb"}"#;
        let expected = "{\n  <span class=\"k\">&quot;cause&quot;</span>: <span class=\"s\">&quot;E: \\&quot;x\\&quot;\n\t\
            at C:\\\\new\\\\t &lt;y&gt;&quot;</span>,\n  <span class=\"k\">&quot;other&quot;</span>: \
            <span class=\"s\">&quot;a\\nb&quot;</span>\n}";
        assert_eq!(html(text), expected);
    }

    #[test]
    fn text_that_is_not_json_is_shown_unchanged() {
        for text in ["", "{", "a <b>", "{}{}", "'x'"] {
            assert!(!Detail::of(text).is_json, "{text}");
        }
        assert_eq!(
            html("<b>&\u{202e}\0"),
            "&lt;b&gt;&amp;<i>\\u{202e}</i><i>\\u{0}</i>"
        );
    }

    #[test]
    fn deep_and_wide_texts_stay_small() {
        let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(html(&deep).len() < 20_000);
        let wide = format!("[{}0]", "0,".repeat(32_000));
        let wide = html(&wide);
        assert!(!wide.contains('<') && wide.len() < 200_000);
    }
}
