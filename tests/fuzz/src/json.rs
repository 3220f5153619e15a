//! A simple JSON parser by RFC 8259 with the server's rules: no duplicate key, no lone surrogate, at most 32 levels.

/// A value; a number is its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Nesting of arrays and objects, as the server limits it.
const DEPTH_MAX: usize = 32;

/// Returns the value that `text` is; None if it is none or breaks a rule.
pub fn read(text: &str) -> Option<Json> {
    let mut reader = Reader(text);
    let value = reader.value(0)?;
    reader.blank();
    reader.0.is_empty().then_some(value)
}

/// Returns the members of the object that `text` is, each with the text of its value.
pub fn members(text: &str) -> Option<Vec<(String, Json, &str)>> {
    let Json::Object(members) = read(text)? else {
        return None;
    };
    let mut reader = Reader(text);
    reader.blank();
    reader.eat("{")?;
    let mut spelled = Vec::new();
    for (name, value) in members {
        reader.blank();
        reader.text()?;
        reader.blank();
        reader.eat(":")?;
        reader.blank();
        let before = reader.0;
        reader.value(1)?;
        spelled.push((name, value, &before[..before.len() - reader.0.len()]));
        reader.blank();
        let _ = reader.eat(",");
    }
    Some(spelled)
}

/// The rest of the text.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn eat(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blank();
        match self.0.chars().next()? {
            'n' => self.eat("null").map(|()| Json::Null),
            't' => self.eat("true").map(|()| Json::Bool(true)),
            'f' => self.eat("false").map(|()| Json::Bool(false)),
            '"' => self.text().map(Json::Text),
            '[' | '{' if depth == DEPTH_MAX => None,
            '[' => self.list("]", |it| it.value(depth + 1)).map(Json::Array),
            '{' => {
                let members = self.list("}", |it| {
                    it.blank();
                    let name = it.text()?;
                    it.blank();
                    it.eat(":")?;
                    Some((name, it.value(depth + 1)?))
                })?;
                let names: std::collections::BTreeSet<_> =
                    members.iter().map(|(name, _)| name).collect();
                (names.len() == members.len()).then_some(Json::Object(members))
            }
            _ => self.number(),
        }
    }

    fn list<T>(
        &mut self,
        end: &str,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.0 = &self.0[1..];
        self.blank();
        let mut items = Vec::new();
        if self.eat(end).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.blank();
            if self.eat(end).is_some() {
                return Some(items);
            }
            self.eat(",")?;
        }
    }

    fn number(&mut self) -> Option<Json> {
        let whole = self.0;
        let _ = self.eat("-");
        if self.eat("0").is_none() {
            self.digits()?;
        }
        if self.eat(".").is_some() {
            self.digits()?;
        }
        if self.0.starts_with(['e', 'E']) {
            self.0 = &self.0[1..];
            if self.0.starts_with(['+', '-']) {
                self.0 = &self.0[1..];
            }
            self.digits()?;
        }
        Some(Json::Number(whole[..whole.len() - self.0.len()].to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        (self.0.len() < before).then_some(())
    }

    fn text(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut units = Vec::new();
        loop {
            let c = self.0.chars().next()?;
            self.0 = &self.0[c.len_utf8()..];
            match c {
                '"' => return String::from_utf16(&units).ok(),
                '\\' => units.push(self.escaped()?),
                '\0'..='\u{1f}' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    /// One UTF-16 unit.
    fn escaped(&mut self) -> Option<u16> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(match c {
            '"' | '\\' | '/' => c as u16,
            'b' => 8,
            't' => 9,
            'n' => 10,
            'f' => 12,
            'r' => 13,
            'u' => {
                let digits = self.0.get(..4)?;
                digits
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit())
                    .then_some(())?;
                self.0 = &self.0[4..];
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        })
    }
}
