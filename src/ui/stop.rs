//! `POST …/stop`: ends a running execution like `StopExecution`, for keys that may call it.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State},
    http::HeaderMap,
    response::Redirect,
};
use serde::Deserialize;

use super::{
    Ui,
    error_page::PageError,
    sign_in::{SignedIn, check_origin},
    urls::{PageUrl, execution_path, parse_execution_name},
};
use crate::{
    auth::Role,
    model::reason::{CAUSE_MAX_CHARS, ERROR_MAX_CHARS, Reason},
    store::StopExecution,
    wire::error::ApiError,
};

/// The lowest role that may stop an execution, as `Action::role` has it.
pub(super) const STOP_ROLE: Role = Role::Writer;

/// The fields of the form, both optional.
#[derive(Deserialize)]
pub(super) struct StopForm {
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

/// Stops the execution and leads back to its page.
///
/// # Errors
/// `Access denied` for a form of another site and for a key that may not stop it, before anything is said about its
/// existence; `Bad request` if it has ended.
pub(super) async fn stop(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path((flow, execution)): Path<(String, String)>,
    url: PageUrl,
    headers: HeaderMap,
    Form(form): Form<StopForm>,
) -> Result<Redirect, PageError> {
    check_origin(&headers)?;
    let flow = signed_in.flow(&flow)?;
    if !signed_in.viewer.is(STOP_ROLE) {
        return Err(PageError::access_denied());
    }
    let execution = parse_execution_name(&execution)?;
    let reason = Reason {
        error: text("Error", &form.error, ERROR_MAX_CHARS)?,
        cause: text("Cause", &form.cause, CAUSE_MAX_CHARS)?,
    };
    let stop = StopExecution {
        flow: flow.clone(),
        execution: execution.clone(),
        detail: reason.detail(),
        at: ui.clock.now(),
    };
    let permit = ui.limits.writes.acquire(&signed_in.context.client).await;
    let _permit = permit.ok_or_else(ApiError::throttled)?;
    let stopped = ui.store.stop_execution(stop, None).await?;
    stopped.map_err(|refusal| PageError::from_refusal(&refusal, &flow, Some(&execution)))?;
    let page = url.at(execution_path(&flow, &execution));
    Ok(Redirect::to(&page.to_string()))
}

/// `GET …/stop`: leads back to the page. Sign-in comes here if the session ended before the form was sent.
pub(super) async fn back(
    signed_in: SignedIn,
    Path((flow, execution)): Path<(String, String)>,
    url: PageUrl,
) -> Result<Redirect, PageError> {
    let page = execution_path(&signed_in.flow(&flow)?, &parse_execution_name(&execution)?);
    Ok(Redirect::to(&url.at(page).to_string()))
}

/// Returns the text of a field; None if it is blank.
fn text<'a>(name: &str, text: &'a str, max_chars: usize) -> Result<Option<&'a str>, ApiError> {
    let text = text.trim();
    if text.chars().nth(max_chars).is_some() || text.contains('\0') {
        let rule = format_args!("must be at most {max_chars} characters, without U+0000");
        return Err(ApiError::invalid(name, rule));
    }
    Ok((!text.is_empty()).then_some(text))
}
