//! The Merkle map behind the state root: every entry's hash lies in one of 2^12 buckets, chosen by
//! the hash of its key; each bucket is a Merkle list in key order; a binary tree over the buckets
//! leads to the root. The root depends on what is in the map only, never on how it came there.
//! A change recomputes the buckets it touches and their paths, nothing else.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::merkle::{self, Proof, join, seal};
use super::state::Key;
use crate::wire::Hash;

/// Levels between the top and the buckets.
pub(super) const DEPTH: u8 = 12;
pub(super) const BUCKETS: u16 = 1 << DEPTH;

/// The topmost node. The children of node `i` are `2i` and `2i + 1`; bucket `b` is at
/// `BUCKETS + b`.
const TOP: u16 = 1;

/// The leaves and nodes of a whole state.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    buckets: Vec<BTreeMap<Key, Hash>>,
    nodes: Vec<Hash>,
}

/// What one block changes in a [`Tree`].
#[derive(Clone, Debug, Default)]
pub(super) struct TreeDelta {
    leaves: BTreeMap<u16, BTreeMap<Key, Option<Hash>>>,
    nodes: BTreeMap<u16, Hash>,
}

/// A tree with the deltas of some blocks upon it, newest first.
pub(super) struct TreeView<'a> {
    pub(super) base: &'a Tree,
    pub(super) deltas: Vec<&'a TreeDelta>,
}

/// That an entry is in the state behind a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateProof {
    entry: Proof,
    bucket: Proof,
}

impl StateProof {
    /// The only state root under which this proves `leaf` at `key`.
    pub(super) fn root(&self, key: &Key, leaf: Hash) -> Option<Hash> {
        if self.bucket.index() != u32::from(bucket_of(key)) {
            return None;
        }
        self.bucket.root(self.entry.root(leaf)?)
    }
}

impl Tree {
    /// The tree of a state without entries.
    pub(super) fn empty() -> Self {
        let mut nodes = vec![Hash::default(); 2 * usize::from(BUCKETS)];
        // All nodes of one level are the same.
        let (mut level, mut hash) = (usize::from(BUCKETS), merkle::root(&[]));
        while level >= usize::from(TOP) {
            nodes[level..2 * level].fill(hash);
            (level, hash) = (level / 2, join(&hash, &hash));
        }
        Self { buckets: vec![BTreeMap::new(); usize::from(BUCKETS)], nodes }
    }

    pub(super) fn root(&self) -> Hash {
        seal(u32::from(BUCKETS), &self.nodes[usize::from(TOP)])
    }

    pub(super) fn leaf(&self, key: &Key) -> Option<Hash> {
        self.buckets[usize::from(bucket_of(key))].get(key).copied()
    }

    /// The keys in a bucket, in order.
    pub(super) fn keys(&self, bucket: u16) -> impl Iterator<Item = &Key> {
        self.buckets[usize::from(bucket)].keys()
    }

    /// The nodes beside the path from `node` to the top, from below.
    pub(super) fn beside(&self, node: u16) -> Vec<Hash> {
        let path = core::iter::successors(Some(node), |node| Some(node / 2));
        let below_top = path.take_while(|node| *node > TOP);
        below_top.map(|node| self.nodes[usize::from(node ^ 1)]).collect()
    }

    /// The root of a tree that has these leaves, and no others, in `buckets`, which are all below
    /// `node`, and these hashes beside the path from there to the top. The number of buckets is a
    /// power of two.
    pub(super) fn subtree(
        buckets: core::ops::Range<u16>,
        leaves: &BTreeMap<Key, Hash>,
        beside: &[Hash],
        mut node: u16,
    ) -> Hash {
        let mut contents = vec![Vec::new(); buckets.len()];
        for (key, leaf) in leaves {
            contents[usize::from(bucket_of(key) - buckets.start)].push(*leaf);
        }
        let mut level: Vec<Hash> = contents.iter().map(|leaves| merkle::root(leaves)).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| join(&pair[0], &pair[1])).collect();
        }
        let mut hash = level[0];
        for sibling in beside {
            let is_left = node.is_multiple_of(2);
            hash = if is_left { join(&hash, sibling) } else { join(sibling, &hash) };
            node /= 2;
        }
        seal(u32::from(BUCKETS), &hash)
    }

    /// Carries out `delta`, whose base this is.
    pub(super) fn apply(&mut self, delta: TreeDelta) {
        for (bucket, leaves) in delta.leaves {
            merge(&mut self.buckets[usize::from(bucket)], &leaves);
        }
        for (node, hash) in delta.nodes {
            self.nodes[usize::from(node)] = hash;
        }
    }

    /// Proves that the entry at `key` is in the tree, if there is one.
    pub(super) fn prove(&self, key: &Key) -> Option<StateProof> {
        let bucket = bucket_of(key);
        let leaves = &self.buckets[usize::from(bucket)];
        let index = leaves.keys().position(|other| other == key)?;
        let hashes: Vec<Hash> = leaves.values().copied().collect();
        Some(StateProof {
            entry: merkle::prove(&hashes, index)?,
            bucket: Proof::of(bucket, BUCKETS, self.beside(BUCKETS + bucket)),
        })
    }
}

impl TreeView<'_> {
    pub(super) fn leaf(&self, key: &Key) -> Option<Hash> {
        let bucket = bucket_of(key);
        let changed = self
            .deltas
            .iter()
            .find_map(|delta| delta.leaves.get(&bucket).and_then(|leaves| leaves.get(key)));
        changed.copied().unwrap_or_else(|| self.base.leaf(key))
    }

    /// The delta of a block that makes these changes upon this view, and the root after it.
    pub(super) fn change(&self, changes: &BTreeMap<Key, Option<Hash>>) -> (TreeDelta, Hash) {
        let mut delta = TreeDelta::default();
        for (key, leaf) in changes {
            delta.leaves.entry(bucket_of(key)).or_default().insert(*key, *leaf);
        }
        for (bucket, leaves) in &delta.leaves {
            let mut whole = self.bucket(*bucket);
            merge(&mut whole, leaves);
            let hashes: Vec<Hash> = whole.into_values().collect();
            delta.nodes.insert(BUCKETS + bucket, merkle::root(&hashes));
        }
        let mut changed: Vec<u16> = delta.nodes.keys().copied().collect();
        while changed.first().is_some_and(|node| *node > TOP) {
            for node in &mut changed {
                *node /= 2;
            }
            changed.dedup();
            for node in &changed {
                let child =
                    |child| delta.nodes.get(&child).copied().unwrap_or_else(|| self.node(child));
                let hash = join(&child(2 * node), &child(2 * node + 1));
                delta.nodes.insert(*node, hash);
            }
        }
        let top = delta.nodes.get(&TOP).copied().unwrap_or_else(|| self.node(TOP));
        (delta, seal(u32::from(BUCKETS), &top))
    }

    fn node(&self, node: u16) -> Hash {
        let changed = self.deltas.iter().find_map(|delta| delta.nodes.get(&node));
        *changed.unwrap_or(&self.base.nodes[usize::from(node)])
    }

    fn bucket(&self, bucket: u16) -> BTreeMap<Key, Hash> {
        let mut whole = self.base.buckets[usize::from(bucket)].clone();
        for leaves in self.deltas.iter().rev().filter_map(|delta| delta.leaves.get(&bucket)) {
            merge(&mut whole, leaves);
        }
        whole
    }
}

fn merge(bucket: &mut BTreeMap<Key, Hash>, leaves: &BTreeMap<Key, Option<Hash>>) {
    for (key, leaf) in leaves {
        match leaf {
            Some(hash) => bucket.insert(*key, *hash),
            None => bucket.remove(key),
        };
    }
}

pub(super) fn bucket_of(key: &Key) -> u16 {
    let Hash([high, low, ..]) = Hash::of("bitcraps 2026 state bucket", key);
    u16::from_be_bytes([high, low]) % BUCKETS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chain::TableId;

    fn key(number: u32) -> Key {
        Key::Table(TableId(number))
    }

    fn leaf(value: u8) -> Hash {
        Hash::of("bitcraps test leaf", &value)
    }

    /// Computed the long way round: from nothing but the content.
    fn root_of(content: &BTreeMap<Key, Hash>) -> Hash {
        let mut buckets = vec![Vec::new(); usize::from(BUCKETS)];
        for (key, leaf) in content {
            buckets[usize::from(bucket_of(key))].push(*leaf);
        }
        let roots: Vec<Hash> = buckets.iter().map(|leaves| merkle::root(leaves)).collect();
        merkle::root(&roots)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_root_depends_on_the_content_only(
            blocks in prop::collection::vec(
                prop::collection::btree_map(0u32..40, prop::option::of(any::<u8>()), 0..20), 1..6),
            folded in 0usize..6,
        ) {
            let mut content = BTreeMap::new();
            let mut base = Tree::empty();
            let mut deltas: Vec<TreeDelta> = Vec::new();
            for (height, block) in blocks.into_iter().enumerate() {
                let changes = block.into_iter().map(|(number, value)| (key(number), value.map(leaf)));
                let changes: BTreeMap<Key, Option<Hash>> = changes.collect();
                merge(&mut content, &changes);
                let view = TreeView { base: &base, deltas: deltas.iter().rev().collect() };
                let (delta, root) = view.change(&changes);
                prop_assert_eq!(root, root_of(&content));
                deltas.push(delta);
                if height < folded {
                    base.apply(deltas.remove(0));
                }
            }
            let view = TreeView { base: &base, deltas: deltas.iter().rev().collect() };
            prop_assert_eq!(view.change(&BTreeMap::new()).1, root_of(&content));
            for number in 0..40 {
                prop_assert_eq!(view.leaf(&key(number)), content.get(&key(number)).copied());
            }
            deltas.into_iter().for_each(|delta| base.apply(delta));
            prop_assert_eq!(base.root(), root_of(&content));
            for (key, leaf) in &content {
                let proof = base.prove(key).unwrap();
                prop_assert_eq!(proof.root(key, *leaf), Some(base.root()));
                prop_assert_ne!(proof.root(key, Hash::default()), Some(base.root()));
            }
            prop_assert_eq!(base.prove(&key(40)), None);
        }
    }
}
