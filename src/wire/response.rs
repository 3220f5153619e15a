//! The envelope of a successful answer: compact JSON, the action's members first, `RequestId` last.

use serde::Serialize;

/// The media type of every answer; one client refuses an answer without it.
pub const CONTENT_TYPE: &str = "application/json;charset=utf-8";

/// A successful answer without its request id: a JSON object whose last `}` is still missing.
#[derive(Debug)]
pub struct Answer(String);

impl Answer {
    /// Returns the answer with the members of `response`, which must serialize to an object.
    pub fn new(response: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut text = serde_json::to_string(response)?;
        text.pop();
        Ok(Answer(text))
    }

    /// Returns the answer of a list. `elements` are JSON texts joined by commas; the last page has no
    /// `next_token`.
    pub fn list(name: &str, elements: &str, next_token: Option<impl std::fmt::Display>) -> Self {
        let mut text = String::with_capacity(elements.len() + 128);
        text.push_str("{\"");
        text.push_str(name);
        text.push_str("\":[");
        text.push_str(elements);
        text.push(']');
        if let Some(token) = next_token {
            text.push_str(&format!(",\"NextToken\":\"{token}\""));
        }
        Answer(text)
    }

    /// Returns the length in bytes, without the request id (about 60 bytes).
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the request id and returns the whole JSON text.
    pub fn finish(self, request_id: &str) -> String {
        let mut text = self.0;
        let comma = if text.len() > 1 { "," } else { "" };
        text.extend([comma, "\"RequestId\":\"", request_id, "\"}"]);
        text
    }
}
