//! In-process notifications for long polling: writes notify after the commit, so that a waiting request costs neither
//! a thread nor a statement. A backend that other processes write to also reports what it has read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::model::Name;

/// Flow and execution.
type Key = (Name, Name);

/// The executions that have subscriptions.
#[derive(Clone, Default)]
pub struct Notifier(Arc<Mutex<HashMap<Key, Subscribed>>>);

struct Subscribed {
    /// Sends whether the execution has ended.
    sender: watch::Sender<bool>,
    /// The last EventId that was observed.
    last_event_id: Option<i64>,
}

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
        let mut executions = self.0.lock().expect("no panic holds this lock");
        let subscribed = executions.entry(key.clone()).or_insert_with(|| Subscribed {
            sender: watch::channel(false).0,
            last_event_id: None,
        });
        Subscription {
            key,
            receiver: subscribed.sender.subscribe(),
            notifier: self.clone(),
        }
    }

    /// Wakes the subscribers of an execution after events were appended; `ended` if the last one ended it.
    pub fn notify(&self, flow: &Name, execution: &Name, ended: bool) {
        self.with(flow, execution, |subscribed| subscribed.notify(ended));
    }

    /// Does the same for an append whose last event has this EventId, unless that was observed already.
    pub fn appended(&self, flow: &Name, execution: &Name, last_event_id: i64, ended: bool) {
        self.with(flow, execution, |subscribed| {
            subscribed.last_event_id.get_or_insert(last_event_id - 1);
            subscribed.observe(last_event_id, ended);
        });
    }

    /// Takes the last EventId of a history that was read, and wakes the execution's subscribers if it has grown since
    /// it was observed last, or has ended.
    pub fn observe(&self, flow: &Name, execution: &Name, last_event_id: i64, ended: bool) {
        self.with(flow, execution, |subscribed| {
            subscribed.observe(last_event_id, ended);
        });
    }

    fn with(&self, flow: &Name, execution: &Name, change: impl FnOnce(&mut Subscribed)) {
        let mut executions = self.0.lock().expect("no panic holds this lock");
        if executions.is_empty() {
            return;
        }
        if let Some(subscribed) = executions.get_mut(&(flow.clone(), execution.clone())) {
            change(subscribed);
        }
    }

    /// Returns flow and execution of each execution that has subscriptions.
    pub fn subscribed(&self) -> Vec<(Name, Name)> {
        let executions = self.0.lock().expect("no panic holds this lock");
        executions.keys().cloned().collect()
    }

    /// Wakes the subscribers of all executions of a deleted flow, as if these had ended.
    pub fn notify_deleted(&self, flow: &Name) {
        let executions = self.0.lock().expect("no panic holds this lock");
        for (_, subscribed) in executions.iter().filter(|((of, _), _)| of == flow) {
            subscribed.notify(true);
        }
    }
}

impl Subscribed {
    fn notify(&self, ended: bool) {
        self.sender.send_modify(|has_ended| *has_ended |= ended);
    }

    fn observe(&mut self, last_event_id: i64, ended: bool) {
        let has_grown = self.last_event_id.is_some_and(|last| last < last_event_id);
        let has_ended = ended && !*self.sender.borrow();
        self.last_event_id = self.last_event_id.max(Some(last_event_id));
        if has_grown || has_ended {
            self.notify(ended);
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
        let mut executions = self.notifier.0.lock().expect("no panic holds this lock");
        let last = |subscribed: &Subscribed| subscribed.sender.receiver_count() <= 1;
        if executions.get(&self.key).is_some_and(last) {
            executions.remove(&self.key);
        }
    }
}
