//! The verifier against the specification: both must accept the same requests and read the same call from them.
//! Requests are signed by the specification and then edited.
//!
//! The input is the number of edits, the edits, four bytes each, and the request's text.

use flowledger::{
    auth::{self, Authenticator, keys::Keys},
    model::Timestamp,
    wire::{
        error::{ApiError, Code},
        params::{BodyKind, Params},
    },
};

use super::{
    parameters,
    request::{self, Request, SECRET},
    verdict::{AcceptedCall, KEY_ID, NOW, verdict},
};

/// Most edits of a request after it was signed.
const EDITS_MAX: usize = 4;

pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let edits = usize::from(*count) % (EDITS_MAX + 1) * 4;
    let Some((edits, text)) = rest.split_at_checked(edits) else {
        return;
    };
    let Some(mut text) = request::signed(text) else {
        return;
    };
    request::edit(&mut text, edits);
    let Some(request) = Request::read(&text) else {
        return;
    };
    let keys = format!("[[key]]\nid = {KEY_ID:?}\nsecret = {SECRET:?}\nrole = \"reader\"\n");
    let keys = Keys::load(Some(&keys), None).expect("a keys file");
    let authenticator = Authenticator::new(keys);
    let expected = verdict(&request);
    match (accepted(&authenticator, &request), expected) {
        (Ok(call), expected) => {
            assert_eq!(Some(call), expected, "{}", shown(&text));
            let again = accepted(&authenticator, &request).expect_err("a replay");
            assert_eq!(again.code, Code::SignatureNonceUsed, "{}", shown(&text));
        }
        (Err(_), None) => {}
        (Err(refusal), Some(_)) => {
            // The specification here knows neither the names of the actions' own parameters nor the range of a
            // double.
            let message = &refusal.message;
            let own =
                message.contains("must be spelled") || message.contains("number out of range");
            assert!(own, "{refusal} {}", shown(&text));
        }
    }
}

fn shown(text: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// What the server makes of the request.
fn accepted(authenticator: &Authenticator, request: &Request) -> Result<AcceptedCall, ApiError> {
    let kind = match request.is_json() {
        _ if request.body.is_empty() => None,
        Some(true) => Some(BodyKind::Json),
        Some(false) => Some(BodyKind::Form),
        None => return Err(ApiError::new(Code::UnsupportedMediaType, &[])),
    };
    let body = kind.map(|kind| (kind, request.body.as_slice()));
    let mut params = Params::parse(&request.query, body)?;
    let sent = auth::Request {
        method: &request.method,
        path: "/",
        headers: &request.header_map(),
        body: &request.body,
    };
    let now = Timestamp::from_millis(NOW).expect("a time");
    let caller = authenticator.authenticate(&sent, &mut params, now)?;
    let mut params = parameters::owned(params.all());
    params.sort();
    Ok(AcceptedCall {
        action: caller.action().to_owned(),
        version: caller.version().to_owned(),
        params,
    })
}
