//! Two dice: their faces, the numbers that can be a point, and sets of outcomes.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Two dice as they came to rest; (1, 2) and (2, 1) are different outcomes of equal meaning.
///
/// Serialised as its two faces; anything but faces from 1 to 6 is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct Dice {
    first: u8,
    second: u8,
}

/// Two numbers that are not the faces of two dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDice;

impl Dice {
    /// Outcomes of two dice, counting order: 6 x 6.
    const OUTCOMES: u8 = 36;

    /// Bytes below this bound fall on every outcome equally often: 7 x 36.
    const FAIR_BYTES: u8 = 252;

    /// The dice with these faces, if both are faces.
    pub const fn new(first: u8, second: u8) -> Option<Self> {
        if matches!((first, second), (1..=6, 1..=6)) { Some(Self { first, second }) } else { None }
    }

    /// The dice that a stream of uniform bytes means: the first byte below 252 decides, so that
    /// every outcome is equally likely. (craps.md section 9)
    ///
    /// # Panics
    ///
    /// If the stream ends undecided: it must be an extendable output, which has no end.
    pub fn from_bytes(bytes: impl Iterator<Item = u8>) -> Self {
        let byte = bytes
            .into_iter()
            .find(|byte| *byte < Self::FAIR_BYTES)
            .expect("an extendable output has no end");
        Self::from_index(byte % Self::OUTCOMES)
    }

    /// Every outcome, in the order of its faces.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::OUTCOMES).map(Self::from_index)
    }

    /// The two faces.
    pub const fn faces(self) -> (u8, u8) {
        (self.first, self.second)
    }

    /// The sum of the faces, 2 to 12.
    pub const fn total(self) -> u8 {
        self.first + self.second
    }

    /// Whether both faces are equal.
    pub const fn is_hard(self) -> bool {
        self.first == self.second
    }

    /// The number thrown, if it can be a point at every table: 4, 5, 6, 8, 9 or 10.
    pub const fn number(self) -> Option<Number> {
        match Number::from_total(self.total()) {
            Some(number) if number.is_point() => Some(number),
            Some(_) | None => None,
        }
    }

    const fn from_index(index: u8) -> Self {
        Self { first: index / 6 + 1, second: index % 6 + 1 }
    }

    const fn index(self) -> u8 {
        (self.first - 1) * 6 + self.second - 1
    }
}

impl fmt::Display for Dice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.second)
    }
}

impl TryFrom<(u8, u8)> for Dice {
    type Error = NotDice;

    fn try_from((first, second): (u8, u8)) -> Result<Self, NotDice> {
        Self::new(first, second).ok_or(NotDice)
    }
}

impl From<Dice> for (u8, u8) {
    fn from(dice: Dice) -> Self {
        dice.faces()
    }
}

impl fmt::Display for NotDice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not two dice: a face is a number from 1 to 6")
    }
}

impl core::error::Error for NotDice {}

/// A number that bets wait for: any total but 7. At most tables only 4, 5, 6, 8, 9 and 10 can be
/// points; where craps is played crapless, all ten can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Number {
    /// 2, thrown in one way of 36.
    Two,
    /// 3, thrown in two ways.
    Three,
    /// 4, thrown in three ways.
    Four,
    /// 5, thrown in four ways.
    Five,
    /// 6, thrown in five ways.
    Six,
    /// 8, thrown in five ways.
    Eight,
    /// 9, thrown in four ways.
    Nine,
    /// 10, thrown in three ways.
    Ten,
    /// 11, thrown in two ways.
    Eleven,
    /// 12, thrown in one way.
    Twelve,
}

/// Not one of the numbers that a bet of this kind can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNumber;

impl Number {
    /// All of them, in rising order.
    pub const ALL: [Self; 10] = [
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
        Self::Eight,
        Self::Nine,
        Self::Ten,
        Self::Eleven,
        Self::Twelve,
    ];

    /// Those that can be a point at every table.
    pub const POINTS: [Self; 6] =
        [Self::Four, Self::Five, Self::Six, Self::Eight, Self::Nine, Self::Ten];

    /// The number that is this total, unless it is 7 or no total.
    pub const fn from_total(total: u8) -> Option<Self> {
        match total {
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            4 => Some(Self::Four),
            5 => Some(Self::Five),
            6 => Some(Self::Six),
            8 => Some(Self::Eight),
            9 => Some(Self::Nine),
            10 => Some(Self::Ten),
            11 => Some(Self::Eleven),
            12 => Some(Self::Twelve),
            _ => None,
        }
    }

    /// The total that is this number.
    pub const fn total(self) -> u8 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Five => 5,
            Self::Six => 6,
            Self::Eight => 8,
            Self::Nine => 9,
            Self::Ten => 10,
            Self::Eleven => 11,
            Self::Twelve => 12,
        }
    }

    /// Whether it can be a point at every table.
    pub const fn is_point(self) -> bool {
        matches!(self.total(), 4..=10)
    }

    /// In how many ways of 36 it is thrown.
    pub const fn ways(self) -> u32 {
        6 - self.total().abs_diff(7) as u32
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total().fmt(formatter)
    }
}

impl FromStr for Number {
    type Err = NotNumber;

    fn from_str(text: &str) -> Result<Self, NotNumber> {
        Self::from_total(one_spelling(text)?).ok_or(NotNumber)
    }
}

/// A number as it is written: without sign, without leading zeros.
fn one_spelling(text: &str) -> Result<u8, NotNumber> {
    if text.starts_with(['0', '+']) { Err(NotNumber) } else { text.parse().map_err(|_| NotNumber) }
}

impl TryFrom<u8> for Number {
    type Error = NotNumber;

    fn try_from(total: u8) -> Result<Self, NotNumber> {
        Self::from_total(total).ok_or(NotNumber)
    }
}

impl From<Number> for u8 {
    fn from(number: Number) -> Self {
        number.total()
    }
}

impl fmt::Display for NotNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a number that this bet can be on")
    }
}

impl core::error::Error for NotNumber {}

/// A number that can be thrown both hard, as a double, and soft. Two and twelve have no soft way,
/// so they are no hardways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HardNumber {
    /// 2-2.
    Four,
    /// 3-3.
    Six,
    /// 4-4.
    Eight,
    /// 5-5.
    Ten,
}

impl HardNumber {
    /// All of them, in rising order.
    pub const ALL: [Self; 4] = [Self::Four, Self::Six, Self::Eight, Self::Ten];

    /// The number that the double makes.
    pub const fn number(self) -> Number {
        match self {
            Self::Four => Number::Four,
            Self::Six => Number::Six,
            Self::Eight => Number::Eight,
            Self::Ten => Number::Ten,
        }
    }
}

impl fmt::Display for HardNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(formatter)
    }
}

impl FromStr for HardNumber {
    type Err = NotNumber;

    fn from_str(text: &str) -> Result<Self, NotNumber> {
        match text {
            "4" => Ok(Self::Four),
            "6" => Ok(Self::Six),
            "8" => Ok(Self::Eight),
            "10" => Ok(Self::Ten),
            _ => Err(NotNumber),
        }
    }
}

/// Declares choices that are written as one number out of a few.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident: [$($choice:literal)+],)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u8);

        impl $name {
            /// All of them, in rising order.
            pub const ALL: [Self; [$($choice),+].len()] = [$(Self($choice)),+];

            /// The number that it is written as.
            pub const fn get(self) -> u8 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = NotNumber;

            fn from_str(text: &str) -> Result<Self, NotNumber> {
                let choice = Self(one_spelling(text)?);
                if Self::ALL.contains(&choice) { Ok(choice) } else { Err(NotNumber) }
            }
        }
    )+};
}

choices! {
    /// Any total of two dice.
    Total: [2 3 4 5 6 7 8 9 10 11 12],
    /// A number of the horn, which takes the odd chip of a horn high.
    HornNumber: [2 3 11 12],
    /// A fielder's choice: 1 is on 2, 3 and 4; 2 on 4, 9 and 10; 3 on 10, 11 and 12.
    FieldersChoice: [1 2 3],
    /// A Repeater Plus: 1 is on 2 or 12, 2 on 3 or 11, 3 on seven of these four in all.
    RepeaterPlus: [1 2 3],
}

/// Two faces, in whichever order they fall; written with the smaller one first, as `1-6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Faces {
    low: u8,
    high: u8,
}

impl Faces {
    /// All 21 of them, in rising order.
    pub const ALL: [Self; 21] = {
        let mut all = [Self { low: 1, high: 1 }; 21];
        let (mut low, mut high, mut index) = (1, 1, 0);
        while index < 21 {
            all[index] = Self { low, high };
            (low, high) = if high == 6 { (low + 1, low + 1) } else { (low, high + 1) };
            index += 1;
        }
        all
    };

    /// These two, in either order; both must be faces.
    const fn of(one: u8, other: u8) -> Self {
        if one <= other { Self { low: one, high: other } } else { Self { low: other, high: one } }
    }

    /// The smaller one and the larger one.
    pub const fn get(self) -> (u8, u8) {
        (self.low, self.high)
    }

    /// Their sum.
    pub const fn total(self) -> u8 {
        self.low + self.high
    }

    /// Whether both are equal, which one outcome of 36 shows instead of two.
    pub const fn is_hard(self) -> bool {
        self.low == self.high
    }
}

impl From<Dice> for Faces {
    fn from(dice: Dice) -> Self {
        Self::of(dice.first, dice.second)
    }
}

impl fmt::Display for Faces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.low, self.high)
    }
}

impl FromStr for Faces {
    type Err = NotNumber;

    fn from_str(text: &str) -> Result<Self, NotNumber> {
        let (low, high) = text.split_once('-').ok_or(NotNumber)?;
        let faces = Self { low: one_spelling(low)?, high: one_spelling(high)? };
        if Self::ALL.contains(&faces) { Ok(faces) } else { Err(NotNumber) }
    }
}

/// A set of the 36 outcomes of two dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rolls(u64);

impl Rolls {
    pub(super) const NONE: Self = Self(0);

    const BY_TOTAL: [u64; 13] = {
        let mut sets = [0; 13];
        let mut index = 0;
        while index < Dice::OUTCOMES {
            sets[Dice::from_index(index).total() as usize] |= 1 << index;
            index += 1;
        }
        sets
    };

    /// The outcomes with one of these totals, each 2 to 12.
    pub(super) fn totals(totals: &[u8]) -> Self {
        Self(totals.iter().fold(0, |set, total| set | Self::BY_TOTAL[usize::from(*total)]))
    }

    /// The one way to throw this number as a double.
    pub(super) const fn hard(number: HardNumber) -> Self {
        let face = number.number().total() / 2;
        Self(1 << Dice { first: face, second: face }.index())
    }

    /// The outcomes that show these faces: one or two.
    pub(super) const fn faces(faces: Faces) -> Self {
        let one = Dice { first: faces.low, second: faces.high };
        let other = Dice { first: faces.high, second: faces.low };
        Self(1 << one.index() | 1 << other.index())
    }

    /// The doubles that are hardways.
    pub(super) fn hardways() -> Self {
        HardNumber::ALL.into_iter().fold(Self::NONE, |all, hard| all.or(Self::hard(hard)))
    }

    /// All doubles.
    pub(super) fn doubles() -> Self {
        Dice::all()
            .filter(|dice| dice.is_hard())
            .fold(Self::NONE, |all, dice| all.or(Self::faces(dice.into())))
    }

    pub(super) const fn or(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// All outcomes that are not in this set.
    pub(super) const fn others(self) -> Self {
        Self(((1 << Dice::OUTCOMES) - 1) & !self.0)
    }

    /// The outcomes of this set that are not in `less`.
    pub(super) const fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    pub(super) const fn contains(self, dice: Dice) -> bool {
        self.0 >> dice.index() & 1 == 1
    }

    /// How many of the 36 outcomes are in the set.
    pub(super) const fn ways(self) -> u32 {
        self.0.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::wire::{Malformed, decode, encode};

    fn dice(bytes: &[u8]) -> (u8, u8) {
        Dice::from_bytes(bytes.iter().copied()).faces()
    }

    #[test]
    fn bytes_become_dice_as_the_published_vectors_say() {
        assert_eq!(dice(&[0]), (1, 1));
        assert_eq!(dice(&[35]), (6, 6));
        assert_eq!(dice(&[36]), (1, 1));
        assert_eq!(dice(&[251]), (6, 6));
        assert_eq!(dice(&[252, 7]), (2, 2));
        assert_eq!(dice(&[253, 254, 255, 252, 9, 1]), (2, 4));
    }

    #[test]
    fn every_outcome_comes_from_exactly_seven_bytes_and_four_bytes_are_passed_over() {
        let mut counts = [0; 36];
        for byte in 0..=255u8 {
            let thrown = Dice::from_bytes([byte, 0].into_iter());
            if byte >= 252 {
                assert_eq!(thrown.faces(), (1, 1), "{byte} must leave it to the next byte");
            } else {
                counts[usize::from(thrown.index())] += 1;
            }
        }
        assert_eq!(counts, [7; 36]);
    }

    #[test]
    #[should_panic(expected = "an extendable output has no end")]
    fn a_stream_that_ends_undecided_has_no_fall_back_dice() {
        Dice::from_bytes([252, 255].into_iter());
    }

    #[test]
    fn only_faces_are_dice_in_memory_and_on_the_wire() {
        assert_eq!(Dice::new(0, 1), None);
        assert_eq!(Dice::new(1, 7), None);
        let thrown = Dice::new(3, 4).unwrap();
        assert_eq!(encode(&thrown), [3, 4]);
        assert_eq!(decode::<Dice>(&[3, 4], 2), Ok(thrown));
        assert_eq!(decode::<Dice>(&[3, 7], 2), Err(Malformed::Undecodable));
        assert_eq!(decode::<Dice>(&[0, 4], 2), Err(Malformed::Undecodable));
        assert_eq!((thrown.total(), thrown.is_hard(), thrown.number()), (7, false, None));
        assert_eq!(Dice::new(6, 6).unwrap().number(), None);
    }

    #[test]
    fn numbers_are_written_and_read_as_totals() {
        for number in Number::ALL {
            assert_eq!(std::format!("{number}").parse(), Ok(number));
            assert_eq!(Number::from_total(number.total()), Some(number));
            assert_eq!(encode(&number), [number.total()]);
        }
        let hard: Vec<u8> = HardNumber::ALL.iter().map(|hard| hard.number().total()).collect();
        assert_eq!(hard, [4, 6, 8, 10]);
        for text in ["2", "12", "7", "04", "5"] {
            assert_eq!(text.parse::<HardNumber>(), Err(NotNumber));
        }
        assert_eq!(decode::<Number>(&[7], 1), Err(Malformed::Undecodable));
        let faces: Vec<_> = Faces::ALL.into_iter().map(|faces| std::format!("{faces}")).collect();
        assert_eq!(faces[..7], ["1-1", "1-2", "1-3", "1-4", "1-5", "1-6", "2-2"]);
        assert_eq!(faces[20], "6-6");
        for text in ["2-1", "0-1", "1-7", "1", "1-01", "1-1-1"] {
            assert_eq!(text.parse::<Faces>(), Err(NotNumber), "{text}");
        }
        let ways: u32 = Faces::ALL.into_iter().map(|faces| Rolls::faces(faces).ways()).sum();
        assert_eq!(ways, 36);
    }

    #[test]
    fn sets_of_rolls_count_their_ways() {
        let ways: Vec<u32> = (2..=12).map(|total| Rolls::totals(&[total]).ways()).collect();
        assert_eq!(ways, [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]);
        assert_eq!(Rolls::totals(&[7]).others().ways(), 30);
        assert_eq!(Rolls::hard(HardNumber::Ten).ways(), 1);
        assert!(Rolls::hard(HardNumber::Ten).contains(Dice::new(5, 5).unwrap()));
        assert!(Dice::all().eq(Dice::all().filter(|dice| Rolls::NONE.others().contains(*dice))));
    }
}
