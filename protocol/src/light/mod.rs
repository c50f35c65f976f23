//! Following a network by its headers and proofs alone: no bodies, no state, no execution.
//!
//! Whoever knows the genesis knows the validators, and a quorum's signatures under a header prove
//! the state root in it; an entry of that state proves itself against the root. So it does not
//! matter who is asked: [`Follower`] judges what a neighbour answers ([`Answer`]) to a question
//! ([`Question`]), and whoever says what does not hold is found out. What it cannot find out is
//! what nobody tells it: a neighbour may know newer headers than it shows. [`Recent`] is what a
//! full node keeps to answer with.
//!
//! The validators of a network are fixed when it is made, so one set, the genesis', signs every
//! header; one that names another set or epoch does not hold here.

mod follower;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod model;
mod recent;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::block::{Header, Height};
use crate::chain::{Entry, Key, Part, StateProof, TableId};
use crate::consensus::Finalization;
use crate::craps::Round;
use crate::identity::PeerId;
use crate::receipt::Receipt;
use crate::wire::List;

pub use follower::{Follower, HEADERS, Judged, Lie, Proven};
pub use recent::Recent;

/// Headers in one answer. Whoever is further behind is shown the newest alone.
pub const TRAIL: usize = 64;

/// What a light node asks a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The newest header that it has; 0 if none.
    pub above: Height,
    /// What about.
    pub subject: Subject,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// The newest headers, nothing else.
    Headers,
    /// What lies under this key in the newest final state.
    Entry(Key),
    /// The receipt of a roll.
    Receipt {
        /// Where it was rolled.
        table: TableId,
        /// Which roll of the table.
        round: Round,
        /// For whom; `None` is for whom it may concern.
        player: Option<PeerId>,
    },
}

/// What a full node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the question was about.
    pub subject: Subject,
    /// The headers above the one that the question names, or the newest alone. `None` if the node
    /// has just started, or fetched its state, and waits for the next block.
    pub trail: Option<Trail>,
    /// What was found; of a state, of that after the trail's last block.
    pub found: Found,
}

/// Headers, each the parent of the next, the last of which a quorum signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// The headers.
    pub headers: List<Header, TRAIL>,
    /// The signatures under the last of them.
    pub finalization: Finalization,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// Nothing, for this reason; nobody can prove it.
    Nothing(Lack),
    /// The headers that were asked for.
    Headers,
    /// What lies under the key, and that it is in the state.
    Entry(Box<Entry>, StateProof),
    /// That nothing lies under the key: everything else that lies in its bucket of the state.
    Absent(Box<Part>),
    /// The receipt.
    Receipt(Box<Receipt>),
}

/// Why a node has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lack {
    /// It has just started, or is behind.
    Behind,
    /// It knows of no such roll among the newest.
    Unknown,
    /// The dice of the roll are not settled yet.
    Unsettled,
    /// No block at or shortly after the roll bears a quorum's signatures there.
    Unsigned,
    /// The player had no bet on the roll.
    NoBet,
    /// The answer is longer than a message may be.
    TooLarge,
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Behind => "no neighbour is as far as this node; try again in a while",
            Self::Unknown => "no neighbour knows of such a roll among the newest",
            Self::Unsettled => "the dice of this roll are not settled yet, says a neighbour",
            Self::Unsigned => {
                "no neighbour has a quorum's signatures at or shortly after this roll"
            }
            Self::NoBet => "this player had no bet on this roll, says a neighbour",
            Self::TooLarge => "the proof is longer than a message may be",
        })
    }
}
