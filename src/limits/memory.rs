//! The memory budget of requests (backpressure). Large bodies and answers need a permit for their bytes, which bounds
//! the memory of all of them. Small ones need no permit, so large ones cannot block them.
//!
//! Under contention, reservations of slow clients are revoked: uploads here, answers by the time-outs of the
//! connection.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{ClientId, Limiter, Permit};

/// Bytes that need no permit; most requests and answers are smaller. All connections together: 64 MiB.
pub const SMALL_BYTES: usize = 16 * 1024;
/// How long a slow upload keeps memory that another request waits for: half of that request's time-out.
const UPLOAD_GRACE: Duration = Duration::from_millis(500);
/// How often a slow upload checks whether another request waits.
const CONTENTION_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes that one permit of the limiter stands for. Charged sizes are above 16 KiB, so rounding them up costs little.
const UNIT_BYTES: usize = 1024;

/// A number of bytes for all requests together, with a share for each key and each network.
pub struct MemoryBudget(Limiter);

impl MemoryBudget {
    pub(super) fn new(bytes: usize, queue_timeout: Duration) -> Self {
        MemoryBudget(Limiter::new(units(bytes), queue_timeout))
    }

    /// Returns a permit for `bytes` bytes if that many are free now and no request waits for them.
    pub fn try_acquire(&self, client: &ClientId, bytes: usize) -> Option<Permit> {
        self.0.try_acquire_many(client, units(bytes))
    }

    /// Waits in turn for a permit for `bytes` bytes; returns None after the limiter's queue time-out. The caller must
    /// not hold the memory already (no hold-and-wait). A permit for more than the client's share is the whole share.
    pub async fn acquire(&self, client: &ClientId, bytes: usize) -> Option<Permit> {
        self.0.acquire_many(client, units(bytes)).await
    }

    /// Adds up to `bytes` bytes to `permit`, as far as they are free. For memory that is in use already and cannot be
    /// given back: the budget cannot refuse it, but other requests get less until it is free again.
    pub fn top_up(&self, permit: &mut Permit, bytes: usize) {
        self.0.top_up(permit, units(bytes));
    }

    /// Returns whether a request waits for memory that this client could give back.
    pub fn is_contended(&self, client: &ClientId) -> bool {
        self.0.is_contended(client)
    }

    /// Returns the bytes that are held, by all clients.
    pub fn in_use(&self) -> usize {
        self.0.in_use() * UNIT_BYTES
    }
}

impl Permit {
    /// Completes when an upload has had this permit for `UPLOAD_GRACE` and another request waits for it.
    pub async fn revoked(&self) {
        sleep_until(Instant::now() + UPLOAD_GRACE).await;
        while !self.is_contended() {
            sleep(CONTENTION_INTERVAL).await;
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Bytes whose permit is given back once the last of them is sent.
pub struct BudgetedBytes<T>(
    T,
    #[expect(dead_code, reason = "is dropped with the bytes")] Permit,
);

impl<T: AsRef<[u8]>> BudgetedBytes<T> {
    pub fn new(bytes: T, permit: Permit) -> Self {
        BudgetedBytes(bytes, permit)
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for BudgetedBytes<T> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}
