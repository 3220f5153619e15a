//! A request's parameters, decoded once from the query and from a form or JSON body.
//!
//! Signatures are checked over the decoded values, because clients encode the same value differently. Actions
//! read them through typed getters, whose errors name the parameter.

use std::{borrow::Cow, ops::RangeInclusive};

use super::{error::ApiError, json};

/// Parameters of one request, query and body together; ours. Real requests have fewer than 25.
pub const PARAMETERS_MAX: usize = 100;

/// Common parameters, which identify and sign the call. All others are business parameters of the action.
const COMMON: [&str; 13] = [
    "Action",
    "Version",
    "Format",
    "Timestamp",
    "SignatureNonce",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureType",
    "AccessKeyId",
    "Signature",
    "SecurityToken",
    "BearerToken",
    "RegionId",
];

/// Business parameters of all actions. A name that differs from one of these in case only is refused, because
/// a client or a proxy could take it for the known one.
const BUSINESS: [&str; 34] = [
    "FlowName",
    "ExecutionName",
    "NextToken",
    "Limit",
    "Events",
    "ExpectedEventId",
    "Reverse",
    "EventTypes",
    "StepName",
    "Input",
    "CallbackFnFTaskToken",
    "Qualifier",
    "WaitTimeSeconds",
    "Name",
    "Definition",
    "Description",
    "Type",
    "RoleArn",
    "ExecutionMode",
    "Environment",
    "ExternalStorageLocation",
    "ResourceGroupId",
    "FlowVersion",
    "RequestId",
    "Status",
    "StartedTimeBegin",
    "StartedTimeEnd",
    "ExecutionNamePrefix",
    "MapRunName",
    "MetadataOnly",
    "Error",
    "Cause",
    "TaskToken",
    "Output",
];

/// One parameter, decoded.
#[derive(Debug)]
struct Param<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    in_query: bool,
}

impl Param<'_> {
    fn pair(&self) -> (&str, &str) {
        (&self.name, &self.value)
    }

    fn is_empty_business(&self) -> bool {
        self.value.is_empty() && !COMMON.contains(&self.name.as_ref())
    }
}

/// How the body carries parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    Form,
    Json,
}

/// All parameters of a request; no name occurs twice.
#[derive(Debug)]
pub struct Params<'a> {
    /// In signing order: sorted by the bytes of the name.
    all: Vec<Param<'a>>,
    /// How the body carried parameters; RPC v1 does not sign a JSON body.
    body: Option<BodyKind>,
}

impl<'a> Params<'a> {
    /// Decodes query and body.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for more than `PARAMETERS_MAX` parameters and for what two readers could read
    /// differently: a name that occurs twice (in query, body, or across both), a known name in different
    /// case, bad percent-encoding.
    pub fn parse(query: &'a str, body: Option<(BodyKind, &'a [u8])>) -> Result<Self, ApiError> {
        let mut all = Vec::with_capacity(PARAMETERS_MAX + 1);
        decode_pairs(query, true, &mut all)?;
        match body {
            None => {}
            Some((BodyKind::Form, bytes)) => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| ApiError::invalid("The body", "must be UTF-8"))?;
                decode_pairs(text, false, &mut all)?;
            }
            Some((BodyKind::Json, bytes)) => {
                let room = PARAMETERS_MAX.saturating_sub(all.len());
                let members = json::parameters(bytes, room)
                    .map_err(|fault| ApiError::invalid("The body", fault))?
                    .ok_or_else(too_many)?;
                all.extend(members.into_iter().map(|(name, value)| Param {
                    name: name.into(),
                    value,
                    in_query: false,
                }));
            }
        }
        if all.len() > PARAMETERS_MAX {
            return Err(too_many());
        }
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        check_names(&all)?;
        Ok(Params {
            all,
            body: body.map(|(kind, _)| kind),
        })
    }

    /// Returns name and value of each parameter, in signing order: sorted by the bytes of the name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(Param::pair)
    }

    /// Returns the parameters of the query, which ACS3 signs one by one; it signs the body as a whole.
    pub fn of_query(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_query = self.all.iter().filter(|param| param.in_query);
        of_query.map(Param::pair)
    }

    /// Returns all parameters except business parameters with an empty value, or `None` if no value is empty.
    pub fn without_empty(&self) -> Option<impl Iterator<Item = (&str, &str)>> {
        let left = self.all.iter().filter(|param| !param.is_empty_business());
        let fewer = left.clone().count() < self.all.len();
        fewer.then(|| left.map(Param::pair))
    }

    /// Removes business parameters with an empty value.
    pub fn forget_empty(&mut self) {
        self.all.retain(|param| !param.is_empty_business());
    }

    /// Returns how the body carried parameters; `None` if the request has no body.
    pub fn body(&self) -> Option<BodyKind> {
        self.body
    }

    /// Returns the value as it was sent, even if it is empty.
    pub fn given(&self, name: &str) -> Option<&str> {
        debug_assert!(
            COMMON.contains(&name) || BUSINESS.contains(&name),
            "{name} is in no list"
        );
        self.all
            .iter()
            .find(|p| p.name == name)
            .map(|p| p.value.as_ref())
    }

    /// Returns the value; an empty value counts as absent.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// `MissingRequiredParams` if it is absent or empty.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name).ok_or_else(|| ApiError::missing(name))
    }

    /// Returns the value of a boolean; false if it is absent.
    pub fn boolean(&self, name: &str) -> Result<bool, ApiError> {
        let Some(text) = self.optional(name) else {
            return Ok(false);
        };
        boolean(text).ok_or_else(|| ApiError::invalid(name, "must be true or false"))
    }

    /// Returns the value as it was sent. It must not contain U+0000, which PostgreSQL cannot store.
    pub fn plain(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.given(name) {
            Some(text) if text.contains('\0') => {
                Err(ApiError::invalid(name, "must not contain U+0000"))
            }
            text => Ok(text),
        }
    }

    /// Returns the value, which must have at most `max_chars` characters; an empty value counts as absent.
    pub fn short(&self, name: &str, max_chars: usize) -> Result<Option<&str>, ApiError> {
        let text = self.optional(name);
        if text.is_some_and(|text| text.chars().nth(max_chars).is_some()) {
            let rule = format_args!("must be at most {max_chars} characters");
            return Err(ApiError::invalid(name, rule));
        }
        Ok(text)
    }

    /// Returns the value, which must be short and must not contain U+0000; an empty value counts as absent.
    pub fn text(&self, name: &str, max_chars: usize) -> Result<Option<&str>, ApiError> {
        self.plain(name)?;
        self.short(name, max_chars)
    }

    /// Returns a decimal integer in `range`: digits only, no sign, no leading zero except `0` itself.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        decimal(text)
            .filter(|value| range.contains(value))
            .map(Some)
            .ok_or_else(|| {
                let (from, to) = (range.start(), range.end());
                ApiError::invalid(name, format_args!("must be an integer from {from} to {to}"))
            })
    }
}

fn too_many() -> ApiError {
    let rule = format_args!("must have at most {PARAMETERS_MAX} parameters");
    ApiError::invalid("The request", rule)
}

/// Parses `true` or `false` in any case, because Python clients send `True`.
fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Refuses duplicate names and known names in different case. `all` is sorted by name.
fn check_names(all: &[Param<'_>]) -> Result<(), ApiError> {
    for (nth, Param { name, .. }) in all.iter().enumerate() {
        if nth > 0 && all[nth - 1].name == *name {
            return Err(ApiError::invalid(name, "must not be given twice"));
        }
        let mut known = COMMON.iter().chain(&BUSINESS);
        let known = known.find(|known| known.eq_ignore_ascii_case(name));
        if let Some(known) = known.filter(|known| *known != name) {
            return Err(ApiError::invalid(
                name,
                format_args!("must be spelled {known}"),
            ));
        }
    }
    Ok(())
}

fn decimal(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn decode_pairs<'a>(
    text: &'a str,
    in_query: bool,
    into: &mut Vec<Param<'a>>,
) -> Result<(), ApiError> {
    let place = if in_query { "The query" } else { "The body" };
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if into.len() > PARAMETERS_MAX {
            break; // the request will be refused, so the rest need not be decoded
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let fault = || ApiError::invalid(place, "must be percent-encoded UTF-8");
        into.push(Param {
            name: decode(name).ok_or_else(fault)?,
            value: decode(value).ok_or_else(fault)?,
            in_query,
        });
    }
    Ok(())
}

/// Decodes a form value strictly: `+` is a space, `%XX` is a byte. Returns `None` for a malformed escape or
/// invalid UTF-8, which the common crates pass through or replace.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
