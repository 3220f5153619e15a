//! Which requests are accepted, by the specification alone: the rules of the contract one after another, without the
//! server's code, for a server that has one key and has seen no nonce.

use super::{
    json,
    request::{Request, SECRET, all_pairs},
    spec::{self, Pair},
};

/// The id of the only key.
pub const KEY_ID: &str = "testid";

/// The server's time: 2026-11-22T12:00:00Z, in milliseconds since 1970.
pub const NOW: i64 = 1_795_348_800_000;

/// What an accepted request asks for.
#[derive(Debug, PartialEq)]
pub struct AcceptedCall {
    pub action: String,
    pub version: String,
    pub params: Vec<Pair>,
}

/// Returns what `request` asks for if it must be accepted.
pub fn verdict(request: &Request) -> Option<AcceptedCall> {
    let params = parameters(request)?;
    match acs3(request)? {
        Some(authorization) => acs3_call(request, params, authorization),
        None => rpc_v1_call(request, params),
    }
}

/// All parameters, decoded and sorted. None if one is given twice.
fn parameters(request: &Request) -> Option<Vec<Pair>> {
    let mut params = spec::pairs(request.query.as_bytes())?;
    if !request.body.is_empty() {
        if request.is_json()? {
            let text = std::str::from_utf8(&request.body).ok()?;
            for (name, value, spelled) in json::members(text)? {
                match value {
                    json::Json::Null => {}
                    json::Json::Text(text) => params.push((name, text)),
                    _ => params.push((name, spelled.to_owned())),
                }
            }
        } else {
            params = all_pairs(request)?;
        }
    }
    let plain = !params.iter().any(|(name, _)| spec::misspelled(name));
    params.sort(); // a JSON object has no order
    (spec::distinct(&params) && plain).then_some(params)
}

/// The value of a header: `Some("")` without the header, None if it is given twice or is not visible ASCII.
fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    match request.values(name)[..] {
        [] => Some(""),
        [value] => {
            let visible = value.iter().all(|b| *b == b'\t' || (32..127).contains(b));
            std::str::from_utf8(value).ok().filter(|_| visible)
        }
        _ => None,
    }
}

/// The ACS3 authorization, if there is one. None if the header is invalid.
fn acs3(request: &Request) -> Option<Option<&str>> {
    let value = header(request, "authorization")?;
    Some(Some(value).filter(|value| value.starts_with("ACS")))
}

fn in_time(text: &str) -> bool {
    spec::time(text).is_some_and(|(at, seconds)| seconds && (at - NOW).abs() <= 15 * 60_000)
}

fn rpc_v1_call(request: &Request, params: Vec<Pair>) -> Option<AcceptedCall> {
    let value = |name: &str| {
        let found = params.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let (action, version) = (value("Action").to_owned(), value("Version").to_owned());
    let fits = value("SignatureVersion") == "1.0"
        || action == "CreateSchedule" && !value("SignatureVersion").is_empty();
    let allowed = value("AccessKeyId") == KEY_ID
        && in_time(value("Timestamp"))
        && !value("SignatureNonce").is_empty()
        && value("SignatureMethod") == "HMAC-SHA1"
        && fits
        && value("SignatureType").is_empty()
        && (request.body.is_empty() || request.is_json() == Some(false));
    allowed.then_some(())?;
    let holds = |params: &[Pair]| {
        let text = spec::rpc_v1_text(&request.method, params);
        spec::rpc_v1_signature(SECRET, &text) == value("Signature")
    };
    if holds(&params) {
        return Some(AcceptedCall {
            action,
            version,
            params,
        });
    }
    // An SDK leaves empty business parameters out of what it signs; then they count as absent.
    let mut fewer = params.clone();
    fewer.retain(|(name, value)| !value.is_empty() || spec::COMMON.contains(&name.as_str()));
    holds(&fewer).then_some(AcceptedCall {
        action,
        version,
        params: fewer,
    })
}

fn acs3_call(request: &Request, params: Vec<Pair>, authorization: &str) -> Option<AcceptedCall> {
    let (id, signed, signature) = spec::authorization(authorization)?;
    let required = |name| header(request, name).filter(|value| !value.is_empty());
    let action = required("x-acs-action")?.to_owned();
    let version = required("x-acs-version")?.to_owned();
    let hash = spec::sha256(&request.body);
    let claimed = required("x-acs-content-sha256")? == hash;
    let timely = in_time(required("x-acs-date")?);
    required("x-acs-signature-nonce")?;
    header(request, "host")?;
    for (name, _) in &request.headers {
        let decides = name == "content-type" && !request.body.is_empty();
        if decides || name.starts_with("x-acs-") {
            header(request, name)?;
            signed.contains(&name.as_str()).then_some(())?;
        }
    }
    let agrees = params.iter().all(|(name, value)| match name.as_str() {
        "Signature" => false,
        "Action" => *value == action,
        "Version" => *value == version,
        _ => true,
    });
    let query = spec::pairs(request.query.as_bytes())?;
    let text = spec::acs3_text(&request.method, &query, &request.headers, &signed, &hash);
    let holds = spec::acs3_signature(SECRET, &text) == signature;
    (id == KEY_ID && claimed && timely && agrees && holds).then_some(AcceptedCall {
        action,
        version,
        params,
    })
}
