//! What the dice do to a layout. Every bet is decided against the puck as it was before the roll
//! and goes onto a fresh layout, so no order of bets or players can matter.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::course::Roll;
use super::layout::Layout;
use super::reserve::Exposure;
use super::terms::{Fate, Terms, Wager};
use super::{Bet, Chips, Dice, Number, Player, Round, Rules};

/// Everything that a roll did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Which roll.
    pub round: Round,
    /// What the dice showed.
    pub dice: Dice,
    /// What each player is to be credited, what the owner draws out of the bank among it; nobody is
    /// credited nothing.
    pub payouts: BTreeMap<Player, Chips>,
    /// What of this the owner draws out of the bank, having asked for it while the dice rolled.
    pub drawn: Chips,
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
    /// What the player is credited for it: profit, and the stake unless that stays or is lost. Of
    /// a composite bet that loses, this is what a part won; of a bet whose commission is paid up
    /// front, the next one is taken off if it stays.
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

/// What becomes of one bet by one roll.
pub(super) enum After {
    /// It is decided.
    Decided {
        /// How it ended.
        result: Outcome,
        /// What its player is credited.
        credited: u128,
        /// What is still up.
        stays: Option<Wager>,
    },
    /// It is up, as this bet.
    Up(Bet, Wager),
}

/// What a roll does to one bet alone: the rule by which tables settle and odds are computed.
pub(super) fn decide(terms: &Terms<'_>, bet: Bet, wager: Wager, roll: Roll) -> After {
    let decided = |result, credited| After::Decided { result, credited, stays: None };
    match terms.fate(&wager, roll) {
        Fate::Wins(worth) => {
            let vig = terms.vig_up_front(wager.stake);
            let stays = u128::from(wager.stake.0) + vig;
            let credited = worth.checked_sub(stays).filter(|_| terms.stays);
            let Some(credited) = credited else { return decided(Outcome::Win, worth) };
            let wager = Wager { vig: fits(vig), ..wager };
            After::Decided { result: Outcome::Win, credited, stays: Some(wager) }
        }
        Fate::Loses(worth) => decided(Outcome::Lose, worth),
        Fate::Pushes => decided(Outcome::Push, wager.chips()),
        Fate::Moves(to) => After::Up(to, wager),
        Fate::GoesOn(memory) => After::Up(bet, Wager { memory, ..wager }),
        Fate::Stands => After::Up(bet, wager),
    }
}

/// Where the puck is after a roll. (craps.md section 1)
pub(super) fn next_point(rules: &Rules, point: Option<Number>, dice: Dice) -> Option<Number> {
    match point {
        None => rules.point_of(dice),
        Some(on) if dice.total() == 7 || dice.total() == on.total() => None,
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
    let roll = Roll { dice, point, after: next_point(rules, point, dice) };
    let mut settled = Settled {
        layout: Layout::default(),
        bank: Chips::ZERO,
        point: roll.after,
        resolved: Vec::new(),
        moved: Vec::new(),
    };
    let (mut taken, mut paid) = (0, 0);
    for (player, bet, wager) in layout.bets() {
        let stake = wager.stake;
        match decide(&Terms::of(bet, rules, point), bet, wager, roll) {
            After::Decided { result, credited, stays } => {
                taken += wager.chips();
                paid += credited + stays.map_or(0, |up| up.chips());
                let (credited, is_up) = (fits(credited), stays.is_some());
                if let Some(up) = stays {
                    settled.stand(player, bet, up);
                }
                let stays = is_up;
                settled.resolved.push(Resolved { player, bet, stake, result, credited, stays });
            }
            After::Up(to, up) => {
                settled.stand(player, to, up);
                if to != bet {
                    settled.moved.push(Moved { player, from: bet, to, stake });
                }
            }
        }
    }
    let left = (u128::from(bank.0) + taken).checked_sub(paid).expect("the bank reserved its worst");
    settled.bank = fits(left);
    settled.take_down_what_the_bank_cannot_cover(rules);
    settled
}

impl Settled {
    fn stand(&mut self, player: Player, bet: Bet, wager: Wager) {
        let there = self.layout.put(player, bet, wager);
        assert_eq!(there, None, "what was on the number was decided by the roll that moves here");
    }

    /// Winners that stay up need their next win reserved. If the bank cannot reserve all of them,
    /// all come down: choosing among players would favour some.
    fn take_down_what_the_bank_cannot_cover(&mut self, rules: &Rules) {
        if self.reserve(rules) <= u128::from(self.bank.0) {
            return;
        }
        for winner in self.resolved.iter_mut().filter(|resolved| resolved.stays) {
            let up = self.layout.remove(winner.player, winner.bet).expect("it stayed up");
            winner.stays = false;
            winner.credited = fits(u128::from(winner.credited.0) + up.chips());
        }
        assert!(self.reserve(rules) <= u128::from(self.bank.0), "a roll frees what it pays");
    }

    fn reserve(&self, rules: &Rules) -> u128 {
        let bets = self.layout.bets().map(|(_, bet, wager)| (bet, wager));
        Exposure::of(bets, rules, self.point).worst()
    }
}

/// Of chips at one table, which never hold more than fit.
fn fits(chips: u128) -> Chips {
    Chips(u64::try_from(chips).expect("a table holds no more chips than fit"))
}
