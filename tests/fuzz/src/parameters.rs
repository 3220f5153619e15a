//! Parameters from a query and a form or JSON body. The input is one byte for the body's kind, the query's
//! line, the body.

use flowledger::wire::params::{BodyKind, Params};

use super::{
    json::{self, Json},
    spec::{self, Pair},
};

pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let Ok(query) = std::str::from_utf8(&rest[..end]) else {
        return;
    };
    let body = rest.get(end + 1..).filter(|body| !body.is_empty());
    let kind = if kind % 2 == 0 {
        BodyKind::Form
    } else {
        BodyKind::Json
    };
    let expected = expected(query, body.map(|body| (kind, body)));
    match Params::parse(query, body.map(|body| (kind, body))) {
        Ok(params) => {
            let pairs = owned(params.all());
            assert!(!pairs.iter().any(|(name, _)| spec::misspelled(name)));
            let mut in_query = spec::pairs(query.as_bytes()).expect("it was parsed");
            in_query.sort();
            assert_eq!(owned(params.of_query()), in_query);
            read_back(&pairs);
            without_empty(params);
            assert_eq!(Some(pairs), expected);
        }
        Err(refusal) => {
            let own = ["must be spelled", "number out of range"];
            let own = own.iter().any(|rule| refusal.message.contains(rule));
            assert!(own || expected.is_none(), "{refusal} {expected:?}");
            assert!(refusal.message.chars().count() < 1200, "{refusal}");
        }
    }
}

pub fn owned<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Pair> {
    params
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The parameters by the specification, sorted.
fn expected(query: &str, body: Option<(BodyKind, &[u8])>) -> Option<Vec<Pair>> {
    let mut pairs = spec::pairs(query.as_bytes())?;
    match body {
        None => {}
        Some((BodyKind::Form, body)) => {
            std::str::from_utf8(body).ok()?;
            pairs.extend(spec::pairs(body)?);
        }
        Some((BodyKind::Json, body)) => {
            for (name, value, spelled) in json::members(std::str::from_utf8(body).ok()?)? {
                match value {
                    Json::Null => {}
                    Json::Text(text) => pairs.push((name, text)),
                    _ => pairs.push((name, spelled.to_owned())),
                }
            }
        }
    }
    pairs.sort();
    spec::distinct(&pairs).then_some(pairs)
}

/// Checks that the pairs, written canonically in the query, in a form, or half in each, are read as the same pairs.
fn read_back(pairs: &[Pair]) {
    let written = |pairs: &[Pair]| {
        let pairs = pairs.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{}={}", spec::encode(name), spec::encode(value)))
            .collect();
        pairs.join("&")
    };
    for in_query in [0, pairs.len() / 2, pairs.len()] {
        let (query, form) = (written(&pairs[..in_query]), written(&pairs[in_query..]));
        let again = Params::parse(&query, Some((BodyKind::Form, form.as_bytes())));
        let again = again.expect("canonical spelling");
        // A pair without a name and a value is written `=`, which is one too.
        assert_eq!(owned(again.all()), pairs);
    }
}

/// Checks that removing empty values removes business parameters with empty values only.
fn without_empty(mut params: Params<'_>) {
    let retained =
        |(name, value): &Pair| !value.is_empty() || spec::COMMON.contains(&name.as_str());
    let mut expected = owned(params.all());
    expected.retain(retained);
    match params.without_empty() {
        Some(fewer) => assert_eq!(owned(fewer), expected),
        None => assert_eq!(owned(params.all()), expected),
    }
    let mut in_query = owned(params.of_query());
    in_query.retain(retained);
    params.forget_empty();
    assert_eq!(owned(params.all()), expected);
    assert_eq!(owned(params.of_query()), in_query);
}
