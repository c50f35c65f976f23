//! Money: all balances and everything on the tables are the supply, at every node after every
//! block; and equal heights have equal states.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Body, Genesis, Nonce, Operation, State};
use bitcraps_protocol::identity::{NetworkId, PeerId};
use bitcraps_protocol::simulation::Signatures;
use bitcraps_protocol::wire::Hash;

use super::{Check, Known, Verdict};

/// What the ledger must add up to.
#[derive(Debug)]
pub(super) struct Ledger {
    network: NetworkId,
    signatures: Signatures,
    supply: u128,
    roots: Known<Height, Hash>,
    /// The nonces used up to the newest final block whose transactions were looked at.
    used: Known<PeerId, Nonce>,
}

impl Ledger {
    pub(super) fn new(genesis: &Genesis, signatures: Signatures) -> Self {
        let supply = genesis.allocations.iter().map(|(_, chips)| u128::from(chips.0)).sum();
        let network = genesis.network();
        Self { network, signatures, supply, roots: Known::new(), used: Known::new() }
    }

    /// The transactions of the final block of this height: no nonce is used twice. What they ask
    /// for.
    pub(super) fn body(
        &mut self,
        height: Height,
        body: &Body,
    ) -> Result<Vec<Operation>, (Check, String)> {
        let mut operations = Vec::new();
        for signed in body.transactions.iter() {
            let Ok(verified) = signed.clone().verify_with(&self.signatures, self.network) else {
                let message = format!("a bad signature in the block of height {height}");
                return Err((Check::Certificate, message));
            };
            let transaction = verified.transaction();
            self.nonce(height, transaction.sender.peer, transaction.nonce)?;
            operations.push(transaction.operation.clone());
        }
        Ok(operations)
    }

    fn nonce(&mut self, height: Height, sender: PeerId, nonce: Nonce) -> Verdict {
        match self.used.insert(sender, nonce).filter(|used| *used >= nonce) {
            None => Ok(()),
            Some(used) => {
                let message = format!(
                    "{} uses nonce {} at height {height}, after nonce {}",
                    sender.short(),
                    nonce.0,
                    used.0
                );
                Err((Check::DoubleSpend, message))
            }
        }
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
        let network = Hash::default();
        let signatures = Signatures::Strict;
        Ledger { network, signatures, supply: 100, roots: Known::new(), used: Known::new() }
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
    fn a_nonce_is_used_once_and_never_after_a_higher_one() {
        let mut ledger = ledger();
        let (one, other) = (PeerId([1; 32]), PeerId([2; 32]));
        assert_eq!(check(ledger.nonce(Height(1), one, Nonce(1))), None);
        assert_eq!(check(ledger.nonce(Height(1), other, Nonce(1))), None);
        assert_eq!(check(ledger.nonce(Height(2), one, Nonce(3))), None);
        assert_eq!(check(ledger.nonce(Height(3), one, Nonce(3))), Some(Check::DoubleSpend));
        assert_eq!(check(ledger.nonce(Height(3), one, Nonce(2))), Some(Check::DoubleSpend));
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
