//! A whole state in parts, each of which proves itself: a part is a subtree of the state tree, all
//! entries of some buckets, with the hashes that lead from there to the state root. Who knows the
//! root from a certificate can take parts from anybody.
//!
//! [`Assembly`] collects the parts of one state.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::state::{Entry, Key, State};
use super::tree::{DEPTH, Tree, bucket_of};
use crate::wire::{Hash, List, encode};

/// Entries in one part. A bucket with more cannot be sent; at a thousand million accounts a bucket
/// has a quarter of a million.
const PART_ENTRIES: usize = 1 << 18;

/// Names a subtree of the state tree: the whole at depth 0, one bucket at depth 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartId {
    depth: u8,
    index: u16,
}

/// Some buckets of a state, with the proof that these are all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    id: PartId,
    entries: List<(Key, Entry), PART_ENTRIES>,
    /// The nodes beside the path to the top, from below.
    siblings: List<Hash, { DEPTH as usize }>,
}

/// The parts of one state as they come together.
#[derive(Clone, Debug)]
pub struct Assembly {
    root: Hash,
    missing: BTreeSet<PartId>,
    entries: BTreeMap<Key, Entry>,
}

/// A part that does not belong to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPart;

impl PartId {
    /// All parts of this depth, at most 12: together a whole state.
    pub fn all(depth: u8) -> impl Iterator<Item = Self> {
        assert!(depth <= DEPTH, "the tree is not deeper");
        (0..1 << depth).map(move |index| Self { depth, index })
    }

    /// Whether there is such a part.
    pub const fn is_sound(self) -> bool {
        self.depth <= DEPTH && self.index >> self.depth == 0
    }

    /// The bucket in which an entry of this key lies, if there is one.
    pub fn holding(key: &Key) -> Self {
        Self { depth: DEPTH, index: bucket_of(key) }
    }

    /// Its two halves; `None` if it is one bucket.
    pub fn halves(self) -> Option<[Self; 2]> {
        let depth = self.depth + 1;
        let half = |side| Self { depth, index: 2 * self.index + side };
        (self.depth < DEPTH).then(|| [half(0), half(1)])
    }

    /// Its place in the tree, counted like [`Tree`]'s nodes.
    const fn node(self) -> u16 {
        (1 << self.depth) + self.index
    }

    /// Its buckets.
    fn buckets(self) -> core::ops::Range<u16> {
        let width = 1 << (DEPTH - self.depth);
        let first = self.index * width;
        first..first + width
    }
}

impl Part {
    /// Which part it is.
    pub const fn id(&self) -> PartId {
        self.id
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether this proves that nothing lies under `key` in the state behind `root`.
    pub fn lacks(&self, key: &Key, root: &Hash) -> bool {
        self.id == PartId::holding(key)
            && self.root() == Some(*root)
            && self.entries.iter().all(|(other, _)| other != key)
    }

    /// The only state root under which this is the whole part, or `None` if it is none at all.
    fn root(&self) -> Option<Hash> {
        if !self.id.is_sound() || self.siblings.len() != usize::from(self.id.depth) {
            return None;
        }
        let leaves = self.entries.iter().map(|(key, entry)| (*key, entry.leaf(key)));
        let leaves: BTreeMap<Key, Hash> = leaves.collect();
        let range = self.id.buckets();
        let is_sound = leaves.len() == self.entries.len()
            && leaves.keys().all(|key| range.contains(&bucket_of(key)));
        is_sound.then(|| Tree::subtree(range, &leaves, &self.siblings, self.id.node()))
    }
}

impl State {
    /// A part of this state; `None` if there is no such part, or if its entries come to more than
    /// `bytes`: then ask for its halves. One bucket is never too large.
    pub fn part(&self, id: PartId, bytes: usize) -> Option<Part> {
        if !id.is_sound() {
            return None;
        }
        let mut entries = Vec::new();
        let mut size = 0;
        for key in id.buckets().flat_map(|bucket| self.tree().keys(bucket)) {
            let entry = self.entry(key).expect("the tree has the keys of the entries");
            let pair = (*key, entry.clone());
            size += encode(&pair).len();
            if size > bytes && id.depth < DEPTH {
                return None;
            }
            entries.push(pair);
        }
        let siblings = List::new(self.tree().beside(id.node())).expect("a path is as long as deep");
        Some(Part { id, entries: List::new(entries).ok()?, siblings })
    }

    /// The state of exactly these parts, which are known to be good. `None` if they hold other chips
    /// than they say there are.
    pub fn of_parts(parts: Vec<Part>) -> Option<Self> {
        let entries = parts.into_iter().flat_map(|part| part.entries.into_vec());
        Self::from_entries(entries.collect())
    }

    /// This state in parts of at most `bytes` each, but for single buckets.
    pub fn parts(&self, bytes: usize) -> Vec<Part> {
        let mut open: Vec<PartId> = PartId::all(0).collect();
        let mut parts = Vec::new();
        while let Some(id) = open.pop() {
            match (self.part(id, bytes), id.halves()) {
                (Some(part), _) => parts.push(part),
                (None, Some(halves)) => open.extend(halves),
                (None, None) => unreachable!("a bucket is never too large"),
            }
        }
        parts
    }
}

impl Assembly {
    /// The state behind `root`, to be put together from parts of this depth.
    pub fn new(root: Hash, depth: u8) -> Self {
        Self { root, missing: PartId::all(depth).collect(), entries: BTreeMap::new() }
    }

    /// The parts that are not here yet.
    pub fn missing(&self) -> impl Iterator<Item = PartId> + '_ {
        self.missing.iter().copied()
    }

    /// Whether this part is not here yet.
    pub fn lacks(&self, id: PartId) -> bool {
        self.missing.contains(&id)
    }

    /// Expects the two halves of a missing part instead of the whole.
    pub fn split(&mut self, id: PartId) -> Result<(), BadPart> {
        let halves = id.halves().ok_or(BadPart)?;
        if self.missing.remove(&id) {
            self.missing.extend(halves);
        }
        Ok(())
    }

    /// Takes in a part, which may be a larger or a smaller one than those that are missing only if
    /// it covers them.
    ///
    /// # Errors
    ///
    /// Nothing has changed if the part is not of this state, or is not missing.
    pub fn add(&mut self, part: Part) -> Result<(), BadPart> {
        if !self.missing.contains(&part.id) || part.root() != Some(self.root) {
            return Err(BadPart);
        }
        self.missing.remove(&part.id);
        self.entries.extend(part.entries.into_vec());
        Ok(())
    }

    /// The state, once nothing is missing. `None` before, or if the chips in it are not those it
    /// says there are, which no certified state does.
    pub fn finish(self) -> Option<State> {
        if !self.missing.is_empty() {
            return None;
        }
        let state = State::from_entries(self.entries)?;
        (state.root() == self.root).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::wide_state;
    use crate::craps::Chips;
    use crate::ledger::Account;
    use crate::wire::{decode, limits};

    type Entries = Vec<(Key, Entry)>;

    fn first_missing(assembly: &Assembly) -> Option<PartId> {
        assembly.missing().next()
    }

    fn assembled(state: &State, bytes: usize) -> Option<State> {
        let mut assembly = Assembly::new(state.root(), 0);
        while let Some(id) = first_missing(&assembly) {
            match state.part(id, bytes) {
                Some(part) => assembly.add(part).unwrap(),
                None => assembly.split(id).unwrap(),
            }
        }
        assembly.finish()
    }

    #[test]
    fn a_state_is_put_together_from_parts_of_any_size() {
        let state = wide_state(300);
        for bytes in [1, 200, 4_000, 1 << 20] {
            let again = assembled(&state, bytes).unwrap();
            assert_eq!(again.root(), state.root());
            assert!(again.conserved());
            assert_eq!(again.accounts().count(), state.accounts().count());
        }
    }

    #[test]
    fn a_part_that_lacks_adds_or_changes_anything_is_refused() {
        let state = wide_state(300);
        let parts = state.parts(1_000);
        assert!(parts.len() > 4);
        let part = parts.iter().find(|part| part.len() > 2).unwrap().clone();
        let with = |change: &dyn Fn(&mut Entries)| {
            let mut entries = part.entries.clone().into_vec();
            change(&mut entries);
            Part { entries: List::new(entries).unwrap(), ..part.clone() }
        };
        let richer = Entry::Account(Account::holding(Chips(2)));
        let elsewhere = parts.iter().find(|it| it.id != part.id && !it.is_empty()).unwrap();
        let foreign = elsewhere.entries.iter().next().unwrap().clone();
        let bad = [
            with(&|entries| drop(entries.pop())),
            with(&|entries| entries.push(entries[0].clone())),
            with(&|entries| entries.push(foreign.clone())),
            with(&|entries| entries[0].1 = richer.clone()),
            Part { id: elsewhere.id, ..part.clone() },
            Part { siblings: elsewhere.siblings.clone(), ..part.clone() },
            Part { siblings: List::new(Vec::new()).unwrap(), ..part.clone() },
            Part { id: PartId { depth: 13, index: 0 }, ..part.clone() },
            Part { id: PartId { depth: 1, index: 2 }, ..part.clone() },
        ];
        for bad in bad {
            assert_ne!(bad.root(), Some(state.root()));
            let mut assembly = Assembly::new(state.root(), part.id.depth);
            let before: Vec<PartId> = assembly.missing().collect();
            assert_eq!(assembly.add(bad), Err(BadPart));
            assert_eq!(assembly.missing().collect::<Vec<_>>(), before);
        }
        let mut assembly = Assembly::new(state.root(), part.id.depth);
        assert_eq!(assembly.add(part.clone()), Ok(()));
        assert_eq!(assembly.add(part), Err(BadPart), "once is enough");
        assert!(assembly.finish().is_none());
    }

    #[test]
    fn a_part_survives_the_wire() {
        for part in wide_state(40).parts(1_000) {
            let bytes = encode(&part);
            assert_eq!(decode::<Part>(&bytes, limits::MESSAGE_BYTES), Ok(part));
        }
    }
}
