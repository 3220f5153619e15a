//! Nonces of writes, each stored in the write's own transaction.

use std::time::Duration;

use sqlx::SqliteConnection;

use crate::{model::Nonce, store::Error};

/// How long a nonce is kept, counted from the time that its request signed: twice the 15 minutes by which
/// that may be off, and one for the sweep.
const NONCE_KEPT: Duration = Duration::from_secs(31 * 60);

/// Remembers a nonce; false if it was there.
pub(super) async fn use_one(
    connection: &mut SqliteConnection,
    nonce: Option<Nonce>,
) -> Result<bool, Error> {
    let Some(nonce) = nonce else { return Ok(true) };
    let inserted = sqlx::query(
        "INSERT INTO nonces (signed_at, digest) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )
    .bind(nonce.signed_at.millis())
    .bind(&nonce.digest[..])
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Deletes nonces whose signatures are too old to be tried again.
pub(super) async fn sweep(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM nonces WHERE signed_at < (SELECT max(signed_at) FROM nonces) - ?1")
        .bind(i64::try_from(NONCE_KEPT.as_millis()).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(())
}
