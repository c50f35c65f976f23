//! Accounts, and the only ways in which chips move between them. A chip is never made or lost:
//! whatever is debited here is credited somewhere else in the same step, and the chain asserts
//! after every block that nothing was forgotten.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::chain::Nonce;
use crate::craps::Chips;

/// What the ledger knows of one identity. Accounts are never deleted, so that a nonce once used
/// stays used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Chips free to be spent; stakes and banks lie on their tables instead.
    pub balance: Chips,
    /// The highest nonce used so far.
    pub nonce: Nonce,
    /// How many tables it has open.
    pub tables: u16,
}

/// A balance that does not cover what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insufficient {
    /// The balance.
    pub have: Chips,
    /// What was asked.
    pub need: Chips,
}

impl Account {
    /// A new account that holds `balance`.
    pub fn holding(balance: Chips) -> Self {
        Self { balance, ..Self::default() }
    }

    /// Checks that the balance covers `amount`.
    pub fn covers(&self, amount: Chips) -> Result<(), Insufficient> {
        if self.balance < amount {
            return Err(Insufficient { have: self.balance, need: amount });
        }
        Ok(())
    }

    /// Takes `amount` out. Nothing changes if the balance does not cover it.
    pub fn debit(&mut self, amount: Chips) -> Result<(), Insufficient> {
        self.covers(amount)?;
        self.balance = Chips(self.balance.0 - amount.0);
        Ok(())
    }

    /// Puts `amount` in: chips that came from another account or from a table.
    pub fn credit(&mut self, amount: Chips) {
        let balance = self.balance.0.checked_add(amount.0);
        self.balance = Chips(balance.expect("all chips together fit into 64 bits"));
    }
}

/// Moves `amount` from one account to another. Nothing changes if `from` does not cover it.
pub fn transfer(from: &mut Account, to: &mut Account, amount: Chips) -> Result<(), Insufficient> {
    from.debit(amount)?;
    to.credit(amount);
    Ok(())
}

/// All of `amounts` together, or `None` if that is more than 64 bits can count.
pub fn total(amounts: impl IntoIterator<Item = Chips>) -> Option<Chips> {
    amounts.into_iter().try_fold(0u64, |sum, amount| sum.checked_add(amount.0)).map(Chips)
}

impl fmt::Display for Insufficient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "needs {} chips, but only {} are there", self.need.0, self.have.0)
    }
}

impl core::error::Error for Insufficient {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_overdraft_moves_nothing() {
        let mut from = Account::holding(Chips(5));
        let mut to = Account::holding(Chips(1));
        let refused = Insufficient { have: Chips(5), need: Chips(6) };
        assert_eq!(transfer(&mut from, &mut to, Chips(6)), Err(refused));
        assert_eq!((from.balance, to.balance), (Chips(5), Chips(1)));
        assert_eq!(transfer(&mut from, &mut to, Chips(5)), Ok(()));
        assert_eq!((from.balance, to.balance), (Chips(0), Chips(6)));
    }

    #[test]
    fn a_sum_beyond_64_bits_is_not_a_sum() {
        assert_eq!(total([Chips(1), Chips(u64::MAX - 1)]), Some(Chips(u64::MAX)));
        assert_eq!(total([Chips(2), Chips(u64::MAX - 1)]), None);
    }

    proptest! {
        #[test]
        fn transfers_conserve_chips(
            balances in prop::array::uniform4(0u64..1000),
            transfers in prop::collection::vec((0usize..4, 0usize..4, 0u64..1500), 0..64),
        ) {
            let mut accounts = balances.map(|balance| Account::holding(Chips(balance)));
            let before = total(accounts.iter().map(|account| account.balance));
            for (from, to, amount) in transfers {
                if let Ok([from, to]) = accounts.get_disjoint_mut([from, to]) {
                    let _ = transfer(from, to, Chips(amount));
                }
            }
            prop_assert_eq!(total(accounts.iter().map(|account| account.balance)), before);
        }
    }
}
