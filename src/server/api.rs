//! The one signed endpoint: a bounded body, parameters, the caller, the action, an answer, one log line.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout};

use super::{
    Shared,
    budget::{Budget, Room, SMALL_BYTES},
};
use crate::{
    action::{self, Action, Context},
    auth::{self, Role},
    wire::{
        error::{ApiError, Code, ErrorBody, shortened},
        params::{BodyKind, Params},
        response::{Answer, CONTENT_TYPE},
    },
};

/// Bytes of a request's body; the vendor's limit.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Bytes of a refused body that are still taken in: most clients read no answer before they have sent
/// everything, and would only see a broken connection.
const DISCARD_MAX_BYTES: usize = 8 * 1024 * 1024;
/// From the end of a request's head to the end of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// What a throttled caller should wait, in milliseconds. Only the vendor's command line does.
const RETRY_AFTER_MILLIS: &str = "1000";
/// Longest text of the caller's in a log line, in characters; names are shorter.
const LOGGED_MAX_CHARS: usize = 128;

/// Answers one request.
pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let mut line = Line::begin(shared.app.clock.uuid());
    let (parts, body) = request.into_parts();
    let result = call(&shared, &parts, body, &mut line).await;
    respond(result, &parts.headers, line)
}

/// Every other path. Never 404: to clients of this API that means a flow or an execution that is gone.
pub(super) async fn elsewhere(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let line = Line::begin(shared.app.clock.uuid());
    respond(
        Err(ApiError::invalid("The path", "must be /")),
        request.headers(),
        line,
    )
}

/// The answer to a caller for whom there is no place.
pub(super) fn throttled() -> Response {
    unattended(no_room())
}

/// The answer to a caller whose call panicked: our mistake, and unknown whether it took effect.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    unattended(ApiError::internal("the call panicked"))
}

/// A refusal by somebody who does not know the request.
fn unattended(error: ApiError) -> Response {
    respond(
        Err(error),
        &HeaderMap::new(),
        Line::begin(uuid::Uuid::nil()),
    )
}

async fn call(
    shared: &Shared,
    parts: &Parts,
    body: Body,
    line: &mut Line,
) -> Result<Held, ApiError> {
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(ApiError::invalid("The HTTP method", "must be GET or POST"));
    }
    let (bytes, _room) = read(body, &shared.uploads).await?;
    let kind = if bytes.is_empty() {
        None
    } else {
        Some((body_kind(&parts.headers)?, &bytes[..]))
    };
    let mut params = Params::parse(parts.uri.query().unwrap_or_default(), kind)?;
    line.flow = logged(params.given("FlowName").or(params.given("Name")));
    line.execution = logged(params.given("ExecutionName"));

    let app = &shared.app;
    let now = app.clock.now();
    let writes =
        |action: &str| Action::parse(action).is_some_and(|action| action.role() > Role::Reader);
    let request = auth::Request {
        method: parts.method.as_str(),
        headers: &parts.headers,
        body: &bytes,
    };
    let caller = app
        .authenticator
        .authenticate(&request, &mut params, now, writes)?;
    line.action = logged(Some(caller.action()));
    let run = || {
        action::run(Context {
            caller: &caller,
            authenticator: &app.authenticator,
            params: &params,
            store: &*app.store,
            clock: &app.clock,
            stopping: app.stopping.subscribe(),
        })
    };
    let answer = run().await?;
    let bytes = answer.len();
    if bytes <= SMALL_BYTES || writes(caller.action()) {
        return Ok(Held(answer, None)); // what is written stays so: its answer is never refused
    }
    if let Some(room) = shared.answers.try_take(bytes) {
        return Ok(Held(answer, Some(room)));
    }
    drop(answer); // who waits for room takes none
    let room = shared.answers.take(bytes).await.ok_or_else(no_room)?;
    Ok(Held(run().await?, Some(room)))
}

/// An answer, and room for it if it is large.
struct Held(Answer, Option<Room>);

/// A large text, whose room is free once the last of it is sent.
struct Roomy(
    String,
    #[expect(dead_code, reason = "is dropped with the text")] Room,
);

impl AsRef<[u8]> for Roomy {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The body, and room for it if it is large.
async fn read(mut body: Body, uploads: &Budget) -> Result<(Bytes, Option<Room>), ApiError> {
    if body.size_hint().lower() > DISCARD_MAX_BYTES as u64 {
        return Err(too_large());
    }
    let late = |_| {
        ApiError::invalid(
            "The body",
            format_args!("must arrive within {BODY_TIMEOUT:?}"),
        )
    };
    let read = async {
        let mut bytes = BytesMut::new();
        match keep(&mut bytes, &mut body, uploads).await {
            Ok(room) => Ok((bytes.freeze(), room)),
            Err(refusal) => {
                let taken = bytes.len();
                drop(bytes);
                discard(&mut body, taken).await;
                Err(refusal)
            }
        }
    };
    timeout(BODY_TIMEOUT, read).await.map_err(late)?
}

/// Takes in a body that is not too large, as far as there is room.
async fn keep(
    bytes: &mut BytesMut,
    body: &mut Body,
    uploads: &Budget,
) -> Result<Option<Room>, ApiError> {
    let size = body.size_hint();
    if size.lower() > BODY_MAX_BYTES as u64 {
        return Err(too_large());
    }
    fill(bytes, body, SMALL_BYTES).await?;
    if bytes.len() <= SMALL_BYTES {
        return Ok(None);
    }
    let announced = size.exact().and_then(|size| usize::try_from(size).ok());
    let room = uploads.take(announced.unwrap_or(BODY_MAX_BYTES)).await;
    let room = room.ok_or_else(no_room)?;
    tokio::select! {
        filled = fill(bytes, body, BODY_MAX_BYTES) => filled?,
        () = uploads.wanted_back(Instant::now()) => return Err(no_room()),
    }
    if bytes.len() > BODY_MAX_BYTES {
        return Err(too_large());
    }
    Ok(Some(room))
}

/// Adds what comes until there are more than `most` bytes.
async fn fill(bytes: &mut BytesMut, body: &mut Body, most: usize) -> Result<(), ApiError> {
    while bytes.len() <= most
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| ApiError::invalid("The body", "must be whole"))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(())
}

/// Takes in the rest of a body that is refused, of which so much is `taken` in already.
async fn discard(body: &mut Body, mut taken: usize) {
    while taken <= DISCARD_MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        taken += frame.data_ref().map_or(0, Bytes::len);
    }
}

fn no_room() -> ApiError {
    ApiError::new(Code::ResourceThrottled, &[])
}

fn too_large() -> ApiError {
    ApiError::new(Code::EntityTooLarge, &[&BODY_MAX_BYTES])
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

fn respond(result: Result<Held, ApiError>, headers: &HeaderMap, mut line: Line) -> Response {
    let (status, body) = match result {
        Ok(Held(answer, room)) => {
            line.code = "OK";
            let text = answer.finish(&line.request_id);
            let body = match room {
                None => Body::from(text),
                Some(room) => Bytes::from_owner(Roomy(text, room)).into(),
            };
            (200, body)
        }
        Err(error) => {
            line.code = error.code.as_str();
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default();
            let body = ErrorBody {
                request_id: &line.request_id,
                host_id: shortened(host, LOGGED_MAX_CHARS),
                code: line.code,
                message: &error.message,
            };
            let body = serde_json::to_string(&body).expect("strings always serialize");
            let status = error.code.status();
            line.error = Some(error);
            (status, body.into())
        }
    };
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Ok(id) = HeaderValue::from_str(&line.request_id) {
        headers.insert("x-acs-request-id", id);
    }
    if line.code == Code::EntityTooLarge.as_str() {
        // What is left of the body is not read.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if line.code == Code::ResourceThrottled.as_str() {
        headers.insert(
            "x-acs-retry-after",
            HeaderValue::from_static(RETRY_AFTER_MILLIS),
        );
    }
    response
}

/// Text of the caller's, short and without control characters.
fn logged(text: Option<&str>) -> String {
    text.map(|text| shortened(text, LOGGED_MAX_CHARS).escape_debug().to_string())
        .unwrap_or_default()
}

/// The one log line of a request, written when it ends, also if its client hangs up before that.
struct Line {
    begun: Instant,
    request_id: String,
    action: String,
    flow: String,
    execution: String,
    code: &'static str,
    error: Option<ApiError>,
}

impl Line {
    fn begin(id: uuid::Uuid) -> Self {
        Line {
            begun: Instant::now(),
            request_id: id
                .hyphenated()
                .encode_upper(&mut uuid::Uuid::encode_buffer())
                .to_owned(),
            action: String::new(),
            flow: String::new(),
            execution: String::new(),
            code: "HungUp",
            error: None,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let elapsed_ms = (self.begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! log {
            ($level:ident, $($more:tt)*) => {
                tracing::$level!(
                    action = %self.action, flow.name = %self.flow, execution.name = %self.execution,
                    code = self.code, elapsed_ms, request.id = %self.request_id,
                    $($more)*
                )
            };
        }
        match &self.error {
            Some(ApiError {
                source: Some(source),
                ..
            }) => log!(error, "the call failed: {source}"),
            Some(error) => log!(info, "refused: {}", error.message.escape_debug()),
            None => log!(info, "answered"),
        }
    }
}
