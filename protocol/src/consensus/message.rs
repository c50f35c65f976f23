//! What consensus machines say to one another.

use serde::{Deserialize, Serialize};

use super::{
    Block, Decided, Holdings, Inquiry, Notarization, Nullification, Proposal, Testimony,
    VIEWS_HELD, Vote,
};
use crate::block::{BlockHash, Height, ValidatorIndex, View};
use crate::wire::List;

/// A message between two consensus machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A leader's proposal. Broadcast.
    Proposal(Proposal),
    /// A vote. Broadcast.
    Vote(Vote),
    /// Why the sender is in its view. Answers [`Request::Certificate`].
    Certificate(Certificate),
    /// Where the sender stands. To a neighbour, when a link comes up, now and then, and when it is
    /// seen to lag.
    Status(Status),
    /// A question to a neighbour.
    Request(Request),
    /// A validator that lost its journal asks where the others are. Broadcast.
    Inquiry(Inquiry),
    /// Answers that by broadcast, if that on the way back did not help.
    Testimony(Testimony),
    /// Answers [`Request::Block`].
    Block(Block),
    /// Answers [`Request::Decided`]: consecutive heights.
    Decided(List<Decided, DECIDED_PER_REPLY>),
    /// Which votes the sender holds; answered with those among [`Vote`](Self::Vote)s that it lacks.
    /// To one neighbour.
    Holdings(List<Holdings, VIEWS_HELD>),
    /// Answers [`Inquiry`](Self::Inquiry). To a neighbour, which passes it on to who asked.
    Answer(Testimony),
}

/// The most decided blocks in one answer; their bytes are bounded too.
pub const DECIDED_PER_REPLY: usize = 64;

/// Any certificate, with what it takes to accept it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Certificate {
    /// A notarization.
    Notarization(Notarization),
    /// A nullification and the notarization of the highest view that its voters hold, without
    /// which it is not accepted; `None` if that view is 0.
    Nullification(Nullification, Option<Notarization>),
}

impl Message {
    /// The validator who says so, if it is one's own word and not something passed on.
    pub const fn author(&self) -> Option<ValidatorIndex> {
        match self {
            Self::Proposal(proposal) => Some(proposal.vote.voter),
            Self::Vote(vote) => Some(vote.voter),
            Self::Inquiry(inquiry) => Some(inquiry.author()),
            Self::Testimony(testimony) => Some(testimony.author()),
            Self::Certificate(_)
            | Self::Status(_)
            | Self::Request(_)
            | Self::Block(_)
            | Self::Decided(_)
            | Self::Holdings(_)
            | Self::Answer(_) => None,
        }
    }
}

impl Certificate {
    /// The view that it ends.
    pub const fn view(&self) -> View {
        match self {
            Self::Notarization(notarization) => notarization.view,
            Self::Nullification(nullification, _) => nullification.view,
        }
    }
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The view it is in.
    pub view: View,
    /// The height of its newest final block.
    pub finalized: Height,
}

/// What one can ask a neighbour for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The highest notarization, if it is of this view or a later one: what a nullify vote rests on.
    Notarization {
        /// The lowest view of use.
        at_least: View,
    },
    /// A block that is not final yet.
    Block {
        /// Its hash.
        hash: BlockHash,
    },
    /// Final blocks from this height on.
    Decided {
        /// The first height of interest.
        from: Height,
    },
    /// The certificate by which the neighbour entered its view, if that is a higher one.
    Certificate {
        /// The view that the one who asks is in.
        above: View,
    },
}
