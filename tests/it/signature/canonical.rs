//! Property tests: the canonical forms of generated parameters in every encoding on the wire, compared with a simple
//! implementation of the vendor's description.

use std::{collections::HashSet, slice};

use flowledger::wire::{
    params::{BodyKind, Params},
    signature::sha256_hex,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::RngSeed,
};

use super::{Pair, acs3_signs, joined, owned, rpc_v1_signs, rpc_v1_text, sorted};

/// Generates the same cases in every run.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(20_190_315),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Text with many of the characters that encoders treat differently.
fn text() -> impl Strategy<Value = String> {
    let reserved: Vec<char> = " +*~%&=!()'/?#:;,@$[]\"<>\\^`{|}-_.".chars().collect();
    let character = prop_oneof![
        3 => prop::sample::select(reserved),
        3 => prop::char::range('0', 'z'),
        2 => any::<char>(),
    ];
    vec(character, 0..10).prop_map(String::from_iter)
}

/// Parameters with distinct names, in any order.
fn pairs() -> impl Strategy<Value = Vec<Pair>> {
    btree_map(text(), text(), 0..12)
        .prop_map(Vec::from_iter)
        .prop_shuffle()
}

/// Chooses an encoding for each byte of a text in turn.
fn style() -> impl Strategy<Value = Vec<u8>> {
    vec(0..4_u8, 1..30)
}

/// Encodes `text` in one of the ways that clients use.
fn spelled(text: &str, style: &[u8]) -> String {
    let mut spelled = String::new();
    for (byte, style) in text.bytes().zip(style.iter().cycle()) {
        match (byte, style) {
            (b' ', 0 | 1) => spelled.push('+'),
            (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~', 0..=2)
            | (b'!' | b'(' | b')' | b'*' | b'\'' | b'/' | b':' | b',' | b'@', 0) => {
                spelled.push(char::from(byte));
            }
            (_, 0 | 2) => spelled.push_str(&format!("%{byte:02X}")),
            _ => spelled.push_str(&format!("%{byte:02x}")),
        }
    }
    spelled
}

/// Encodes `pairs` as a query or form, with some superfluous `&`, and `name` alone for an empty value.
fn wire(pairs: &[Pair], style: &[u8]) -> String {
    let mut wire = String::new();
    for ((name, value), style_here) in pairs.iter().zip(style.iter().cycle()) {
        wire.push_str(&"&".repeat(usize::from(*style_here)));
        wire.push_str(&spelled(name, style));
        if !(value.is_empty() && *style_here == 1) || name.is_empty() {
            wire.push('=');
        }
        wire.push_str(&spelled(value, style));
        wire.push('&');
    }
    wire
}

/// Decodes a query or form in the simplest way, sorted; `None` if it is malformed.
fn meaning(wire: &str) -> Option<Vec<Pair>> {
    fn decoded(text: &str) -> Option<String> {
        let text = text.replace('+', " ");
        let mut pieces = text.split('%');
        let mut bytes = pieces.next()?.as_bytes().to_vec();
        for piece in pieces {
            let (digits, rest) = piece.split_at_checked(2)?;
            let digits = Some(digits).filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend(rest.as_bytes());
        }
        String::from_utf8(bytes).ok()
    }
    let pairs = wire.split('&').filter(|pair| !pair.is_empty());
    let pairs: Option<Vec<_>> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect();
    let mut seen = HashSet::new();
    pairs
        .filter(|pairs| pairs.iter().all(|(name, _)| seen.insert(name.clone())))
        .map(sorted)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn parameters_decode_to_the_same_values_in_any_spelling(
        pairs in pairs(), in_query in 0..12_usize, style in style(),
    ) {
        let in_query = in_query.min(pairs.len());
        let query = wire(&pairs[..in_query], &style);
        let form = wire(&pairs[in_query..], &style);
        let params = Params::parse(&query, Some((BodyKind::Form, form.as_bytes()))).unwrap();
        let of_query = sorted(pairs[..in_query].to_vec());
        prop_assert_eq!(owned(params.of_query()), of_query.clone());
        prop_assert_eq!(owned(params.all()), sorted(pairs.clone()));

        let text = rpc_v1_signs("POST", params.all());
        prop_assert_eq!(text, rpc_v1_text("POST", &pairs));

        let canonical = acs3_signs("POST", params.of_query(), &HeaderMap::new(), &[], "hash");
        let expected = format!("POST\n/\n{}\n\n\nhash", joined(&of_query));
        prop_assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    }

    #[test]
    fn any_text_comes_through_percent_encoding_unchanged(text in text(), style in style()) {
        let query = format!("Input={}", spelled(&text, &style));
        let params = Params::parse(&query, None).unwrap();
        prop_assert_eq!(params.given("Input"), Some(text.as_str()));
    }

    #[test]
    fn any_bytes_are_either_decoded_or_refused_as_broken_or_doubled(
        wire in "[ab%0-9A-Fa-fGg+=&é]{0,16}",
    ) {
        let params = Params::parse(&wire, None);
        prop_assert_eq!(params.ok().map(|params| owned(params.all())), meaning(&wire));
    }

    #[test]
    fn any_headers_are_signed_trimmed_and_joined_in_order(
        headers in btree_map("x-[a-z]{1,5}", vec("[!-~]([ -~]{0,8}[!-~])?", 1..4), 0..6),
        blanks in "[ \t]{0,3}",
        body in vec(any::<u8>(), 0..40),
    ) {
        let mut sent = HeaderMap::new();
        for (name, values) in &headers {
            for value in values {
                let value = HeaderValue::from_str(&format!("{blanks}{value}{blanks}")).unwrap();
                sent.append(name.parse::<HeaderName>().unwrap(), value);
            }
        }
        let names: Vec<_> = headers.keys().map(String::as_str).collect();
        let lines: String = headers
            .iter()
            .map(|(name, values)| {
                let mut values = values.clone();
                values.sort();
                format!("{name}:{}\n", values.join(","))
            })
            .collect();
        let hash = sha256_hex(&body);
        let canonical = acs3_signs("GET", [].into_iter(), &sent, &names, &hash);
        let expected = format!("GET\n/\n\n{lines}\n{}\n{hash}", names.join(";"));
        prop_assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    }

    #[test]
    fn only_empty_values_are_removed_wherever_they_are(
        pairs in pairs(), in_query in 0..12_usize, style in style(),
    ) {
        let in_query = in_query.min(pairs.len());
        let query = wire(&pairs[..in_query], &style) + "RegionId=&RoleArn=";
        let form = wire(&pairs[in_query..], &style);
        let mut params = Params::parse(&query, Some((BodyKind::Form, form.as_bytes()))).unwrap();
        let left = owned(params.without_empty().unwrap());
        params.forget_empty();
        prop_assert_eq!(owned(params.all()), left.clone());
        prop_assert!(params.without_empty().is_none());
        let region = ("RegionId".to_owned(), String::new());
        let kept = |pairs: &[Pair]| -> Vec<_> {
            pairs.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
        };
        let expected = |pairs: &[Pair]| sorted([slice::from_ref(&region), &kept(pairs)].concat());
        prop_assert_eq!(left, expected(&pairs));
        prop_assert_eq!(owned(params.of_query()), expected(&pairs[..in_query]));
    }
}

#[test]
fn names_are_sorted_by_bytes_and_values_encoded_by_rfc_3986() {
    let query = "b=1&B=2&a%2B=3&a=4&%C3%A9=5&%EF%BC%A1=6&z=+!*'()~-_./&aa=";
    let params = Params::parse(query, None).unwrap();
    let canonical = acs3_signs("GET", params.of_query(), &HeaderMap::new(), &["host"], "h");
    assert_eq!(
        String::from_utf8(canonical).unwrap(),
        "GET\n/\nB=2&a=4&a%2B=3&aa=&b=1&z=%20%21%2A%27%28%29~-_.%2F&%C3%A9=5&%EF%BC%A1=6\nhost:\n\nhost\nh"
    );
    let text = rpc_v1_signs("GET", params.all());
    assert_eq!(
        text,
        "GET&%2F&B%3D2%26a%3D4%26a%252B%3D3%26aa%3D%26b%3D1%26z%3D%2520%2521%252A%2527%2528%2529~-_.%252F\
         %26%25C3%25A9%3D5%26%25EF%25BC%25A1%3D6"
    );
}

#[test]
fn header_values_beyond_ascii_are_signed_byte_for_byte() {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_bytes(b" Fl\xc3\xb6w/\xff 1 ").unwrap();
    headers.append("user-agent", value);
    let canonical = acs3_signs("GET", [].into_iter(), &headers, &["user-agent"], "h");
    assert_eq!(
        canonical,
        b"GET\n/\n\nuser-agent:Fl\xc3\xb6w/\xff 1\n\nuser-agent\nh"
    );
}
