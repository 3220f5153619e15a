//! Tokens that a caller sends back: of pages, of tasks, and the cookie of the pages. The input is the number of edits to
//! a genuine token (one byte), the edits (four bytes each), and a text.

use flowledger::{
    auth::{Authenticator, keys::Keys, session::Credentials},
    model::{
        Timestamp,
        task_token::{TaskKey, TaskToken},
    },
    store::Position,
    wire::{params::Params, signature::SecretKey},
};

use super::{request, spec};

pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let edits = usize::from(*count) % 4 * 4;
    let Some((edits, text)) = rest.split_at_checked(edits) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    event_id(text);
    position(text);
    task_token(text, edits);
    cookie(text, edits);
}

/// A history's token: a decimal from 1 to 2^63 - 1, in one spelling.
fn event_id(text: &str) {
    let query = format!("NextToken={}", spec::encode(text));
    let params = Params::parse(&query, None).expect("one parameter");
    let read = params.integer("NextToken", 1..=i64::MAX);
    let plain = |number: &i64| *number > 0 && number.to_string() == text;
    let expected = text.parse().ok().filter(plain);
    match read {
        Ok(read) => assert_eq!(read, expected, "{text:?}"),
        Err(refusal) => {
            assert!(
                expected.is_none() && !text.is_empty(),
                "{text:?}: {refusal}"
            );
            let rule =
                "Parameter error. NextToken must be an integer from 1 to 9223372036854775807.";
            assert_eq!(refusal.message, rule);
        }
    }
}

/// A list's token is accepted only in the spelling in which it was answered.
fn position(text: &str) {
    if let Some(position) = Position::parse(text) {
        assert_eq!(position.to_string(), text);
    }
    let mut numbers = text.bytes().map(i64::from);
    let mut number = || numbers.by_ref().take(8).fold(0_i64, |all, b| all << 8 | b);
    let position = Position {
        started_at: number(),
        id: number().unsigned_abs().into(),
    };
    assert_eq!(Position::parse(&position.to_string()), Some(position));
}

/// A token that was not signed is refused, and a signed one has one spelling.
fn task_token(text: &str, edits: &[u8]) {
    let key = TaskKey::new("task key".to_owned());
    if let Some(token) = TaskToken::verify(text, &key) {
        assert_eq!(token.sign(&key), text);
    }
    let mut names = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(str::to_owned);
    let mut name = || names.next().unwrap_or_default();
    let genuine = TaskToken {
        flow_id: name(),
        flow: name(),
        execution: name(),
        event_id: i64::try_from(text.len()).unwrap_or(1),
    };
    let signed = genuine.sign(&key);
    assert_eq!(TaskToken::verify(&signed, &key), Some(genuine));
    if let Some(forged) = edited(&signed, edits) {
        assert_eq!(TaskToken::verify(&forged, &key), None, "{forged}");
    }
    let other = TaskKey::new("another key".to_owned());
    assert_eq!(TaskToken::verify(&signed, &other), None);
}

/// The cookie of a session is accepted only as it was issued.
fn cookie(text: &str, edits: &[u8]) {
    let keys = "[[key]]\nid = 'k'\nsecret = 's'\nrole = 'reader'\n";
    let authenticator = Authenticator::new(Keys::load(Some(keys), None).expect("a keys file"));
    let now = Timestamp::from_millis(0).expect("a time");
    let credentials = Credentials {
        key_id: "k",
        secret: SecretKey::new("s".to_owned()),
        security_token: None,
    };
    let genuine = authenticator.sign_in(&credentials, now).expect("a cookie");
    assert!(authenticator.viewer(&genuine, now).is_some());
    for forged in [Some(text.to_owned()), edited(&genuine, edits)]
        .into_iter()
        .flatten()
    {
        let viewer = authenticator.viewer(&forged, now);
        assert!(viewer.is_none() || forged == genuine, "{forged}");
    }
}

/// `genuine` after the edits, if it is another text then.
fn edited(genuine: &str, edits: &[u8]) -> Option<String> {
    let mut text = genuine.as_bytes().to_vec();
    request::edit(&mut text, edits);
    String::from_utf8(text).ok().filter(|text| text != genuine)
}
