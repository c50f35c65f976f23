//! What the chain's blocks add up to: accounts, tables, dice keys and a few totals, each an entry
//! under a key of its own, with one root over all of them. [`State`] is the finalized one; what
//! unfinalized blocks change is kept apart in deltas (see `overlay`).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::TableId;
use super::overlay::Delta;
use super::tree::{StateProof, Tree, TreeView};
use crate::beacon::DiceKey;
use crate::beacon::generation::{Deal, Generation};
use crate::block::{ValidatorIndex, View};
use crate::craps::{Chips, Round, Table};
use crate::identity::{Epoch, PeerId};
use crate::ledger::Account;
use crate::wire::{Hash, List, Text, limits};

/// Rolls whose coin is not recorded yet, over all tables. When there are as many, further rolls
/// wait.
pub const PENDING_ROLLS: usize = 1024;

/// Tables open at one time on one chain. When there are as many, a new one is refused.
pub const OPEN_TABLES: u32 = 4096;

/// Tables that one account may have open at one time.
pub const OPEN_TABLES_PER_ACCOUNT: u16 = 16;

/// Where an entry is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The one [`Meta`].
    Meta,
    /// Where the making of the epoch's dice key stands, unless a dealer made it.
    Generation,
    /// A dice key by its epoch and version, kept after its time for the receipts of its rolls.
    DiceKey(Epoch, u32),
    /// A deal of a dice key, by its epoch, version and dealer; kept as long as a share of it may
    /// still have to be opened.
    Deal(Epoch, u32, ValidatorIndex),
    /// An account.
    Account(PeerId),
    /// An open table.
    Table(TableId),
}

/// What is found there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Under [`Key::Meta`].
    Meta(Meta),
    /// Under [`Key::Generation`].
    Generation(Box<Generation>),
    /// Under [`Key::DiceKey`].
    DiceKey(DiceKey),
    /// Under [`Key::Deal`].
    Deal(Box<Deal>),
    /// Under [`Key::Account`].
    Account(Account),
    /// Under [`Key::Table`].
    Table(Box<TableEntry>),
}

/// The totals and the few things that concern the whole chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// All chips there are; fixed by genesis.
    pub supply: Chips,
    /// The epoch whose validators decide the next block.
    pub epoch: Epoch,
    /// Hash of those validators, in the order of their indices.
    pub validators: Hash,
    /// The version of the epoch's key under which dice are rolled in the next block; `None` while
    /// there is none, and no dice are rolled.
    pub dice_key: Option<u32>,
    /// That key's hash; zero while there is none.
    pub dice_key_hash: Hash,
    /// The number that the next table gets.
    pub next_table: TableId,
    /// How many tables are open.
    pub open_tables: u32,
    /// Rolls whose coin is not recorded yet, oldest first.
    pub pending: List<PendingRoll, PENDING_ROLLS>,
}

/// A roll that waits for its coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRoll {
    /// The epoch of that view.
    pub epoch: Epoch,
    /// The view whose coin makes the dice.
    pub view: View,
    /// The version of that epoch's key under which the coin is made.
    pub key_version: u32,
    /// Where it was rolled.
    pub table: TableId,
    /// Which roll of the table it is.
    pub round: Round,
}

/// An open table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// What it is called.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// Who opened it and funds its bank.
    pub owner: PeerId,
    /// The game.
    pub table: Table,
}

/// The state after the newest finalized block.
#[derive(Clone, Debug)]
pub struct State {
    entries: BTreeMap<Key, Entry>,
    tree: Tree,
    chips: Chips,
}

impl Entry {
    /// The chips that lie in this entry.
    pub(super) fn chips(&self) -> Chips {
        match self {
            Self::Meta(_) | Self::Generation(_) | Self::DiceKey(_) | Self::Deal(_) => Chips(0),
            Self::Account(account) => account.balance,
            Self::Table(entry) => entry.table.held(),
        }
    }

    pub(super) fn generation(&self) -> Option<&Generation> {
        match self {
            Self::Generation(generation) => Some(generation),
            Self::Meta(_)
            | Self::DiceKey(_)
            | Self::Deal(_)
            | Self::Account(_)
            | Self::Table(_) => None,
        }
    }

    pub(super) fn deal(&self) -> Option<&Deal> {
        match self {
            Self::Deal(deal) => Some(deal),
            Self::Meta(_)
            | Self::Generation(_)
            | Self::DiceKey(_)
            | Self::Account(_)
            | Self::Table(_) => None,
        }
    }

    /// The entry's leaf in the state tree.
    pub(super) fn leaf(&self, key: &Key) -> Hash {
        Hash::of("bitcraps 2026 state entry", &(key, self))
    }
}

impl State {
    /// The state before genesis: nothing at all.
    pub(super) fn empty() -> Self {
        Self { entries: BTreeMap::new(), tree: Tree::empty(), chips: Chips(0) }
    }

    /// The state of exactly these entries; `None` if they hold other chips than they say there are.
    pub(super) fn from_entries(entries: BTreeMap<Key, Entry>) -> Option<Self> {
        let Some(Entry::Meta(meta)) = entries.get(&Key::Meta) else { return None };
        let chips = meta.supply;
        if crate::ledger::total(entries.values().map(Entry::chips)) != Some(chips) {
            return None;
        }
        let mut tree = Tree::empty();
        let leaves = entries.iter().map(|(key, entry)| (*key, Some(entry.leaf(key)))).collect();
        let (delta, _) = TreeView { base: &tree, deltas: Vec::new() }.change(&leaves);
        tree.apply(delta);
        Some(Self { entries, tree, chips })
    }

    /// An account, if there is one for this key.
    pub fn account(&self, peer: &PeerId) -> Option<Account> {
        match self.entries.get(&Key::Account(*peer))? {
            Entry::Account(account) => Some(*account),
            Entry::Meta(_)
            | Entry::Generation(_)
            | Entry::DiceKey(_)
            | Entry::Deal(_)
            | Entry::Table(_) => None,
        }
    }

    /// All accounts, in the order of their keys.
    pub fn accounts(&self) -> impl Iterator<Item = (PeerId, Account)> + '_ {
        self.entries.iter().filter_map(|(key, entry)| match (key, entry) {
            (Key::Account(peer), Entry::Account(account)) => Some((*peer, *account)),
            (
                Key::Meta
                | Key::Generation
                | Key::DiceKey(..)
                | Key::Deal(..)
                | Key::Account(_)
                | Key::Table(_),
                _,
            ) => None,
        })
    }

    /// An open table.
    pub fn table(&self, id: TableId) -> Option<&TableEntry> {
        match self.entries.get(&Key::Table(id))? {
            Entry::Table(entry) => Some(entry),
            Entry::Meta(_)
            | Entry::Generation(_)
            | Entry::DiceKey(_)
            | Entry::Deal(_)
            | Entry::Account(_) => None,
        }
    }

    /// All open tables, in the order in which they were opened.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, &TableEntry)> + '_ {
        let first = Key::Table(TableId(0));
        self.entries.range(first..).filter_map(|(key, entry)| match (key, entry) {
            (Key::Table(id), Entry::Table(entry)) => Some((*id, &**entry)),
            (
                Key::Meta
                | Key::Generation
                | Key::DiceKey(..)
                | Key::Deal(..)
                | Key::Account(_)
                | Key::Table(_),
                _,
            ) => None,
        })
    }

    /// A dice key of this chain, present or past.
    pub fn dice_key(&self, epoch: Epoch, version: u32) -> Option<&DiceKey> {
        match self.entries.get(&Key::DiceKey(epoch, version))? {
            Entry::DiceKey(key) => Some(key),
            Entry::Meta(_)
            | Entry::Generation(_)
            | Entry::Deal(_)
            | Entry::Account(_)
            | Entry::Table(_) => None,
        }
    }

    /// All dice keys of this chain, with their epochs, oldest first.
    pub fn dice_keys(&self) -> impl Iterator<Item = (Epoch, &DiceKey)> + '_ {
        let first = Key::DiceKey(Epoch(0), 0);
        self.entries.range(first..).map_while(|(key, entry)| match (key, entry) {
            (Key::DiceKey(epoch, _), Entry::DiceKey(dice_key)) => Some((*epoch, dice_key)),
            (
                Key::Meta
                | Key::Generation
                | Key::DiceKey(..)
                | Key::Deal(..)
                | Key::Account(_)
                | Key::Table(_),
                _,
            ) => None,
        })
    }

    /// Where the making of the epoch's dice key stands; `None` if a dealer made it.
    pub fn generation(&self) -> Option<&Generation> {
        self.entries.get(&Key::Generation)?.generation()
    }

    /// Whether a dealer made the dice key, who could know every roll.
    pub fn is_dealt(&self) -> bool {
        self.generation().is_none()
    }

    /// A deal of the epoch's run of this version, as long as it is kept.
    pub fn deal(&self, version: u32, dealer: ValidatorIndex) -> Option<&Deal> {
        self.entries.get(&Key::Deal(self.meta().epoch, version, dealer))?.deal()
    }

    /// The totals.
    pub fn meta(&self) -> &Meta {
        match self.entries.get(&Key::Meta) {
            Some(Entry::Meta(meta)) => meta,
            _ => unreachable!("genesis writes the totals and nothing removes them"),
        }
    }

    /// All chips there are.
    pub fn supply(&self) -> Chips {
        self.meta().supply
    }

    /// Whether all balances and everything on the tables are together the supply. Counts every
    /// entry; the chain asserts the same after every block from what changed.
    pub fn conserved(&self) -> bool {
        crate::ledger::total(self.entries.values().map(Entry::chips)) == Some(self.supply())
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The entry at `key` with the proof that it is in this state.
    pub fn prove(&self, key: &Key) -> Option<(&Entry, StateProof)> {
        Some((self.entries.get(key)?, self.tree.prove(key)?))
    }

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Carries out the changes of the block after this state.
    pub(super) fn apply(&mut self, delta: Delta) {
        let mut chips = i128::from(self.chips.0);
        for (key, entry) in delta.entries {
            let held = |entry: Option<&Entry>| i128::from(entry.map_or(Chips(0), Entry::chips).0);
            chips += held(entry.as_ref());
            let before = match entry {
                Some(entry) => self.entries.insert(key, entry),
                None => self.entries.remove(&key),
            };
            chips -= held(before.as_ref());
        }
        self.tree.apply(delta.tree);
        assert_eq!(chips, i128::from(self.supply().0), "a block made or lost chips");
        self.chips = self.supply();
    }
}

impl StateProof {
    /// Whether this proves that `entry` is at `key` in the state behind `root`.
    pub fn verify(&self, root: &Hash, key: &Key, entry: &Entry) -> bool {
        self.root(key, entry.leaf(key)) == Some(*root)
    }
}
