//! Concurrency limits: a total, and a share of it for each access key and each client network, so that one caller
//! cannot use up the server's capacity.
//!
//! A [`Limiter`] hands out counted permits; what a permit stands for (a connection, a long poll, a KiB of
//! memory) is up to its user. Each access key may hold half of the total and each network three quarters:
//! a network's share is larger because a proxy or NAT may stand between the server and all its clients.
//! Limits on rates and on the size of single requests are not kept here.

mod memory;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub use memory::{BudgetedBytes, MemoryBudget, SMALL_BYTES};

/// Connections that are served at the same time.
const CONNECTIONS_MAX: u32 = 4096;
/// Connections beyond those. The server reads their first request: it answers a health check, and admits or throttles
/// any other request. Connections beyond these are closed at once.
const PENDING_CONNECTIONS_MAX: u32 = 256;
/// File descriptors that are not connections: the database, the log, the listener.
const OTHER_FILES: u32 = 64;
/// Reads that use the store at the same time. A read queues behind those before it, and the largest take about 20 ms
/// each, so even a caller that sends only such reads delays other callers by less than their `QUEUE_TIMEOUT`.
const READS_MAX: u32 = 64;
/// Scans (reads that look at many more rows than they return) at the same time. One keeps a core busy.
const SCANS_MAX: u32 = 4;
/// Writes in flight: the length of the store's write queue, of which one key may fill half.
const WRITES_MAX: u32 = 1024;
/// Longest wait for a permit, after which the caller is throttled. The server queues a request at all because some
/// clients, such as Terraform, do not retry a throttled call.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for a scan. A scan itself may take seconds, so its client is prepared to wait longer.
const SCAN_QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of all large request bodies and heads together, while they arrive and are worked on. A call holds
/// about four times its body.
const UPLOADS_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of all large answers together, until they are sent: two of the largest.
const ANSWERS_MAX_BYTES: usize = 32 * 1024 * 1024;

/// Everything that callers share and could exhaust.
pub struct Limits {
    /// One permit per connection, taken when it is accepted.
    pub connections: Limiter,
    /// One permit per connection that was accepted when `connections` had none left.
    pub pending_connections: Limiter,
    /// One permit while a long poll is parked or a page follows an execution: half of the connections, so that
    /// parked clients alone cannot use all. Use `try_acquire`.
    pub waits: Limiter,
    /// One permit around each read of the store; not while a call is parked.
    pub reads: Limiter,
    /// One permit around each scan: filters, prefixes, lists that show the key little, timelines.
    pub scans: Limiter,
    /// One permit around each write.
    pub writes: Limiter,
    /// Request bodies and heads above [`SMALL_BYTES`].
    pub uploads: MemoryBudget,
    /// Answers, pages and server-sent events above [`SMALL_BYTES`].
    pub answers: MemoryBudget,
}

impl Default for Limits {
    /// Returns the limits of a server: as many connections as are allowed and as the process has file
    /// descriptors for.
    fn default() -> Self {
        let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let files = u32::try_from(files).unwrap_or(u32::MAX);
        let connections = files.saturating_sub(OTHER_FILES + PENDING_CONNECTIONS_MAX);
        Limits::with_connections(connections.min(CONNECTIONS_MAX))
    }
}

impl Limits {
    /// Returns limits with so many connections, and half as many waits.
    pub fn with_connections(connections: u32) -> Self {
        Limits {
            connections: Limiter::new(connections, QUEUE_TIMEOUT),
            pending_connections: Limiter::new(PENDING_CONNECTIONS_MAX, QUEUE_TIMEOUT),
            waits: Limiter::new(connections / 2, QUEUE_TIMEOUT),
            reads: Limiter::new(READS_MAX, QUEUE_TIMEOUT),
            scans: Limiter::new(SCANS_MAX, SCAN_QUEUE_TIMEOUT),
            writes: Limiter::new(WRITES_MAX, QUEUE_TIMEOUT),
            uploads: MemoryBudget::new(UPLOADS_MAX_BYTES, QUEUE_TIMEOUT),
            answers: MemoryBudget::new(ANSWERS_MAX_BYTES, QUEUE_TIMEOUT),
        }
    }
}

/// The address of the TCP peer that sent a request. Every request carries it as an extension.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// Returns the peer of the request with these extensions.
    pub fn of(extensions: &http::Extensions) -> Self {
        let unknown = || PeerAddr(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0));
        extensions.get().copied().unwrap_or_else(unknown)
    }
}

/// Who is charged for a request: its network, and its access key once that is proven.
#[derive(Clone, Debug)]
pub struct ClientId {
    key: Option<Arc<str>>,
    network: IpAddr,
}

impl ClientId {
    /// Returns the client at this address, without a proven key.
    pub fn anonymous(PeerAddr(peer): PeerAddr) -> Self {
        ClientId {
            key: None,
            network: network(peer.ip()),
        }
    }

    /// Returns the client at this address that has proven this key by a signature or a session.
    pub fn with_key(peer: PeerAddr, key_id: &str) -> Self {
        ClientId {
            key: Some(key_id.into()),
            ..ClientId::anonymous(peer)
        }
    }

    /// Returns the IPv4 address or the IPv6 /64 prefix.
    pub fn network(&self) -> IpAddr {
        self.network
    }
}

/// Returns the part of an address that identifies a client. An IPv6 host chooses the last 64 bits of its address
/// freely, so only the first 64 count.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 => v4,
    }
}

/// Who has a share of a limiter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Key(Arc<str>),
    Network(IpAddr),
}

/// Counted permits, with a share for each key and each network.
pub struct Limiter {
    total: Arc<Share>,
    shares: Mutex<HashMap<Holder, Arc<Share>>>,
    queue_timeout: Duration,
}

/// Permits of one holder, or all of them.
struct Share {
    size: u32,
    free: Arc<Semaphore>,
    /// Requests that wait for these permits now.
    waiting: AtomicU32,
}

/// Permits of a client; given back when this is dropped.
#[must_use]
pub struct Permit(Vec<(OwnedSemaphorePermit, Arc<Share>)>);

impl Limiter {
    /// Returns a limiter of `total` permits; `acquire` waits for at most `queue_timeout`.
    fn new(total: u32, queue_timeout: Duration) -> Self {
        Limiter {
            total: Arc::new(Share::new(total)),
            shares: Mutex::default(),
            queue_timeout,
        }
    }

    /// Returns a permit if there is one now and no request waits for it.
    pub fn try_acquire(&self, client: &ClientId) -> Option<Permit> {
        self.try_acquire_many(client, 1)
    }

    /// Returns a permit, in turn; none after the limiter's queue time-out.
    pub async fn acquire(&self, client: &ClientId) -> Option<Permit> {
        self.acquire_many(client, 1).await
    }

    /// Returns whether it is the share of the client's network that is used up.
    pub fn is_network_share_used(&self, client: &ClientId) -> bool {
        let share = self.share(Holder::Network(client.network));
        share.free.available_permits() == 0
    }

    /// Returns the number of permits that there are.
    pub fn total(&self) -> u32 {
        self.total.size
    }

    /// Returns the number of permits that are held, by all clients.
    pub fn in_use(&self) -> usize {
        self.total.size as usize - self.total.free.available_permits()
    }

    fn try_acquire_many(&self, client: &ClientId, mut count: u32) -> Option<Permit> {
        let mut permit = Permit(Vec::with_capacity(3));
        for share in self.shares_of(client) {
            count = count.min(share.size);
            let acquired = Arc::clone(&share.free).try_acquire_many_owned(count);
            permit.0.push((acquired.ok()?, share));
        }
        Some(permit)
    }

    /// All requests acquire shares in the same order, so they cannot deadlock. The client's own shares come
    /// first: a client that has used up its own waits there and not in the queue of the total, where it would
    /// hold up others (head-of-line blocking).
    async fn acquire_many(&self, client: &ClientId, mut count: u32) -> Option<Permit> {
        if let Some(permit) = self.try_acquire_many(client, count) {
            return Some(permit);
        }
        let acquire = async {
            let mut permit = Permit(Vec::with_capacity(3));
            for share in self.shares_of(client) {
                count = count.min(share.size);
                let acquired = share.acquire(count).await?;
                permit.0.push((acquired, share));
            }
            Some(permit)
        };
        timeout(self.queue_timeout, acquire).await.ok()?
    }

    /// Adds up to `count` permits to `permit`, as far as they are free.
    fn top_up(&self, permit: &mut Permit, count: u32) {
        for (held, share) in &mut permit.0 {
            let free = u32::try_from(share.free.available_permits()).unwrap_or(u32::MAX);
            let more = Arc::clone(&share.free).try_acquire_many_owned(count.min(free));
            if let Ok(more) = more {
                held.merge(more);
            }
        }
    }

    /// Returns whether a request waits for permits that this client could give back.
    fn is_contended(&self, client: &ClientId) -> bool {
        self.shares_of(client).any(|share| share.is_contended())
    }

    /// Returns the shares of which the client needs permits, the smallest one first: no request gets more than that.
    fn shares_of(&self, client: &ClientId) -> impl Iterator<Item = Arc<Share>> {
        let key = client.key.clone().map(Holder::Key);
        let own = key.into_iter().chain([Holder::Network(client.network)]);
        own.map(|holder| self.share(holder))
            .chain([Arc::clone(&self.total)])
    }

    fn size_of(&self, holder: &Holder) -> u32 {
        let total = self.total.size;
        match holder {
            Holder::Key(_) => total / 2,
            Holder::Network(_) => total - total / 4,
        }
    }

    /// Returns the share of `holder`. Shares without a permit or a waiting request are removed before the
    /// table would grow, so it is bounded by the number of requests in flight.
    fn share(&self, holder: Holder) -> Arc<Share> {
        let mut shares = self.shares.lock().expect("no panic holds this lock");
        if let Some(share) = shares.get(&holder) {
            return Arc::clone(share);
        }
        if shares.len() == shares.capacity() {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = Arc::new(Share::new(self.size_of(&holder)));
        shares.insert(holder, Arc::clone(&share));
        share
    }
}

impl Share {
    fn new(size: u32) -> Self {
        Share {
            size,
            free: Arc::new(Semaphore::new(size as usize)),
            waiting: AtomicU32::new(0),
        }
    }

    /// Waits for `count` permits, first come, first served.
    async fn acquire(&self, count: u32) -> Option<OwnedSemaphorePermit> {
        let _waiting = Waiting::new(&self.waiting);
        let free = Arc::clone(&self.free);
        free.acquire_many_owned(count).await.ok()
    }

    fn is_contended(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

impl Permit {
    /// Returns whether a request waits for what this permit holds.
    fn is_contended(&self) -> bool {
        self.0.iter().any(|(_, share)| share.is_contended())
    }
}

/// One request in a queue; leaves it when dropped, also if the client hangs up.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(key: Option<&str>, address: &str) -> ClientId {
        let peer = PeerAddr(SocketAddr::new(address.parse().unwrap(), 1));
        match key {
            Some(key) => ClientId::with_key(peer, key),
            None => ClientId::anonymous(peer),
        }
    }

    #[test]
    fn key_gets_half_and_network_three_quarters() {
        let limiter = Limiter::new(8, QUEUE_TIMEOUT);
        let take = |key, address| limiter.try_acquire(&client(key, address));
        let mut held: Vec<_> = (0..4).filter_map(|_| take(Some("a"), "10.0.0.1")).collect();
        assert!(take(Some("a"), "10.0.0.2").is_none(), "half of the total");
        held.extend((0..2).filter_map(|_| take(None, "10.0.0.1")));
        assert!(
            take(Some("b"), "10.0.0.1").is_none(),
            "three quarters of it"
        );
        held.extend((0..2).filter_map(|_| take(Some("b"), "10.0.0.2")));
        assert_eq!((held.len(), limiter.in_use()), (8, 8));
        assert!(take(Some("c"), "10.0.0.3").is_none(), "the total");
        held.clear();
        assert_eq!(limiter.in_use(), 0);
    }

    #[test]
    fn ipv6_addresses_of_one_prefix_share_and_mapped_ipv4_is_ipv4() {
        let network = |address| client(None, address).network();
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1:2:3"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn unused_shares_do_not_accumulate() {
        let limiter = Limiter::new(8, QUEUE_TIMEOUT);
        let held = limiter.try_acquire(&client(Some("held"), "10.0.0.1"));
        for guess in 0..10_000 {
            let _ = limiter.try_acquire(&client(Some(&guess.to_string()), "10.0.0.1"));
        }
        assert!(limiter.shares.lock().unwrap().len() < 64);
        assert_eq!(limiter.in_use(), 1);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_used_its_share_does_not_hold_up_others() {
        let limiter = Limiter::new(8, QUEUE_TIMEOUT);
        let (hostile, honest) = (client(Some("a"), "10.0.0.1"), client(Some("b"), "10.0.0.2"));
        let held = limiter.try_acquire_many(&hostile, 100);
        assert_eq!(limiter.in_use(), 4, "all of its share");
        let waiting = async {
            assert!(limiter.acquire(&hostile).await.is_none());
        };
        let served = async {
            tokio::time::sleep(QUEUE_TIMEOUT / 2).await;
            assert!(limiter.is_contended(&hostile) && !limiter.is_contended(&honest));
            assert!(limiter.acquire_many(&honest, 4).await.is_some());
        };
        tokio::join!(waiting, served);
        drop(held);
    }
}
