//! The blocks above the newest final one, by hash: headers, bodies and whether they were executed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Block;
use crate::block::{BlockHash, Header, View};

/// What is known of a block's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its parent's state is not known yet.
    Unknown,
    /// The chain executed it and found what its header says.
    Valid,
    /// The chain refused it.
    Invalid,
}

#[derive(Debug)]
struct Entry {
    block: Arc<Block>,
    verdict: Verdict,
    /// A quorum notarized it.
    certified: bool,
}

/// The unfinalized blocks, rooted at the newest final one.
#[derive(Debug)]
pub(super) struct Tree {
    root: Header,
    root_hash: BlockHash,
    entries: BTreeMap<BlockHash, Entry>,
}

impl Tree {
    /// A tree of nothing but its root. Genesis is named by the network id, not by a header's hash.
    pub(super) const fn new(root: Header, root_hash: BlockHash) -> Self {
        Self { root, root_hash, entries: BTreeMap::new() }
    }

    pub(super) const fn root(&self) -> &Header {
        &self.root
    }

    pub(super) const fn root_hash(&self) -> BlockHash {
        self.root_hash
    }

    /// Adds a block above the root; one that is known already stays as it is.
    pub(super) fn insert(&mut self, block: Arc<Block>) {
        if block.header.height > self.root.height {
            let entry = Entry { block: block.clone(), verdict: Verdict::Unknown, certified: false };
            self.entries.entry(block.hash()).or_insert(entry);
        }
    }

    /// All blocks above the root.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.entries.values().map(|entry| &entry.block)
    }

    pub(super) fn block(&self, hash: &BlockHash) -> Option<&Arc<Block>> {
        self.entries.get(hash).map(|entry| &entry.block)
    }

    /// The header of a block or of the root.
    pub(super) fn header(&self, hash: &BlockHash) -> Option<&Header> {
        if *hash == self.root_hash {
            return Some(&self.root);
        }
        self.entries.get(hash).map(|entry| &entry.block.header)
    }

    /// Whether the state after this block is known.
    pub(super) fn is_executed(&self, hash: &BlockHash) -> bool {
        *hash == self.root_hash || self.verdict(hash) == Some(Verdict::Valid)
    }

    pub(super) fn verdict(&self, hash: &BlockHash) -> Option<Verdict> {
        self.entries.get(hash).map(|entry| entry.verdict)
    }

    /// A quorum notarized this block: it is kept until the root passes it.
    pub(super) fn certify(&mut self, hash: &BlockHash) {
        if let Some(entry) = self.entries.get_mut(hash) {
            entry.certified = true;
        }
    }

    pub(super) fn judge(&mut self, hash: &BlockHash, verdict: Verdict) {
        if let Some(entry) = self.entries.get_mut(hash) {
            entry.verdict = verdict;
        }
    }

    /// The path from the root's child to `hash`, or the hash of the first block missing on it.
    pub(super) fn path(&self, hash: &BlockHash) -> Result<Vec<BlockHash>, BlockHash> {
        let mut path = Vec::new();
        let mut next = *hash;
        while next != self.root_hash {
            let entry = self.entries.get(&next).ok_or(next)?;
            path.push(next);
            next = entry.block.header.parent.hash;
        }
        path.reverse();
        Ok(path)
    }

    /// The first block that is missing on the path from the root to `hash`, if one is.
    pub(super) fn missing(&self, hash: &BlockHash) -> Option<BlockHash> {
        let mut next = *hash;
        while next != self.root_hash {
            match self.entries.get(&next) {
                Some(entry) => next = entry.block.header.parent.hash,
                None => return Some(next),
            }
        }
        None
    }

    /// How many blocks lie between the root and `hash`, as far as they are known.
    pub(super) fn depth(&self, hash: &BlockHash) -> u64 {
        self.header(hash).map_or(0, |header| header.height.0.saturating_sub(self.root.height.0))
    }

    /// Makes a child of the root the new root, and drops everything that does not descend from it.
    pub(super) fn finalize(&mut self, hash: &BlockHash) -> Arc<Block> {
        let entry = self.entries.remove(hash).expect("a block is finalized once, with its body");
        assert_eq!(entry.block.header.parent.hash, self.root_hash, "finalized in order");
        self.root = entry.block.header;
        self.root_hash = *hash;
        let mut ordered: Vec<_> = self
            .entries
            .iter()
            .map(|(hash, entry)| (entry.block.header.height, *hash, entry.block.header.parent.hash))
            .collect();
        ordered.sort_unstable();
        let mut kept = BTreeSet::from([*hash]);
        for (height, hash, parent) in ordered {
            // A block whose parent is not known here may yet turn out to descend from the root.
            let unrooted = height > self.root.height.next() && !self.entries.contains_key(&parent);
            if height > self.root.height && (kept.contains(&parent) || unrooted) {
                kept.insert(hash);
            } else {
                self.entries.remove(&hash);
            }
        }
        entry.block
    }

    /// Makes a block whose ancestors are not here the root, and drops everything below it.
    pub(super) fn adopt(&mut self, root: Header) {
        self.root_hash = root.hash();
        self.entries.retain(|_, entry| entry.block.header.height > root.height);
        for entry in self.entries.values_mut() {
            // Whatever it was judged by is gone.
            entry.verdict = Verdict::Unknown;
        }
        self.root = root;
    }

    /// Drops blocks of views before `view` that no quorum notarized.
    pub(super) fn prune(&mut self, view: View) {
        self.entries.retain(|_, entry| entry.block.header.view >= view || entry.certified);
    }
}
