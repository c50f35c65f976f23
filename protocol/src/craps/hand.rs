//! Hands played from a script: one player, given dice, no network. For practice, teaching,
//! regression and disputes. (craps.md section 12)

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::table::Table;
use super::{Bet, Chips, Dice, Moment, Number, Outcome, Player, Refusal, Rules};

/// A player alone at a table whose bank covers everything.
#[derive(Clone, Debug)]
pub struct Hand {
    table: Table,
    bankroll: Chips,
}

/// What happens between two rolls, and then the roll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the player does before the dice are thrown.
    #[serde(default, rename = "do")]
    pub actions: Vec<Action>,
    /// What the dice show, if they are thrown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dice: Option<Dice>,
}

/// One thing that a player does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What.
    pub op: Op,
    /// With which bet.
    pub bet: Bet,
    /// How much goes on it; for bets only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Chips>,
    /// Whether it is called on or off with it; for bets only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working: Option<bool>,
}

/// What can be done with a bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Chips go on it.
    Bet,
    /// It comes down.
    Down,
    /// It is called on.
    On,
    /// It is called off.
    Off,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What became of each thing that the player did, in order.
    #[serde(rename = "do")]
    pub actions: Vec<Done>,
    /// What the dice showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dice: Option<Dice>,
    /// Where the puck is afterwards; 0 is off.
    pub point: u8,
    /// What the player has beside the bets.
    pub bankroll: Chips,
    /// The bets that are up, and their stakes.
    pub up: BTreeMap<Bet, Chips>,
    /// The bets that the dice decided: which, how, what the player is credited, and whether it is
    /// still up.
    pub settled: Vec<(Bet, Outcome, Chips, Stays)>,
}

/// What became of one thing that the player did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// What was done, or why not.
    #[serde(flatten)]
    pub result: Verdict,
    /// What the player has beside the bets afterwards.
    pub bankroll: Chips,
}

/// Whether something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was; the bet, as it is written.
    Accepted(Bet),
    /// It was not, and nothing has changed.
    Refused(Why),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Why {
    /// The table refuses.
    Table(Refusal),
    /// The player has fewer chips than it costs.
    Broke(Broke),
}

/// The player has fewer chips than a bet costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Broke {
    /// What it would have taken.
    NotEnoughChips {
        /// The price of the bet.
        needed: Chips,
    },
}

/// Whether a decided bet is still up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// It is.
    Stays,
    /// It is not.
    Down,
}

impl Action {
    /// Checks that `amount` and `working` are there where they belong, and nowhere else; otherwise
    /// names the field that is wrong, and why.
    pub const fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (self.op, self.amount.is_some(), self.working.is_some()) {
            (Op::Bet, false, _) => Err(("amount", "a bet needs an amount")),
            (Op::Down | Op::On | Op::Off, true, _) => Err(("amount", "only a bet has an amount")),
            (Op::Down | Op::On | Op::Off, _, true) => {
                Err(("working", "only a bet can be called while it is made"))
            }
            (Op::Bet, true, _) | (Op::Down | Op::On | Op::Off, false, false) => Ok(()),
        }
    }
}

impl Hand {
    /// What the bank holds: enough for every bet, and with any bankroll no more than fits.
    const BANK: Chips = Chips(1 << 62);

    /// The largest bankroll.
    pub const MAX_BANKROLL: Chips = Chips(1 << 61);

    const PLAYER: Player = Player([1; 32]);
    const HOUSE: Player = Player([0; 32]);

    /// A new hand with the puck off. `bankroll` is at most [`Hand::MAX_BANKROLL`].
    pub fn new(rules: Rules, bankroll: Chips) -> Result<Self, Refusal> {
        if bankroll > Self::MAX_BANKROLL {
            return Err(Refusal::TooManyChips);
        }
        let mut table = Table::open(rules, Self::HOUSE, Self::BANK, Moment::default())?;
        table.sit(Self::PLAYER)?;
        Ok(Self { table, bankroll })
    }

    /// The table at which it is played.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What the player has beside the bets.
    pub const fn bankroll(&self) -> Chips {
        self.bankroll
    }

    /// Plays a step; actions without their amount are refused as nothing at all.
    pub fn step(&mut self, step: &Step) -> Answer {
        let actions = step.actions.iter().map(|action| self.act(*action)).collect();
        let settled = step.dice.map(|dice| self.throw(dice)).unwrap_or_default();
        Answer {
            actions,
            dice: step.dice,
            point: self.table.point().map_or(0, Number::total),
            bankroll: self.bankroll,
            up: self.table.bets().map(|(_, bet, stake)| (bet, stake)).collect(),
            settled,
        }
    }

    fn act(&mut self, action: Action) -> Done {
        let (bet, round) = (action.bet, self.table.round());
        let result = match action.op {
            Op::Bet => self.bet(bet, action.amount.unwrap_or_default(), action.working),
            Op::Down => {
                self.table.take_down(Self::PLAYER, round, bet).map_err(Why::Table).map(|returned| {
                    self.bankroll.0 += returned.0;
                })
            }
            Op::On | Op::Off => {
                let on = action.op == Op::On;
                self.table.set_working(Self::PLAYER, round, bet, on).map_err(Why::Table)
            }
        };
        let result = match result {
            Ok(()) => Verdict::Accepted(bet),
            Err(why) => Verdict::Refused(why),
        };
        Done { result, bankroll: self.bankroll }
    }

    fn bet(&mut self, bet: Bet, amount: Chips, working: Option<bool>) -> Result<(), Why> {
        let needed = self.table.price(Self::PLAYER, bet, amount).map_err(Why::Table)?;
        let left = self.bankroll.checked_sub(needed);
        let left = left.ok_or(Why::Broke(Broke::NotEnoughChips { needed }))?;
        if working.is_some() {
            self.table.expect_callable(bet).map_err(Why::Table)?;
        }
        let round = self.table.round();
        self.table.bet(Self::PLAYER, round, bet, amount, Moment::default()).map_err(Why::Table)?;
        if let Some(on) = working {
            let called = self.table.set_working(Self::PLAYER, round, bet, on);
            called.expect("it was asked above whether the bet can be called");
        }
        self.bankroll = left;
        Ok(())
    }

    fn throw(&mut self, dice: Dice) -> Vec<(Bet, Outcome, Chips, Stays)> {
        let settlement = self.table.throw(dice);
        for credited in settlement.payouts.values() {
            self.bankroll.0 += credited.0;
        }
        let decided = settlement.resolved.into_iter();
        decided
            .map(|one| {
                let stays = if one.stays { Stays::Stays } else { Stays::Down };
                (one.bet, one.result, one.credited, stays)
            })
            .collect()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(refusal) => refusal.fmt(formatter),
            Self::Broke(Broke::NotEnoughChips { needed }) => {
                write!(formatter, "that costs {needed}, which you do not have: bet less")
            }
        }
    }
}
