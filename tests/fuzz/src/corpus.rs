//! The inputs that a fuzz target starts from: `inputs/<target>.txt` has one a line, its bytes escaped as in a
//! Rust byte string. A line that begins with `#` is a comment.
//!
//! `cargo test` reads them from there; `build.rs` unpacks them to `corpus/<target>/`, where cargo-fuzz looks.

/// Returns the inputs of such a file.
pub fn inputs(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines();
    let inputs = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    inputs.map(unescape).collect()
}

/// The opposite of `<[u8]>::escape_ascii`.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.map_or(' ', char::from));
                let digits = String::from_iter(digits);
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("\\x{digits} in {line}"))
            }
            Some(quoted @ (b'\\' | b'"' | b'\'')) => quoted,
            other => panic!("an escape of {other:?} in {line}"),
        });
    }
    bytes
}
