//! What both schemes sign. The input is a request's text, see `request`.

use flowledger::wire::{
    params::{BodyKind, Params},
    signature::{acs3, rpc_v1, sha256_hex},
};

use super::{
    parameters::owned,
    request::Request,
    spec::{self, Pair},
};

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
    let text = acs3::canonical_request(&request.method, params.of_query(), &headers, &names, &hash);
    let expected = spec::acs3_text(&request.method, &in_query, &request.headers, &names, &hash);
    assert_eq!(text, expected);
    let hash = spec::sha256(&text);
    assert_eq!(
        acs3::string_to_sign(&text),
        format!("ACS3-HMAC-SHA256\n{hash}")
    );
}

/// The text is the specification's, any spelling gives the same one, and it can be read back: two requests
/// with different parameters have different texts.
fn rpc_v1_text(method: &str, params: &Params<'_>, pairs: &[Pair]) {
    let text = rpc_v1::string_to_sign(method, params.all());
    assert_eq!(text, spec::rpc_v1_text(method, pairs));

    let lower = |pairs: &[Pair]| {
        spec::canonical(pairs)
            .replace("%20", "+")
            .replace("%2F", "%2f")
    };
    let respelled = lower(pairs);
    let again = Params::parse(&respelled, None).expect("another spelling");
    assert_eq!(rpc_v1::string_to_sign(method, again.all()), text);

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
