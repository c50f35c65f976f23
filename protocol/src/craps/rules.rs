//! What houses differ in, as data: fixed when a table opens, checked so that no bet favours the
//! player by accident.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::pays::{Field, Hardways, Hops, Ladder, Props, Sides, Vig};
use super::terms::{Opens, Reserve, Terms};
use super::{Bet, Chips, Dice, Number, PerNumber, Ratio};

/// A table's house rules. Missing fields of a rules file take the standard profile's value.
/// (craps.md sections 10 and 11)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether 2, 3, 11 and 12 are points, too. There are then no don't bets, and none of the
    /// side bets that follow the puck.
    pub crapless: bool,
    /// The craps on which don't pass and don't come only push.
    pub bar: Bar,
    /// How many times the flat bet pass and come odds may be.
    pub odds: PerNumber<Ratio>,
    /// How many times the flat bet the odds laid behind don't bets may be.
    pub dont_odds: PerNumber<Ratio>,
    /// What place bets pay.
    pub place: PerNumber<Ratio>,
    /// What place bets to lose pay.
    pub place_to_lose: PerNumber<Ratio>,
    /// What big 6 and big 8 pay.
    pub big: Ratio,
    /// The commission of buy and lay bets.
    pub vig: Vig,
    /// Whether a put bet must stay up until it is decided.
    pub put_is_contract: bool,
    /// What the field pays on its ends.
    pub field: Field,
    /// What hardways pay.
    pub hardways: Hardways,
    /// What the one-roll bets in the centre pay.
    pub props: Props,
    /// What hopping faces pay.
    pub hops: Hops,
    /// What the bets pay that go on over several rolls and remember them.
    pub sides: Sides,
    /// Whether yes, no and next take only stakes that they pay exactly.
    pub exact_units: bool,
    /// Which bets can win and lose on the come-out roll.
    pub works_on_come_out: OnComeOut,
    /// Which bets stay up when they have won.
    pub stays_after_win: Stays,
    /// The smallest and largest stakes.
    pub limits: Limits,
    /// Whether bets may favour the player.
    pub allow_player_edge: bool,
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

/// The craps roll on which don't bets push instead of winning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Aces push.
    Two,
    /// Ace-deuce pushes: twice as often.
    Three,
    /// Boxcars push; nearly everywhere.
    Twelve,
    /// Nothing pushes, which favours the player.
    None,
}

/// Which bets work on the come-out roll. Flat bets always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnComeOut {
    /// Come odds; if not, they are returned when their number or a 7 is thrown.
    pub come_odds: bool,
    /// Don't-come odds; if not, they are returned likewise.
    pub dont_come_odds: bool,
    /// Odds on put bets; likewise.
    pub put_odds: bool,
    /// Place bets, to win and to lose; if not, they neither win nor lose and stay.
    pub place: bool,
    /// Buy bets; likewise.
    pub buy: bool,
    /// Lay bets; likewise.
    pub lay: bool,
    /// Hardways; likewise.
    pub hardways: bool,
    /// Big 6 and big 8; likewise.
    pub big: bool,
    /// Yes and No; likewise.
    pub yes_no: bool,
}

/// Which bets stay up when they have won, paying their profit only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stays {
    /// Place bets, to win and to lose.
    pub place: bool,
    /// Buy bets.
    pub buy: bool,
    /// Lay bets.
    pub lay: bool,
    /// Hardways.
    pub hardways: bool,
    /// Big 6 and big 8.
    pub big: bool,
    /// Yes and No.
    pub yes_no: bool,
}

/// The smallest and largest stake that one player may have on one bet, and the most it may win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The smallest, at least 1.
    pub min: Chips,
    /// The largest.
    pub max: Chips,
    /// The largest profit: a stake that could win more is refused.
    #[serde(default = "unlimited")]
    pub max_win: Chips,
    /// The largest profit of all players of a table together on one bet; likewise.
    #[serde(default = "unlimited")]
    pub max_win_of_all: Chips,
}

/// Limits by kind of bet. Odds are limited by their multiple of the flat bet instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Pass, don't pass, come, don't come and put.
    pub line: Limit,
    /// Place, buy, lay and big bets.
    pub place: Limit,
    /// The field.
    pub field: Limit,
    /// Hardways.
    pub hardways: Limit,
    /// The other one-roll bets.
    pub props: Limit,
    /// The bets that go on over several rolls and remember them.
    pub sides: Limit,
    /// Yes, No and Next.
    pub own: Limit,
}

/// Why rules are no rules for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RulesRefusal {
    /// The bet would win more, in the long run, than it loses; or it pays, somewhere, more than any
    /// table whose edge is known to be the house's.
    PlayerEdge {
        /// Which.
        bet: Bet,
    },
    /// The bet's limits admit nothing, or nothing sensible.
    Limit {
        /// Whose.
        bet: Bet,
    },
    /// The bet's pay table has scores that nobody can reach, too many of them, or none.
    Table {
        /// Whose.
        bet: Bet,
    },
    /// A commission of more than the whole.
    Vig,
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

    /// The profiles that are known by name, the standard one first.
    pub const PRESETS: [&str; 2] = ["standard", "crapless"];

    /// The profile of this name, if it is one of [`Rules::PRESETS`].
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "standard" => Some(Self::default()),
            "crapless" => Some(Self { crapless: true, ..Self::default() }),
            _ => None,
        }
    }

    /// Where the puck can go from off on these dice.
    pub(super) const fn point_of(&self, dice: Dice) -> Option<Number> {
        if self.crapless { Number::from_total(dice.total()) } else { dice.number() }
    }

    /// Checks that every field is within its bounds and, unless the rules insist, that no bet
    /// favours the player.
    pub fn validate(&self) -> Result<(), RulesRefusal> {
        if let Some(bet) = self.sides.senseless() {
            return Err(RulesRefusal::Table { bet });
        }
        let (over, under) = self.vig.rate.terms();
        if over > under {
            return Err(RulesRefusal::Vig);
        }
        if let Some(bet) = Bet::all().find(|bet| !Terms::of(*bet, self, None).limit.is_sensible()) {
            return Err(RulesRefusal::Limit { bet });
        }
        if let Some(bet) = self.generous().filter(|_| !self.allow_player_edge) {
            return Err(RulesRefusal::PlayerEdge { bet });
        }
        let caps = Number::ALL.iter().flat_map(|n| [*self.odds.on(*n), *self.dont_odds.on(*n)]);
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

    /// The first bet that favours the player, or may. Flat bets pay even money and odds pay true
    /// odds, so of these only an absent bar does.
    fn generous(&self) -> Option<Bet> {
        let pays_are_rules = |terms: &Terms<'_>| match terms.reserve {
            Reserve::NextRoll | Reserve::Free => true,
            Reserve::Undecided(_) | Reserve::Number(..) => false,
        };
        let favours_player = |bet: &Bet| {
            let terms = Terms::of(*bet, self, None);
            terms.opens != Opens::NotOffered && pays_are_rules(&terms) && terms.favours_player()
        };
        let unbarred = self.bar == Bar::None && !self.crapless;
        let unbarred = unbarred.then_some(Bet::DontPass);
        unbarred.or_else(|| Bet::all().find(favours_player)).or_else(|| self.sides.generous())
    }
}

impl Limit {
    /// Any stake: for bets that something else limits.
    pub(super) const NONE: Self = Self { max: Chips(u64::MAX), ..Self::ANY };

    const ANY: Self = Self {
        min: Chips(1),
        max: Chips(1_000_000),
        max_win: unlimited(),
        max_win_of_all: unlimited(),
    };

    const fn is_sensible(&self) -> bool {
        self.min.0 >= 1 && self.min.0 <= self.max.0
    }
}

const fn unlimited() -> Chips {
    Chips(u64::MAX)
}

impl Default for Rules {
    /// The standard profile of craps.md section 10.
    fn default() -> Self {
        let to = Ratio::to;
        Self {
            crapless: false,
            bar: Bar::Twelve,
            odds: PerNumber {
                four_ten: to(3, 1),
                five_nine: to(4, 1),
                six_eight: to(5, 1),
                ..PerNumber::all(to(3, 1))
            },
            dont_odds: PerNumber::all(to(6, 1)),
            place: PerNumber {
                two_twelve: to(11, 2),
                three_eleven: to(11, 4),
                four_ten: to(9, 5),
                five_nine: to(7, 5),
                six_eight: to(7, 6),
            },
            place_to_lose: PerNumber {
                five_nine: to(5, 8),
                six_eight: to(4, 5),
                ..PerNumber::all(to(5, 11))
            },
            big: Ratio::EVEN,
            vig: Vig::default(),
            put_is_contract: true,
            field: Field::default(),
            hardways: Hardways::default(),
            props: Props::default(),
            hops: Hops::default(),
            sides: Sides::default(),
            exact_units: false,
            works_on_come_out: OnComeOut::default(),
            stays_after_win: Stays::default(),
            limits: Limits::default(),
            allow_player_edge: false,
            window_blocks: 2,
            window_ms: 20_000,
            shooter_ms: 60_000,
            max_seats: 20,
            max_bets: 32,
        }
    }
}

impl Default for OnComeOut {
    fn default() -> Self {
        Self {
            come_odds: false,
            dont_come_odds: true,
            put_odds: true,
            place: false,
            buy: false,
            lay: false,
            hardways: false,
            big: false,
            yes_no: false,
        }
    }
}

impl Default for Stays {
    fn default() -> Self {
        Self { place: true, buy: true, lay: true, hardways: true, big: true, yes_no: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let any = Limit::ANY;
        let (max_win, max_win_of_all) = (Chips(1_000_000), Chips(10_000_000));
        let long_shot = Limit { max_win, max_win_of_all, ..any };
        Self {
            line: any,
            place: any,
            field: any,
            hardways: any,
            props: long_shot,
            sides: long_shot,
            own: any,
        }
    }
}

impl fmt::Display for RulesRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlayerEdge { bet } => write!(
                formatter,
                "{bet} would favour the player, or is not known not to: lower what it pays, or \
                 insist with allow_player_edge"
            ),
            Self::Table { bet } => write!(
                formatter,
                "the pay table of {bet} needs scores that can be reached, and at most {} of them",
                Ladder::MAX_RUNGS
            ),
            Self::Vig => formatter.write_str("the vig can be at most the whole: write 5 % as 1:20"),
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
    use crate::craps::HardNumber;
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
        assert_eq!(decode(&encode(&rules), 2048), Ok(rules));
    }

    #[test]
    fn a_pay_table_with_a_player_edge_is_refused_by_the_name_of_its_bet() {
        let to = Ratio::to;
        let edge = |bet| Some(RulesRefusal::PlayerEdge { bet });
        assert_eq!(
            refused(|r| r.field = Field { two: to(3, 1), twelve: to(3, 1), ..Field::default() }),
            None
        );
        assert_eq!(
            refused(|r| r.field = Field { two: to(3, 1), twelve: to(4, 1), ..Field::default() }),
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
            refused(|r| r.limits.field = Limit { max: Chips(4), min: Chips(5), ..r.limits.field }),
            Some(RulesRefusal::Limit { bet: Bet::Field })
        );
    }

    #[test]
    fn what_may_favour_the_player_needs_somebody_who_insists() {
        let edge = |bet| Some(RulesRefusal::PlayerEdge { bet });
        assert_eq!(refused(|r| r.bar = Bar::None), edge(Bet::DontPass));
        assert_eq!(refused(|r| (r.bar, r.allow_player_edge) = (Bar::None, true)), None);
        assert_eq!(refused(|r| r.sides.all = Ratio::to(176, 1)), edge(Bet::All));
        assert_eq!(refused(|r| r.sides.fire.pays = Ladder::new(&[(4, 25)])), edge(Bet::Fire));
        assert_eq!(refused(|r| r.sides.fire.pays = Ladder::new(&[(3, 1)])), edge(Bet::Fire));
        assert_eq!(refused(|r| r.sides.fire.pays = Ladder::new(&[(5, 200)])), None);
        assert_eq!(refused(|r| r.big = Ratio::to(5, 4)), edge(Bet::BigSix));
        let aces = "hop:1-1".parse().unwrap();
        assert_eq!(refused(|r| r.hops.hard = Ratio::to(36, 1)), edge(aces));
        assert_eq!(refused(|r| r.hops.hard = Ratio::to(35, 1)), None);
        for table in Sides::ride_the_line_tables() {
            assert_eq!(refused(|r| r.sides.ride_the_line = table), None);
        }
    }

    #[test]
    fn pay_tables_have_bounds() {
        let table = |bet| Some(RulesRefusal::Table { bet });
        assert_eq!(refused(|r| r.sides.fire.pays = Ladder::new(&[])), table(Bet::Fire));
        assert_eq!(refused(|r| r.sides.fire.pays = Ladder::new(&[(7, 1)])), table(Bet::Fire));
        let zero = |r: &mut Rules| r.sides.repeater_plus_3.times = 0;
        assert_eq!(refused(zero), table(Bet::RepeaterPlus(crate::craps::RepeaterPlus::ALL[2])));
        assert_eq!(refused(|r| r.vig.rate = Ratio::to(2, 1)), Some(RulesRefusal::Vig));
    }
}
