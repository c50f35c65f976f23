//! One validator's part in the key generation: it deals, opens what others dealt, attests, and
//! comes to its share of the key. It remembers nothing that it could not find again in the chain,
//! and derives its secrets, so that a crash at any moment loses nothing.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use curve25519_dalek::scalar::Scalar;
use zeroize::Zeroizing;

use super::{
    Attest, Complaint, Deal, Deals, Generation, Kind, Record, SignedRecord, Stage, Statement,
};
use crate::beacon::key::{DiceKeyId, ShareSecret};
use crate::beacon::sealing::SealingSecret;
use crate::block::ValidatorIndex;
use crate::identity::{Keypair, NetworkId};
use crate::wire::List;

/// One member, with its secrets.
pub struct Participant {
    network: NetworkId,
    index: ValidatorIndex,
    keypair: Keypair,
    sealing: SealingSecret,
    /// What was opened of the present run and of retired keys that are still waited for, by
    /// version. Never more runs than [`Generation`] names.
    opened: BTreeMap<u32, BTreeMap<ValidatorIndex, Opened>>,
    /// The keys of which the share was handed out.
    done: BTreeSet<u32>,
}

type Opened = Result<Zeroizing<Scalar>, Complaint>;

/// What one step came to.
#[derive(Debug)]
pub enum Step {
    /// There is nothing to do.
    Idle,
    /// Something was opened; there may be more to do.
    Opened,
    /// Say this on the chain.
    Say(SignedRecord),
    /// This is the own share of this key.
    Share(DiceKeyId, ShareSecret),
}

impl Participant {
    /// The part of `keypair`'s holder, who is member `index`.
    pub fn new(network: NetworkId, index: ValidatorIndex, keypair: &Keypair) -> Self {
        Self {
            network,
            index,
            keypair: keypair.clone(),
            sealing: SealingSecret::of(keypair),
            opened: BTreeMap::new(),
            done: BTreeSet::new(),
        }
    }

    /// Which member it is.
    pub const fn index(&self) -> ValidatorIndex {
        self.index
    }

    /// Does one piece of work: makes one deal, opens one share, or says that all are open. `deals`
    /// are those of the final blocks that `generation` is the state of, and `is_said` tells which
    /// of this run's records were said, even if they are not in a block yet.
    pub fn step(
        &mut self,
        generation: &Generation,
        deals: &Deals<'_>,
        is_said: impl Fn(Kind) -> bool,
    ) -> Step {
        let Generation { version, retired, .. } = generation;
        let is_live = |of: &u32| of == version || retired.contains_key(of);
        self.opened.retain(|of, _| is_live(of));
        self.done.retain(is_live);
        if let Stage::Dealing { .. } = generation.stage
            && !generation.deals.contains_key(&self.index)
            && !generation.excluded.contains(&self.index)
            && !is_said(Kind::Deal)
        {
            return Step::Say(self.deal(generation));
        }
        if let Some((version, dealer, deal)) = self.unopened(generation, deals) {
            let run = generation.run_of(self.network, version);
            let opened = deal.open(&run, dealer, self.index, &self.sealing);
            self.opened.entry(version).or_default().insert(dealer, opened);
            return Step::Opened;
        }
        if let Stage::Attesting { .. } | Stage::Active = generation.stage
            && !generation.attested.contains(&self.index)
            && !is_said(Kind::Attest)
        {
            return Step::Say(self.attest(generation));
        }
        for (version, dealers) in made(generation) {
            if self.done.insert(version)
                && let Some(share) = self.share(version, dealers)
            {
                return Step::Share(DiceKeyId { epoch: generation.epoch, version }, share);
            }
        }
        Step::Idle
    }

    fn deal(&self, generation: &Generation) -> SignedRecord {
        let run = generation.run(self.network);
        let keys = generation.sealing_keys();
        let deal = Deal::make(&run, self.index, &keys, generation.threshold(), &self.keypair);
        self.say(generation, Statement::Deal(Box::new(deal)))
    }

    fn attest(&self, generation: &Generation) -> SignedRecord {
        let opened = self.opened.get(&generation.version).into_iter().flatten();
        let complaints = opened
            .filter(|(dealer, _)| !generation.excluded.contains(dealer))
            .filter_map(|(_, opened)| opened.as_ref().err().copied());
        let attest = Attest {
            deals: generation.deals_hash(self.network),
            complaints: List::new(complaints.collect()).expect("one a member at most"),
        };
        self.say(generation, Statement::Attest(attest))
    }

    fn say(&self, generation: &Generation, statement: Statement) -> SignedRecord {
        let Generation { epoch, version, .. } = *generation;
        let record = Record { epoch, version, author: self.index, statement };
        record.sign(&self.keypair, self.network)
    }

    /// The next deal that this member has not opened yet and needs to.
    fn unopened<'a>(
        &self,
        generation: &Generation,
        deals: &Deals<'a>,
    ) -> Option<(u32, ValidatorIndex, &'a Deal)> {
        let wanted = |(version, dealer): &(u32, ValidatorIndex)| {
            !self.opened.get(version).is_some_and(|opened| opened.contains_key(dealer))
        };
        let (version, dealer) = needed(generation).find(wanted)?;
        let deal = deals(version, dealer).expect("every deal that counts is kept");
        Some((version, dealer, deal))
    }

    /// The share that the opened deals add up to, or `None` if one of them was bad.
    fn share(&self, version: u32, dealers: &BTreeSet<ValidatorIndex>) -> Option<ShareSecret> {
        let opened = self.opened.get(&version)?;
        let mut sum = Zeroizing::new(Scalar::ZERO);
        for dealer in dealers {
            *sum += **opened.get(dealer)?.as_ref().ok()?;
        }
        Some(ShareSecret::new(self.index, sum))
    }
}

/// The keys that are made, with the dealers whose deals they add up from.
fn made(generation: &Generation) -> impl Iterator<Item = (u32, &BTreeSet<ValidatorIndex>)> {
    let present = generation.is_active().then_some((generation.version, &generation.counted));
    let retired = generation.retired.iter().map(|(version, dealers)| (*version, dealers));
    retired.chain(present)
}

/// The deals that every member has to open: of made keys, and of the run that waits for attests.
fn needed(generation: &Generation) -> impl Iterator<Item = (u32, ValidatorIndex)> {
    let of_made = made(generation)
        .flat_map(|(version, dealers)| dealers.iter().map(move |dealer| (version, *dealer)));
    let attesting = matches!(generation.stage, Stage::Attesting { .. });
    let dealt = generation.qualified().filter(move |_| attesting);
    of_made.chain(dealt.map(|dealer| (generation.version, dealer)))
}

impl fmt::Debug for Participant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Participant({})", self.index)
    }
}
