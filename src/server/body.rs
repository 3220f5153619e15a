//! Reads request bodies: bounded in size and time, and in memory for all requests together.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::{
    limits::{ClientId, MemoryBudget, Permit, SMALL_BYTES},
    wire::error::{ApiError, Code},
};

/// Bytes of a request's body; the vendor's limit.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Bytes of a refused body that the server still reads and discards. Most clients read the answer only after they have
/// sent everything; without this they would only see a broken connection.
const DISCARD_MAX_BYTES: usize = 8 * 1024 * 1024;
/// From the end of a request's head to the end of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// Reads a body, and returns it with the permit for its memory if it is large.
///
/// # Errors
/// `EntityTooLarge` above 1 MiB, `ResourceThrottled` without memory, `InvalidArgument` if it is late or broken
/// off.
pub(super) async fn read(
    mut body: Body,
    uploads: &MemoryBudget,
    client: &ClientId,
) -> Result<(Bytes, Option<Permit>), ApiError> {
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
        match read_within_budget(&mut bytes, &mut body, uploads, client).await {
            Ok(permit) => Ok((bytes.freeze(), permit)),
            Err(refusal) => {
                let received = bytes.len();
                drop(bytes);
                discard(&mut body, received).await;
                Err(refusal)
            }
        }
    };
    timeout(BODY_TIMEOUT, read).await.map_err(late)?
}

async fn read_within_budget(
    bytes: &mut BytesMut,
    body: &mut Body,
    uploads: &MemoryBudget,
    client: &ClientId,
) -> Result<Option<Permit>, ApiError> {
    let size = body.size_hint();
    if size.lower() > BODY_MAX_BYTES as u64 {
        return Err(too_large());
    }
    fill(bytes, body, SMALL_BYTES).await?;
    if bytes.len() <= SMALL_BYTES {
        return Ok(None);
    }
    let announced = size.exact().and_then(|size| usize::try_from(size).ok());
    let permit = uploads
        .acquire(client, announced.unwrap_or(BODY_MAX_BYTES))
        .await
        .ok_or_else(ApiError::throttled)?;
    tokio::select! {
        filled = fill(bytes, body, BODY_MAX_BYTES) => filled?,
        () = permit.revoked() => return Err(ApiError::throttled()),
    }
    if bytes.len() > BODY_MAX_BYTES {
        return Err(too_large());
    }
    Ok(Some(permit))
}

/// Adds what arrives until there are more than `max` bytes.
async fn fill(bytes: &mut BytesMut, body: &mut Body, max: usize) -> Result<(), ApiError> {
    while bytes.len() <= max
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| ApiError::invalid("The body", "must be whole"))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(())
}

/// Reads and discards the rest of a refused body, of which `received` bytes have been read already.
async fn discard(body: &mut Body, mut received: usize) {
    while received <= DISCARD_MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        received += frame.data_ref().map_or(0, Bytes::len);
    }
}

fn too_large() -> ApiError {
    ApiError::new(Code::EntityTooLarge, &[&BODY_MAX_BYTES])
}
