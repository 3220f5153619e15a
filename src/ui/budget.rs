//! Charges pages and server-sent events to the memory budget of answers.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;

use crate::{
    limits::{BudgetedBytes, ClientId, Limits, MemoryBudget, SMALL_BYTES},
    wire::error::ApiError,
};

/// An extension of a response whose stream takes permits for its chunks itself.
#[derive(Clone)]
pub(super) struct Charged;

/// Returns the response with a permit for its body if that is large, or None if there is no memory.
///
/// The page is dropped then (no hold-and-wait), and the client is throttled: making it again is expensive. A
/// stream is broken off, and the browser connects again by itself.
pub(super) async fn charge(
    response: Response,
    limits: &Arc<Limits>,
    client: ClientId,
) -> Option<Response> {
    let (mut parts, body) = response.into_parts();
    let body = match body.size_hint().exact() {
        Some(bytes) if bytes <= SMALL_BYTES as u64 => body,
        Some(_) => {
            let bytes = body.collect().await.ok()?.to_bytes();
            budgeted(bytes, &limits.answers, &client)?.into()
        }
        None if parts.extensions.get::<Charged>().is_some() => body,
        None => {
            let (limits, client) = (Arc::clone(limits), client.clone());
            Body::from_stream(body.into_data_stream().map(move |event| {
                let event = event?;
                let event = budgeted(event, &limits.answers, &client);
                event.ok_or_else(|| axum::Error::new(ApiError::throttled()))
            }))
        }
    };
    parts.extensions.insert(client);
    Some(Response::from_parts(parts, body))
}

fn budgeted(bytes: Bytes, answers: &MemoryBudget, client: &ClientId) -> Option<Bytes> {
    if bytes.len() <= SMALL_BYTES {
        return Some(bytes);
    }
    let permit = answers.try_acquire(client, bytes.len())?;
    Some(Bytes::from_owner(BudgetedBytes::new(bytes, permit)))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::Ipv4Addr};

    use futures_util::stream;

    use super::*;
    use crate::limits::PeerAddr;

    #[tokio::test]
    async fn stream_is_broken_off_when_there_is_no_memory_for_an_event() {
        let limits = Arc::new(Limits::with_connections(16));
        let client = ClientId::with_key(PeerAddr((Ipv4Addr::LOCALHOST, 1).into()), "key");
        let sent = async |bytes| {
            let event = Bytes::from(vec![b'x'; bytes]);
            let events = stream::iter([Ok::<_, Infallible>(event)]);
            let response = Response::new(Body::from_stream(events));
            let charged = charge(response, &limits, client.clone()).await;
            charged.expect("a stream").into_body().collect().await
        };
        let share = limits.answers.try_acquire(&client, 16 << 20);
        assert!(share.is_some());
        assert!(sent(SMALL_BYTES).await.is_ok());
        assert!(sent(SMALL_BYTES + 1).await.is_err());
        drop(share);
        assert!(sent(SMALL_BYTES + 1).await.is_ok());
    }
}
