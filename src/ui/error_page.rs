//! Errors of pages. The middleware renders the page; this type says what is on it and what is logged.

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    model::Name,
    store::{self, Refusal},
    wire::error::{ApiError, Code},
};

/// An error of a page. A handler attaches it to the extensions of its response, where the middleware finds it.
#[derive(Clone, Debug)]
pub(super) struct PageError {
    pub status: StatusCode,
    /// For the reader of the page.
    pub message: String,
    /// For the log only.
    pub source: Option<Arc<ApiError>>,
}

impl PageError {
    fn new(status: StatusCode, message: &str) -> Self {
        PageError {
            status,
            message: message.to_owned(),
            source: None,
        }
    }

    pub fn not_found() -> Self {
        PageError::new(StatusCode::NOT_FOUND, "There is no page at this address.")
    }

    pub fn access_denied() -> Self {
        ApiError::new(Code::AccessDenied, &[]).into()
    }

    /// A form that was not sent from one of our own pages.
    pub fn foreign_form() -> Self {
        let message = "This form was not sent from a page of this server.";
        PageError::new(StatusCode::FORBIDDEN, message)
    }

    pub fn timed_out() -> Self {
        let message = "This took too long. Please try again.";
        PageError::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    /// Returns the error of a response that axum itself refused without a page, such as a form that is too large.
    pub fn without_page(response: &Response) -> Option<Self> {
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let html = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let status = response.status();
        let refused = !html && (status.is_client_error() || status.is_server_error());
        refused.then(|| PageError::new(status, "The request could not be read."))
    }

    /// Returns the error of a request that the store refused.
    pub fn from_refusal(refusal: &Refusal, flow: &Name, execution: Option<&Name>) -> Self {
        match (refusal, execution) {
            (Refusal::FlowNotExists, _) => ApiError::new(Code::FlowNotExists, &[flow]).into(),
            (Refusal::ExecutionNotExists, Some(execution)) => {
                ApiError::new(Code::ExecutionNotExists, &[execution, flow]).into()
            }
            (Refusal::ExecutionAlreadyCompleted, Some(execution)) => {
                ApiError::new(Code::ExecutionAlreadyCompleted, &[execution, flow]).into()
            }
            _ => ApiError::internal(format!("a request was refused: {refusal:?}")).into(),
        }
    }

    /// Returns the title of the page: HTTP's own reason, or `Access denied` for 403.
    pub fn title(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "Bad request",
            403 => "Access denied",
            404 => "Not found",
            405 => "Method not allowed",
            408 => "Request timeout",
            413 => "Content too large",
            415 => "Unsupported media type",
            429 => "Too many requests",
            500 => "Internal server error",
            503 => "Service unavailable",
            501.. => "Server error",
            _ => "Bad request",
        }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        PageError {
            status: StatusCode::from_u16(error.code.status()).unwrap_or_default(),
            message: error.message.clone(),
            source: Some(Arc::new(error)),
        }
    }
}

impl From<store::Error> for PageError {
    fn from(error: store::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    PageError::from(ApiError::internal("the page panicked")).into_response()
}
