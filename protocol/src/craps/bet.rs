//! What a bet is called. What it does is in `catalogue`.

use core::fmt;
use core::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{HardNumber, Number};

/// Declares the bets: from one list come the type, its keys in both directions, and the
/// enumeration of all bets, so that none can be forgotten in one of them.
macro_rules! bets {
    (
        single { $($(#[$doc:meta])* $single:ident = $key:literal,)+ }
        on_a_number { $($(#[$family_doc:meta])* $family:ident($of:ident) = $stem:literal,)+ }
    ) => {
        /// A bet on the layout. Its key, as `Display` writes and `FromStr` reads it, is also its
        /// serialised form, so a bet keeps its encoding when others are added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bet {
            $($(#[$doc])* $single,)+
            $($(#[$family_doc])* $family($of),)+
        }

        impl Bet {
            /// Every bet there is, in its canonical order.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$single),+].into_iter()
                    $(.chain($of::ALL.into_iter().map(Self::$family)))+
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
    }
    on_a_number {
        /// A come bet that has travelled to its number.
        ComeOn(Number) = "come",
        /// A don't-come bet that has travelled behind its number.
        DontComeOn(Number) = "dont_come",
        /// True odds behind a travelled come bet.
        ComeOdds(Number) = "odds:come",
        /// True odds laid behind a travelled don't-come bet.
        DontComeOdds(Number) = "odds:dont_come",
        /// The number before a 7.
        Place(Number) = "place",
        /// The number as a double, before it is thrown soft and before a 7.
        Hard(HardNumber) = "hard",
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
            "pass dont_pass come dont_come odds:pass odds:dont_pass field any7 any_craps two three \
             yo boxcars come:4 come:5 come:6 come:8 come:9 come:10 dont_come:4 dont_come:5 \
             dont_come:6 dont_come:8 dont_come:9 dont_come:10 odds:come:4 odds:come:5 odds:come:6 \
             odds:come:8 odds:come:9 odds:come:10 odds:dont_come:4 odds:dont_come:5 \
             odds:dont_come:6 odds:dont_come:8 odds:dont_come:9 odds:dont_come:10 place:4 place:5 \
             place:6 place:8 place:9 place:10 hard:4 hard:6 hard:8 hard:10"
        );
        assert!(Bet::all().is_sorted());
    }

    #[test]
    fn what_is_not_a_key_is_not_a_bet() {
        for text in ["", "Pass", "pass ", "hard:2", "hard:12", "place:7", "place:06", "odds:6", ":"]
        {
            assert_eq!(text.parse::<Bet>(), Err(UnknownBet), "{text}");
            assert_eq!(decode::<Bet>(&encode(text), 32), Err(Malformed::Undecodable));
        }
    }
}
