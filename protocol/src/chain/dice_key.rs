//! How the records of the key generation, and the ends of blocks, change the state: where the run
//! stands, its deals, and the key that is in force.

use alloc::boxed::Box;

use super::body::BODY_RECORDS;
use super::execute::Execution;
use super::memo::Memo;
use super::state::{Entry, Key};
use crate::beacon::generation::{Advance, BadRecord, Generation, Statement, VerifiedRecord};
use crate::block::ValidatorIndex;
use crate::wire::Hash;

impl Execution<'_> {
    /// Carries out a record, or says why it cannot be in this block at this place.
    pub(super) fn key_generation(&mut self, record: &VerifiedRecord) -> Result<(), BadRecord> {
        if self.records >= BODY_RECORDS {
            return Err(BadRecord::NoRoom);
        }
        let mut generation = self.writes.generation().ok_or(BadRecord::NoGeneration)?.clone();
        let deals = |version, dealer| self.writes.deal(version, dealer);
        let before = generation.excluded.clone();
        generation.apply(self.terms.network, record, &deals)?;
        self.records += 1;
        self.effects.excluded.extend(generation.excluded.difference(&before));
        let statement = &record.record().statement;
        if let Statement::Deal(deal) = statement {
            let key = Key::Deal(generation.epoch, generation.version, record.record().author);
            self.writes.set(key, Entry::Deal(deal.clone()));
        }
        self.set_generation(generation);
        Ok(())
    }

    /// Whether a record could be in this block, as far as that costs nothing to tell.
    pub(super) fn expects(&self, record: &VerifiedRecord) -> Result<(), BadRecord> {
        let generation = self.writes.generation().ok_or(BadRecord::NoGeneration)?;
        generation.expects(self.terms.network, record)
    }

    /// Brings the key generation forward at the end of the block. Rolls in the block were still
    /// under the key of the state below it.
    pub(super) fn advance_generation(&mut self, memo: &mut Memo) {
        let Some(before) = self.writes.generation() else { return };
        let mut generation = before.clone();
        let deals = |version, dealer| self.writes.deal(version, dealer);
        let (version, dealers) = (generation.version, generation.deals.clone());
        match generation.advance(self.slot.height, |closing| memo.sum(closing, &deals)) {
            Advance::Nothing | Advance::Dealt => {}
            Advance::Made(key) => {
                let uncounted = dealers.into_keys().filter(|it| generation.excluded.contains(it));
                self.forget_deals(&generation, version, uncounted);
                let meta = self.writes.meta_mut();
                meta.dice_key = Some(version);
                meta.dice_key_hash = key.hash();
                self.writes.set(Key::DiceKey(generation.epoch, version), Entry::DiceKey(key));
            }
            Advance::Restarted(dealers) => self.forget_deals(&generation, version, dealers),
            Advance::Retired => {
                let meta = self.writes.meta_mut();
                meta.dice_key = None;
                meta.dice_key_hash = Hash::default();
            }
        }
        let pending = &self.writes.meta().pending;
        let waited = |version| pending.iter().any(|roll| roll.key_version == version);
        let forgotten = generation.forget(waited);
        for (version, dealers) in forgotten {
            self.forget_deals(&generation, version, dealers);
        }
        if self.writes.generation() != Some(&generation) {
            self.set_generation(generation);
        }
    }

    fn forget_deals(
        &mut self,
        generation: &Generation,
        version: u32,
        dealers: impl IntoIterator<Item = ValidatorIndex>,
    ) {
        for dealer in dealers {
            self.writes.remove_deal(generation.epoch, version, dealer);
        }
    }

    fn set_generation(&mut self, generation: Generation) {
        self.writes.set(Key::Generation, Entry::Generation(Box::new(generation)));
    }
}
