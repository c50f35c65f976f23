//! Bytes as one word that people copy: a prefix that says what it is, base32, and a checksum that
//! catches a slip of the hand before anybody is paid.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use data_encoding::BASE32_NOPAD;

use super::Hash;

const CHECKSUM_BYTES: usize = 4;

/// A text that is not what its reader expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadText {
    /// Does not begin with this prefix: a different kind of text.
    Prefix(&'static str),
    /// A character or a length that base32 does not have.
    Characters,
    /// The checksum does not fit: mistyped or cut off.
    Checksum,
    /// Intact, but the content is not valid.
    Content,
}

impl fmt::Display for BadText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(formatter, "does not begin with \"{prefix}\""),
            Self::Characters => formatter.write_str("holds characters that do not belong there"),
            Self::Checksum => {
                formatter.write_str("was mistyped or cut off (its checksum does not fit)")
            }
            Self::Content => formatter.write_str("is intact, but its content is not valid"),
        }
    }
}

impl core::error::Error for BadText {}

/// `bytes` as a lower-case word that begins with `prefix`.
pub fn armor(prefix: &'static str, bytes: &[u8]) -> String {
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(&checksum(prefix, bytes));
    let mut text = String::from(prefix);
    text.push_str(&BASE32_NOPAD.encode(&sealed).to_ascii_lowercase());
    text
}

/// The bytes behind a word made by [`armor`] with the same prefix, in either letter case.
pub fn dearmor(prefix: &'static str, text: &str) -> Result<Vec<u8>, BadText> {
    let start = text.get(..prefix.len()).ok_or(BadText::Prefix(prefix))?;
    if !start.eq_ignore_ascii_case(prefix) {
        return Err(BadText::Prefix(prefix));
    }
    let digits = text[prefix.len()..].to_ascii_uppercase();
    let mut bytes = BASE32_NOPAD.decode(digits.as_bytes()).map_err(|_| BadText::Characters)?;
    let content = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(BadText::Checksum)?;
    if bytes[content..] != checksum(prefix, &bytes[..content]) {
        return Err(BadText::Checksum);
    }
    bytes.truncate(content);
    Ok(bytes)
}

fn checksum(prefix: &'static str, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Hash::hasher("bitcraps 2026 text checksum");
    hasher.update(prefix.as_bytes()).update(bytes);
    let Hash([a, b, c, d, ..]) = Hash::from(&mut hasher);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_changed_character_is_noticed() {
        let text = armor("craps1", &[1, 2, 3, 4, 5, 6]);
        assert_eq!(dearmor("craps1", &text), Ok(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(dearmor("craps1", &text.to_ascii_uppercase()), Ok(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(dearmor("card1", &text), Err(BadText::Prefix("card1")));
        for position in "craps1".len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[position] = if wrong[position] == b'a' { b'b' } else { b'a' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(dearmor("craps1", &wrong).is_err(), "{wrong}");
        }
        assert!(dearmor("craps1", "é").is_err());
        assert_eq!(dearmor("craps1", "craps1"), Err(BadText::Checksum));
    }
}
