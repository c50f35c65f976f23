//! The rolls of a chain, read from its blocks: which were thrown, and what the coins made of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::rolls::throw;
use crate::beacon::CoinId;
use crate::block::Header;
use crate::chain::{Body, PENDING_ROLLS, TableId};
use crate::craps::{Dice, Round};
use crate::wire::Hash;

/// Follows final blocks and tells the dice as they are settled. It takes the word of whoever serves
/// the blocks that they are final, and the chain's that a recorded coin's shares are good; what
/// needs proof has a [`Receipt`](super::Receipt).
#[derive(Debug, Default)]
pub struct History {
    /// Whether it began with the first block.
    whole: bool,
    /// The versions of the chain's dice keys, by their hashes.
    keys: BTreeMap<Hash, u32>,
    /// The key in force after the block before, under which the next one's dice are thrown.
    in_force: Hash,
    /// Rolls without a coin, oldest first, at most [`PENDING_ROLLS`]; the oldest is forgotten.
    pending: Vec<(CoinId, TableId, Round)>,
    /// The newest roll of each table: one entry for each table that was ever rolled.
    newest: BTreeMap<TableId, Round>,
}

impl History {
    /// The history from the first block on, where this key was in force after genesis.
    pub fn new(dice_key: Hash) -> Self {
        Self { whole: true, in_force: dice_key, ..Self::default() }
    }

    /// The history from any block on, of which the rolls in that very block are not part, nor those
    /// in the air before it, nor what the house throws at a table before its shooters do.
    pub fn from_the_middle() -> Self {
        Self::default()
    }

    /// Learns that this is the version of the key with this hash.
    pub fn know(&mut self, key: Hash, version: u32) {
        self.keys.insert(key, version);
    }

    /// Takes the next final block; the rolls that it settles.
    pub fn note(&mut self, header: &Header, body: &Body) -> Vec<(TableId, Round, Dice)> {
        let mut settled = Vec::new();
        for proof in body.coins.iter() {
            let (due, later): (Vec<_>, Vec<_>) =
                self.pending.iter().copied().partition(|(id, ..)| id.view == proof.view);
            let coin = due.first().and_then(|(id, ..)| proof.combine(id));
            self.pending = later;
            for (_, table, round) in due {
                let dice = |bytes| (table, round, Dice::from_bytes(bytes));
                settled.extend(coin.map(|coin| dice(coin.dice_bytes(table.0, round.0))));
            }
        }
        for (table, round, _) in body.items().filter_map(|item| throw(&item)) {
            // A table's first roll is round 1; the house's entry does not say which it is.
            let next = self.newest.get(&table).map(|newest| newest.next());
            let Some(round) = round.or(next).or(self.whole.then_some(Round(1))) else { continue };
            self.newest.insert(table, round);
            let Some(key_version) = self.keys.get(&self.in_force).copied() else { continue };
            let Header { network, epoch, view, .. } = *header;
            if self.pending.len() == PENDING_ROLLS {
                self.pending.remove(0);
            }
            self.pending.push((CoinId { network, epoch, key_version, view }, table, round));
        }
        self.in_force = header.commitments.dice_key;
        settled
    }
}
