//! Binary Merkle trees over lists of hashes, of the shape of RFC 6962: pairs are joined level by
//! level, and a node without a partner moves up as it is. The root covers the number of leaves.
//! Leaves are hashed by their owners, each kind under a domain tag of its own, so that a leaf is
//! never mistaken for a node.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::wire::{Hash, List};

/// Levels that a tree of at most 2^32 leaves can have.
const LEVELS: usize = 32;

/// That a leaf is in the list behind a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    index: u32,
    leaves: u32,
    siblings: List<Hash, LEVELS>,
}

impl Proof {
    /// That the leaf at `index` is among so many `leaves`, a power of two, with these nodes beside
    /// its path to the top, from below.
    pub(super) fn of(index: u16, leaves: u16, beside: Vec<Hash>) -> Self {
        let siblings = List::new(beside).expect("fewer than 2^32 leaves have at most 32 levels");
        Self { index: index.into(), leaves: leaves.into(), siblings }
    }

    /// The leaf's place in the list.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The only root under which this proves `leaf`, or `None` if it proves nothing.
    pub fn root(&self, leaf: Hash) -> Option<Hash> {
        if self.index >= self.leaves {
            return None;
        }
        let mut siblings = self.siblings.iter();
        let (mut index, mut width, mut node) = (self.index, self.leaves, leaf);
        while width > 1 {
            if index ^ 1 < width {
                let sibling = siblings.next()?;
                node = if index % 2 == 0 { join(&node, sibling) } else { join(sibling, &node) };
            }
            (index, width) = (index / 2, width.div_ceil(2));
        }
        siblings.next().is_none().then(|| seal(self.leaves, &node))
    }
}

/// The root over `leaves`.
pub(super) fn root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level);
    }
    seal(count(leaves), &level.first().copied().unwrap_or_default())
}

/// Proves that the leaf at `index` is in `leaves`; `None` if there is no such leaf.
pub(super) fn prove(leaves: &[Hash], index: usize) -> Option<Proof> {
    let mut at = index;
    let mut level = leaves.to_vec();
    level.get(at)?;
    let mut siblings = Vec::new();
    while level.len() > 1 {
        siblings.extend(level.get(at ^ 1));
        level = above(&level);
        at /= 2;
    }
    let siblings = List::new(siblings).expect("fewer than 2^32 leaves have at most 32 levels");
    let index = u32::try_from(index).expect("the index is below the number of leaves");
    Some(Proof { index, leaves: count(leaves), siblings })
}

/// The node above two others.
pub(super) fn join(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Hash::hasher("bitcraps 2026 merkle node");
    Hash::from(hasher.update(&left.0).update(&right.0))
}

/// The root of a tree with this topmost node.
pub(super) fn seal(leaves: u32, top: &Hash) -> Hash {
    let mut hasher = Hash::hasher("bitcraps 2026 merkle root");
    Hash::from(hasher.update(&leaves.to_le_bytes()).update(&top.0))
}

fn above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => join(left, right),
            lone => lone[0],
        })
        .collect()
}

fn count(leaves: &[Hash]) -> u32 {
    u32::try_from(leaves.len()).expect("lists in memory are shorter than 2^32 hashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| Hash::of("bitcraps test leaf", &number)).collect()
    }

    #[test]
    fn every_leaf_of_every_size_is_proved_under_its_root_alone() {
        for size in 1..40 {
            let list = leaves(size);
            let top = root(&list);
            for (index, leaf) in list.iter().enumerate() {
                let proof = prove(&list, index).unwrap();
                assert_eq!(proof.root(*leaf), Some(top));
                assert_ne!(proof.root(Hash::default()), Some(top));
                let elsewhere = Proof { index: proof.index ^ 1, ..proof.clone() };
                assert_ne!(elsewhere.root(*leaf), Some(top));
                let shorter = Proof { leaves: proof.leaves - 1, ..proof };
                assert_ne!(shorter.root(*leaf), Some(top));
            }
            assert_eq!(prove(&list, list.len()), None);
        }
    }

    #[test]
    fn the_root_covers_the_number_of_leaves() {
        let roots: alloc::collections::BTreeSet<Hash> =
            (0..40).map(|size| root(&leaves(size))).collect();
        assert_eq!(roots.len(), 40);
    }
}
