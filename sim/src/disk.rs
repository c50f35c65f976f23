//! A node's journal: what was written, and how much of it survives.
//!
//! Records are written at once and durable a while later. A crash keeps some of those that were
//! not durable yet; of the first that is lost a torn piece may remain, which a driver recognises by
//! its checksum and drops, so that here it only counts.

use std::collections::BTreeMap;

use bitcraps_protocol::event::{Key, Position, Record};
use bytes::Bytes;

/// One node's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    records: Vec<Record>,
    durable: usize,
    index: BTreeMap<Key, usize>,
    /// Whether nothing more fits.
    pub full: bool,
}

/// What a crash does to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// Of a thousand records that are not durable, how many survive.
    pub kept_permille: u32,
    /// How many durable records are lost all the same, because the disk lied about them.
    pub lied: u32,
}

impl Disk {
    /// Writes a record, which is not durable yet; how many there are now, or `None` if it is full.
    pub fn append(&mut self, position: Position, record: Record) -> Option<usize> {
        assert_eq!(position, Position(self.records.len() as u64), "positions are consecutive");
        if self.full {
            return None;
        }
        if let Some(key) = record.key {
            self.index.insert(key, self.records.len());
        }
        self.records.push(record);
        Some(self.records.len())
    }

    /// The first `count` records are durable now; the position to tell, if that is news.
    pub fn synced(&mut self, count: usize) -> Option<Position> {
        if count > self.records.len() || count <= self.durable {
            return None;
        }
        self.durable = count;
        Some(Position(count as u64 - 1))
    }

    /// What is found under `key`.
    pub fn load(&self, key: &Key) -> Option<Bytes> {
        self.index.get(key).map(|place| self.records[*place].bytes.clone())
    }

    /// Loses what a crash loses; how many records that were not durable, and how many that were.
    pub fn crash(&mut self, crash: Crash) -> (usize, usize) {
        let pending = self.records.len() - self.durable;
        let kept = pending * crash.kept_permille.min(1_000) as usize / 1_000;
        let lied = (crash.lied as usize).min(self.durable);
        let length = if lied > 0 { self.durable - lied } else { self.durable + kept };
        self.truncate(length);
        (pending - if lied > 0 { 0 } else { kept }, lied)
    }

    /// Loses everything.
    pub fn wipe(&mut self) {
        self.truncate(0);
    }

    /// What a restarted process finds.
    pub fn image(&self) -> Vec<Record> {
        self.records.clone()
    }

    /// The records written so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many of them are durable.
    pub const fn durable(&self) -> usize {
        self.durable
    }

    fn truncate(&mut self, length: usize) {
        self.records.truncate(length);
        self.durable = length;
        self.index.retain(|_, place| *place < length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(records: usize, durable: usize) -> Disk {
        let mut disk = Disk::default();
        for place in 0..records {
            let record = Record { key: None, bytes: Bytes::from(vec![place as u8]) };
            assert_eq!(disk.append(Position(place as u64), record), Some(place + 1));
        }
        assert_eq!(disk.synced(durable), Some(Position(durable as u64 - 1)));
        disk
    }

    #[test]
    fn a_crash_keeps_what_is_durable_and_a_prefix_of_the_rest() {
        let mut disk = disk(10, 4);
        assert_eq!(disk.crash(Crash { kept_permille: 500, lied: 0 }), (3, 0));
        assert_eq!((disk.records().len(), disk.durable()), (7, 7));
    }

    #[test]
    fn a_disk_that_lied_loses_what_was_durable() {
        let mut disk = disk(10, 4);
        assert_eq!(disk.crash(Crash { kept_permille: 1_000, lied: 2 }), (6, 2));
        assert_eq!(disk.records().len(), 2);
    }

    #[test]
    fn a_full_disk_takes_no_record_and_an_old_sync_is_no_news() {
        let mut disk = disk(3, 2);
        disk.full = true;
        let record = Record { key: None, bytes: Bytes::new() };
        assert_eq!(disk.append(Position(3), record), None);
        assert_eq!(disk.synced(2), None);
        assert_eq!(disk.synced(9), None);
    }
}
