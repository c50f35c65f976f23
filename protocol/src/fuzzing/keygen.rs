//! A key generation in which the bytes say who sleeps, who cheats and what strangers say.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::choices::{Choices, Decisions};
use crate::beacon::generation::ceremony::{Ceremony, Cheat, NETWORK, index};
use crate::beacon::generation::{RECORD_BYTES, SignedRecord};
use crate::wire::{decode, encode};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 40;
/// Blocks within which honest validators that are all awake have a key, whatever was before.
const PATIENCE: usize = 200;

/// The bytes say how many members there are, which f of them deal badly to whom, who is awake in
/// which block, and how somebody changes records on their way. A changed record is refused, or is
/// the same. In the end all are awake: the honest agree on a key of which every choice of shares
/// gives one coin, and nobody but cheaters is excluded.
pub fn keygen(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let n = choices.pick(&[4, 1, 2, 3, 5, 7]);
    let mut ceremony = Ceremony::new(n);
    for _ in 0..choices.below((n as u64 - 1) / 3 + 1) {
        let (dealer, victim) = (choices.index(n), choices.index(n));
        let cheat = if choices.rarely(2) { Cheat::Garbage } else { Cheat::WrongShare };
        if dealer != victim {
            ceremony.cheats.insert(index(dealer), (index(victim), cheat));
        }
    }
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        match choices.below(6) {
            0..=2 => {
                let asleep = choices.below(1 << n);
                ceremony.asleep = (0..n).filter(|it| asleep >> it & 1 == 1).map(index).collect();
                ceremony.work();
            }
            3 => _ = ceremony.block(),
            4 => (0..choices.below(40)).for_each(|_| _ = ceremony.block()),
            _ => interfere(&mut ceremony, &mut choices),
        }
    }
    ceremony.asleep.clear();
    for _ in 0..PATIENCE {
        let before = (ceremony.generation.clone(), ceremony.shares.len());
        ceremony.work();
        let is_quiet = ceremony.waiting.is_empty();
        ceremony.block();
        ceremony.work();
        let after = (ceremony.generation.clone(), ceremony.shares.len());
        if is_quiet && ceremony.generation.is_active() && before == after {
            break;
        }
    }
    check(&ceremony, n);
}

fn check(ceremony: &Ceremony, n: usize) {
    let generation = &ceremony.generation;
    assert!(generation.is_active(), "{:?}", generation.stage);
    assert_eq!(generation.attested.len(), n, "all share the key in the end");
    let cheaters: BTreeSet<_> = ceremony.cheats.keys().copied().collect();
    assert!(generation.excluded.is_subset(&cheaters));
    assert!(generation.counted.is_disjoint(&cheaters));
    ceremony.assert_one_coin(generation.version);
    let bytes = encode(generation);
    assert_eq!(decode(&bytes, bytes.len()).as_ref(), Ok(generation));
}

/// Somebody changes, repeats or holds back a record.
fn interfere(ceremony: &mut Ceremony, choices: &mut Choices<'_>) {
    if ceremony.waiting.is_empty() {
        return;
    }
    let which = choices.index(ceremony.waiting.len());
    match choices.below(4) {
        0 => {
            let repeated = ceremony.waiting[which].clone();
            ceremony.waiting.push(repeated);
        }
        1 => _ = ceremony.waiting.remove(which),
        _ => {
            let genuine = ceremony.waiting[which].signed().clone();
            let mut bytes = encode(&genuine);
            for _ in 0..=choices.below(3) {
                let at = choices.below(1 << 16) as usize % bytes.len();
                bytes[at] ^= choices.byte();
            }
            let Ok(changed) = decode::<SignedRecord>(&bytes, RECORD_BYTES) else { return };
            let verified = changed.clone().verify(NETWORK, &ceremony.generation);
            assert!(verified.is_err() || changed == genuine, "{changed:?} is accepted");
        }
    }
}

/// Everybody awake; somebody late; somebody who cheats; something changed on its way.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (size, asleep, cheats) in [(0, 0, 0), (0, 1, 0), (0, 0, 1), (5, 3, 1), (1, 0, 0)] {
        let n = [4, 1, 2, 3, 5, 7][size as usize];
        let mut decisions = Decisions::default();
        decisions.put(size, 6);
        if n > 3 {
            decisions.put(cheats, (n - 1) / 3 + 1);
        }
        for _ in 0..cheats {
            decisions.put(2, n).put(0, n).put(1, 2);
        }
        for _ in 0..3 {
            decisions.put(0, 6).put(asleep, 1 << n);
            decisions.put(5, 6).put(0, n).put(3, 4).put(0, 3).put(77, 1 << 16).put(8, 256);
            decisions.put(4, 6).put(39, 40).put(3, 6);
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
