//! Signatures in a simulated world: real ones whose verdicts are remembered, or a cheap stand-in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::identity::{BadSignature, Context, Domain, Keypair, PeerId, Signature};
use crate::wire::Hash;

/// How votes and transactions are signed and checked. Cards and sessions always use Ed25519.
#[derive(Clone, Debug, Default)]
pub enum Signatures {
    /// Ed25519, every signature checked by everybody, as outside a simulation.
    #[default]
    Strict,
    /// Ed25519, every distinct signature checked once for all who share the memory.
    Remembered(Verdicts),
    /// A keyed hash that anybody who knows this secret can make: honest code does not forge, and
    /// an adversary of the simulator is not given honest keys. For swarms of small networks.
    StandIn([u8; 32]),
}

/// Verdicts on signatures, shared by the nodes of one world. A verdict is a pure function of the
/// bytes, so remembering or forgetting one changes nothing but the time it takes; therefore a plain
/// table without locks will do, in which the newer entry takes the older one's place.
#[derive(Clone)]
pub struct Verdicts(Arc<[AtomicU64]>);

impl Verdicts {
    /// Room for 2^`bits` verdicts of eight bytes each.
    pub fn with_room_for(bits: u8) -> Self {
        assert!(bits < 32, "more than any world needs");
        Self((0..1_u64 << bits).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().into())
    }

    /// The verdict on what has this fingerprint; `decide` is asked if it is not remembered. Two
    /// fingerprints share an entry only if they share an index and 63 more bits.
    fn on(&self, Fingerprint(fingerprint): Fingerprint, decide: impl FnOnce() -> bool) -> bool {
        let (index, tag) = ((fingerprint >> 64) as u64, fingerprint as u64);
        let slot = &self.0[(index % self.0.len() as u64) as usize];
        let known = slot.load(Ordering::Relaxed);
        // An entry is the tag with the verdict as its lowest bit; no entry is 0.
        if known != 0 && known >> 1 == tag >> 1 {
            return known & 1 == 1;
        }
        let good = decide();
        slot.store(tag & !1 | u64::from(good), Ordering::Relaxed);
        good
    }
}

impl Signatures {
    /// Ed25519 with a memory of 2^18 verdicts, two megabytes.
    pub fn remembered() -> Self {
        Self::Remembered(Verdicts::with_room_for(18))
    }

    /// The keypair as a node of this world signs with it.
    pub fn equip(&self, keypair: &Keypair) -> Keypair {
        match self {
            Self::Strict | Self::Remembered(_) => keypair.clone(),
            Self::StandIn(secret) => keypair.with_stand_in(*secret),
        }
    }

    pub(crate) fn verify(
        &self,
        peer: &PeerId,
        domain: Domain,
        context: &Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let good = match self {
            Self::Strict => return peer.verify(domain, context, bytes, signature),
            Self::Remembered(verdicts) => {
                let fingerprint = Fingerprint::default()
                    .with(&peer.0)
                    .with(&signature.0)
                    .with(&[domain as u8])
                    .with(&context.network.0)
                    .with(&context.epoch.0.to_le_bytes())
                    .with(bytes);
                verdicts.on(fingerprint, || peer.verify(domain, context, bytes, signature).is_ok())
            }
            Self::StandIn(secret) => {
                stand_in(secret, peer, &domain.covers(context, bytes)) == *signature
            }
        };
        if good { Ok(()) } else { Err(BadSignature) }
    }

    /// Remembers a verdict on anything else that is a pure function of `digest`.
    pub(crate) fn verdict(
        &self,
        digest: impl FnOnce() -> Hash,
        decide: impl FnOnce() -> bool,
    ) -> bool {
        match self {
            Self::Strict | Self::StandIn(_) => decide(),
            Self::Remembered(verdicts) => {
                verdicts.on(Fingerprint::default().with(&digest().0), decide)
            }
        }
    }
}

/// Names what a verdict is on: 128 bits that chance does not find twice. Who looks for two things of
/// one fingerprint finds them, but no adversary of the simulator does, and it is several times as
/// fast as a hash that would withstand one.
#[derive(Clone, Copy, Debug, Default)]
struct Fingerprint(u128);

impl Fingerprint {
    /// An odd number without a pattern: the first bits of the golden ratio's fraction.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

    #[must_use]
    fn with(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
        [bytes.len() as u64].into_iter().chain(words).fold(self, |Self(before), word| {
            let mixed = (before ^ u128::from(word)).wrapping_mul(Self::FACTOR);
            Self(mixed ^ mixed >> 67)
        })
    }
}

/// What stands in for the signature of `peer` over `signed`.
pub(crate) fn stand_in(secret: &[u8; 32], peer: &PeerId, signed: &[u8]) -> Signature {
    let mut hasher = Hash::hasher("bitcraps 2026 simulated signature");
    hasher.update(secret).update(&peer.0).update(signed);
    let mut signature = [0; 64];
    hasher.finalize_xof().fill(&mut signature);
    Signature(signature)
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Verdicts({} at most)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Epoch;

    const CONTEXT: Context = Context { network: Hash([7; 32]), epoch: Epoch(0) };

    fn kinds() -> [Signatures; 3] {
        let verdicts = Verdicts::with_room_for(0);
        [Signatures::Strict, Signatures::Remembered(verdicts), Signatures::StandIn([3; 32])]
    }

    #[test]
    fn every_kind_of_signature_counts_for_its_own_bytes_key_domain_and_context_only() {
        for signatures in kinds() {
            let keypair = signatures.equip(&Keypair::from_seed([1; 32]));
            let other = Keypair::from_seed([2; 32]).peer();
            let epoch = Context { epoch: Epoch(1), ..CONTEXT };
            let signature = keypair.sign(Domain::Vote, &CONTEXT, b"yes");
            let check = |peer: PeerId, domain, context: &Context, bytes: &[u8]| {
                signatures.verify(&peer, domain, context, bytes, &signature)
            };
            // Twice, because the second time the verdict may be remembered.
            for _ in 0..2 {
                assert_eq!(check(keypair.peer(), Domain::Vote, &CONTEXT, b"yes"), Ok(()));
                for wrong in [
                    check(keypair.peer(), Domain::Vote, &CONTEXT, b"no"),
                    check(other, Domain::Vote, &CONTEXT, b"yes"),
                    check(keypair.peer(), Domain::Transaction, &CONTEXT, b"yes"),
                    check(keypair.peer(), Domain::Vote, &epoch, b"yes"),
                ] {
                    assert_eq!(wrong, Err(BadSignature), "{signatures:?}");
                }
            }
        }
    }

    #[test]
    fn cards_and_sessions_are_signed_for_real_even_by_a_stand_in() {
        let keypair = Signatures::StandIn([3; 32]).equip(&Keypair::from_seed([1; 32]));
        for domain in [Domain::Session, Domain::Card] {
            let signature = keypair.sign(domain, &CONTEXT, b"me");
            assert_eq!(keypair.peer().verify(domain, &CONTEXT, b"me", &signature), Ok(()));
        }
    }
}
