//! Signatures and coins that were found to be good, so that a transaction that waits here and then
//! comes in a block, or a block that is built and then checked, is not verified twice; and the dice
//! key that is about to be made. Only ever skips work that was done over the same bytes; forgetting
//! is always safe.

use alloc::collections::{BTreeMap, VecDeque};

use super::mempool::Mempool;
use super::{NotAuthentic, SignedTransaction, TransactionId, VerifiedTransaction};
use crate::beacon::generation::{Deals, Generation, SignedRecord, Sum, Untrue, VerifiedRecord};
use crate::beacon::{BadCoinProof, Coin, CoinProof, CoinShare, DiceKey, DiceKeyId};
use crate::block::View;
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

/// Coins of which shares are remembered, as many as a beacon collects at once; those of the lowest
/// view are forgotten first.
const SHARED_COINS: usize = 256;

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
    /// By the public keys of their makers.
    shares: BTreeMap<(DiceKeyId, View), BTreeMap<[u8; 32], CoinShare>>,
    /// Of the deals for which it was asked last.
    sum: Option<Sum>,
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
        let name = (DiceKeyId { epoch, version: key.version }, proof.view);
        let shares = self.shares.get(&name);
        let is_checked = |public: &[u8; 32], share: &CoinShare| {
            shares.is_some_and(|shares| shares.get(public) == Some(share))
        };
        let coin = proof.verify_by(&self.hooks, key, network, epoch, is_checked)?;
        self.coins.insert(id, coin);
        self.coin_order.push_back(id);
        if self.coin_order.len() > COINS {
            let oldest = self.coin_order.pop_front();
            oldest.and_then(|id| self.coins.remove(&id));
        }
        Ok(coin)
    }

    /// Learns that this is the share of this coin by the member with this public key.
    pub(super) fn vouch(&mut self, key: DiceKeyId, view: View, public: [u8; 32], share: CoinShare) {
        self.shares.entry((key, view)).or_default().insert(public, share);
        if self.shares.len() > SHARED_COINS {
            self.shares.pop_first();
        }
    }

    /// Does one piece of what the end of this run will take, if something is left.
    pub(super) fn work_on_sum(&mut self, generation: &Generation, deals: &Deals<'_>) -> bool {
        let sum = self.sum_of(generation);
        let is_open = !sum.is_done();
        sum.step(deals);
        is_open
    }

    /// The key that the deals of a run add up to, if it is one.
    pub(super) fn sum(&mut self, closing: &Generation, deals: &Deals<'_>) -> Option<DiceKey> {
        let sum = self.sum_of(closing);
        while !sum.is_done() {
            sum.step(deals);
        }
        sum.key()
    }

    fn sum_of(&mut self, generation: &Generation) -> &mut Sum {
        let known = self.sum.take().filter(|sum| sum.is_of(generation));
        self.sum.insert(known.unwrap_or_else(|| Sum::new(generation)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::beacon::{CoinId, SealingSecret, deal};
    use crate::block::ValidatorIndex;
    use crate::identity::Keypair;
    use crate::rng::Rng;
    use crate::wire::{List, decode, encode};

    #[test]
    fn a_share_that_was_vouched_for_is_believed_for_its_own_coin_and_member_only() {
        let keys: Vec<Keypair> = (1..=4).map(|seed| Keypair::from_seed([seed; 32])).collect();
        let secret = |index: usize| SealingSecret::of(&keys[index]);
        let members: Vec<_> =
            (0..4).map(|index| (keys[index].peer(), secret(index).public())).collect();
        let dealt = deal(&members, 3, &mut Rng::new([1; 32]), &Hash::default());
        let (network, epoch, view) = (Hash([3; 32]), Epoch(5), View(8));
        let input = CoinId { network, epoch, key_version: 0, view }.input();
        let share = |index: usize| {
            let at = ValidatorIndex(u16::try_from(index).unwrap());
            (at, dealt.open_share(at, &secret(index)).unwrap().coin_share(&input))
        };
        let proof = |shares| CoinProof { view, shares: List::new(shares).unwrap() };
        let good: Vec<_> = (0..3).map(share).collect();
        // The right point, but the proof is another's.
        let unproved = [&encode(&good[1].1)[..32], &encode(&good[0].1)[32..]].concat();
        let unproved: CoinShare = decode(&unproved, 96).unwrap();
        let mut bad = good.clone();
        bad[1].1 = unproved;
        let (good, bad) = (proof(good), proof(bad));

        let coin = good.verify(&dealt.key, network, epoch).unwrap();
        let refused = Err(BadCoinProof::BadShare(ValidatorIndex(1)));
        let verdict = |vouched: Option<(u32, View, usize, CoinShare)>, proof: &CoinProof| {
            let mut memo = Memo::default();
            if let Some((version, view, index, share)) = vouched {
                memo.vouch(DiceKeyId { epoch, version }, view, dealt.key.members[index], share);
            }
            memo.coin(proof, &dealt.key, network, epoch)
        };
        assert_eq!(verdict(None, &good), Ok(coin));
        assert_eq!(verdict(None, &bad), refused);
        // That it is believed shows that it is not checked a second time.
        assert_eq!(verdict(Some((0, view, 1, unproved)), &bad), Ok(coin));
        for (version, view, index) in [(1, view, 1), (0, View(9), 1), (0, view, 2)] {
            assert_eq!(verdict(Some((version, view, index, unproved)), &bad), refused);
        }
        assert_eq!(verdict(Some((0, view, 1, good.shares[1].1)), &bad), refused);
    }

    #[test]
    fn what_was_vouched_for_is_bounded() {
        let mut memo = Memo::default();
        let share: CoinShare = decode(&[7; 96], 96).unwrap();
        let key = DiceKeyId { epoch: Epoch(0), version: 0 };
        for view in 0..1000 {
            memo.vouch(key, View(view), [1; 32], share);
        }
        let views: Vec<u64> = memo.shares.keys().map(|(_, view)| view.0).collect();
        assert_eq!(views, (744..1000).collect::<Vec<_>>());
    }
}
