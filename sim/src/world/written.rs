//! Records that the checks have seen: many nodes write the same, and what is true of one is true of
//! all of them.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Records remembered in each of two generations.
const GENERATION: usize = 4_096;

/// The records that were checked lately, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Written {
    newer: BTreeMap<[u8; 32], Bytes>,
    older: BTreeMap<[u8; 32], Bytes>,
}

impl Written {
    /// The same record, if it was checked lately.
    pub(super) fn find(&self, record: &[u8]) -> Option<Bytes> {
        let hash = blake3::hash(record);
        let known = [&self.newer, &self.older].into_iter().find_map(|it| it.get(hash.as_bytes()));
        known.cloned()
    }

    /// Remembers a record that was checked.
    pub(super) fn insert(&mut self, record: Bytes) {
        self.newer.insert(*blake3::hash(&record).as_bytes(), record);
        if self.newer.len() >= GENERATION {
            self.older = std::mem::take(&mut self.newer);
        }
    }
}
