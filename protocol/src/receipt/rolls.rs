//! What a node keeps of its newest rolls in order to prove them later: the state around a roll is
//! gone as soon as the next block is final, so the proofs are made when the roll's own block is.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Claim, Receipt, TRAIL, Throw, payouts, settle};
use crate::beacon::{BadCoinProof, CoinProof, DiceKey};
use crate::block::{BlockHash, Header};
use crate::chain::{
    Body, Entry, Item, Key, Operation, Proof, State, StateProof, TableEntry, TableId,
};
use crate::consensus::Finalization;
use crate::craps::{Dice, Phase, Round};
use crate::identity::PeerId;
use crate::wire::{List, decode, encode, limits};

/// Rolls whose receipts a node can make; the oldest is forgotten.
pub const ROLLS: usize = 1024;

/// Bytes that their proofs may take, certificates and shares apart; the oldest is forgotten.
pub const BYTES: usize = 16 << 20;

/// Bytes of the largest proofs of one roll.
const EVIDENCE_BYTES: usize = super::RECEIPT_BYTES;

/// The newest rolls of a chain with what proves them. Fed with every final block in turn, so that a
/// node which reads its journal back remembers as much as one that never stopped.
#[derive(Debug)]
pub struct Rolls {
    validators: List<PeerId, { limits::VALIDATORS }>,
    kept: BTreeMap<(TableId, Round), Kept>,
    order: VecDeque<(TableId, Round)>,
    /// Those of them without a coin.
    awaited: BTreeSet<(TableId, Round)>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    header: Header,
    /// The final blocks after it that bear no signatures, up to the first that does.
    trail: Vec<Header>,
    finalization: Option<Finalization>,
    /// Encoded: a table takes several times as much in memory.
    evidence: Bytes,
    coin: Option<CoinProof>,
}

/// What is proved against the state and the body of the roll's block.
#[derive(Serialize, Deserialize)]
struct Evidence {
    table: (TableEntry, StateProof),
    dice_key: (DiceKey, StateProof),
    throw: (Throw, Proof),
}

/// Everything that the receipt of a roll is made of.
#[derive(Clone, Debug)]
pub struct Material {
    table: TableId,
    round: Round,
    header: Header,
    validators: List<PeerId, { limits::VALIDATORS }>,
    trail: Vec<Header>,
    finalization: Finalization,
    evidence: Bytes,
    coin: CoinProof,
}

/// Why there is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReceipt {
    /// No such roll is among the newest [`ROLLS`] that this node knows of.
    Unknown,
    /// Its dice are not settled on the chain yet.
    Unsettled,
    /// Nobody has signed a block at or shortly after it for good; there were more than [`TRAIL`]
    /// blocks in between.
    Unsigned,
    /// This player had no bet on it.
    NoBet,
    /// The shares on the chain are no proof of the coin: a bug of ours.
    BadCoin(BadCoinProof),
}

impl Rolls {
    /// Nothing yet, on a network of these validators.
    pub fn new(validators: List<PeerId, { limits::VALIDATORS }>) -> Self {
        let (kept, order) = (BTreeMap::new(), VecDeque::new());
        Self { validators, kept, order, awaited: BTreeSet::new(), bytes: 0 }
    }

    /// Takes note of the next final block: its rolls, and the coins of earlier ones. `state` is the
    /// state after it, `finalization` its own, if it has one.
    pub fn note(
        &mut self,
        header: &Header,
        body: &Bytes,
        finalization: Option<&Finalization>,
        state: &State,
    ) {
        self.follow(header, finalization);
        if !header.commitments.has_rolls && self.awaited.is_empty() {
            return;
        }
        let body = Body::of(header, body).expect("a final block was executed here");
        for proof in body.coins.iter() {
            let kept = &mut self.kept;
            self.awaited.retain(|roll| match kept.get_mut(roll) {
                Some(kept) if kept.header.view == proof.view => {
                    kept.coin = Some(proof.clone());
                    false
                }
                Some(_) => true,
                None => unreachable!("what is forgotten is not awaited"),
            });
        }
        for (index, item) in body.items().enumerate() {
            if let Some((table, _, throw)) = throw(&item) {
                let proof = body.prove(index).expect("an index of the body's own");
                self.keep(header, finalization, table, (throw, proof), state);
            }
        }
    }

    /// Rolls without signatures have the next block's, if it has any.
    fn follow(&mut self, header: &Header, finalization: Option<&Finalization>) {
        let open = self.order.iter().rev().take_while({
            let kept = &self.kept;
            |roll| kept[roll].finalization.is_none()
        });
        let open: Vec<(TableId, Round)> = open.copied().collect();
        for roll in open {
            let Some(kept) = self.kept.get_mut(&roll) else { continue };
            if kept.trail.len() < TRAIL {
                kept.trail.push(*header);
                kept.finalization = finalization.cloned();
            }
        }
    }

    fn keep(
        &mut self,
        header: &Header,
        finalization: Option<&Finalization>,
        id: TableId,
        throw: (Throw, Proof),
        state: &State,
    ) {
        let prove = |key: Key| state.prove(&key).expect("a roll is of a table, under a key");
        let (Entry::Table(table), table_proof) = prove(Key::Table(id)) else {
            unreachable!("tables are under the keys of tables")
        };
        let Phase::Rolling { ticket } = table.table.phase() else {
            unreachable!("a thrown roll is in the air until a later block")
        };
        let place = Key::DiceKey(header.epoch, ticket.key_version);
        let (Entry::DiceKey(dice_key), key_proof) = prove(place) else {
            unreachable!("dice keys are under the keys of dice keys")
        };
        let roll = (id, table.table.round());
        let evidence = Evidence {
            table: ((**table).clone(), table_proof),
            dice_key: (dice_key.clone(), key_proof),
            throw,
        };
        let evidence = Bytes::from(encode(&evidence));
        self.bytes += evidence.len();
        let finalization = finalization.cloned();
        let kept = Kept { header: *header, trail: Vec::new(), finalization, evidence, coin: None };
        self.kept.insert(roll, kept);
        self.order.push_back(roll);
        self.awaited.insert(roll);
        self.forget_beyond(ROLLS, BYTES);
    }

    /// Forgets the oldest until no more than so many rolls and bytes of proofs are left.
    pub(super) fn forget_beyond(&mut self, rolls: usize, bytes: usize) {
        while self.order.len() > rolls || self.bytes > bytes {
            let oldest = self.order.pop_front().expect("there are more than allowed");
            let kept = self.kept.remove(&oldest).expect("what is in the order is kept");
            self.awaited.remove(&oldest);
            self.bytes -= kept.evidence.len();
        }
    }

    /// Bytes of the proofs that it keeps.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What proves this roll. Cheap; [`Material::receipt`] does the work.
    pub fn material(&self, table: TableId, round: Round) -> Result<Material, NoReceipt> {
        let kept = self.kept.get(&(table, round)).ok_or(NoReceipt::Unknown)?;
        let coin = kept.coin.clone().ok_or(NoReceipt::Unsettled)?;
        Ok(Material {
            table,
            round,
            header: kept.header,
            validators: self.validators.clone(),
            trail: kept.trail.clone(),
            finalization: kept.finalization.clone().ok_or(NoReceipt::Unsigned)?,
            evidence: kept.evidence.clone(),
            coin,
        })
    }

    /// How many rolls it can prove.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it knows of no roll.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Whose dice an entry of a block throws, if it throws any, and which roll of the table that is, if
/// the entry says so.
pub(super) fn throw(item: &Item<'_>) -> Option<(TableId, Option<Round>, Throw)> {
    match item {
        Item::Transaction(signed) => match signed.read().ok()?.operation {
            Operation::Roll { table, round } => {
                Some((table, Some(round), Throw::Shooter((*signed).clone())))
            }
            Operation::Transfer { .. }
            | Operation::OpenTable { .. }
            | Operation::CloseTable { .. }
            | Operation::Sit { .. }
            | Operation::Stand { .. }
            | Operation::Bet { .. }
            | Operation::TakeDown { .. }
            | Operation::Ready { .. }
            | Operation::SetWorking { .. }
            | Operation::Fund { .. }
            | Operation::Draw { .. }
            | Operation::PassDice { .. } => None,
        },
        Item::Roll(table) => Some((*table, None, Throw::House)),
        Item::Coin(_) | Item::KeyGeneration(_) => None,
    }
}

impl Material {
    /// The hash of the block that holds the throw.
    pub fn block(&self) -> BlockHash {
        self.header.hash()
    }

    /// The receipt for `player`, or for whom it may concern. Checks every share of the coin: some
    /// milliseconds where there are many validators.
    pub fn receipt(self, player: Option<PeerId>) -> Result<Receipt, NoReceipt> {
        let Evidence { table, dice_key, throw } =
            decode(&self.evidence, EVIDENCE_BYTES).expect("encoded here");
        let Header { network, epoch, .. } = self.header;
        let coin = self.coin.verify(&dice_key.0, network, epoch).map_err(NoReceipt::BadCoin)?;
        let dice = Dice::from_bytes(coin.dice_bytes(self.table.0, self.round.0));
        let has_bet = |player: &PeerId| table.0.table.bets().any(|(whose, ..)| whose.0 == player.0);
        if player.is_some_and(|player| !has_bet(&player)) {
            return Err(NoReceipt::NoBet);
        }
        let payouts = List::new(payouts(&settle(&table.0, dice)));
        Ok(Receipt {
            claim: Claim {
                table: self.table,
                round: self.round,
                player,
                coin,
                dice,
                payouts: payouts.expect("nobody has a bet up without a seat"),
            },
            header: self.header,
            validators: self.validators,
            trail: List::new(self.trail).expect("no longer trail is kept"),
            finalization: self.finalization,
            table: table.0,
            table_proof: table.1,
            dice_key: dice_key.0,
            dice_key_proof: dice_key.1,
            throw: throw.0,
            throw_proof: throw.1,
            shares: self.coin.shares,
        })
    }
}

impl fmt::Display for NoReceipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(
                formatter,
                "there is no such roll among the newest {ROLLS} that this node knows of"
            ),
            Self::Unsettled => formatter.write_str("the dice of this roll are not settled yet"),
            Self::Unsigned => formatter.write_str(
                "no block at or shortly after this roll bears a quorum's signatures here",
            ),
            Self::NoBet => formatter.write_str("this player had no bet on this roll"),
            Self::BadCoin(bad) => write!(formatter, "the recorded coin proves nothing: {bad}"),
        }
    }
}

impl core::error::Error for NoReceipt {}
