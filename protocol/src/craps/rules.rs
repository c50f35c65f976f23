//! What houses differ in, as data: fixed when a table opens, checked so that no bet favours the
//! player by accident.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::catalogue::{Reserve, Terms};
use super::{Bet, Chips, HardNumber, Number, Ratio};

/// A table's house rules. Missing fields of a rules file take the standard profile's value.
/// (craps.md sections 10 and 11)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The craps on which don't pass and don't come only push.
    pub bar: Bar,
    /// How many times the flat bet pass and come odds may be.
    pub odds: PerPoint<Ratio>,
    /// How many times the flat bet the odds laid behind don't bets may be.
    pub dont_odds: PerPoint<Ratio>,
    /// What place bets pay.
    pub place: PerPoint<Ratio>,
    /// What the field pays on its ends.
    pub field: Field,
    /// What hardways pay.
    pub hardways: Hardways,
    /// What the one-roll bets in the centre pay.
    pub props: Props,
    /// Which bets can win and lose on the come-out roll.
    pub works_on_come_out: OnComeOut,
    /// Which bets stay up when they have won.
    pub stays_after_win: Stays,
    /// The smallest and largest stakes.
    pub limits: Limits,
    /// Blocks after a round's opening before the dice may be thrown, at least 2.
    pub window_blocks: u32,
    /// Milliseconds of block time after a round's opening before the dice may be thrown.
    pub window_ms: u64,
    /// Milliseconds of block time that a shooter has before the house throws for them.
    pub shooter_ms: u64,
    /// How many players the table holds, those counted who left but await a decision.
    pub max_seats: u16,
    /// How many bets one player may have up.
    pub max_bets: u16,
}

/// The craps roll on which don't bets push instead of winning; without one they would favour the
/// player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Aces push.
    Two,
    /// Ace-deuce pushes: twice as often.
    Three,
    /// Boxcars push; nearly everywhere.
    Twelve,
}

/// One value for each pair of numbers that are thrown equally often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerPoint<T> {
    /// For 4 and 10.
    pub four_ten: T,
    /// For 5 and 9.
    pub five_nine: T,
    /// For 6 and 8.
    pub six_eight: T,
}

/// What the field pays where houses differ; its other totals pay even money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// On 2.
    pub two: Ratio,
    /// On 12.
    pub twelve: Ratio,
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

/// What one-roll bets on single totals and their groups pay.
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
}

/// Which bets work on the come-out roll. Flat bets always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnComeOut {
    /// Come odds; if not, they are returned when their number or a 7 is thrown.
    pub come_odds: bool,
    /// Don't-come odds; if not, they are returned likewise.
    pub dont_come_odds: bool,
    /// Place bets; if not, they neither win nor lose and stay.
    pub place: bool,
    /// Hardways; likewise.
    pub hardways: bool,
}

/// Which bets stay up when they have won, paying their profit only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stays {
    /// Place bets.
    pub place: bool,
    /// Hardways.
    pub hardways: bool,
}

/// The smallest and largest stake that one player may have on one bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The smallest, at least 1.
    pub min: Chips,
    /// The largest.
    pub max: Chips,
}

/// Limits by kind of bet. Odds are limited by their multiple of the flat bet instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Pass, don't pass, come and don't come.
    pub line: Limit,
    /// Place bets.
    pub place: Limit,
    /// The field.
    pub field: Limit,
    /// Hardways.
    pub hardways: Limit,
    /// The other one-roll bets.
    pub props: Limit,
}

/// Why rules are no rules for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RulesRefusal {
    /// The bet would win more, in the long run, than it loses.
    PlayerEdge {
        /// Which.
        bet: Bet,
    },
    /// The bet's limits admit nothing, or nothing sensible.
    Limit {
        /// Whose.
        bet: Bet,
    },
    /// Odds of more than [`Rules::MAX_ODDS`] times the flat bet.
    Odds,
    /// Fewer than 2 blocks, or more than [`Rules::MAX_WINDOW_BLOCKS`].
    WindowBlocks,
    /// A betting window longer than [`Rules::MAX_MILLIS`].
    WindowMillis,
    /// Less than [`Rules::MIN_SHOOTER_MILLIS`] or the betting window, or more than
    /// [`Rules::MAX_MILLIS`].
    ShooterMillis,
    /// No seat, or more than [`Rules::MAX_SEATS`].
    Seats,
    /// No bet, or more than [`Rules::MAX_BETS`].
    Bets,
}

impl Rules {
    /// The largest multiple of a flat bet that odds may be.
    pub const MAX_ODDS: u32 = 1000;
    /// The fewest blocks of a betting window: one for the bets and one for the roll.
    pub const MIN_WINDOW_BLOCKS: u32 = 2;
    /// The most blocks of a betting window.
    pub const MAX_WINDOW_BLOCKS: u32 = 1000;
    /// The shortest time in which a shooter must throw.
    pub const MIN_SHOOTER_MILLIS: u64 = 1000;
    /// The longest betting window or shooter's deadline: a day.
    pub const MAX_MILLIS: u64 = 86_400_000;
    /// The most seats of a table.
    pub const MAX_SEATS: u16 = 32;
    /// The most bets of one player.
    pub const MAX_BETS: u16 = 128;

    /// Checks that every field is within its bounds and that no bet favours the player.
    pub fn validate(&self) -> Result<(), RulesRefusal> {
        for bet in Bet::all() {
            let terms = Terms::of(bet, self, None);
            if !terms.limit.is_sensible() {
                return Err(RulesRefusal::Limit { bet });
            }
            if favours_player(&terms) {
                return Err(RulesRefusal::PlayerEdge { bet });
            }
        }
        let caps = Number::ALL.iter().flat_map(|n| [self.odds.on(*n), self.dont_odds.on(*n)]);
        let expect = |holds: bool, refusal| if holds { Ok(()) } else { Err(refusal) };
        let mut odds = caps.map(Ratio::terms);
        expect(odds.all(|(over, under)| over <= under * Self::MAX_ODDS), RulesRefusal::Odds)?;
        expect(
            (Self::MIN_WINDOW_BLOCKS..=Self::MAX_WINDOW_BLOCKS).contains(&self.window_blocks),
            RulesRefusal::WindowBlocks,
        )?;
        expect(self.window_ms <= Self::MAX_MILLIS, RulesRefusal::WindowMillis)?;
        let shortest = self.window_ms.max(Self::MIN_SHOOTER_MILLIS);
        expect(
            (shortest..=Self::MAX_MILLIS).contains(&self.shooter_ms),
            RulesRefusal::ShooterMillis,
        )?;
        expect((1..=Self::MAX_SEATS).contains(&self.max_seats), RulesRefusal::Seats)?;
        expect((1..=Self::MAX_BETS).contains(&self.max_bets), RulesRefusal::Bets)
    }
}

/// Whether the rolls that decide a bet win more than they lose. Only bets whose pays are rules are
/// judged: line bets pay even money, odds pay true odds, and [`Bar`] cannot be missing.
fn favours_player(terms: &Terms) -> bool {
    match terms.reserve {
        Reserve::NextRoll | Reserve::Free => {
            let wins = || terms.pays.wins();
            let scale: u64 = wins().map(|(_, ratio)| u64::from(ratio.terms().1)).product();
            let won: u64 = wins()
                .map(|(rolls, ratio)| {
                    let (over, under) = ratio.terms();
                    u64::from(rolls.ways()) * u64::from(over) * (scale / u64::from(under))
                })
                .sum();
            won > scale * u64::from(terms.loses.ways())
        }
        Reserve::Undecided(_) | Reserve::Number(..) => false,
    }
}

impl<T: Copy> PerPoint<T> {
    /// The value for `number`.
    pub const fn on(&self, number: Number) -> T {
        match number {
            Number::Four | Number::Ten => self.four_ten,
            Number::Five | Number::Nine => self.five_nine,
            Number::Six | Number::Eight => self.six_eight,
        }
    }
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

impl Limit {
    /// Any stake: for bets that something else limits.
    pub(super) const NONE: Self = Self { min: Chips(1), max: Chips(u64::MAX) };

    const fn is_sensible(&self) -> bool {
        self.min.0 >= 1 && self.min.0 <= self.max.0
    }
}

impl Default for Rules {
    /// The standard profile of craps.md section 10.
    fn default() -> Self {
        let three_four_five = PerPoint {
            four_ten: Ratio::to(3, 1),
            five_nine: Ratio::to(4, 1),
            six_eight: Ratio::to(5, 1),
        };
        let six_times = Ratio::to(6, 1);
        Self {
            bar: Bar::Twelve,
            odds: three_four_five,
            dont_odds: PerPoint { four_ten: six_times, five_nine: six_times, six_eight: six_times },
            place: PerPoint {
                four_ten: Ratio::to(9, 5),
                five_nine: Ratio::to(7, 5),
                six_eight: Ratio::to(7, 6),
            },
            field: Field::default(),
            hardways: Hardways::default(),
            props: Props::default(),
            works_on_come_out: OnComeOut::default(),
            stays_after_win: Stays::default(),
            limits: Limits::default(),
            window_blocks: 2,
            window_ms: 20_000,
            shooter_ms: 60_000,
            max_seats: 20,
            max_bets: 32,
        }
    }
}

impl Default for Field {
    fn default() -> Self {
        Self { two: Ratio::to(2, 1), twelve: Ratio::to(3, 1) }
    }
}

impl Default for Hardways {
    fn default() -> Self {
        Self { four_ten: Ratio::to(7, 1), six_eight: Ratio::to(9, 1) }
    }
}

impl Default for Props {
    fn default() -> Self {
        Self {
            any_seven: Ratio::to(4, 1),
            any_craps: Ratio::to(7, 1),
            two_twelve: Ratio::to(30, 1),
            three_eleven: Ratio::to(15, 1),
        }
    }
}

impl Default for OnComeOut {
    fn default() -> Self {
        Self { come_odds: false, dont_come_odds: true, place: false, hardways: false }
    }
}

impl Default for Stays {
    fn default() -> Self {
        Self { place: true, hardways: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let any = Limit { min: Chips(1), max: Chips(1_000_000) };
        Self { line: any, place: any, field: any, hardways: any, props: any }
    }
}

impl fmt::Display for RulesRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlayerEdge { bet } => {
                write!(formatter, "{bet} would favour the player: lower what it pays")
            }
            Self::Limit { bet } => write!(
                formatter,
                "the limits of {bet} admit no stake: set a minimum of at least 1 and a maximum \
                 not below it"
            ),
            Self::Odds => {
                write!(formatter, "odds can be at most {} times the flat bet", Rules::MAX_ODDS)
            }
            Self::WindowBlocks => write!(
                formatter,
                "window_blocks must be {} to {}",
                Rules::MIN_WINDOW_BLOCKS,
                Rules::MAX_WINDOW_BLOCKS
            ),
            Self::WindowMillis => {
                write!(formatter, "window_ms must be at most {}", Rules::MAX_MILLIS)
            }
            Self::ShooterMillis => write!(
                formatter,
                "shooter_ms must be {} to {} and not below window_ms",
                Rules::MIN_SHOOTER_MILLIS,
                Rules::MAX_MILLIS
            ),
            Self::Seats => write!(formatter, "max_seats must be 1 to {}", Rules::MAX_SEATS),
            Self::Bets => write!(formatter, "max_bets must be 1 to {}", Rules::MAX_BETS),
        }
    }
}

impl core::error::Error for RulesRefusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};

    fn refused(change: impl FnOnce(&mut Rules)) -> Option<RulesRefusal> {
        let mut rules = Rules::default();
        change(&mut rules);
        rules.validate().err()
    }

    #[test]
    fn the_standard_profile_is_valid_and_has_one_encoding() {
        let rules = Rules::default();
        assert_eq!(rules.validate(), Ok(()));
        assert_eq!(decode(&encode(&rules), 256), Ok(rules));
    }

    #[test]
    fn a_pay_table_with_a_player_edge_is_refused_by_the_name_of_its_bet() {
        let to = Ratio::to;
        let edge = |bet| Some(RulesRefusal::PlayerEdge { bet });
        assert_eq!(refused(|r| r.field = Field { two: to(3, 1), twelve: to(3, 1) }), None);
        assert_eq!(
            refused(|r| r.field = Field { two: to(3, 1), twelve: to(4, 1) }),
            edge(Bet::Field)
        );
        assert_eq!(refused(|r| r.place.six_eight = to(6, 5)), None);
        assert_eq!(refused(|r| r.place.six_eight = to(5, 4)), edge(Bet::Place(Number::Six)));
        assert_eq!(refused(|r| r.hardways.four_ten = to(8, 1)), None);
        assert_eq!(refused(|r| r.hardways.four_ten = to(17, 2)), edge(Bet::Hard(HardNumber::Four)));
        assert_eq!(refused(|r| r.props.any_seven = to(5, 1)), None);
        assert_eq!(refused(|r| r.props.any_seven = to(51, 10)), edge(Bet::AnySeven));
        assert_eq!(refused(|r| r.props.any_craps = to(8, 1)), None);
        assert_eq!(refused(|r| r.props.any_craps = to(10_000, 1)), edge(Bet::AnyCraps));
        assert_eq!(refused(|r| r.props.two_twelve = to(35, 1)), None);
        assert_eq!(refused(|r| r.props.two_twelve = to(36, 1)), edge(Bet::Two));
        assert_eq!(refused(|r| r.props.three_eleven = to(17, 1)), None);
        assert_eq!(refused(|r| r.props.three_eleven = to(18, 1)), edge(Bet::Three));
    }

    #[test]
    fn every_bound_is_checked() {
        assert_eq!(refused(|r| r.window_blocks = 1), Some(RulesRefusal::WindowBlocks));
        assert_eq!(refused(|r| r.window_blocks = 1001), Some(RulesRefusal::WindowBlocks));
        assert_eq!(refused(|r| r.window_ms = 86_400_001), Some(RulesRefusal::WindowMillis));
        assert_eq!(refused(|r| r.window_ms = 0), None);
        assert_eq!(refused(|r| r.shooter_ms = 19_999), Some(RulesRefusal::ShooterMillis));
        assert_eq!(refused(|r| r.shooter_ms = u64::MAX), Some(RulesRefusal::ShooterMillis));
        assert_eq!(refused(|r| r.max_seats = 0), Some(RulesRefusal::Seats));
        assert_eq!(refused(|r| r.max_seats = 33), Some(RulesRefusal::Seats));
        assert_eq!(refused(|r| r.max_bets = 0), Some(RulesRefusal::Bets));
        assert_eq!(refused(|r| r.max_bets = 129), Some(RulesRefusal::Bets));
        assert_eq!(refused(|r| r.odds.six_eight = Ratio::to(1001, 1)), Some(RulesRefusal::Odds));
        assert_eq!(refused(|r| r.dont_odds.four_ten = Ratio::to(100, 1)), None);
        assert_eq!(
            refused(|r| r.limits.line.min = Chips(0)),
            Some(RulesRefusal::Limit { bet: Bet::Pass })
        );
        assert_eq!(
            refused(|r| r.limits.field = Limit { min: Chips(5), max: Chips(4) }),
            Some(RulesRefusal::Limit { bet: Bet::Field })
        );
    }
}
