//! Nonces of writes, each stored in the write's own transaction, and their expiry.
//!
//! A nonce expires by the time that servers ran since it was stored, never by a client's time or by the system
//! clock alone. When nonces are deleted, the newest signed time among them is kept: a write that was signed at or
//! before it is refused, because it may be a replay. Unless the clock was set back, such a write fails the check of
//! its time anyway.

use std::{collections::VecDeque, time::Duration};

use sqlx::{Row, SqliteConnection};
use tokio::time::Instant;

use super::incarnation::Incarnation;
use crate::{
    model::{Nonce, Timestamp},
    store::Error,
};

/// Running time of servers after which a nonce expires: the signed time of a request may be 15 minutes off either way,
/// plus a margin of one minute.
const RETENTION: Duration = Duration::from_secs(31 * 60);
/// Minimum age of the signed time of an expired nonce, in milliseconds: no write signed so long ago passes the check of
/// its time now. Keeps nonces that were signed while the clock was ahead.
const SIGNED_MILLIS_AGO: i64 = 16 * 60 * 1000;
/// Length of a minute in `incarnation.minute`, by the monotonic clock.
const MINUTE: Duration = Duration::from_secs(60);

/// Inserts a nonce. Returns false if it was there already.
pub(super) async fn use_one(
    connection: &mut SqliteConnection,
    nonce: Option<Nonce>,
) -> Result<bool, Error> {
    let Some(nonce) = nonce else { return Ok(true) };
    let inserted = sqlx::query(
        "INSERT INTO nonces (signed_at, digest, minute) \
         VALUES (?1, ?2, (SELECT minute FROM incarnation)) ON CONFLICT DO NOTHING",
    )
    .bind(nonce.signed_at.millis())
    .bind(&nonce.digest[..])
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The ages of nonces, by this process's monotonic clock.
pub(super) struct Ages {
    /// When each minute began, and its number; oldest first, without those before the retention.
    minutes: VecDeque<(Instant, i64)>,
    /// The server's time at the newest write.
    received_at: Option<Timestamp>,
    /// Whether there was a write in the newest minute.
    has_written: bool,
    /// Whether there may be expired nonces to delete.
    sweeping: bool,
}

impl Ages {
    /// Begins with the run's first minute. Nonces of earlier runs are as old as this run.
    pub(super) fn new(first_minute: i64) -> Self {
        Ages {
            minutes: VecDeque::from([(Instant::now(), first_minute)]),
            received_at: None,
            has_written: false,
            sweeping: false,
        }
    }

    /// Records a write: its time, and that the current minute had one.
    pub(super) fn received(&mut self, nonce: Nonce) {
        self.received_at = Some(nonce.received_at);
        self.has_written = true;
    }

    /// Whether the next minute should begin. An idle server begins none, because each one is a write to the disk.
    pub(super) fn minute_is_over(&self) -> bool {
        let began = self.minutes.back();
        self.has_written && began.is_none_or(|(began, _)| began.elapsed() >= MINUTE)
    }

    pub(super) fn begin_minute(&mut self, minute: i64) {
        self.minutes.push_back((Instant::now(), minute));
        (self.has_written, self.sweeping) = (false, true);
    }

    /// Returns the minute before which all stored nonces have reached the retention.
    fn expired_before(&mut self) -> Option<i64> {
        let is_old = |(began, _): &(Instant, i64)| began.elapsed() >= RETENTION;
        while self.minutes.get(1).is_some_and(is_old) {
            self.minutes.pop_front();
        }
        self.minutes
            .front()
            .filter(|oldest| is_old(oldest))
            .map(|(_, minute)| *minute)
    }

    /// Deletes some expired nonces in a transaction of its own, if there are any.
    pub(super) async fn sweep(
        &mut self,
        connection: &mut SqliteConnection,
        incarnation: &mut Incarnation,
    ) -> Result<(), Error> {
        if !self.sweeping {
            return Ok(());
        }
        let (Some(before), Some(now)) = (self.expired_before(), self.received_at) else {
            self.sweeping = false;
            return Ok(());
        };
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        let swept = async {
            let newest = step(connection, before, now.millis() - SIGNED_MILLIS_AGO).await?;
            sqlx::query("COMMIT").execute(&mut *connection).await?;
            Ok(newest)
        }
        .await;
        match swept {
            Ok(Some(newest)) => {
                incarnation.refused_until = incarnation.refused_until.max(newest);
            }
            Ok(None) => self.sweeping = false,
            Err(error) => {
                let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Deletes the expired nonces with the oldest signed times, at most a thousand, because writes wait for the few
/// milliseconds that this takes. Returns the newest signed time among them, if there were any.
async fn step(
    connection: &mut SqliteConnection,
    before_minute: i64,
    signed_before: i64,
) -> Result<Option<i64>, Error> {
    let row = sqlx::query(
        "SELECT max(signed_at) FROM (SELECT signed_at, minute FROM nonces WHERE signed_at < ?1 \
         ORDER BY signed_at, digest LIMIT 1000) WHERE minute < ?2",
    )
    .bind(signed_before)
    .bind(before_minute)
    .fetch_one(&mut *connection)
    .await?;
    let Some(newest) = row.try_get::<Option<i64>, _>(0)? else {
        return Ok(None);
    };
    sqlx::query("UPDATE incarnation SET refused_until = max(refused_until, ?1)")
        .bind(newest)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM nonces WHERE minute < ?2 AND (signed_at, digest) IN (SELECT signed_at, digest FROM nonces \
         WHERE signed_at < ?1 ORDER BY signed_at, digest LIMIT 1000)",
    )
    .bind(signed_before)
    .bind(before_minute)
    .execute(&mut *connection)
    .await?;
    Ok(Some(newest))
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::{super::file::MIGRATIONS, *};

    async fn count(connection: &mut SqliteConnection) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM nonces WHERE signed_at >= 0");
        count.fetch_one(connection).await.expect("a count")
    }

    #[tokio::test]
    async fn only_expired_nonces_are_removed_in_small_steps() {
        let opened = SqliteConnection::connect("sqlite::memory:").await;
        let connection = &mut opened.expect("a connection");
        MIGRATIONS.run(&mut *connection).await.expect("the schema");
        let rows = (1..=2500).map(|row| (row / 2000, 7));
        for (signed_at, minute) in rows.chain([(9, 7)]) {
            sqlx::query("INSERT INTO nonces VALUES (?1, randomblob(16), ?2)")
                .bind(signed_at)
                .bind(minute)
                .execute(&mut *connection)
                .await
                .expect("a row");
        }
        // These came later, and are the first by their digests.
        for sql in [
            "INSERT INTO nonces VALUES (0, zeroblob(16), 8)",
            "INSERT INTO nonces VALUES (1, zeroblob(16), 8)",
        ] {
            let inserted = sqlx::query(sql).execute(&mut *connection).await;
            inserted.expect("a row");
        }
        for (left, newest) in [(1504, Some(0)), (505, Some(0)), (3, Some(1)), (3, None)] {
            let swept = step(connection, 8, 9).await.expect("a step");
            assert_eq!((swept, count(connection).await), (newest, left));
        }
        let until = sqlx::query_scalar("SELECT refused_until FROM incarnation");
        let until: i64 = until.fetch_one(connection).await.expect("a time");
        assert_eq!(until, 1);
    }
}
