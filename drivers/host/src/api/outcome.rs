//! What became of the transactions that were handed in here, as far as it is still remembered.

use std::collections::{BTreeMap, VecDeque, btree_map};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::craps::{Dice, Round};
use bitcraps_protocol::event::Notice;

/// Transactions and rolls remembered; the oldest is forgotten first.
const REMEMBERED: usize = 4096;

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not handed in here since the node started, or long ago.
    Unknown,
    /// Waiting to become final, or for its dice.
    Waiting,
    /// Final.
    Final {
        /// The block that holds it.
        height: Height,
        /// The table it opened, if it opened one.
        table: Option<TableId>,
        /// What it rolled, if it was a roll.
        dice: Option<Dice>,
    },
    /// Impossible now.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Collects outcomes from notices.
#[derive(Debug, Default)]
pub struct Outcomes {
    transactions: Remembered<TransactionId, Entry>,
    rolls: Remembered<(TableId, Round), Dice>,
}

#[derive(Debug, Default)]
struct Entry {
    roll: Option<(TableId, Round)>,
    end: Option<Result<(Height, Option<TableId>), String>>,
}

#[derive(Debug)]
struct Remembered<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl Outcomes {
    /// Expects the outcome of a transaction that was accepted, and of the roll it asks for. Its
    /// notices may have come before.
    pub fn expect(&mut self, id: TransactionId, roll: Option<(TableId, Round)>) {
        self.transactions.at(id).or_default().roll = roll;
    }

    /// Learns from a notice. Whether some outcome may have changed.
    pub fn note(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Done { id, height, table } => {
                self.transactions.at(*id).or_default().end = Some(Ok((*height, *table)));
            }
            Notice::Failed { id, rejection } => {
                self.transactions.at(*id).or_default().end = Some(Err(rejection.to_string()));
            }
            Notice::Rolled { table, round, dice, .. } | Notice::Settled { table, round, dice } => {
                self.rolls.at((*table, *round)).and_modify(|known| *known = *dice).or_insert(*dice);
            }
            Notice::PeerUp { .. }
            | Notice::PeerDown { .. }
            | Notice::Misbehaved { .. }
            | Notice::Suspicious { .. }
            | Notice::Evidence { .. }
            | Notice::Entered { .. }
            | Notice::Finalized { .. }
            | Notice::RotationProposed { .. }
            | Notice::KeyChanged { .. }
            | Notice::LeftOut
            | Notice::Abstains { .. }
            | Notice::Said { .. }
            | Notice::Delivered { .. }
            | Notice::Undelivered { .. }
            | Notice::Halted { .. } => return false,
        }
        true
    }

    /// Where a transaction stands.
    pub fn get(&self, id: TransactionId) -> Outcome {
        let Some(entry) = self.transactions.entries.get(&id) else { return Outcome::Unknown };
        let (height, table) = match &entry.end {
            None => return Outcome::Waiting,
            Some(Err(reason)) => return Outcome::Failed { reason: reason.clone() },
            Some(Ok(end)) => *end,
        };
        let Some(roll) = entry.roll else { return Outcome::Final { height, table, dice: None } };
        match self.rolls.entries.get(&roll) {
            Some(dice) => Outcome::Final { height, table, dice: Some(*dice) },
            None => Outcome::Waiting,
        }
    }
}

impl<K: Copy + Ord, V> Remembered<K, V> {
    fn at(&mut self, key: K) -> btree_map::Entry<'_, K, V> {
        if !self.entries.contains_key(&key) {
            if self.order.len() == REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.order.push_back(key);
        }
        self.entries.entry(key)
    }
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::block::View;
    use bitcraps_protocol::wire::Hash;

    use super::*;

    fn done(id: TransactionId) -> Notice {
        Notice::Done { id, height: Height(3), table: None }
    }

    #[test]
    fn a_roll_is_not_over_before_its_dice_are_known_whatever_comes_first() {
        let (id, table, round) = (Hash([1; 32]), TableId(1), Round(2));
        let dice = Dice::new(2, 5).expect("two faces");
        let rolled = Notice::Rolled { table, round, dice, view: View(4) };
        let over = Outcome::Final { height: Height(3), table: None, dice: Some(dice) };
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.get(id), Outcome::Unknown);
        outcomes.expect(id, Some((table, round)));
        assert_eq!(outcomes.get(id), Outcome::Waiting);
        assert!(outcomes.note(&done(id)));
        assert_eq!(outcomes.get(id), Outcome::Waiting);
        assert!(outcomes.note(&rolled));
        assert_eq!(outcomes.get(id), over);

        let mut outcomes = Outcomes::default();
        outcomes.note(&rolled);
        outcomes.note(&done(id));
        outcomes.expect(id, Some((table, round)));
        assert_eq!(outcomes.get(id), over);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let id = |number: usize| Hash::of("bitcraps test", &(number as u64));
        let mut outcomes = Outcomes::default();
        for number in 0..=REMEMBERED {
            outcomes.note(&done(id(number)));
        }
        assert_eq!(outcomes.get(id(0)), Outcome::Unknown);
        let over = Outcome::Final { height: Height(3), table: None, dice: None };
        assert_eq!(outcomes.get(id(1)), over);
        assert_eq!(outcomes.get(id(REMEMBERED)), over);
    }
}
