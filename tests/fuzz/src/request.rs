//! A request as text: `METHOD target`, lines of headers, an empty line, the body. `{hash}` is replaced by the body's
//! hash, `{sign}` by a signature made from the specification.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::spec::{self, Pair};

/// The secret of the key that signs.
pub const SECRET: &str = "testsecret";

/// A request as the HTTP library passes it to the server.
pub struct Request {
    pub method: String,
    pub query: String,
    /// Names in lower case, values trimmed.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Returns None for text that the HTTP library would refuse.
    pub fn read(text: &[u8]) -> Option<Self> {
        let end = text.windows(2).position(|two| two == b"\n\n");
        let (head, body) = end.map_or((text, &[][..]), |at| (&text[..at], &text[at + 2..]));
        let mut lines = head.split(|b| *b == b'\n');
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let (method, target) = first.split_once(' ')?;
        let headers = lines.map(|line| {
            let colon = line.iter().position(|b| *b == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let blank = |b: &u8| b" \t".contains(b);
            let value = &line[colon + 1..];
            let from = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
            let to = value
                .iter()
                .rposition(|b| !blank(b))
                .map_or(from, |at| at + 1);
            let value = HeaderValue::from_bytes(&value[from..to]).ok()?;
            Some((name.as_str().to_owned(), value.as_bytes().to_vec()))
        });
        Some(Request {
            method: method.to_owned(),
            query: target
                .split_once('?')
                .map_or("", |(_, query)| query)
                .to_owned(),
            headers: headers.collect::<Option<_>>()?,
            body: body.to_vec(),
        })
    }

    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("read before");
            map.append(name, HeaderValue::from_bytes(value).expect("read before"));
        }
        map
    }

    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let found = self.headers.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_slice()).collect()
    }

    /// Whether the body is JSON; None for a body of another type.
    pub fn is_json(&self) -> Option<bool> {
        let value = std::str::from_utf8(self.values("content-type").first()?).ok()?;
        let media_type = value.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/json" => Some(true),
            "application/x-www-form-urlencoded" => Some(false),
            _ => None,
        }
    }
}

/// Returns `text` with `{hash}` and `{sign}` replaced as a client would.
pub fn signed(text: &[u8]) -> Option<Vec<u8>> {
    let body = Request::read(text)?.body;
    let text = replaced(text, b"{hash}", spec::sha256(&body).as_bytes());
    let unsigned = Request::read(&replaced(&text, b"{sign}", &[b'0'; 64]))?;
    let authorization = unsigned.values("authorization").first().copied();
    let authorization = authorization.and_then(|value| std::str::from_utf8(value).ok());
    let signature = match authorization.filter(|value| value.starts_with("ACS3")) {
        Some(value) => {
            let (_, names, _) = spec::authorization(value)?;
            let query = spec::pairs(unsigned.query.as_bytes())?;
            let hash = spec::sha256(&unsigned.body);
            let text = spec::acs3_text(&unsigned.method, &query, &unsigned.headers, &names, &hash);
            spec::acs3_signature(SECRET, &text)
        }
        None => {
            let text = spec::rpc_v1_text(&unsigned.method, &all_pairs(&unsigned)?);
            spec::encode(&spec::rpc_v1_signature(SECRET, &text))
        }
    };
    Some(replaced(&text, b"{sign}", signature.as_bytes()))
}

/// The pairs of the query and of a form.
pub fn all_pairs(request: &Request) -> Option<Vec<Pair>> {
    let mut pairs = spec::pairs(request.query.as_bytes())?;
    if request.is_json() == Some(false) {
        pairs.extend(spec::pairs(&request.body)?);
    }
    Some(pairs)
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let Some(at) = text.windows(from.len()).position(|found| found == from) else {
        return text.to_vec();
    };
    [&text[..at], to, &text[at + from.len()..]].concat()
}

/// Applies edits of four bytes each: the kind, the position (two bytes), the new byte.
pub fn edit(text: &mut Vec<u8>, edits: &[u8]) {
    for edit in edits.chunks_exact(4) {
        let at = usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let at = at.checked_rem(text.len()).unwrap_or(0);
        let Some(old) = text.get(at).copied() else {
            return;
        };
        match edit[0] % 6 {
            0 => text[at] = edit[3],
            1 => text.insert(at, edit[3]),
            2 => drop(text.remove(at)),
            3 => drop(text.splice(at..=at, format!("%{old:02x}").into_bytes())),
            4 => text[at] ^= 0x20,
            _ => {
                // Duplicates the pair or line at this position.
                let ends = |b: &u8| b"&?\n".contains(b);
                let from = text[..at].iter().rposition(ends).map_or(0, |it| it + 1);
                let to = text[at..]
                    .iter()
                    .position(ends)
                    .map_or(text.len(), |it| at + it);
                let separator = if text[from..to].contains(&b':') {
                    b'\n'
                } else {
                    b'&'
                };
                let twice = [&text[from..to], &[separator]].concat();
                drop(text.splice(from..from, twice));
            }
        }
    }
}
