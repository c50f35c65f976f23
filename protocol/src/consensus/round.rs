//! One view as this node has seen it: the votes, counted, and the certificates they make.
//! This is the only place where a vote is counted.

use alloc::collections::BTreeMap;

use super::{Finalization, Notarization, Nullification, Statement, Verified, Vote};
use crate::block::{BlockHash, ValidatorIndex, View};
use crate::event::Suspicion;

/// At most one vote of each kind per validator, the first that arrived.
#[derive(Debug, Default)]
pub(super) struct Round {
    notarize: BTreeMap<ValidatorIndex, Vote>,
    nullify: BTreeMap<ValidatorIndex, Vote>,
    finalize: BTreeMap<ValidatorIndex, Vote>,
    /// The block of the leader's first proposal, which lies in the tree.
    pub(super) proposal: Option<BlockHash>,
    /// The leader signed two proposals: nobody finalizes this view any more.
    pub(super) equivocated: bool,
    pub(super) notarization: Option<Notarization>,
    pub(super) nullification: Option<Nullification>,
    pub(super) finalization: Option<Finalization>,
    /// How much of what each author said of this view was verified.
    spent: BTreeMap<ValidatorIndex, Spent>,
}

/// What one author may say of one view and have verified: an honest one proposes once, notarizes,
/// nullifies and finalizes. Nobody else can spend it.
pub(super) const MESSAGES_PER_VIEW: u8 = 10;
/// How many of them may be proposals: an honest leader signs one, a second one shows that it is not
/// honest, a third that it does not stop.
pub(super) const PROPOSALS_PER_VIEW: u8 = 3;

/// What one author has said of one view.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    messages: u8,
    proposals: u8,
}

impl Round {
    /// Whether an author has said so much that a further message, or proposal, is not looked at.
    pub(super) fn has_spent(&self, author: ValidatorIndex, proposes: bool) -> bool {
        let spent = self.spent.get(&author).copied().unwrap_or_default();
        spent.messages >= MESSAGES_PER_VIEW || proposes && spent.proposals >= PROPOSALS_PER_VIEW
    }

    /// Counts a message that its author is known to have signed; what it amounts to if it was the
    /// last one that is looked at.
    pub(super) fn spend(&mut self, author: ValidatorIndex, proposes: bool) -> Option<Suspicion> {
        let spent = self.spent.entry(author).or_default();
        spent.messages += 1;
        spent.proposals += u8::from(proposes);
        if proposes && spent.proposals == PROPOSALS_PER_VIEW {
            return Some(Suspicion::ProposalBurst);
        }
        (spent.messages == MESSAGES_PER_VIEW).then_some(Suspicion::Flooding)
    }

    /// The vote of this kind that is kept for this validator.
    pub(super) fn kept(&self, vote: &Vote) -> Option<&Vote> {
        match vote.statement {
            Statement::Notarize { .. } => self.notarize.get(&vote.voter),
            Statement::Nullify { .. } => self.nullify.get(&vote.voter),
            Statement::Finalize { .. } => self.finalize.get(&vote.voter),
        }
    }

    /// Every vote kept for this validator.
    pub(super) fn votes_of(&self, voter: ValidatorIndex) -> impl Iterator<Item = &Vote> {
        [&self.notarize, &self.nullify, &self.finalize]
            .into_iter()
            .filter_map(move |votes| votes.get(&voter))
    }

    /// The block that a validator voted to notarize.
    pub(super) fn notarized_by(&self, voter: ValidatorIndex) -> Option<BlockHash> {
        match self.notarize.get(&voter)?.statement {
            Statement::Notarize { block, .. } => Some(block),
            Statement::Nullify { .. } | Statement::Finalize { .. } => None,
        }
    }

    /// The votes to notarize, to nullify and to finalize.
    pub(super) fn votes(&self) -> [impl Iterator<Item = &Vote>; 3] {
        [&self.notarize, &self.nullify, &self.finalize].map(BTreeMap::values)
    }

    /// Keeps a vote, unless one of its kind is kept for its voter. Returns whether it is new.
    pub(super) fn keep(&mut self, vote: Verified<Vote>) -> bool {
        let vote = vote.into_inner();
        let votes = match vote.statement {
            Statement::Notarize { .. } => &mut self.notarize,
            Statement::Nullify { .. } => &mut self.nullify,
            Statement::Finalize { .. } => &mut self.finalize,
        };
        let mut new = false;
        votes.entry(vote.voter).or_insert_with(|| {
            new = true;
            vote
        });
        new
    }

    /// Makes the notarization, if a quorum notarized one block.
    pub(super) fn notarization(&self, view: View, quorum: usize) -> Option<Notarization> {
        let block = quorum_block(&self.notarize, quorum)?;
        Notarization::assemble(view, block, self.notarize.values(), quorum)
    }

    /// Makes the nullification of a quorum that held nothing above `highest`: S2 counts no vote
    /// whose highest notarization this node cannot show.
    pub(super) fn nullification(
        &self,
        view: View,
        highest: View,
        quorum: usize,
    ) -> Option<Nullification> {
        if self.nullify.len() < quorum {
            return None;
        }
        let shown = self.nullify.values().filter(|vote| stated_highest(vote) <= highest);
        Nullification::assemble(view, shown, quorum)
    }

    /// Makes the finalization, if a quorum finalized one block.
    pub(super) fn finalization(&self, view: View, quorum: usize) -> Option<Finalization> {
        let block = quorum_block(&self.finalize, quorum)?;
        Finalization::assemble(view, block, self.finalize.values(), quorum)
    }

    /// Who has voted to notarize, nullify and finalize.
    pub(super) fn voters(&self) -> [impl Iterator<Item = ValidatorIndex> + '_; 3] {
        [&self.notarize, &self.nullify, &self.finalize].map(|votes| votes.keys().copied())
    }
}

/// The highest notarized view that a nullify vote states.
pub(super) const fn stated_highest(vote: &Vote) -> View {
    match vote.statement {
        Statement::Nullify { highest, .. } => highest,
        Statement::Notarize { .. } | Statement::Finalize { .. } => View(0),
    }
}

fn quorum_block(votes: &BTreeMap<ValidatorIndex, Vote>, quorum: usize) -> Option<BlockHash> {
    if votes.len() < quorum {
        return None;
    }
    let mut counts: BTreeMap<BlockHash, usize> = BTreeMap::new();
    for vote in votes.values() {
        if let Statement::Notarize { block, .. } | Statement::Finalize { block, .. } =
            vote.statement
        {
            *counts.entry(block).or_default() += 1;
        }
    }
    counts.into_iter().find(|(_, count)| *count >= quorum).map(|(block, _)| block)
}
