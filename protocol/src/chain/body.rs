//! What a block holds besides its header: coins for earlier rolls, records of the key generation,
//! transactions, and the rolls that fell due without a shooter. They are carried out in that order;
//! a dice key that the records bring about or retire is so from the next block on.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::merkle::{self, Proof};
use super::{SignedTransaction, TableId};
use crate::beacon::CoinProof;
use crate::beacon::generation::SignedRecord;
use crate::block::Header;
use crate::wire::{Hash, List, Malformed, decode, encode, limits};

/// Coins in one block.
pub const BODY_COINS: usize = 16;

/// Records of the key generation in one block.
pub const BODY_RECORDS: usize = 64;

/// Bytes of the key generation's records above which an honest leader adds no further one, so that
/// transactions have the other half of a block.
pub const BODY_RECORDS_TARGET_BYTES: usize = limits::BODY_TARGET_BYTES / 2;

/// Rolls in one block that no shooter asked for.
pub const BODY_ROLLS: usize = 256;

/// A block's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Coins of earlier views whose rolls wait for them; they settle before anything else happens.
    pub coins: List<CoinProof, BODY_COINS>,
    /// What validators say to make a dice key.
    pub key_generation: List<SignedRecord, BODY_RECORDS>,
    /// What accounts ask for.
    pub transactions: List<SignedTransaction, { limits::BLOCK_TRANSACTIONS }>,
    /// Tables that the leader rolls because their shooters did not; unsigned, as whether a roll is
    /// due can be seen from the state.
    pub rolls: List<TableId, BODY_ROLLS>,
}

/// A body whose transactions are named and not told: by the leaves of its Merkle tree, so that whoever
/// has the header can check them, and whoever has the transactions can fill them in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    coins: List<CoinProof, BODY_COINS>,
    key_generation: List<SignedRecord, BODY_RECORDS>,
    transactions: List<Hash, { limits::BLOCK_TRANSACTIONS }>,
    rolls: List<TableId, BODY_ROLLS>,
}

/// One entry of a body.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Item<'a> {
    /// Of its coins.
    Coin(&'a CoinProof),
    /// Of its records of the key generation.
    KeyGeneration(&'a SignedRecord),
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

    /// Its entries: coins, then records of the key generation, then transactions, then rolls.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let coins = self.coins.iter().map(Item::Coin);
        let records = self.key_generation.iter().map(Item::KeyGeneration);
        let transactions = self.transactions.iter().map(Item::Transaction);
        coins.chain(records).chain(transactions).chain(self.rolls.iter().copied().map(Item::Roll))
    }

    /// The Merkle root over its entries, which its header carries as `transactions`.
    pub fn root(&self) -> Hash {
        merkle::root(&self.leaves())
    }

    /// Proves that the entry at `index`, counted over [`Body::items`], is in the body.
    pub fn prove(&self, index: usize) -> Option<Proof> {
        merkle::prove(&self.leaves(), index)
    }

    /// The body with its transactions named.
    pub fn outline(&self) -> Outline {
        let named = self.transactions.iter().map(|signed| Item::Transaction(signed).leaf());
        Outline {
            coins: self.coins.clone(),
            key_generation: self.key_generation.clone(),
            transactions: List::new(named.collect()).expect("as many as there are transactions"),
            rolls: self.rolls.clone(),
        }
    }

    fn leaves(&self) -> Vec<Hash> {
        self.items().map(|item| item.leaf()).collect()
    }
}

impl Outline {
    /// The names of its transactions.
    pub fn transactions(&self) -> &[Hash] {
        &self.transactions
    }

    /// The Merkle root over the entries of the one body that it is of.
    pub fn root(&self) -> Hash {
        let coins = self.coins.iter().map(|coin| Item::Coin(coin).leaf());
        let records = self.key_generation.iter().map(|record| Item::KeyGeneration(record).leaf());
        let rolls = self.rolls.iter().map(|table| Item::Roll(*table).leaf());
        let named = self.transactions.iter().copied();
        merkle::root(&coins.chain(records).chain(named).chain(rolls).collect::<Vec<_>>())
    }

    /// The body, if all its transactions can be found and make it no longer than a body may be.
    pub(super) fn fill<'a>(
        &self,
        find: impl Fn(&Hash) -> Option<&'a SignedTransaction>,
    ) -> Option<Body> {
        let (mut transactions, mut room) = (Vec::new(), limits::BODY_BYTES);
        for name in self.transactions.iter() {
            let signed = find(name)?;
            room = room.checked_sub(signed.size())?;
            transactions.push(signed.clone());
        }
        Some(Body {
            coins: self.coins.clone(),
            key_generation: self.key_generation.clone(),
            transactions: List::new(transactions).ok()?,
            rolls: self.rolls.clone(),
        })
    }
}

impl Item<'_> {
    /// Whether `proof` shows this entry to be in the body behind `root`.
    pub fn is_in(&self, root: &Hash, proof: &Proof) -> bool {
        proof.root(self.leaf()) == Some(*root)
    }

    /// What stands for it in the Merkle tree.
    pub(super) fn leaf(&self) -> Hash {
        Hash::of("bitcraps 2026 body entry", self)
    }
}
