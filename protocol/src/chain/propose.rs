//! Choosing what a leader proposes: only what is acceptable, everybody in turn.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::body::{BODY_COINS, BODY_RECORDS_TARGET_BYTES, BODY_ROLLS, Body};
use super::execute::Execution;
use super::memo::Memo;
use super::mempool::Mempool;
use super::records::Records;
use super::{Rejection, SignedTransaction, TableId, VerifiedTransaction};
use crate::beacon::CoinProof;
use crate::beacon::generation::SignedRecord;
use crate::block::{BlockHash, Commitments};
use crate::identity::PeerId;
use crate::wire::{List, encode, limits};

/// Bytes of the lengths of a body's four lists, at most.
const LENGTHS_BYTES: usize = 8;

/// Bytes of the length of a transaction or a record in a body, at most.
const LENGTH_BYTES: usize = 2;

/// The body of the block begun in `block`, with the coins of `coins` that rolls wait for and,
/// unless nothing is `waiting`, the records and transactions of it and the rolls that are due.
pub(super) fn propose(
    mut block: Execution<'_>,
    parent: &BlockHash,
    coins: Vec<CoinProof>,
    waiting: Option<(&Records, &Mempool)>,
    memo: &mut Memo,
) -> (Bytes, Commitments) {
    let fits = "counted while they were chosen";
    let (coins, size) = record(&mut block, coins, memo);
    let (records, transactions, rolls) = match waiting {
        Some((records, mempool)) => {
            let (records, size) = generate(&mut block, records, size);
            (records, fill(&mut block, mempool, parent, size), roll(&mut block))
        }
        None => (Vec::new(), Vec::new(), Vec::new()),
    };
    let body = Body {
        coins: List::new(coins).expect(fits),
        key_generation: List::new(records).expect(fits),
        transactions: List::new(transactions).expect(fits),
        rolls: List::new(rolls).expect(fits),
    };
    let outcome = block.finish(body.root(), memo);
    (body.encode(), outcome.commitments)
}

/// Records the coins that are waited for; always one, further ones as far as there is room.
fn record(
    block: &mut Execution<'_>,
    coins: Vec<CoinProof>,
    memo: &mut Memo,
) -> (Vec<CoinProof>, usize) {
    let (mut chosen, mut size) = (Vec::new(), LENGTHS_BYTES);
    for coin in coins {
        let after = size + encode(&coin).len();
        let room =
            chosen.is_empty() || (after <= limits::BODY_TARGET_BYTES && chosen.len() < BODY_COINS);
        if room && block.record(&coin, memo).is_ok() {
            chosen.push(coin);
            size = after;
        }
    }
    (chosen, size)
}

/// Takes the key generation's records that come next; always one, further ones as far as there is
/// room. What does not fit waits for the next block, where nobody is ahead of it.
fn generate(
    block: &mut Execution<'_>,
    records: &Records,
    mut size: usize,
) -> (Vec<SignedRecord>, usize) {
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    for record in records.iter() {
        let more = record.signed().size() + LENGTH_BYTES;
        let room = chosen.is_empty() || bytes + more <= BODY_RECORDS_TARGET_BYTES;
        if room && block.key_generation(record).is_ok() {
            chosen.push(record.signed().clone());
            bytes += more;
            size += more;
        }
    }
    (chosen, size)
}

/// Takes one transaction after the other, each from the next sender. Who begins differs from
/// block to block.
fn fill(
    block: &mut Execution<'_>,
    mempool: &Mempool,
    parent: &BlockHash,
    mut size: usize,
) -> Vec<SignedTransaction> {
    let mut chosen = Vec::new();
    let mut turns: VecDeque<VecDeque<&VerifiedTransaction>> = mempool
        .senders(PeerId(parent.0))
        .filter_map(|peer| {
            let used = block.nonce(&peer)?;
            let (queue, _) = mempool.queue(&peer, used, block.slot().height);
            Some(VecDeque::from(queue))
        })
        .collect();
    while let Some(mut queue) = turns.pop_front() {
        let Some(transaction) = queue.pop_front() else { continue };
        let after = size + transaction.signed().size() + LENGTH_BYTES;
        if after > limits::BODY_TARGET_BYTES {
            // A later nonce in this block would make this one impossible for ever.
            continue;
        }
        match block.transaction(transaction) {
            Ok(()) => {
                chosen.push(transaction.signed().clone());
                size = after;
            }
            Err(Rejection::NoRoom) => continue,
            Err(_) => {}
        }
        turns.push_back(queue);
    }
    chosen
}

/// Throws the dice of the tables whose shooters let their time pass.
fn roll(block: &mut Execution<'_>) -> Vec<TableId> {
    let due = block.due();
    due.into_iter().filter(|table| block.roll(*table, None).is_ok()).take(BODY_ROLLS).collect()
}
