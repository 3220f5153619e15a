//! The envelope of a success answer: compact JSON, members of the action first, `RequestId` last.

use serde::Serialize;

/// Every answer's media type; one client refuses an answer without it.
pub const CONTENT_TYPE: &str = "application/json;charset=utf-8";

/// A success answer that waits for its request id. Its text is a JSON object without the last `}`.
#[derive(Debug)]
pub struct Answer(String);

impl Answer {
    /// The members of `response`, which must serialize to an object.
    pub fn new(response: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut text = serde_json::to_string(response)?;
        text.pop();
        Ok(Answer(text))
    }

    /// A list whose `elements` are JSON texts joined by commas already. No `next_token` on the last page.
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

    /// Bytes, about: without the request id.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn finish(self, request_id: &str) -> String {
        let mut text = self.0;
        let comma = if text.len() > 1 { "," } else { "" };
        text.extend([comma, "\"RequestId\":\"", request_id, "\"}"]);
        text
    }
}
