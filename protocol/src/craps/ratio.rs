//! Exact proportions: what a bet pays for its stake, or how many times the flat bet odds may be.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Chips;

/// `a` to `b` in lowest terms, written `a:b`. As a pay it is profit: 15:1 wins fifteen and keeps
/// the stake ("15 for 1" would be 14:1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    over: u32,
    under: u32,
}

/// A text or a pair that is not a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRatio;

impl Ratio {
    /// Even money.
    pub const EVEN: Self = Self { over: 1, under: 1 };

    /// Neither term is larger; enough for every published pay table.
    pub const MAX_TERM: u32 = 10_000;

    /// The ratio `over` to `under`.
    ///
    /// # Panics
    ///
    /// If it is not in lowest terms or out of bounds; for constants. Use [`Ratio::new`] otherwise.
    pub const fn to(over: u32, under: u32) -> Self {
        match Self::new(over, under) {
            Some(ratio) => ratio,
            None => panic!("a ratio is written in lowest terms"),
        }
    }

    /// The ratio `over` to `under`, if `under` is positive, both are in lowest terms, and neither
    /// exceeds [`Ratio::MAX_TERM`].
    pub const fn new(over: u32, under: u32) -> Option<Self> {
        let bounded = over <= Self::MAX_TERM && under <= Self::MAX_TERM;
        if bounded && under > 0 && greatest_common_divisor(over as u64, under as u64) == 1 {
            Some(Self { over, under })
        } else {
            None
        }
    }

    /// The ratio `over` to `under`, brought into lowest terms.
    ///
    /// # Panics
    ///
    /// If it is then out of bounds, or `under` is 0; for terms known to be small.
    pub(super) const fn reduced(over: u32, under: u32) -> Self {
        let common = greatest_common_divisor(over as u64, under as u64) as u32;
        Self::to(over / common, under / common)
    }

    /// Whether it is not larger than `other`.
    pub(super) const fn is_at_most(self, other: Self) -> bool {
        self.over as u64 * other.under as u64 <= other.over as u64 * self.under as u64
    }

    /// The two terms.
    pub const fn terms(self) -> (u32, u32) {
        (self.over, self.under)
    }

    /// `chips` times this ratio, rounded down once.
    pub const fn of(self, chips: Chips) -> u128 {
        chips.0 as u128 * self.over as u128 / self.under as u128
    }
}

/// Of which both are multiples; `0` and `n` give `n`.
pub(super) const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.over, self.under)
    }
}

impl FromStr for Ratio {
    type Err = NotRatio;

    fn from_str(text: &str) -> Result<Self, NotRatio> {
        let (over, under) = text.split_once(':').ok_or(NotRatio)?;
        let over = over.parse().map_err(|_| NotRatio)?;
        let under = under.parse().map_err(|_| NotRatio)?;
        Self::new(over, under).ok_or(NotRatio)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for NotRatio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "not a ratio in lowest terms: write it like 7:6, with numbers up to {}",
            Ratio::MAX_TERM
        )
    }
}

impl core::error::Error for NotRatio {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profit_is_one_multiplication_and_one_floor() {
        assert_eq!(Ratio::to(7, 6).of(Chips(12)), 14);
        assert_eq!(Ratio::to(7, 6).of(Chips(11)), 12);
        assert_eq!(Ratio::to(2, 3).of(Chips(100)), 66);
        assert_eq!(Ratio::to(30, 1).of(Chips(u64::MAX)), 30 * u128::from(u64::MAX));
    }

    #[test]
    fn a_ratio_has_one_spelling() {
        assert_eq!("9:5".parse(), Ok(Ratio::to(9, 5)));
        assert_eq!("0:1".parse(), Ok(Ratio::to(0, 1)));
        for text in ["18:10", "1:0", "0:0", "0:2", "9", "9:5:1", "9.5:1", "-1:1", "10001:1", ""] {
            assert_eq!(text.parse::<Ratio>(), Err(NotRatio), "{text}");
        }
    }
}
