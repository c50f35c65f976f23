//! What one dealer contributes to a key, and what a receiver can say against it.
//!
//! A deal is a polynomial of the dealer's, published in the exponent (Feldman 1987), with its value
//! at each member sealed to that member. The key is the sum of the qualified deals' polynomials
//! (Pedersen 1991, "joint Feldman"): unknown to everybody as long as one dealer is honest.

use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::MEMBERS;
use crate::beacon::dleq::Dleq;
use crate::beacon::group::Element;
use crate::beacon::sealing::{
    Letter, Possession, Purpose, SealedShare, SealingKey, SealingSecret, reveals,
};
use crate::beacon::shamir;
use crate::block::ValidatorIndex;
use crate::identity::{Epoch, Keypair, NetworkId};
use crate::wire::{Hash, List, encode};

/// Names one run of the key generation. Everything said in a run is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RunId {
    /// On which network.
    pub network: NetworkId,
    /// For which epoch.
    pub epoch: Epoch,
    /// For which of the epoch's keys.
    pub version: u32,
}

/// One dealer's contribution: 32 bytes for each share of the threshold, 48 for each member, and 160.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    /// The coefficients of the dealer's polynomial, times the generator, lowest first: as many as
    /// the threshold.
    pub commitments: List<[u8; 32], MEMBERS>,
    /// The dealer's one-time key, under which the shares are sealed.
    pub one_time: SealingKey,
    /// That the dealer knows the secret of its one-time key. Without it a cheater could deal under
    /// an honest dealer's key, and complain: what a complaint reveals would open the honest deal.
    pub knows_one_time: Possession,
    /// That the dealer knows its polynomial's value at 0, so that it does not depend on others'.
    pub knows_secret: Possession,
    /// The shares, in the members' order.
    pub sealed: List<SealedShare, MEMBERS>,
}

/// Why a deal is none, for everybody to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDeal {
    /// Not as many coefficients as the threshold, or not as many shares as members.
    Size,
    /// A coefficient that is the identity or no canonical encoding of an element.
    Commitment,
    /// The dealer does not prove to know the secret of its one-time key.
    OneTimeKey,
    /// The dealer does not prove to know its polynomial's value at 0.
    Secret,
}

/// A receiver's claim that a dealer sealed it no share, or a wrong one. It gives away what the two
/// share, so that everybody can open that one seal and see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// Who is said to have dealt badly.
    pub dealer: ValidatorIndex,
    revealed: [u8; 32],
    proof: Dleq,
}

const ONE_TIME: Purpose = Purpose {
    challenge: "bitcraps 2026 deal one-time key possession",
    nonce: "bitcraps 2026 deal one-time key possession nonce",
};

const SECRET: Purpose = Purpose {
    challenge: "bitcraps 2026 deal secret possession",
    nonce: "bitcraps 2026 deal secret possession nonce",
};

impl RunId {
    fn hash(&self) -> Hash {
        Hash::of("bitcraps 2026 key generation run", self)
    }

    /// What a dealer's proofs in this run are bound to.
    fn bound(&self, dealer: ValidatorIndex) -> Hash {
        Hash::of("bitcraps 2026 deal of a run", &(self, dealer))
    }

    fn letter(&self, dealer: ValidatorIndex, receiver: ValidatorIndex) -> Letter {
        Letter { deal: self.hash(), dealer: Some(dealer), receiver }
    }
}

impl Deal {
    /// What `keypair`'s holder deals in `run` as `dealer`: the same every time, so that a crash
    /// neither loses a secret nor makes a dealer contradict itself.
    pub fn make(
        run: &RunId,
        dealer: ValidatorIndex,
        receivers: &[SealingKey],
        threshold: u16,
        keypair: &Keypair,
    ) -> Self {
        let mut draw = secrets(run, keypair);
        let mut entropy = Zeroizing::new([0; 32]);
        draw(entropy.as_mut_slice());
        let one_time = SealingSecret::one_time(&entropy);
        let mut wide = Zeroizing::new([0; 64]);
        let mut coefficient = || {
            draw(wide.as_mut_slice());
            Scalar::from_bytes_mod_order_wide(&wide)
        };
        let polynomial: Zeroizing<Vec<Scalar>> =
            Zeroizing::new((0..threshold).map(|_| coefficient()).collect());
        Self::of(run, dealer, receivers, &one_time, &polynomial)
    }

    /// The deal of this polynomial under this one-time key.
    pub(super) fn of(
        run: &RunId,
        dealer: ValidatorIndex,
        receivers: &[SealingKey],
        one_time: &SealingSecret,
        polynomial: &[Scalar],
    ) -> Self {
        let commitments: Vec<Element> = polynomial.iter().map(Element::of_secret).collect();
        let sealed = (0..).map(ValidatorIndex).zip(receivers).map(|(receiver, key)| {
            let share = Zeroizing::new(shamir::evaluate(polynomial, &shamir::abscissa(receiver)));
            one_time.seal(*key, &run.letter(dealer, receiver), &share)
        });
        let bound = run.bound(dealer).0;
        let fits = "not more than a run has members";
        Self {
            one_time: one_time.public(),
            knows_one_time: one_time.prove(ONE_TIME, &bound),
            knows_secret: Possession::prove(&polynomial[0], &commitments[0], SECRET, &bound),
            sealed: List::new(sealed.collect()).expect(fits),
            commitments: List::new(commitments.iter().map(|it| *it.bytes()).collect()).expect(fits),
        }
    }

    /// The deal's hash, by which its receivers attest to it.
    pub fn hash(&self) -> Hash {
        Hash::of("bitcraps 2026 deal", self)
    }

    /// Checks everything that can be seen without any receiver's secret.
    pub fn check(
        &self,
        run: &RunId,
        dealer: ValidatorIndex,
        members: usize,
        threshold: u16,
    ) -> Result<(), BadDeal> {
        self.check_shape(members, threshold)?;
        let bound = run.bound(dealer).0;
        if !self.knows_one_time.proves(&self.one_time.element(), ONE_TIME, &bound) {
            return Err(BadDeal::OneTimeKey);
        }
        let lowest = self.commitments.first().and_then(Element::decode);
        let knows = lowest.is_some_and(|it| self.knows_secret.proves(&it, SECRET, &bound));
        if knows { Ok(()) } else { Err(BadDeal::Secret) }
    }

    /// Checks the numbers and the elements, but neither proof.
    pub(super) fn check_shape(&self, members: usize, threshold: u16) -> Result<(), BadDeal> {
        let sizes = (self.commitments.len(), self.sealed.len());
        if threshold == 0 || sizes != (usize::from(threshold), members) {
            return Err(BadDeal::Size);
        }
        self.points().map(|_| ()).ok_or(BadDeal::Commitment)
    }

    /// The share of `receiver`, whose sealing secret is `secret`, or what it has to say against
    /// `dealer`.
    pub fn open(
        &self,
        run: &RunId,
        dealer: ValidatorIndex,
        receiver: ValidatorIndex,
        secret: &SealingSecret,
    ) -> Result<Zeroizing<Scalar>, Complaint> {
        let letter = run.letter(dealer, receiver);
        let sealed = self.sealed.get(usize::from(receiver.0));
        sealed
            .and_then(|sealed| secret.open(self.one_time, &letter, sealed).ok())
            .filter(|share| self.fits(receiver, share))
            .ok_or_else(|| {
                let (revealed, proof) = secret.reveal(self.one_time);
                Complaint { dealer, revealed: *revealed.bytes(), proof }
            })
    }

    /// Whether `share` is the polynomial's value at `receiver`.
    fn fits(&self, receiver: ValidatorIndex, share: &Scalar) -> bool {
        let Some(points) = self.points() else { return false };
        shamir::evaluate_hidden(&points, receiver) == RistrettoPoint::mul_base(share)
    }

    pub(super) fn points(&self) -> Option<Vec<RistrettoPoint>> {
        self.commitments.iter().map(|bytes| Some(*Element::decode(bytes)?.point())).collect()
    }
}

impl Complaint {
    /// Whether this shows that `deal` gave `receiver`, who has the key `key`, no share or a wrong
    /// one.
    pub fn holds(
        &self,
        run: &RunId,
        deal: &Deal,
        receiver: ValidatorIndex,
        key: SealingKey,
    ) -> bool {
        let Some(revealed) = Element::decode(&self.revealed) else { return false };
        let (receives, deals) = (key.element(), deal.one_time.element());
        if !self.proof.proves(reveals(&receives, &deals, &revealed)) {
            return false;
        }
        let letter = run.letter(self.dealer, receiver);
        let opened = deal
            .sealed
            .get(usize::from(receiver.0))
            .and_then(|sealed| sealed.open(&revealed, deal.one_time, key, &letter).ok());
        !opened.is_some_and(|share| deal.fits(receiver, &share))
    }

    /// What it opens another deal's seal with; only for showing that it does not.
    #[cfg(test)]
    pub(super) fn opens(
        &self,
        run: &RunId,
        deal: &Deal,
        dealer: ValidatorIndex,
        receiver: ValidatorIndex,
        key: SealingKey,
    ) -> Option<Zeroizing<Scalar>> {
        let revealed = Element::decode(&self.revealed)?;
        let letter = run.letter(dealer, receiver);
        let sealed = deal.sealed.get(usize::from(receiver.0))?;
        let share = sealed.open(&revealed, deal.one_time, key, &letter).ok()?;
        deal.fits(receiver, &share).then_some(share)
    }
}

/// An endless stream of `keypair`'s secrets for one run.
pub(super) fn secrets(run: &RunId, keypair: &Keypair) -> impl FnMut(&mut [u8]) + use<> {
    let seed = keypair.derive("bitcraps 2026 dealing");
    let mut hasher = Hash::hasher("bitcraps 2026 dealing secrets");
    hasher.update(seed.as_slice()).update(&encode(run));
    let mut stream = hasher.finalize_xof();
    move |bytes| stream.fill(bytes)
}

impl fmt::Display for BadDeal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Size => "the deal is not made for this threshold and these members",
            Self::Commitment => "a coefficient of the deal is no group element",
            Self::OneTimeKey => "the dealer does not prove to know its one-time key's secret",
            Self::Secret => "the dealer does not prove to know the secret that it deals",
        })
    }
}

impl core::error::Error for BadDeal {}
