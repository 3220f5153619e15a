//! In-process notifications for long polling: the writer notifies after each commit, so that a waiting request
//! costs neither a thread nor a statement.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::model::Name;

/// Flow and execution.
type Key = (Name, Name);

/// The executions that have subscriptions. The value sent is whether the execution has ended.
#[derive(Clone, Default)]
pub struct Notifier(Arc<Mutex<HashMap<Key, watch::Sender<bool>>>>);

/// Receives the notifications of one execution. Dropping it unsubscribes.
pub struct Subscription {
    key: Key,
    notifier: Notifier,
    receiver: watch::Receiver<bool>,
}

impl Notifier {
    /// Subscribes to an execution: later notifications reach the subscription, earlier ones do not.
    pub fn subscribe(&self, flow: &Name, execution: &Name) -> Subscription {
        let key = (flow.clone(), execution.clone());
        let mut senders = self.0.lock().expect("no panic holds this lock");
        let sender = senders
            .entry(key.clone())
            .or_insert_with(|| watch::channel(false).0);
        Subscription {
            key,
            receiver: sender.subscribe(),
            notifier: self.clone(),
        }
    }

    /// Wakes the subscribers of an execution after events were appended; `ended` if the last one ended it.
    pub fn notify(&self, flow: &Name, execution: &Name, ended: bool) {
        let senders = self.0.lock().expect("no panic holds this lock");
        if senders.is_empty() {
            return;
        }
        if let Some(sender) = senders.get(&(flow.clone(), execution.clone())) {
            sender.send_modify(|has_ended| *has_ended |= ended);
        }
    }

    /// Wakes the subscribers of all executions of a deleted flow, as if these had ended.
    pub fn notify_deleted(&self, flow: &Name) {
        let senders = self.0.lock().expect("no panic holds this lock");
        for (_, sender) in senders.iter().filter(|((of, _), _)| of == flow) {
            sender.send_modify(|has_ended| *has_ended = true);
        }
    }
}

impl Subscription {
    /// Waits for the next notification. One that arrived since the last wait returns at once.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the execution has ended or its flow was deleted.
    pub async fn ended(&mut self) {
        loop {
            self.changed().await;
            if *self.receiver.borrow() {
                return;
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut senders = self.notifier.0.lock().expect("no panic holds this lock");
        let last = |sender: &watch::Sender<bool>| sender.receiver_count() <= 1;
        if senders.get(&self.key).is_some_and(last) {
            senders.remove(&self.key);
        }
    }
}
