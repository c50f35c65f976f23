//! The vocabulary that consensus and chain share: views, heights, validators and headers.
//! Consensus orders headers without knowing what a body means; the chain executes bodies without
//! knowing how they were agreed on.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::{Epoch, NetworkId};
use crate::time::BlockTime;
use crate::wire::Hash;

/// A round of consensus with one leader. The first view of an epoch is 1; 0 is its parent's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct View(pub u64);

/// A block's distance from genesis, which has height 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Height(pub u64);

/// A validator's place in its epoch's set, counted from 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ValidatorIndex(pub u16);

/// The hash of a [`Header`], which commits to everything in its block and before it.
pub type BlockHash = Hash;

impl View {
    /// The view after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Height {
    /// The height after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ValidatorIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The block on which another one stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Parent {
    /// The view in which it was notarized; 0 for genesis.
    pub view: View,
    /// Its hash; for genesis, the network id.
    pub hash: BlockHash,
}

/// What the chain says of a block's body and of the state after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitments {
    /// Merkle root over the body's entries.
    pub transactions: Hash,
    /// State root after this block.
    pub state: Hash,
    /// Hash of the validator set that decides this block.
    pub validators: Hash,
    /// Hash of the dice key in force after this block.
    pub dice_key: Hash,
    /// Whether the body rolls dice: then this view's coin is released.
    pub has_rolls: bool,
}

/// Everything that a vote for a block vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The network this block belongs to.
    pub network: NetworkId,
    /// The epoch whose validators decide it.
    pub epoch: Epoch,
    /// The view in which its leader proposed it.
    pub view: View,
    /// Its distance from genesis.
    pub height: Height,
    /// The block it stands on.
    pub parent: Parent,
    /// The agreed time: after the parent's, the median of what the parent's voters stated.
    pub time: BlockTime,
    /// Hash of the body's bytes, so that whoever serves a body cannot serve another one.
    pub body: Hash,
    /// What the chain says of the body.
    pub commitments: Commitments,
    /// Hash of the certificates that allow this parent; they travel with the block.
    pub justification: Hash,
}

impl Header {
    /// What [`Header::body`] must be for these bytes.
    pub fn body_hash(body: &[u8]) -> Hash {
        Hash::of_bytes("bitcraps 2026 block body", body)
    }

    /// The block's hash.
    pub fn hash(&self) -> BlockHash {
        Hash::of("bitcraps 2026 block header", self)
    }
}
