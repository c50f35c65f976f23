//! What bets are worth, exactly: each is followed through every roll until it is decided, by the
//! very rule that settles tables, and the absorbing Markov chain that this makes is solved in
//! fractions. There is no table of edges to go stale: house rules go in, edges come out.
//!
//! A bet that can be called on or off is counted while it works.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use num_bigint::BigInt;
use num_rational::BigRational;

use super::course::{Memory, Roll};
use super::settle::{After, Outcome, decide, next_point};
use super::terms::{Decided, Opens, Terms, Wager};
use super::{Bet, Chips, Dice, Number, Rules};

/// An exact fraction in lowest terms, written `7/495`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction(BigRational);

/// What a bet is worth. Edges are the house's, as shares of what the bet costs; a negative one is
/// the player's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odds {
    /// The bet.
    pub bet: Bet,
    /// For which stake. Fractions of a chip are never paid, so others may be worth less.
    pub stake: Chips,
    /// What that costs: the stake, and the commission that is paid up front.
    pub price: Chips,
    /// The edge for each bet that is made.
    pub per_bet_made: Fraction,
    /// The same for bets that win or lose: pushes are left out.
    pub per_bet_resolved: Fraction,
    /// The same for each roll for which a bet works.
    pub per_roll: Fraction,
    /// The chance that it wins.
    pub wins: Fraction,
    /// The chance that it is returned.
    pub pushes: Fraction,
    /// How many rolls it takes on average.
    pub rolls: Fraction,
}

/// What a table takes on a bet, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// When it can be made, in words.
    pub when: &'static str,
    /// Stakes are multiples of this.
    pub unit: Chips,
    /// The smallest stake.
    pub minimum: Chips,
    /// The largest stake. Odds are limited by their flat bet instead.
    pub maximum: Chips,
    /// The most that it may win.
    pub maximum_win: Chips,
}

impl Offer {
    /// What a table with these rules takes on `bet` (if the bet needs a point, with the puck on
    /// 6); `None` if it does not offer it, or it is not made by hand.
    pub fn of(bet: Bet, rules: &Rules) -> Option<Self> {
        let when = match Terms::of(bet, rules, None).opens {
            Opens::NotOffered | Opens::Travels => return None,
            Opens::Always => "at any time",
            Opens::PuckOff => "on the come-out",
            Opens::PuckOn if !matches!(bet, Bet::PassOdds | Bet::DontPassOdds) => {
                "while there is a point"
            }
            Opens::PuckOn | Opens::Behind { .. } => "behind its flat bet",
            Opens::NewHand => "before the first roll of a hand",
            Opens::AfterSeven => "before the first roll of a hand or after a 7",
        };
        let terms = Terms::of(bet, rules, Some(Number::Six));
        let (unit, smallest) = (terms.unit(), terms.limit.min.0.max(terms.smallest()));
        Some(Self {
            when,
            unit: Chips(unit),
            minimum: Chips(smallest.checked_next_multiple_of(unit).unwrap_or(smallest)),
            maximum: terms.limit.max,
            maximum_win: terms.limit.max_win,
        })
    }
}

impl Fraction {
    /// The fraction `over`/`under`.
    ///
    /// # Panics
    ///
    /// If `under` is 0.
    pub fn new(over: i64, under: i64) -> Self {
        Self(BigRational::new(over.into(), under.into()))
    }

    /// In percent with so many decimals, halves rounded away from nothing, as `1.414`.
    pub fn percent(&self, decimals: u32) -> String {
        let scale = BigInt::from(10u32).pow(decimals);
        let scaled = (&self.0 * BigRational::from_integer(&scale * 100)).round().to_integer();
        let sign = if scaled < BigInt::ZERO { "-" } else { "" };
        let scaled = scaled.magnitude();
        let (whole, rest) = (scaled / scale.magnitude(), scaled % scale.magnitude());
        if decimals == 0 {
            return alloc::format!("{sign}{whole}");
        }
        let width = decimals as usize;
        alloc::format!("{sign}{whole}.{rest:0>width$}")
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Odds {
    /// What `bet` is worth under `rules`, for the smallest stake of which everything is paid
    /// exactly and, if the bet needs a point, with the puck on 6; `None` if such a table does not
    /// offer it, or it is not made by hand.
    pub fn of(bet: Bet, rules: &Rules) -> Option<Self> {
        Self::of_stake(bet, rules, None, Number::Six)
    }

    /// The same for another stake, whether or not the table's limits admit it, or point.
    pub fn of_stake(bet: Bet, rules: &Rules, stake: Option<Chips>, point: Number) -> Option<Self> {
        let point = match Terms::of(bet, rules, None).opens {
            Opens::NotOffered | Opens::Travels => return None,
            Opens::PuckOff | Opens::NewHand | Opens::AfterSeven => None,
            Opens::Always | Opens::PuckOn | Opens::Behind { .. } => Some(point),
        };
        let terms = Terms::of(bet, rules, point);
        let stake = stake.unwrap_or(Chips(terms.exact_unit()));
        let vig = Chips(u64::try_from(terms.vig_up_front(stake)).ok()?);
        let wager = Wager { stake, vig, called: Some(true), memory: Memory::default() };
        let price = Chips(u64::try_from(wager.chips()).ok()?);
        let [worth, wins, pushes, rolls] = Chain::of(bet, wager, point, rules).solve();
        let whole = BigRational::from_integer(price.0.into());
        let made = (&whole - worth) / whole;
        let one = BigRational::from_integer(1.into());
        Some(Self {
            bet,
            stake,
            price,
            per_bet_resolved: Fraction(&made / (one - &pushes)),
            per_roll: Fraction(&made / &rolls),
            per_bet_made: Fraction(made),
            wins: Fraction(wins),
            pushes: Fraction(pushes),
            rolls: Fraction(rolls),
        })
    }

    /// The edge of a pass or don't-pass bet with the largest odds behind it that `rules` allow, as
    /// a share of both; `None` if the table has no such bet.
    pub fn with_full_odds(bet: Bet, rules: &Rules) -> Option<Fraction> {
        let odds = match bet {
            Bet::Pass => Bet::PassOdds,
            Bet::DontPass => Bet::DontPassOdds,
            _ => return None,
        };
        let flat = Self::of(bet, rules)?;
        let behind = Dice::all().filter_map(|dice| {
            let point = rules.point_of(dice)?;
            match Terms::of(odds, rules, Some(point)).opens {
                Opens::Behind { cap, .. } => {
                    let (over, under) = cap.terms();
                    Some(BigRational::new(over.into(), (under * 36).into()))
                }
                _ => None,
            }
        });
        let both = behind.fold(BigRational::from_integer(1.into()), |sum, part| sum + part);
        Some(Fraction(flat.per_bet_made.0 / both))
    }
}

/// A moment at which the bet is not decided yet. In their order bets only move on.
type State = (Bet, Memory, Option<Number>);

/// What a roll from a state can lead to, in 36ths.
#[derive(Default)]
struct Rolled {
    /// Where it goes on, and in how many ways.
    next: BTreeMap<State, u32>,
    /// Chips that it ends with, wins, pushes: each summed over the ways.
    ends: [u128; 3],
}

/// Every state that a bet can come to.
struct Chain {
    start: State,
    states: BTreeMap<State, Rolled>,
}

/// What is expected of a state: chips in the end, wins, pushes, rolls until then.
type Expected = [BigRational; 4];

impl Chain {
    fn of(bet: Bet, wager: Wager, point: Option<Number>, rules: &Rules) -> Self {
        let start = (bet, Memory::default(), point);
        let follows = follows_the_puck(bet, rules);
        let mut chain = Self { start, states: BTreeMap::new() };
        let mut waiting: BTreeSet<State> = [start].into();
        while let Some(state) = waiting.pop_first() {
            let (bet, memory, point) = state;
            let terms = Terms::of(bet, rules, point);
            let mut rolled = Rolled::default();
            for dice in Dice::all() {
                let after = next_point(rules, point, dice);
                let roll = Roll { dice, point, after };
                match decide(&terms, bet, Wager { memory, ..wager }, roll) {
                    After::Decided { result, credited, stays } => {
                        rolled.ends[0] += credited + stays.map_or(0, |up| up.chips());
                        rolled.ends[1] += u128::from(result == Outcome::Win);
                        rolled.ends[2] += u128::from(result == Outcome::Push);
                    }
                    After::Up(bet, wager) => {
                        let memory = match terms.decided {
                            Decided::ByCourse(course) => course.alike(wager.memory),
                            Decided::ByRoll { .. } => wager.memory,
                        };
                        let next = (bet, memory, if follows { after } else { point });
                        assert!((next.0, next.1) >= (state.0, state.1), "bets only move on");
                        *rolled.next.entry(next).or_default() += 1;
                    }
                }
            }
            let known = |next: &&State| **next != state && !chain.states.contains_key(*next);
            waiting.extend(rolled.next.keys().filter(known));
            chain.states.insert(state, rolled);
        }
        chain
    }

    /// Solves the states from the last to the first, those together that only the puck tells
    /// apart: it alone can come back.
    fn solve(mut self) -> Expected {
        let mut solved: BTreeMap<State, Expected> = BTreeMap::new();
        while let Some(((bet, memory, _), _)) = self.states.last_key_value() {
            let together = self.states.split_off(&(*bet, *memory, None));
            let values = solve_together(&together, &solved);
            solved.extend(together.into_keys().zip(values));
        }
        solved.remove(&self.start).expect("the start is among the states")
    }
}

/// Whether the same dice do something else to the bet when the puck is elsewhere.
fn follows_the_puck(bet: Bet, rules: &Rules) -> bool {
    let decided = |point| match Terms::of(bet, rules, point).decided {
        Decided::ByRoll { pays, loses, pushes, .. } => Some((pays, loses, pushes)),
        Decided::ByCourse(_) => None,
    };
    match Terms::of(bet, rules, None).decided {
        Decided::ByRoll { .. } => Number::ALL.iter().any(|on| decided(Some(*on)) != decided(None)),
        Decided::ByCourse(course) => course.follows_the_puck(),
    }
}

/// Gaussian elimination of `36 x = ways to each other . x + what is known`.
fn solve_together(
    states: &BTreeMap<State, Rolled>,
    solved: &BTreeMap<State, Expected>,
) -> Vec<Expected> {
    let integer = |value: u128| BigRational::from_integer(value.into());
    let index: BTreeMap<&State, usize> = states.keys().zip(0..).collect();
    let nothing = integer(0);
    let mut ways: Vec<Vec<BigRational>> = Vec::new();
    let mut known: Vec<Expected> = Vec::new();
    for (row, rolled) in states.values().enumerate() {
        let [worth, wins, pushes] = rolled.ends;
        let mut own: Expected = [integer(worth), integer(wins), integer(pushes), integer(36)];
        let mut to = alloc::vec![nothing.clone(); states.len()];
        to[row] = integer(36);
        for (next, count) in &rolled.next {
            let count = integer(u128::from(*count));
            match index.get(next) {
                Some(column) => to[*column] -= count,
                None => {
                    for (sum, value) in own.iter_mut().zip(&solved[next]) {
                        *sum += value * &count;
                    }
                }
            }
        }
        ways.push(to);
        known.push(own);
    }
    for pivot in (1..ways.len()).rev() {
        let (above, below) = ways.split_at_mut(pivot);
        let (known_above, known_below) = known.split_at_mut(pivot);
        for (row, known) in above.iter_mut().zip(known_above) {
            let factor = &row[pivot] / &below[0][pivot];
            if factor == nothing {
                continue;
            }
            for (cell, of_pivot) in row.iter_mut().zip(&below[0][..=pivot]) {
                *cell -= &factor * of_pivot;
            }
            for (value, of_pivot) in known.iter_mut().zip(&known_below[0]) {
                *value -= &factor * of_pivot;
            }
        }
    }
    let mut values: Vec<Expected> = Vec::new();
    for (ways, mut own) in ways.iter().zip(known) {
        for (factor, value) in ways.iter().zip(&values) {
            if *factor != nothing {
                for (sum, part) in own.iter_mut().zip(value) {
                    *sum -= factor * part;
                }
            }
        }
        values.push(own.map(|sum| sum / &ways[values.len()]));
    }
    values
}
