//! Who waits for which execution. Waiting costs neither a thread nor a look at the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::model::Name;

type Key = (Name, Name);

/// All executions that somebody waits for, and whether each has ended meanwhile.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<HashMap<Key, watch::Sender<bool>>>>);

/// One who waits for one execution.
pub struct Changes {
    key: Key,
    hub: Hub,
    receiver: watch::Receiver<bool>,
}

impl Hub {
    /// What is announced from now on reaches the answer.
    pub fn subscribe(&self, flow: &Name, execution: &Name) -> Changes {
        let key = (flow.clone(), execution.clone());
        let mut waiting = self.0.lock().expect("no panic holds this lock");
        let sender = waiting
            .entry(key.clone())
            .or_insert_with(|| watch::channel(false).0);
        Changes {
            key,
            receiver: sender.subscribe(),
            hub: self.clone(),
        }
    }

    /// Wakes whoever waits for this execution to grow, or to end if it has `ended`.
    pub fn announce(&self, flow: &Name, execution: &Name, ended: bool) {
        let waiting = self.0.lock().expect("no panic holds this lock");
        if waiting.is_empty() {
            return;
        }
        if let Some(sender) = waiting.get(&(flow.clone(), execution.clone())) {
            sender.send_modify(|has_ended| *has_ended |= ended);
        }
    }

    /// Wakes whoever waits for any execution of this flow: they are all gone.
    pub fn announce_deletion(&self, flow: &Name) {
        let waiting = self.0.lock().expect("no panic holds this lock");
        for (_, sender) in waiting
            .iter()
            .filter(|((waits_for, _), _)| waits_for == flow)
        {
            sender.send_modify(|has_ended| *has_ended = true);
        }
    }
}

impl Changes {
    /// Waits for the next event after the one last waited for.
    pub async fn grown(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits for the end. Events before it wake nobody up for long.
    pub async fn ended(&mut self) {
        loop {
            self.grown().await;
            if *self.receiver.borrow() {
                return;
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let mut waiting = self.hub.0.lock().expect("no panic holds this lock");
        if waiting
            .get(&self.key)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            waiting.remove(&self.key);
        }
    }
}
