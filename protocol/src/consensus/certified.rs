//! A final block that proves itself without the blocks before it: what a newcomer takes for a
//! beginning.

use serde::{Deserialize, Serialize};

use super::pacemaker::Ending;
use super::{Certificate, Consensus, Finalization, Notarization};
use crate::block::{Header, Height};
use crate::journal::Entry;
use crate::wire::List;

/// Blocks between a final block and the finalization that covers it.
const DESCENDANTS: usize = 64;

/// A header with the proof that its block is final: few blocks have a finalization of their own,
/// but soon one of their descendants does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// The block's header.
    pub header: Header,
    /// The block's own notarization.
    pub notarization: Notarization,
    /// The headers above it, each on the one before, up to the one that was finalized.
    pub descendants: List<Header, DESCENDANTS>,
    /// The finalization of the last of them, or of the block itself.
    pub finalization: Finalization,
}

impl Certified {
    /// Whether the parts belong together; says nothing of the votes.
    fn is_linked(&self) -> bool {
        let mut tip = self.header;
        for header in self.descendants.iter() {
            if header.parent.hash != tip.hash() || header.height != tip.height.next() {
                return false;
            }
            tip = *header;
        }
        let own = (self.notarization.view, self.notarization.block);
        own == (self.header.view, self.header.hash())
            && (self.finalization.view, self.finalization.block) == (tip.view, tip.hash())
    }
}

impl Consensus {
    /// Whether a quorum of this epoch's validators has made this block final.
    pub fn is_final(&self, certified: &Certified) -> bool {
        let Certified { header, notarization, finalization, .. } = certified;
        let known = |_: &_| false;
        header.network == self.context.network
            && header.epoch == self.context.epoch
            && certified.is_linked()
            && notarization.verify(&self.validators, &self.context, known).is_ok()
            && finalization.verify(&self.validators, &self.context, known).is_ok()
    }

    /// The highest final block that a neighbour says it has, or the one here if none is higher.
    pub fn finalized_elsewhere(&self) -> Height {
        if self.sync.nobody_is_above(self.tree.root().height) {
            return self.tree.root().height;
        }
        self.sync.highest().unwrap_or_default()
    }

    /// Journals a snapshot: its `parts`, and then what certifies it. If it is ahead of what is
    /// final here, it takes that one's place; whether the block is final was asked before.
    ///
    /// Nothing of it touches a promise: what this validator has voted, it has voted.
    pub(super) fn take_snapshot(&mut self, certified: Certified, parts: alloc::vec::Vec<Entry>) {
        let is_ahead = certified.header.height > self.tree.root().height;
        if is_ahead {
            self.write_base(certified.header, false, &[]);
        }
        for part in parts {
            self.persist(part);
        }
        self.persist(Entry::Snapshot(certified.clone()));
        if is_ahead {
            let by = self.adopt(certified);
            if by.view().next() > self.view {
                self.enter(by.view().next(), by, Ending::Notarized);
            }
        }
    }

    /// Takes a certified block for the newest final one; the certificate that ends its view.
    pub(super) fn adopt(&mut self, certified: Certified) -> Certificate {
        let Certified { header, notarization, .. } = certified;
        self.tree.adopt(header);
        self.validating = None;
        if notarization.view > self.highest_view() {
            self.highest = Some(notarization.clone());
        }
        self.settle(header.view);
        self.sync.skip_to(header.height);
        Certificate::Notarization(notarization)
    }
}
