//! Reading through the deltas of unfinalized blocks down to the finalized state, and collecting
//! what one more block writes.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::TableId;
use super::state::{Entry, Key, Meta, State, TableEntry};
use super::tree::{TreeDelta, TreeView};
use crate::identity::PeerId;
use crate::ledger::Account;
use crate::wire::Hash;

/// What one block changes: entries written or, where `None`, removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    pub(super) entries: BTreeMap<Key, Option<Entry>>,
    pub(super) tree: TreeDelta,
}

/// The state after an unfinalized block: the finalized state and the deltas since, newest first.
#[derive(Clone)]
pub(super) struct Overlay<'a> {
    pub(super) base: &'a State,
    pub(super) deltas: Vec<&'a Delta>,
}

/// A state being changed by a block.
pub(super) struct Writes<'a> {
    below: Overlay<'a>,
    entries: BTreeMap<Key, Option<Entry>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn entry(&self, key: &Key) -> Option<&'a Entry> {
        match self.deltas.iter().find_map(|delta| delta.entries.get(key)) {
            Some(change) => change.as_ref(),
            None => self.base.entry(key),
        }
    }

    pub(super) fn meta(&self) -> &'a Meta {
        match self.entry(&Key::Meta) {
            Some(Entry::Meta(meta)) => meta,
            _ => unreachable!("genesis writes the totals and nothing removes them"),
        }
    }

    /// All open tables in order.
    pub(super) fn tables(&self) -> BTreeMap<TableId, &'a TableEntry> {
        let mut tables: BTreeMap<TableId, &TableEntry> = self.base.tables().collect();
        for (key, change) in self.deltas.iter().rev().flat_map(|delta| &delta.entries) {
            match (key, change) {
                (Key::Table(id), Some(Entry::Table(entry))) => {
                    tables.insert(*id, entry);
                }
                (Key::Table(id), None) => {
                    tables.remove(id);
                }
                (Key::Meta | Key::DiceKey(..) | Key::Account(_) | Key::Table(_), _) => {}
            }
        }
        tables
    }

    fn tree(&self) -> TreeView<'a> {
        let deltas = self.deltas.iter().map(|delta| &delta.tree).collect();
        TreeView { base: self.base.tree(), deltas }
    }
}

impl<'a> Writes<'a> {
    pub(super) const fn new(below: Overlay<'a>) -> Self {
        Self { below, entries: BTreeMap::new() }
    }

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        match self.entries.get(key) {
            Some(change) => change.as_ref(),
            None => self.below.entry(key),
        }
    }

    pub(super) fn account(&self, peer: &PeerId) -> Option<Account> {
        match self.entry(&Key::Account(*peer))? {
            Entry::Account(account) => Some(*account),
            Entry::Meta(_) | Entry::DiceKey(_) | Entry::Table(_) => None,
        }
    }

    pub(super) fn table(&self, id: TableId) -> Option<&TableEntry> {
        match self.entry(&Key::Table(id))? {
            Entry::Table(entry) => Some(entry),
            Entry::Meta(_) | Entry::DiceKey(_) | Entry::Account(_) => None,
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        match self.entry(&Key::Meta) {
            Some(Entry::Meta(meta)) => meta,
            _ => unreachable!("genesis writes the totals and nothing removes them"),
        }
    }

    /// An open table, to be changed: copied up on the first touch in a block.
    pub(super) fn table_mut(&mut self, id: TableId) -> Option<&mut TableEntry> {
        match self.entry_mut(Key::Table(id))? {
            Entry::Table(entry) => Some(entry),
            Entry::Meta(_) | Entry::DiceKey(_) | Entry::Account(_) => None,
        }
    }

    /// The totals, to be changed.
    pub(super) fn meta_mut(&mut self) -> &mut Meta {
        match self.entry_mut(Key::Meta) {
            Some(Entry::Meta(meta)) => meta,
            _ => unreachable!("genesis writes the totals and nothing removes them"),
        }
    }

    pub(super) fn set_account(&mut self, peer: PeerId, account: Account) {
        self.entries.insert(Key::Account(peer), Some(Entry::Account(account)));
    }

    pub(super) fn set_table(&mut self, id: TableId, entry: TableEntry) {
        self.entries.insert(Key::Table(id), Some(Entry::Table(Box::new(entry))));
    }

    pub(super) fn remove_table(&mut self, id: TableId) {
        self.entries.insert(Key::Table(id), None);
    }

    pub(super) fn set(&mut self, key: Key, entry: Entry) {
        self.entries.insert(key, Some(entry));
    }

    /// What was changed, without what was only touched, and the state root after it.
    pub(super) fn finish(self) -> (Delta, Hash) {
        let tree = self.below.tree();
        let leaf = |key: &Key, entry: &Option<Entry>| entry.as_ref().map(|entry| entry.leaf(key));
        let mut changes = BTreeMap::new();
        let mut entries = BTreeMap::new();
        for (key, entry) in self.entries {
            let after = leaf(&key, &entry);
            if after != tree.leaf(&key) {
                changes.insert(key, after);
                entries.insert(key, entry);
            }
        }
        let (tree, root) = tree.change(&changes);
        (Delta { entries, tree }, root)
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        let below = &self.below;
        self.entries.entry(key).or_insert_with(|| below.entry(&key).cloned()).as_mut()
    }
}

impl Delta {
    /// By how many chips this changes the sum of all entries; 0 in a correct block.
    pub(super) fn imbalance(&self, below: &Overlay<'_>) -> i128 {
        let held = |entry: Option<&Entry>| entry.map_or(0, |entry| i128::from(entry.chips().0));
        self.entries.iter().map(|(key, after)| held(after.as_ref()) - held(below.entry(key))).sum()
    }

    /// Whether any table is opened, changed or closed.
    pub(super) fn touches_tables(&self) -> bool {
        let first = Key::Table(TableId(0));
        self.entries.range(first..).next().is_some()
    }
}
