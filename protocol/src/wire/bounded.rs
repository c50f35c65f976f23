//! Lists and texts that cannot be longer than their type says, whoever sent them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// More elements or bytes than the type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What the type allows.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "longer than the {} allowed", self.limit)
    }
}

impl core::error::Error for TooLong {}

/// At most `MAX` elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Wraps `items`, if there are not too many.
    pub fn new(items: Vec<T>) -> Result<Self, TooLong> {
        if items.len() > MAX { Err(TooLong { limit: MAX }) } else { Ok(Self(items)) }
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// At most `MAX` bytes of UTF-8 without control characters, so that printing it is harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Wraps `text` if it fits; control characters are refused like excess length.
    pub fn new(text: impl Into<String>) -> Result<Self, TooLong> {
        let text = text.into();
        if text.len() > MAX || text.chars().any(char::is_control) {
            return Err(TooLong { limit: MAX });
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::wire::{Malformed, decode, encode};

    #[test]
    fn what_is_too_long_does_not_decode() {
        let bytes = encode(&vec![1u8, 2, 3]);
        assert_eq!(decode::<List<u8, 3>>(&bytes, 16).map(List::into_vec), Ok(vec![1, 2, 3]));
        assert_eq!(decode::<List<u8, 2>>(&bytes, 16), Err(Malformed::Undecodable));
        assert_eq!(decode::<Text<2>>(&encode("abc"), 16), Err(Malformed::Undecodable));
        assert!(Text::<8>::new("a\u{1b}[2J").is_err());
    }

    #[test]
    fn a_length_bomb_allocates_nothing_it_was_not_sent() {
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode::<List<u64, 512>>(&bomb, 16), Err(Malformed::Undecodable));
    }
}
