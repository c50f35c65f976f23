//! What the dice do to a layout. Every bet is decided against the puck as it was before the roll
//! and goes onto a fresh layout, so no order of bets or players can matter.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::catalogue::{Fate, Terms};
use super::layout::Layout;
use super::reserve::Exposure;
use super::{Bet, Chips, Dice, Number, Player, Ratio, Round, Rules};

/// Everything that a roll did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Which roll.
    pub round: Round,
    /// What the dice showed.
    pub dice: Dice,
    /// What each player is to be credited; nobody is credited nothing.
    pub payouts: BTreeMap<Player, Chips>,
    /// The bets that were decided, in canonical order (player, then bet).
    pub resolved: Vec<Resolved>,
    /// The bets that travelled to their numbers, in canonical order.
    pub moved: Vec<Moved>,
    /// Where the puck was when the dice were thrown; `None` is off.
    pub point_before: Option<Number>,
    /// Where the puck is now.
    pub point_after: Option<Number>,
    /// Whether a 7 ended the hand, which passes the dice.
    pub seven_out: bool,
    /// The players who had left and whose last bet is now decided; they have no seat any more.
    pub left: Vec<Player>,
    /// Who has the dice now.
    pub shooter: Option<Player>,
}

/// One decided bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Whose.
    pub player: Player,
    /// Which.
    pub bet: Bet,
    /// What was on it.
    pub stake: Chips,
    /// How it ended.
    pub result: Outcome,
    /// What the player is credited for it: profit, and the stake unless that stays or is lost.
    pub credited: Chips,
    /// Whether the stake is still up.
    pub stays: bool,
}

/// How a bet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was paid.
    Win,
    /// The bank took the stake.
    Lose,
    /// The stake was returned.
    Push,
}

/// One bet that found its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Whose.
    pub player: Player,
    /// What it was.
    pub from: Bet,
    /// What it is now.
    pub to: Bet,
    /// What is on it.
    pub stake: Chips,
}

/// A layout after a roll, and what the roll moved between it, the bank and the players.
pub(super) struct Settled {
    pub(super) layout: Layout,
    pub(super) bank: Chips,
    pub(super) point: Option<Number>,
    pub(super) resolved: Vec<Resolved>,
    pub(super) moved: Vec<Moved>,
}

/// Where the puck is after a roll. (craps.md section 1)
pub(super) fn next_point(point: Option<Number>, dice: Dice) -> Option<Number> {
    match point {
        None => dice.number(),
        Some(on) if dice.total() == 7 || dice.number() == Some(on) => None,
        Some(on) => Some(on),
    }
}

/// Decides every bet of `layout` by one roll, out of a bank that has reserved for it.
pub(super) fn settle(
    layout: &Layout,
    rules: &Rules,
    point: Option<Number>,
    bank: Chips,
    dice: Dice,
) -> Settled {
    let mut settled = Settled {
        layout: Layout::default(),
        bank: Chips::ZERO,
        point: next_point(point, dice),
        resolved: Vec::new(),
        moved: Vec::new(),
    };
    let (mut lost, mut won) = (0, 0);
    for (player, bet, stake) in layout.bets() {
        let terms = Terms::of(bet, rules, point);
        let resolved =
            |result, credited, stays| Resolved { player, bet, stake, result, credited, stays };
        match terms.fate(dice) {
            Fate::Wins(ratio) => {
                let profit = profit(ratio, stake);
                won += u128::from(profit.0);
                if terms.stays {
                    settled.stand(player, bet, stake);
                }
                let credited = if terms.stays { profit } else { sum(profit, stake) };
                settled.resolved.push(resolved(Outcome::Win, credited, terms.stays));
            }
            Fate::Loses => {
                lost += u128::from(stake.0);
                settled.resolved.push(resolved(Outcome::Lose, Chips::ZERO, false));
            }
            Fate::Pushes => settled.resolved.push(resolved(Outcome::Push, stake, false)),
            Fate::Moves(to) => {
                settled.stand(player, to, stake);
                settled.moved.push(Moved { player, from: bet, to, stake });
            }
            Fate::Stands => settled.stand(player, bet, stake),
        }
    }
    let left = (u128::from(bank.0) + lost).checked_sub(won).expect("the bank reserved its worst");
    settled.bank = Chips(u64::try_from(left).expect("a table holds no more chips than exist"));
    settled.take_down_what_the_bank_cannot_cover(rules);
    settled
}

impl Settled {
    fn stand(&mut self, player: Player, bet: Bet, stake: Chips) {
        let there = self.layout.put(player, bet, stake);
        assert_eq!(there, None, "what was on the number was decided by the roll that moves here");
    }

    /// Winners that stay up need their next win reserved. If the bank cannot reserve all of them,
    /// all come down: choosing among players would favour some.
    fn take_down_what_the_bank_cannot_cover(&mut self, rules: &Rules) {
        if self.reserve(rules) <= u128::from(self.bank.0) {
            return;
        }
        for winner in self.resolved.iter_mut().filter(|resolved| resolved.stays) {
            winner.stays = false;
            winner.credited = sum(winner.credited, winner.stake);
            self.layout.remove(winner.player, winner.bet);
        }
        assert!(self.reserve(rules) <= u128::from(self.bank.0), "a roll frees what it pays");
    }

    fn reserve(&self, rules: &Rules) -> u128 {
        let bets = self.layout.bets().map(|(_, bet, stake)| (bet, stake));
        Exposure::of(bets, rules, self.point).worst()
    }
}

fn profit(ratio: Ratio, stake: Chips) -> Chips {
    Chips(u64::try_from(ratio.of(stake)).expect("the bank reserved it, so it fits"))
}

/// Of chips at one table, which never hold more than fit.
fn sum(left: Chips, right: Chips) -> Chips {
    left.checked_add(right).expect("a table holds no more chips than fit")
}
