//! What a simulator may change about a [`Node`](crate::node::Node), and what it may see of it:
//! [`Simulation`] goes into [`Node::simulated`](crate::node::Node::simulated).
//!
//! The feature `simulation` only adds. A node made by `Node::new` behaves the same with it and
//! without it, no driver calls anything in here, and nothing of it is ever negotiated with a peer.

mod signatures;

pub use crate::hooks::Flaw;
pub use crate::node::{Heard, Incoming, Outgoing, Packet, To};
pub(crate) use signatures::stand_in;
pub use signatures::{Signatures, Verdicts};

use crate::beacon::CoinShare;
use crate::block::{BlockHash, View};
use crate::consensus::{Finalization, Notarization, Nullification, Vote};
use crate::wire::Hash;

/// What is different about a simulated node; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// In what it is broken on purpose.
    pub flaws: Flaws,
    /// How signatures are made and checked. All nodes of one world use clones of one value.
    pub signatures: Signatures,
    /// Whether its links run without Noise: both sides name themselves and are believed, and
    /// records are plain text. All nodes of one world must agree.
    pub clear_links: bool,
    /// Whether what it says waits in [`Node::outgoing`](crate::node::Node::outgoing) instead of
    /// leaving.
    pub holds_outgoing: bool,
    /// Whether what it hears waits in [`Node::incoming`](crate::node::Node::incoming) instead of
    /// being handled.
    pub holds_incoming: bool,
    /// Whether [`Node::observation`](crate::node::Node::observation) tells what it does.
    pub observed: bool,
    /// Whether it takes no part in making a dice key, so that somebody else can in its name.
    pub makes_no_key: bool,
    /// Whether it tells which votes it hears, too.
    pub overheard: bool,
}

/// A set of [`Flaw`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flaws(u32);

/// Something that a node did, for those who check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It says a vote of its own: for the first time, or again.
    Vote(Vote),
    /// It made or accepted a notarization that it did not hold.
    Notarization(Notarization),
    /// It made or accepted a nullification that it did not hold.
    Nullification(Nullification),
    /// It made or accepted a finalization that it did not hold.
    Finalization(Finalization),
    /// It gives its own share of a coin away.
    Share {
        /// The coin's view.
        view: View,
        /// The block that the finalize vote with the share attached is for; `None` if the share
        /// leaves by itself.
        with: Option<BlockHash>,
        /// The share.
        share: CoinShare,
    },
    /// It hears a vote, which is not looked at yet.
    Heard {
        /// The vote.
        vote: Vote,
        /// The hash of the justification of the block that came with it, if it is a proposal.
        justification: Option<Hash>,
        /// The first and the last view whose votes it keeps.
        window: (View, View),
    },
}

impl Flaws {
    /// No flaw.
    pub const NONE: Self = Self(0);

    /// This flaw and those already in the set.
    #[must_use]
    pub const fn and(self, flaw: Flaw) -> Self {
        Self(self.0 | 1 << flaw as u32)
    }

    /// Whether this flaw is in the set.
    pub const fn has(self, flaw: Flaw) -> bool {
        self.0 >> flaw as u32 & 1 == 1
    }
}

impl From<Flaw> for Flaws {
    fn from(flaw: Flaw) -> Self {
        Self::NONE.and(flaw)
    }
}

impl core::fmt::Debug for Flaws {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_set().entries(Flaw::ALL.iter().filter(|flaw| self.has(**flaw))).finish()
    }
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 21] = [
        Self::QuorumTwoFPlusOne,
        Self::QuorumTwoF,
        Self::VotesNotDurable,
        Self::NullifyAfterFinalize,
        Self::PromiseForgotten,
        Self::PromiseReplaced,
        Self::HighestTooLow,
        Self::HighestNotShown,
        Self::NotarizationNotDurable,
        Self::BodyNotDurable,
        Self::FinalizeOther,
        Self::NoDomainSeparation,
        Self::VotersRepeated,
        Self::JustificationUnchecked,
        Self::ThresholdTooLow,
        Self::ShareOnNotarize,
        Self::CoinByHeight,
        Self::RedrawOnNullify,
        Self::OneTimeKeyUnproven,
        Self::ChipsFromNothing,
        Self::NonceReused,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for flaw in Flaw::ALL {
            let set = Flaws::from(flaw);
            assert!(Flaw::ALL.iter().all(|other| set.has(*other) == (*other == flaw)));
        }
        let all = Flaw::ALL.iter().fold(Flaws::NONE, |set, flaw| set.and(*flaw));
        assert!(Flaw::ALL.iter().all(|flaw| all.has(*flaw)));
    }
}
