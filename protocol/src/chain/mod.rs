//! The chain: what blocks mean. Consensus asks it for a body to propose, whether a proposed one is
//! valid, and tells it which became final; the node asks what the accounts and tables look like.
//! It knows nothing of votes, peers or clocks.
//!
//! [`Chain`] composes the parts: `genesis` is where it starts, [`State`] what is final, `execute`
//! what a body does to a state, `blocks` the executed blocks that are not final yet, `mempool` the
//! transactions that wait, `records` what validators say while they make a dice key, `snapshot` a
//! whole state in parts that prove themselves, and `download` the fetching of one.

mod blocks;
mod body;
mod card;
mod dice_key;
pub(crate) mod download;
mod execute;
mod genesis;
mod memo;
mod mempool;
mod merkle;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod model;
mod overlay;
mod propose;
mod records;
mod rejection;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod transaction;
mod tree;

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::beacon::generation::{BadRecord, Kind, SignedRecord, Stage, Untrue};
use crate::beacon::{CoinProof, CoinShare, DiceKeyId};
use crate::block::{BlockHash, Commitments, Header, Height, ValidatorIndex, View};
use crate::craps;
use crate::hooks::Hooks;
use crate::identity::{NetworkId, PeerId};
use crate::time::BlockTime;
use crate::wire::Hash;
#[cfg(doc)]
use crate::wire::limits;

pub use body::{
    BODY_COINS, BODY_RECORDS, BODY_RECORDS_TARGET_BYTES, BODY_ROLLS, Body, Item, Outline,
};
pub use card::{BadCard, ValidatorCard};
pub use download::{Answer, Offer};
pub use execute::{Effects, Slot};
pub use genesis::{DiceSetup, Genesis, GenesisRefusal};
pub use mempool::SubmitRefusal;
pub use merkle::Proof;
pub use records::{Evidence, Offence, RecordRefusal};
pub use rejection::{Invalid, Rejection};
pub use snapshot::{Assembly, BadPart, Part, PartId};
pub use state::{
    Entry, Key, Meta, OPEN_TABLES, OPEN_TABLES_PER_ACCOUNT, PENDING_ROLLS, PendingRoll, State,
    TableEntry,
};
pub use transaction::*;
pub use tree::StateProof;

use blocks::{Blocks, Outlook, Place};
use execute::{Execution, Terms};
use memo::Memo;
use mempool::Mempool;
use records::Records;

/// The finalized state, the executed blocks above it, and the transactions that wait, `records` what validators say while they make a dice key.
#[derive(Debug)]
pub struct Chain {
    terms: Terms,
    blocks: Blocks,
    records: Records,
    mempool: Mempool,
    memo: Memo,
    search: Search,
}

/// What a newly finalized block did, and which waiting transactions it made impossible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finalized {
    /// What it did.
    pub effects: Effects,
    /// Transactions that waited and never can be included any more, with the reason.
    pub dropped: Vec<(TransactionId, Rejection)>,
}

/// How far the question "is there anything to order?" was answered for one block.
#[derive(Debug, Default)]
struct Search {
    parent: BlockHash,
    /// Senders of whom nothing is known yet.
    open: BTreeSet<PeerId>,
    /// Senders who had nothing acceptable, but may without any change, as time goes on.
    early: BTreeSet<PeerId>,
    /// The last answer and the time it was for, unless what waits has changed since. A yes stays
    /// true as time goes on: time only ends what is too early.
    answer: Option<(BlockTime, bool)>,
}

/// What a sender's waiting transactions are worth for the next block.
enum Prospect {
    /// There is something to order.
    Now,
    /// Nothing now, perhaps something at a later time.
    Later,
    /// Nothing, whatever the time.
    Never,
}

impl Chain {
    /// The chain that begins with `genesis`, which must have passed [`Genesis::check`].
    pub fn new(genesis: &Genesis) -> Self {
        let network = genesis.network();
        let slot = Slot { time: genesis.time, ..Slot::default() };
        Self {
            terms: Terms {
                network,
                proof_of_work_bits: genesis.proof_of_work_bits,
                hooks: Hooks::default(),
            },
            blocks: Blocks::new(genesis.state(), network, slot),
            records: Records::default(),
            mempool: Mempool::default(),
            memo: Memo::default(),
            search: Search::default(),
        }
    }

    pub(crate) fn with_hooks(self, hooks: Hooks) -> Self {
        let terms = Terms { hooks: hooks.clone(), ..self.terms };
        Self { terms, memo: Memo::new(hooks), ..self }
    }

    /// The network this chain belongs to; also the hash that stands for genesis as a parent.
    pub const fn network(&self) -> NetworkId {
        self.terms.network
    }

    /// The state after the newest finalized block.
    pub const fn state(&self) -> &State {
        self.blocks.state()
    }

    /// The newest finalized block; genesis to begin with.
    pub const fn finalized(&self) -> (BlockHash, Slot) {
        (self.blocks.tip(), self.blocks.finalized().slot)
    }

    /// Whether this block is the finalized one or was executed above it.
    pub fn knows(&self, block: &BlockHash) -> bool {
        self.blocks.place(block).is_some()
    }

    /// Executes a block on its parent and compares what comes of it with what its header says. A
    /// valid block is kept, so that others can stand on it. Checking it again costs nothing.
    pub fn check(&mut self, header: &Header, body: &Bytes) -> Result<(), Invalid> {
        let hash = header.hash();
        if self.knows(&hash) {
            return Ok(());
        }
        let Header { view, height, time, .. } = *header;
        let slot = Slot { view, height, time };
        let parent = self.blocks.place(&header.parent.hash).ok_or(Invalid::UnknownParent)?;
        check_place(header, parent)?;
        let body = Body::of(header, body).ok_or(Invalid::WrongBody)?;
        let overlay = self.blocks.overlay(&header.parent.hash).ok_or(Invalid::UnknownParent)?;
        if header.network != self.terms.network || header.epoch != overlay.meta().epoch {
            return Err(Invalid::WrongNetwork);
        }
        let outcome =
            Execution::new(&self.terms, slot, overlay).run(&body, &self.mempool, &mut self.memo)?;
        if outcome.commitments != header.commitments {
            return Err(Invalid::WrongCommitments);
        }
        self.blocks.insert(hash, header.parent.hash, slot, outcome);
        Ok(())
    }

    /// The body that an outline is of, if all its transactions wait here.
    pub fn fill(&self, outline: &Outline) -> Option<Bytes> {
        Some(outline.fill(|leaf| self.mempool.named(leaf))?.encode())
    }

    /// A body to propose on `parent`, and what its header has to say of it: those of `coins` that
    /// rolls wait for and, unless it is to be `empty`, what validators say to make a dice key, and
    /// waiting transactions, sender by sender in turn, up to [`limits::BODY_TARGET_BYTES`], and the rolls that are due. `None` if `parent`
    /// was not executed here.
    pub fn build(
        &mut self,
        parent: &BlockHash,
        slot: Slot,
        coins: Vec<CoinProof>,
        empty: bool,
    ) -> Option<(Bytes, Commitments)> {
        let overlay = self.blocks.overlay(parent)?;
        let block = Execution::new(&self.terms, slot, overlay);
        let waiting = (!empty).then_some((&self.records, &self.mempool));
        Some(propose::propose(block, parent, coins, waiting, &mut self.memo))
    }

    /// Goes on from a final block whose state came from elsewhere. What was executed before is
    /// forgotten.
    ///
    /// The caller has seen that the block is final, and that the state is the one in its header.
    pub fn adopt(&mut self, hash: BlockHash, slot: Slot, state: State) {
        self.blocks = Blocks::new(state, hash, slot);
        self.records = Records::default();
        self.search = Search::default();
    }

    /// Makes an executed child of the finalized block the finalized one. Blocks that do not stand
    /// on it are forgotten, and transactions that it includes or makes impossible wait no longer.
    pub fn finalize(&mut self, hash: &BlockHash) -> Finalized {
        self.search.answer = None;
        let effects = self.blocks.finalize(hash);
        if effects.key_generation
            && let Some(generation) = self.blocks.state().generation()
        {
            self.records.keep_possible(self.terms.network, generation);
        }
        for (id, _, _) in &effects.executed {
            self.mempool.remove(id);
        }
        let height = self.blocks.finalized().slot.height;
        let dropped: Vec<(TransactionId, Rejection)> = self
            .mempool
            .iter()
            .filter_map(|waiting| Some((waiting.id(), self.hopeless(waiting, height)?)))
            .collect();
        for (id, _) in &dropped {
            self.mempool.remove(id);
        }
        Finalized { effects, dropped }
    }

    /// Whether a transaction would be acceptable in a block at `time` on `tip`, after those of its
    /// sender that wait already. For the local player, who wants to hear now what is wrong; a
    /// neighbour's transaction may rest on blocks that are not known here yet. If `tip` itself is
    /// not, the finalized block takes its place.
    pub fn trial(
        &self,
        tip: &BlockHash,
        time: BlockTime,
        transaction: &VerifiedTransaction,
    ) -> Result<(), Rejection> {
        let mut block = self
            .next_block(tip, time)
            .or_else(|| self.next_block(&self.blocks.tip(), time))
            .expect("the finalized block is known");
        let Transaction { sender, nonce, .. } = transaction.transaction();
        let (waiting, _) = self.mempool.queue(&sender.peer, Nonce(0), Height(u64::MAX));
        for earlier in waiting {
            if earlier.transaction().nonce < *nonce {
                // What is unacceptable now gives way, as it would in the block itself.
                let _ = block.transaction(earlier);
            }
        }
        block.transaction(transaction)
    }

    /// Decodes a transaction and checks that its sender signed it for this network.
    pub fn verify(&self, signed: SignedTransaction) -> Result<VerifiedTransaction, NotAuthentic> {
        signed.verify_by(&self.terms.hooks, self.terms.network)
    }

    /// Lets a transaction wait to be ordered, if the finalized state does not rule it out. Returns
    /// the one with the same nonce that gave way to it, if one did, and why.
    pub fn submit(
        &mut self,
        transaction: VerifiedTransaction,
    ) -> Result<Option<(TransactionId, Rejection)>, SubmitRefusal> {
        let peer = transaction.transaction().sender.peer;
        let account = self.state().account(&peer);
        let height = self.blocks.finalized().slot.height;
        let displaced = self.displaced(&transaction);
        if let Some((id, _)) = &displaced {
            self.mempool.remove(id);
        }
        self.mempool.insert(transaction, account.as_ref(), height)?;
        self.search.open.insert(peer);
        self.search.answer = None;
        Ok(displaced)
    }

    /// The waiting transaction with the nonce of this one, if the finalized state objects to it and
    /// not to this one: who signed something impossible is not held up by it until it expires.
    fn displaced(&self, newcomer: &VerifiedTransaction) -> Option<(TransactionId, Rejection)> {
        let Transaction { sender, nonce, .. } = newcomer.transaction();
        let waiting = self.mempool.at(&sender.peer, *nonce)?;
        let (tip, time) = (self.blocks.tip(), self.blocks.finalized().slot.time);
        let rejection = self.trial(&tip, time, waiting).err()?;
        let gives_way = !rejection.is_early() && self.trial(&tip, time, newcomer).is_ok();
        gives_way.then(|| (waiting.id(), rejection))
    }

    /// Lets a record of the key generation wait to be ordered, if it is what it claims to be and
    /// the finalized state does not rule it out. Looks at one dealer more than there are bad ones.
    pub fn submit_record(&mut self, signed: SignedRecord) -> Result<(), RecordRefusal> {
        if self.records.contains(&signed.id()) {
            return Err(RecordRefusal::Known);
        }
        let network = self.terms.network;
        let state = self.blocks.state();
        let generation = state.generation().ok_or(RecordRefusal::Bad(BadRecord::NoGeneration))?;
        let verified =
            self.memo.record(&signed, network, generation).map_err(|untrue| match untrue {
                Untrue::BadDeal(author, _) => {
                    let records = vec![signed];
                    RecordRefusal::Evidence(Evidence { author, offence: Offence::BadDeal, records })
                }
                Untrue::Malformed(_)
                | Untrue::Epoch
                | Untrue::NotAMember
                | Untrue::BadSignature => RecordRefusal::Untrue(untrue),
            })?;
        let deals = |version, dealer| state.deal(version, dealer);
        let judged = generation.judge(network, &verified, &deals).map(|_| ());
        self.search.answer = None;
        self.records.insert(verified, judged)
    }

    /// What a validator says that waits to be ordered, to be said again.
    pub fn records_of(&self, author: ValidatorIndex) -> impl Iterator<Item = &SignedRecord> {
        let kinds = [Kind::Deal, Kind::Attest].into_iter();
        kinds.filter_map(move |kind| Some(self.records.get(author, kind)?.signed()))
    }

    /// Whether a validator's record of this kind for the present run waits to be ordered.
    pub fn is_said(&self, author: ValidatorIndex, kind: Kind) -> bool {
        let version = self.state().generation().map(|generation| generation.version);
        let waiting = self.records.get(author, kind);
        waiting.is_some_and(|record| Some(record.record().version) == version)
    }

    /// Does one piece of what the block that makes the dice key will take, a millisecond or two;
    /// whether there was something to do. Who never does it pays for all in that block.
    pub fn work_ahead(&mut self) -> bool {
        let state = self.blocks.state();
        let Some(generation) = state.generation() else { return false };
        let Stage::Attesting { .. } = generation.stage else { return false };
        self.memo.work_on_sum(generation, &|version, dealer| state.deal(version, dealer))
    }

    /// Learns that a share was checked as it arrived, for the coin of this view under this key and
    /// the member with this public key, so that a block with the coin need not be checked for it.
    pub fn vouch(&mut self, key: DiceKeyId, view: View, public: [u8; 32], share: CoinShare) {
        self.memo.vouch(key, view, public, share);
    }

    /// Under which key the rolls of this block were made, with that key's hash: another fork may
    /// know another key by the same name. `None` if the block has no rolls that still wait, or was
    /// not executed here.
    pub fn roll_key(&self, block: &BlockHash) -> Option<(DiceKeyId, Hash)> {
        let overlay = self.blocks.overlay(block)?;
        let view = self.blocks.place(block)?.slot.view;
        let roll = overlay.meta().pending.iter().find(|roll| roll.view == view)?;
        let key = DiceKeyId { epoch: roll.epoch, version: roll.key_version };
        match overlay.entry(&Key::DiceKey(key.epoch, key.version)) {
            Some(Entry::DiceKey(found)) => Some((key, found.hash())),
            _ => unreachable!("a roll is bound to a key that the state keeps"),
        }
    }

    /// The nonce for an account's next transaction, after all that wait here; `None` if there is
    /// no such account.
    pub fn next_nonce(&self, peer: &PeerId) -> Option<Nonce> {
        Some(self.mempool.next_nonce(peer, &self.state().account(peer)?))
    }

    /// The transactions of one sender that wait, by nonce.
    pub fn waiting_of(&self, peer: &PeerId) -> impl Iterator<Item = &VerifiedTransaction> {
        self.mempool.of(peer)
    }

    /// How many transactions wait.
    pub fn mempool_len(&self) -> usize {
        self.mempool.len()
    }

    /// Whether this transaction waits.
    pub fn contains(&self, id: &TransactionId) -> bool {
        self.mempool.contains(id)
    }

    /// Whether this very transaction was verified and waits, so that a relay may pass it on: an id
    /// does not cover the signature.
    pub fn vouches_for(&self, signed: &SignedTransaction) -> bool {
        self.mempool.get(&signed.id()).is_some_and(|known| known.signed() == signed)
    }

    /// At most `count` waiting transactions to remind neighbours of; further calls go round all.
    pub fn offer(&mut self, count: usize) -> Vec<VerifiedTransaction> {
        self.mempool.offer(count)
    }

    /// Whether a leader could order anything now, in a block at `time` on `parent`: what a validator
    /// says to make a dice key, a waiting transaction or a roll that is due; or whether a transaction waits for one that is late, and
    /// goes without it after a few blocks. False if `parent` is not known here.
    pub fn has_content(&mut self, parent: &BlockHash, time: BlockTime) -> bool {
        let Some(place) = self.blocks.place(parent) else { return false };
        if self.search.parent != *parent {
            let open = self.mempool.senders(PeerId([0; 32])).collect();
            self.search = Search { parent: *parent, open, ..Search::default() };
        }
        match self.search.answer {
            Some((of, answer)) if of == time || (answer && of < time) => answer,
            Some(_) | None => {
                let answer = self.find_content(parent, time, place.outlook);
                self.search.answer = Some((time, answer));
                answer
            }
        }
    }

    fn find_content(&mut self, parent: &BlockHash, time: BlockTime, outlook: Outlook) -> bool {
        if outlook.deadline.is_some_and(|deadline| deadline <= time) {
            let block = self.next_block(parent, time);
            if block.is_some_and(|block| !block.due().is_empty()) {
                return true;
            }
        }
        if self.records.iter().next().is_some()
            && self.next_block(parent, time).is_some_and(|block| self.expects_record(&block))
        {
            return true;
        }
        while let Some(peer) = self.search.open.first().copied() {
            match self.prospect(parent, time, &peer) {
                Prospect::Now => return true,
                Prospect::Later => self.search.early.insert(peer),
                Prospect::Never => false,
            };
            self.search.open.remove(&peer);
        }
        let now = |peer: &PeerId| matches!(self.prospect(parent, time, peer), Prospect::Now);
        self.search.early.iter().any(now)
    }

    /// Whether blocks on `parent` are wanted soon even if nothing is to be ordered: a roll waits
    /// for its coin, a table for its betting window or deadline, or the dice key is being made.
    pub fn is_brisk(&self, parent: &BlockHash) -> bool {
        let outlook = self.blocks.place(parent).map(|place| place.outlook);
        outlook.is_some_and(|outlook| {
            outlook.pending || outlook.generating || outlook.deadline.is_some()
        })
    }

    /// When the first table falls due to be rolled without its shooter, on `parent`.
    pub fn next_deadline(&self, parent: &BlockHash) -> Option<BlockTime> {
        self.blocks.place(parent)?.outlook.deadline
    }

    /// The views whose rolls wait for their coins on `parent`, oldest first.
    pub fn unrecorded(&self, parent: &BlockHash) -> Vec<View> {
        let overlay = self.blocks.overlay(parent);
        let pending = overlay.iter().flat_map(|overlay| overlay.meta().pending.iter());
        let mut views: Vec<View> = pending.map(|roll| roll.view).collect();
        views.dedup();
        views
    }

    fn expects_record(&self, block: &Execution<'_>) -> bool {
        self.records.iter().any(|record| block.expects(record).is_ok())
    }

    fn next_block(&self, parent: &BlockHash, time: BlockTime) -> Option<Execution<'_>> {
        let before = self.blocks.place(parent)?.slot;
        let time = time.max(before.time.plus_millis(1));
        let slot = Slot { view: before.view.next(), height: before.height.next(), time };
        Some(Execution::new(&self.terms, slot, self.blocks.overlay(parent)?))
    }

    fn prospect(&self, parent: &BlockHash, time: BlockTime, peer: &PeerId) -> Prospect {
        let Some(mut block) = self.next_block(parent, time) else { return Prospect::Never };
        let Some(used) = block.nonce(peer) else { return Prospect::Never };
        let (queue, held_back) = self.mempool.queue(peer, used, block.slot().height);
        if held_back {
            return Prospect::Now;
        }
        let mut prospect = Prospect::Never;
        for transaction in queue {
            match block.transaction(transaction) {
                Ok(()) => return Prospect::Now,
                Err(rejection) if rejection.is_early() => prospect = Prospect::Later,
                Err(_) => {}
            }
        }
        prospect
    }

    /// Why a waiting transaction can never be included in a block after `height`, if so.
    fn hopeless(&self, waiting: &VerifiedTransaction, height: Height) -> Option<Rejection> {
        let transaction = waiting.transaction();
        let account = self.state().account(&transaction.sender.peer)?;
        if height >= transaction.expires {
            return Some(Rejection::Expired { expires: transaction.expires });
        }
        if transaction.nonce <= account.nonce {
            // A later one of the same sender went first: most likely because of this.
            let slot = self.blocks.finalized().slot;
            let objection = self
                .next_block(&self.blocks.tip(), slot.time)
                .and_then(|mut block| block.objection(transaction));
            let next = self.mempool.next_nonce(&transaction.sender.peer, &account);
            return Some(objection.unwrap_or(Rejection::NonceUsed { next }));
        }
        let (table, round) = transaction.operation.place()?;
        match self.state().table(table) {
            None if table < self.state().meta().next_table => {
                Some(Rejection::NoSuchTable { table })
            }
            None => None,
            Some(entry) => {
                let current = entry.table.round();
                let past = round.is_some_and(|round| round < current);
                past.then_some(Rejection::Table(craps::Refusal::WrongRound { current }))
            }
        }
    }
}

/// Whether a header's height, view and time follow its parent's.
fn check_place(header: &Header, parent: &Place) -> Result<(), Invalid> {
    let before = &parent.slot;
    let follows = header.height == before.height.next()
        && header.parent.view == before.view
        && header.view > before.view
        && header.time > before.time;
    if follows { Ok(()) } else { Err(Invalid::OutOfOrder) }
}
