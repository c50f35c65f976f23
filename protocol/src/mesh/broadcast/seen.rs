//! Which gossip has come by already.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use core::mem;
use core::time::Duration;

use super::message::{BodyDigest, Hops, MessageId};
use crate::mesh::Attempt;
use crate::time::Time;

/// Remembers at least the newest `generation` messages and at most twice as many; the victims are
/// the older half.
#[derive(Debug)]
pub(super) struct Seen {
    generation: usize,
    /// The least time between the first two attempts at one message that both count; it grows by
    /// half each time, more slowly than honest repetitions. Relays may invent attempts.
    pause: Duration,
    newer: BTreeMap<BodyDigest, Sight>,
    older: BTreeMap<BodyDigest, Sight>,
}

/// The longest pause between two attempts that count.
const MOST_PAUSE: Duration = Duration::from_secs(3);

/// Bytes of what is remembered of one message.
pub(in crate::mesh) const SIGHT_BYTES: usize = size_of::<(BodyDigest, Sight)>();

/// What is remembered of one message.
#[derive(Clone, Copy, Debug)]
struct Sight {
    attempts: [u64; 4],
    /// When an attempt last counted.
    at: Time,
    /// How long the next one has to wait.
    pause: Duration,
    /// How far the first copy had come.
    hops: Hops,
}

/// What a message is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// To be delivered.
    News,
    /// An attempt too soon after another one at the same message; forgotten.
    TooSoon,
    /// It came before.
    Known,
}

impl Seen {
    pub(super) const fn new(generation: usize, pause: Duration) -> Self {
        Self { generation, pause, newer: BTreeMap::new(), older: BTreeMap::new() }
    }

    /// Notes a message that has come `hops` far.
    pub(super) fn note(&mut self, now: Time, id: MessageId, hops: Hops) -> Novelty {
        let sight = match self.newer.entry(id.body) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match self.older.remove(&id.body) {
                Some(recalled) => place.insert(recalled),
                None => {
                    let fresh = Sight { attempts: [0; 4], at: now, pause: self.pause, hops };
                    place.insert(fresh).insert(id.attempt);
                    self.turn_over();
                    return Novelty::News;
                }
            },
        };
        if !sight.insert(id.attempt) {
            return Novelty::Known;
        }
        if now.since(sight.at) < sight.pause {
            return Novelty::TooSoon;
        }
        (sight.at, sight.hops) = (now, hops);
        sight.pause = (sight.pause * 3 / 2).min(MOST_PAUSE);
        Novelty::News
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        (self.newer.len() + self.older.len()) * SIGHT_BYTES
    }

    /// Forgets all attempts at a message.
    pub(super) fn forget(&mut self, id: MessageId) {
        self.newer.remove(&id.body);
        self.older.remove(&id.body);
    }

    /// Whether this attempt at a message has come by.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.find(id.body).is_some_and(|sight| sight.contains(id.attempt))
    }

    /// How far a message had come when it counted last.
    pub(super) fn hops(&self, id: MessageId) -> Option<Hops> {
        Some(self.find(id.body)?.hops)
    }

    fn find(&self, body: BodyDigest) -> Option<&Sight> {
        self.newer.get(&body).or_else(|| self.older.get(&body))
    }

    fn turn_over(&mut self) {
        if self.newer.len() >= self.generation {
            self.older = mem::take(&mut self.newer);
        }
    }
}

impl Sight {
    const fn contains(&self, Attempt(attempt): Attempt) -> bool {
        self.attempts[attempt as usize / 64] >> (attempt % 64) & 1 == 1
    }

    /// Whether it was not there.
    const fn insert(&mut self, attempt: Attempt) -> bool {
        let is_new = !self.contains(attempt);
        self.attempts[attempt.0 as usize / 64] |= 1 << (attempt.0 % 64);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(attempt: u8, number: u8) -> MessageId {
        MessageId::of(Attempt(attempt), &[number])
    }

    #[test]
    fn the_newest_generation_is_always_remembered_and_two_are_the_most() {
        let mut seen = Seen::new(4, Duration::ZERO);
        let mut note = |id| seen.note(Time::ZERO, id, Hops(0));
        for number in 0..100u8 {
            assert_eq!(note(id(0, number)), Novelty::News);
            for recent in number.saturating_sub(3)..=number {
                assert_eq!(note(id(0, recent)), Novelty::Known);
            }
        }
        assert_eq!(note(id(0, 0)), Novelty::News, "forgotten");
        assert_eq!(note(id(1, 99)), Novelty::News, "another attempt is another message");
        assert!(seen.newer.len() + seen.older.len() <= 8);
    }

    #[test]
    fn attempts_in_quick_succession_count_once() {
        let mut seen = Seen::new(4, Duration::from_millis(100));
        let mut note = |millis: u64, attempt| {
            seen.note(Time::from_micros(millis * 1000), id(attempt, 1), Hops(0))
        };
        assert_eq!(note(0, 0), Novelty::News);
        assert_eq!(note(99, 1), Novelty::TooSoon);
        assert_eq!(note(100, 2), Novelty::News);
        assert_eq!(note(249, 3), Novelty::TooSoon);
        assert_eq!(note(300, 3), Novelty::Known);
        assert_eq!(note(300, 4), Novelty::News);
    }
}
