//! Bets that go on over several rolls and remember what they have seen. The memory belongs to the
//! bet: one made later starts empty, whatever the shooter has already thrown. (craps.md section 5)

use serde::{Deserialize, Serialize};

use super::dice::Rolls;
use super::pays::Ladder;
use super::{Dice, Faces, Number, PerNumber, Ratio};

/// What a bet has seen. It only ever grows, as a number, so every bet comes to an end.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(super) struct Memory(u32);

impl Memory {
    /// Set by every roll, so that a bet which has seen one is known from a new one.
    const STARTED: u32 = 1 << 31;

    /// Bits of one counter of [`Memory::counter`].
    const COUNTER_BITS: u32 = 3;

    /// Whether the bet has seen a roll.
    pub(super) const fn has_started(self) -> bool {
        self.0 & Self::STARTED != 0
    }

    const fn started(self) -> Self {
        Self(self.0 | Self::STARTED)
    }

    const fn seen(self) -> u32 {
        self.0 & !Self::STARTED
    }

    const fn with(self, bit: u32) -> Self {
        Self(self.0 | 1 << bit)
    }

    const fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    const fn counter(self, index: u32) -> u8 {
        (self.0 >> (index * Self::COUNTER_BITS) & 7) as u8
    }

    const fn plus_one(self, index: u32) -> Self {
        Self(self.0 + (1 << (index * Self::COUNTER_BITS)))
    }
}

/// One roll, as the bets see it that follow the puck: before it moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roll {
    /// What was thrown.
    pub(super) dice: Dice,
    /// Where the puck was.
    pub(super) point: Option<Number>,
    /// Where the puck goes.
    pub(super) after: Option<Number>,
}

impl Roll {
    pub(super) const fn is_seven(&self) -> bool {
        self.dice.total() == 7
    }

    pub(super) const fn is_seven_out(&self) -> bool {
        self.point.is_some() && self.is_seven()
    }

    /// The point that this roll makes.
    fn made(&self) -> Option<Number> {
        self.point.filter(|point| point.total() == self.dice.total())
    }
}

/// How a bet with a memory goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Course<'r> {
    /// Collects totals, each once, until a 7.
    Totals {
        /// Which.
        of: Rolls,
        /// How many there are of them.
        count: u8,
        /// What collecting so many pays; all of them at once.
        pays: Table<'r>,
    },
    /// Collects doubles, each once, until a 7, which pays.
    Doubles(&'r Ladder),
    /// Collects the faces that make points, until a 7; scores the points whose faces all came.
    Ways(&'r Ladder),
    /// Counts rolls, until a 7.
    Times {
        /// Which.
        of: Rolls,
        /// How often they must come.
        times: u8,
        /// What that pays.
        pays: Ratio,
    },
    /// Waits for a double that it has seen already, until a 7.
    Twice {
        /// Which doubles count.
        of: Rolls,
        /// What it pays.
        pays: Ratio,
    },
    /// Collects points made, until the seven-out.
    Points {
        /// What so many pay.
        pays: &'r Ladder,
        /// Whether all six win at once.
        at_once: bool,
    },
    /// Counts pass wins, until the seven-out.
    PassWins(&'r Ladder),
    /// Counts how often each point is made, until the seven-out; the best pays.
    Replays(&'r PerNumber<Ladder>),
    /// Counts the rolls of the hand.
    Rolls(&'r Ladder),
    /// Follows an exact sequence from the come-out.
    Sequence {
        /// What a 7 on the come-out pays, if it ends the bet.
        seven: Option<Ratio>,
        /// What it pays if a 7 comes right after the come-out's point.
        point_seven: Option<Ratio>,
        /// What it pays if a point comes right after the come-out's 7.
        seven_point: Option<Ratio>,
        /// What it pays if a 7 comes right after those two.
        seven_point_seven: Option<Ratio>,
    },
}

/// What scores pay.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table<'r> {
    /// Only the highest pays.
    Whole(Ratio),
    /// A table.
    Ladder(&'r Ladder),
}

/// What a roll does to a bet with a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    GoesOn(Memory),
    /// It wins.
    Wins(Ratio),
    /// It is returned.
    Pushes,
    /// It loses.
    Loses,
}

impl Course<'_> {
    /// What `roll` does to a bet that remembers `memory`.
    pub(super) fn step(&self, memory: Memory, roll: Roll) -> Step {
        let goes_on = |memory: Memory| Step::GoesOn(memory.started());
        match *self {
            Self::Totals { count, pays, .. } if roll.is_seven() => {
                Step::of(pays.at(memory.seen().count_ones() as u8, count))
            }
            Self::Totals { of, count, pays } if of.contains(roll.dice) => {
                let memory = memory.with(u32::from(roll.dice.total()));
                if memory.seen().count_ones() < u32::from(count) {
                    return goes_on(memory);
                }
                Step::of(pays.at(count, count))
            }
            Self::Totals { .. } => goes_on(memory),
            Self::Doubles(pays) => {
                if roll.is_seven() {
                    return Step::of(pays.at(memory.seen().count_ones() as u8));
                }
                let is_hard = roll.dice.is_hard();
                goes_on(if is_hard { memory.with(face(roll.dice)) } else { memory })
            }
            Self::Ways(pays) => {
                if roll.is_seven() {
                    return Step::of(pays.at(points_in_all_ways(memory)));
                }
                let Some(on) = roll.dice.number() else { return goes_on(memory) };
                goes_on(memory.with(way(roll.dice.into(), on)))
            }
            Self::Times { .. } | Self::Twice { .. } if roll.is_seven() => Step::Loses,
            Self::Times { of, times, pays } if of.contains(roll.dice) => {
                let so_often = memory.seen() + 1;
                if so_often < u32::from(times) {
                    return goes_on(Memory(so_often));
                }
                Step::of(Some(pays))
            }
            Self::Twice { of, pays } if of.contains(roll.dice) => {
                let face = face(roll.dice);
                if memory.has(face) { Step::of(Some(pays)) } else { goes_on(memory.with(face)) }
            }
            Self::Times { .. } | Self::Twice { .. } => goes_on(memory),
            Self::Points { pays, at_once } => {
                let score = |memory: Memory| memory.seen().count_ones() as u8;
                let memory = roll.made().map_or(memory, |on| memory.with(on as u32));
                let complete = score(memory) == Number::POINTS.len() as u8;
                if roll.is_seven_out() || (at_once && complete) {
                    return Step::of(pays.at(score(memory)));
                }
                goes_on(memory)
            }
            Self::PassWins(pays) => {
                let wins = memory.seen() as u8;
                if roll.is_seven_out() {
                    return Step::of(pays.at(wins));
                }
                let natural = roll.point.is_none() && matches!(roll.dice.total(), 7 | 11);
                let won = natural || roll.made().is_some();
                goes_on(Memory(u32::from((wins + u8::from(won)).min(pays.top()))))
            }
            Self::Replays(pays) => {
                if roll.is_seven_out() {
                    return Step::of(best_replay(memory, pays));
                }
                let Some(on) = roll.made() else { return goes_on(memory) };
                let full = memory.counter(place(on)) >= pays.on(on).top();
                goes_on(if full { memory } else { memory.plus_one(place(on)) })
            }
            Self::Rolls(pays) => {
                let rolls = (memory.seen() + 1).min(u32::from(pays.top()));
                if roll.is_seven_out() {
                    return Step::of(pays.at(rolls as u8));
                }
                goes_on(Memory(rolls))
            }
            Self::Sequence { seven, point_seven, seven_point, seven_point_seven } => {
                const SEVEN: Memory = Memory(1).started();
                const POINT: Memory = Memory(2).started();
                const SEVEN_POINT: Memory = Memory(3).started();
                let (is_seven, to_point) = (roll.is_seven(), roll.after.is_some());
                let goes_on_or = |ends: Option<Ratio>, further: Option<Ratio>, memory| {
                    if further.is_some() { Step::GoesOn(memory) } else { Step::of(ends) }
                };
                match memory {
                    SEVEN if to_point => goes_on_or(seven_point, seven_point_seven, SEVEN_POINT),
                    POINT if is_seven => Step::of(point_seven),
                    SEVEN_POINT if is_seven => Step::of(seven_point_seven),
                    SEVEN | POINT | SEVEN_POINT => Step::Loses,
                    _ if is_seven => goes_on_or(seven, seven_point.or(seven_point_seven), SEVEN),
                    _ if to_point => goes_on_or(None, point_seven, POINT),
                    _ => Step::Loses,
                }
            }
        }
    }

    /// Everything that it may pay.
    pub(super) fn pays(&self) -> alloc::vec::Vec<Ratio> {
        match *self {
            Self::Totals { pays: Table::Whole(pays), .. }
            | Self::Times { pays, .. }
            | Self::Twice { pays, .. } => [pays].into(),
            Self::Totals { pays: Table::Ladder(pays), .. }
            | Self::Doubles(pays)
            | Self::Ways(pays)
            | Self::Points { pays, .. }
            | Self::PassWins(pays)
            | Self::Rolls(pays) => pays.pays().collect(),
            Self::Replays(pays) => {
                Number::POINTS.into_iter().flat_map(|on| pays.on(on).pays()).collect()
            }
            Self::Sequence { seven, point_seven, seven_point, seven_point_seven } => {
                let pays = [seven, point_seven, seven_point, seven_point_seven];
                pays.into_iter().flatten().collect()
            }
        }
    }

    /// Whether it looks at the puck, not only at the dice.
    pub(super) const fn follows_the_puck(&self) -> bool {
        match self {
            Self::Totals { .. }
            | Self::Doubles(_)
            | Self::Ways(_)
            | Self::Times { .. }
            | Self::Twice { .. } => false,
            Self::Points { .. }
            | Self::PassWins(_)
            | Self::Replays(_)
            | Self::Rolls(_)
            | Self::Sequence { .. } => true,
        }
    }

    /// A memory of the same worth as `memory`, equal for as many as can be told to be worth the
    /// same: numbers that are thrown equally often, and pay alike, can be exchanged.
    pub(super) fn alike(&self, memory: Memory) -> Memory {
        let pair = |memory: Memory, low: u32, high: u32, bits: u32| {
            let mask = (1 << bits) - 1;
            let (a, b) = (memory.0 >> (low * bits) & mask, memory.0 >> (high * bits) & mask);
            let rest = memory.0 & !(mask << (low * bits)) & !(mask << (high * bits));
            Memory(rest | a.min(b) << (low * bits) | a.max(b) << (high * bits))
        };
        match self {
            Self::Replays(_) | Self::Ways(_) => {
                let swap = |memory, low| pair(memory, low, 5 - low, Memory::COUNTER_BITS);
                (0..3).fold(memory, swap)
            }
            Self::Points { .. } => (2..5).fold(memory, |memory, low| pair(memory, low, 9 - low, 1)),
            Self::Totals { .. }
            | Self::Doubles(_)
            | Self::Times { .. }
            | Self::Twice { .. }
            | Self::PassWins(_)
            | Self::Rolls(_)
            | Self::Sequence { .. } => memory,
        }
    }
}

impl Step {
    /// What a score ends with: a pay of nothing returns the stake.
    fn of(pays: Option<Ratio>) -> Self {
        match pays {
            None => Self::Loses,
            Some(ratio) if ratio.terms().0 == 0 => Self::Pushes,
            Some(ratio) => Self::Wins(ratio),
        }
    }
}

impl Table<'_> {
    fn at(&self, score: u8, highest: u8) -> Option<Ratio> {
        match self {
            Self::Whole(pays) => (score == highest).then_some(*pays),
            Self::Ladder(pays) => pays.at(score),
        }
    }
}

/// The face of a double, from 0.
fn face(double: Dice) -> u32 {
    u32::from(double.faces().0 - 1)
}

/// A point's place among the points.
const fn place(on: Number) -> u32 {
    on as u32 - Number::Four as u32
}

/// The bit for faces that make the point `on`: three for each point, mirrored for the high ones.
const fn way(faces: Faces, on: Number) -> u32 {
    let (low, high) = faces.get();
    let rank = if on.total() < 7 { low - 1 } else { 6 - high };
    place(on) * Memory::COUNTER_BITS + rank as u32
}

fn points_in_all_ways(memory: Memory) -> u8 {
    let all_came = |on: &Number| {
        let mut ways = Faces::ALL.into_iter().filter(|faces| faces.total() == on.total());
        ways.all(|faces| memory.has(way(faces, *on)))
    };
    Number::POINTS.iter().filter(|on| all_came(on)).count() as u8
}

fn best_replay(memory: Memory, pays: &PerNumber<Ladder>) -> Option<Ratio> {
    let each =
        Number::POINTS.into_iter().filter_map(|on| pays.on(on).at(memory.counter(place(on))));
    each.reduce(|best, other| if best.is_at_most(other) { other } else { best })
}
