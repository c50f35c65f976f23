//! Which gossip has come by already.

use alloc::collections::BTreeSet;
use core::mem;

use super::Attempt;
use crate::wire::Hash;

/// Remembers at least the newest `generation` messages and at most twice as many; the victims are
/// the older half.
#[derive(Debug)]
pub(super) struct Seen {
    generation: usize,
    newer: BTreeSet<Hash>,
    older: BTreeSet<Hash>,
}

impl Seen {
    pub(super) const fn new(generation: usize) -> Self {
        Self { generation, newer: BTreeSet::new(), older: BTreeSet::new() }
    }

    /// Notes a message; whether it is new.
    pub(super) fn insert(&mut self, attempt: Attempt, body: &[u8]) -> bool {
        let mut hasher = Hash::hasher("bitcraps 2026 gossip message");
        hasher.update(&[attempt.0]).update(body);
        let id = Hash::from(&mut hasher);
        if self.older.contains(&id) || !self.newer.insert(id) {
            return false;
        }
        if self.newer.len() >= self.generation {
            self.older = mem::take(&mut self.newer);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_generation_is_always_remembered_and_two_are_the_most() {
        let mut seen = Seen::new(4);
        for number in 0..100u8 {
            assert!(seen.insert(Attempt(0), &[number]));
            for recent in number.saturating_sub(3)..=number {
                assert!(!seen.insert(Attempt(0), &[recent]));
            }
            assert!(seen.newer.len() + seen.older.len() <= 8);
        }
        assert!(seen.insert(Attempt(0), &[0]), "forgotten");
        assert!(seen.insert(Attempt(1), &[99]), "another attempt is another message");
    }
}
