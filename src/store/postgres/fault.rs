//! Errors of PostgreSQL: which are worth a retry, and what they mean to the store. SQLSTATEs are read here only.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};

use crate::store::Error;

/// How long an operation is retried. Longer than a conflict or a restart of the server lasts, shorter than clients
/// wait for an answer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time of one attempt. Only a server or a network that no longer answers takes so long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause between two attempts; each is up to twice the last, with jitter.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The next attempt may succeed. The error is that of the last attempt.
    Transient(Error),
    Lasting(Error),
}

impl Fault {
    /// Another writer was faster, so what was read has changed.
    pub(super) fn lost_race() -> Self {
        Fault::Transient(Error::Busy("other writers change the same rows".to_owned()))
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Fault::Transient(error) | Fault::Lasting(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Lasting(error)
    }
}

/// The transaction of such an error was rolled back; after any other error of a commit it is unknown.
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let message = error.to_string();
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                    Fault::Transient(Error::Unavailable(format!(
                        "the database server cannot be reached: {message}"
                    )))
                }
                sqlx::Error::PoolTimedOut => Fault::Transient(Error::Unavailable(
                    "the database server cannot be reached in time".to_owned(),
                )),
                sqlx::Error::PoolClosed => Fault::Lasting(Error::closing()),
                sqlx::Error::ColumnDecode { .. } => Fault::Lasting(Error::Corrupt(message)),
                _ => Fault::Lasting(Error::Other(message)),
            };
        };
        let state = database.code().unwrap_or_default();
        match &*state {
            SERIALIZATION_FAILURE | DEADLOCK_DETECTED | "55P03" => {
                Fault::Transient(Error::Busy(message)) // 55P03: a lock was not free in time
            }
            // The commit is unknown, the server stops or starts, or it is a replica.
            "40003" | "57P01" | "57P02" | "57P03" | "25006" => {
                Fault::Transient(Error::Unavailable(message))
            }
            "53300" => Fault::Transient(Error::Busy(message)), // too many connections
            "XX001" | "XX002" => Fault::Lasting(Error::Corrupt(message)),
            state if state.starts_with("08") => Fault::Transient(Error::Unavailable(message)),
            // Refused logins, missing rights and databases, a full disk: an operator can change these.
            state
                if ["28", "3D", "53", "58"]
                    .iter()
                    .any(|class| state.starts_with(class)) =>
            {
                Fault::Lasting(Error::Unavailable(message))
            }
            "42501" => Fault::Lasting(Error::Unavailable(message)),
            _ => Fault::Lasting(Error::Other(message)),
        }
    }
}

/// Whether a commit that failed with this error was certainly rolled back.
pub(super) fn was_rolled_back(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(|error| error.code());
    state.is_some_and(|state| [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].contains(&&*state))
}

/// Does an operation, again after a transient fault (retry with jittered backoff), until it succeeds, fails for good
/// or `RETRY_TIMEOUT` is over.
pub(super) async fn retry<T, A>(attempt: impl Fn() -> A) -> Result<T, Error>
where
    A: Future<Output = Result<T, Fault>>,
{
    let began = Instant::now();
    let pauses = ExponentialBuilder::new()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .without_max_times()
        .with_jitter();
    let mut pauses = pauses.build();
    loop {
        let error = match timeout(ATTEMPT_TIMEOUT, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Lasting(error))) => return Err(error),
            Ok(Err(Fault::Transient(error))) => error,
            Err(_) => Error::Unavailable("the database server does not answer".to_owned()),
        };
        let pause = pauses.next().unwrap_or(PAUSE_MAX);
        if began.elapsed() + pause > RETRY_TIMEOUT {
            return Err(error);
        }
        tracing::debug!(%error, pause_ms = pause.as_millis(), "a database operation is retried");
        sleep(pause).await;
    }
}
