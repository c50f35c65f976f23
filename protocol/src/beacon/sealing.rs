//! Shares on their way from a dealer to one validator: sealed to a key of the receiver's, so that
//! they can be published and nobody else can read them.
//!
//! A seal is hashed ElGamal. The dealer holds a one-time secret `r` and publishes `R = r·G`; the
//! receiver holds `e` and published `E = e·G` with a [`Possession`], both know `r·E = e·R`, and the
//! share travels under ChaCha20-Poly1305 with a key derived from that and from what the share is.
//! `R` is itself a [`SealingKey`], so that one type refuses every degenerate key.

use core::fmt;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce, Tag};
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::group::{Element, scalar, scalar_from_hash};
use crate::block::ValidatorIndex;
use crate::identity::{Keypair, PeerId};
use crate::wire::{Hash, Hasher, encode};

/// A key to which shares are sealed: a Ristretto255 element, never the identity, in its only
/// encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; 32]", into = "[u8; 32]")]
pub struct SealingKey([u8; 32]);

/// Bytes that are not a sealing key: the identity, or no canonical encoding of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSealingKey;

/// The secret half of a [`SealingKey`]; wiped when dropped.
pub struct SealingSecret {
    secret: Zeroizing<Scalar>,
    public: Element,
}

/// A proof by the holder of an identity that it knows the secret behind a sealing key (Schnorr):
/// 64 bytes, believed only when they verify.
///
/// Without it a validator could register somebody else's key, or one that depends on others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Possession {
    challenge: [u8; 32],
    response: [u8; 32],
}

/// A possession that does not hold for this key and this identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPossession;

/// Which share of which deal is sealed; a seal for one place does not open in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    /// The deal.
    pub(super) deal: Hash,
    /// Who dealt: a validator, or nobody of the set.
    pub(super) dealer: Option<ValidatorIndex>,
    /// Whose share it is.
    pub(super) receiver: ValidatorIndex,
}

/// One scalar that only the holder of one sealing key can read: 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShare {
    ciphertext: [u8; 32],
    tag: [u8; 16],
}

/// A seal that was not made for this key and this letter, or was tampered with, or holds no scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadSeal;

impl SealingKey {
    /// The 32 bytes that encode it.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    fn element(self) -> Element {
        Element::decode(&self.0).expect("checked when the key was made")
    }
}

impl SealingSecret {
    /// The secret that `keypair`'s holder uses in epoch 0, the same after every restart.
    pub fn of(keypair: &Keypair) -> Self {
        let seed = keypair.derive("bitcraps 2026 sealing key epoch 0");
        Self::from_hash(Hash::hasher("bitcraps 2026 sealing secret").update(seed.as_slice()))
    }

    /// A secret for one deal, from `entropy` that nobody else knows and that is used only once.
    pub(super) fn one_time(entropy: &[u8; 32]) -> Self {
        Self::from_hash(Hash::hasher("bitcraps 2026 one-time sealing secret").update(entropy))
    }

    fn from_hash(hasher: &Hasher) -> Self {
        let secret = Zeroizing::new(scalar_from_hash(hasher));
        let public = Element::of_secret(&secret);
        Self { secret, public }
    }

    /// The public half.
    pub const fn public(&self) -> SealingKey {
        SealingKey(*self.public.bytes())
    }

    /// Proves, in `peer`'s name, that this secret is known. The same call gives the same proof.
    pub fn possession(&self, peer: PeerId) -> Possession {
        let nonce = Zeroizing::new(scalar_from_hash(
            Hash::hasher("bitcraps 2026 sealing key possession nonce")
                .update(self.secret.as_bytes())
                .update(&peer.0),
        ));
        let challenge = possession_challenge(peer, &self.public, &Element::of_secret(&nonce));
        let response = *nonce + challenge * *self.secret;
        Possession { challenge: challenge.to_bytes(), response: response.to_bytes() }
    }

    /// Seals `share` to `receiver`. This secret must be a one-time secret of the dealer's, and no
    /// two shares may be sealed under the same letter with it.
    pub(super) fn seal(
        &self,
        receiver: SealingKey,
        letter: &Letter,
        share: &Scalar,
    ) -> SealedShare {
        let receiver = receiver.element();
        let shared = Zeroizing::new(receiver.times(&self.secret));
        let mut ciphertext = Zeroizing::new(share.to_bytes());
        let tag = cipher(letter, &self.public, &receiver, &shared)
            .encrypt_inout_detached(&Nonce::from(NONCE), &[], ciphertext.as_mut_slice().into())
            .expect("32 bytes are not too long for the cipher");
        SealedShare { ciphertext: *ciphertext, tag: tag.into() }
    }

    /// Opens what a dealer with the one-time key `dealer` sealed to this secret's public half.
    pub(super) fn open(
        &self,
        dealer: SealingKey,
        letter: &Letter,
        sealed: &SealedShare,
    ) -> Result<Zeroizing<Scalar>, BadSeal> {
        let dealer = dealer.element();
        let shared = Zeroizing::new(dealer.times(&self.secret));
        let mut share = Zeroizing::new(sealed.ciphertext);
        cipher(letter, &dealer, &self.public, &shared)
            .decrypt_inout_detached(
                &Nonce::from(NONCE),
                &[],
                share.as_mut_slice().into(),
                &Tag::from(sealed.tag),
            )
            .map_err(|_| BadSeal)?;
        scalar(&share).map(Zeroizing::new).ok_or(BadSeal)
    }
}

impl Possession {
    /// Checks that whoever made this knew the secret behind `key` and spoke for `peer`.
    pub fn verify(&self, key: SealingKey, peer: PeerId) -> Result<(), BadPossession> {
        let challenge = scalar(&self.challenge).ok_or(BadPossession)?;
        let response = scalar(&self.response).ok_or(BadPossession)?;
        let key = key.element();
        let commitment = Element::new(RistrettoPoint::vartime_double_scalar_mul_basepoint(
            &-challenge,
            key.point(),
            &response,
        ));
        let right = possession_challenge(peer, &key, &commitment) == challenge;
        if right { Ok(()) } else { Err(BadPossession) }
    }
}

/// The cipher's key serves one message only, so its nonce may be constant.
const NONCE: [u8; 12] = *b"sealed share";

fn cipher(
    letter: &Letter,
    dealer: &Element,
    receiver: &Element,
    shared: &Element,
) -> ChaCha20Poly1305 {
    let mut hasher = Hash::hasher("bitcraps 2026 sealed share");
    hasher.update(dealer.bytes()).update(receiver.bytes()).update(shared.bytes());
    hasher.update(&encode(letter));
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    ChaCha20Poly1305::new(Key::cast_from_core(&key))
}

fn possession_challenge(peer: PeerId, key: &Element, commitment: &Element) -> Scalar {
    scalar_from_hash(
        Hash::hasher("bitcraps 2026 sealing key possession")
            .update(&peer.0)
            .update(key.bytes())
            .update(commitment.bytes()),
    )
}

impl TryFrom<[u8; 32]> for SealingKey {
    type Error = BadSealingKey;

    fn try_from(bytes: [u8; 32]) -> Result<Self, BadSealingKey> {
        Element::decode(&bytes).map(|_| Self(bytes)).ok_or(BadSealingKey)
    }
}

impl From<SealingKey> for [u8; 32] {
    fn from(key: SealingKey) -> Self {
        key.0
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Hash(self.0).short())
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealingSecret({:?})", self.public())
    }
}

impl fmt::Display for BadSealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a sealing key")
    }
}

impl core::error::Error for BadSealingKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Malformed, decode};

    fn secret(seed: u8) -> SealingSecret {
        SealingSecret::of(&Keypair::from_seed([seed; 32]))
    }

    fn letter() -> Letter {
        Letter { deal: Hash([1; 32]), dealer: None, receiver: ValidatorIndex(2) }
    }

    #[test]
    fn only_the_receiver_opens_a_seal_and_only_as_the_letter_it_is() {
        let (dealer, receiver) = (SealingSecret::one_time(&[7; 32]), secret(1));
        let share = -Scalar::from(12_345u32);
        let sealed = dealer.seal(receiver.public(), &letter(), &share);
        let open = |by: &SealingSecret, from: SealingKey, letter: Letter| {
            by.open(from, &letter, &sealed).map(|scalar| *scalar)
        };
        assert_eq!(open(&receiver, dealer.public(), letter()), Ok(share));
        assert_eq!(open(&secret(2), dealer.public(), letter()), Err(BadSeal));
        assert_eq!(open(&receiver, secret(2).public(), letter()), Err(BadSeal));
        for other in [
            Letter { deal: Hash([2; 32]), ..letter() },
            Letter { dealer: Some(ValidatorIndex(0)), ..letter() },
            Letter { receiver: ValidatorIndex(3), ..letter() },
        ] {
            assert_eq!(open(&receiver, dealer.public(), other), Err(BadSeal));
        }
    }

    #[test]
    fn every_changed_bit_of_a_seal_is_noticed() {
        let (dealer, receiver) = (SealingSecret::one_time(&[7; 32]), secret(1));
        let sealed = dealer.seal(receiver.public(), &letter(), &Scalar::ONE);
        let bytes = encode(&sealed);
        assert_eq!(bytes.len(), 48);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let wrong: SealedShare = decode(&wrong, 48).unwrap();
            assert_eq!(receiver.open(dealer.public(), &letter(), &wrong), Err(BadSeal));
        }
    }

    #[test]
    fn a_possession_does_not_serve_another_peer_or_key() {
        let (peer, other) = (PeerId([1; 32]), PeerId([2; 32]));
        let possession = secret(1).possession(peer);
        assert_eq!(possession.verify(secret(1).public(), peer), Ok(()));
        assert_eq!(possession, secret(1).possession(peer));
        assert_eq!(possession.verify(secret(1).public(), other), Err(BadPossession));
        assert_eq!(possession.verify(secret(2).public(), peer), Err(BadPossession));
    }

    #[test]
    fn every_changed_bit_of_a_possession_is_noticed() {
        let peer = PeerId([1; 32]);
        let bytes = encode(&secret(1).possession(peer));
        assert_eq!(bytes.len(), 64);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let wrong: Possession = decode(&wrong, 64).unwrap();
            assert_eq!(wrong.verify(secret(1).public(), peer), Err(BadPossession));
        }
    }

    #[test]
    fn a_degenerate_sealing_key_does_not_decode() {
        let key = secret(1).public();
        assert_eq!(decode(&encode(&key), 32), Ok(key));
        assert_eq!(decode::<SealingKey>(&[0; 32], 32), Err(Malformed::Undecodable));
        assert_eq!(decode::<SealingKey>(&[0xff; 32], 32), Err(Malformed::Undecodable));
        assert_eq!(SealingKey::try_from([0; 32]), Err(BadSealingKey));
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = alloc::format!("{:?}", secret(1));
        assert_eq!(text, alloc::format!("SealingSecret({:?})", secret(1).public()));
    }
}
