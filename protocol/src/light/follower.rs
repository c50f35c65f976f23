//! Judging what neighbours say, from the genesis on.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Answer, Found, Lack, Subject, Trail};
use crate::block::{Header, Height};
use crate::chain::{Entry, Genesis};
use crate::consensus::{Finalization, ValidatorSet};
use crate::event::Fault;
use crate::identity::{Context, Epoch};
use crate::receipt::{self, Asked, Receipt, Trust};
use crate::wire::{Hash, List};

/// Headers that are remembered; the oldest goes. Each is compared with what neighbours say of its
/// height. 1,024 are some 350 kB.
pub const HEADERS: usize = 1024;

/// What is known of a network by its headers alone.
#[derive(Clone, Debug)]
pub struct Follower {
    genesis: Genesis,
    context: Context,
    validators: ValidatorSet,
    validators_hash: Hash,
    /// Oldest first, each the parent of the next; at most [`HEADERS`].
    headers: VecDeque<Header>,
    /// The signatures under the last of them.
    finalization: Option<Finalization>,
}

/// What an answer is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It proves this.
    Proven(Proven),
    /// It proves nothing, and whoever gave it may be honest.
    Nothing(Lack),
}

/// What an answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// Headers, up to this one.
    Headers(Box<Header>),
    /// What lies under a key in the state after this block; nothing, if `None`.
    Entry(Box<Header>, Option<Box<Entry>>),
    /// How a roll came out.
    Receipt(Box<Receipt>, Box<receipt::Proven>),
}

/// What an honest neighbour does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It does not prove what it says; nothing else is known to be wrong.
    Unproven(Fault),
    /// A quorum signed it, and a quorum signed the opposite: nothing on this network can be
    /// believed. In a sentence.
    Contradiction(String),
}

impl Trail {
    /// Whether each header stands on the one before and the signatures are of the last; says
    /// nothing of the signatures.
    fn is_linked(&self) -> bool {
        let stands = |pair: &[Header]| {
            let [parent, header] = pair else { return false };
            header.height == parent.height.next()
                && (header.parent.view, header.parent.hash) == (parent.view, parent.hash())
        };
        self.headers.windows(2).all(stands)
            && self.headers.last().is_some_and(|last| {
                (self.finalization.view, self.finalization.block) == (last.view, last.hash())
            })
    }
}

impl Follower {
    /// Knows the genesis, which must have passed [`Genesis::check`], and nothing above it.
    pub fn new(genesis: Genesis) -> Self {
        let context = Context { network: genesis.network(), epoch: Epoch(0) };
        let members = genesis.validators.iter().map(|card| card.address.peer).collect();
        Self {
            validators: ValidatorSet::new(members, &context),
            validators_hash: genesis.validators_hash(),
            context,
            genesis,
            headers: VecDeque::new(),
            finalization: None,
        }
    }

    /// The network's beginning.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Those who sign headers.
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The newest header that a quorum signed, as far as anybody has shown.
    pub fn tip(&self) -> Option<&Header> {
        self.headers.back()
    }

    /// Its height; 0 if none was shown yet.
    pub fn height(&self) -> Height {
        self.tip().map_or(Height(0), |tip| tip.height)
    }

    /// The newest header with its signatures, to begin with another time.
    pub fn newest(&self) -> Option<Trail> {
        let headers = List::new(alloc::vec![*self.tip()?]).ok()?;
        Some(Trail { headers, finalization: self.finalization.clone()? })
    }

    /// Takes in headers, whoever shows them.
    ///
    /// # Errors
    ///
    /// Nothing has changed.
    pub fn follow(&mut self, trail: &Trail) -> Result<(), Lie> {
        let unproven = Lie::Unproven(Fault::BadCertificate);
        let last = *trail.headers.last().ok_or(unproven.clone())?;
        let is_of_us = |header: &Header| {
            (header.network, header.epoch) == (self.context.network, self.context.epoch)
                && header.commitments.validators == self.validators_hash
        };
        if !trail.headers.iter().all(is_of_us) || !trail.is_linked() {
            return Err(unproven);
        }
        if self.tip().is_none_or(|tip| tip.hash() != last.hash()) {
            let verified =
                trail.finalization.verify(&self.validators, &self.context, |_: &_| false);
            verified.map_err(|_| unproven)?;
        }
        for header in trail.headers.iter() {
            self.compare(header)?;
        }
        self.extend(trail);
        Ok(())
    }

    /// Adds headers that hold, above those that are here already.
    fn extend(&mut self, trail: &Trail) {
        let news: Vec<Header> = {
            let height = self.height();
            trail.headers.iter().filter(|header| header.height > height).copied().collect()
        };
        let Some(first) = news.first() else { return };
        if first.height != self.height().next() {
            self.headers.clear();
        }
        for header in news {
            if self.headers.len() == HEADERS {
                self.headers.pop_front();
            }
            self.headers.push_back(header);
        }
        self.finalization = Some(trail.finalization.clone());
    }

    /// The header of this height, if it is remembered.
    pub fn header(&self, height: Height) -> Option<&Header> {
        let first = self.headers.front()?.height.0;
        let index = height.0.checked_sub(first)?;
        self.headers.get(usize::try_from(index).ok()?)
    }

    /// Whether a header that a quorum made final goes with those that are remembered.
    fn compare(&self, header: &Header) -> Result<(), Lie> {
        let below = header.height.0.checked_sub(1).map(Height);
        let parent = below.and_then(|height| self.header(height));
        let fits = self.header(header.height).is_none_or(|known| known == header)
            && parent.is_none_or(|parent| parent.hash() == header.parent.hash);
        if fits {
            return Ok(());
        }
        let (n, f) = (self.validators.len(), self.validators.faults());
        Err(Lie::Contradiction(format!(
            "two chains that contradict each other at height {} both bear a quorum's signatures: at \
             least {} of the {n} validators signed both; nothing on this network can be believed",
            header.height,
            n - 2 * f
        )))
    }

    /// Judges what was answered to a question about `subject`, by somebody who was told that this
    /// node has the header of height `least`. What headers it brings are taken in.
    pub fn judge(
        &mut self,
        subject: &Subject,
        least: Height,
        answer: Answer,
    ) -> Result<Judged, Lie> {
        let Answer { subject: of, trail, found } = answer;
        let unproven = Err(Lie::Unproven(Fault::BadBlock));
        if of != *subject {
            return unproven;
        }
        let last = match &trail {
            Some(trail) => {
                self.follow(trail)?;
                trail.headers.last().copied()
            }
            None => None,
        };
        let newest = last.filter(|last| last.height >= least);
        match (subject, found, newest) {
            (_, Found::Nothing(lack), _) => Ok(Judged::Nothing(lack)),
            (Subject::Headers, Found::Headers, None)
            | (Subject::Entry(_), Found::Entry(..) | Found::Absent(_), None) => {
                Ok(Judged::Nothing(Lack::Behind))
            }
            (Subject::Headers, Found::Headers, Some(header)) => {
                Ok(Judged::Proven(Proven::Headers(Box::new(header))))
            }
            (Subject::Entry(key), Found::Entry(entry, proof), Some(header)) => {
                let holds = proof.verify(&header.commitments.state, key, &entry);
                let proven = Proven::Entry(Box::new(header), Some(entry));
                if holds { Ok(Judged::Proven(proven)) } else { unproven }
            }
            (Subject::Entry(key), Found::Absent(part), Some(header)) => {
                let holds = part.lacks(key, &header.commitments.state);
                let proven = Proven::Entry(Box::new(header), None);
                if holds { Ok(Judged::Proven(proven)) } else { unproven }
            }
            (Subject::Receipt { table, round, player }, Found::Receipt(receipt), _) => {
                let asked = Asked { table: Some(*table), round: Some(*round), player: *player };
                let verdict = receipt.verify(Trust::Genesis(&self.genesis), &asked);
                let Ok(proven) = verdict.end else { return unproven };
                if proven.player != *player {
                    return unproven;
                }
                self.compare(&proven.header)?;
                Ok(Judged::Proven(Proven::Receipt(receipt, proven)))
            }
            (
                Subject::Headers | Subject::Entry(_) | Subject::Receipt { .. },
                Found::Headers | Found::Entry(..) | Found::Absent(_) | Found::Receipt(_),
                _,
            ) => unproven,
        }
    }
}
