//! Records that the checks have seen: many nodes write the same, and what is true of one is true of
//! all of them.

use std::collections::BTreeSet;

/// Records remembered in each of two generations.
const GENERATION: usize = 4_096;

/// The hashes of records that were checked lately.
#[derive(Debug, Default)]
pub(super) struct Written {
    newer: BTreeSet<[u8; 32]>,
    older: BTreeSet<[u8; 32]>,
}

impl Written {
    /// Whether such a record was checked lately.
    pub(super) fn contains(&self, record: &[u8]) -> bool {
        let hash = blake3::hash(record);
        [&self.newer, &self.older].into_iter().any(|those| those.contains(hash.as_bytes()))
    }

    /// Remembers a record that was checked.
    pub(super) fn insert(&mut self, record: &[u8]) {
        self.newer.insert(*blake3::hash(record).as_bytes());
        if self.newer.len() >= GENERATION {
            self.older = std::mem::take(&mut self.newer);
        }
    }
}
