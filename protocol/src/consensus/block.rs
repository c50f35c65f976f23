//! A block on its way: header, body, and the certificates that allow it to stand where it stands.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Finalization, Notarization, Nullification, Vote};
use crate::block::{BlockHash, Header, Parent, View};
use crate::identity::Context;
use crate::time::BlockTime;
use crate::wire::{Hash, limits};

/// Why a block may stand on its parent: at most two certificates, however long the outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Justification {
    /// The parent's notarization; `None` on genesis.
    pub parent: Option<Notarization>,
    /// If views were skipped, a nullification of the last one whose voters held nothing above the
    /// parent: S4.
    pub skipped: Option<Nullification>,
}

/// A header with everything it commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What votes vouch for.
    pub header: Header,
    /// What the chain executes; opaque to consensus.
    pub body: Bytes,
    /// Why it may stand on its parent.
    pub justification: Justification,
}

/// A block with its leader's notarize vote, which is what signs the proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The block.
    pub block: Block,
    /// The leader's vote for it.
    pub vote: Vote,
}

/// A proposal without its body, which can be asked for by its hash: all that it takes to know that the
/// leader signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// What votes vouch for.
    pub header: Header,
    /// Why the block may stand on its parent.
    pub justification: Justification,
    /// The leader's vote for it.
    pub vote: Vote,
}

/// A final block with its certificates, as journalled and as served to those who lag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The block.
    pub block: Block,
    /// Its own notarization.
    pub notarization: Notarization,
    /// Its own finalization, unless it became final as an ancestor.
    pub finalization: Option<Finalization>,
}

impl Justification {
    /// The hash that headers name it by.
    pub fn hash(&self) -> Hash {
        Hash::of("bitcraps 2026 justification", self)
    }

    /// Whether these certificates, if they verify, allow a block of `view` on `parent`: S4.
    pub fn allows(&self, view: View, parent: &Parent) -> bool {
        let parent_is_notarized = match &self.parent {
            Some(notarization) => {
                notarization.view == parent.view && notarization.block == parent.hash
            }
            None => parent.view == View(0),
        };
        let nothing_is_skipped = match &self.skipped {
            Some(nullification) => {
                parent.view < nullification.view
                    && nullification.view.next() == view
                    && nullification.highest() <= parent.view
            }
            None => parent.view.next() == view,
        };
        parent_is_notarized && nothing_is_skipped
    }

    /// The time a block must carry that stands on a parent of time `parent` with this
    /// justification.
    pub fn block_time(&self, parent: BlockTime) -> BlockTime {
        let stated = self.parent.as_ref().map(Notarization::median_time).unwrap_or_default();
        parent.plus_millis(1).max(stated)
    }
}

impl Block {
    /// The block's hash.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// Whether body and justification are those that the header commits to.
    pub fn is_intact(&self) -> bool {
        is_body_of(&self.header, &self.body)
            && self.justification.hash() == self.header.justification
    }

    /// Whether the header follows from its parent's and from the justification, which must verify.
    pub fn extends(&self, parent: &Header, context: &Context) -> bool {
        let header = &self.header;
        header.network == context.network
            && header.epoch == context.epoch
            && header.height == parent.height.next()
            && header.time == self.justification.block_time(parent.time)
            && self.justification.allows(header.view, &header.parent)
    }

    /// The block as a parent for another.
    pub fn as_parent(&self) -> Parent {
        Parent { view: self.header.view, hash: self.hash() }
    }
}

/// Whether a header commits to this body.
pub(super) fn is_body_of(header: &Header, body: &Bytes) -> bool {
    body.len() <= limits::BODY_BYTES && Header::body_hash(body) == header.body
}
