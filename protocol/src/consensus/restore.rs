//! After a crash: a fold over the journal. What it holds was verified before it was written and is
//! protected by checksums, so nothing is verified again; but a journal from which something was
//! taken, or that is another node's, is refused.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::lost::{Past, Standing};
use super::pacemaker::Pacemaker;
use super::tree::Verdict;
use super::{
    Block, Certificate, Consensus, Decided, Notarization, Output, Statement, Verified, Vote,
};
use crate::block::{Height, View};
use crate::journal::{Entry, Journal};
use crate::time::Time;

/// Why a record cannot follow those before it in a journal of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// It is a vote of somebody else.
    Vote,
    /// It is the final block of this height, and does not stand on the final block before it.
    Block(Height),
}

impl Consensus {
    /// Takes back one record of the journal, oldest first, before anything else is handled.
    ///
    /// # Errors
    ///
    /// If no journal of this node goes on like this; nothing must be restored or handled after it.
    pub fn restore(&mut self, entry: Entry) -> Result<(), Misplaced> {
        match entry {
            Entry::Block(block) => self.restore_block(block),
            Entry::Certificate(certificate) => self.restore_certificate(certificate),
            Entry::Vote(vote) => self.restore_vote(vote)?,
            Entry::Decided(decided) => self.restore_decided(decided)?,
            // Where reading began was told before.
            Entry::Part { .. } | Entry::Base { .. } => {}
            Entry::Promises(promises) => self.restore_promises(promises)?,
            Entry::Snapshot(certified) => {
                if certified.header.height > self.tree.root().height {
                    let by = self.adopt(certified);
                    self.restore_view(by.view().next(), Some(by));
                } else if certified.header.height == self.tree.root().height {
                    self.restore_certificate(Certificate::Notarization(certified.notarization));
                }
            }
            Entry::Barred { maximum } => {
                self.standing = Standing::Barred { maximum };
                self.overridden = false;
            }
            Entry::Overridden => {
                self.standing = Standing::Clear;
                self.overridden = true;
            }
        }
        Ok(())
    }

    /// Goes on where the journal, of `records` records, ends: says its last votes again.
    pub fn resume(&mut self, now: Time, records: u64, past: Past) {
        self.now = now;
        self.journal = Journal::holding(records);
        self.pacemaker = Pacemaker::new(self.config, now);
        self.recall(past);
        self.outputs.push_back(Output::Entered(self.view));
        // A validator alone has a quorum in its journal, and hears nobody who would have it count.
        let views: Vec<View> = self.rounds.keys().copied().collect();
        for view in views {
            self.tally(view);
        }
        if records > 0 {
            self.resend();
        }
        self.advance();
    }

    fn restore_block(&mut self, block: Block) {
        self.insert(block);
    }

    pub(super) fn restore_certificate(&mut self, certificate: Certificate) {
        match &certificate {
            Certificate::Notarization(notarization) => self.restore_notarization(notarization),
            Certificate::Nullification(nullification, highest) => {
                let round = self.rounds.entry(nullification.view).or_default();
                round.nullification = Some(nullification.clone());
                highest.iter().for_each(|highest| self.restore_notarization(highest));
            }
        }
        self.restore_view(certificate.view().next(), Some(certificate));
    }

    fn restore_notarization(&mut self, notarization: &Notarization) {
        self.tree.certify(&notarization.block);
        if notarization.view > self.highest_view() {
            self.highest = Some(notarization.clone());
        }
        if notarization.view > self.tree.root().view {
            let round = self.rounds.entry(notarization.view).or_default();
            round.notarization = Some(notarization.clone());
        }
    }

    pub(super) fn restore_vote(&mut self, vote: Vote) -> Result<(), Misplaced> {
        let is_own = self.signer.as_ref().is_some_and(|signer| signer.index == vote.voter);
        if !is_own {
            return Err(Misplaced::Vote);
        }
        self.ballot.record(&vote);
        let view = vote.view();
        self.rounds.entry(view).or_default().keep(Verified::from_journal(vote));
        match vote.statement {
            Statement::Finalize { .. } => {
                self.unfinal.insert(view, vote);
            }
            // A vote in a view says that the node had entered it.
            Statement::Notarize { .. } | Statement::Nullify { .. } => self.restore_view(view, None),
        }
        Ok(())
    }

    fn restore_decided(&mut self, decided: Decided) -> Result<(), Misplaced> {
        let Decided { block, notarization, .. } = decided;
        let hash = block.hash();
        let (height, last) = (block.header.height, self.tree.root().height);
        if block.header.parent.hash != self.tree.root_hash() || height != last.next() {
            return Err(Misplaced::Block(height));
        }
        self.restore_view(block.header.view.next(), None);
        if self.tree.block(&hash).is_none() {
            self.tree.insert(Arc::new(block));
        }
        self.tree.judge(&hash, Verdict::Valid);
        let view = self.tree.finalize(&hash).header.view;
        self.restore_notarization(&notarization);
        self.ballot.settle(view);
        self.rounds = self.rounds.split_off(&self.oldest_kept_view());
        self.unfinal = self.unfinal.split_off(&view.next());
        Ok(())
    }

    pub(super) fn restore_view(&mut self, view: View, by: Option<Certificate>) {
        if view > self.view {
            self.view = view;
            self.entered_by = by;
            let oldest = self.oldest_kept_view();
            self.rounds = self.rounds.split_off(&oldest);
            self.tree.prune(oldest);
        }
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vote => formatter.write_str("is a vote of somebody else"),
            Self::Block(height) => {
                write!(formatter, "is a final block of height {height} on another than the last")
            }
        }
    }
}

impl core::error::Error for Misplaced {}
