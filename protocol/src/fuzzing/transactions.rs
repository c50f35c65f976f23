//! A chain whose players ask for anything, on whatever forks.

use alloc::vec::Vec;

use super::choices::{Choices, Decisions};
use crate::chain::model::{Step, What, World};
use crate::craps::Bet;

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 96;

/// The bytes are what players ask for and when blocks are proposed, lost or made final. The model
/// of the property tests checks each step: what one chain builds another accepts, all agree on
/// every root and effect, chips are conserved.
pub fn transactions(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let bets: Vec<Bet> = Bet::all().collect();
    let mut world = World::new();
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        world.step(&step(&mut choices, &bets));
    }
    world.finalize(0);
}

const KINDS: u64 = 12;
const WHATS: u64 = 20;
const PLAYERS: u64 = 4;

fn step(choices: &mut Choices<'_>, bets: &[Bet]) -> Step {
    match choices.below(KINDS) {
        0..=6 => {
            let player = choices.below(PLAYERS) as usize;
            let skip = u64::from(choices.rarely(8));
            Step::Ask { player, skip, what: what(choices, bets) }
        }
        7..=9 => {
            let millis = choices.pick(&[500, 1, 70_000]);
            Step::Block { millis, lost: choices.rarely(6) }
        }
        _ => Step::Finalize { keep: choices.below(3) as usize },
    }
}

fn what(choices: &mut Choices<'_>, bets: &[Bet]) -> What {
    let kind = choices.below(WHATS);
    let table = 1 + choices.below(3) as u32;
    match kind {
        0..=2 => What::Roll { table },
        3..=5 => {
            let bet = choices.pick(&[Bet::Pass, Bet::DontPass]);
            What::Bet { table, late: 0, bet, amount: 1 + choices.below(50) }
        }
        6..=9 => {
            let (late, bet) = (u64::from(choices.rarely(4)), choices.pick(bets));
            What::Bet { table, late, bet, amount: amount(choices) }
        }
        10 => What::Ready { table },
        11 => What::Sit { table },
        12 => What::Stand { table },
        13 => {
            let bet = choices.pick(bets);
            let amount = (!choices.rarely(2)).then(|| amount(choices));
            What::TakeDown { table, bet, amount }
        }
        14 => What::Call { table, bet: choices.pick(bets), on: choices.rarely(2) },
        15 => What::Fund { table, amount: amount(choices) },
        16 => What::Draw { table, amount: amount(choices) },
        17 => match choices.below(2) {
            0 => What::PassDice { table },
            _ => What::Close { table },
        },
        18 => What::Open { bank: amount(choices) },
        _ => What::Transfer { to: choices.below(PLAYERS) as usize, amount: amount(choices) },
    }
}

/// Small, about what players own, or anything.
fn amount(choices: &mut Choices<'_>) -> u64 {
    match choices.below(4) {
        0 | 1 => choices.below(256),
        2 => choices.below(16_000),
        _ => choices.below(1 << 63),
    }
}

/// A game with line bets, whose rolls are settled.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for rounds in [1, 3, 8] {
        let mut decisions = Decisions::default();
        for _ in 0..rounds {
            for player in 1..PLAYERS {
                // Nonce in order, table 1: a pass line bet, ready, roll.
                decisions.put(0, KINDS).put(player, PLAYERS).put(0, 8).put(3, WHATS).put(0, 3);
                decisions.put(0, 2).put(19, 50);
                decisions.put(0, KINDS).put(player, PLAYERS).put(0, 8).put(10, WHATS).put(0, 3);
                decisions.put(0, KINDS).put(player, PLAYERS).put(0, 8).put(0, WHATS).put(0, 3);
            }
            decisions.put(7, KINDS).put(0, 3).put(0, 6);
            decisions.put(7, KINDS).put(0, 3).put(0, 6);
            decisions.put(10, KINDS).put(0, 3);
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
