//! Hands played from a script: given dice, no network. For practice, teaching, regression and
//! disputes. (craps.md section 12)
//!
//! A script has one player, or several: then it says of each action whose it is. Every player
//! begins with the same bankroll, and sits down with the first bet.

mod name;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::table::Table;
use super::{Bet, Chips, Dice, Moment, Number, Outcome, Player, Refusal, Rules};
pub use name::{Name, NotName};

/// Players at a table, and what they have beside their bets.
#[derive(Clone, Debug)]
pub struct Hand {
    table: Table,
    bankroll: Chips,
    /// Of everybody who has played so far, at most [`Hand::MAX_PLAYERS`]; further ones are refused.
    purses: BTreeMap<Player, u128>,
}

/// What happens between two rolls, and then the roll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is done before the dice are thrown.
    #[serde(default, rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What the dice show, if they are thrown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dice: Option<Dice>,
}

/// One thing that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What.
    pub op: Op,
    /// With which bet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bet: Option<Bet>,
    /// How much goes on the bet, comes down of it (all, if left out), or into or out of the bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Chips>,
    /// Whether the bet is called on or off while it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working: Option<bool>,
    /// Who does it, if the script has several players.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Name>,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Chips go on a bet.
    Bet,
    /// A bet comes down, or a part of it.
    Down,
    /// A bet is called on.
    On,
    /// A bet is called off.
    Off,
    /// The player leaves: all bets that may come down do.
    Stand,
    /// The owner puts chips into the bank.
    Fund,
    /// The owner draws chips out of the bank.
    Draw,
}

/// An [`Action`] whose fields do not make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAction {
    /// Which of the step's actions.
    pub index: usize,
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// An action that makes sense.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Bet { bet: Bet, amount: Chips, working: Option<bool> },
    Down { bet: Bet, amount: Option<Chips> },
    Call { bet: Bet, on: bool },
    Stand,
    Fund(Chips),
    Draw(Chips),
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What became of each thing that was done, in order.
    #[serde(rename = "do")]
    pub actions: Vec<Done>,
    /// What the dice showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dice: Option<Dice>,
    /// Where the puck is afterwards; 0 is off.
    pub point: u8,
    /// The chips that the player without a name has beside the bets.
    pub bankroll: u128,
    /// The bets of the player without a name that are up, and their stakes.
    pub up: BTreeMap<Bet, Chips>,
    /// The bets that the dice decided.
    pub settled: Vec<Settled>,
    /// Where those with names stand who did something, had a bet decided, or have bets up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub players: BTreeMap<Name, Standing>,
}

/// Where a player with a name stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The chips beside the bets.
    pub bankroll: u128,
    /// The bets that are up, and their stakes.
    pub up: BTreeMap<Bet, Chips>,
}

/// A bet that the dice decided, written as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub bet: Bet,
    /// How it ended.
    pub result: Outcome,
    /// What its player is credited.
    pub credited: Chips,
    /// Whether it is still up.
    pub stays: Stays,
    /// Whose it is; written only if the player has a name.
    pub player: Option<Name>,
}

/// What became of one thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// What was done, or why not.
    #[serde(flatten)]
    pub result: Verdict,
    /// What its player has beside the bets afterwards; what the bank has, if it was done to that.
    pub bankroll: u128,
}

/// Whether something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was.
    Accepted(What),
    /// It was not, and nothing has changed.
    Refused(Why),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum What {
    /// Something with this bet.
    Bet(Bet),
    /// Something without a bet.
    Op(Op),
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

/// Who owns the bank.
const HOUSE: Player = Player([0; 32]);

/// The player of scripts that name none.
const UNNAMED: Player = Player([1; 32]);

impl Step {
    /// Whether all of its actions make sense; if not, which does not, and why.
    pub fn check(&self) -> Result<(), BadAction> {
        self.deeds().map(drop)
    }

    fn deeds(&self) -> Result<Vec<Deed>, BadAction> {
        let read = |(index, action): (usize, &Action)| {
            action.deed().map_err(|(field, reason)| BadAction { index, field, reason })
        };
        self.actions.iter().enumerate().map(read).collect()
    }
}

impl Action {
    /// Does `op` with a bet.
    pub const fn with(op: Op, bet: Bet) -> Self {
        Self { op, bet: Some(bet), amount: None, working: None, player: None }
    }

    /// Does `op` without a bet.
    pub const fn plain(op: Op) -> Self {
        Self { op, bet: None, amount: None, working: None, player: None }
    }

    fn deed(&self) -> Result<Deed, (&'static str, &'static str)> {
        let bet = self.bet.ok_or(("bet", "this needs the name of a bet"));
        let expect = |holds: bool, field, reason| if holds { Ok(()) } else { Err((field, reason)) };
        match self.op {
            Op::Bet => {}
            Op::Down | Op::On | Op::Off | Op::Stand | Op::Fund | Op::Draw => expect(
                self.working.is_none(),
                "working",
                "only a bet can be called while it is made",
            )?,
        }
        match self.op {
            Op::Bet => {
                let amount = self.amount.ok_or(("amount", "a bet needs an amount"))?;
                Ok(Deed::Bet { bet: bet?, amount, working: self.working })
            }
            Op::Down => Ok(Deed::Down { bet: bet?, amount: self.amount }),
            Op::On | Op::Off => {
                expect(self.amount.is_none(), "amount", "a bet is called on or off as a whole")?;
                Ok(Deed::Call { bet: bet?, on: self.op == Op::On })
            }
            Op::Stand => {
                expect(self.bet.is_none(), "bet", "who leaves takes all bets down")?;
                expect(self.amount.is_none(), "amount", "who leaves takes all bets down")?;
                Ok(Deed::Stand)
            }
            Op::Fund | Op::Draw => {
                expect(self.bet.is_none(), "bet", "the bank is no bet")?;
                expect(self.player.is_none(), "player", "the bank is its owner's")?;
                let amount = self.amount.ok_or(("amount", "the bank needs an amount"))?;
                Ok(if self.op == Op::Fund { Deed::Fund(amount) } else { Deed::Draw(amount) })
            }
        }
    }
}

impl Hand {
    /// What the bank holds unless a script says otherwise: enough for every bet.
    pub const BANK: Chips = Chips(1 << 62);

    /// The largest bankroll.
    pub const MAX_BANKROLL: Chips = Chips(1 << 61);

    /// The most players of one hand.
    pub const MAX_PLAYERS: u16 = 4096;

    /// A new hand with the puck off, at a table with this bank. Every player begins with
    /// `bankroll`, which is at most [`Hand::MAX_BANKROLL`].
    pub fn new(rules: Rules, bankroll: Chips, bank: Chips) -> Result<Self, Refusal> {
        if bankroll > Self::MAX_BANKROLL {
            return Err(Refusal::TooManyChips);
        }
        let table = Table::open(rules, HOUSE, bank, Moment::default())?;
        Ok(Self { table, bankroll, purses: BTreeMap::new() })
    }

    /// The table at which it is played.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The chips that a player has beside the bets.
    pub fn bankroll(&self, player: Option<Name>) -> u128 {
        self.purse(player.map_or(UNNAMED, Name::player))
    }

    /// Plays a step, unless one of its actions does not make sense: then nothing is done.
    pub fn step(&mut self, step: &Step) -> Result<Answer, BadAction> {
        let deeds = step.deeds()?;
        let mut concerned = BTreeSet::new();
        let mut actions = Vec::new();
        for (action, deed) in step.actions.iter().zip(deeds) {
            let player = action.player.map_or(UNNAMED, Name::player);
            concerned.insert(player);
            actions.push(self.act(player, action.op, deed));
        }
        let settled = step.dice.map(|dice| self.throw(dice)).unwrap_or_default();
        concerned.extend(settled.iter().filter_map(|one| one.player).map(Name::player));
        concerned.extend(self.table.bets().map(|(player, ..)| player));
        concerned.remove(&UNNAMED);
        let standing = |player| {
            let standing = Standing { bankroll: self.purse(player), up: self.up(player) };
            (Name::from(player), standing)
        };
        Ok(Answer {
            actions,
            dice: step.dice,
            point: self.table.point().map_or(0, Number::total),
            bankroll: self.purse(UNNAMED),
            up: self.up(UNNAMED),
            settled,
            players: concerned.into_iter().map(standing).collect(),
        })
    }

    fn act(&mut self, player: Player, op: Op, deed: Deed) -> Done {
        let round = self.table.round();
        let (what, result) = match deed {
            Deed::Bet { bet, amount, working } => {
                (What::Bet(bet), self.bet(player, bet, amount, working))
            }
            Deed::Down { bet, amount } => {
                let returned = self.table.take_down(player, round, bet, amount);
                (What::Bet(bet), self.returned(player, returned))
            }
            Deed::Call { bet, on } => {
                let called = self.table.set_working(player, round, bet, on);
                (What::Bet(bet), called.map_err(Why::Table))
            }
            Deed::Stand => {
                let returned = self.table.stand(player, Moment::default());
                (What::Op(op), self.returned(player, returned))
            }
            Deed::Fund(amount) => (What::Op(op), self.table.fund(amount).map_err(Why::Table)),
            Deed::Draw(amount) => {
                let drawn = self.table.draw(HOUSE, amount);
                (What::Op(op), drawn.map(drop).map_err(Why::Table))
            }
        };
        let bankroll = match deed {
            Deed::Fund(_) | Deed::Draw(_) => u128::from(self.table.bank().0),
            Deed::Bet { .. } | Deed::Down { .. } | Deed::Call { .. } | Deed::Stand => {
                self.purse(player)
            }
        };
        let result = match result {
            Ok(()) => Verdict::Accepted(what),
            Err(why) => Verdict::Refused(why),
        };
        Done { result, bankroll }
    }

    fn bet(
        &mut self,
        player: Player,
        bet: Bet,
        amount: Chips,
        working: Option<bool>,
    ) -> Result<(), Why> {
        let needed = self.table.price(player, bet, amount).map_err(Why::Table)?;
        let left = self.purse(player).checked_sub(u128::from(needed.0));
        let left = left.ok_or(Why::Broke(Broke::NotEnoughChips { needed }))?;
        if working.is_some() {
            self.table.expect_callable(bet).map_err(Why::Table)?;
        }
        self.admit(player).map_err(Why::Table)?;
        let round = self.table.round();
        self.table.bet(player, round, bet, amount, Moment::default()).map_err(Why::Table)?;
        if let Some(on) = working {
            let called = self.table.set_working(player, round, bet, on);
            called.expect("it was asked above whether the bet can be called");
        }
        self.purses.insert(player, left);
        Ok(())
    }

    /// Lets a player sit down who does not sit yet.
    fn admit(&mut self, player: Player) -> Result<(), Refusal> {
        let crowded = self.purses.len() >= usize::from(Self::MAX_PLAYERS);
        if crowded && !self.purses.contains_key(&player) {
            return Err(Refusal::TableFull { seats: Self::MAX_PLAYERS });
        }
        match self.table.sit(player) {
            Ok(()) | Err(Refusal::AlreadySeated) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    fn throw(&mut self, dice: Dice) -> Vec<Settled> {
        let settlement = self.table.throw(dice);
        for (player, credited) in settlement.payouts {
            self.credit(player, credited);
        }
        let decided = settlement.resolved.into_iter();
        decided
            .map(|one| Settled {
                bet: one.bet,
                result: one.result,
                credited: one.credited,
                stays: if one.stays { Stays::Stays } else { Stays::Down },
                player: (one.player != UNNAMED).then_some(Name::from(one.player)),
            })
            .collect()
    }

    fn returned(&mut self, player: Player, chips: Result<Chips, Refusal>) -> Result<(), Why> {
        self.credit(player, chips.map_err(Why::Table)?);
        Ok(())
    }

    fn credit(&mut self, player: Player, chips: Chips) {
        let purse = self.purse(player) + u128::from(chips.0);
        self.purses.insert(player, purse);
    }

    fn purse(&self, player: Player) -> u128 {
        self.purses.get(&player).copied().unwrap_or(u128::from(self.bankroll.0))
    }

    fn up(&self, player: Player) -> BTreeMap<Bet, Chips> {
        let own = self.table.bets().filter(|(owner, ..)| *owner == player);
        own.map(|(_, bet, stake)| (bet, stake)).collect()
    }
}

impl Serialize for Settled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { bet, result, credited, stays, player } = self;
        match player {
            None => (bet, result, credited, stays).serialize(serializer),
            Some(player) => (bet, result, credited, stays, player).serialize(serializer),
        }
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
