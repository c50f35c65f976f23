//! What a validator can state about a view, and its signature over that statement.

use serde::{Deserialize, Serialize};

use super::ValidatorSet;
use crate::block::{BlockHash, ValidatorIndex, View};
use crate::identity::{Context, Domain, Keypair, Signature};
use crate::time::BlockTime;
use crate::wire::encode;

/// A statement about one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Statement {
    /// "This block is valid in this view": S4.
    Notarize {
        /// The view.
        view: View,
        /// The block.
        block: BlockHash,
        /// The voter's wall clock, from which the next block's time is agreed.
        time: BlockTime,
    },
    /// "Nothing came of this view, and I shall never finalize a view above `highest` up to this
    /// one": S2.
    Nullify {
        /// The view.
        view: View,
        /// The view of the highest notarization that the voter holds; 0 if it holds none.
        highest: View,
    },
    /// "I hold this block's notarization": S3.
    Finalize {
        /// The view.
        view: View,
        /// The block.
        block: BlockHash,
    },
}

/// A statement with its author and signature, not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who claims to have signed it.
    pub voter: ValidatorIndex,
    /// What is stated.
    pub statement: Statement,
    /// The voter's signature over the statement's encoding, as [`Domain::Vote`].
    pub signature: Signature,
}

/// Something whose signatures were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl Statement {
    /// The view that the statement is about.
    pub const fn view(&self) -> View {
        match self {
            Self::Notarize { view, .. }
            | Self::Nullify { view, .. }
            | Self::Finalize { view, .. } => *view,
        }
    }

    /// Signs the statement.
    pub fn sign(self, voter: ValidatorIndex, key: &Keypair, context: &Context) -> Verified<Vote> {
        let signature = key.sign(Domain::Vote, context, &encode(&self));
        Verified(Vote { voter, statement: self, signature })
    }
}

impl Vote {
    /// Checks that the voter is a validator and signed the statement.
    pub fn verify(self, validators: &ValidatorSet, context: &Context) -> Option<Verified<Self>> {
        let bytes = encode(&self.statement);
        validators.verify(self.voter, context, &bytes, &self.signature).ok()?;
        Some(Verified(self))
    }

    /// The view that the vote is about.
    pub const fn view(&self) -> View {
        self.statement.view()
    }
}

impl<T> Verified<T> {
    /// Takes the word of one's own journal: what it holds was verified before it was written.
    pub(super) const fn from_journal(inner: T) -> Self {
        Self(inner)
    }

    /// The checked value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The checked value.
    pub fn into_inner(self) -> T {
        self.0
    }
}
