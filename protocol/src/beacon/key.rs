//! The key behind the dice: one public element for each validator, the secret shares behind them,
//! and the insecure dealer that makes both where no distributed key generation has run.

use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::coin::{CoinInput, CoinShare, VerifiedShare};
use super::group::{Element, scalar_from_hash};
use super::sealing::{Letter, SealedShare, SealingKey, SealingSecret};
use super::shamir;
use crate::block::ValidatorIndex;
use crate::hooks::Hooks;
use crate::identity::{Epoch, PeerId};
use crate::rng::Rng;
use crate::wire::{Hash, List, limits};

/// Names one dice key of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DiceKeyId {
    /// In which epoch it was made.
    pub epoch: Epoch,
    /// Which of that epoch's keys it is, counted from 0.
    pub version: u32,
}

/// What everybody knows of the key behind the dice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiceKey {
    /// Which of its epoch's keys it is, counted from 0.
    pub version: u32,
    /// How many shares make a coin.
    pub threshold: u16,
    /// Each validator's public key, in the validators' order: `s_i·G` for the secret share `s_i`.
    pub members: List<[u8; 32], { limits::VALIDATORS }>,
}

/// A dice key that was found to be one: every member's element decoded, the threshold possible,
/// and all shares on one polynomial, so that every choice of shares gives the same coin.
#[derive(Clone, Debug)]
pub struct DiceKeyTable {
    version: u32,
    threshold: u16,
    members: Vec<Element>,
}

/// Why a [`DiceKey`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDiceKey {
    /// The threshold is 0 or above the number of members.
    Threshold,
    /// This member's key is the identity or no canonical encoding of an element.
    Member(ValidatorIndex),
    /// Different choices of shares would give different coins.
    Inconsistent,
}

/// A validator's secret share of a dice key; wiped when dropped, and never sent anywhere.
pub struct ShareSecret {
    index: ValidatorIndex,
    secret: Zeroizing<Scalar>,
    public: Element,
}

/// A dice key with each validator's share of it, sealed to that validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dealt {
    /// What the seals are bound to.
    pub id: Hash,
    /// The key.
    pub key: DiceKey,
    /// The dealer's one-time key.
    pub dealer: SealingKey,
    /// The shares, in the validators' order.
    pub sealed: List<SealedShare, { limits::VALIDATORS }>,
}

/// Why a validator has no share of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoShare {
    /// The deal has no share for this index.
    NotAMember,
    /// The seal was made for another sealing key or another deal, or was tampered with.
    Sealed,
    /// What was sealed is not the share behind the member's public key.
    Wrong,
}

impl DiceKey {
    /// The key's hash, to which headers commit.
    pub fn hash(&self) -> Hash {
        Hash::of("bitcraps 2026 dice key", self)
    }

    /// Checks the whole key and decodes it for use; to be done once, when a key comes into force.
    pub fn table(&self) -> Result<DiceKeyTable, BadDiceKey> {
        self.table_by(&Hooks::default())
    }

    pub(crate) fn table_by(&self, hooks: &Hooks) -> Result<DiceKeyTable, BadDiceKey> {
        if self.threshold == 0 || usize::from(self.threshold) > self.members.len() {
            return Err(BadDiceKey::Threshold);
        }
        let members = (0..)
            .map(ValidatorIndex)
            .zip(self.members.iter())
            .map(|(index, bytes)| Element::decode(bytes).ok_or(BadDiceKey::Member(index)))
            .collect::<Result<Vec<_>, _>>()?;
        if !hooks.verdict(|| self.hash(), || self.is_consistent(&members)) {
            return Err(BadDiceKey::Inconsistent);
        }
        Ok(DiceKeyTable { version: self.version, threshold: self.threshold, members })
    }

    /// A member's public key, decoded; `None` if there is no such member or its key is none.
    pub(super) fn member(&self, index: ValidatorIndex) -> Option<Element> {
        Element::decode(self.members.get(usize::from(index.0))?)
    }

    /// Whether the members' secrets lie on one polynomial with `threshold` coefficients. The random
    /// word is drawn from the key's own hash: who chooses the key cannot choose the word.
    fn is_consistent(&self, members: &[Element]) -> bool {
        let count = u16::try_from(members.len()).expect("a list of at most 512 validators");
        let hash = self.hash();
        let mut drawn = 0u32;
        let word = shamir::dual_word(count, self.threshold, || {
            drawn += 1;
            scalar_from_hash(
                Hash::hasher("bitcraps 2026 dice key consistency")
                    .update(&hash.0)
                    .update(&drawn.to_le_bytes()),
            )
        });
        RistrettoPoint::vartime_multiscalar_mul(word, members.iter().map(Element::point))
            .is_identity()
    }
}

impl DiceKeyTable {
    /// Which of its epoch's keys it is.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How many shares make a coin.
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    pub(super) fn member(&self, index: ValidatorIndex) -> Option<&Element> {
        self.members.get(usize::from(index.0))
    }
}

impl ShareSecret {
    /// The share of member `index`.
    pub(super) fn new(index: ValidatorIndex, secret: Zeroizing<Scalar>) -> Self {
        let public = Element::of_secret(&secret);
        Self { index, secret, public }
    }

    /// Whose share it is.
    pub const fn index(&self) -> ValidatorIndex {
        self.index
    }

    /// This share's part of a coin. The same call gives the same bytes.
    ///
    /// Whoever gives it away before the view's block is locked in lets others know the dice while
    /// bets are still open: [`Beacon`](super::Beacon) decides when.
    pub fn coin_share(&self, input: &CoinInput) -> CoinShare {
        self.verified_share(input).share()
    }

    /// The same, with the knowledge that it verifies.
    pub(super) fn verified_share(&self, input: &CoinInput) -> VerifiedShare {
        VerifiedShare::make(input, self.index, &self.secret, &self.public)
    }

    /// What a share of a coin is without its proof.
    #[cfg(test)]
    pub(super) fn image(&self, input: &CoinInput) -> Element {
        input.element().times(&self.secret)
    }

    /// Whether this is the share behind `key`'s member of the same index.
    pub(super) fn belongs_to(&self, key: &DiceKeyTable) -> bool {
        key.member(self.index) == Some(&self.public)
    }
}

impl Dealt {
    /// Opens validator `index`'s share with its `secret`, and checks it against its public key.
    pub fn open_share(
        &self,
        index: ValidatorIndex,
        secret: &SealingSecret,
    ) -> Result<ShareSecret, NoShare> {
        let member = self.key.member(index).ok_or(NoShare::NotAMember)?;
        let sealed = self.sealed.get(usize::from(index.0)).ok_or(NoShare::NotAMember)?;
        let letter = Letter { deal: self.id, dealer: None, receiver: index };
        let opened = secret.open(self.dealer, &letter, sealed).map_err(|_| NoShare::Sealed)?;
        let share = ShareSecret::new(index, opened);
        if share.public == member { Ok(share) } else { Err(NoShare::Wrong) }
    }
}

/// Makes a dice key as the **insecure dealer**: whoever runs this knows the secret, and with it the
/// dice of every roll that will ever be made with the key. For development and play money only.
///
/// `threshold` is n − f with f = (n − 1) / 3; `id` names the deal and must not depend on the
/// network's id, which depends on the deal. The key is version 0. Asserts that there are 1 to
/// [`limits::VALIDATORS`] members and that the threshold is among them.
pub fn deal(members: &[(PeerId, SealingKey)], threshold: u16, rng: &mut Rng, id: &Hash) -> Dealt {
    assert!(members.len() <= limits::VALIDATORS, "a deal for more validators than an epoch has");
    assert!(
        threshold > 0 && usize::from(threshold) <= members.len(),
        "a threshold of {threshold} among {} validators",
        members.len()
    );
    let id = Hash::of("bitcraps 2026 insecure deal", &(id, threshold, members));
    let one_time = SealingSecret::one_time(&Zeroizing::new(rng.bytes32()));
    let polynomial = random_polynomial(threshold, rng);
    let shares = (0..).map(ValidatorIndex).zip(members).map(|(receiver, (_, key))| {
        let secret = shamir::evaluate(&polynomial, &shamir::abscissa(receiver));
        let share = ShareSecret::new(receiver, Zeroizing::new(secret));
        let letter = Letter { deal: id, dealer: None, receiver };
        (*share.public.bytes(), one_time.seal(*key, &letter, &share.secret))
    });
    let (publics, sealed) = shares.unzip();
    let fits = "as many as there are members";
    Dealt {
        id,
        key: DiceKey { version: 0, threshold, members: List::new(publics).expect(fits) },
        dealer: one_time.public(),
        sealed: List::new(sealed).expect(fits),
    }
}

fn random_polynomial(coefficients: u16, rng: &mut Rng) -> Zeroizing<Vec<Scalar>> {
    let mut wide = Zeroizing::new([0; 64]);
    let mut draw = || {
        rng.fill(wide.as_mut_slice());
        Scalar::from_bytes_mod_order_wide(&wide)
    };
    Zeroizing::new((0..coefficients).map(|_| draw()).collect())
}

impl fmt::Debug for ShareSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ShareSecret({})", self.index)
    }
}

impl fmt::Display for BadDiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold => {
                formatter.write_str("the dice key's threshold does not fit its members")
            }
            Self::Member(index) => {
                write!(formatter, "the dice key of validator {index} is not a group element")
            }
            Self::Inconsistent => formatter
                .write_str("the dice key's shares do not belong together: coins would differ"),
        }
    }
}

impl core::error::Error for BadDiceKey {}

impl fmt::Display for NoShare {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAMember => "the dice key has no share for this validator",
            Self::Sealed => "the share of the dice key was not sealed to this validator's key",
            Self::Wrong => "the sealed share is not the one behind this validator's dice key",
        })
    }
}

impl core::error::Error for NoShare {}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::beacon::fixtures::{dealt, sealing_secret, share_secret, threshold};
    use crate::wire::{decode, encode};

    fn with_member(key: &DiceKey, index: usize, bytes: [u8; 32]) -> DiceKey {
        let mut members = key.members.to_vec();
        members[index] = bytes;
        DiceKey { members: List::new(members).unwrap(), ..*key }
    }

    #[test]
    fn every_member_opens_its_own_share_and_nobody_elses() {
        for n in [1, 2, 3, 4, 7, 10] {
            let dealt = dealt(n);
            assert_eq!(dealt.key.threshold, threshold(n));
            let table = dealt.key.table().unwrap();
            for index in 0..n {
                assert!(share_secret(&dealt, index).belongs_to(&table));
                let next = ValidatorIndex(u16::from((index + 1) % n));
                if n > 1 {
                    let stolen = dealt.open_share(next, &sealing_secret(index));
                    assert_eq!(stolen.err(), Some(NoShare::Sealed));
                }
            }
            let outside = dealt.open_share(ValidatorIndex(n.into()), &sealing_secret(0));
            assert_eq!(outside.err(), Some(NoShare::NotAMember));
        }
    }

    #[test]
    fn a_share_that_is_not_behind_its_public_key_is_refused() {
        let honest = dealt(4);
        let key = with_member(&honest.key, 1, honest.key.members[2]);
        let open = Dealt { key, ..honest }.open_share(ValidatorIndex(1), &sealing_secret(1));
        assert_eq!(open.err(), Some(NoShare::Wrong));
    }

    #[test]
    fn a_seal_moved_to_another_deal_does_not_open() {
        let moved = Dealt { id: Hash([1; 32]), ..dealt(4) };
        let open = moved.open_share(ValidatorIndex(1), &sealing_secret(1));
        assert_eq!(open.err(), Some(NoShare::Sealed));
    }

    #[test]
    fn a_key_whose_shares_do_not_belong_together_is_refused() {
        let key = dealt(7).key;
        assert_eq!(key.table().err(), None);
        for index in 0..7 {
            let other = with_member(&key, index, dealt(10).key.members[index]);
            assert_eq!(other.table().err(), Some(BadDiceKey::Inconsistent));
        }
        let lower = DiceKey { threshold: key.threshold - 1, ..key.clone() };
        assert_eq!(lower.table().err(), Some(BadDiceKey::Inconsistent));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        let key = dealt(4).key;
        for threshold in [0, 5] {
            let wrong = DiceKey { threshold, ..key.clone() };
            assert_eq!(wrong.table().err(), Some(BadDiceKey::Threshold));
        }
        let none = DiceKey { members: List::default(), ..key };
        assert_eq!(none.table().err(), Some(BadDiceKey::Threshold));
        for bytes in [[0; 32], [0xff; 32]] {
            let wrong = with_member(&key, 2, bytes);
            assert_eq!(wrong.table().err(), Some(BadDiceKey::Member(ValidatorIndex(2))));
        }
    }

    #[test]
    fn a_deal_reads_back_and_depends_on_its_seed_and_its_members() {
        let dealt = dealt(4);
        assert_eq!(decode(&encode(&dealt), 4096), Ok(dealt.clone()));
        let members: Vec<_> =
            (0..4).map(|i| (PeerId([i; 32]), sealing_secret(i).public())).collect();
        let again = |seed, id| deal(&members, 3, &mut Rng::new([seed; 32]), &Hash([id; 32]));
        assert_eq!(again(1, 1), again(1, 1));
        assert_ne!(again(1, 1).key.hash(), again(2, 1).key.hash());
        assert_ne!(again(1, 1).id, again(1, 2).id);
        assert_ne!(again(1, 1).id, dealt.id);
        assert_eq!(vec![again(1, 1).key.version, again(1, 1).key.threshold.into()], vec![0, 3]);
    }
}
