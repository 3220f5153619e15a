//! `…/history.json`: the whole history of an execution as a JSON array, one event a line, streamed.
//!
//! Each chunk is one page of the history. A stream has at most one in memory, with a permit for its bytes, because the
//! next one is read when the connection asks for it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Ui, budget::Charged, error_page::PageError, execution::found, sign_in::SignedIn};
use crate::{
    limits::{BudgetedBytes, ClientId, SMALL_BYTES},
    model::Execution,
    store::HistoryQuery,
    wire::error::ApiError,
};

/// Events of a chunk: as many as the store reads together with the pages of other requests.
const CHUNK_EVENTS: i64 = 256;

/// The state of one download.
struct Download {
    ui: Arc<Ui>,
    cookie: String,
    client: ClientId,
    execution: Execution,
    /// The EventId to read next; None at the end.
    next: Option<i64>,
    /// The last EventId when the download began, so that it ends also while the history grows.
    last: i64,
}

/// Answers with the events that there are now.
pub(super) async fn history(
    State(ui): State<Arc<Ui>>,
    signed_in: SignedIn,
    Path(names): Path<(String, String)>,
) -> Result<Response, PageError> {
    let execution = found(&ui, &signed_in, &names).await?;
    let file = format!("attachment; filename=\"{}.json\"", execution.name);
    let mut download = Download {
        ui,
        cookie: signed_in.context.cookie.clone(),
        client: signed_in.context.client.clone(),
        execution,
        next: Some(1),
        last: i64::MAX,
    };
    // The first chunk is read before the response begins, so that an error becomes an error page.
    let first = download.chunk().await?;
    let others = stream::try_unfold(download, async |mut download| {
        let chunk = download.chunk().await.map_err(|error| error.message)?;
        Ok::<_, String>(chunk.map(|chunk| (chunk, download)))
    });
    let chunks = stream::iter(first.map(Ok)).chain(others);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    let mut response = (headers, Body::from_stream(chunks)).into_response();
    response.extensions_mut().insert(Charged);
    Ok(response)
}

impl Download {
    /// Returns the next chunk; None after the last.
    async fn chunk(&mut self) -> Result<Option<Bytes>, PageError> {
        let Some(from) = self.next else {
            return Ok(None);
        };
        let (flow, name) = (&self.execution.flow, &self.execution.name);
        let answers = &self.ui.limits.answers;
        let mut reserved = None;
        loop {
            if !self.ui.has_access(&self.cookie, flow) {
                return Err(PageError::access_denied());
            }
            let query = HistoryQuery::range(from, CHUNK_EVENTS.min(self.last - from + 1));
            let page = {
                let _permit = self.ui.read(&self.client).await?;
                self.ui
                    .store
                    .get_execution_history(flow, name, &query)
                    .await?
            };
            let page =
                page.map_err(|refusal| PageError::from_refusal(&refusal, flow, Some(name)))?;
            let last = self.last.min(page.last_event_id);
            let next = page.next.filter(|next| *next <= last);
            let begin = if from == 1 { "[\n" } else { ",\n" };
            let end = if next.is_none() { "\n]\n" } else { "" };
            let mut text = begin.to_owned();
            for (at, event) in page.events().enumerate() {
                text.push_str(if at > 0 { ",\n" } else { "" });
                text.push_str(event);
            }
            text.push_str(end);
            drop(page);
            let bytes = text.len();
            let chunk = if bytes <= SMALL_BYTES {
                Bytes::from(text)
            } else if let Some(permit) = reserved
                .take()
                .or_else(|| answers.try_acquire(&self.client, bytes))
            {
                Bytes::from_owner(BudgetedBytes::new(text, permit))
            } else {
                // No hold-and-wait: drops the chunk before it queues for memory, then reads it again.
                drop(text);
                let permit = answers.acquire(&self.client, bytes).await;
                reserved = Some(permit.ok_or_else(ApiError::throttled)?);
                continue;
            };
            (self.next, self.last) = (next, last);
            return Ok(Some(chunk));
        }
    }
}
