//! What a bet is called. What it does is in `catalogue`.

use core::fmt;
use core::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Faces, FieldersChoice, HardNumber, HornNumber, Number, RepeaterPlus, Total};

/// Declares the bets: from one list come the type, its keys in both directions, what each is, and
/// the enumeration of all bets, so that none can be forgotten in one of them.
macro_rules! bets {
    (
        single { $($(#[doc = $doc:literal])+ $single:ident = $key:literal,)+ }
        one_of_a_family {
            $($(#[doc = $family_doc:literal])+ $family:ident($of:ident) = $stem:literal,)+
        }
    ) => {
        /// A bet on the layout. Its key, as `Display` writes and `FromStr` reads it, is also its
        /// serialised form, so a bet keeps its encoding when others are added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bet {
            $($(#[doc = $doc])+ $single,)+
            $($(#[doc = $family_doc])+ $family($of),)+
        }

        impl Bet {
            /// Every bet there is, in its canonical order.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$single),+].into_iter()
                    $(.chain($of::ALL.into_iter().map(Self::$family)))+
            }

            /// What it is, in a sentence.
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$single => concat!($($doc),+),)+
                    $(Self::$family(_) => concat!($($family_doc),+),)+
                }
                .trim_ascii_start()
            }
        }

        impl fmt::Display for Bet {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$single => formatter.write_str($key),)+
                    $(Self::$family(of) => write!(formatter, concat!($stem, ":{}"), of),)+
                }
            }
        }

        impl FromStr for Bet {
            type Err = UnknownBet;

            fn from_str(text: &str) -> Result<Self, UnknownBet> {
                match text {
                    $($key => return Ok(Self::$single),)+
                    _ => {}
                }
                let (stem, of) = text.rsplit_once(':').ok_or(UnknownBet)?;
                match stem {
                    $($stem => of.parse().map(Self::$family).map_err(|_| UnknownBet),)+
                    _ => Err(UnknownBet),
                }
            }
        }
    };
}

bets! {
    single {
        /// The shooter wins: 7 or 11, or the point before a 7.
        Pass = "pass",
        /// The shooter loses, with one craps barred.
        DontPass = "dont_pass",
        /// A pass bet of one's own, made while the puck is on.
        Come = "come",
        /// A don't-pass bet of one's own, made while the puck is on.
        DontCome = "dont_come",
        /// True odds behind a pass bet.
        PassOdds = "odds:pass",
        /// True odds laid behind a don't-pass bet.
        DontPassOdds = "odds:dont_pass",
        /// 6 before a 7.
        BigSix = "big6",
        /// 8 before a 7.
        BigEight = "big8",
        /// 2, 3, 4, 9, 10, 11 or 12 on the next roll.
        Field = "field",
        /// 7 on the next roll.
        AnySeven = "any7",
        /// 2, 3 or 12 on the next roll.
        AnyCraps = "any_craps",
        /// 2 on the next roll.
        Two = "two",
        /// 3 on the next roll.
        Three = "three",
        /// 11 on the next roll.
        Yo = "yo",
        /// 12 on the next roll.
        Boxcars = "boxcars",
        /// Half on any craps, half on 11.
        CAndE = "c_and_e",
        /// A quarter each on 2, 3, 11 and 12.
        Horn = "horn",
        /// A fifth each on 2, 3, 7, 11 and 12.
        World = "world",
        /// A third each on 2, 3 and 12.
        ThreeWay = "three_way",
        /// Half on 2, half on 12.
        HiLo = "hi_lo",
        /// A third on each way to throw 7.
        HopSevens = "hop_sevens",
        /// A fifth on each hardway hopping and on any seven.
        Buffalo = "buffalo",
        /// A fifth on each hardway hopping and on 11.
        BuffaloYo = "buffalo_yo",
        /// 8 to 12 on the next roll.
        OverSeven = "over7",
        /// 2 to 6 on the next roll.
        UnderSeven = "under7",
        /// 2 to 6 on the next roll, 2 paying more.
        Low = "low",
        /// 8 to 12 on the next roll, 12 paying more.
        High = "high",
        /// Four or more different points made in the hand.
        Fire = "fire",
        /// All totals but 7 before a 7.
        All = "all",
        /// 8, 9, 10, 11 and 12 before a 7.
        Tall = "tall",
        /// 2, 3, 4, 5 and 6 before a 7.
        Small = "small",
        /// All totals but 7, or all but one, before a 7.
        HotHand = "hot_hand",
        /// 2, 3, 11 and 12 before a 7.
        FlamingFour = "flaming_four",
        /// 4, 5, 6, 8, 9 and 10 before a 7.
        SizzlingSix = "sizzling_six",
        /// Three or more pass wins in the hand.
        RideTheLine = "ride_the_line",
        /// One point made three or more times in the hand; the best one pays.
        Replay = "replay",
        /// Three or more different doubles before a 7.
        DifferentDoubles = "different_doubles",
        /// Two or more points thrown in all of their ways before a 7.
        HotRoller = "hot_roller",
        /// A long hand, the seven-out counted.
        HotShooter = "hot_shooter",
        /// 7 on the come-out, or right after the point.
        Muggsy = "muggsy",
        /// A point on the come-out, and 7 right after.
        PointSeven = "point_seven",
        /// 7 on the come-out, and a point right after.
        SevenPoint = "seven_point",
        /// 7 on the come-out, a point right after, and 7 right after that.
        SevenPointSeven = "seven_point_seven",
        /// Doubles twice before a 7, by the reading that the house has chosen.
        TwiceAsHard = "twice_as_hard",
    }
    one_of_a_family {
        /// A come bet that has travelled to its number.
        ComeOn(Number) = "come",
        /// A don't-come bet that has travelled behind its number.
        DontComeOn(Number) = "dont_come",
        /// A line bet put straight on the number.
        Put(Number) = "put",
        /// True odds behind a travelled come bet.
        ComeOdds(Number) = "odds:come",
        /// True odds laid behind a travelled don't-come bet.
        DontComeOdds(Number) = "odds:dont_come",
        /// True odds behind a put bet.
        PutOdds(Number) = "odds:put",
        /// The number before a 7.
        Place(Number) = "place",
        /// 7 before the number.
        PlaceToLose(Number) = "place_to_lose",
        /// The number before a 7 at true odds, for a commission on the stake.
        Buy(Number) = "buy",
        /// 7 before the number at true odds, for a commission on the win.
        Lay(Number) = "lay",
        /// The number as a double, before it is thrown soft and before a 7.
        Hard(HardNumber) = "hard",
        /// The number before a 7, at true odds less 2 %.
        Yes(Number) = "yes",
        /// 7 before the number, at true odds less 2 %.
        No(Number) = "no",
        /// The total on the next roll, at true odds less 2 %.
        Next(Total) = "next",
        /// These faces, in either order, on the next roll.
        Hop(Faces) = "hop",
        /// A horn of five, with two on one number.
        HornHigh(HornNumber) = "horn_high",
        /// One of three groups of field numbers on the next roll.
        Fielders(FieldersChoice) = "fielders",
        /// The number, as many times as the house asks, before a 7.
        Repeater(Number) = "repeater",
        /// Craps and elevens before a 7.
        RepeaterPlus(RepeaterPlus) = "repeater_plus",
    }
}

/// A text that is not the key of a bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBet;

impl fmt::Display for UnknownBet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a bet: bets are written like pass, odds:come:6, place:8 or any7")
    }
}

impl core::error::Error for UnknownBet {}

impl Serialize for Bet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Reads a key without allocating what a peer claims its length to be.
struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Bet;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the key of a bet")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bet, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::wire::{Malformed, decode, encode};

    #[test]
    fn every_bet_has_one_key_which_is_also_its_encoding() {
        let keys: Vec<String> = Bet::all().map(|bet| bet.to_string()).collect();
        for (bet, key) in Bet::all().zip(&keys) {
            assert_eq!(key.parse(), Ok(bet));
            assert_eq!(encode(&bet), encode(key));
            assert_eq!(decode(&encode(key), 32), Ok(bet));
        }
        assert_eq!(
            keys.join(" "),
            include_str!("../../tests/data/bets.txt")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        );
        assert!(Bet::all().is_sorted());
    }

    #[test]
    fn what_is_not_a_key_is_not_a_bet() {
        for text in [
            "",
            "Pass",
            "pass ",
            "hard:2",
            "hard:12",
            "place:7",
            "place:06",
            "odds:6",
            ":",
            "hop:2-1",
            "next:13",
            "fielders:4",
            "horn_high:4",
            "repeater:7",
        ] {
            assert_eq!(text.parse::<Bet>(), Err(UnknownBet), "{text}");
            assert_eq!(decode::<Bet>(&encode(text), 32), Err(Malformed::Undecodable));
        }
    }
}
