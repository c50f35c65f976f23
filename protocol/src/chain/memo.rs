//! Signatures and coins that were found to be good, so that a transaction that waits here and then
//! comes in a block, or a block that is built and then checked, is not verified twice. Only ever
//! skips a check that was done over the same bytes; forgetting is always safe.

use alloc::collections::{BTreeMap, VecDeque};

use super::mempool::Mempool;
use super::{NotAuthentic, SignedTransaction, TransactionId, VerifiedTransaction};
use crate::beacon::generation::{Generation, SignedRecord, Untrue, VerifiedRecord};
use crate::beacon::{BadCoinProof, Coin, CoinProof, DiceKey};
use crate::hooks::Hooks;
use crate::identity::{Epoch, NetworkId};
use crate::wire::Hash;

/// Bytes of transactions remembered; the oldest are forgotten first.
const TRANSACTION_BYTES: usize = 4 << 20;

/// What a remembered transaction takes besides its bytes.
const OVERHEAD_BYTES: usize = 1024;

/// Records of the key generation remembered, of at most 16 kB each; the oldest are forgotten first.
const RECORDS: usize = 128;

/// Coins remembered; the oldest are forgotten first.
const COINS: usize = 256;

/// What was verified lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    transactions: BTreeMap<TransactionId, VerifiedTransaction>,
    order: VecDeque<TransactionId>,
    bytes: usize,
    records: BTreeMap<Hash, VerifiedRecord>,
    record_order: VecDeque<Hash>,
    coins: BTreeMap<Hash, Coin>,
    coin_order: VecDeque<Hash>,
    hooks: Hooks,
}

impl Memo {
    pub(super) fn new(hooks: Hooks) -> Self {
        Self { hooks, ..Self::default() }
    }

    /// Verifies `signed`, unless these very bytes and this signature were verified before or are
    /// those of a transaction that waits.
    pub(super) fn transaction<'a>(
        &'a mut self,
        signed: &SignedTransaction,
        network: NetworkId,
        mempool: &'a Mempool,
    ) -> Result<&'a VerifiedTransaction, NotAuthentic> {
        let id = signed.id();
        if let Some(known) = mempool.get(&id).filter(|known| known.signed() == signed) {
            return Ok(known);
        }
        if self.transactions.get(&id).is_none_or(|known| known.signed() != signed) {
            self.remember(signed.clone().verify_by(&self.hooks, network)?);
        }
        Ok(&self.transactions[&id])
    }

    fn remember(&mut self, verified: VerifiedTransaction) {
        let (id, size) = (verified.id(), verified.signed().size() + OVERHEAD_BYTES);
        // The same id has the same bytes and so the same size; only the signature can differ.
        if self.transactions.insert(id, verified).is_some() {
            return;
        }
        self.order.push_back(id);
        self.bytes += size;
        while self.bytes > TRANSACTION_BYTES {
            let oldest = self.order.pop_front().and_then(|id| self.transactions.remove(&id));
            let oldest = oldest.expect("every remembered transaction is in the order once");
            self.bytes -= oldest.signed().size() + OVERHEAD_BYTES;
        }
    }

    /// Verifies `signed`, unless these very bytes and this signature were verified before.
    pub(super) fn record(
        &mut self,
        signed: &SignedRecord,
        network: NetworkId,
        generation: &Generation,
    ) -> Result<VerifiedRecord, Untrue> {
        let id = signed.id();
        if let Some(known) = self.records.get(&id) {
            return Ok(known.clone());
        }
        let verified = signed.clone().verify_by(&self.hooks, network, generation)?;
        self.records.insert(id, verified.clone());
        self.record_order.push_back(id);
        if self.record_order.len() > RECORDS {
            let oldest = self.record_order.pop_front();
            oldest.and_then(|id| self.records.remove(&id));
        }
        Ok(verified)
    }

    /// The coin that `proof` proves under `key`.
    pub(super) fn coin(
        &mut self,
        proof: &CoinProof,
        key: &DiceKey,
        network: NetworkId,
        epoch: Epoch,
    ) -> Result<Coin, BadCoinProof> {
        let id = Hash::of("bitcraps 2026 coin memo", &(proof, key.hash(), network, epoch));
        if let Some(coin) = self.coins.get(&id) {
            return Ok(*coin);
        }
        let coin = proof.verify_by(&self.hooks, key, network, epoch)?;
        self.coins.insert(id, coin);
        self.coin_order.push_back(id);
        if self.coin_order.len() > COINS {
            let oldest = self.coin_order.pop_front();
            oldest.and_then(|id| self.coins.remove(&id));
        }
        Ok(coin)
    }
}
