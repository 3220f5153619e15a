//! What goes wrong on the way to a page. `frame` makes the page that says so.

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

/// Travels to `frame` in the extensions of a response.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub status: StatusCode,
    /// For the reader of the page.
    pub message: String,
    /// For the log alone.
    pub source: Option<Arc<ApiError>>,
}

impl Fault {
    pub fn nowhere() -> Self {
        Fault {
            status: StatusCode::NOT_FOUND,
            message: "There is no page at this address.".to_owned(),
            source: None,
        }
    }

    pub fn denied() -> Self {
        ApiError::new(Code::AccessDenied, &[]).into()
    }

    /// A form that did not come from one of our own pages.
    pub fn foreign() -> Self {
        Fault {
            status: StatusCode::FORBIDDEN,
            message: "This form was not sent from a page of this server.".to_owned(),
            source: None,
        }
    }

    pub fn late() -> Self {
        Fault {
            status: StatusCode::REQUEST_TIMEOUT,
            message: "This took too long. Please try again.".to_owned(),
            source: None,
        }
    }

    /// A refusal by the HTTP library, which has no page: of a form too large, for example.
    pub fn unread(response: &Response) -> Option<Self> {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let status = response.status();
        (!html && (status.is_client_error() || status.is_server_error())).then(|| Fault {
            status,
            message: "The request could not be read.".to_owned(),
            source: None,
        })
    }

    /// The refusal of a read.
    pub fn refused(refusal: &Refusal, flow: &Name, execution: Option<&Name>) -> Self {
        match (refusal, execution) {
            (Refusal::FlowNotExists, _) => ApiError::new(Code::FlowNotExists, &[flow]).into(),
            (Refusal::ExecutionNotExists, Some(execution)) => {
                ApiError::new(Code::ExecutionNotExists, &[execution, flow]).into()
            }
            _ => ApiError::internal(format!("a read was refused: {refusal:?}")).into(),
        }
    }

    /// The page's headline.
    pub fn headline(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "Bad request",
            403 => "Access denied",
            404 => "Not found",
            405 => "Method not allowed",
            408 => "Request timeout",
            413 => "Content too large",
            429 => "Too many requests",
            500 => "Internal server error",
            503 => "Service unavailable",
            500.. => "Server error",
            _ => "Bad request",
        }
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Fault {
            status: StatusCode::from_u16(error.code.status()).unwrap_or_default(),
            message: error.message.clone(),
            source: Some(Arc::new(error)),
        }
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Fault::from(ApiError::internal("the page panicked")).into_response()
}
