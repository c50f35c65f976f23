//! What is broadcast, and how it is named without being repeated.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::identity::PeerId;
use crate::mesh::{Attempt, Lane, Serial};
use crate::wire::Hash;

/// Half of a message's hash. Who finds two messages of one digest has made both, and harms only
/// what it says itself; nobody finds a second one to somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::mesh) struct BodyDigest([u8; 16]);

/// Names one attempt at one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::mesh) struct MessageId {
    /// Which message.
    pub(in crate::mesh) body: BodyDigest,
    /// Which attempt.
    pub(in crate::mesh) attempt: Attempt,
}

/// Bytes of a [`MessageId`] in a packet.
pub(in crate::mesh) const ID_BYTES: usize = 17;

impl MessageId {
    pub(in crate::mesh) fn of(attempt: Attempt, body: &[u8]) -> Self {
        let mut hasher = Hash::hasher("bitcraps 2026 gossip message");
        hasher.update(body);
        let Hash(bytes) = Hash::from(&mut hasher);
        let half = bytes.first_chunk().expect("sixteen of thirty-two bytes");
        Self { body: BodyDigest(*half), attempt }
    }
}

/// How many relays have passed a message on; as they say, so it is only a bound against honest
/// mistakes, and costs no more than time if it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::mesh) struct Hops(pub(in crate::mesh) u8);

impl Hops {
    /// A message that has come so far is no longer pushed, only announced. 32: twice the diameter
    /// of a crowd of 300 radios.
    pub(in crate::mesh) const MOST: Self = Self(32);

    pub(in crate::mesh) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A message that this node says or passes on.
#[derive(Clone, Debug)]
pub(in crate::mesh) struct Said {
    pub(in crate::mesh) lane: Lane,
    pub(in crate::mesh) author: Option<PeerId>,
    pub(in crate::mesh) serial: Option<Serial>,
    pub(in crate::mesh) attempt: Attempt,
    pub(in crate::mesh) body: Bytes,
}

/// One of the trees over which messages spread; an author's messages all use the same. 32 trees:
/// with one for all, ways are long; with one for each author, each has to learn for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mesh) struct Tree(u8);

impl Tree {
    pub(in crate::mesh) const COUNT: usize = 32;

    pub(in crate::mesh) const fn of(author: Option<PeerId>) -> Self {
        match author {
            Some(PeerId([first, ..])) => Self(first % Self::COUNT as u8),
            None => Self(0),
        }
    }

    /// Below [`Tree::COUNT`]: any byte names a tree.
    pub(in crate::mesh) const fn index(self) -> usize {
        self.0 as usize % Self::COUNT
    }

    const fn bit(self) -> u32 {
        1 << self.index()
    }
}

/// A set of trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mesh) struct Trees(u32);

impl Trees {
    pub(in crate::mesh) const fn all() -> Self {
        Self(u32::MAX)
    }

    pub(in crate::mesh) const fn contains(self, tree: Tree) -> bool {
        self.0 & tree.bit() != 0
    }

    pub(in crate::mesh) const fn insert(&mut self, tree: Tree) {
        self.0 |= tree.bit();
    }

    pub(in crate::mesh) const fn remove(&mut self, tree: Tree) {
        self.0 &= !tree.bit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode;

    #[test]
    fn an_id_is_as_long_as_it_is_said_to_be_and_names_body_and_attempt() {
        let id = MessageId::of(Attempt(1), b"body");
        assert_eq!(encode(&id).len(), ID_BYTES);
        assert_ne!(id, MessageId::of(Attempt(2), b"body"));
        assert_ne!(id, MessageId::of(Attempt(1), b"other"));
    }

    #[test]
    fn trees_are_kept_apart() {
        for tree in 0..32 {
            let mut trees = Trees::default();
            trees.insert(Tree(tree));
            assert!((0..32).all(|it| trees.contains(Tree(it)) == (it == tree)));
            assert!(Trees::all().contains(Tree(tree)));
            trees.remove(Tree(tree));
            assert_eq!(trees, Trees::default());
        }
    }
}
