//! The log line of an API request.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    limits::PeerAddr,
    log::AnonymousLimit,
    wire::error::{ApiError, shortened},
};

/// Longest text of the client's in a log line, in characters; names are shorter.
pub(super) const LOGGED_MAX_CHARS: usize = 128;

/// One line per request, written when this is dropped: so also if the client hangs up before the answer.
pub(super) struct RequestLog {
    begun: Instant,
    anonymous: Option<Arc<AnonymousLimit>>,
    peer: Option<PeerAddr>,
    pub request_id: String,
    /// Empty until the signature is verified: before that, any client could put any name into the log.
    pub key_id: String,
    pub action: String,
    pub flow: String,
    pub execution: String,
    pub code: &'static str,
    pub error: Option<ApiError>,
}

impl RequestLog {
    /// Begins the line of a request from `peer`; `anonymous` limits such lines as long as no key is proven.
    pub fn begin(
        id: uuid::Uuid,
        peer: Option<PeerAddr>,
        anonymous: Option<Arc<AnonymousLimit>>,
    ) -> Self {
        RequestLog {
            begun: Instant::now(),
            anonymous,
            peer,
            request_id: id
                .hyphenated()
                .encode_upper(&mut uuid::Uuid::encode_buffer())
                .to_owned(),
            key_id: String::new(),
            action: String::new(),
            flow: String::new(),
            execution: String::new(),
            code: "HungUp",
            error: None,
        }
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let elapsed_ms = (self.begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let peer = self.peer.map(|PeerAddr(address)| address);
        let mut suppressed = None;
        let source = self.error.as_ref().and_then(|error| error.source.as_ref());
        if source.is_none()
            && self.key_id.is_empty()
            && let Some(limit) = &self.anonymous
        {
            let Some(lines) = limit.admit() else { return };
            suppressed = (lines > 0).then_some(lines);
        }
        macro_rules! log {
            ($level:ident, $($more:tt)*) => {
                tracing::$level!(
                    action = %self.action, flow.name = %self.flow, execution.name = %self.execution,
                    code = self.code, elapsed_ms, request.id = %self.request_id, key.id = %self.key_id,
                    peer.addr = peer.map(tracing::field::display), suppressed,
                    $($more)*
                )
            };
        }
        match (source, &self.error) {
            (Some(source), _) => log!(error, "the call failed: {source}"),
            (None, Some(error)) => log!(info, "refused: {}", error.message.escape_debug()),
            (None, None) => log!(info, "answered"),
        }
    }
}

/// Returns text of the client's, short and without control characters. Valid names need no escaping, which
/// costs more than the rest of the line.
pub(super) fn logged(text: Option<&str>) -> String {
    let text = shortened(text.unwrap_or_default(), LOGGED_MAX_CHARS);
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.bytes().all(is_name) {
        return text.to_owned();
    }
    text.escape_debug().to_string()
}
