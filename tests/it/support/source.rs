//! Splits Rust files into code, comments and string literals, for the rules of `tidy`.

use std::{fs, path::Path};

/// A Rust file of this package.
pub struct Source {
    /// Relative to the package, such as `src/model/name.rs`.
    pub path: String,
    pub text: String,
    /// The text without comments; a string literal is reduced to `"` and its line ends.
    pub code: String,
    /// The comments, one after another.
    pub comments: String,
    /// The values of the string literals.
    pub literals: Vec<String>,
}

/// All Rust files in a folder of this package, by path.
pub fn files(folder: &str) -> Vec<Source> {
    files_with(folder, "rs")
}

/// Returns all files with this extension in a folder of this package and its subfolders, sorted by path.
pub fn files_with(folder: &str, extension: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap();
                sources.push(match extension {
                    "rs" => Source::new(path, &text),
                    _ => Source::document(path, &text),
                });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "{folder} has no .{extension} files");
    sources
}

impl Source {
    /// Returns a file that is not Rust: only its whole text is known.
    pub fn document(path: &str, text: &str) -> Self {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: String::new(),
            comments: String::new(),
            literals: Vec::new(),
        }
    }

    pub fn new(path: &str, text: &str) -> Self {
        let mut code = String::with_capacity(text.len());
        let mut comments = String::new();
        let mut literals = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, kept) = piece(rest, code.chars().next_back());
            if kept {
                code.push_str(&rest[..piece]);
            } else {
                let lines = rest[..piece].matches('\n').count();
                let literal = literal(&rest[..piece]);
                if first == '/' {
                    comments.push_str(&rest[..piece]);
                    comments.push('\n');
                } else {
                    code.push(if literal.is_some() { '"' } else { first });
                }
                literals.extend(literal);
                code.push_str(&"\n".repeat(lines));
            }
            rest = &rest[piece..];
        }
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            comments,
            literals,
        }
    }

    /// The words of the code, in order: names, keywords, numbers.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| !word.is_empty())
    }
}

/// The length of the token at the start of `text`, in bytes, and whether it is code. `before` is the last character of
/// the code before it.
fn piece(text: &str, before: Option<char>) -> (usize, bool) {
    let first = text.chars().next().map_or(1, char::len_utf8);
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if text.starts_with("/*") {
        return (text.find("*/").map_or(text.len(), |end| end + 2), false);
    }
    if text.starts_with('"') {
        return (after_quote(text, '"'), false);
    }
    let hashes = text[first..].bytes().take_while(|&b| b == b'#').count();
    if text.starts_with('r') && !in_word && text[1 + hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = 2 + hashes;
        return (
            inside + text[inside..].find(&end).unwrap() + end.len(),
            false,
        );
    }
    let mut chars = text.chars().skip(1);
    let (second, third) = (chars.next(), chars.next());
    if text.starts_with('\'') && (second == Some('\\') || third == Some('\'')) {
        return (after_quote(text, '\''), false);
    }
    (first, true)
}

/// The length of a literal that begins with a quote and may contain escapes.
fn after_quote(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    panic!("a literal without an end: {text:.40}");
}

/// The value of a string literal; None for a character literal. Decodes the escapes that occur in SQL and plain text
/// and leaves others.
fn literal(text: &str) -> Option<String> {
    if let Some(raw) = text.strip_prefix('r') {
        let inside = raw.trim_matches('#');
        return Some(inside[1..inside.len() - 1].to_owned());
    }
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut content = String::new();
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        content.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('\n') => rest = rest.trim_start(),
            Some('"') => {
                content.push('"');
                rest = &rest[1..];
            }
            _ => content.push('\\'),
        }
    }
    content.push_str(rest);
    Some(content)
}

#[test]
fn source_is_split_into_code_and_literals() {
    let source = Source::new(
        "x.rs",
        r##"//! use crate::comment;
use crate::a; /* use
crate::b; */ let c = 'x'; let q = '"'; fn f<'a>(s: &'a str) -> &'static str { "one \" // \
    two" }
let raw = r#"raw " \text"#; let bytes = b"bytes\\"; // "no literal"
"##,
    );
    assert_eq!(
        source.literals,
        ["one \" // two", r#"raw " \text"#, r"bytes\\"]
    );
    assert!(source.comments.contains("no literal") && !source.comments.contains("two"));
    assert_eq!(source.code.lines().count(), source.text.lines().count());
    let words: Vec<_> = source.words().collect();
    assert!(
        words.starts_with(&["use", "crate", "a", "let", "c"]),
        "{words:?}"
    );
    for absent in ["comment", "b", "one", "two", "raw \"", "no"] {
        assert_eq!(
            words.iter().filter(|word| **word == absent).count(),
            usize::from(absent == "b"),
            "{absent}"
        );
    }
}
