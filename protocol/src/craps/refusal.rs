//! Why the table does not do what it is asked, in words that say what to do instead.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Bet, Chips, Moment, Number, Round, RulesRefusal};
use crate::time::BlockTime;

/// Why a call was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The rules are not rules for a table.
    Rules(RulesRefusal),
    /// A table without a bank could pay nothing.
    EmptyBank,
    /// More chips than a table can hold.
    TooManyChips,
    /// All seats are taken.
    TableFull {
        /// How many there are.
        seats: u16,
    },
    /// The player has a seat already.
    AlreadySeated,
    /// The player has no seat, or has stood up.
    NotSeated,
    /// The dice are in the air.
    Rolling,
    /// The action names another roll than the one that comes next.
    WrongRound {
        /// The one that comes next.
        current: Round,
    },
    /// The bet can be made only on the come-out.
    PuckOn {
        /// Where the puck is.
        point: Number,
    },
    /// The bet can be made only while there is a point.
    PuckOff,
    /// The table does not have this bet.
    NotOffered {
        /// Which.
        bet: Bet,
    },
    /// The bet can be made only before the first roll of a hand.
    HandUnderway,
    /// The bet can be made only before the first roll of a hand or after a 7.
    NoSevenBefore,
    /// The bet is not made by hand.
    OnlyTravels {
        /// Which.
        bet: Bet,
    },
    /// Odds need their flat bet.
    NoFlatBet {
        /// The flat bet.
        flat: Bet,
    },
    /// The stake would not be a whole number of units.
    NotAMultiple {
        /// The unit.
        unit: Chips,
    },
    /// The odds would be too large for their flat bet.
    OverOddsCap {
        /// The most that they can be in all.
        cap: Chips,
    },
    /// The stake would be below the table's minimum.
    UnderMinimum {
        /// The minimum.
        minimum: Chips,
    },
    /// The stake would be above the table's maximum.
    OverMaximum {
        /// The maximum.
        maximum: Chips,
    },
    /// The bet could win more than the table lets such bets win.
    OverMaximumPayout {
        /// The most that it may win.
        maximum: Chips,
    },
    /// The bets of all players on it could together win more than the table lets them.
    OverMaximumPayoutOfAll {
        /// The most that they may win together.
        maximum: Chips,
    },
    /// The player has as many bets up as the table allows.
    TooManyBets {
        /// How many.
        limit: u16,
    },
    /// The bank could not pay the worst that could then come.
    BankCannotCover {
        /// What the worst would cost; at most `u64::MAX`.
        needed: Chips,
        /// What the bank holds.
        bank: Chips,
    },
    /// The player has no such bet up.
    NoSuchBet {
        /// Which.
        bet: Bet,
    },
    /// More was to come down than is up.
    MoreThanIsUp {
        /// What is up.
        stake: Chips,
    },
    /// The bet must stay up until it is decided.
    ContractBet {
        /// Which.
        bet: Bet,
    },
    /// The bet always works, or settles on every roll: it cannot be called on or off.
    AlwaysOn {
        /// Which.
        bet: Bet,
    },
    /// More was asked out of the bank than its bets leave free.
    Reserved {
        /// What is free.
        free: Chips,
    },
    /// No chips at all.
    NoChips,
    /// Somebody else has the dice.
    NotTheShooter,
    /// There is nobody else to take the dice.
    NobodyElse,
    /// The shooter must have a line bet up to throw on the come-out.
    ShooterNeedsLineBet,
    /// The betting window is open and not everybody with bets is ready.
    BettingOpen {
        /// When and where it closes: both must be reached.
        until: Moment,
    },
    /// The shooter still has time.
    ShooterHasTime {
        /// Until when.
        until: BlockTime,
    },
    /// No bet is up that a roll could decide.
    NothingToRoll,
    /// Only the owner may do this.
    NotTheOwner,
    /// Bets are still up.
    BetsUp,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(refusal) => refusal.fmt(formatter),
            Self::EmptyBank => formatter.write_str("a table needs a bank: fund it when opening it"),
            Self::TooManyChips => {
                formatter.write_str("a table cannot hold so many chips: use fewer")
            }
            Self::TableFull { seats } => {
                write!(formatter, "all {seats} seats are taken: wait for one or watch")
            }
            Self::AlreadySeated => formatter.write_str("you are seated at this table already"),
            Self::NotSeated => {
                formatter.write_str("you have no seat at this table: sit down first")
            }
            Self::Rolling => {
                formatter.write_str("the dice are in the air: wait until the roll is settled")
            }
            Self::WrongRound { current } => {
                write!(formatter, "the next roll is round {current}: ask again for that round")
            }
            Self::PuckOn { point } => write!(
                formatter,
                "the point is {point}: this bet opens on the next come-out; come and don't come \
                 are open now"
            ),
            Self::PuckOff => formatter.write_str(
                "the puck is off: this bet opens once there is a point; pass and don't pass are \
                 open now",
            ),
            Self::NotOffered { bet } => {
                write!(formatter, "this table does not offer {bet}: see what it does with the odds")
            }
            Self::HandUnderway => formatter.write_str(
                "the hand is under way: this bet opens before the first roll of the next shooter",
            ),
            Self::NoSevenBefore => formatter
                .write_str("the hand is under way: this bet opens on the come-out after any 7"),
            Self::OnlyTravels { bet } => write!(
                formatter,
                "{bet} cannot be made by hand: bet come or don't come and let it travel"
            ),
            Self::NoFlatBet { flat } => {
                write!(formatter, "these odds go behind {flat}, which you do not have up")
            }
            Self::NotAMultiple { unit } => write!(
                formatter,
                "the stake must be a multiple of {unit}, so that it can be paid exactly"
            ),
            Self::OverOddsCap { cap } => {
                write!(formatter, "your flat bet carries odds of at most {cap} in all")
            }
            Self::UnderMinimum { minimum } => {
                write!(formatter, "the minimum on this bet is {minimum}")
            }
            Self::OverMaximum { maximum } => {
                write!(formatter, "the maximum on this bet is {maximum}")
            }
            Self::OverMaximumPayout { maximum } => {
                write!(formatter, "this bet may win at most {maximum} at this table: bet less")
            }
            Self::OverMaximumPayoutOfAll { maximum } => write!(
                formatter,
                "all players together may win at most {maximum} on this bet at this table: bet less"
            ),
            Self::TooManyBets { limit } => write!(
                formatter,
                "you have {limit} bets up, which is this table's limit: take one down first"
            ),
            Self::BankCannotCover { needed, bank } => write!(
                formatter,
                "the bank of {bank} cannot cover it, as the worst would then cost {needed}: bet \
                 less"
            ),
            Self::NoSuchBet { bet } => write!(formatter, "you have no {bet} up"),
            Self::MoreThanIsUp { stake } => {
                write!(formatter, "you have {stake} on this bet: take down no more than that")
            }
            Self::ContractBet { bet } => {
                write!(formatter, "{bet} is a contract bet now: it stays up until it wins or loses")
            }
            Self::AlwaysOn { bet } => {
                write!(formatter, "{bet} always works: it cannot be called on or off")
            }
            Self::Reserved { free } => write!(
                formatter,
                "the bets that are up leave {free} of the bank free: draw no more than that"
            ),
            Self::NoChips => formatter.write_str("that is no chips at all: name an amount"),
            Self::NotTheShooter => {
                formatter.write_str("somebody else has the dice: only the shooter throws them")
            }
            Self::NobodyElse => formatter
                .write_str("nobody else sits at this table: leave it if you do not want to throw"),
            Self::ShooterNeedsLineBet => formatter.write_str(
                "the shooter needs a line bet on the come-out: bet pass or don't pass first",
            ),
            Self::BettingOpen { until } => write!(
                formatter,
                "betting is open until block {} and time {}: wait, or have everybody with bets \
                 say that they are ready",
                until.height, until.time
            ),
            Self::ShooterHasTime { until } => {
                write!(formatter, "the shooter has until {until} to throw")
            }
            Self::NothingToRoll => {
                formatter.write_str("no bet is up that a roll could decide: make one first")
            }
            Self::NotTheOwner => formatter.write_str("only the table's owner may do this"),
            Self::BetsUp => {
                formatter.write_str("bets are still up: close the table when they are decided")
            }
        }
    }
}

impl core::error::Error for Refusal {}

impl From<RulesRefusal> for Refusal {
    fn from(refusal: RulesRefusal) -> Self {
        Self::Rules(refusal)
    }
}
