//! Reads untrusted JSON: bounded depth, no duplicate keys, text kept byte for byte.

use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Nesting depth of arrays and objects in JSON that a client sends; ours. Parsers recurse, so it bounds their
/// stacks, those of readers of the stored JSON too.
pub const JSON_DEPTH_MAX: usize = 32;

/// Name and value of each member of a JSON body.
pub type Members<'a> = Vec<(String, Cow<'a, str>)>;

/// Reads a JSON request body as parameters: a string is decoded, any other value is its own JSON text, and
/// null is an absent parameter. Stops and returns `None` at the first member beyond `max`.
///
/// # Errors
///
/// Returns a fault that reads on from a parameter's name, like `check_object`.
pub fn parameters(bytes: &[u8], max: usize) -> Result<Option<Members<'_>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "must be UTF-8".to_owned())?;
    let mut too_many = false;
    let members = read_object(
        text,
        MemberVisitor {
            max,
            too_many: &mut too_many,
        },
    );
    match members {
        Err(_) if too_many => Ok(None),
        members => members.map(Some),
    }
}

/// Checks that `text` is one JSON object, at most `JSON_DEPTH_MAX` deep, with no key twice anywhere and
/// no lone surrogate.
///
/// # Errors
///
/// Returns a fault that reads on from a parameter's name: `must be …`.
pub fn check_object(text: &str) -> Result<(), String> {
    read_object(text, Checked(&Cell::new(0)))
}

fn read_object<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, String> {
    let begin = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if !begin.starts_with('{') {
        return Err("must be a JSON object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = deserializer.deserialize_any(visitor);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|e| format!("must be a JSON object: {e}"))
}

/// Adds a key to those of its object; refuses one that is there already.
fn insert_key<E: de::Error>(keys: &mut HashSet<String>, key: String) -> Result<(), E> {
    if keys.contains(&key) {
        return Err(E::custom(format_args!("key {key:?} is there twice")));
    }
    keys.insert(key);
    Ok(())
}

/// Reads the members of the outermost object. Their values are scanned once and then either decoded or
/// checked, so a long string is not decoded twice.
struct MemberVisitor<'m> {
    max: usize,
    too_many: &'m mut bool,
}

impl<'de> Visitor<'de> for MemberVisitor<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = HashSet::new();
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if keys.len() == self.max {
                *self.too_many = true;
                return Err(A::Error::custom("too many members"));
            }
            insert_key(&mut keys, name.clone())?;
            let json = map.next_value::<&RawValue>()?.get();
            if json.starts_with('"') {
                let Text(text) = serde_json::from_str(json).map_err(A::Error::custom)?;
                members.push((name, text));
                continue;
            }
            let depth = Cell::new(1); // within the object
            Checked(&depth)
                .deserialize(&mut serde_json::Deserializer::from_str(json))
                .map_err(A::Error::custom)?;
            if json != "null" {
                members.push((name, Cow::Borrowed(json)));
            }
        }
        Ok(members)
    }
}

/// A JSON string, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Checks a value and keeps nothing of it. Holds the nesting depth of the visit.
#[derive(Clone, Copy)]
struct Checked<'d>(&'d Cell<usize>);

impl Checked<'_> {
    fn nested<E: de::Error>(self, visit: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if self.0.get() == JSON_DEPTH_MAX {
            return Err(E::custom(format_args!(
                "nested deeper than {JSON_DEPTH_MAX}"
            )));
        }
        self.0.set(self.0.get() + 1);
        visit()?;
        self.0.set(self.0.get() - 1);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.nested(|| {
            let mut keys = HashSet::new();
            while let Some(key) = map.next_key()? {
                insert_key(&mut keys, key)?;
                map.next_value_seed(self)?;
            }
            Ok(())
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.nested(|| {
            while seq.next_element_seed(self)?.is_some() {}
            Ok(())
        })
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
