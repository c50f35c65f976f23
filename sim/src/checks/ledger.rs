//! Money: all balances and everything on the tables are the supply, at every node after every
//! block; and equal heights have equal states.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Genesis, State};
use bitcraps_protocol::wire::Hash;

use super::{Check, Known, Verdict};

/// What the ledger must add up to.
#[derive(Debug)]
pub(super) struct Ledger {
    supply: u128,
    roots: Known<Height, Hash>,
}

impl Ledger {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let supply = genesis.allocations.iter().map(|(_, chips)| u128::from(chips.0)).sum();
        Self { supply, roots: Known::new() }
    }

    /// The state of a node after the block of this height.
    pub(super) fn state(&mut self, height: Height, state: &State) -> Verdict {
        let accounts = state.accounts().map(|(_, account)| u128::from(account.balance.0));
        let tables = state.tables().map(|(_, entry)| u128::from(entry.table.held().0));
        self.money(height, accounts.chain(tables).sum())?;
        self.root(height, state.root())
    }

    fn money(&self, height: Height, total: u128) -> Verdict {
        if total != self.supply {
            let message = format!("{total} of {} chips after height {height}", self.supply);
            return Err((Check::Conservation, message));
        }
        Ok(())
    }

    fn root(&mut self, height: Height, root: Hash) -> Verdict {
        let known = *self.roots.entry(height).or_insert(root);
        if known != root {
            let message = format!("two states after height {height}");
            return Err((Check::StateRoot, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger { supply: 100, roots: Known::new() }
    }

    fn check(verdict: Verdict) -> Option<Check> {
        verdict.err().map(|(check, _)| check)
    }

    #[test]
    fn a_chip_too_many_or_too_few_is_noticed() {
        assert_eq!(check(ledger().money(Height(1), 100)), None);
        assert_eq!(check(ledger().money(Height(1), 99)), Some(Check::Conservation));
        assert_eq!(check(ledger().money(Height(1), 101)), Some(Check::Conservation));
    }

    #[test]
    fn one_height_has_one_state() {
        let mut ledger = ledger();
        assert_eq!(check(ledger.root(Height(1), Hash([1; 32]))), None);
        assert_eq!(check(ledger.root(Height(2), Hash([2; 32]))), None);
        assert_eq!(check(ledger.root(Height(1), Hash([1; 32]))), None);
        assert_eq!(check(ledger.root(Height(1), Hash([3; 32]))), Some(Check::StateRoot));
    }
}
