//! Secrets of two who are not linked, and what is sealed with them.
//!
//! The caller and the callee each make an X25519 key for one conversation and sign it in a letter,
//! so that the secrets belong to these two and are gone with the processes. Each direction has its
//! own key and counts its nonces; the receiving side takes each once.

use core::fmt;

use alloc::vec::Vec;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::montgomery::MontgomeryPoint;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::letter::SEALED_BYTES;
use crate::identity::PeerId;
use crate::rng::Rng;
use crate::session::Window;
use crate::wire::{Hash, List};

/// The public half of a key that is made for one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PublicKey([u8; 32]);

/// The other half.
pub(super) struct Secret {
    secret: Zeroizing<[u8; 32]>,
    pub(super) public: PublicKey,
}

/// Names a conversation: a hash of both its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConversationId([u8; 16]);

/// Which side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// One side of a conversation.
pub(super) struct Conversation {
    pub(super) id: ConversationId,
    seals: ChaCha20Poly1305,
    opens: ChaCha20Poly1305,
    next_nonce: u64,
    come: Window,
}

impl Secret {
    /// A fresh one. `rng` must be a stream that nobody else can know.
    pub(super) fn new(rng: &mut Rng) -> Self {
        let secret = Zeroizing::new(rng.bytes32());
        let public = PublicKey(MontgomeryPoint::mul_base_clamped(*secret).to_bytes());
        Self { secret, public }
    }

    /// What this and the other side's key make; nothing if that key hides no secret.
    pub(super) fn agree(
        &self,
        side: Side,
        own: PeerId,
        other: PeerId,
        key: PublicKey,
    ) -> Option<Conversation> {
        let shared = MontgomeryPoint(key.0).mul_clamped(*self.secret);
        let shared = Zeroizing::new(shared.to_bytes());
        if *shared == [0; 32] {
            return None;
        }
        let (caller, callee) = match side {
            Side::Caller => ((own, self.public), (other, key)),
            Side::Callee => ((other, key), (own, self.public)),
        };
        let mut hasher = Hash::hasher("bitcraps 2026 conversation");
        for (peer, key) in [caller, callee] {
            hasher.update(&peer.0).update(&key.0);
        }
        let Hash(named) = Hash::from(&mut hasher);
        hasher.update(shared.as_slice());
        let mut keys = Zeroizing::new([0; 64]);
        hasher.finalize_xof().fill(keys.as_mut_slice());
        let (first, second) = keys.split_at(32);
        let cipher = |key: &[u8]| {
            let key: &[u8; 32] = key.try_into().expect("half of 64 bytes");
            ChaCha20Poly1305::new(Key::cast_from_core(key))
        };
        let (seals, opens) = match side {
            Side::Caller => (cipher(first), cipher(second)),
            Side::Callee => (cipher(second), cipher(first)),
        };
        let id = ConversationId(*named.first_chunk().expect("sixteen of thirty-two bytes"));
        Some(Conversation { id, seals, opens, next_nonce: 0, come: Window::default() })
    }
}

impl Conversation {
    /// Seals `text` under the next nonce, which it returns too.
    pub(super) fn seal(&mut self, text: &[u8]) -> (u64, List<u8, SEALED_BYTES>) {
        let number = self.next_nonce;
        self.next_nonce += 1;
        let payload = Payload { msg: text, aad: &self.id.0 };
        let sealed = self.seals.encrypt(&nonce(number), payload);
        let sealed = sealed.expect("a letter is not too long for the cipher");
        (number, List::new(sealed).expect("letters leave room for the seal"))
    }

    /// Opens what the other side sealed; nothing if it did not, or if it came before.
    pub(super) fn open(&mut self, number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        if number == u64::MAX || !self.come.awaits(number) {
            return None;
        }
        let payload = Payload { msg: sealed, aad: &self.id.0 };
        let text = self.opens.decrypt(&nonce(number), payload).ok()?;
        self.come.record(number);
        Some(text)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_le_bytes());
    Nonce::from(bytes)
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({:?})", self.public)
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Conversation({:?}, {} sealed)", self.id, self.next_nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId([1; 32]);
    const B: PeerId = PeerId([2; 32]);

    fn pair() -> (Conversation, Conversation) {
        let mut rng = Rng::new([7; 32]);
        let (caller, callee) = (Secret::new(&mut rng), Secret::new(&mut rng));
        let one = caller.agree(Side::Caller, A, B, callee.public).unwrap();
        let other = callee.agree(Side::Callee, B, A, caller.public).unwrap();
        (one, other)
    }

    #[test]
    fn each_side_opens_what_the_other_sealed_once_and_in_any_order() {
        let (mut one, mut other) = pair();
        assert_eq!(one.id, other.id);
        let (first, second) = (one.seal(b"first"), one.seal(b"second"));
        assert_eq!(other.open(second.0, &second.1).unwrap(), b"second");
        assert_eq!(other.open(first.0, &first.1).unwrap(), b"first");
        assert_eq!(other.open(first.0, &first.1), None, "it came before");
        assert_eq!(one.open(first.0, &first.1), None, "each direction has its own key");
        let back = other.seal(b"back");
        assert_eq!(one.open(back.0, &back.1).unwrap(), b"back");
    }

    #[test]
    fn a_changed_bit_another_nonce_or_another_pair_opens_nothing() {
        let (mut one, mut other) = pair();
        let (number, sealed) = one.seal(b"text");
        for bit in 0..sealed.len() * 8 {
            let mut wrong = sealed.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other.open(number, &wrong), None);
        }
        assert_eq!(other.open(number + 1, &sealed), None);
        assert_eq!(other.open(u64::MAX, &sealed), None);
        let mut rng = Rng::new([8; 32]);
        let (caller, callee) = (Secret::new(&mut rng), Secret::new(&mut rng));
        let mut stranger = callee.agree(Side::Callee, B, PeerId([3; 32]), caller.public).unwrap();
        let mut named = caller.agree(Side::Caller, A, B, callee.public).unwrap();
        let (number, sealed) = named.seal(b"text");
        assert_eq!(stranger.open(number, &sealed), None, "said by another than is believed");
    }

    #[test]
    fn a_key_that_hides_nothing_makes_no_conversation() {
        let secret = Secret::new(&mut Rng::new([7; 32]));
        assert!(secret.agree(Side::Caller, A, B, PublicKey([0; 32])).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(secret.agree(Side::Caller, A, B, PublicKey(one)).is_none());
    }
}
