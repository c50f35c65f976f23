//! The receipt of a roll: a file that proves to anybody, without a network, what was bet, what was
//! thrown and what it paid. [`Receipt`] is the value, [`Receipt::verify`] the check, [`Rolls`] what
//! a node keeps in order to hand receipts out, [`History`] the dice of all rolls.
//!
//! A receipt rests on one thing that its reader trusts, a genesis or any header of the network
//! ([`Trust`]), and follows from it step by step ([`Step`]): the validators, a quorum's signatures
//! under the block that holds the throw, the table with every frozen bet and the dice key in the
//! state to which that block commits, the throw in the block, the shares of the coin, the coin,
//! the dice, and what the rules then pay. There is no checksum: every bit means something, and is
//! compared with what it must be.
//!
//! # The file
//!
//! [`MAGIC`], then the fields of [`Receipt`] in their order, written like everything else between
//! nodes (postcard, canonical): integers of more than a byte as little-endian base-128 varints,
//! `Option` and `enum` with a leading tag, lists and texts with a leading length, arrays bare.
//! The JSON form, which the command writes, carries the same bytes in hexadecimal beside what they
//! show. `verify.py`, beside this file, reads the same format with other hands.

mod history;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod model;
mod rolls;
#[cfg(test)]
mod tests;
mod verify;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::beacon::{Coin, CoinProof, CoinShare, DiceKey};
use crate::block::{Header, ValidatorIndex};
use crate::chain::{Proof, SignedTransaction, StateProof, TableEntry, TableId};
use crate::consensus::Finalization;
use crate::craps::{Chips, Dice, Moment, Player, Round, Rules, Settlement};
use crate::identity::PeerId;
use crate::wire::{List, Malformed, decode, encode, limits};

pub use history::History;
pub use rolls::{BYTES, Material, NoReceipt, ROLLS, Rolls};
pub use verify::{Asked, Failed, Passed, Proven, Step, Trust, Verdict, Why};

/// With what every receipt of this version begins.
pub const MAGIC: &[u8] = b"bitcraps receipt 1\n";

/// Bytes of the longest receipt: the largest table, 512 validators, the longest trail.
pub const RECEIPT_BYTES: usize = 512 * 1024;

/// Blocks between a throw's and the one whose signatures make it final. In the good case there is
/// none; a receipt that would need more is not made.
pub const TRAIL: usize = 256;

/// Proves one roll of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What the rest proves.
    pub claim: Claim,
    /// The header of the block that holds the throw.
    pub header: Header,
    /// The validators of its epoch, in the order of their indices.
    pub validators: List<PeerId, { limits::VALIDATORS }>,
    /// The headers from there, each the parent of the next, to the block that a quorum signed.
    pub trail: List<Header, TRAIL>,
    /// The signatures: of the last block of the trail, or of the throw's own.
    pub finalization: Finalization,
    /// The table after the block: everything frozen, the dice in the air.
    pub table: TableEntry,
    /// That it is in the state to which the throw's header commits.
    pub table_proof: StateProof,
    /// The key under which the dice were thrown.
    pub dice_key: DiceKey,
    /// That it is in the same state.
    pub dice_key_proof: StateProof,
    /// How the dice came to be thrown.
    pub throw: Throw,
    /// That this is in the block.
    pub throw_proof: Proof,
    /// The shares of the coin of the block's view: as many as the key's threshold, ascending.
    pub shares: List<(ValidatorIndex, CoinShare), { limits::VALIDATORS }>,
}

/// What a receipt claims; all of it follows from the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Where it was rolled.
    pub table: TableId,
    /// Which roll of the table it was.
    pub round: Round,
    /// Whose receipt it is: somebody with a bet up. `None` is for whom it may concern.
    pub player: Option<PeerId>,
    /// The coin of the block's view.
    pub coin: Coin,
    /// What it showed.
    pub dice: Dice,
    /// What the bets paid, by player in ascending order; nobody is paid nothing. What the owner
    /// drew out of the bank at the same time is no bet's, and not among it.
    pub payouts: List<(PeerId, Chips), { Rules::MAX_SEATS as usize }>,
}

/// How the dice came to be thrown: an entry of the block's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throw {
    /// The shooter threw them.
    Shooter(SignedTransaction),
    /// They fell due without the shooter.
    House,
}

impl Receipt {
    /// The receipt's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(encode(self));
        bytes
    }

    /// Reads a receipt; nothing of it is believed yet.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAReceipt> {
        let fields = bytes.strip_prefix(MAGIC).ok_or(NotAReceipt::Magic)?;
        decode(fields, RECEIPT_BYTES).map_err(NotAReceipt::Malformed)
    }

    fn coin_proof(&self) -> CoinProof {
        CoinProof { view: self.header.view, shares: self.shares.clone() }
    }
}

/// Bytes that are no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAReceipt {
    /// They do not begin with [`MAGIC`].
    Magic,
    /// The fields are not in the one form in which they are written.
    Malformed(Malformed),
}

impl fmt::Display for NotAReceipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => formatter.write_str("it does not begin like a receipt of version 1"),
            Self::Malformed(malformed) => write!(formatter, "its fields are {malformed}"),
        }
    }
}

impl core::error::Error for NotAReceipt {}

/// What these dice do to a table whose roll is in the air, by the rules of the game.
fn settle(table: &TableEntry, dice: Dice) -> Settlement {
    // When a roll is settled says when the next one opens, nothing else.
    table.table.clone().settle(dice, Moment::default())
}

/// What the bets of a settlement paid, by player.
fn payouts(settlement: &Settlement) -> Vec<(PeerId, Chips)> {
    let mut payouts: Vec<(PeerId, Chips)> = Vec::new();
    for resolved in settlement.resolved.iter().filter(|one| one.credited > Chips::ZERO) {
        let Player(key) = resolved.player;
        match payouts.last_mut() {
            // Bets are resolved in the order of their players.
            Some((last, sum)) if last.0 == key => sum.0 += resolved.credited.0,
            Some(_) | None => payouts.push((PeerId(key), resolved.credited)),
        }
    }
    payouts
}
