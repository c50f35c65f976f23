//! One table, whose players ask for anything while the dice show anything.

use alloc::vec::Vec;

use super::choices::{Choices, Decisions};
use crate::craps::model::{Ask, PLAYERS, any_house, play};
use crate::craps::{Bet, Dice, Player};
use crate::wire::{decode, encode};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 256;

/// The bytes are house rules, a bank, and what is asked of the table. Every step is checked by the
/// model of the property tests: chips are conserved, the bank covers the reserve and a roll pays
/// no more than that, a refusal changes nothing, every bet has a seat and keeps to its cap. In the
/// end the table has one encoding.
pub fn craps(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let rules = any_house(&mut choices);
    let bank = 1 + amount(&mut choices).min(1_000_000_000);
    let mut asks = Vec::new();
    let bets: Vec<Bet> = Bet::all().collect();
    while !choices.is_over() && asks.len() < STEPS {
        asks.push(ask(&mut choices, &bets));
    }
    let played = play(&rules, bank, &asks, PLAYERS, |index| Player([index; 32]));
    let bytes = encode(&played.table);
    assert_eq!(decode(&bytes, bytes.len()).as_ref(), Ok(&played.table));
}

const KINDS: u64 = 24;

fn ask(choices: &mut Choices<'_>, bets: &[Bet]) -> Ask {
    let kind = choices.below(KINDS);
    let player = choices.below(u64::from(PLAYERS)) as u8;
    match kind {
        0..=5 => Ask::Throw(dice(choices)),
        6..=11 => Ask::OpenBet(player, choices.below(1 << 16) as u16, 1 + choices.below(12)),
        12 => Ask::Sit(player),
        13 => Ask::Stand(player),
        14 => Ask::Bet(player, choices.pick(bets), amount(choices)),
        15 => Ask::TakeDown(player, choices.pick(bets), some_of(choices)),
        16 => Ask::TakeDownOwn(player, choices.below(1 << 16) as u16, some_of(choices)),
        17 => Ask::CallOwn(player, choices.below(1 << 16) as u16, choices.rarely(2)),
        18 => Ask::SetWorking(player, choices.pick(bets), choices.rarely(2)),
        19 => Ask::Fund(player, amount(choices)),
        20 => Ask::Draw(choices.below(u64::from(PLAYERS) + 1) as u8, amount(choices)),
        21 => match choices.below(2) {
            0 => Ask::Ready(player),
            _ => Ask::PassDice(player),
        },
        22 => match choices.below(3) {
            0 => Ask::Roll(None),
            1 => Ask::Roll(Some(player)),
            _ => Ask::Settle(dice(choices)),
        },
        _ => Ask::Close(choices.below(u64::from(PLAYERS) + 1) as u8),
    }
}

fn dice(choices: &mut Choices<'_>) -> Dice {
    let faces = choices.below(36) as u8;
    Dice::new(1 + faces / 6, 1 + faces % 6).expect("faces of one to six")
}

/// Small, round, or anything.
fn amount(choices: &mut Choices<'_>) -> u64 {
    match choices.below(4) {
        0 => choices.below(256),
        1 => 60 * (1 + choices.below(10)),
        2 => choices.below(1 << 16),
        _ => choices.below(1 << 63),
    }
}

fn some_of(choices: &mut Choices<'_>) -> Option<u64> {
    match choices.below(8) {
        0..=3 => None,
        units => Some(units - 3),
    }
}

/// Hands in which somebody bets a little on everything that is open.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..8)
        .map(|seed: u64| {
            let mut decisions = Decisions::default();
            decisions.zeros(3 + 19).put(1, 4).put(9, 10);
            for step in 0..40 {
                let (player, bet) = (step % 3, (step * 37 + seed * 11) % 90);
                decisions.put(6, KINDS).put(player, 4).put(bet, 1 << 16).put(step % 12, 12);
                if step % 4 == 3 {
                    decisions.put(0, KINDS).put(0, 4).put((step * 7 + seed * 5) % 36, 36);
                }
            }
            decisions.into_bytes()
        })
        .collect()
}
