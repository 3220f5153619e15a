//! The closed table of error codes. The server answers no error that is not in it.
//!
//! Codes, statuses and messages are the vendor's (API reference of fnf 2019-03-15 and its metadata);
//! names in messages are in quotes, because deployment tools search for `Flow 'x' does not exist`.

use std::fmt::Display;

use serde::Serialize;

/// An error code of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    AccessDenied,
    ActionNotSupported,
    ApiVersionNotSupported,
    ConcurrentUpdateError,
    EntityTooLarge,
    ExecutionAlreadyCompleted,
    ExecutionAlreadyExists,
    ExecutionNotExists,
    FlowAlreadyExists,
    FlowNotExists,
    InternalServerError,
    InvalidAccessKeyId,
    InvalidArgument,
    MissingRequiredHeader,
    MissingRequiredParams,
    RequestTimeTooSkewed,
    ResourceThrottled,
    SignatureNonceUsed,
    SignatureNotMatch,
    TaskAlreadyCompleted,
    UnsupportedMediaType,
}

/// The code as clients compare it, its HTTP status, and its message, in which an argument replaces each `%s`.
/// Rows are in the order of the enum, because `Code::row` indexes by it.
#[rustfmt::skip]
const TABLE: [(Code, &str, u16, &str); 21] = [
    (Code::AccessDenied, "AccessDenied", 403, "The resources doesn't belong to you."),
    (Code::ActionNotSupported, "ActionNotSupported", 400, "The requested API operation '%s' is incorrect. Please check."),
    (Code::ApiVersionNotSupported, "APIVersionNotSupported", 400, "The requested API version '%s' is not supported yet. Please check."),
    (Code::ConcurrentUpdateError, "ConcurrentUpdateError", 409, "Update conflict, please retry. %s"),
    (Code::EntityTooLarge, "EntityTooLarge", 400, "The payload size exceeds maximum allowed size (%s bytes)."),
    (Code::ExecutionAlreadyCompleted, "ExecutionAlreadyCompleted", 400, "Execution '%s' for flow '%s' has already completed."),
    (Code::ExecutionAlreadyExists, "ExecutionAlreadyExists", 400, "Execution '%s' for flow '%s' already exists."),
    (Code::ExecutionNotExists, "ExecutionNotExists", 404, "Execution '%s' for flow '%s' does not exist."),
    (Code::FlowAlreadyExists, "FlowAlreadyExists", 409, "Flow '%s' already exists."),
    (Code::FlowNotExists, "FlowNotExists", 404, "Flow '%s' does not exist."),
    (Code::InternalServerError, "InternalServerError", 500, "An internal error has occurred. Please retry."),
    (Code::InvalidAccessKeyId, "InvalidAccessKeyID", 403, "The AccessKey ID '%s' is invalid."),
    (Code::InvalidArgument, "InvalidArgument", 400, "Parameter error. %s"),
    (Code::MissingRequiredHeader, "MissingRequiredHeader", 400, "The HTTP header '%s' must be specified."),
    (Code::MissingRequiredParams, "MissingRequiredParams", 400, "The HTTP query '%s' must be specified."),
    (Code::RequestTimeTooSkewed, "RequestTimeTooSkewed", 403, "The difference between the request time %s and the current time %s is too large."),
    (Code::ResourceThrottled, "ResourceThrottled", 429, "The request is throttled. Please try again later."),
    (Code::SignatureNonceUsed, "SignatureNonceUsed", 400, "Specified signature nonce was used already."),
    (Code::SignatureNotMatch, "SignatureNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your access key and signing method."),
    (Code::TaskAlreadyCompleted, "TaskAlreadyCompleted", 400, "Task '%s' has already completed."),
    (Code::UnsupportedMediaType, "UnsupportedMediaType", 415, "The content type must be \"application/json\"."),
];

impl Code {
    /// Returns every code, in the order of the table.
    pub fn all() -> impl Iterator<Item = Code> {
        TABLE.iter().map(|row| row.0)
    }

    const fn row(self) -> (Code, &'static str, u16, &'static str) {
        TABLE[self as usize]
    }

    /// Returns the code as clients compare it.
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Returns the HTTP status of answers with this code.
    pub const fn status(self) -> u16 {
        self.row().2
    }

    /// Returns the message before its arguments are filled in.
    pub const fn template(self) -> &'static str {
        self.row().3
    }
}

/// An error answer: the client gets `code` and `message`, the log gets `source` too.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: Code,
    pub message: String,
    /// Never sent to the client: the body of a 5xx answer is constant.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Longest text of the client's that a message repeats, in characters; no valid name is longer.
const QUOTED_MAX_CHARS: usize = 128;

impl ApiError {
    /// Returns the error with `arguments` filled into its message, in order.
    pub fn new(code: Code, arguments: &[&dyn Display]) -> Self {
        let mut message = String::new();
        let mut pieces = code.template().split("%s");
        message.push_str(pieces.next().unwrap_or_default());
        let mut arguments = arguments.iter();
        for piece in pieces {
            let argument = arguments
                .next()
                .map(ToString::to_string)
                .unwrap_or_default();
            message.push_str(shortened(&argument, QUOTED_MAX_CHARS * 4));
            message.push_str(piece);
        }
        debug_assert!(
            arguments.next().is_none(),
            "an argument too many for {code:?}"
        );
        ApiError {
            code,
            message: message.trim_end().to_owned(),
            source: None,
        }
    }

    /// Returns an `InvalidArgument` that names the parameter and the rule it breaks: `Limit must be …`.
    pub fn invalid(parameter: &str, rule: impl Display) -> Self {
        let parameter = shortened(parameter, QUOTED_MAX_CHARS);
        ApiError::new(
            Code::InvalidArgument,
            &[&format_args!("{parameter} {rule}.")],
        )
    }

    /// Returns a `MissingRequiredParams` that names the parameter.
    pub fn missing(parameter: &str) -> Self {
        ApiError::new(Code::MissingRequiredParams, &[&parameter])
    }

    /// Returns the refusal of a request for which there is no capacity now.
    pub fn throttled() -> Self {
        ApiError::new(Code::ResourceThrottled, &[])
    }

    /// Returns an `InternalServerError`. Its source goes to the log only.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ApiError {
            source: Some(source.into()),
            ..ApiError::new(Code::InternalServerError, &[])
        }
    }
}

/// Returns the first `max` characters of `text`.
pub fn shortened(text: &str, max: usize) -> &str {
    text.char_indices()
        .nth(max)
        .map_or(text, |(end, _)| &text[..end])
}

/// The body of every error answer. All values are strings, because one client panics at any other.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ErrorBody<'a> {
    pub request_id: &'a str,
    pub host_id: &'a str,
    pub code: &'static str,
    pub message: &'a str,
}
