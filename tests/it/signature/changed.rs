//! Genuine requests with something changed: none may be accepted.

use flowledger::{auth::Authenticator, model::Timestamp, wire::error::Code};
use sha2::{Digest, Sha256};

use super::{Pair, Recorded, Sent, acs3, authenticate, joined, rpc_v1, signed};
use crate::support::call::hex;

/// Refusals that mean: this caller has proven nothing. Notably not that a time or a nonce is wrong, which
/// is only looked at once the signature holds.
const UNPROVEN: [Code; 5] = [
    Code::InvalidAccessKeyId,
    Code::InvalidArgument,
    Code::MissingRequiredHeader,
    Code::MissingRequiredParams,
    Code::SignatureNotMatch,
];

/// Somebody who has seen no request yet, and is shown forgeries of one.
pub(super) struct Examiner {
    file: String,
    authenticator: Authenticator,
    time: Timestamp,
    forgeries: usize,
}

impl Examiner {
    /// The genuine request, spelled as in `sent`, is accepted.
    pub(super) fn new(recorded: &Recorded, sent: &Sent) -> Self {
        if let Err(refusal) = recorded.replay(sent) {
            panic!("{} is refused unchanged: {refusal}", recorded.file);
        }
        Examiner {
            file: recorded.file.clone(),
            authenticator: recorded.authenticator(),
            time: recorded.time(),
            forgeries: 0,
        }
    }

    /// Why `forgery` is refused. `what` is what was changed.
    pub(super) fn refusal(&mut self, forgery: &Sent, what: &str) -> Code {
        self.forgeries += 1;
        match authenticate(&self.authenticator, forgery, self.time) {
            Ok(_) => panic!(
                "{}: accepted with another {what}: {}",
                self.file, forgery.target
            ),
            Err(refusal) => {
                let code = refusal.code;
                assert!(
                    UNPROVEN.contains(&code),
                    "{}: another {what}: {refusal}",
                    self.file
                );
                code
            }
        }
    }
}

impl Drop for Examiner {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.forgeries > 0,
            "nothing of {} was changed",
            self.file
        );
    }
}

/// `text` with one character changed, for each of its characters.
fn each_changed(text: &str, change: fn(char) -> char) -> impl Iterator<Item = String> {
    text.char_indices().map(move |(at, old)| {
        let new = change(old);
        assert_ne!(old, new);
        format!("{}{new}{}", &text[..at], &text[at + old.len_utf8()..])
    })
}

/// A character that is easily taken for the same: the letter's other case, the next digit.
fn alike(old: char) -> char {
    match old {
        'a'..='z' => old.to_ascii_uppercase(),
        'A'..='Z' => old.to_ascii_lowercase(),
        '9' => '0',
        '0'..='8' => char::from_u32(u32::from(old) + 1).unwrap(),
        _ => 'x',
    }
}

/// Another letter, so that a name becomes an unknown one.
fn unlike(old: char) -> char {
    if old == 'x' { 'y' } else { 'x' }
}

/// Pairs that a test changes, and where they came from.
struct Pairs {
    query: Vec<Pair>,
    form: Vec<Pair>,
}

impl Pairs {
    /// Those that are signed one by one.
    fn signed(recorded: &Recorded) -> Self {
        let (query, form) = (recorded.expected.query.clone(), &recorded.expected.form);
        match recorded.scheme.starts_with("RPC") {
            true => Pairs {
                query,
                form: form.clone(),
            },
            false => Pairs {
                query,
                form: Vec::new(),
            },
        }
    }

    fn len(&self) -> usize {
        self.query.len() + self.form.len()
    }

    fn nth(&mut self, nth: usize) -> &mut Pair {
        let in_query = self.query.len();
        match nth.checked_sub(in_query) {
            None => &mut self.query[nth],
            Some(nth) => &mut self.form[nth],
        }
    }

    fn remove(&mut self, nth: usize) {
        let in_query = self.query.len();
        match nth.checked_sub(in_query) {
            None => self.query.remove(nth),
            Some(nth) => self.form.remove(nth),
        };
    }

    /// The request with these pairs in place of its own.
    fn sent(&self, recorded: &Recorded) -> Sent {
        let mut sent = recorded.request.clone();
        sent.target = format!("/?{}", joined(&self.query));
        if recorded.scheme.starts_with("RPC") {
            sent.body = joined(&self.form);
        }
        sent
    }
}

/// Whether the client signed this pair; one client leaves out empty values.
fn is_signed(recorded: &Recorded, (name, value): &Pair) -> bool {
    !value.is_empty()
        || recorded.scheme.starts_with("ACS3")
        || recorded
            .expected
            .string_to_sign
            .contains(&format!("%26{name}%3D"))
}

fn no_character_of_a_pair_can_change(recorded: &Recorded) {
    let mut pairs = Pairs::signed(recorded);
    if pairs.len() == 0 {
        return; // all of it is in the body
    }
    let mut examiner = Examiner::new(recorded, &pairs.sent(recorded));
    for nth in 0..pairs.len() {
        let (name, value) = pairs.nth(nth).clone();
        if !is_signed(recorded, pairs.nth(nth)) {
            continue;
        }
        for changed in each_changed(&name, unlike) {
            pairs.nth(nth).0 = changed;
            examiner.refusal(&pairs.sent(recorded), &name);
        }
        pairs.nth(nth).0.clone_from(&name);
        for changed in each_changed(&value, alike) {
            pairs.nth(nth).1 = changed;
            examiner.refusal(&pairs.sent(recorded), &name);
        }
        pairs.nth(nth).1 = value;
    }
}

#[test]
fn no_character_of_a_name_or_value_can_change_under_rpc_v1() {
    rpc_v1().iter().for_each(no_character_of_a_pair_can_change);
}

#[test]
fn no_character_of_a_name_or_value_in_the_query_can_change_under_acs3() {
    acs3().iter().for_each(no_character_of_a_pair_can_change);
}

#[test]
fn only_one_empty_value_of_one_client_is_not_signed() {
    let mut unsigned = Vec::new();
    for recorded in signed() {
        let pairs = [&recorded.expected.query[..], &recorded.expected.form].concat();
        for pair in pairs.iter().filter(|pair| !is_signed(&recorded, pair)) {
            unsigned.push(format!("{} in {}", pair.0, recorded.file));
        }
    }
    assert_eq!(
        unsigned,
        ["NextToken in java-tea-fnf-2.0.1__history_reserved"]
    );
}

#[test]
fn no_pair_can_be_left_out_or_added() {
    for recorded in signed() {
        let all = Pairs::signed(&recorded);
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for nth in 0..all.len() {
            let mut pairs = Pairs::signed(&recorded);
            if is_signed(&recorded, pairs.nth(nth)) {
                pairs.remove(nth);
                examiner.refusal(&pairs.sent(&recorded), "number of pairs");
            }
        }
        for more in ["Extra=1", "RegionIds=x", "=1", "%00=1"] {
            examiner.refusal(&recorded.request.with_query(more), more);
        }
        let mut longer = recorded
            .request
            .with_header("Content-Type", "application/x-www-form-urlencoded");
        longer.body.push_str("&Extra=1");
        examiner.refusal(&longer, "body");
    }
}

#[test]
fn nothing_empty_can_be_added_under_acs3() {
    for recorded in acs3() {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for more in ["Extra=", "Extra", "="] {
            let code = examiner.refusal(&recorded.request.with_query(more), more);
            assert_eq!(code, Code::SignatureNotMatch, "{}", recorded.file);
        }
    }
}

#[test]
fn no_character_of_a_signed_header_can_change() {
    for recorded in acs3() {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for name in recorded
            .signed_headers()
            .into_iter()
            .chain(["authorization"])
        {
            let value = recorded.request.header(name).unwrap();
            for changed in each_changed(value, alike) {
                examiner.refusal(&recorded.request.with_header(name, &changed), name);
            }
        }
    }
}

#[test]
fn no_signed_header_can_be_left_out_or_doubled() {
    for recorded in acs3() {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for name in recorded
            .signed_headers()
            .into_iter()
            .chain(["authorization"])
        {
            examiner.refusal(&recorded.request.without_header(name), name);
            let value = recorded.request.header(name).unwrap();
            for second in [value, "another"] {
                let mut doubled = recorded.request.clone();
                doubled.headers.push((name.to_owned(), second.to_owned()));
                examiner.refusal(&doubled, name);
                doubled.headers.rotate_right(1);
                examiner.refusal(&doubled, name);
            }
        }
    }
}

#[test]
fn a_header_of_the_vendors_must_be_signed() {
    for recorded in acs3() {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for (name, value) in [
            ("x-acs-extra", "1"),
            ("X-Acs-Security-Token-2", "t"),
            ("x-acs-credentials-provider", ""),
        ] {
            if recorded.request.header(name).is_none() {
                let added = recorded.request.with_header(name, value);
                assert_eq!(
                    examiner.refusal(&added, name),
                    Code::InvalidArgument,
                    "{}: {name}",
                    recorded.file
                );
            }
        }
    }
}

#[test]
fn no_character_of_a_body_can_change_under_acs3() {
    let mut bodies = acs3();
    bodies.retain(|recorded| !recorded.request.body.is_empty());
    assert_eq!(bodies.len(), 27);
    for recorded in bodies {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        let mut forgery = recorded.request.clone();
        for changed in each_changed(&recorded.request.body, alike) {
            forgery.body = changed;
            examiner.refusal(&forgery, "body");
        }
        for other in ["", " ", "FlowName=f", &recorded.request.body[1..]] {
            forgery.body = other.to_owned();
            examiner.refusal(&forgery, "body");
        }
    }
}

#[test]
fn a_body_cannot_be_swapped_with_its_hash() {
    for recorded in acs3() {
        let mut forgery = recorded
            .request
            .with_header("Content-Type", "application/x-www-form-urlencoded");
        forgery.body = "FlowName=another".to_owned();
        let hash = hex(&Sha256::digest(&forgery.body));
        let forgery = forgery.with_header("x-acs-content-sha256", &hash);
        Examiner::new(&recorded, &recorded.request).refusal(&forgery, "body");
    }
}

#[test]
fn another_method_is_another_request() {
    for recorded in signed() {
        let mut examiner = Examiner::new(&recorded, &recorded.request);
        for method in ["GET", "POST", "PUT", "HEAD", "get", "post", ""] {
            if method != recorded.request.method {
                let mut forgery = recorded.request.clone();
                forgery.method = method.to_owned();
                let code = examiner.refusal(&forgery, "method");
                assert_eq!(code, Code::SignatureNotMatch, "{}", recorded.file);
            }
        }
    }
}

#[test]
fn another_secret_verifies_nothing() {
    for recorded in signed() {
        let secret = &recorded.credentials.access_key_secret;
        let token = recorded.credentials.security_token.as_deref();
        let others = each_changed(secret, alike).chain([
            format!("{secret} "),
            format!("{secret}&"),
            secret[1..].to_owned(),
        ]);
        for other in others {
            let authenticator = recorded.authenticator_with(&other, token);
            let refusal =
                authenticate(&authenticator, &recorded.request, recorded.time()).unwrap_err();
            assert_eq!(
                refusal.code,
                Code::SignatureNotMatch,
                "{}: {other}",
                recorded.file
            );
        }
    }
}
