//! What a script calls its players.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Player;
use super::{HOUSE, UNNAMED};

/// A player's name in a script: up to 31 letters, digits and `-`, `_` or `.`, or the 64 hexadecimal
/// digits of the player's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Player);

/// A text that cannot be a player's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotName;

impl Name {
    /// Bytes of the longest name that is not a key.
    pub const TEXT_BYTES: usize = 31;

    /// Who is called so.
    pub const fn player(self) -> Player {
        self.0
    }

    /// The name, if these bytes are one and not a key.
    fn text(&self) -> Option<&str> {
        let bytes = &self.0.0;
        let length = bytes.iter().position(|byte| *byte == 0)?;
        let (text, rest) = bytes.split_at(length);
        let is_text = length > 0 && text.iter().copied().all(is_of_a_name);
        (is_text && rest.iter().all(|byte| *byte == 0)).then_some(())?;
        core::str::from_utf8(text).ok()
    }
}

const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl From<Player> for Name {
    fn from(player: Player) -> Self {
        Self(player)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => formatter.write_str(text),
            None => formatter.write_str(&HEXLOWER.encode(&self.0.0)),
        }
    }
}

impl FromStr for Name {
    type Err = NotName;

    fn from_str(text: &str) -> Result<Self, NotName> {
        let mut bytes = [0; 32];
        if text.len() == 64 {
            let decoded = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotName)?;
            bytes.copy_from_slice(&decoded);
        } else {
            let is_text = (1..=Self::TEXT_BYTES).contains(&text.len());
            if !is_text || !text.bytes().all(is_of_a_name) {
                return Err(NotName);
            }
            bytes[..text.len()].copy_from_slice(text.as_bytes());
        }
        let player = Player(bytes);
        if player == HOUSE || player == UNNAMED { Err(NotName) } else { Ok(Self(player)) }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for NotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "not a player's name: up to {} letters, digits, - _ or ., or 64 hexadecimal digits",
            Name::TEXT_BYTES
        )
    }
}

impl core::error::Error for NotName {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_name_is_a_word_or_a_key() {
        let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        for text in ["anna", "Bert_2.b-c", key] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        let long = "a".repeat(32);
        for text in ["", "two words", "Zoë", &long, &key[1..], &key.to_uppercase()] {
            assert_eq!(text.parse::<Name>(), Err(NotName), "{text}");
        }
        let house = "0".repeat(64);
        assert_eq!(house.parse::<Name>(), Err(NotName), "the house plays no bets");
    }
}
