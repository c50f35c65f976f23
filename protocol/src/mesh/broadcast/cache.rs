//! What was said lately, for those who turn out to lack it.

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::message::{MessageId, Tree};
use crate::identity::PeerId;
use crate::mesh::{Lane, Serial};
use crate::time::Time;

/// What a kept message counts for beside its bytes, so that many small ones are bounded too.
const MESSAGE_COST_BYTES: usize = 128;

/// A message that can be said again.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The encoded packet.
    pub(super) packet: Bytes,
    pub(super) lane: Lane,
    pub(super) tree: Tree,
    pub(super) author: Option<PeerId>,
    pub(super) serial: Option<Serial>,
    pub(super) at: Time,
}

/// Holds at most `most_bytes` or one message; the victims are the oldest.
#[derive(Debug)]
pub(super) struct Cache {
    most_bytes: usize,
    bytes: usize,
    messages: BTreeMap<MessageId, Kept>,
    order: VecDeque<MessageId>,
}

impl Cache {
    pub(super) const fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, messages: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn insert(&mut self, id: MessageId, kept: Kept) {
        self.bytes += kept.packet.len() + MESSAGE_COST_BYTES;
        if let Some(before) = self.messages.insert(id, kept) {
            self.bytes -= before.packet.len() + MESSAGE_COST_BYTES;
        } else {
            self.order.push_back(id);
        }
        while self.bytes > self.most_bytes && self.messages.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.forget(oldest);
        }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) const fn held(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&Kept> {
        self.messages.get(&id)
    }

    /// The newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (MessageId, &Kept)> {
        self.order.iter().rev().filter_map(|id| Some((*id, self.messages.get(id)?)))
    }

    /// Forgets what belongs to a `series` before `below`.
    pub(super) fn pass(&mut self, series: u8, below: u64) {
        let is_past = |kept: &Kept| kept.serial.is_some_and(|it| it.is_before(series, below));
        let past: VecDeque<MessageId> =
            self.messages.iter().filter(|(_, kept)| is_past(kept)).map(|(id, _)| *id).collect();
        if !past.is_empty() {
            past.into_iter().for_each(|id| self.forget(id));
            self.order.retain(|id| self.messages.contains_key(id));
        }
    }

    fn forget(&mut self, id: MessageId) {
        if let Some(kept) = self.messages.remove(&id) {
            self.bytes -= kept.packet.len() + MESSAGE_COST_BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::mesh::Attempt;

    fn id(number: u64) -> MessageId {
        MessageId::of(Attempt(0), &number.to_le_bytes())
    }

    fn kept(number: u64, bytes: usize) -> Kept {
        Kept {
            packet: Bytes::from(vec![0; bytes]),
            lane: Lane::Votes,
            tree: Tree::of(None),
            author: None,
            serial: Some(Serial { series: (number % 2) as u8, number }),
            at: Time::ZERO,
        }
    }

    fn held(cache: &Cache) -> Vec<MessageId> {
        cache.newest().map(|(id, _)| id).collect()
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_one_always_stays() {
        let mut cache = Cache::new(1000);
        (0..20).for_each(|number| cache.insert(id(number), kept(number, 122)));
        assert_eq!(held(&cache), [id(19), id(18), id(17), id(16)]);
        cache.insert(id(20), kept(20, 5000));
        assert_eq!(held(&cache), [id(20)]);
        cache.insert(id(20), kept(20, 10));
        assert_eq!(cache.bytes, 138);
    }

    #[test]
    fn what_is_past_goes() {
        let mut cache = Cache::new(10_000);
        (0..8).for_each(|number| cache.insert(id(number), kept(number, 10)));
        cache.pass(1, 6);
        assert_eq!(held(&cache), [7, 6, 4, 2, 0].map(id));
        assert_eq!(cache.bytes, 5 * 138);
    }
}
