//! Limits the streams of events per key and per execution, so that neither can use all connections. The total is
//! limited by `Limits::waits`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::model::Name;

/// Streams of one key, one per visible browser tab. `Limits::waits` alone would allow one key 1,024.
const PER_KEY_MAX: usize = 64;
/// Streams of one execution, because each renders the page at every change.
const PER_EXECUTION_MAX: usize = 64;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Counted {
    Key(String),
    Execution(Name, Name),
}

/// The open streams by key and by execution.
#[derive(Clone, Default)]
pub(super) struct Followers(Arc<Mutex<HashMap<Counted, usize>>>);

/// Permission for one stream; dropping it releases the places that it takes.
pub(super) struct FollowPermit {
    followers: Followers,
    counted: [Counted; 2],
}

impl Followers {
    /// Returns None if the key or the execution has as many streams as it may.
    pub fn try_acquire(&self, key_id: &str, flow: &Name, execution: &Name) -> Option<FollowPermit> {
        let counted = [
            Counted::Key(key_id.to_owned()),
            Counted::Execution(flow.clone(), execution.clone()),
        ];
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |counted| counts.get(counted).copied().unwrap_or_default();
        if of(&counted[0]) >= PER_KEY_MAX || of(&counted[1]) >= PER_EXECUTION_MAX {
            return None;
        }
        for counted in &counted {
            *counts.entry(counted.clone()).or_default() += 1;
        }
        let followers = self.clone();
        Some(FollowPermit { followers, counted })
    }
}

impl Drop for FollowPermit {
    fn drop(&mut self) {
        let counts = &self.followers.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for counted in &self.counted {
            if let Some(count) = counts.get_mut(counted) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(counted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_limited_per_key_and_per_execution_and_given_back() {
        let followers = Followers::default();
        let names: Vec<_> = ["f", "a", "b"].into_iter().flat_map(Name::parse).collect();
        let [flow, a, b] = &names[..] else { panic!() };
        let held: Vec<_> = (0..PER_KEY_MAX)
            .map(|_| followers.try_acquire("one", flow, a).unwrap())
            .collect();
        assert!(
            followers.try_acquire("one", flow, b).is_none(),
            "of the key"
        );
        assert!(
            followers.try_acquire("two", flow, a).is_none(),
            "of the execution"
        );
        assert!(followers.try_acquire("two", flow, b).is_some());
        drop(held);
        assert!(followers.try_acquire("one", flow, a).is_some());
        assert!(followers.0.lock().unwrap().is_empty());
    }
}
