//! A quorum's votes on one thing: proof to anybody, whoever passes it on.
//!
//! A certificate holds exactly q votes in ascending order of their voters, so that one set of
//! votes has one encoding.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Statement, ValidatorSet, Vote};
use crate::block::{BlockHash, ValidatorIndex, View};
use crate::hooks::Flaw;
use crate::identity::{Context, Signature};
use crate::time::BlockTime;
use crate::wire::{List, limits};

/// A quorum notarized a block: its view may end, and the block may be built upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notarization {
    /// The view.
    pub view: View,
    /// The block.
    pub block: BlockHash,
    votes: List<NotarizeSignature, { limits::VALIDATORS }>,
}

/// A quorum nullified a view: it may end without a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nullification {
    /// The view.
    pub view: View,
    votes: List<NullifySignature, { limits::VALIDATORS }>,
}

/// A quorum finalized a block: it and its ancestors will never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finalization {
    /// The view.
    pub view: View,
    /// The block.
    pub block: BlockHash,
    votes: List<FinalizeSignature, { limits::VALIDATORS }>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NotarizeSignature {
    voter: ValidatorIndex,
    time: BlockTime,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NullifySignature {
    voter: ValidatorIndex,
    highest: View,
    signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FinalizeSignature {
    voter: ValidatorIndex,
    signature: Signature,
}

/// A certificate that does not prove what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCertificate;

impl Notarization {
    /// Makes a certificate of a quorum of `votes` for this block; the lowest voters are taken.
    pub(super) fn assemble<'a>(
        view: View,
        block: BlockHash,
        votes: impl Iterator<Item = &'a Vote>,
        quorum: usize,
    ) -> Option<Self> {
        let matching = votes.filter_map(|vote| match vote.statement {
            Statement::Notarize { view: of, block: for_block, time }
                if of == view && for_block == block =>
            {
                Some(NotarizeSignature { voter: vote.voter, time, signature: vote.signature })
            }
            Statement::Notarize { .. } | Statement::Nullify { .. } | Statement::Finalize { .. } => {
                None
            }
        });
        Some(Self { view, block, votes: exactly(quorum, matching)? })
    }

    /// The votes it consists of.
    pub fn votes(&self) -> impl Iterator<Item = Vote> + '_ {
        self.votes.iter().map(|vote| Vote {
            voter: vote.voter,
            statement: Statement::Notarize { view: self.view, block: self.block, time: vote.time },
            signature: vote.signature,
        })
    }

    /// Makes what looks like a certificate of whatever `votes` there are for this block.
    #[cfg(feature = "simulation")]
    pub fn forge(view: View, block: BlockHash, votes: &[Vote]) -> Option<Self> {
        Self::assemble(view, block, votes.iter(), votes.len())
    }

    /// Checks size, order and signatures; votes that are `known` to be good are not checked again.
    pub fn verify(
        &self,
        validators: &ValidatorSet,
        context: &Context,
        known: impl Fn(&Vote) -> bool,
    ) -> Result<(), BadCertificate> {
        verify(self.votes(), validators, context, known)
    }

    /// The median of the times its voters stated, the lower one of two: at least one honest
    /// validator's clock was not later, and one not earlier.
    pub fn median_time(&self) -> BlockTime {
        let mut times: Vec<_> = self.votes.iter().map(|vote| vote.time).collect();
        times.sort_unstable();
        times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }
}

impl Nullification {
    /// Makes a certificate of a quorum of nullify `votes` of this view; the lowest voters are taken.
    pub(super) fn assemble<'a>(
        view: View,
        votes: impl Iterator<Item = &'a Vote>,
        quorum: usize,
    ) -> Option<Self> {
        let matching = votes.filter_map(|vote| match vote.statement {
            Statement::Nullify { view: of, highest } if of == view => {
                Some(NullifySignature { voter: vote.voter, highest, signature: vote.signature })
            }
            Statement::Notarize { .. } | Statement::Nullify { .. } | Statement::Finalize { .. } => {
                None
            }
        });
        Some(Self { view, votes: exactly(quorum, matching)? })
    }

    /// The votes it consists of.
    pub fn votes(&self) -> impl Iterator<Item = Vote> + '_ {
        self.votes.iter().map(|vote| Vote {
            voter: vote.voter,
            statement: Statement::Nullify { view: self.view, highest: vote.highest },
            signature: vote.signature,
        })
    }

    /// Makes what looks like a certificate of whatever `votes` there are against this view.
    #[cfg(feature = "simulation")]
    pub fn forge(view: View, votes: &[Vote]) -> Option<Self> {
        Self::assemble(view, votes.iter(), votes.len())
    }

    /// Checks size, order, ranges and signatures; votes `known` to be good are not checked again.
    pub fn verify(
        &self,
        validators: &ValidatorSet,
        context: &Context,
        known: impl Fn(&Vote) -> bool,
    ) -> Result<(), BadCertificate> {
        if self.highest() >= self.view {
            return Err(BadCertificate);
        }
        verify(self.votes(), validators, context, known)
    }

    /// The highest notarized view that any of its voters stated: only a parent at or above it may
    /// skip this view.
    pub fn highest(&self) -> View {
        self.votes.iter().map(|vote| vote.highest).max().unwrap_or_default()
    }
}

impl Finalization {
    /// Makes a certificate of a quorum of `votes` for this block; the lowest voters are taken.
    pub(super) fn assemble<'a>(
        view: View,
        block: BlockHash,
        votes: impl Iterator<Item = &'a Vote>,
        quorum: usize,
    ) -> Option<Self> {
        let matching = votes.filter_map(|vote| match vote.statement {
            Statement::Finalize { view: of, block: for_block }
                if of == view && for_block == block =>
            {
                Some(FinalizeSignature { voter: vote.voter, signature: vote.signature })
            }
            Statement::Notarize { .. } | Statement::Nullify { .. } | Statement::Finalize { .. } => {
                None
            }
        });
        Some(Self { view, block, votes: exactly(quorum, matching)? })
    }

    /// The votes it consists of.
    pub fn votes(&self) -> impl Iterator<Item = Vote> + '_ {
        self.votes.iter().map(|vote| Vote {
            voter: vote.voter,
            statement: Statement::Finalize { view: self.view, block: self.block },
            signature: vote.signature,
        })
    }

    /// Makes what looks like a certificate of whatever `votes` there are for this block.
    #[cfg(feature = "simulation")]
    pub fn forge(view: View, block: BlockHash, votes: &[Vote]) -> Option<Self> {
        Self::assemble(view, block, votes.iter(), votes.len())
    }

    /// Checks size, order and signatures; votes that are `known` to be good are not checked again.
    pub fn verify(
        &self,
        validators: &ValidatorSet,
        context: &Context,
        known: impl Fn(&Vote) -> bool,
    ) -> Result<(), BadCertificate> {
        verify(self.votes(), validators, context, known)
    }
}

/// The first `quorum` of votes that come in ascending order of their voters.
fn exactly<T, const MAX: usize>(
    quorum: usize,
    votes: impl Iterator<Item = T>,
) -> Option<List<T, MAX>> {
    let votes: Vec<T> = votes.take(quorum).collect();
    if votes.len() == quorum { List::new(votes).ok() } else { None }
}

fn verify(
    votes: impl Iterator<Item = Vote>,
    validators: &ValidatorSet,
    context: &Context,
    known: impl Fn(&Vote) -> bool,
) -> Result<(), BadCertificate> {
    let votes: Vec<Vote> = votes.collect();
    let ascending = votes.windows(2).all(|pair| pair[0].voter < pair[1].voter)
        || validators.hooks().has(Flaw::VotersRepeated);
    if votes.len() != validators.quorum() || !ascending {
        return Err(BadCertificate);
    }
    let good = |vote: &Vote| known(vote) || vote.verify(validators, context).is_some();
    if votes.iter().all(good) { Ok(()) } else { Err(BadCertificate) }
}
