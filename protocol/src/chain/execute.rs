//! What a block does to the state: a pure function of the state below, the block's slot and its
//! body. Coins come first and settle their rolls, then transactions in their order, then the rolls
//! that fell due without a shooter. A refused step has changed nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::body::Body;
use super::memo::Memo;
use super::mempool::Mempool;
use super::overlay::{Delta, Overlay, Writes};
use super::state::{
    Entry, Key, OPEN_TABLES, OPEN_TABLES_PER_ACCOUNT, PENDING_ROLLS, PendingRoll, TableEntry,
};
use super::{
    Invalid, Nonce, Operation, Rejection, TableId, Transaction, TransactionId, VerifiedTransaction,
};
use crate::beacon::generation::BadRecord;
use crate::beacon::{CoinProof, DiceKey};
use crate::block::{Commitments, Height, ValidatorIndex, View};
use crate::craps::{self, Chips, Dice, Moment, Player, RollTicket, Round, Table};
use crate::hooks::{Flaw, Hooks};
use crate::identity::{Address, Epoch, NetworkId, PeerId};
use crate::ledger::{self, Account};
use crate::time::BlockTime;
use crate::wire::{Hash, List, limits};

/// A block's place: everything about it that its body is carried out with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The view in which it is proposed; rolls in it get this view's coin.
    pub view: View,
    /// Its distance from genesis.
    pub height: Height,
    /// Its agreed time.
    pub time: BlockTime,
}

/// What a block did, for those who wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Its transactions with their senders and the tables they opened, in order.
    pub executed: Vec<(TransactionId, PeerId, Option<TableId>)>,
    /// The rolls that now wait for this view's coin.
    pub rolled: Vec<(TableId, Round)>,
    /// Earlier rolls that were settled.
    pub settled: Vec<(TableId, Round, Dice)>,
    /// Whether the making of the dice key moved.
    pub key_generation: bool,
    /// Validators of whom it was shown that they dealt badly.
    pub excluded: Vec<ValidatorIndex>,
}

/// What of a genesis never changes and every block needs.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) network: NetworkId,
    pub(super) proof_of_work_bits: u8,
    pub(super) hooks: Hooks,
}

/// One block being carried out.
pub(super) struct Execution<'a> {
    pub(super) terms: &'a Terms,
    pub(super) slot: Slot,
    pub(super) below: Overlay<'a>,
    pub(super) writes: Writes<'a>,
    pub(super) records: usize,
    by_sender: BTreeMap<PeerId, usize>,
    new_accounts: usize,
    pub(super) effects: Effects,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) delta: Delta,
    pub(super) commitments: Commitments,
    pub(super) effects: Effects,
}

impl<'a> Execution<'a> {
    pub(super) fn new(terms: &'a Terms, slot: Slot, below: Overlay<'a>) -> Self {
        let mut block = Self {
            terms,
            slot,
            writes: Writes::new(below.clone()),
            below,
            records: 0,
            by_sender: BTreeMap::new(),
            new_accounts: 0,
            effects: Effects::default(),
        };
        if terms.hooks.has(Flaw::RedrawOnNullify) {
            block.redraw_late_rolls();
        }
        block
    }

    fn redraw_late_rolls(&mut self) {
        let (pending, view) = (&self.writes.meta().pending, self.slot.view);
        let is_late = |roll: &PendingRoll| roll.view.0 + 2 < view.0;
        if pending.iter().any(is_late) {
            let redrawn = |roll: &PendingRoll| match is_late(roll) {
                true => PendingRoll { view, ..*roll },
                false => *roll,
            };
            let pending = List::new(pending.iter().map(redrawn).collect());
            self.writes.meta_mut().pending = pending.expect("as many as there were");
        }
    }

    pub(super) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The highest nonce that an account used so far; `None` if there is no such account.
    pub(super) fn nonce(&self, peer: &PeerId) -> Option<Nonce> {
        self.writes.account(peer).map(|account| account.nonce)
    }

    /// The tables that were due, before this block, to be rolled without their shooters.
    pub(super) fn due(&self) -> Vec<TableId> {
        let meta = self.below.meta();
        if meta.dice_key.is_none() || meta.pending.len() >= PENDING_ROLLS {
            return Vec::new();
        }
        let at = self.moment();
        let tables = self.below.tables();
        let due = tables.iter().filter(|(_, entry)| entry.table.system_roll_due(at));
        due.map(|(id, _)| *id).collect()
    }

    /// Carries out a whole body.
    pub(super) fn run(
        mut self,
        body: &Body,
        mempool: &Mempool,
        memo: &mut Memo,
    ) -> Result<Outcome, Invalid> {
        for proof in body.coins.iter() {
            self.record(proof, memo)?;
        }
        for (index, signed) in body.key_generation.iter().enumerate() {
            let Some(generation) = self.writes.generation() else {
                return Err(Invalid::BadRecord { index, why: BadRecord::NoGeneration });
            };
            let record = memo
                .record(signed, self.terms.network, generation)
                .map_err(|why| Invalid::Untrue { index, why })?;
            self.key_generation(&record).map_err(|why| Invalid::BadRecord { index, why })?;
        }
        for (index, signed) in body.transactions.iter().enumerate() {
            let transaction = memo
                .transaction(signed, self.terms.network, mempool)
                .map_err(|why| Invalid::NotAuthentic { index, why })?;
            self.transaction(transaction).map_err(|why| Invalid::Rejected { index, why })?;
        }
        for table in body.rolls.iter().copied() {
            self.roll(table, None).map_err(|why| Invalid::SystemRoll { table, why })?;
        }
        Ok(self.finish(body.root(), memo))
    }

    /// Settles every roll that waits for this coin.
    pub(super) fn record(&mut self, proof: &CoinProof, memo: &mut Memo) -> Result<(), Invalid> {
        let view = proof.view;
        let pending = &self.writes.meta().pending;
        let Some(first) = pending.iter().find(|roll| roll.view == view).copied() else {
            return Err(Invalid::NoPendingRoll { view });
        };
        let (due, later): (Vec<PendingRoll>, Vec<PendingRoll>) = pending
            .iter()
            .copied()
            .partition(|roll| (roll.epoch, roll.view) == (first.epoch, first.view));
        let coin = memo
            .coin(
                proof,
                self.dice_key(first.epoch, first.key_version),
                self.terms.network,
                first.epoch,
            )
            .map_err(|_| Invalid::BadCoin { view })?;
        self.writes.meta_mut().pending = List::new(later).expect("fewer than there were");
        for PendingRoll { table, round, .. } in due {
            let dice = Dice::from_bytes(coin.dice_bytes(table.0, round.0));
            self.settle(table, round, dice);
        }
        Ok(())
    }

    /// Carries out a transaction, or says why it cannot be in this block at this place.
    pub(super) fn transaction(&mut self, signed: &VerifiedTransaction) -> Result<(), Rejection> {
        let Transaction { sender, nonce, operation, .. } = signed.transaction();
        let account = self.writes.account(&sender.peer).ok_or(Rejection::NoAccount)?;
        check_envelope(&account, signed.transaction(), self.slot.height)?;
        let sent = self.by_sender.get(&sender.peer).copied().unwrap_or(0);
        if sent >= limits::BLOCK_TRANSACTIONS_PER_ACCOUNT
            || self.effects.executed.len() >= limits::BLOCK_TRANSACTIONS
        {
            return Err(Rejection::NoRoom);
        }
        let opened = self.operate(sender.peer, operation)?;
        if !self.terms.hooks.has(Flaw::NonceReused) {
            self.update(sender.peer, |account| account.nonce = *nonce);
        }
        self.by_sender.insert(sender.peer, sent + 1);
        self.effects.executed.push((signed.id(), sender.peer, opened));
        Ok(())
    }

    /// Throws a table's dice for its shooter or, when `by` is nobody, because they are due.
    pub(super) fn roll(
        &mut self,
        table: TableId,
        by: Option<(PeerId, Round)>,
    ) -> Result<(), Rejection> {
        let meta = self.writes.meta();
        let epoch = meta.epoch;
        let key_version = meta.dice_key.ok_or(Rejection::NoDiceKey)?;
        if meta.pending.len() >= PENDING_ROLLS {
            return Err(Rejection::NoRoom);
        }
        let at = self.moment();
        let view = if self.terms.hooks.has(Flaw::CoinByHeight) {
            View(self.slot.height.0)
        } else {
            self.slot.view
        };
        let ticket = RollTicket { view, key_version };
        let round = self.at_table(table, |game| {
            let round = by.map_or(game.round(), |(_, round)| round);
            game.roll(by.map(|(peer, _)| player(peer)), round, at, ticket).map(|()| round)
        })?;
        let roll = PendingRoll { epoch, view, key_version, table, round };
        let meta = self.writes.meta_mut();
        let pending = meta.pending.iter().copied().chain([roll]).collect();
        meta.pending = List::new(pending).expect("checked above that there is room");
        self.effects.rolled.push((table, round));
        Ok(())
    }

    /// Why an operation would be refused, whatever its nonce and expiry; `None` if it would not.
    pub(super) fn objection(&mut self, transaction: &Transaction) -> Option<Rejection> {
        self.operate(transaction.sender.peer, &transaction.operation).err()
    }

    pub(super) fn finish(mut self, transactions: Hash, memo: &mut Memo) -> Outcome {
        self.advance_generation(memo);
        let meta = self.writes.meta();
        let (validators, dice_key) = (meta.validators, meta.dice_key_hash);
        let has_rolls = !self.effects.rolled.is_empty();
        let (delta, state) = self.writes.finish();
        self.effects.key_generation = delta.touches_generation();
        let balanced = delta.imbalance(&self.below) == 0;
        assert!(
            balanced || self.terms.hooks.has(Flaw::ChipsFromNothing),
            "a block made or lost chips"
        );
        let commitments = Commitments { transactions, state, validators, dice_key, has_rolls };
        Outcome { delta, commitments, effects: self.effects }
    }

    fn operate(
        &mut self,
        sender: PeerId,
        operation: &Operation,
    ) -> Result<Option<TableId>, Rejection> {
        let at = self.moment();
        let who = player(sender);
        match operation {
            Operation::Transfer { to, amount } => self.transfer(sender, to, *amount)?,
            Operation::OpenTable { name, rules, bank } => {
                self.expect_room_for_table(sender)?;
                self.account(sender)?.covers(*bank)?;
                let table = Table::open(rules.clone(), who, *bank, at)?;
                let entry = TableEntry { name: name.clone(), owner: sender, table };
                return Ok(Some(self.open(entry, *bank)));
            }
            Operation::CloseTable { table } => self.close(sender, *table)?,
            Operation::Sit { table } => self.at_table(*table, |game| game.sit(who))?,
            Operation::Stand { table } => {
                let returned = self.at_table(*table, |game| game.stand(who, at))?;
                self.update(sender, |account| account.credit(returned));
            }
            Operation::Bet { table, round, bet, amount } => {
                let price = self.at_table(*table, |game| game.price(who, *bet, *amount))?;
                self.account(sender)?.covers(price)?;
                self.at_table(*table, |game| game.bet(who, *round, *bet, *amount, at))?;
                self.update(sender, |account| {
                    account.debit(price).expect("checked before the table took the bet");
                });
            }
            Operation::TakeDown { table, round, bet, amount } => {
                let down = |game: &mut Table| game.take_down(who, *round, *bet, *amount);
                let returned = self.at_table(*table, down)?;
                self.update(sender, |account| account.credit(returned));
            }
            Operation::SetWorking { table, round, bet, on } => {
                self.at_table(*table, |game| game.set_working(who, *round, *bet, *on))?;
            }
            Operation::Fund { table, amount } => {
                self.account(sender)?.covers(*amount)?;
                self.at_table(*table, |game| game.fund(*amount))?;
                self.update(sender, |account| {
                    account.debit(*amount).expect("checked before the table took it");
                });
            }
            Operation::Draw { table, amount } => {
                let drawn = self.at_table(*table, |game| game.draw(who, *amount))?;
                self.update(sender, |account| account.credit(drawn));
            }
            Operation::Ready { table, round } => {
                self.at_table(*table, |game| game.ready(who, *round))?;
            }
            Operation::PassDice { table, round } => {
                self.at_table(*table, |game| game.pass_dice(who, *round, at))?;
            }
            Operation::Roll { table, round } => self.roll(*table, Some((sender, *round)))?,
        }
        Ok(None)
    }

    fn transfer(&mut self, from: PeerId, to: &Address, amount: Chips) -> Result<(), Rejection> {
        if amount == Chips(0) {
            return Err(Rejection::NothingToTransfer);
        }
        let mut payer = self.account(from)?;
        payer.covers(amount)?;
        if to.peer == from {
            if self.terms.hooks.has(Flaw::ChipsFromNothing) {
                self.update(from, |account| account.credit(amount));
            }
            return Ok(());
        }
        let mut payee = match self.writes.account(&to.peer) {
            Some(account) => account,
            None => self.new_account(to)?,
        };
        ledger::transfer(&mut payer, &mut payee, amount)?;
        self.writes.set_account(from, payer);
        self.writes.set_account(to.peer, payee);
        Ok(())
    }

    fn new_account(&mut self, address: &Address) -> Result<Account, Rejection> {
        let bits = self.terms.proof_of_work_bits;
        if !address.is_worth(bits) {
            return Err(Rejection::TooLittleWork { bits });
        }
        if self.new_accounts >= limits::BLOCK_NEW_ACCOUNTS {
            return Err(Rejection::NoRoom);
        }
        self.new_accounts += 1;
        Ok(Account::default())
    }

    fn expect_room_for_table(&self, owner: PeerId) -> Result<(), Rejection> {
        let meta = self.writes.meta();
        let full = self.account(owner)?.tables >= OPEN_TABLES_PER_ACCOUNT
            || meta.open_tables >= OPEN_TABLES
            || meta.next_table == TableId(u32::MAX);
        if full { Err(Rejection::TooManyTables) } else { Ok(()) }
    }

    fn open(&mut self, entry: TableEntry, bank: Chips) -> TableId {
        self.update(entry.owner, |account| {
            account.debit(bank).expect("checked before the table was made");
            account.tables += 1;
        });
        let meta = self.writes.meta_mut();
        let id = meta.next_table;
        meta.open_tables += 1;
        meta.next_table = TableId(id.0 + 1);
        self.writes.set_table(id, entry);
        id
    }

    fn close(&mut self, sender: PeerId, id: TableId) -> Result<(), Rejection> {
        let entry = self.writes.table(id).ok_or(Rejection::NoSuchTable { table: id })?;
        if entry.owner != sender {
            return Err(Rejection::NotOwner);
        }
        let bank = self.at_table(id, |game| game.close(player(sender)))?;
        self.writes.remove_table(id);
        self.writes.meta_mut().open_tables -= 1;
        self.update(sender, |account| {
            account.credit(bank);
            account.tables -= 1;
        });
        Ok(())
    }

    fn settle(&mut self, table: TableId, round: Round, dice: Dice) {
        let at = self.moment();
        let settlement = self
            .writes
            .table_mut(table)
            .expect("a table is not closed while its dice roll")
            .table
            .settle(dice, at);
        for (who, payout) in settlement.payouts {
            self.update(PeerId(who.0), |account| account.credit(payout));
        }
        self.effects.settled.push((table, round, dice));
    }

    fn at_table<T>(
        &mut self,
        id: TableId,
        act: impl FnOnce(&mut Table) -> Result<T, craps::Refusal>,
    ) -> Result<T, Rejection> {
        let entry = self.writes.table_mut(id).ok_or(Rejection::NoSuchTable { table: id })?;
        act(&mut entry.table).map_err(Rejection::Table)
    }

    fn account(&self, peer: PeerId) -> Result<Account, Rejection> {
        self.writes.account(&peer).ok_or(Rejection::NoAccount)
    }

    fn update(&mut self, peer: PeerId, change: impl FnOnce(&mut Account)) {
        let mut account =
            self.writes.account(&peer).expect("whoever acts or plays has an account for ever");
        change(&mut account);
        self.writes.set_account(peer, account);
    }

    fn dice_key(&self, epoch: Epoch, version: u32) -> &DiceKey {
        match self.writes.entry(&Key::DiceKey(epoch, version)) {
            Some(Entry::DiceKey(key)) => key,
            _ => unreachable!("a roll is bound to a key that the state keeps"),
        }
    }

    const fn moment(&self) -> Moment {
        Moment { height: self.slot.height, time: self.slot.time }
    }
}

/// Whether a transaction's nonce and expiry fit a block at `height`.
pub(super) fn check_envelope(
    account: &Account,
    transaction: &Transaction,
    height: Height,
) -> Result<(), Rejection> {
    let Transaction { nonce, expires, .. } = transaction;
    if *nonce <= account.nonce {
        return Err(Rejection::NonceUsed { next: Nonce(account.nonce.0.saturating_add(1)) });
    }
    if nonce.0 - account.nonce.0 > limits::NONCE_GAP {
        return Err(Rejection::NonceTooFar);
    }
    if height > *expires {
        return Err(Rejection::Expired { expires: *expires });
    }
    if expires.0 - height.0 > limits::EXPIRY_BLOCKS {
        return Err(Rejection::ExpiryTooFar);
    }
    Ok(())
}

const fn player(peer: PeerId) -> Player {
    Player(peer.0)
}
