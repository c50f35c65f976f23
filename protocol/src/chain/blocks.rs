//! The finalized state and, above it, the tree of blocks that were executed and may still become
//! final: each is kept as what it changes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::execute::{Effects, Outcome, Slot};
use super::overlay::{Delta, Overlay};
use super::state::State;
use crate::block::{BlockHash, Height};
use crate::time::BlockTime;

/// Executed blocks kept above the finalized one. When there are more, the one of the lowest view
/// on which no other stands is forgotten; should it be needed after all, it is checked again. What
/// remains is then a chain of notarized blocks, and those come one a view.
const UNFINALIZED: usize = 256;

/// The finalized block with its state, and what may follow.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    state: State,
    tip: BlockHash,
    finalized: Place,
    executed: BTreeMap<BlockHash, Executed>,
}

/// What is known of a block besides its changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: Slot,
    pub(super) outlook: Outlook,
}

/// What the state after a block lets expect of the next ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outlook {
    /// When the first table falls due to be rolled without its shooter.
    pub(super) deadline: Option<BlockTime>,
    /// Whether a roll waits for its coin.
    pub(super) pending: bool,
}

#[derive(Clone, Debug)]
struct Executed {
    parent: BlockHash,
    place: Place,
    delta: Delta,
    effects: Effects,
}

impl Blocks {
    pub(super) fn new(state: State, tip: BlockHash, slot: Slot) -> Self {
        let outlook = Outlook::of(&Overlay { base: &state, deltas: Vec::new() });
        Self { state, tip, finalized: Place { slot, outlook }, executed: BTreeMap::new() }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// The newest finalized block.
    pub(super) const fn tip(&self) -> BlockHash {
        self.tip
    }

    pub(super) const fn finalized(&self) -> &Place {
        &self.finalized
    }

    /// How many executed blocks are kept above the finalized one.
    #[cfg(test)]
    pub(super) fn unfinalized(&self) -> usize {
        self.executed.len()
    }

    /// What is known of the finalized block or of one executed above it.
    pub(super) fn place(&self, block: &BlockHash) -> Option<&Place> {
        if *block == self.tip {
            return Some(&self.finalized);
        }
        self.executed.get(block).map(|executed| &executed.place)
    }

    /// The state after a block.
    pub(super) fn overlay(&self, block: &BlockHash) -> Option<Overlay<'_>> {
        let mut deltas = Vec::new();
        let mut at = *block;
        while at != self.tip {
            let executed = self.executed.get(&at)?;
            if !executed.delta.entries.is_empty() {
                deltas.push(&executed.delta);
            }
            at = executed.parent;
        }
        Some(Overlay { base: &self.state, deltas })
    }

    /// Keeps an executed block. Its parent is known.
    pub(super) fn insert(
        &mut self,
        hash: BlockHash,
        parent: BlockHash,
        slot: Slot,
        outcome: Outcome,
    ) {
        let Outcome { delta, effects, .. } = outcome;
        let before = self.place(&parent).expect("a block is executed on its parent").outlook;
        let tables = delta.touches_tables();
        let place = Place { slot, outlook: before };
        self.executed.insert(hash, Executed { parent, place, delta, effects });
        if tables {
            let overlay = self.overlay(&hash).expect("just inserted on a known parent");
            let outlook = Outlook::of(&overlay);
            self.executed.entry(hash).and_modify(|executed| executed.place.outlook = outlook);
        }
        self.make_room(&hash);
    }

    /// Makes a child of the finalized block the finalized one, and forgets all that do not stand
    /// on it.
    pub(super) fn finalize(&mut self, hash: &BlockHash) -> Effects {
        let block = self.executed.remove(hash).expect("only an executed block becomes final");
        assert_eq!(block.parent, self.tip, "blocks become final one after the other");
        self.state.apply(block.delta);
        self.tip = *hash;
        self.finalized = block.place;
        let mut order: Vec<(Height, BlockHash)> =
            self.executed.iter().map(|(hash, block)| (block.place.slot.height, *hash)).collect();
        order.sort_unstable();
        for (_, hash) in order {
            let parent = self.executed[&hash].parent;
            if parent != self.tip && !self.executed.contains_key(&parent) {
                self.executed.remove(&hash);
            }
        }
        block.effects
    }

    fn make_room(&mut self, newest: &BlockHash) {
        if self.executed.len() <= UNFINALIZED {
            return;
        }
        let parents: BTreeSet<BlockHash> =
            self.executed.values().map(|block| block.parent).collect();
        let victim = self
            .executed
            .iter()
            .filter(|(hash, _)| *hash != newest && !parents.contains(*hash))
            .min_by_key(|(_, block)| block.place.slot.view)
            .map(|(hash, _)| *hash);
        if let Some(victim) = victim {
            self.executed.remove(&victim);
        }
    }
}

impl Outlook {
    fn of(overlay: &Overlay<'_>) -> Self {
        Self {
            deadline: overlay.tables().values().filter_map(|entry| entry.table.deadline()).min(),
            pending: !overlay.meta().pending.is_empty(),
        }
    }
}
