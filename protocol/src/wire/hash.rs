//! 32-byte BLAKE3 hashes, always under a domain tag, so that a hash of one kind of thing never
//! equals a hash of another.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{Malformed, encode};

/// A BLAKE3 hash. Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

/// The name of what is being hashed: the context string of BLAKE3's key derivation mode.
pub type Digest = &'static str;

/// A BLAKE3 computation under a domain tag.
pub type Hasher = blake3::Hasher;

impl Hash {
    /// A computation under the domain tag `digest`.
    pub fn hasher(digest: Digest) -> Hasher {
        Hasher::new_derive_key(digest)
    }

    /// The hash of `bytes` under the domain tag `digest`.
    pub fn of_bytes(digest: Digest, bytes: &[u8]) -> Self {
        Self(blake3::derive_key(digest, bytes))
    }

    /// The hash of `value`'s canonical encoding under the domain tag `digest`.
    pub fn of<T: Serialize + ?Sized>(digest: Digest, value: &T) -> Self {
        Self::of_bytes(digest, &encode(value))
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        alloc::format!("{self}").chars().take(8).collect()
    }
}

impl From<&mut Hasher> for Hash {
    fn from(hasher: &mut Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.short())
    }
}

impl FromStr for Hash {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(Malformed::Undecodable);
        }
        HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).map_err(|_| Malformed::Undecodable)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_hash_reads_back_what_it_displays_and_nothing_else() {
        let hash = Hash::of("bitcraps test", &1u8);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse::<Hash>(), Err(Malformed::Undecodable));
        assert_eq!("00".parse::<Hash>(), Err(Malformed::Undecodable));
    }

    #[test]
    fn domains_separate() {
        assert_ne!(Hash::of("bitcraps a", &1u8), Hash::of("bitcraps b", &1u8));
    }
}
