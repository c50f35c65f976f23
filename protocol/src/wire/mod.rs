//! How values become bytes, and back. Formats and limits only: nothing here knows what a value
//! means. Values are written with postcard; what is read must be exactly what would be written
//! (no trailing bytes, no over-long integers), so that one value has one encoding and hashes and
//! signatures over bytes are hashes and signatures over values.

mod armor;
mod bounded;
mod hash;
pub mod limits;

use alloc::vec::Vec;
use core::fmt;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use armor::{BadText, armor, dearmor};
pub use bounded::{List, Text, TooLong};
pub use hash::{Digest, Hash, Hasher};

/// The version of everything exchanged between nodes. Nodes of different versions do not talk.
pub const VERSION: u16 = 1;

/// Bytes that are not the encoding of a value of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than the type's limit; nothing was decoded.
    TooLarge,
    /// Not a value of this type: truncated, unknown variant, over a field's bound.
    Undecodable,
    /// Decodes, but is not what encoding the value gives: trailing bytes or a longer integer form.
    NotCanonical,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLarge => "longer than allowed",
            Self::Undecodable => "not a value of the expected type",
            Self::NotCanonical => "not in canonical form",
        })
    }
}

impl core::error::Error for Malformed {}

/// Room for most messages, so that they are written without a second allocation.
const TYPICAL_BYTES: usize = 256;

/// The canonical bytes of `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::serialize_with_flavor(value, Written(Vec::with_capacity(TYPICAL_BYTES)))
        .expect("serialising our own plain data types into memory cannot fail")
}

/// The bytes so far while a value is encoded. `postcard::to_extend` takes three times as long
/// (`benches/benches/wire.rs`).
struct Written(Vec<u8>);

impl Flavor for Written {
    type Output = Vec<u8>;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Reads a value from exactly its canonical bytes, at most `limit` of them.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, Malformed> {
    if bytes.len() > limit {
        return Err(Malformed::TooLarge);
    }
    let (value, rest) =
        postcard::take_from_bytes::<T>(bytes).map_err(|_| Malformed::Undecodable)?;
    if !rest.is_empty() || !is_encoding(bytes, &value) {
        return Err(Malformed::NotCanonical);
    }
    Ok(value)
}

/// Whether `bytes` are what encoding `value` gives; compares while it encodes.
fn is_encoding<T: Serialize>(bytes: &[u8], value: &T) -> bool {
    postcard::serialize_with_flavor(value, Expected(bytes)) == Ok(true)
}

/// The bytes still to come while a value is encoded.
struct Expected<'a>(&'a [u8]);

impl Flavor for Expected<'_> {
    type Output = bool;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        // Keys and signatures come byte by byte: no call for each of them.
        let (next, rest) = self.0.split_first().ok_or(postcard::Error::SerializeBufferFull)?;
        if *next != byte {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.0 = rest;
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn only_canonical_bytes_decode() {
        assert_eq!(encode(&5u64), vec![5]);
        assert_eq!(decode::<u64>(&[5], 8), Ok(5));
        assert_eq!(decode::<u64>(&[0x85, 0], 8), Err(Malformed::NotCanonical));
        assert_eq!(decode::<u64>(&[5, 0], 8), Err(Malformed::NotCanonical));
        assert_eq!(decode::<u64>(&[0x85], 8), Err(Malformed::Undecodable));
        assert_eq!(decode::<u64>(&[5], 0), Err(Malformed::TooLarge));
    }
}
