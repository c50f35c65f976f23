//! One table: its seats, its puck, its layout and its bank. `seats` says who may throw the dice when,
//! `bets` what may be bet and taken down; here is the bank, and what a roll does to all of it.

mod bets;
mod seats;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::reserve::Exposure;
use super::settle::{self, Settlement};
use super::terms::Terms;
use super::{Bet, Chips, Dice, Moment, Number, Player, Refusal, Round, Rules};
use crate::block::View;
use crate::time::BlockTime;

/// A craps table. Every call either succeeds entirely or is refused without effect.
///
/// The chips that players bet are handed over with [`Table::bet`]; what the table owes them is what
/// its calls return. Between the two, [`Table::held`] accounts for every chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    rules: Rules,
    owner: Player,
    bank: Chips,
    round: Round,
    phase: Phase,
    point: Option<Number>,
    hand: Hand,
    seats: Vec<Seat>,
    shooter: Option<Player>,
    /// When the shooter's time began to run.
    turn: BlockTime,
    /// Whether the roll in the air was thrown because the shooter did not.
    house_throws: bool,
    layout: Layout,
    history: VecDeque<Dice>,
    /// What was put into the bank while the dice rolled.
    queued: Chips,
    /// What its owner asked out of the bank while the dice rolled.
    asked: Chips,
}

/// How far the hand has come: which bets that follow it may still be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Hand {
    /// Nothing has been thrown.
    New,
    /// A 7 has just been thrown on the come-out.
    AfterSeven,
    /// Something else has.
    Underway,
}

/// Whether bets are taken or the dice are in the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Bets are taken and taken down.
    Betting {
        /// Since when: the last settlement, or the first bet on an empty layout.
        opened: Moment,
    },
    /// Everything is frozen until the dice are known.
    Rolling {
        /// What will decide them.
        ticket: RollTicket,
    },
}

/// Names the coin that decides a roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollTicket {
    /// The view whose coin it is.
    pub view: View,
    /// The version of the dice key that makes it.
    pub key_version: u32,
}

/// A player's place at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Whose.
    pub player: Player,
    /// Whether they agree to roll before the betting window has passed.
    pub ready: bool,
    /// Whether they have left and only contract bets of theirs are still up.
    pub leaving: bool,
}

impl Table {
    /// How many rolls are remembered; the oldest is forgotten.
    pub const HISTORY: usize = 32;

    /// Opens a table on the come-out of round 1. The caller hands over `bank`.
    pub fn open(rules: Rules, owner: Player, bank: Chips, at: Moment) -> Result<Self, Refusal> {
        rules.validate()?;
        if bank == Chips::ZERO {
            return Err(Refusal::EmptyBank);
        }
        Ok(Self {
            rules,
            owner,
            bank,
            round: Round(1),
            phase: Phase::Betting { opened: at },
            point: None,
            hand: Hand::New,
            seats: Vec::new(),
            shooter: None,
            turn: at.time,
            house_throws: false,
            layout: Layout::default(),
            history: VecDeque::new(),
            queued: Chips::ZERO,
            asked: Chips::ZERO,
        })
    }

    /// Returns the bank to its owner; the table is then good for nothing and is to be dropped.
    pub fn close(&mut self, by: Player) -> Result<Chips, Refusal> {
        if by != self.owner {
            return Err(Refusal::NotTheOwner);
        }
        self.opened()?;
        if !self.layout.is_empty() {
            return Err(Refusal::BetsUp);
        }
        Ok(core::mem::take(&mut self.bank))
    }

    /// Adds to the bank; the caller hands over `amount`. While the dice roll it is put aside, and is
    /// in the bank for the next round.
    pub fn fund(&mut self, amount: Chips) -> Result<(), Refusal> {
        if amount == Chips::ZERO {
            return Err(Refusal::NoChips);
        }
        self.held().checked_add(amount).ok_or(Refusal::TooManyChips)?;
        let into = match self.phase {
            Phase::Betting { .. } => &mut self.bank,
            Phase::Rolling { .. } => &mut self.queued,
        };
        into.0 += amount.0;
        Ok(())
    }

    /// Draws chips out of the bank that no bet needs; returns them. While the dice roll nobody
    /// knows what will be free: nothing is returned, and the settlement pays out as much of it as
    /// is free then, leaving the bank at least a chip.
    pub fn draw(&mut self, by: Player, amount: Chips) -> Result<Chips, Refusal> {
        if by != self.owner {
            return Err(Refusal::NotTheOwner);
        }
        if amount == Chips::ZERO {
            return Err(Refusal::NoChips);
        }
        match self.phase {
            Phase::Betting { .. } => {
                let free = self.free();
                if amount > free {
                    return Err(Refusal::Reserved { free });
                }
                self.bank.0 -= amount.0;
                Ok(amount)
            }
            Phase::Rolling { .. } => {
                self.asked = self.asked.checked_add(amount).ok_or(Refusal::TooManyChips)?;
                Ok(Chips::ZERO)
            }
        }
    }

    /// Throws these dice and settles them, whoever has them and whatever is up.
    pub(super) fn throw(&mut self, dice: Dice) -> Settlement {
        self.phase = Phase::Rolling { ticket: RollTicket::default() };
        self.settle(dice, Moment::default())
    }

    /// Settles the roll in the air and opens betting for the next round. The caller credits the
    /// payouts.
    ///
    /// # Panics
    ///
    /// If no roll is in the air.
    pub fn settle(&mut self, dice: Dice, at: Moment) -> Settlement {
        assert!(matches!(self.phase, Phase::Rolling { .. }), "only a roll in the air is settled");
        let held = self.held();
        let settled = settle::settle(&self.layout, &self.rules, self.point, self.bank, dice);
        let (round, point_before) = (self.round, self.point);
        let seven_out = point_before.is_some() && dice.total() == 7;
        self.layout = settled.layout;
        self.bank = settled.bank;
        self.point = settled.point;
        self.hand = match dice.total() {
            7 if seven_out => Hand::New,
            7 => Hand::AfterSeven,
            _ => Hand::Underway,
        };
        if seven_out || self.house_throws {
            self.shooter = self.shooter.and_then(|shooter| self.player_after(shooter));
        }
        let left = self.free_left_seats();
        self.open_next_round(dice, at);

        let drawn = self.serve_the_bank();
        let credits = settled.resolved.iter().map(|one| (one.player, one.credited));
        let mut payouts: BTreeMap<Player, Chips> = BTreeMap::new();
        let mut paid = 0;
        for (player, credited) in credits.chain([(self.owner, drawn)]) {
            if credited > Chips::ZERO {
                let sum = payouts.entry(player).or_default();
                *sum = sum.checked_add(credited).expect("a table's chips fit");
                paid += u128::from(credited.0);
            }
        }
        assert_eq!(u128::from(held.0), u128::from(self.held().0) + paid, "chips are conserved");
        Settlement {
            round,
            dice,
            payouts,
            drawn,
            resolved: settled.resolved,
            moved: settled.moved,
            point_before,
            point_after: self.point,
            seven_out,
            left,
            shooter: self.shooter,
        }
    }
}

/// What there is to see.
impl Table {
    /// The house rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Who opened the table and owns its bank.
    pub const fn owner(&self) -> Player {
        self.owner
    }

    /// What the bank holds, reserved or not.
    pub const fn bank(&self) -> Chips {
        self.bank
    }

    /// The seats, in the order in which the dice go round.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Who has the dice; nobody if nobody is seated.
    pub const fn shooter(&self) -> Option<Player> {
        self.shooter
    }

    /// Where the puck is; `None` is off.
    pub const fn point(&self) -> Option<Number> {
        self.point
    }

    /// Whether bets are taken or the dice are in the air.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The roll that comes next, or is in the air.
    pub const fn round(&self) -> Round {
        self.round
    }

    /// Every bet that is up, in canonical order (player, then bet).
    pub fn bets(&self) -> impl Iterator<Item = (Player, Bet, Chips)> {
        self.layout.bets().map(|(player, bet, wager)| (player, bet, wager.stake))
    }

    /// Whether a bet that is up can win or lose on the next roll; `None` if there is no such bet.
    pub fn is_working(&self, player: Player, bet: Bet) -> Option<bool> {
        let wager = self.layout.wager(player, bet)?;
        Some(self.terms(bet).works(&wager))
    }

    /// The last [`Table::HISTORY`] rolls, oldest first.
    pub fn history(&self) -> impl Iterator<Item = Dice> {
        self.history.iter().copied()
    }

    /// All chips on the table: the bank, what waits to go into it, and every bet.
    pub fn held(&self) -> Chips {
        let bank = u128::from(self.bank.0) + u128::from(self.queued.0);
        let held = bank + self.layout.chips();
        Chips(u64::try_from(held).expect("no bet is accepted beyond what fits"))
    }

    /// What the bank must hold for the bets that are up; never more than it does hold.
    pub fn reserve(&self) -> Chips {
        let bets = self.layout.bets().map(|(_, bet, wager)| (bet, wager));
        let worst = Exposure::of(bets, &self.rules, self.point).worst();
        Chips(u64::try_from(worst).expect("no bet is accepted beyond the bank"))
    }
}

/// The small things that calls are made of.
impl Table {
    fn opened(&self) -> Result<Moment, Refusal> {
        match self.phase {
            Phase::Betting { opened } => Ok(opened),
            Phase::Rolling { .. } => Err(Refusal::Rolling),
        }
    }

    fn expect_round(&self, round: Round) -> Result<(), Refusal> {
        self.opened()?;
        if round == self.round { Ok(()) } else { Err(Refusal::WrongRound { current: self.round }) }
    }

    fn terms(&self, bet: Bet) -> Terms<'_> {
        Terms::of(bet, &self.rules, self.point)
    }

    /// What may be drawn out of the bank: what no bet needs, less one chip.
    fn free(&self) -> Chips {
        Chips(self.bank.0.saturating_sub(self.reserve().0.max(1)))
    }

    /// Does what was asked of the bank while the dice rolled; returns what its owner draws.
    fn serve_the_bank(&mut self) -> Chips {
        self.bank.0 += core::mem::take(&mut self.queued).0;
        let drawn = core::mem::take(&mut self.asked).min(self.free());
        self.bank.0 -= drawn.0;
        drawn
    }

    fn open_next_round(&mut self, dice: Dice, at: Moment) {
        if self.history.len() == Self::HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(dice);
        self.round = self.round.next();
        self.phase = Phase::Betting { opened: at };
        self.turn = at.time;
        self.house_throws = false;
        for seat in &mut self.seats {
            seat.ready = false;
        }
    }
}

fn saturated(chips: u128) -> Chips {
    Chips(u64::try_from(chips).unwrap_or(u64::MAX))
}
