//! The signed endpoint: bounded body, parameters, caller, action, answer, log line.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{OriginalUri, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::{
    App, body,
    request_log::{LOGGED_MAX_CHARS, RequestLog, logged},
    timeouts::HalfClosed,
};
use crate::{
    action::{self, Action, Context},
    auth::{self, Role},
    limits::{BudgetedBytes, ClientId, Limits, PeerAddr, Permit, SMALL_BYTES},
    wire::{
        error::{ApiError, Code, ErrorBody, shortened},
        params::{BodyKind, Params},
        response::{Answer, CONTENT_TYPE},
    },
};

/// Pause before a throttled client should retry, in milliseconds, for `x-acs-retry-after`. Of the vendor's clients only
/// the command line heeds it.
const RETRY_AFTER_MILLIS: &str = "1000";
/// The same in seconds, for HTTP's own `Retry-After`.
const RETRY_AFTER_SECONDS: &str = "1";
/// Answer memory, in bytes, that a write which repeats stored texts reserves before it runs, because a committed
/// write cannot be refused. A larger answer takes what is free on top. One key can run 64 such writes at the same
/// time, with answers of about 1 MiB each.
const WRITE_ANSWER_BYTES: usize = 256 * 1024;

/// Answers one request.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut log = begin_log(&app, PeerAddr::of(&parts.extensions));
    let result = call(&app, &parts, body, &mut log).await;
    respond(result, &parts.headers, log)
}

/// Answers every other path. Never 404: to clients of this API that means a flow or an execution that is gone.
pub(super) async fn unknown_path(State(app): State<Arc<App>>, request: Request) -> Response {
    let log = begin_log(&app, PeerAddr::of(request.extensions()));
    respond(
        Err(ApiError::invalid(
            "The path",
            format_args!("must be {}/", app.base_path),
        )),
        request.headers(),
        log,
    )
}

/// Answers a request of a connection for which there is no place.
pub(super) fn throttled(app: &App, request: &Request) -> Response {
    let log = begin_log(app, PeerAddr::of(request.extensions()));
    respond(Err(ApiError::throttled()), request.headers(), log)
}

/// Answers a call whose handler panicked with a 500: it is unknown whether the call took effect.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let log = RequestLog::begin(uuid::Uuid::nil(), None, None);
    let error = ApiError::internal("the call panicked");
    respond(Err(error), &HeaderMap::new(), log)
}

fn begin_log(app: &App, peer: PeerAddr) -> RequestLog {
    let anonymous = Some(Arc::clone(&app.anonymous_log));
    RequestLog::begin(app.clock.uuid(), Some(peer), anonymous)
}

/// A successful answer, with the permit for its memory if it is large.
struct Reply {
    answer: Answer,
    permit: Option<Permit>,
    client: ClientId,
}

async fn call(
    app: &App,
    parts: &Parts,
    body: Body,
    log: &mut RequestLog,
) -> Result<Reply, ApiError> {
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(ApiError::invalid("The HTTP method", "must be GET or POST"));
    }
    let peer = PeerAddr::of(&parts.extensions);
    let anonymous = ClientId::anonymous(peer);
    let (bytes, upload) = body::read(body, &app.limits.uploads, &anonymous).await?;
    let kind = if bytes.is_empty() {
        None
    } else {
        Some((body_kind(&parts.headers)?, &bytes[..]))
    };
    let mut params = Params::parse(parts.uri.query().unwrap_or_default(), kind)?;
    log.flow = logged(params.given("FlowName").or(params.given("Name")));
    log.execution = logged(params.given("ExecutionName"));

    let now = app.clock.now();
    let OriginalUri(uri) = parts
        .extensions
        .get()
        .ok_or_else(|| ApiError::internal("the URI of a request is not known"))?;
    let request = auth::Request {
        method: parts.method.as_str(),
        path: uri.path(),
        headers: &parts.headers,
        body: &bytes,
    };
    let caller = app.authenticator.authenticate(&request, &mut params, now)?;
    log.action = logged(Some(caller.action()));
    log.key_id = caller.key_id().to_owned();
    let client = ClientId::with_key(peer, caller.key_id());
    let half_closed: &HalfClosed = parts
        .extensions
        .get()
        .ok_or_else(|| ApiError::internal("the connection of a request is not known"))?;
    let context = Context {
        caller: &caller,
        authenticator: &app.authenticator,
        params: &params,
        store: &*app.store,
        clock: &app.clock,
        limits: &app.limits,
        client: &client,
        stopping: app.stopping.subscribe(),
        half_closed: half_closed.0.clone(),
    };
    let (answer, permit) = match Action::parse(caller.action()).filter(|action| is_write(*action)) {
        Some(action) => write(context, action).await?,
        // While a long poll is parked, its upload permit is revoked if another request waits for that memory.
        None => tokio::select! {
            answered = read(context) => answered?,
            () = revoked(upload.as_ref()) => return Err(ApiError::throttled()),
        },
    };
    Ok(Reply {
        answer,
        permit,
        client,
    })
}

async fn revoked(permit: Option<&Permit>) {
    match permit {
        Some(permit) => permit.revoked().await,
        None => std::future::pending().await,
    }
}

fn is_write(action: Action) -> bool {
    action.role() > Role::Reader
}

/// Whether the answer may repeat definitions, inputs and outputs, which are large.
fn repeats_texts(action: Action) -> bool {
    use Action::{CreateFlow, StartExecution, StopExecution, UpdateFlow};
    matches!(
        action,
        CreateFlow | StartExecution | StopExecution | UpdateFlow
    )
}

/// Runs a write. It acquires all permits first, because the answer to a committed write cannot be refused.
async fn write(context: Context<'_>, action: Action) -> Result<(Answer, Option<Permit>), ApiError> {
    let Limits {
        writes, answers, ..
    } = context.limits;
    let client = context.client;
    let queued = writes.acquire(client).await;
    let _queued = queued.ok_or_else(ApiError::throttled)?;
    if !repeats_texts(action) {
        return Ok((action::run(context).await?, None));
    }
    let reserved = answers.acquire(client, WRITE_ANSWER_BYTES).await;
    let mut permit = reserved.ok_or_else(ApiError::throttled)?;
    let answer = action::run(context).await?;
    let missing = answer.len().saturating_sub(WRITE_ANSWER_BYTES);
    answers.top_up(&mut permit, missing);
    let is_large = answer.len() > SMALL_BYTES;
    Ok((answer, is_large.then_some(permit)))
}

/// Runs a read, again if there was no memory for its first answer.
async fn read(context: Context<'_>) -> Result<(Answer, Option<Permit>), ApiError> {
    let answers = &context.limits.answers;
    let mut permit = None;
    loop {
        let answer = action::run(context.clone()).await?;
        let bytes = answer.len();
        if bytes > SMALL_BYTES && permit.is_none() {
            permit = answers.try_acquire(context.client, bytes);
            if permit.is_none() {
                // No hold-and-wait: drops the answer before it queues for memory, then reads again.
                drop(answer);
                let acquired = answers.acquire(context.client, bytes).await;
                permit = Some(acquired.ok_or_else(ApiError::throttled)?);
                continue;
            }
        }
        return Ok((answer, permit));
    }
}

fn body_kind(headers: &HeaderMap) -> Result<BodyKind, ApiError> {
    let unsupported = || ApiError::new(Code::UnsupportedMediaType, &[]);
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| encoding != "identity") {
        return Err(unsupported());
    }
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(unsupported)?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(BodyKind::Form)
    } else if media_type.eq_ignore_ascii_case("application/json") {
        Ok(BodyKind::Json)
    } else {
        Err(unsupported())
    }
}

fn respond(result: Result<Reply, ApiError>, headers: &HeaderMap, mut log: RequestLog) -> Response {
    let mut response = match result {
        Ok(reply) => {
            log.code = "OK";
            let text = reply.answer.finish(&log.request_id);
            match reply.permit {
                None => Body::from(text).into_response(),
                Some(permit) => {
                    let bytes = Bytes::from_owner(BudgetedBytes::new(text, permit));
                    let mut response = Body::from(bytes).into_response();
                    response.extensions_mut().insert(reply.client);
                    response
                }
            }
        }
        Err(error) => {
            log.code = error.code.as_str();
            let response = error_response(&error, &log.request_id, headers);
            log.error = Some(error);
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Ok(id) = HeaderValue::from_str(&log.request_id) {
        headers.insert("x-acs-request-id", id);
    }
    response
}

fn error_response(error: &ApiError, request_id: &str, request_headers: &HeaderMap) -> Response {
    let host = request_headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let body = ErrorBody {
        request_id,
        host_id: shortened(host, LOGGED_MAX_CHARS),
        code: error.code.as_str(),
        message: &error.message,
    };
    let body = serde_json::to_string(&body).expect("strings always serialize");
    let status = StatusCode::from_u16(error.code.status()).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    match error.code {
        // The rest of the body is not read.
        Code::EntityTooLarge => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Code::ResourceThrottled => {
            let millis = HeaderValue::from_static(RETRY_AFTER_MILLIS);
            headers.insert("x-acs-retry-after", millis);
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            headers.insert(header::RETRY_AFTER, seconds);
        }
        _ => {}
    }
    response
}
