//! Memory that requests share: what is large waits for room, so that many large ones cannot add up.
//!
//! What is small needs no room, so nobody can keep small calls out. Whoever is slow keeps his room only
//! until somebody else waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Bytes that need no room; most requests and answers are smaller. All connections together: 64 MiB.
pub const SMALL_BYTES: usize = 16 * 1024;
/// Longest wait for room, before the caller is told to come again. Terraform never tries again.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How long a slow upload keeps room that another waits for; half of the other's patience.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often one who is slow looks whether somebody waits.
const LOOK: Duration = Duration::from_millis(50);

/// So many bytes for all requests together.
pub struct Budget {
    /// Of 1 KiB each.
    room: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// Room, given back when this is dropped.
pub type Room = OwnedSemaphorePermit;

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Budget {
            room: Arc::new(Semaphore::new(bytes / 1024)),
            waiting: AtomicU32::new(0),
        }
    }

    /// Room for so many bytes if there is any now and nobody waits.
    pub fn try_take(&self, bytes: usize) -> Option<Room> {
        Arc::clone(&self.room)
            .try_acquire_many_owned(permits(bytes))
            .ok()
    }

    /// Room for so many bytes, in turn; none after `ROOM_WAIT`.
    pub async fn take(&self, bytes: usize) -> Option<Room> {
        if let Some(room) = self.try_take(bytes) {
            return Some(room);
        }
        let _waiting = Waiting::new(&self.waiting);
        let room = Arc::clone(&self.room).acquire_many_owned(permits(bytes));
        timeout(ROOM_WAIT, room).await.ok()?.ok()
    }

    /// Whether somebody waits.
    pub fn is_short(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// Is over when somebody waits for room that another has had since `since`, longer than `PATIENCE`.
    pub async fn wanted_back(&self, since: Instant) {
        sleep_until(since + PATIENCE).await;
        while !self.is_short() {
            sleep(LOOK).await;
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

/// Counted as long as it lives, also if the one who waits hangs up.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
