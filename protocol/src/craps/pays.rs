//! Pay tables that houses choose, with the published ones as their standard.

use alloc::collections::BTreeMap;
use core::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Bet, Chips, HardNumber, Number, Ratio, RepeaterPlus};

/// One value for each pair of numbers that are thrown equally often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerNumber<T> {
    /// For 2 and 12.
    pub two_twelve: T,
    /// For 3 and 11.
    pub three_eleven: T,
    /// For 4 and 10.
    pub four_ten: T,
    /// For 5 and 9.
    pub five_nine: T,
    /// For 6 and 8.
    pub six_eight: T,
}

impl<T> PerNumber<T> {
    /// The value for `number`.
    pub const fn on(&self, number: Number) -> &T {
        match number {
            Number::Two | Number::Twelve => &self.two_twelve,
            Number::Three | Number::Eleven => &self.three_eleven,
            Number::Four | Number::Ten => &self.four_ten,
            Number::Five | Number::Nine => &self.five_nine,
            Number::Six | Number::Eight => &self.six_eight,
        }
    }
}

impl<T: Copy> PerNumber<T> {
    /// The same value for every number.
    pub const fn all(value: T) -> Self {
        Self {
            two_twelve: value,
            three_eleven: value,
            four_ten: value,
            five_nine: value,
            six_eight: value,
        }
    }
}

/// What the field pays where houses differ; its other totals pay even money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// On 2.
    pub two: Ratio,
    /// On 12.
    pub twelve: Ratio,
    /// Whether 5 wins instead of 9.
    pub five_for_nine: bool,
}

impl Default for Field {
    fn default() -> Self {
        Self { two: Ratio::to(2, 1), twelve: Ratio::to(3, 1), five_for_nine: false }
    }
}

/// What hardways pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hardways {
    /// 2-2 and 5-5.
    pub four_ten: Ratio,
    /// 3-3 and 4-4.
    pub six_eight: Ratio,
}

impl Hardways {
    /// What the double that makes `hard` pays.
    pub const fn on(&self, hard: HardNumber) -> Ratio {
        match hard {
            HardNumber::Four | HardNumber::Ten => self.four_ten,
            HardNumber::Six | HardNumber::Eight => self.six_eight,
        }
    }
}

impl Default for Hardways {
    fn default() -> Self {
        Self { four_ten: Ratio::to(7, 1), six_eight: Ratio::to(9, 1) }
    }
}

/// What one-roll bets on totals pay, alone and as parts of composite bets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Props {
    /// Any seven.
    pub any_seven: Ratio,
    /// Any craps: 2, 3 or 12.
    pub any_craps: Ratio,
    /// 2, and 12.
    pub two_twelve: Ratio,
    /// 3, and 11.
    pub three_eleven: Ratio,
    /// Over seven, and under seven.
    pub over_under: Ratio,
    /// Low dice on 2, and high dice on 12; their other totals pay even money.
    pub low_high: Ratio,
    /// Fielder's choices 1 and 3.
    pub fielders_ends: Ratio,
    /// Fielder's choice 2.
    pub fielders_middle: Ratio,
}

impl Default for Props {
    fn default() -> Self {
        Self {
            any_seven: Ratio::to(4, 1),
            any_craps: Ratio::to(7, 1),
            two_twelve: Ratio::to(30, 1),
            three_eleven: Ratio::to(15, 1),
            over_under: Ratio::EVEN,
            low_high: Ratio::to(5, 1),
            fielders_ends: Ratio::to(4, 1),
            fielders_middle: Ratio::to(2, 1),
        }
    }
}

/// What hopping faces pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hops {
    /// Two different faces.
    pub easy: Ratio,
    /// A double.
    pub hard: Ratio,
}

impl Default for Hops {
    fn default() -> Self {
        Self { easy: Ratio::to(15, 1), hard: Ratio::to(30, 1) }
    }
}

/// The commission of buy and lay bets: on the stake of a buy, on the win of a lay.
/// (craps.md section 3)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vig {
    /// When it is charged.
    pub when: VigWhen,
    /// Its share.
    pub rate: Ratio,
    /// What becomes of fractions of a chip.
    pub rounding: Rounding,
    /// The least that is charged.
    pub minimum: Chips,
}

/// When a commission is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VigWhen {
    /// When the bet goes up, and again to stay up after a win; given back if the bet comes down
    /// undecided.
    Upfront,
    /// Out of the win.
    OnWin,
}

/// What becomes of fractions of a chip of commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// There are none: stakes must be multiples of which the commission is exact.
    Exact,
    /// To the nearest chip, halves up.
    Nearest,
    /// To the next whole chip.
    Up,
    /// They are given up.
    Down,
}

impl Vig {
    /// The commission on `chips`.
    pub(super) fn on(&self, chips: u128) -> u128 {
        let (over, under) = self.rate.terms();
        let (share, under) = (chips.saturating_mul(u128::from(over)), u128::from(under));
        let rounded = match self.rounding {
            Rounding::Exact | Rounding::Down => share / under,
            Rounding::Nearest => share.saturating_add(under / 2) / under,
            Rounding::Up => share.div_ceil(under),
        };
        rounded.max(u128::from(self.minimum.0))
    }
}

impl Default for Vig {
    fn default() -> Self {
        Self {
            when: VigWhen::OnWin,
            rate: Ratio::to(1, 20),
            rounding: Rounding::Up,
            minimum: Chips(1),
        }
    }
}

/// What each score pays, up to the next one named: `{"4":"24:1","5":"249:1","6":"999:1"}`. Scores
/// below all of them lose; a pay of `0:1` returns the stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ladder(BTreeMap<u8, Ratio>);

/// A ladder's key as read: a number, or in JSON, whose keys are texts, the text of one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Score(u8);

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Score;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a score from 0 to 255")
            }

            fn visit_u64<E: de::Error>(self, score: u64) -> Result<Score, E> {
                u8::try_from(score).map(Score).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, score: &str) -> Result<Score, E> {
                score.parse().map(Score).map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Either)
        } else {
            u8::deserialize(deserializer).map(Score)
        }
    }
}

impl<'de> Deserialize<'de> for Ladder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rungs = BTreeMap::<Score, Ratio>::deserialize(deserializer)?;
        Ok(Self(rungs.into_iter().map(|(Score(score), pays)| (score, pays)).collect()))
    }
}

impl Ladder {
    /// The most rungs of a valid ladder.
    pub const MAX_RUNGS: usize = 16;

    /// A ladder of these scores and profits to one.
    pub fn new(rungs: &[(u8, u32)]) -> Self {
        Self(rungs.iter().map(|(score, pays)| (*score, Ratio::to(*pays, 1))).collect())
    }

    /// What `score` pays, if it does not lose.
    pub(super) fn at(&self, score: u8) -> Option<Ratio> {
        self.0.range(..=score).next_back().map(|(_, pays)| *pays)
    }

    /// The score from which on no higher one is told apart.
    pub(super) fn top(&self) -> u8 {
        self.0.keys().next_back().copied().unwrap_or(0)
    }

    pub(super) fn pays(&self) -> impl Iterator<Item = Ratio> {
        self.0.values().copied()
    }

    fn is_at_most(&self, other: &Self) -> bool {
        let scores = self.0.keys().chain(other.0.keys());
        scores.into_iter().all(|score| match (self.at(*score), other.at(*score)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own.is_at_most(other),
        })
    }

    fn is_sensible(&self, top: u8) -> bool {
        (1..=Self::MAX_RUNGS).contains(&self.0.len())
            && self.0.keys().all(|score| (1..=top).contains(score))
    }
}

/// The fire bet's table: points made in the hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fire {
    /// What so many different points pay.
    pub pays: Ladder,
    /// Whether the sixth point wins at once instead of at the seven-out.
    pub at_once: bool,
}

impl Default for Fire {
    fn default() -> Self {
        Self { pays: Ladder::new(&[(4, 24), (5, 249), (6, 999)]), at_once: false }
    }
}

/// How often something must be rolled, and what that pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: u8,
    /// What it pays.
    pub pays: Ratio,
}

/// Muggsy's Corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Muggsy {
    /// What a 7 on the come-out pays.
    pub come_out: Ratio,
    /// What a 7 right after the point pays.
    pub point: Ratio,
}

impl Default for Muggsy {
    fn default() -> Self {
        Self { come_out: Ratio::to(2, 1), point: Ratio::to(3, 1) }
    }
}

/// Twice as hard: no source defines it, so the house says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwiceAsHard {
    /// What wins.
    pub on: TwiceOn,
    /// What it pays.
    pub pays: Ratio,
}

/// What twice as hard means. Soft ways never lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwiceOn {
    /// Any two hardways before a 7, equal or not.
    AnyTwoHardways,
    /// One hardway twice before a 7.
    OneHardway,
    /// One double twice before a 7, 1-1 and 6-6 among them.
    OneDouble,
}

impl Default for TwiceAsHard {
    fn default() -> Self {
        Self { on: TwiceOn::AnyTwoHardways, pays: Ratio::to(5, 1) }
    }
}

/// What the bets pay that go on over several rolls and remember them. (craps.md section 5)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sides {
    /// Different points made in the hand.
    pub fire: Fire,
    /// 2 to 6 before a 7.
    pub small: Ratio,
    /// 8 to 12 before a 7.
    pub tall: Ratio,
    /// All ten totals before a 7.
    pub all: Ratio,
    /// By how many of the ten totals came before a 7.
    pub hot_hand: Ladder,
    /// 2, 3, 11 and 12 before a 7.
    pub flaming_four: Ratio,
    /// The six points before a 7.
    pub sizzling_six: Ratio,
    /// By number, how often it must come before a 7.
    pub repeater: PerNumber<Repeat>,
    /// How often 2 or 12 must come before a 7.
    pub repeater_plus_1: Repeat,
    /// How often 3 or 11 must come before a 7.
    pub repeater_plus_2: Repeat,
    /// How often any of the four must come before a 7.
    pub repeater_plus_3: Repeat,
    /// By pass wins in the hand.
    pub ride_the_line: Ladder,
    /// By number, how often it was made in the hand as the point.
    pub replay: PerNumber<Ladder>,
    /// By how many different doubles came before a 7.
    pub different_doubles: Ladder,
    /// By how many points came before a 7 in all of their ways.
    pub hot_roller: Ladder,
    /// By rolls in the hand, the seven-out counted.
    pub hot_shooter: Ladder,
    /// A 7 on the come-out or right after the point.
    pub muggsy: Muggsy,
    /// A point and then 7.
    pub point_seven: Ratio,
    /// 7 and then a point.
    pub seven_point: Ratio,
    /// 7, a point, and 7.
    pub seven_point_seven: Ratio,
    /// Doubles twice before a 7.
    pub twice_as_hard: TwiceAsHard,
}

impl Sides {
    /// The published ride-the-line tables 1 to 7, from 2 or 3 wins on.
    pub fn ride_the_line_tables() -> [Ladder; 7] {
        let from_three = |pays: [u32; 9]| -> Ladder {
            Ladder((3..).zip(pays).map(|(wins, pays)| (wins, Ratio::to(pays, 1))).collect())
        };
        let mut first = from_three([1, 2, 4, 6, 8, 15, 20, 25, 50]);
        first.0.insert(2, Ratio::to(0, 1));
        [
            first,
            from_three([1, 2, 4, 6, 12, 20, 30, 40, 75]),
            from_three([1, 2, 3, 6, 10, 20, 30, 40, 100]),
            from_three([1, 2, 3, 4, 10, 15, 20, 30, 150]),
            from_three([1, 2, 5, 8, 10, 20, 30, 40, 50]),
            from_three([0, 3, 5, 7, 12, 20, 25, 30, 100]),
            from_three([0, 2, 4, 7, 10, 15, 25, 40, 150]),
        ]
    }

    /// The Repeater Plus `choice`.
    pub const fn repeater_plus(&self, choice: RepeaterPlus) -> Repeat {
        match choice.get() {
            1 => self.repeater_plus_1,
            2 => self.repeater_plus_2,
            _ => self.repeater_plus_3,
        }
    }

    /// The first bet whose table has no rungs, too many, or scores that nobody can reach, or that
    /// must be repeated too often or never.
    pub(super) fn senseless(&self) -> Option<Bet> {
        let ladders = [
            (Bet::Fire, &self.fire.pays, 6),
            (Bet::HotHand, &self.hot_hand, 10),
            (Bet::RideTheLine, &self.ride_the_line, 31),
            (Bet::DifferentDoubles, &self.different_doubles, 6),
            (Bet::HotRoller, &self.hot_roller, 6),
            (Bet::HotShooter, &self.hot_shooter, 100),
        ];
        let replays = Number::POINTS.map(|number| (Bet::Replay, self.replay.on(number), 7));
        let ladder =
            ladders.into_iter().chain(replays).find(|(_, table, top)| !table.is_sensible(*top));
        let repeaters = Number::ALL.map(|on| (Bet::Repeater(on), *self.repeater.on(on)));
        let plus = RepeaterPlus::ALL.map(|of| (Bet::RepeaterPlus(of), self.repeater_plus(of)));
        let mut repeats = repeaters.into_iter().chain(plus);
        let repeat = repeats.find(|(_, repeat)| !(1..=15).contains(&repeat.times));
        ladder.map(|(bet, ..)| bet).or(repeat.map(|(bet, _)| bet))
    }

    /// The first bet that pays more, somewhere, than every published table: whose edge is perhaps
    /// the player's. The published tables' edges are the house's, as `odds` computes them.
    pub(super) fn generous(&self) -> Option<Bet> {
        let published = Self::default();
        let older_fire = Ladder::new(&[(4, 10), (5, 200), (6, 2000)]);
        let fire = &self.fire.pays;
        let ratio = |own: Ratio, published: Ratio| own.is_at_most(published);
        let repeat = |own: Repeat, published: Repeat| {
            own.times >= published.times && own.pays.is_at_most(published.pays)
        };
        let twice = match self.twice_as_hard.on {
            TwiceOn::AnyTwoHardways => Ratio::to(5, 1),
            TwiceOn::OneHardway => Ratio::to(12, 1),
            TwiceOn::OneDouble => Ratio::to(8, 1),
        };
        let repeaters = Number::ALL.map(|on| {
            (Bet::Repeater(on), repeat(*self.repeater.on(on), *published.repeater.on(on)))
        });
        let plus = RepeaterPlus::ALL.map(|of| {
            (Bet::RepeaterPlus(of), repeat(self.repeater_plus(of), published.repeater_plus(of)))
        });
        let ride =
            Self::ride_the_line_tables().iter().any(|table| self.ride_the_line.is_at_most(table));
        let replay = Number::POINTS
            .iter()
            .all(|on| self.replay.on(*on).is_at_most(published.replay.on(*on)));
        let (muggsy, fair) = (self.muggsy, published.muggsy);
        let known = [
            (Bet::Fire, fire.is_at_most(&published.fire.pays) || fire.is_at_most(&older_fire)),
            (Bet::All, ratio(self.all, Ratio::to(175, 1))),
            (Bet::Tall, ratio(self.tall, published.tall)),
            (Bet::Small, ratio(self.small, published.small)),
            (Bet::HotHand, self.hot_hand.is_at_most(&published.hot_hand)),
            (Bet::FlamingFour, ratio(self.flaming_four, published.flaming_four)),
            (Bet::SizzlingSix, ratio(self.sizzling_six, published.sizzling_six)),
            (Bet::RideTheLine, ride),
            (Bet::Replay, replay),
            (
                Bet::DifferentDoubles,
                self.different_doubles.is_at_most(&published.different_doubles),
            ),
            (Bet::HotRoller, self.hot_roller.is_at_most(&published.hot_roller)),
            (Bet::HotShooter, self.hot_shooter.is_at_most(&published.hot_shooter)),
            (Bet::Muggsy, ratio(muggsy.come_out, fair.come_out) && ratio(muggsy.point, fair.point)),
            (Bet::PointSeven, ratio(self.point_seven, published.point_seven)),
            (Bet::SevenPoint, ratio(self.seven_point, published.seven_point)),
            (Bet::SevenPointSeven, ratio(self.seven_point_seven, published.seven_point_seven)),
            (Bet::TwiceAsHard, ratio(self.twice_as_hard.pays, twice)),
        ];
        let all = known.into_iter().chain(repeaters).chain(plus);
        all.into_iter().find(|(_, known)| !known).map(|(bet, _)| bet)
    }
}

impl Default for Sides {
    fn default() -> Self {
        let repeat = |times, pays| Repeat { times, pays: Ratio::to(pays, 1) };
        let replay = |three, four| Ladder::new(&[(3, three), (4, four)]);
        let [_, _, third, ..] = Self::ride_the_line_tables();
        Self {
            fire: Fire::default(),
            small: Ratio::to(34, 1),
            tall: Ratio::to(34, 1),
            all: Ratio::to(175, 1),
            hot_hand: Ladder::new(&[(9, 20), (10, 80)]),
            flaming_four: Ratio::to(70, 1),
            sizzling_six: Ratio::to(12, 1),
            repeater: PerNumber {
                two_twelve: repeat(2, 40),
                three_eleven: repeat(3, 50),
                four_ten: repeat(4, 65),
                five_nine: repeat(5, 80),
                six_eight: repeat(6, 90),
            },
            repeater_plus_1: repeat(1, 2),
            repeater_plus_2: repeat(1, 1),
            repeater_plus_3: repeat(7, 99),
            ride_the_line: third,
            replay: PerNumber {
                two_twelve: replay(120, 1000),
                three_eleven: replay(120, 1000),
                four_ten: replay(120, 1000),
                five_nine: replay(95, 500),
                six_eight: replay(70, 100),
            },
            different_doubles: Ladder::new(&[(3, 4), (4, 8), (5, 15), (6, 100)]),
            hot_roller: Ladder::new(&[(2, 5), (3, 10), (4, 20), (5, 50), (6, 200)]),
            hot_shooter: Ladder::new(&[
                (8, 0),
                (16, 2),
                (24, 4),
                (32, 6),
                (40, 11),
                (45, 29),
                (51, 99),
            ]),
            muggsy: Muggsy::default(),
            point_seven: Ratio::to(7, 1),
            seven_point: Ratio::to(7, 1),
            seven_point_seven: Ratio::to(50, 1),
            twice_as_hard: TwiceAsHard::default(),
        }
    }
}
