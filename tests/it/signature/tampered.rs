//! Recorded requests that were tampered with: every change must be refused.

use flowledger::{auth::Authenticator, model::Timestamp, wire::error::Code};
use sha2::{Digest, Sha256};

use super::{Pair, Recorded, Sent, acs3, authenticate, joined, rpc_v1, signed};
use crate::support::call::hex;

/// Codes of requests whose signature is not verified. Time and nonce errors are not among them, because they are
/// checked after the signature.
const UNPROVEN: [Code; 5] = [
    Code::InvalidAccessKeyId,
    Code::InvalidArgument,
    Code::MissingRequiredHeader,
    Code::MissingRequiredParams,
    Code::SignatureNotMatch,
];

/// Verifies tampered copies of one request with an authenticator that has seen none.
pub(super) struct TamperCheck {
    file: String,
    authenticator: Authenticator,
    time: Timestamp,
    forgeries: usize,
}

impl TamperCheck {
    /// Checks that the original request, encoded as in `sent`, is accepted.
    pub(super) fn new(recorded: &Recorded, sent: &Sent) -> Self {
        if let Err(refusal) = recorded.replay(sent) {
            panic!("{} is refused unchanged: {refusal}", recorded.file);
        }
        TamperCheck {
            file: recorded.file.clone(),
            authenticator: recorded.authenticator(),
            time: recorded.time(),
            forgeries: 0,
        }
    }

    /// Returns the code with which `forgery` is refused. `what` names what was changed.
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

impl Drop for TamperCheck {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.forgeries > 0,
            "nothing of {} was changed",
            self.file
        );
    }
}

/// Copies of `text` with one character changed, one for each character.
fn each_changed(text: &str, change: fn(char) -> char) -> impl Iterator<Item = String> {
    text.char_indices().map(move |(at, old)| {
        let new = change(old);
        assert_ne!(old, new);
        format!("{}{new}{}", &text[..at], &text[at + old.len_utf8()..])
    })
}

/// A similar character: the letter's other case, the next digit.
fn alike(old: char) -> char {
    match old {
        'a'..='z' => old.to_ascii_uppercase(),
        'A'..='Z' => old.to_ascii_lowercase(),
        '9' => '0',
        '0'..='8' => char::from_u32(u32::from(old) + 1).unwrap(),
        _ => 'x',
    }
}

/// Another letter, so that a name becomes unknown.
fn unlike(old: char) -> char {
    if old == 'x' { 'y' } else { 'x' }
}

/// Name and value pairs that a test changes, and where they came from.
struct Pairs {
    query: Vec<Pair>,
    form: Vec<Pair>,
}

impl Pairs {
    /// The pairs that are signed one by one.
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

    /// Returns the request with these pairs instead of its own.
    fn sent(&self, recorded: &Recorded) -> Sent {
        let mut sent = recorded.request.clone();
        sent.target = format!("/?{}", joined(&self.query));
        if recorded.scheme.starts_with("RPC") {
            sent.body = joined(&self.form);
        }
        sent
    }
}

/// Returns whether the client signed this pair; one client leaves out empty values.
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
        return; // everything is in the body
    }
    let mut check = TamperCheck::new(recorded, &pairs.sent(recorded));
    for nth in 0..pairs.len() {
        let (name, value) = pairs.nth(nth).clone();
        if !is_signed(recorded, pairs.nth(nth)) {
            continue;
        }
        for changed in each_changed(&name, unlike) {
            pairs.nth(nth).0 = changed;
            check.refusal(&pairs.sent(recorded), &name);
        }
        pairs.nth(nth).0.clone_from(&name);
        for changed in each_changed(&value, alike) {
            pairs.nth(nth).1 = changed;
            check.refusal(&pairs.sent(recorded), &name);
        }
        pairs.nth(nth).1 = value;
    }
}

#[test]
fn changed_character_of_a_parameter_is_refused_under_rpc_v1() {
    rpc_v1().iter().for_each(no_character_of_a_pair_can_change);
}

#[test]
fn changed_character_of_a_query_parameter_is_refused_under_acs3() {
    acs3().iter().for_each(no_character_of_a_pair_can_change);
}

#[test]
fn only_one_empty_value_of_one_client_is_unsigned() {
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
fn removed_or_added_parameter_is_refused() {
    for recorded in signed() {
        let all = Pairs::signed(&recorded);
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for nth in 0..all.len() {
            let mut pairs = Pairs::signed(&recorded);
            if is_signed(&recorded, pairs.nth(nth)) {
                pairs.remove(nth);
                check.refusal(&pairs.sent(&recorded), "number of pairs");
            }
        }
        for more in ["Extra=1", "RegionIds=x", "=1", "%00=1"] {
            check.refusal(&recorded.request.with_query(more), more);
        }
        let mut longer = recorded
            .request
            .with_header("Content-Type", "application/x-www-form-urlencoded");
        longer.body.push_str("&Extra=1");
        check.refusal(&longer, "body");
    }
}

#[test]
fn added_empty_parameter_is_refused_under_acs3() {
    for recorded in acs3() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for more in ["Extra=", "Extra", "="] {
            let code = check.refusal(&recorded.request.with_query(more), more);
            assert_eq!(code, Code::SignatureNotMatch, "{}", recorded.file);
        }
    }
}

#[test]
fn changed_character_of_a_signed_header_is_refused() {
    for recorded in acs3() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for name in recorded
            .signed_headers()
            .into_iter()
            .chain(["authorization"])
        {
            let value = recorded.request.header(name).unwrap();
            for changed in each_changed(value, alike) {
                check.refusal(&recorded.request.with_header(name, &changed), name);
            }
        }
    }
}

#[test]
fn removed_or_duplicated_signed_header_is_refused() {
    for recorded in acs3() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for name in recorded
            .signed_headers()
            .into_iter()
            .chain(["authorization"])
        {
            check.refusal(&recorded.request.without_header(name), name);
            let value = recorded.request.header(name).unwrap();
            for second in [value, "another"] {
                let mut doubled = recorded.request.clone();
                doubled.headers.push((name.to_owned(), second.to_owned()));
                check.refusal(&doubled, name);
                doubled.headers.rotate_right(1);
                check.refusal(&doubled, name);
            }
        }
    }
}

#[test]
fn unsigned_vendor_header_is_refused() {
    for recorded in acs3() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for (name, value) in [
            ("x-acs-extra", "1"),
            ("X-Acs-Security-Token-2", "t"),
            ("x-acs-credentials-provider", ""),
        ] {
            if recorded.request.header(name).is_none() {
                let added = recorded.request.with_header(name, value);
                assert_eq!(
                    check.refusal(&added, name),
                    Code::InvalidArgument,
                    "{}: {name}",
                    recorded.file
                );
            }
        }
    }
}

#[test]
fn changed_character_of_the_body_is_refused_under_acs3() {
    let mut bodies = acs3();
    bodies.retain(|recorded| !recorded.request.body.is_empty());
    assert_eq!(bodies.len(), 27);
    for recorded in bodies {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        let mut forgery = recorded.request.clone();
        for changed in each_changed(&recorded.request.body, alike) {
            forgery.body = changed;
            check.refusal(&forgery, "body");
        }
        for other in ["", " ", "FlowName=f", &recorded.request.body[1..]] {
            forgery.body = other.to_owned();
            check.refusal(&forgery, "body");
        }
    }
}

#[test]
fn body_replaced_together_with_its_hash_is_refused() {
    for recorded in acs3() {
        let mut forgery = recorded
            .request
            .with_header("Content-Type", "application/x-www-form-urlencoded");
        forgery.body = "FlowName=another".to_owned();
        let hash = hex(&Sha256::digest(&forgery.body));
        let forgery = forgery.with_header("x-acs-content-sha256", &hash);
        TamperCheck::new(&recorded, &recorded.request).refusal(&forgery, "body");
    }
}

#[test]
fn changed_method_is_refused() {
    for recorded in signed() {
        let mut check = TamperCheck::new(&recorded, &recorded.request);
        for method in ["GET", "POST", "PUT", "HEAD", "get", "post", ""] {
            if method != recorded.request.method {
                let mut forgery = recorded.request.clone();
                forgery.method = method.to_owned();
                let code = check.refusal(&forgery, "method");
                assert_eq!(code, Code::SignatureNotMatch, "{}", recorded.file);
            }
        }
    }
}

#[test]
fn request_signed_with_another_secret_is_refused() {
    for recorded in signed() {
        let secret = &recorded.credentials.access_key_secret;
        let token = recorded.credentials.security_token.as_deref();
        let others =
            each_changed(secret, alike).chain([format!("{secret}&"), secret[1..].to_owned()]);
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
