//! Limits scans: reads that look at more rows than they return. A scan works in slices and holds no connection
//! and no snapshot between them, so that other reads get their turn.

use std::{num::NonZero, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Error;

/// Scans in progress. Bounds their memory: each holds at most one page.
pub(super) const SCANS_MAX: usize = 8;
/// Longest wait of a scan for its turn, before the request is refused as busy.
const SCAN_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Scans {
    scans: Semaphore,
    slices: Semaphore,
}

impl Default for Scans {
    /// Bounds slices to half of the cores, so that other reads find a free core.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Scans {
            scans: Semaphore::new(SCANS_MAX),
            slices: Semaphore::new((cores / 2).max(1)),
        }
    }
}

impl Scans {
    /// Begins a scan; the permit is held until its end.
    ///
    /// # Errors
    ///
    /// `Error::Busy` if too many scans are in progress for longer than `SCAN_WAIT`.
    pub(super) async fn begin(&self) -> Result<SemaphorePermit<'_>, Error> {
        let permit = tokio::time::timeout(SCAN_WAIT, self.scans.acquire()).await;
        match permit {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Error::Busy("too many scans wait".to_owned())),
        }
    }

    /// Begins a slice; the permit is held while the slice is read. First come, first served, so before each of its
    /// slices a scan waits for at most one slice of each other scan.
    pub(super) async fn slice(&self) -> SemaphorePermit<'_> {
        let permit = self.slices.acquire().await;
        permit.expect("the semaphore is never closed")
    }
}
