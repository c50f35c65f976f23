//! Every bet played through a real table with random dice, beside its exact edge. Takes minutes, so
//! it is not run with the other tests:
//!
//! ```text
//! cargo test --release -p bitcraps-protocol --lib monte_carlo -- --ignored --nocapture
//! ```
//!
//! The mean of what a bet is worth must lie within five standard errors of the exact one, and the
//! number of wins within five of the exact chance: of a thousand bets that are computed rightly
//! not one is expected to fail in a thousand runs, and of those whose edge is wrong by as much as
//! ten standard errors, all do.

#![allow(clippy::float_arithmetic, reason = "statistics of whole numbers, and nothing but tests")]

use super::*;
use crate::craps::odds::{Fraction, Odds};
use crate::craps::terms::{Opens, Terms};
use crate::craps::{Number, Round};
use crate::rng::Rng;

/// How often each bet is played to its decision.
const DECISIONS: u32 = 100_000;

/// Standard errors between what is measured and what is computed.
const ALLOWED: f64 = 5.0;

/// A table at which one bet is made again and again.
struct Trial {
    table: Table,
    bet: Bet,
    stake: Chips,
    rng: Rng,
}

/// What came of a bet.
struct Played {
    worth: u64,
    won: bool,
}

impl Trial {
    fn new(bet: Bet, stake: Chips, rules: &Rules) -> Self {
        let mut table =
            Table::open(rules.clone(), OWNER, Chips(1 << 50), moment(0, 0)).expect("good rules");
        table.sit(ANNA).unwrap();
        let rng = Rng::new([7; 32]).fork(&bet.to_string());
        Self { table, bet, stake, rng }
    }

    fn make(&mut self, key: Bet, amount: Chips) {
        let round = self.table.round();
        self.table.bet(ANNA, round, key, amount, moment(0, 0)).unwrap();
    }

    /// Makes the bet where [`Odds::of`] supposes it: on the first roll of a hand if it needs the
    /// come-out, otherwise with the puck on 6.
    fn open(&mut self) {
        let flat = Chips(self.stake.0 * 10);
        if self.table.point().is_none() {
            self.table.throw(dice(3, 3));
        }
        self.table.throw(dice(3, 4));
        match self.bet {
            Bet::PassOdds => {
                self.make(Bet::Pass, flat);
                self.table.throw(dice(3, 3));
            }
            Bet::DontPassOdds => {
                self.make(Bet::DontPass, flat);
                self.table.throw(dice(3, 3));
            }
            Bet::ComeOdds(on) | Bet::DontComeOdds(on) => {
                let puck = if on == Number::Six { dice(4, 4) } else { dice(3, 3) };
                self.table.throw(puck);
                let is_light = matches!(self.bet, Bet::ComeOdds(_));
                self.make(if is_light { Bet::Come } else { Bet::DontCome }, flat);
                self.table.throw(showing(on));
            }
            Bet::PutOdds(on) => {
                self.table.throw(dice(3, 3));
                self.make(Bet::Put(on), flat);
            }
            _ if self.needs_come_out() => {}
            _ => {
                self.table.throw(dice(3, 3));
            }
        }
        self.make(self.bet, self.stake);
        if self.table.expect_callable(self.bet).is_ok() {
            let round: Round = self.table.round();
            self.table.set_working(ANNA, round, self.bet, true).unwrap();
        }
    }

    fn needs_come_out(&self) -> bool {
        let opens = Terms::of(self.bet, self.table.rules(), None).opens;
        matches!(opens, Opens::PuckOff | Opens::NewHand | Opens::AfterSeven)
    }

    /// Plays the bet until it is decided.
    fn play(&mut self) -> Played {
        self.open();
        let mut bet = self.bet;
        loop {
            let roll = self.rng.below(36) as u8;
            let settlement = self.table.throw(dice(roll / 6 + 1, roll % 6 + 1));
            if let Some(moved) = settlement.moved.iter().find(|moved| moved.from == bet) {
                bet = moved.to;
            }
            let Some(decided) = settlement.resolved.iter().find(|one| one.bet == bet) else {
                continue;
            };
            let down = |table: &mut Table| table.take_down(ANNA, table.round(), bet, None).unwrap();
            let up = if decided.stays { down(&mut self.table).0 } else { 0 };
            let won = decided.result == Outcome::Win;
            return Played { worth: decided.credited.0 + up, won };
        }
    }
}

/// Dice that show a number.
fn showing(on: Number) -> Dice {
    let low = on.total() / 2;
    dice(low, on.total() - low)
}

fn float(fraction: &Fraction) -> f64 {
    fraction.percent(12).parse::<f64>().unwrap() / 100.0
}

#[expect(clippy::print_stdout, reason = "the table is what it is run for")]
fn every_bet_of(rules: &Rules) {
    let (mut worst, mut bets, mut failed) = (0.0f64, 0, Vec::new());
    std::println!(
        "{:<18} {:>10} {:>10} {:>6} {:>6}",
        "bet",
        "exact %",
        "played %",
        "errors",
        "wins"
    );
    for bet in Bet::all() {
        let Some(odds) = Odds::of(bet, rules) else { continue };
        let mut trial = Trial::new(bet, odds.stake, rules);
        let (mut sum, mut squares, mut wins) = (0.0, 0.0, 0.0);
        for _ in 0..DECISIONS {
            let played = trial.play();
            let worth = played.worth as f64 / odds.price.0 as f64;
            sum += worth;
            squares += worth * worth;
            wins += f64::from(u8::from(played.won));
        }
        let count = f64::from(DECISIONS);
        let mean = sum / count;
        let error = ((squares / count - mean * mean) / count).sqrt();
        let exact = 1.0 - float(&odds.per_bet_made);
        let off = (mean - exact) / error.max(1e-12);
        let chance = float(&odds.wins);
        // Of rare wins the count is too skewed for its standard error: one more is nothing.
        let spread = (count * chance * (1.0 - chance)).sqrt();
        let off_wins = ((wins - count * chance).abs() - 1.0).max(0.0) / spread.max(1.0);
        let percent = |edge: f64| edge * 100.0;
        std::println!(
            "{:<18} {:>10.4} {:>10.4} {off:>6.2} {off_wins:>6.2}",
            bet.to_string(),
            percent(1.0 - exact),
            percent(1.0 - mean)
        );
        bets += 1;
        worst = worst.max(off.abs()).max(off_wins);
        if off.abs() > ALLOWED || off_wins > ALLOWED {
            failed.push(bet);
        }
    }
    std::println!(
        "{bets} bets, {DECISIONS} decisions each; at most {worst:.2} standard errors off"
    );
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
#[ignore = "takes minutes; see above"]
fn every_bet_is_worth_on_a_table_what_its_odds_say() {
    every_bet_of(&Rules::default());
}

#[test]
#[ignore = "takes minutes; see above"]
fn every_bet_of_a_crapless_table_is_worth_what_its_odds_say() {
    every_bet_of(&Rules::preset("crapless").unwrap());
}
