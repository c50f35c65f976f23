//! A genuine receipt, changed.

use alloc::vec::Vec;
use std::sync::LazyLock;

use super::choices::{Choices, Decisions};
use crate::receipt::model::{Net, one};
use crate::receipt::{Asked, Receipt, Trust};

/// A network and the bytes of the receipts of two of its rolls.
static GENUINE: LazyLock<(Net, [Vec<u8>; 2])> = LazyLock::new(|| {
    let (mut net, receipt) = one();
    let round = net.roll();
    let second = net.receipt(round, None);
    (net, [receipt.encode(), second.encode()])
});

/// The bytes say how one of two genuine receipts is changed: bytes set, taken out, put in, or
/// taken from the other one. What is still accepted must be one of the two, bit for bit.
pub fn receipts(bytes: &[u8]) {
    let (net, genuine) = &*GENUINE;
    let mut choices = Choices::new(bytes);
    let one = choices.index(2);
    let mut changed = genuine[one].clone();
    for _ in 0..16 {
        if choices.is_over() {
            break;
        }
        change(&mut changed, &genuine[1 - one], &mut choices);
    }
    let Ok(receipt) = Receipt::decode(&changed) else { return };
    assert_eq!(receipt.encode(), changed, "a receipt has one form");
    let verdict = receipt.verify(Trust::Genesis(&net.genesis), &Asked::default());
    if verdict.end.is_ok() {
        assert!(genuine.contains(&changed), "a changed receipt is accepted");
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], choices: &mut Choices<'_>) {
    if bytes.is_empty() {
        return;
    }
    let at = choices.below(1 << 16) as usize % bytes.len();
    match choices.below(6) {
        0 => bytes[at] ^= 1 << choices.below(8),
        1 => bytes[at] = choices.byte(),
        2 => bytes.insert(at, choices.byte()),
        3 => {
            let end = (at + 1 + choices.index(64)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => bytes.truncate(at),
        _ => {
            let length = 1 + choices.below(1 << 12) as usize;
            let end = (at + length).min(bytes.len()).min(other.len());
            if at < end {
                bytes[at..end].copy_from_slice(&other[at..end]);
            }
        }
    }
}

/// The receipts as they are, and with a change of each kind.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (which, at) in [(0, 0), (0, 40), (1, 700), (0, 2500)] {
        for kind in 0..6 {
            let mut decisions = Decisions::default();
            decisions.put(which, 2).put(at, 1 << 16).put(kind, 6).put(1, 8);
            seeds.push(decisions.into_bytes());
        }
    }
    seeds.push([0].into());
    seeds.push([1].into());
    seeds
}
