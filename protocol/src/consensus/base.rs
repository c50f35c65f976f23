//! Places in the journal where reading may begin: what was promised above the newest final block
//! is said again there, so that nothing before it is needed to keep a promise.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::ballot::Cast;
use super::lost::Standing;
use super::restore::Misplaced;
use super::{Certificate, Consensus, Notarization, Vote};
use crate::block::{BlockHash, Header, View};
use crate::journal::Entry;
use crate::wire::List;
use crate::wire::limits::VIEW_WINDOW;

/// Own votes in a base at most: three in each view that is kept, and those that are on their way
/// to the disk.
const VOTES: usize = 4 * VIEW_WINDOW as usize;

/// Everything that a validator has promised about the views above a final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promises {
    /// The view it was in.
    view: View,
    /// Its last vote of each kind, and where it promised not to finalize.
    cast: Cast,
    /// Its votes in views that are still open, which it says again.
    votes: List<Vote, VOTES>,
    /// The certificate by which it entered that view; none in view 1.
    entered_by: Option<Certificate>,
    /// The highest notarization it held.
    highest: Option<Notarization>,
    /// If it had lost an earlier journal: nothing is voted for up to the view after this one.
    barred: Option<View>,
    /// Whether a human had it vote although an earlier journal was lost.
    overridden: bool,
}

impl Consensus {
    /// Writes a base at every multiple of so many blocks; never, unless asked to.
    pub const fn with_bases_every(mut self, blocks: u64) -> Self {
        self.base_every = blocks;
        self
    }

    /// Writes a base after the block of this header was decided, if one is due. What follows on
    /// `path` is about to be decided and need not be said again.
    pub(super) fn write_base_if_due(&mut self, header: &Header, path: &[BlockHash]) {
        let is_wanted = core::mem::take(&mut self.base_wanted);
        if is_wanted || header.height.0.is_multiple_of(self.base_every) {
            self.write_base(*header, true, path);
        }
    }

    /// Writes a base that stands on the block of this header, which is final. There is none if
    /// more was promised than one can hold: then a start reads on from an earlier one.
    pub(super) fn write_base(&mut self, header: Header, follows: bool, path: &[BlockHash]) {
        let Some(promises) = self.promises_above(header.view) else { return };
        let blocks: Vec<_> = self
            .tree
            .blocks()
            .filter(|block| block.header.height > header.height && !path.contains(&block.hash()))
            .cloned()
            .collect();
        self.persist(Entry::Base { header, follows });
        for block in blocks {
            self.persist(Entry::Block((*block).clone()));
        }
        self.persist(Entry::Promises(promises));
    }

    fn promises_above(&self, view: View) -> Option<Promises> {
        let parked = self.parked.iter().map(|(_, vote)| *vote);
        let me = self.index();
        let counted = self.rounds.values().flat_map(|round| {
            me.into_iter().flat_map(|me| round.votes_of(me).copied().collect::<Vec<_>>())
        });
        let mut votes: Vec<Vote> = Vec::new();
        for vote in counted.chain(parked).filter(|vote| vote.view() > view) {
            if !votes.contains(&vote) {
                votes.push(vote);
            }
        }
        Some(Promises {
            view: self.view,
            cast: self.ballot.cast().clone(),
            votes: List::new(votes).ok()?,
            entered_by: self.entered_by.clone(),
            highest: self.highest.clone(),
            barred: match self.standing {
                Standing::Barred { maximum } => Some(maximum),
                Standing::Clear | Standing::Asking { .. } => None,
            },
            overridden: self.overridden,
        })
    }

    /// Takes the block of a base for the newest final one, in a machine that has read nothing yet.
    pub fn begin_at(&mut self, header: Header) {
        self.tree.adopt(header);
        self.settle(header.view);
        self.sync.skip_to(header.height);
        self.restore_view(header.view.next(), None);
    }

    /// Takes back what a base says again; all of it is known already unless reading began there.
    pub(super) fn restore_promises(&mut self, promises: Promises) -> Result<(), Misplaced> {
        let Promises { view, cast, votes, entered_by, highest, barred, overridden } = promises;
        for certificate in highest.map(Certificate::Notarization).iter().chain(&entered_by) {
            self.restore_certificate(certificate.clone());
        }
        self.restore_view(view, None);
        if self.view == view {
            self.entered_by = entered_by;
        }
        for vote in votes.into_vec() {
            self.restore_vote(vote)?;
        }
        self.ballot.resume(cast);
        self.overridden = overridden;
        match barred {
            Some(maximum) => self.standing = Standing::Barred { maximum },
            None if overridden => self.standing = Standing::Clear,
            None => {}
        }
        Ok(())
    }
}
