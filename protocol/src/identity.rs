//! Who somebody is: an Ed25519 key, made costly by a proof of work, and what that key signed.
//!
//! Every signature covers a [`Domain`] tag, the network and the epoch, over the exact bytes that
//! travelled. There is one verification rule, [`PeerId::verify`] (Ed25519 `verify_strict`, one by
//! one): batch verification may disagree with it on crafted signatures, and would let two honest
//! nodes disagree about a block.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::wire::{BadText, Hash, armor, dearmor, decode, encode};

/// A node, an account, a player: a public Ed25519 key. Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub [u8; 32]);

/// One network: the hash of its genesis.
pub type NetworkId = Hash;

/// The period during which one set of validators decides; the first is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// Where and when a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The only network on which it counts.
    pub network: NetworkId,
    /// The only epoch in which it counts. Transactions, which outlive epochs, use epoch 0.
    pub epoch: Epoch,
}

/// What kind of statement a signature makes. Two kinds never share signed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A consensus vote.
    Vote,
    /// A transaction.
    Transaction,
    /// A session's static Noise key.
    Session,
    /// A validator card.
    Card,
    /// A validator's statement to one that lost its journal.
    Recovery,
    /// A deal or an attest of the key generation.
    KeyGeneration,
    /// A line of a node's own audit log.
    Audit,
    /// A letter to one peer, which others pass on.
    Letter,
    /// What somebody says at a table.
    Chat,
    /// A new key of a private network, by a validator who stands by it.
    Rotation,
}

impl Domain {
    const fn tag(self) -> &'static [u8] {
        match self {
            Self::Vote => b"bitcraps/1/vote",
            Self::Transaction => b"bitcraps/1/transaction",
            Self::Session => b"bitcraps/1/session",
            Self::Card => b"bitcraps/1/card",
            Self::Recovery => b"bitcraps/1/recovery",
            Self::KeyGeneration => b"bitcraps/1/key-generation",
            Self::Audit => b"bitcraps/1/audit",
            Self::Letter => b"bitcraps/1/letter",
            Self::Chat => b"bitcraps/1/chat",
            Self::Rotation => b"bitcraps/1/rotation",
        }
    }

    /// The bytes that a signature over `bytes` covers.
    #[cfg(feature = "simulation")]
    pub(crate) fn covers(self, context: &Context, bytes: &[u8]) -> Vec<u8> {
        signed_bytes(self, context, bytes)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

/// A signature that its supposed author did not make over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl PeerId {
    /// Checks that this key signed `bytes` as a `domain` statement in `context`.
    pub fn verify(
        &self,
        domain: Domain,
        context: &Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&signed_bytes(domain, context, bytes), &signature)
            .map_err(|_| BadSignature)
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        Hash(self.0).short()
    }
}

/// The secret key of an identity.
#[derive(Clone)]
pub struct Keypair {
    secret: SigningKey,
    peer: PeerId,
    #[cfg(feature = "simulation")]
    stand_in: Option<[u8; 32]>,
}

impl Keypair {
    /// The identity whose Ed25519 seed is `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(&seed);
        let peer = PeerId(secret.verifying_key().to_bytes());
        Self {
            secret,
            peer,
            #[cfg(feature = "simulation")]
            stand_in: None,
        }
    }

    /// The same identity, but its votes and transactions carry a keyed hash for a signature.
    #[cfg(feature = "simulation")]
    pub(crate) fn with_stand_in(&self, secret: [u8; 32]) -> Self {
        Self { stand_in: Some(secret), ..self.clone() }
    }

    /// The public half.
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// The Ed25519 seed, for the keystore.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// Signs `bytes` as a `domain` statement in `context`.
    pub fn sign(&self, domain: Domain, context: &Context, bytes: &[u8]) -> Signature {
        #[cfg(feature = "simulation")]
        if let (Some(secret), Domain::Vote | Domain::Transaction) = (&self.stand_in, domain) {
            let signed = signed_bytes(domain, context, bytes);
            return crate::simulation::stand_in(secret, &self.peer, &signed);
        }
        Signature(self.secret.sign(&signed_bytes(domain, context, bytes)).to_bytes())
    }

    /// What this key and `other` make as X25519 keys; zeros if `other` hides no secret.
    pub(crate) fn agree(&self, other: MontgomeryPoint) -> Zeroizing<[u8; 32]> {
        let scalar = Zeroizing::new(self.secret.to_scalar_bytes());
        Zeroizing::new(other.mul_clamped(*scalar).to_bytes())
    }

    /// A secret for the use named by `label`, the same after every restart.
    pub fn derive(&self, label: &'static str) -> Zeroizing<[u8; 32]> {
        let mut hasher = Hash::hasher(label);
        hasher.update(self.secret.as_bytes());
        Zeroizing::new(Hash::from(&mut hasher).0)
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keypair({})", self.peer.short())
    }
}

fn signed_bytes(domain: Domain, context: &Context, bytes: &[u8]) -> Vec<u8> {
    let tag = domain.tag();
    let mut signed = Vec::with_capacity(tag.len() + 41 + bytes.len());
    signed.extend_from_slice(tag);
    signed.push(0);
    signed.extend_from_slice(&context.network.0);
    signed.extend_from_slice(&context.epoch.0.to_le_bytes());
    signed.extend_from_slice(bytes);
    signed
}

/// The nonce that makes an identity cost something to create: BLAKE3 over a domain tag, the key and
/// the nonce begins with as many zero bits as the network asks for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ProofOfWork(pub u64);

impl ProofOfWork {
    /// Leading zero bits asked for unless a genesis says otherwise: about 65,000 hashes.
    pub const DEFAULT_BITS: u8 = 16;

    /// Searches the lowest nonce worth `bits`; takes about 2^`bits` hashes.
    pub fn mine(peer: PeerId, bits: u8) -> Self {
        (0..=u64::MAX)
            .map(Self)
            .find(|proof| proof.bits(peer) >= u32::from(bits))
            .expect("2^64 nonces hold every difficulty that a genesis may ask for")
    }

    /// The leading zero bits this nonce is worth for `peer`.
    pub fn bits(self, peer: PeerId) -> u32 {
        let mut hasher = Hash::hasher("bitcraps 2026 identity proof of work");
        hasher.update(&peer.0).update(&self.0.to_le_bytes());
        let Hash(bytes) = Hash::from(&mut hasher);
        u128::from_be_bytes(bytes[..16].try_into().expect("sixteen bytes")).leading_zeros()
    }
}

/// An identity that can be paid or admitted: the key with its proof of work, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The key.
    pub peer: PeerId,
    /// What the key cost.
    pub proof: ProofOfWork,
}

impl Address {
    const PREFIX: &'static str = "craps1";

    /// Whether the proof is worth at least `bits`.
    pub fn is_worth(&self, bits: u8) -> bool {
        self.proof.bits(self.peer) >= u32::from(bits)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&armor(Self::PREFIX, &encode(self)))
    }
}

impl FromStr for Address {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        decode(&dearmor(Self::PREFIX, text)?, 64).map_err(|_| BadText::Content)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash(self.0).fmt(formatter)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.short())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signature")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (first, second) = self.0.split_at(32);
        (first_half(first), first_half(second)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, second) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&first);
        bytes[32..].copy_from_slice(&second);
        Ok(Self(bytes))
    }
}

fn first_half(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("half a signature is 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(network: u8, epoch: u64) -> Context {
        Context { network: Hash([network; 32]), epoch: Epoch(epoch) }
    }

    #[test]
    fn a_signature_counts_in_its_own_domain_network_and_epoch_only() {
        let key = Keypair::from_seed([1; 32]);
        let signature = key.sign(Domain::Vote, &context(1, 1), b"bytes");
        let check =
            |domain, context, bytes: &[u8]| key.peer().verify(domain, &context, bytes, &signature);
        assert_eq!(check(Domain::Vote, context(1, 1), b"bytes"), Ok(()));
        assert_eq!(check(Domain::Card, context(1, 1), b"bytes"), Err(BadSignature));
        assert_eq!(check(Domain::Vote, context(2, 1), b"bytes"), Err(BadSignature));
        assert_eq!(check(Domain::Vote, context(1, 2), b"bytes"), Err(BadSignature));
        assert_eq!(check(Domain::Vote, context(1, 1), b"byte"), Err(BadSignature));
    }

    #[test]
    fn an_address_carries_its_proof_of_work() {
        let peer = Keypair::from_seed([2; 32]).peer();
        let address = Address { peer, proof: ProofOfWork::mine(peer, 8) };
        assert!(address.is_worth(8));
        assert_eq!(alloc::format!("{address}").parse(), Ok(address));
        assert!(!Address { peer, proof: ProofOfWork(u64::MAX) }.is_worth(24));
    }

    #[test]
    fn derived_secrets_differ_by_label() {
        let key = Keypair::from_seed([3; 32]);
        assert_ne!(*key.derive("bitcraps test a"), *key.derive("bitcraps test b"));
    }
}
