//! A node's dice: a beacon for each dice key, and its part in making them. Beacons are made of final
//! keys only: what another fork calls by the same name may be another key.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::packet::Packet;
use super::{Node, OFFER_INTERVAL};
use crate::beacon::generation::{SignedRecord, Step, Untrue};
use crate::beacon::{self, Beacon, CoinShare, DiceKeyId, SealingSecret};
use crate::block::{BlockHash, ValidatorIndex, View};
use crate::chain::{Offence, RecordRefusal};
use crate::event::{Fault, LinkId, Notice};
use crate::mesh::Attempt;
use crate::time::Time;

/// The pause between two pieces of work on a key, for whatever else there is to do.
const WORK_PAUSE: Duration = Duration::from_millis(1);

impl Node {
    /// Makes beacons for the keys of the finalized state that are in force or waited for, and lets
    /// the others go.
    pub(super) fn follow_keys(&mut self) {
        let meta = self.chain.state().meta();
        let epoch = meta.epoch;
        let in_force = meta.dice_key.map(|version| DiceKeyId { epoch, version });
        let mut wanted: BTreeSet<DiceKeyId> = self.pending().into_values().collect();
        wanted.extend(in_force);
        // A roll that is not known to be settled yet still has its beacon to be told.
        wanted.extend(self.rolling.values());
        self.beacons.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if !self.beacons.contains_key(&key) {
                let mut beacon = self.new_beacon(key);
                beacon.handle(self.now, beacon::Input::Entered { view: self.consensus.view() });
                self.beacons.insert(key, beacon);
            }
        }
    }

    fn new_beacon(&self, id: DiceKeyId) -> Beacon {
        let key = self.chain.state().dice_key(id.epoch, id.version);
        let key = key.expect("every key that was in force is kept");
        let key = key.table_by(&self.hooks);
        let secret = self.genesis.dealt().and_then(|dealt| {
            let index = self.consensus.validators().index(&self.keypair.peer())?;
            dealt.open_share(index, &SealingSecret::of(&self.keypair)).ok()
        });
        Beacon::new(beacon::Setup {
            network: self.chain.network(),
            epoch: id.epoch,
            key: key.expect("checked before it came into force"),
            secret,
            release: self.genesis.dice_release,
            config: self.beacon_config,
        })
        .with_hooks(self.hooks.clone())
    }

    /// The views whose rolls wait for their coin in the finalized state, with their keys.
    pub(super) fn pending(&self) -> BTreeMap<View, DiceKeyId> {
        let pending = self.chain.state().meta().pending.iter();
        let named = |roll: &crate::chain::PendingRoll| {
            (roll.view, DiceKeyId { epoch: roll.epoch, version: roll.key_version })
        };
        pending.map(named).collect()
    }

    pub(super) fn tell_beacons(&mut self, input: beacon::Input) {
        for beacon in self.beacons.values_mut() {
            beacon.handle(self.now, input);
        }
    }

    pub(super) fn tell_beacon(&mut self, key: DiceKeyId, input: beacon::Input) {
        if let Some(beacon) = self.beacons.get_mut(&key) {
            beacon.handle(self.now, input);
        }
    }

    pub(super) fn beacons_deadline(&self) -> Option<Time> {
        self.beacons.values().filter_map(Beacon::deadline).min()
    }

    pub(super) fn poll_beacons(&mut self) -> Option<(DiceKeyId, beacon::Output)> {
        self.beacons.iter_mut().find_map(|(key, beacon)| Some((*key, beacon.poll()?)))
    }

    /// Hands a share to the beacon of its key, and tells whether it is known to be good. Of a key
    /// that is not final here nobody knows anything.
    pub(super) fn is_sound(
        &mut self,
        key: DiceKeyId,
        link: LinkId,
        view: View,
        index: ValidatorIndex,
        share: CoinShare,
    ) -> bool {
        self.tell_beacon(key, beacon::Input::Share { link, index, view, share });
        let Some(beacon) = self.beacons.get(&key) else { return false };
        let is_sound = beacon.vouches_for(view, index, &share);
        if let Some(public) = beacon.public_key(index).filter(|_| is_sound) {
            self.chain.vouch(key, view, public, share);
        }
        is_sound
    }

    pub(super) fn known_shares(
        &self,
        key: DiceKeyId,
        view: View,
    ) -> Vec<(ValidatorIndex, CoinShare)> {
        self.beacons.get(&key).map(|beacon| beacon.known_shares(view)).unwrap_or_default()
    }

    /// Whom to ask for shares, after so many times: one neighbour, then two others, then four, and at
    /// last all. Each answers with all that lack.
    pub(super) fn to_ask(&self, view: View, times: u32) -> Vec<LinkId> {
        let mut links: Vec<LinkId> = self.mesh.peers().map(|known| known.link).collect();
        let count = links.len().min(1 << times.min(16));
        let first = (view.0 + (1 << times.min(16))) as usize % links.len().max(1);
        links.rotate_left(first);
        links.truncate(count);
        links
    }

    /// R1: the own share for the rolls in `block`, whose `finalize` vote is about to leave; `None`
    /// as long as their key is not final here. Then R2 will do.
    pub(super) fn vote_for_rolls(
        &mut self,
        view: View,
        block: &BlockHash,
    ) -> Option<(DiceKeyId, CoinShare)> {
        let (key, hash) = self.chain.roll_key(block)?;
        let known = self.chain.state().dice_key(key.epoch, key.version)?;
        if known.hash() != hash {
            return None;
        }
        let beacon = self.beacons.get_mut(&key)?;
        beacon.handle(self.now, beacon::Input::Voted { view });
        Some((key, beacon.attachment(view)?))
    }

    /// There may be something to do for a dice key.
    pub(super) fn expect_work(&mut self) {
        if self.participant.is_some() {
            self.work_at.get_or_insert(self.now + WORK_PAUSE);
        }
    }

    /// Does one piece of this validator's part in making a dice key, if it is time.
    pub(super) fn work_on_key(&mut self) {
        if self.work_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.work_at = None;
        // Before the own attest: once all have attested, the key may be made in the next block.
        if self.chain.work_ahead() {
            self.expect_work();
            return;
        }
        let (chain, participant) = (&self.chain, &mut self.participant);
        let (Some(generation), Some(participant)) = (chain.state().generation(), participant)
        else {
            return;
        };
        let index = participant.index();
        let deals = |version, dealer| chain.state().deal(version, dealer);
        match participant.step(generation, &deals, |kind| chain.is_said(index, kind)) {
            Step::Idle => return,
            Step::Opened => {}
            Step::Share(key, secret) => {
                if let Some(beacon) = self.beacons.get_mut(&key) {
                    beacon.adopt(secret);
                }
            }
            Step::Say(signed) => {
                // Whoever is behind and forgot may have said more than it knows.
                if self.chain.submit_record(signed.clone()).is_err() {
                    return;
                }
                self.broadcast(&Packet::KeyGeneration(signed), Attempt::default());
                self.offer_at = self.offer_at.max(self.now + OFFER_INTERVAL);
            }
        }
        self.expect_work();
    }

    /// What this validator says to make a dice key that waits to be ordered.
    pub(super) fn own_records(&self) -> impl Iterator<Item = &SignedRecord> {
        let participant = self.participant.iter();
        participant.flat_map(|participant| self.chain.records_of(participant.index()))
    }

    pub(super) fn on_record(&mut self, link: LinkId, signed: SignedRecord) {
        match self.chain.submit_record(signed) {
            Ok(()) | Err(RecordRefusal::Known) => self.relay(),
            Err(RecordRefusal::Untrue(untrue)) => match untrue {
                Untrue::Malformed(malformed) => self.penalise(link, malformed.into()),
                Untrue::NotAMember => self.penalise(link, Fault::NotAValidator),
                Untrue::BadSignature => self.penalise(link, Fault::BadSignature),
                // Of a later epoch, perhaps; a bad deal is evidence.
                Untrue::Epoch | Untrue::BadDeal(..) => {}
            },
            Err(RecordRefusal::Evidence(evidence)) => {
                self.accuse(evidence.author, evidence.offence.what());
                match evidence.offence {
                    // An honest neighbour would have seen that, and passed nothing on.
                    Offence::BadDeal | Offence::FalseComplaint => {
                        self.penalise(link, Fault::Malformed);
                    }
                    Offence::TwoDeals => {}
                }
            }
            // This node may be behind, or the neighbour: nobody's fault, and nothing to pass on.
            Err(RecordRefusal::Bad(_) | RecordRefusal::Occupied) => {}
        }
    }

    /// Reports what a validator did, the first time.
    pub(super) fn accuse(&mut self, validator: ValidatorIndex, what: &'static str) {
        if self.accused.insert(validator) {
            self.notify(Notice::Evidence { validator, what });
        }
    }
}
