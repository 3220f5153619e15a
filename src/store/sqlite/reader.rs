//! The readers of histories: tasks that own a connection each.
//!
//! A reader coalesces queued page requests into one query, because each sqlx statement costs two context
//! switches, which take longer than a small page. A page that waits alone is read at once. A snapshot is held
//! for one query only, never while a client is sent its answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{
        Notify, RwLock,
        mpsc::{self, error::SendTimeoutError},
    },
    task::JoinSet,
};

use super::{
    get_execution_history::{RangeQuery, get_execution_histories},
    request::Request,
};
use crate::store::{Error, HistoryPage, Outcome};

/// Bound of the read queue (backpressure). More would wait longer than their clients do.
const QUEUE_MAX: usize = 1024;
/// Longest wait for a place in the queue, before the request is refused as busy.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// Events of the pages that one statement reads; a page that may have more is read alone. Bounds the latency of the
/// last page and the memory for all: this many events with details of the maximum size fill one page.
const GROUP_MAX_EVENTS: i64 = 256;

type Read = Request<RangeQuery, HistoryPage>;

/// Queued requests.
struct Queue {
    waiting: mpsc::Receiver<Read>,
    /// The first request that did not fit into the last group.
    next: Option<Read>,
}

/// The tasks' handle.
pub(super) struct Readers {
    queue: Mutex<Option<mpsc::Sender<Read>>>,
    tasks: Mutex<JoinSet<()>>,
    panicked: Arc<Notify>,
}

/// Notifies if the task that holds it panics.
struct Alarm(Arc<Notify>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.notify_one();
        }
    }
}

impl Readers {
    /// Starts `count` readers: one a core, since a page takes microseconds and a core. Each holds `gate` for
    /// reading while it has a snapshot.
    pub(super) async fn start(
        options: &SqliteConnectOptions,
        count: usize,
        gate: Arc<RwLock<()>>,
    ) -> Result<Self, sqlx::Error> {
        let (sender, waiting) = mpsc::channel(QUEUE_MAX);
        let next = None;
        let queue = Arc::new(tokio::sync::Mutex::new(Queue { waiting, next }));
        let panicked = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let alarm = Alarm(Arc::clone(&panicked));
            let run = run(
                options.connect().await?,
                Arc::clone(&queue),
                Arc::clone(&gate),
            );
            tasks.spawn(async move {
                let _alarm = alarm;
                run.await;
            });
        }
        Ok(Readers {
            queue: Mutex::new(Some(sender)),
            tasks: Mutex::new(tasks),
            panicked,
        })
    }

    /// Queues a page request and waits for its page.
    pub(super) async fn read(&self, query: RangeQuery) -> Outcome<HistoryPage> {
        let queue = self.queue.lock().expect("no panic holds this lock").clone();
        let queue = queue.ok_or_else(Error::closing)?;
        let (request, answer) = Request::new(query, None);
        queue
            .send_timeout(request, QUEUE_WAIT)
            .await
            .map_err(|error| match error {
                SendTimeoutError::Timeout(_) => Error::Busy("too many reads wait".to_owned()),
                SendTimeoutError::Closed(_) => Error::closing(),
            })?;
        drop(queue);
        answer.await.map_err(|_| Error::closing())?
    }

    /// Waits for a panic of a reader. The caller must stop then: a retry of the same request would panic the other
    /// readers too.
    pub(super) async fn failed(&self) -> String {
        self.panicked.notified().await;
        "a reader panicked".to_owned()
    }

    /// Lets the tasks finish what is queued, and waits for them.
    pub(super) async fn close(&self) {
        self.queue.lock().expect("no panic holds this lock").take();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().expect("no panic holds this lock"));
        while tasks.join_next().await.is_some() {}
    }
}

async fn run(
    mut connection: SqliteConnection,
    queue: Arc<tokio::sync::Mutex<Queue>>,
    gate: Arc<RwLock<()>>,
) {
    loop {
        let group = queue.lock().await.gather().await;
        if group.is_empty() {
            break;
        }
        let _snapshot = gate.read().await; // waits while readers are paused for a checkpoint
        read(&mut connection, group).await;
    }
}

impl Queue {
    /// Takes queued requests that may be read together; none once the queue is closed and empty.
    async fn gather(&mut self) -> Vec<Read> {
        let mut group = Vec::new();
        let mut events = 0;
        let mut next = match self.next.take() {
            None => self.waiting.recv().await,
            left => left,
        };
        while let Some(request) = next {
            // Skip cancelled requests.
            if request.is_awaited() {
                events += request.command.range.len();
                if events > GROUP_MAX_EVENTS && !group.is_empty() {
                    self.next = Some(request);
                    break;
                }
                group.push(request);
            }
            next = match self.waiting.try_recv() {
                Err(_) if group.is_empty() => self.waiting.recv().await,
                waiting => waiting.ok(),
            };
        }
        group
    }
}

async fn read(connection: &mut SqliteConnection, group: Vec<Read>) {
    match get_execution_histories(connection, group.iter().map(|request| &request.command)).await {
        Ok(pages) => {
            for (mut request, page) in group.into_iter().zip(pages) {
                request.outcome = Some(page);
                request.answer(&Ok(()));
            }
        }
        Err(error) if group.len() == 1 => {
            for request in group {
                request.answer(&Err(error.clone()));
            }
        }
        // A page that cannot be read must not fail the others of its group.
        Err(_) => {
            for request in group {
                Box::pin(read(connection, vec![request])).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{model::Name, store::types::EventRange};

    #[tokio::test]
    async fn panic_of_a_reader_is_reported_and_a_normal_end_is_not() {
        for panics in [false, true] {
            let panicked = Arc::new(Notify::new());
            let alarm = Alarm(Arc::clone(&panicked));
            let task = tokio::spawn(async move {
                let _alarm = alarm;
                assert!(!panics, "the test asks for it");
            });
            assert_eq!(task.await.is_err(), panics);
            let reported = tokio::time::timeout(Duration::ZERO, panicked.notified()).await;
            assert_eq!(reported.is_ok(), panics);
        }
    }

    fn page(limit: i64) -> (Read, oneshot::Receiver<Outcome<HistoryPage>>) {
        let name = Name::parse("n").expect("a name");
        let query = RangeQuery {
            flow: name.clone(),
            execution: name,
            range: EventRange::new(1, limit),
            max_bytes: 1,
        };
        Request::new(query, None)
    }

    async fn limits(queue: &mut Queue) -> Vec<i64> {
        let group = queue.gather().await;
        group
            .iter()
            .map(|request| request.command.range.len())
            .collect()
    }

    #[tokio::test]
    async fn queued_pages_are_coalesced_up_to_a_number_of_events() {
        let (sender, waiting) = mpsc::channel(QUEUE_MAX);
        let next = None;
        let mut queue = Queue { waiting, next };
        let mut answers = Vec::new();
        for limit in [100, 156, 7, 1, 1000, 1000, 256, 1, 9] {
            let (request, answer) = page(limit);
            sender.send(request).await.ok();
            answers.extend((limit != 7).then_some(answer)); // a cancelled request
        }
        drop(sender);
        let groups: [&[i64]; 7] = [&[100, 156], &[1], &[1000], &[1000], &[256], &[1, 9], &[]];
        for group in groups {
            assert_eq!(limits(&mut queue).await, group);
        }
    }

    #[tokio::test]
    async fn cancelled_request_does_not_stop_the_reader() {
        let (sender, waiting) = mpsc::channel(1);
        let next = None;
        let mut queue = Queue { waiting, next };
        sender.send(page(7).0).await.ok();
        let (request, _answer) = page(1);
        let (group, _) = tokio::join!(limits(&mut queue), async {
            tokio::task::yield_now().await;
            sender.send(request).await.ok();
        });
        assert_eq!(group, [1]);
    }
}
