//! What a block holds besides its header: coins for earlier rolls, transactions, and the rolls that
//! fell due without a shooter. They are carried out in that order.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::merkle::{self, Proof};
use super::{SignedTransaction, TableId};
use crate::beacon::CoinProof;
use crate::block::Header;
use crate::wire::{Hash, List, Malformed, decode, encode, limits};

/// Coins in one block.
pub const BODY_COINS: usize = 16;

/// Rolls in one block that no shooter asked for.
pub const BODY_ROLLS: usize = 256;

/// A block's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Coins of earlier views whose rolls wait for them; they settle before anything else happens.
    pub coins: List<CoinProof, BODY_COINS>,
    /// What accounts ask for.
    pub transactions: List<SignedTransaction, { limits::BLOCK_TRANSACTIONS }>,
    /// Tables that the leader rolls because their shooters did not; unsigned, as whether a roll is
    /// due can be seen from the state.
    pub rolls: List<TableId, BODY_ROLLS>,
}

/// One entry of a body.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Item<'a> {
    /// Of its coins.
    Coin(&'a CoinProof),
    /// Of its transactions.
    Transaction(&'a SignedTransaction),
    /// Of its rolls.
    Roll(TableId),
}

impl Body {
    /// The body's bytes.
    pub fn encode(&self) -> Bytes {
        Bytes::from(encode(self))
    }

    /// Reads a body of at most [`limits::BODY_BYTES`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        decode(bytes, limits::BODY_BYTES)
    }

    /// The body that `header` commits to, if `bytes` are it. Needs no state: this is how a copy
    /// from anybody is checked.
    pub fn of(header: &Header, bytes: &[u8]) -> Option<Self> {
        let body = Self::decode(bytes).ok()?;
        (body.root() == header.commitments.transactions).then_some(body)
    }

    /// Its entries: coins, then transactions, then rolls.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let coins = self.coins.iter().map(Item::Coin);
        let transactions = self.transactions.iter().map(Item::Transaction);
        coins.chain(transactions).chain(self.rolls.iter().copied().map(Item::Roll))
    }

    /// The Merkle root over its entries, which its header carries as `transactions`.
    pub fn root(&self) -> Hash {
        merkle::root(&self.leaves())
    }

    /// Proves that the entry at `index`, counted over [`Body::items`], is in the body.
    pub fn prove(&self, index: usize) -> Option<Proof> {
        merkle::prove(&self.leaves(), index)
    }

    fn leaves(&self) -> Vec<Hash> {
        self.items().map(|item| item.leaf()).collect()
    }
}

impl Item<'_> {
    /// Whether `proof` shows this entry to be in the body behind `root`.
    pub fn is_in(&self, root: &Hash, proof: &Proof) -> bool {
        proof.root(self.leaf()) == Some(*root)
    }

    fn leaf(&self) -> Hash {
        Hash::of("bitcraps 2026 body entry", self)
    }
}
