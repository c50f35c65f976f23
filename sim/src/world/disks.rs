//! Journals: what is written, when it is durable, and what a crash leaves of it.

use bitcraps_protocol::event::{Event, Label, Position, Record};
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::time::Time;

use super::{Step, World};
use crate::checks::Check;
use crate::disk::Crash;
use crate::queue::Queue as _;
use crate::recorder::Kind;

impl World {
    pub(super) fn persist(&mut self, place: usize, position: Position, mut record: Record) {
        self.digest.word(position.0);
        self.digest.bytes(&record.bytes);
        let mut vote = None;
        let known = self.written.find(&record.bytes);
        if let Some(known) = known {
            // Many disks hold one copy.
            record.bytes = known;
        } else if self.is_sound(place) {
            match Entry::from_bytes(&record.bytes) {
                // To be looked at each time: it may have been lost before it was durable.
                Ok(Entry::Vote(written)) => vote = Some(written),
                Ok(entry) => {
                    self.checks.written(self.now, place, &entry);
                    self.written.insert(record.bytes.clone());
                }
                Err(_) => {
                    self.violate(Check::Recovery, place, "a record cannot be read back".into());
                }
            }
        }
        if let Label::Base { height, follows: false } = record.label {
            self.checks.fetched(place, height);
        }
        let it = &mut self.places[place];
        let Some(count) = it.disk.append(position, record) else {
            // A driver that cannot write must stop.
            self.count("disk full");
            self.lose_unsynced(place, Crash::default());
            return self.stop(place);
        };
        it.promises.extend(vote.map(|vote| (count, vote)));
        let delay = self.config.disk.draw(&mut it.syncs);
        let at = Time::from_micros(self.now.as_micros() + delay).max(it.synced_at);
        it.synced_at = at;
        let (life, count) = (it.life, count as u32);
        self.queue.push(at, Step::Synced { place: place as u32, life, count });
    }

    pub(super) fn synced(&mut self, place: usize, life: u32, count: u32) {
        let it = &mut self.places[place];
        if it.life != life || it.process.is_none() {
            return;
        }
        let Some(position) = it.disk.synced(count as usize) else { return };
        self.note(Kind::Persisted, place, position.0);
        self.promise(place);
        self.give(place, Event::Persisted { position });
    }

    /// Tells the checks which votes have become durable.
    fn promise(&mut self, place: usize) {
        let it = &mut self.places[place];
        let durable = it.disk.durable();
        while let Some((_, vote)) = it.promises.front().copied().filter(|(at, _)| *at <= durable) {
            it.promises.pop_front();
            self.checks.promised(self.now, place, vote);
        }
    }

    pub(super) fn crash(&mut self, place: usize, kept_permille: u32, lied: u32) {
        if self.places[place].process.is_none() {
            return;
        }
        self.count("crash");
        let (lost, broken) = self.lose_unsynced(place, Crash { kept_permille, lied });
        if lost > 0 {
            self.count("records lost in a crash");
        }
        if lost > 0 && kept_permille > 0 {
            self.count("torn tail");
        }
        if broken > 0 {
            self.count("disk lied");
        }
        self.stop(place);
    }

    /// Loses what a disk loses when its process ends; how many records that were not durable, and
    /// how many that were.
    pub(super) fn lose_unsynced(&mut self, place: usize, crash: Crash) -> (usize, usize) {
        let lost = self.places[place].disk.crash(crash);
        // What survived without having been synced is as good as durable.
        self.promise(place);
        self.places[place].promises.clear();
        lost
    }

    pub(super) fn wipe(&mut self, place: usize) {
        self.count("disk wiped");
        self.stop(place);
        self.places[place].disk.wipe();
        // The invitation is still there.
        self.places[place].keys = super::keys(&self.config);
        self.places[place].promises.clear();
        self.places[place].lost = true;
    }
}
