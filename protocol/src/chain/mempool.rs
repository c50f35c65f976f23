//! Transactions that wait to be ordered, by sender and nonce. Only finalized state removes one: a
//! block that may still be lost decides no more than what may come next on it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use super::execute::check_envelope;
use super::{Item, Nonce, Rejection, SignedTransaction, TransactionId, VerifiedTransaction};
use crate::block::Height;
use crate::identity::PeerId;
use crate::ledger::Account;
use crate::wire::{Hash, limits};

/// Transactions that wait at one time. When there are as many, newcomers are refused.
const TRANSACTIONS: usize = 10_000;

/// Bytes of transactions that wait at one time, likewise.
const BYTES: usize = 8 << 20;

/// Transactions of one account that wait at one time, likewise.
const PER_ACCOUNT: usize = limits::BLOCK_TRANSACTIONS_PER_ACCOUNT;

/// Blocks for which a later nonce gives way to a missing earlier one, which may have taken a
/// longer way through the mesh.
const PATIENCE: u64 = 4;

/// Why a transaction does not wait here. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitRefusal {
    /// It waits here already.
    Known,
    /// It cannot be included, as far as the finalized state and what waits already tell.
    Rejected(Rejection),
    /// Too many wait, of all or of this sender.
    Full,
}

/// Transactions that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Mempool {
    by_sender: BTreeMap<PeerId, BTreeMap<Nonce, Waiting>>,
    by_id: BTreeMap<TransactionId, (PeerId, Nonce)>,
    /// By what names each, with its signature, in an outline.
    by_leaf: BTreeMap<Hash, TransactionId>,
    bytes: usize,
    offered: Option<TransactionId>,
}

#[derive(Clone, Debug)]
struct Waiting {
    transaction: VerifiedTransaction,
    leaf: Hash,
    since: Height,
}

impl Mempool {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn contains(&self, id: &TransactionId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn get(&self, id: &TransactionId) -> Option<&VerifiedTransaction> {
        let (peer, nonce) = self.by_id.get(id)?;
        self.at(peer, *nonce)
    }

    /// The one that an outline names so.
    pub(super) fn named(&self, leaf: &Hash) -> Option<&SignedTransaction> {
        self.get(self.by_leaf.get(leaf)?).map(VerifiedTransaction::signed)
    }

    /// The one that waits with this nonce.
    pub(super) fn at(&self, peer: &PeerId, nonce: Nonce) -> Option<&VerifiedTransaction> {
        self.by_sender.get(peer)?.get(&nonce).map(|waiting| &waiting.transaction)
    }

    /// Lets a transaction wait. `account` is its sender's in the finalized state, whose height is
    /// `finalized`.
    pub(super) fn insert(
        &mut self,
        transaction: VerifiedTransaction,
        account: Option<&Account>,
        finalized: Height,
    ) -> Result<(), SubmitRefusal> {
        if self.contains(&transaction.id()) {
            return Err(SubmitRefusal::Known);
        }
        let account = account.ok_or(SubmitRefusal::Rejected(Rejection::NoAccount))?;
        check_envelope(account, transaction.transaction(), finalized.next())
            .map_err(SubmitRefusal::Rejected)?;
        let (peer, nonce) =
            (transaction.transaction().sender.peer, transaction.transaction().nonce);
        let waiting = self.by_sender.get(&peer);
        if waiting.is_some_and(|waiting| waiting.contains_key(&nonce)) {
            let next = self.next_nonce(&peer, account);
            return Err(SubmitRefusal::Rejected(Rejection::NonceUsed { next }));
        }
        let size = transaction.signed().size();
        let own = waiting.map_or(0, BTreeMap::len);
        if own >= PER_ACCOUNT || self.len() >= TRANSACTIONS || self.bytes + size > BYTES {
            return Err(SubmitRefusal::Full);
        }
        self.bytes += size;
        self.by_id.insert(transaction.id(), (peer, nonce));
        let leaf = Item::Transaction(transaction.signed()).leaf();
        self.by_leaf.insert(leaf, transaction.id());
        let waiting = Waiting { transaction, leaf, since: finalized };
        self.by_sender.entry(peer).or_default().insert(nonce, waiting);
        Ok(())
    }

    /// The nonce after all that its account used and all that wait.
    pub(super) fn next_nonce(&self, peer: &PeerId, account: &Account) -> Nonce {
        let waiting = self.by_sender.get(peer).and_then(|waiting| waiting.keys().next_back());
        let last = waiting.copied().unwrap_or_default().max(account.nonce);
        Nonce(last.0.saturating_add(1))
    }

    /// Everybody for whom a transaction waits, from `first` on and round again.
    pub(super) fn senders(&self, first: PeerId) -> impl Iterator<Item = PeerId> + '_ {
        let (from, before) = (self.by_sender.range(first..), self.by_sender.range(..first));
        from.chain(before).map(|(peer, _)| *peer)
    }

    /// What may be tried now for one sender whose last used nonce is `used`, in order. Ends before
    /// a nonce whose predecessor is missing, as long as that may only be late for the block at
    /// `height`; the second value says that something was held back so.
    pub(super) fn queue(
        &self,
        peer: &PeerId,
        used: Nonce,
        height: Height,
    ) -> (Vec<&VerifiedTransaction>, bool) {
        let mut queue = Vec::new();
        let mut last = used;
        let waiting = self.by_sender.get(peer).into_iter().flatten();
        for (nonce, waiting) in waiting.filter(|(nonce, _)| **nonce > used) {
            let late = nonce.0 > last.0.saturating_add(1);
            if late && height.0 < waiting.since.0.saturating_add(PATIENCE) {
                return (queue, true);
            }
            queue.push(&waiting.transaction);
            last = *nonce;
        }
        (queue, false)
    }

    /// What waits of one sender, by nonce.
    pub(super) fn of(&self, peer: &PeerId) -> impl Iterator<Item = &VerifiedTransaction> {
        let waiting = self.by_sender.get(peer).into_iter().flat_map(BTreeMap::values);
        waiting.map(|waiting| &waiting.transaction)
    }

    /// Everything that waits, by sender and nonce.
    pub(super) fn iter(&self) -> impl Iterator<Item = &VerifiedTransaction> {
        self.by_sender.values().flat_map(BTreeMap::values).map(|waiting| &waiting.transaction)
    }

    pub(super) fn remove(&mut self, id: &TransactionId) -> Option<VerifiedTransaction> {
        let (peer, nonce) = self.by_id.remove(id)?;
        let of_sender = self.by_sender.get_mut(&peer)?;
        let waiting = of_sender.remove(&nonce)?;
        if of_sender.is_empty() {
            self.by_sender.remove(&peer);
        }
        self.by_leaf.remove(&waiting.leaf);
        self.bytes -= waiting.transaction.signed().size();
        Some(waiting.transaction)
    }

    /// The next `count` transactions to remind neighbours of; every call goes on where the last
    /// one ended.
    pub(super) fn offer(&mut self, count: usize) -> Vec<VerifiedTransaction> {
        let after = self.offered.unwrap_or_default();
        let from_there = self.by_id.range(after..).filter(|(id, _)| Some(**id) != self.offered);
        let round_again = self.by_id.range(..=after);
        let places = from_there.chain(round_again).take(count.min(self.len()));
        let ids: Vec<TransactionId> = places.map(|(id, _)| *id).collect();
        self.offered = ids.last().copied().or(self.offered);
        ids.iter().filter_map(|id| self.get(id)).cloned().collect()
    }
}

impl fmt::Display for SubmitRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => formatter.write_str("it waits here already"),
            Self::Rejected(rejection) => rejection.fmt(formatter),
            Self::Full => formatter.write_str("too many transactions are waiting"),
        }
    }
}

impl core::error::Error for SubmitRefusal {}
