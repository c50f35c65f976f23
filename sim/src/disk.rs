//! A node's journal: what was written, and how much of it survives.
//!
//! Records are written at once and durable a while later. A crash keeps some of those that were
//! not durable yet; of the first that is lost a torn piece may remain, which a driver recognises by
//! its checksum and drops, so that here it only counts. A durable record that is damaged later is
//! another matter: the journal is refused.

use std::collections::{BTreeMap, BTreeSet};

use bitcraps_protocol::event::{Key, Label, Position, Record};
use bitcraps_protocol::journal::Beginnings;
use bytes::Bytes;

/// One node's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    records: Vec<Record>,
    durable: usize,
    index: BTreeMap<Key, usize>,
    /// Records whose checksum is wrong.
    damaged: BTreeSet<usize>,
    /// Whether nothing more fits.
    pub full: bool,
    /// Whether nothing can be read.
    pub unreadable: bool,
}

/// A record cannot be read, or its checksum is wrong: whoever needs it must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

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
        if let Label::Block(height) = record.label {
            self.index.insert(Key::Block(height), self.records.len());
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
    ///
    /// # Errors
    ///
    /// If the disk cannot be read there.
    pub fn load(&self, key: &Key) -> Result<Option<Bytes>, Damaged> {
        match self.index.get(key) {
            Some(place) if self.unreadable || self.damaged.contains(place) => Err(Damaged),
            Some(place) => Ok(Some(self.records[*place].bytes.clone())),
            None => Ok(None),
        }
    }

    /// Damages the durable record that so many of a thousand are older than, if there is one.
    pub fn rot(&mut self, permille: u32) {
        let place = self.durable * permille.min(999) as usize / 1_000;
        if place < self.durable {
            self.damaged.insert(place);
        }
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

    /// What a restarted process reads: the newest base whose snapshot is whole, or the beginning,
    /// and all that follows.
    ///
    /// # Errors
    ///
    /// If one of these records was durable and is damaged. A driver then refuses the whole journal,
    /// since who has forgotten a promise may promise the opposite.
    pub fn image(&self) -> Result<(Position, Vec<Record>), Damaged> {
        let mut beginnings = Beginnings::default();
        for (position, record) in (0..).map(Position).zip(&self.records) {
            beginnings.note(position, record.label);
        }
        let begins = beginnings.newest().unwrap_or_default();
        let first = begins.0 as usize;
        if self.damaged.range(first..).next().is_some() {
            return Err(Damaged);
        }
        Ok((begins, self.records[first..].to_vec()))
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
        self.damaged.retain(|place| *place < length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(records: usize, durable: usize) -> Disk {
        let mut disk = Disk::default();
        for place in 0..records {
            let record = Record { label: Label::Plain, bytes: Bytes::from(vec![place as u8]) };
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
    fn a_journal_with_a_damaged_record_is_refused_until_it_is_thrown_away() {
        let mut disk = disk(10, 8);
        let height = bitcraps_protocol::block::Height(1);
        disk.index.insert(Key::Block(height), 4);
        assert!(disk.image().is_ok());
        assert!(matches!(disk.load(&Key::Block(height)), Ok(Some(_))));
        disk.rot(500);
        assert_eq!(disk.image(), Err(Damaged));
        assert_eq!(disk.load(&Key::Block(height)), Err(Damaged));
        assert_eq!(disk.load(&Key::Block(height.next())), Ok(None));
        disk.wipe();
        assert_eq!(disk.image(), Ok((Position(0), Vec::new())));
        disk.rot(500);
        assert_eq!(disk.image(), Ok((Position(0), Vec::new())), "nothing is durable");
    }

    #[test]
    fn a_disk_that_cannot_be_read_gives_nothing_back() {
        let mut disk = disk(3, 3);
        let key = Key::Block(bitcraps_protocol::block::Height(1));
        disk.index.insert(key, 1);
        disk.unreadable = true;
        assert_eq!(disk.load(&key), Err(Damaged));
    }

    #[test]
    fn a_full_disk_takes_no_record_and_an_old_sync_is_no_news() {
        let mut disk = disk(3, 2);
        disk.full = true;
        let record = Record { label: Label::Plain, bytes: Bytes::new() };
        assert_eq!(disk.append(Position(3), record), None);
        assert_eq!(disk.synced(2), None);
        assert_eq!(disk.synced(9), None);
    }
}
