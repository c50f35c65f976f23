//! A new key for a private network, sealed to each of those who are to have it.
//!
//! The one-time secret with which it is sealed is derived from the new key itself, so that whoever
//! opens one copy can make all the others again and see that each is what it should be (the
//! transform of Fujisaki and Okamoto, "Secure Integration of Asymmetric and Symmetric Encryption
//! Schemes", 1999). No validator endorses a rotation that it has not checked in this way, and no
//! node follows one that fewer than f + 1 validators endorse: one of them is honest, so that every
//! member has a copy that opens, and nobody is left out by one validator's whim.
//!
//! A copy is sealed to a member's identity: its Ed25519 key serves as an X25519 key, as both are
//! points of one curve.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce, Tag};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::montgomery::MontgomeryPoint;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::key::NetworkKey;
use crate::block::ValidatorIndex;
use crate::identity::{Context, Domain, Keypair, NetworkId, PeerId, Signature};
use crate::wire::limits::VALIDATORS;
use crate::wire::{Hash, List, encode};

/// Members of a private network that a rotation may name. 1024: twice the validators there can be;
/// 82 kB.
pub const MEMBERS: usize = 1024;

/// A new key, sealed to each member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rotation {
    pub(super) version: u32,
    one_time: [u8; 32],
    /// In the order of their members.
    copies: List<Copy, MEMBERS>,
}

/// The new key for one member: ciphertext and tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copy {
    member: PeerId,
    sealed: [u8; 32],
    tag: [u8; 16],
}

/// Somebody to whom nothing can be sealed: no Ed25519 key, or one that hides no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey(pub PeerId);

impl Rotation {
    /// Seals `key` to `members`, at most [`MEMBERS`].
    pub(super) fn make(
        key: &NetworkKey,
        network: NetworkId,
        members: &BTreeSet<PeerId>,
    ) -> Result<Self, NoKey> {
        let Hash(bytes) = key.derive("bitcraps 2026 network key rotation", network);
        let secret = Zeroizing::new(bytes);
        let one_time = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
        let copies = members.iter().map(|member| {
            let point = CompressedEdwardsY(member.0).decompress().ok_or(NoKey(*member))?;
            let shared = point.to_montgomery().mul_clamped(*secret).to_bytes();
            let shared = Zeroizing::new(shared);
            let cipher = cipher(&shared, key.version(), &one_time, network, member);
            let mut sealed = *key.secret();
            let tag = cipher
                .ok_or(NoKey(*member))?
                .encrypt_inout_detached(&Nonce::default(), &[], sealed.as_mut_slice().into())
                .expect("thirty-two bytes are not too long for the cipher");
            Ok(Copy { member: *member, sealed, tag: tag.into() })
        });
        let copies = copies.collect::<Result<Vec<Copy>, NoKey>>()?;
        let copies = List::new(copies).expect("as many as the caller allows");
        Ok(Self { version: key.version(), one_time, copies })
    }

    /// The key, if a copy of it is for the holder of `keypair`.
    pub(super) fn open(&self, keypair: &Keypair, network: NetworkId) -> Option<NetworkKey> {
        let me = keypair.peer();
        let position = self.copies.binary_search_by_key(&me, |copy| copy.member).ok()?;
        let copy = self.copies.get(position)?;
        let shared = keypair.agree(MontgomeryPoint(self.one_time));
        let cipher = cipher(&shared, self.version, &self.one_time, network, &me)?;
        let mut secret = Zeroizing::new(copy.sealed);
        let tag = Tag::from(copy.tag);
        let buffer = secret.as_mut_slice().into();
        cipher.decrypt_inout_detached(&Nonce::default(), &[], buffer, &tag).ok()?;
        Some(NetworkKey::new(self.version, *secret))
    }

    /// Whether every copy is of `key`, and opens.
    pub(super) fn is_of(&self, key: &NetworkKey, network: NetworkId) -> bool {
        let members = self.members().collect();
        self.is_in_order() && Self::make(key, network, &members).as_ref() == Ok(self)
    }

    /// Whether each member is named once, where it is looked for.
    pub(super) fn is_in_order(&self) -> bool {
        self.copies.is_sorted_by(|one, next| one.member < next.member)
    }

    /// Who is to have the key.
    pub(super) fn members(&self) -> impl Iterator<Item = PeerId> {
        self.copies.iter().map(|copy| copy.member)
    }

    pub(super) fn has(&self, member: &PeerId) -> bool {
        self.copies.binary_search_by_key(member, |copy| copy.member).is_ok()
    }
}

/// What one copy is sealed with; nothing if the two keys hide no secret.
fn cipher(
    shared: &[u8; 32],
    version: u32,
    one_time: &[u8; 32],
    network: NetworkId,
    member: &PeerId,
) -> Option<ChaCha20Poly1305> {
    if *shared == [0; 32] {
        return None;
    }
    let mut hasher = Hash::hasher("bitcraps 2026 network key copy");
    hasher.update(&network.0).update(&version.to_le_bytes());
    hasher.update(one_time).update(&member.0).update(shared);
    let Hash(mut key) = Hash::from(&mut hasher);
    let cipher = ChaCha20Poly1305::new(Key::cast_from_core(&key));
    key.zeroize();
    Some(cipher)
}

/// A rotation with the validators who stand by it; believed only as far as their signatures verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsed {
    pub(super) rotation: Rotation,
    /// In the order of the validators.
    endorsements: List<(ValidatorIndex, Signature), VALIDATORS>,
}

/// An endorsement that a validator did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotEndorsed;

impl Endorsed {
    /// A rotation that nobody stands by yet.
    pub(super) fn new(rotation: Rotation) -> Self {
        Self { rotation, endorsements: List::new(Vec::new()).expect("none are few") }
    }

    /// Names what is endorsed.
    pub(crate) fn id(&self) -> Hash {
        Hash::of("bitcraps 2026 network key rotation id", &self.rotation)
    }

    /// The same rotation, by which nobody stands.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn unsigned(self) -> Self {
        Self::new(self.rotation)
    }

    /// Who stands by it.
    pub(super) fn by(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.endorsements.iter().map(|(index, _)| *index)
    }

    /// Whether somebody is to have the key.
    pub(crate) fn is_for(&self, member: &PeerId) -> bool {
        self.rotation.has(member)
    }

    pub(super) fn count(&self) -> usize {
        self.endorsements.len()
    }

    pub(crate) fn endorse(&mut self, index: ValidatorIndex, keypair: &Keypair, context: &Context) {
        let signature = keypair.sign(Domain::Rotation, context, &encode(&self.id()));
        self.merge([(index, signature)]);
    }

    /// Adds what another copy of the same rotation brings, once it is checked; whether that is news.
    pub(super) fn learn(
        &mut self,
        other: &Self,
        validators: &[PeerId],
        context: &Context,
    ) -> Result<bool, NotEndorsed> {
        let known: BTreeSet<ValidatorIndex> = self.by().collect();
        let news = other.endorsements.iter().filter(|(index, _)| !known.contains(index));
        let news: Vec<(ValidatorIndex, Signature)> = news.copied().collect();
        let signed = encode(&self.id());
        for (index, signature) in &news {
            let validator = validators.get(usize::from(index.0)).ok_or(NotEndorsed)?;
            validator
                .verify(Domain::Rotation, context, &signed, signature)
                .map_err(|_| NotEndorsed)?;
        }
        let is_news = !news.is_empty();
        self.merge(news);
        Ok(is_news)
    }

    fn merge(&mut self, news: impl IntoIterator<Item = (ValidatorIndex, Signature)>) {
        let all: BTreeMap<_, _> = self.endorsements.iter().copied().chain(news).collect();
        let all = List::new(all.into_iter().collect());
        self.endorsements = all.expect("one for each validator");
    }
}
