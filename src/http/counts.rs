//! How many of something each key holds at once, with a bound; a key that holds none is not remembered.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;

/// The counts of all keys. It is as large as what is held, and no larger.
#[derive(Debug)]
pub(super) struct Counts<K: Eq + Hash> {
    held: DashMap<K, usize>,
    most: usize,
}

/// One that a key holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held<K: Eq + Hash> {
    counts: Arc<Counts<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Counts<K> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { held: DashMap::new(), most })
    }

    /// One more for this key; none when it holds as many as it may.
    pub(super) fn take(self: &Arc<Self>, key: K) -> Option<Held<K>> {
        {
            let mut held = self.held.entry(key.clone()).or_insert(0);
            if *held >= self.most {
                return None;
            }
            *held += 1;
        }
        Some(Held { counts: self.clone(), key })
    }
}

impl<K: Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        self.counts.held.remove_if_mut(&self.key, |_, held| {
            *held = held.saturating_sub(1);
            *held == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_bound_and_who_holds_nothing_is_forgotten() {
        let counts = Counts::new(2);
        let (one, two) = (counts.take("a").unwrap(), counts.take("a").unwrap());
        assert!(counts.take("a").is_none());
        let other = counts.take("b").unwrap();
        drop(one);
        let again = counts.take("a").unwrap();
        assert!(counts.take("a").is_none());
        drop((two, other, again));
        assert!(counts.held.is_empty());
    }

    #[test]
    fn threads_that_take_and_give_at_once_never_hold_more_than_may_be() {
        let counts = Counts::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Some(held) = counts.take(7) {
                            assert!(*counts.held.get(&7).unwrap() <= 3);
                            drop(held);
                        }
                    }
                });
            }
        });
        assert!(counts.held.is_empty());
    }
}
