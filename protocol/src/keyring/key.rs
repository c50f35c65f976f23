//! One key of a private network, and what is sealed under it.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::identity::NetworkId;
use crate::rng::Rng;
use crate::wire::{BadText, Hash, armor, dearmor, decode, encode};

/// Bytes by which what is sealed is longer than what it says: the key's name, a nonce, a tag, and
/// how long it is.
pub(crate) const SEAL_BYTES: usize = 8 + 12 + 16 + 3;

const PREFIX: &str = "netkey1";
const ENCODED_BYTES: usize = 64;

/// The key of a private network. Whoever has it reads what members say and is heard by them, so it
/// is as secret as the network. Displays as one word.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkKey {
    version: u32,
    secret: [u8; 32],
}

/// Names a key on the wire, without telling anything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId([u8; 8]);

/// What is sealed under a network's key: believed only when it opens.
///
/// The nonce is a keyed hash of what is sealed and where it may be opened, so that the same message
/// is the same bytes whoever seals it: relays see that they know it, members need not remember what
/// they sealed. Two that are equal tell a relay that they are, which gossip tells it anyway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Under which key.
    pub(crate) key: KeyId,
    nonce: [u8; 12],
    text: Bytes,
}

impl NetworkKey {
    /// The first key of a network, drawn from a stream that nobody else can know.
    pub fn first(rng: &mut Rng) -> Self {
        Self { version: 0, secret: rng.bytes32() }
    }

    /// One that takes this one's place.
    pub(super) fn next(&self, rng: &mut Rng) -> Self {
        Self { version: self.version.saturating_add(1), secret: rng.bytes32() }
    }

    pub(super) const fn new(version: u32, secret: [u8; 32]) -> Self {
        Self { version, secret }
    }

    /// How many keys came before it.
    pub const fn version(&self) -> u32 {
        self.version
    }

    pub(super) const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What it is called in a network.
    pub fn id(&self, network: NetworkId) -> KeyId {
        let Hash(bytes) = self.derive("bitcraps 2026 network key id", network);
        KeyId(*bytes.first_chunk().expect("eight bytes of thirty-two"))
    }

    /// A secret for the use named by `label`.
    pub(super) fn derive(&self, label: &'static str, network: NetworkId) -> Hash {
        let mut hasher = Hash::hasher(label);
        hasher.update(&network.0).update(&self.version.to_le_bytes()).update(&self.secret);
        Hash::from(&mut hasher)
    }
}

impl Drop for NetworkKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NetworkKey(version {})", self.version)
    }
}

impl fmt::Display for NetworkKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&armor(PREFIX, &encode(self)))
    }
}

impl FromStr for NetworkKey {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        decode(&dearmor(PREFIX, text.trim())?, ENCODED_BYTES).map_err(|_| BadText::Content)
    }
}

/// A key at work in one network.
pub(super) struct Sealer {
    pub(super) id: KeyId,
    cipher: ChaCha20Poly1305,
    nonces: [u8; 32],
}

impl Sealer {
    pub(super) fn new(key: &NetworkKey, network: NetworkId) -> Self {
        let Hash(mut cipher) = key.derive("bitcraps 2026 network key cipher", network);
        let Hash(nonces) = key.derive("bitcraps 2026 network key nonces", network);
        let sealer = Self {
            id: key.id(network),
            cipher: ChaCha20Poly1305::new(Key::cast_from_core(&cipher)),
            nonces,
        };
        cipher.zeroize();
        sealer
    }

    /// Seals a message so that it opens only at `place`.
    pub(super) fn seal(&self, place: &[u8], message: &[u8]) -> Envelope {
        let nonce = self.nonce(place, message);
        let payload = Payload { msg: message, aad: place };
        let text = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let text = text.expect("no message is too long for the cipher").into();
        Envelope { key: self.id, nonce, text }
    }

    /// What is sealed; nothing unless a holder of the key sealed it, for this place, and in the only
    /// way that there is to seal it.
    pub(super) fn open(&self, place: &[u8], envelope: &Envelope) -> Option<Vec<u8>> {
        let payload = Payload { msg: &envelope.text, aad: place };
        let message = self.cipher.decrypt(&Nonce::from(envelope.nonce), payload).ok()?;
        (self.nonce(place, &message) == envelope.nonce).then_some(message)
    }

    fn nonce(&self, place: &[u8], message: &[u8]) -> [u8; 12] {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonces);
        hasher.update(&(place.len() as u64).to_le_bytes()).update(place).update(message);
        *hasher.finalize().as_bytes().first_chunk().expect("twelve bytes of thirty-two")
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealer({:?})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    const NETWORK: NetworkId = Hash([1; 32]);

    fn sealer(seed: u8) -> Sealer {
        Sealer::new(&NetworkKey::first(&mut Rng::new([seed; 32])), NETWORK)
    }

    #[test]
    fn what_is_sealed_opens_for_members_at_its_place_and_nowhere_else() {
        let (member, stranger) = (sealer(1), sealer(2));
        let sealed = member.seal(b"here", b"message");
        assert_eq!(member.open(b"here", &sealed).unwrap(), b"message");
        assert_eq!(member.open(b"there", &sealed), None);
        assert_eq!(stranger.open(b"here", &sealed), None);
        let key = NetworkKey::first(&mut Rng::new([1; 32]));
        let elsewhere = Sealer::new(&key, Hash([2; 32]));
        assert_eq!(elsewhere.open(b"here", &sealed), None, "the same key in another network");
    }

    #[test]
    fn the_same_message_is_the_same_bytes_and_no_changed_bit_opens() {
        let sealed = sealer(1).seal(b"here", b"message");
        assert_eq!(sealer(1).seal(b"here", b"message"), sealed);
        let bytes = encode(&sealed);
        assert!(bytes.len() <= b"message".len() + SEAL_BYTES);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            if let Ok(envelope) = decode::<Envelope>(&wrong, 64)
                && envelope.key == sealed.key
            {
                assert_eq!(sealer(1).open(b"here", &envelope), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn another_nonce_than_the_messages_own_is_refused() {
        let honest = sealer(1);
        let nonce = [7; 12];
        let payload = Payload { msg: b"message".as_slice(), aad: b"here" };
        let text = honest.cipher.encrypt(&Nonce::from(nonce), payload).unwrap().into();
        let envelope = Envelope { key: honest.id, nonce, text };
        assert_eq!(honest.open(b"here", &envelope), None);
    }

    #[test]
    fn a_key_reads_back_what_it_displays_and_debug_shows_nothing_of_it() {
        let key = NetworkKey::first(&mut Rng::new([1; 32]));
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        assert_eq!(format!("{key:?}"), "NetworkKey(version 0)");
        assert!("netkey1aaaa".parse::<NetworkKey>().is_err());
    }
}
