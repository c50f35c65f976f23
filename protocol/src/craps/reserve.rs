//! What the bets on the layout can still cost the bank: a closed form that no sequence of dice
//! exceeds, if nobody bets more. (craps.md section 8, "Table liability")
//!
//! Lost stakes are never set against wins, not even within one roll: the losing bet may be taken
//! down before the dice fly. So taking a bet down never raises the reserve, and what a roll pays
//! lowers it by at least as much, except for winners that stay up. Those reserve their next win
//! anew, or come down. Calling bets on and off changes nothing: they are reserved for as if on.

use super::terms::{Reserve, Side, Terms, Wager};
use super::{Bet, Dice, Number, Rules};

/// What a set of bets can cost the bank, by when and against what they are paid.
pub(super) struct Exposure<'a> {
    rules: &'a Rules,
    point: Option<Number>,
    /// Profits of one-roll bets, by outcome of the next roll.
    next_roll: [u128; 36],
    /// Flat bets before their number is known. One pair is enough: line bets are undecided only
    /// with the puck off and come bets only with it on.
    undecided: Sides,
    /// By number; before a 7 it comes or it does not, so only one side is paid.
    numbers: [Sides; 10],
    /// Bets that may sleep through the 7 that ends the others: they count in full.
    free: u128,
}

/// Profits of the two sides, of which one is paid.
#[derive(Clone, Copy, Default)]
struct Sides {
    light: u128,
    dark: u128,
}

impl Sides {
    fn add(&mut self, side: Side, profit: u128) {
        match side {
            Side::Light => self.light += profit,
            Side::Dark => self.dark += profit,
        }
    }

    fn worst(&self) -> u128 {
        self.light.max(self.dark)
    }
}

impl<'a> Exposure<'a> {
    /// The exposure of `bets` with the puck on `point`.
    pub(super) fn of(
        bets: impl Iterator<Item = (Bet, Wager)>,
        rules: &'a Rules,
        point: Option<Number>,
    ) -> Self {
        let mut exposure = Self {
            rules,
            point,
            next_roll: [0; 36],
            undecided: Sides::default(),
            numbers: [Sides::default(); 10],
            free: 0,
        };
        for (bet, wager) in bets {
            exposure.add(bet, &wager);
        }
        exposure
    }

    fn add(&mut self, bet: Bet, wager: &Wager) {
        let terms = Terms::of(bet, self.rules, self.point);
        match terms.reserve {
            Reserve::NextRoll => {
                for (cost, dice) in self.next_roll.iter_mut().zip(Dice::all()) {
                    *cost += terms.cost_on(wager, dice);
                }
            }
            Reserve::Undecided(side) => self.undecided.add(side, terms.cost(wager)),
            Reserve::Number(number, side) => {
                self.numbers[number as usize].add(side, terms.cost(wager));
            }
            Reserve::Free => self.free += terms.cost(wager),
        }
    }

    /// The chips that the bank must hold.
    pub(super) fn worst(&self) -> u128 {
        let next_roll = self.next_roll.iter().max().copied().unwrap_or(0);
        let numbers: u128 = self.numbers.iter().map(Sides::worst).sum();
        next_roll + self.undecided.worst() + numbers + self.free
    }
}
