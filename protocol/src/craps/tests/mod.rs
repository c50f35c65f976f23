//! The game as a whole: tables played by hand, the traps of craps.md section 8, exact edges, and
//! what holds whatever anybody does.

mod edges;
mod monte_carlo;
mod play;
mod properties;
mod seats;
mod traps;

use std::string::{String, ToString};
use std::vec::Vec;

use super::model::{TICKET, moment};
use super::{Bet, Chips, Dice, Moment, Outcome, Player, Refusal, Rules, Table};
use super::{Resolved, Settlement};

const ANNA: Player = Player([1; 32]);
const BERT: Player = Player([2; 32]);
const CARA: Player = Player([3; 32]);
const OWNER: Player = Player([9; 32]);

/// What a roll decides that decides nothing.
const NOTHING: [&str; 0] = [];

fn bet(key: &str) -> Bet {
    key.parse().unwrap()
}

fn dice(first: u8, second: u8) -> Dice {
    Dice::new(first, second).unwrap()
}

/// A table at which Anna sits, and a clock that lets every deadline pass between rolls.
struct Game {
    table: Table,
    hours: u64,
}

impl Game {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::default();
        change(&mut rules);
        let mut table = Table::open(rules, OWNER, Chips(1_000_000), moment(0, 0)).unwrap();
        table.sit(ANNA).unwrap();
        Self { table, hours: 0 }
    }

    fn at(&self) -> Moment {
        moment(self.hours * 1000, self.hours * 3_600_000)
    }

    fn try_bet(&mut self, key: &str, amount: u64) -> Result<(), Refusal> {
        self.try_bet_of(ANNA, key, amount)
    }

    fn try_bet_of(&mut self, player: Player, key: &str, amount: u64) -> Result<(), Refusal> {
        let (round, at) = (self.table.round(), self.at());
        self.table.bet(player, round, bet(key), Chips(amount), at)
    }

    fn bet(&mut self, key: &str, amount: u64) -> &mut Self {
        self.try_bet(key, amount).unwrap();
        self
    }

    fn bet_of(&mut self, player: Player, key: &str, amount: u64) -> &mut Self {
        self.try_bet_of(player, key, amount).unwrap();
        self
    }

    fn down(&mut self, key: &str) -> Result<Chips, Refusal> {
        self.table.take_down(ANNA, self.table.round(), bet(key), None)
    }

    fn down_by(&mut self, key: &str, amount: u64) -> Result<Chips, Refusal> {
        self.table.take_down(ANNA, self.table.round(), bet(key), Some(Chips(amount)))
    }

    fn settle(&mut self, first: u8, second: u8) -> Settlement {
        self.hours += 1;
        let at = self.at();
        self.table.roll(None, self.table.round(), at, TICKET).unwrap();
        self.table.settle(dice(first, second), at)
    }

    /// What a roll decides, as lines: bet, result, credit, and whether it stays up.
    fn throw(&mut self, first: u8, second: u8) -> Vec<String> {
        self.settle(first, second).resolved.iter().map(line).collect()
    }

    /// Anna's bets, as lines: bet and stake.
    fn up(&self) -> Vec<String> {
        let own = self.table.bets().filter(|(player, ..)| *player == ANNA);
        own.map(|(_, bet, stake)| std::format!("{bet} {stake}")).collect()
    }

    /// Puts the puck on a number with dice that show it.
    fn point(&mut self, first: u8, second: u8) -> &mut Self {
        self.bet("any7", 1).throw(first, second);
        assert_eq!(self.table.point(), dice(first, second).number());
        self
    }
}

fn line(resolved: &Resolved) -> String {
    let result = match resolved.result {
        Outcome::Win => "win",
        Outcome::Lose => "lose",
        Outcome::Push => "push",
    };
    let stays = if resolved.stays { "stays" } else { "down" };
    [resolved.bet.to_string().as_str(), result, &resolved.credited.to_string(), stays].join(" ")
}
