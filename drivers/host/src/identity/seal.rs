//! A secret under a passphrase: Argon2id stretches the passphrase, XChaCha20-Poly1305 seals the
//! secret together with everything that stands beside it.
//!
//! A short value derived beside the key tells a wrong passphrase from a box that was tampered with.
//! It helps a guesser no more than the box itself does.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use bitcraps_protocol::wire::Hash;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of the longest passphrase.
const PASSPHRASE_BYTES: usize = 1024;
/// What a file may ask of our memory, in KiB, so that a hostile one cannot exhaust it: 1 GiB.
const MEMORY_KIB: u32 = 1024 * 1024;
/// What a file may ask of our time.
const PASSES: u32 = 16;
const LANES: u32 = 16;

pub(super) const SALT_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const CHECK_BYTES: usize = 16;
/// A seed and its tag.
pub(super) const BOX_BYTES: usize = 32 + 16;

/// What a human knows and no file says.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassphrase {
    /// There is nothing in it.
    #[error("an empty passphrase protects nothing")]
    Empty,
    /// It is longer than anybody types.
    #[error("a passphrase has at most {PASSPHRASE_BYTES} bytes")]
    TooLong,
}

/// What guessing a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A sealed seed with all that is needed to open it but the passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) cost: Cost,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) check: [u8; CHECK_BYTES],
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) sealed: [u8; BOX_BYTES],
}

/// Why a seal does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CannotOpen {
    /// It was made with another passphrase.
    WrongPassphrase,
    /// The passphrase is right, and what it sealed is not what is there.
    Tampered,
}

impl Passphrase {
    /// The passphrase `text`.
    pub fn new(text: Zeroizing<String>) -> Result<Self, BadPassphrase> {
        match text.len() {
            0 => Err(BadPassphrase::Empty),
            length if length > PASSPHRASE_BYTES => Err(BadPassphrase::TooLong),
            _ => Ok(Self(text)),
        }
    }

    #[cfg(test)]
    pub(super) fn is(&self, text: &str) -> bool {
        *self.0 == text
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase")
    }
}

impl Cost {
    /// The second recommendation of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Whether a file may ask for it.
    pub(super) fn is_bearable(&self) -> bool {
        self.memory_kib <= MEMORY_KIB
            && self.passes <= PASSES
            && self.lanes <= LANES
            && self.params().is_some()
    }

    fn params(&self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(64)).ok()
    }
}

impl Sealed {
    /// Seals `seed` together with `beside`, which stays readable. Salt and nonce are random.
    pub(super) fn seal(
        passphrase: &Passphrase,
        cost: Cost,
        (salt, nonce): ([u8; SALT_BYTES], [u8; NONCE_BYTES]),
        seed: &[u8; 32],
        beside: &[u8],
    ) -> Self {
        let keys = Keys::stretch(passphrase, cost, &salt);
        let aad = associated(cost, &salt, beside);
        let sealed = keys.cipher().encrypt(&nonce.into(), Payload { msg: seed, aad: &aad });
        let sealed = sealed.expect("a seed is short enough to be sealed");
        let sealed = sealed.try_into().expect("a sealed seed has its length");
        Self { cost, salt, check: keys.check(), nonce, sealed }
    }

    /// The seed, if `passphrase` and `beside` are what it was sealed with.
    pub(super) fn open(
        &self,
        passphrase: &Passphrase,
        beside: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, CannotOpen> {
        let keys = Keys::stretch(passphrase, self.cost, &self.salt);
        if !bool::from(keys.check().ct_eq(&self.check)) {
            return Err(CannotOpen::WrongPassphrase);
        }
        let aad = associated(self.cost, &self.salt, beside);
        let payload = Payload { msg: &self.sealed, aad: &aad };
        let opened = keys.cipher().decrypt(&self.nonce.into(), payload);
        let opened = Zeroizing::new(opened.map_err(|_| CannotOpen::Tampered)?);
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&opened);
        Ok(seed)
    }
}

/// What Argon2 makes of a passphrase: a key, and what to recognise it by.
struct Keys(Zeroizing<[u8; 64]>);

impl Keys {
    fn stretch(passphrase: &Passphrase, cost: Cost, salt: &[u8; SALT_BYTES]) -> Self {
        let params = cost.params().expect("costs are checked when they are read");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut keys = Zeroizing::new([0; 64]);
        argon2
            .hash_password_into(passphrase.0.as_bytes(), salt, &mut *keys)
            .expect("passphrase, salt and output have lengths that Argon2 takes");
        Self(keys)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(&self.0[..32]).expect("a key has 32 bytes")
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        let Hash(hash) = Hash::of_bytes("bitcraps 2026 passphrase check", &self.0[32..]);
        hash[..CHECK_BYTES].try_into().expect("a hash is longer than that")
    }
}

fn associated(cost: Cost, salt: &[u8; SALT_BYTES], beside: &[u8]) -> Vec<u8> {
    let mut bytes = b"bitcraps 2026 sealed identity".to_vec();
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(beside);
    bytes
}
