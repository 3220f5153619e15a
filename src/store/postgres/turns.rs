//! Lets the writes of this process to one execution run one after another, in the order of their arrival. Writes to
//! different executions do not wait for each other, so a shard that does not answer holds up no other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;

use crate::model::Name;

/// Flow and execution.
type Key = (Name, Name);

/// For each execution with writes, the end of the last one.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Key, Last>>>);

struct Last {
    number: u64,
    ended: oneshot::Receiver<()>,
}

/// A place in the queue of an execution. Its drop ends the turn.
pub(super) struct Turn {
    turns: Turns,
    key: Key,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    _end: oneshot::Sender<()>,
}

impl Turns {
    /// Takes the next place in the queue.
    pub(super) fn take(&self, flow: &Name, execution: &Name) -> Turn {
        let key = (flow.clone(), execution.clone());
        let (end, ended) = oneshot::channel();
        let mut last = self.0.lock().expect("no panic holds this lock");
        let number = last.get(&key).map_or(0, |last| last.number + 1);
        let before = last.insert(key.clone(), Last { number, ended });
        Turn {
            turns: self.clone(),
            key,
            number,
            before: before.map(|before| before.ended),
            _end: end,
        }
    }
}

impl Turn {
    /// Waits until all writes before have ended.
    pub(super) async fn begin(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = before.await; // always an error: the sender is only dropped
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut last = self.turns.0.lock().expect("no panic holds this lock");
        if last
            .get(&self.key)
            .is_some_and(|last| last.number == self.number)
        {
            last.remove(&self.key);
        }
    }
}
