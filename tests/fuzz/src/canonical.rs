//! What both schemes sign. The input is a request's text, see `request`.

use flowledger::wire::{
    params::{BodyKind, Params},
    signature::{acs3, rpc_v1, sha256_hex},
};
use hmac::digest::Update;
use sha2::{Digest, Sha256};

use super::{
    parameters::owned,
    request::Request,
    spec::{self, Pair},
};

/// Collects what would be hashed.
#[derive(Default)]
struct Text(Vec<u8>);

impl Update for Text {
    fn update(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }
}

pub fn check(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let form = Some((BodyKind::Form, request.body.as_slice())).filter(|(_, body)| !body.is_empty());
    let Ok(params) = Params::parse(&request.query, form) else {
        return;
    };
    let (pairs, in_query) = (owned(params.all()), owned(params.of_query()));
    rpc_v1_text(&request.method, &params, &pairs);

    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let hash = sha256_hex(&request.body);
    assert_eq!(hash, spec::sha256(&request.body));
    let headers = request.header_map();
    let mut text = Text::default();
    acs3::canonical_request(
        &request.method,
        acs3::ROOT,
        params.of_query(),
        &headers,
        &names,
        &hash,
        &mut text,
    );
    let expected = spec::acs3_text(&request.method, &in_query, &request.headers, &names, &hash);
    assert_eq!(text.0, expected);
    let hash = spec::sha256(&text.0);
    assert_eq!(
        acs3::string_to_sign(Sha256::new_with_prefix(&text.0)),
        format!("ACS3-HMAC-SHA256\n{hash}")
    );
}

fn string_to_sign(method: &str, params: &Params<'_>) -> String {
    let mut text = Text::default();
    rpc_v1::string_to_sign(method, params.all(), &mut text);
    String::from_utf8(text.0).expect("percent-encoded")
}

/// Checks that the text is the specification's, the same for every spelling of the parameters, and that it can be
/// parsed: requests with different parameters have different texts.
fn rpc_v1_text(method: &str, params: &Params<'_>, pairs: &[Pair]) {
    let text = string_to_sign(method, params);
    assert_eq!(text, spec::rpc_v1_text(method, pairs));

    let lower = |pairs: &[Pair]| {
        spec::canonical(pairs)
            .replace("%20", "+")
            .replace("%2F", "%2f")
    };
    let respelled = lower(pairs);
    let again = Params::parse(&respelled, None).expect("another spelling");
    assert_eq!(string_to_sign(method, &again), text);

    let canonical = text
        .strip_prefix(method)
        .and_then(|text| text.strip_prefix("&%2F&"));
    let canonical = spec::pairs(canonical.expect("method and path").as_bytes()).expect("encoded");
    let read = match &canonical[..] {
        [] => Vec::new(),
        [(once, _)] => spec::pairs(once.as_bytes()).expect("encoded twice"),
        more => panic!("{more:?}"),
    };
    let mut signed = pairs.to_vec();
    signed.retain(|(name, _)| name != "Signature");
    signed.sort();
    assert_eq!(read, signed);
}
