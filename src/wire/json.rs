//! Reading JSON that strangers send: bounded depth, no key twice, text kept byte for byte.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Nested arrays and objects in any JSON that a caller sends.
pub const JSON_DEPTH_MAX: usize = 32;

/// A JSON request body as parameters: strings decoded, anything else as its own text, null as absent.
pub fn parameters(bytes: &[u8]) -> Result<Vec<(String, Cow<'_, str>)>, String> {
    check_object(std::str::from_utf8(bytes).map_err(|_| "must be UTF-8".to_owned())?)?;
    let fault = |e: serde_json::Error| format!("must be JSON: {e}");
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).map_err(fault)?;
    let mut parameters = Vec::with_capacity(members.len());
    for (name, raw) in members {
        match raw.get().as_bytes()[0] {
            b'n' => {}
            b'"' => parameters.push((
                name,
                Cow::Owned(serde_json::from_str(raw.get()).map_err(fault)?),
            )),
            _ => parameters.push((name, Cow::Borrowed(raw.get()))),
        }
    }
    Ok(parameters)
}

/// Checks that `text` is one JSON object, at most `JSON_DEPTH_MAX` deep, with no key twice anywhere and
/// no lone surrogate. The fault reads on from a parameter's name: `must be …`.
pub fn check_object(text: &str) -> Result<(), String> {
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        return Err("must be a JSON object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let depth = Cell::new(0);
    Checked(&depth)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|e| format!("must be a JSON object: {e}"))
}

/// Visits a value for its shape only; holds how deep the visit is.
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
            let mut seen = HashSet::new();
            while let Some(key) = map.next_key::<String>()? {
                if seen.contains(&key) {
                    return Err(A::Error::custom(format_args!("key {key:?} is there twice")));
                }
                seen.insert(key);
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
