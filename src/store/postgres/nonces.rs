//! Nonces of writes, each stored in the write's own transaction, and their expiry.
//!
//! A nonce expires by the running time of processes since it was stored, never by a client's time or by the system's
//! clock alone. The newest signed time among expired nonces is kept: a write that was signed at or before it is refused,
//! because it may be a replay. Every process reads that time once a minute, and nonces are deleted two minutes after it
//! was raised, so that none is deleted before each process refuses its replay.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::fault::Fault;
use crate::{
    model::{Nonce, Timestamp},
    store::Refusal,
};

/// Running time after which a nonce expires, in milliseconds: the signed time of a request may be 15 minutes off either
/// way, plus a margin of one minute.
const RETENTION_MILLIS: i64 = 31 * 60 * 1000;
/// Minimum age of the signed time of an expired nonce, in milliseconds: no write signed so long ago passes the check of
/// its time now. Keeps nonces that were signed while the clock was ahead.
const SIGNED_MILLIS_AGO: i64 = 16 * 60 * 1000;
/// Nonces that one statement deletes.
const STEP: i64 = 1000;

/// Stores a nonce. Returns false if it was there already.
pub(super) async fn use_one(
    connection: &mut PgConnection,
    nonce: Option<Nonce>,
    now: i64,
) -> Result<bool, Fault> {
    let Some(nonce) = nonce else { return Ok(true) };
    let inserted = sqlx::query(
        "INSERT INTO nonces (signed_at, digest, stored_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(nonce.signed_at.millis())
    .bind(Uuid::from_bytes(nonce.digest))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// What this process knows of expired nonces. Times are milliseconds since 1970.
pub(super) struct Nonces {
    /// Writes that were signed at or before this time are refused.
    refused_until: AtomicI64,
    /// The same, one and two minutes ago.
    earlier: [AtomicI64; 2],
    /// The server's time at the newest write.
    received_at: AtomicI64,
}

impl Default for Nonces {
    fn default() -> Self {
        let before_all = || AtomicI64::new(i64::MIN);
        Nonces {
            refused_until: before_all(),
            earlier: [before_all(), before_all()],
            received_at: before_all(),
        }
    }
}

impl Nonces {
    /// Refuses a write whose nonce may have expired.
    pub(super) fn refuses(&self, nonce: Nonce) -> Option<Refusal> {
        self.received_at.store(nonce.received_at.millis(), Relaxed);
        let until = self.refused_until.load(Relaxed);
        let refused = nonce.signed_at.millis() <= until;
        let until = Timestamp::from_millis(until);
        refused.then(|| until.map_or(Refusal::NonceUsed, Refusal::SignedTooEarly))
    }

    /// Reads from the database until when writes are refused.
    pub(super) async fn refresh(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        let row = sqlx::query("SELECT refused_until FROM forgotten_nonces WHERE one = 1")
            .fetch_one(connection)
            .await?;
        self.refused_until.store(row.try_get(0)?, Relaxed);
        Ok(())
    }

    /// Does the work of a minute: deletes nonces, and lets others expire. `now` is the running time.
    pub(super) async fn sweep(&self, pool: &PgPool, now: i64) -> Result<(), Fault> {
        let mut connection = pool.acquire().await?;
        delete(&mut connection, self.earlier[1].load(Relaxed)).await?;
        self.earlier[1].store(self.earlier[0].load(Relaxed), Relaxed);
        let received_at = self.received_at.load(Relaxed);
        let expired = sqlx::query(
            "SELECT max(signed_at) FROM nonces WHERE signed_at > $1 AND signed_at < $2 AND stored_at < $3",
        )
        .bind(self.refused_until.load(Relaxed))
        .bind(received_at.saturating_sub(SIGNED_MILLIS_AGO))
        .bind(now - RETENTION_MILLIS)
        .fetch_one(&mut *connection)
        .await?;
        if let Some(until) = expired.try_get::<Option<i64>, _>(0)? {
            sqlx::query("UPDATE forgotten_nonces SET refused_until = greatest(refused_until, $1) WHERE one = 1")
                .bind(until)
                .execute(&mut *connection)
                .await?;
        }
        self.refresh(&mut connection).await?;
        self.earlier[0].store(self.refused_until.load(Relaxed), Relaxed);
        Ok(())
    }
}

/// Deletes the nonces that were signed at or before a time, in small steps.
async fn delete(connection: &mut PgConnection, until: i64) -> Result<(), Fault> {
    loop {
        let step = sqlx::query(
            "SELECT signed_at FROM nonces WHERE signed_at <= $1 ORDER BY signed_at LIMIT 1 OFFSET $2",
        )
        .bind(until)
        .bind(STEP - 1)
        .fetch_optional(&mut *connection)
        .await?;
        let end = match &step {
            Some(row) => row.try_get(0)?,
            None => until,
        };
        sqlx::query("DELETE FROM nonces WHERE signed_at <= $1")
            .bind(end)
            .execute(&mut *connection)
            .await?;
        if step.is_none() {
            return Ok(());
        }
    }
}
