//! The coin of a view: a number that exactly the holders of any `threshold` shares of the dice key
//! can bring about, that has one possible value whichever shares are used, and that nobody with
//! fewer can tell from random (Cachin, Kursawe & Shoup 2000; Galindo et al., *Fully Distributed
//! Verifiable Random Functions*, 2020: DDH-DVRF).

use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use serde::{Deserialize, Serialize};

use super::dleq::{Dleq, Statement};
use super::group::Element;
use super::key::DiceKey;
use super::shamir;
use crate::block::{ValidatorIndex, View};
use crate::hooks::Hooks;
use crate::identity::{Epoch, NetworkId};
use crate::wire::{Digest, Hash, List, encode, limits};

/// Names one coin. Nothing else goes into it, least of all what is to be decided with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CoinId {
    /// On which network.
    pub network: NetworkId,
    /// In which epoch.
    pub epoch: Epoch,
    /// With which of the epoch's dice keys.
    pub key_version: u32,
    /// Of which view: an index that a failed view uses up.
    pub view: View,
}

/// The group element that shares of a coin are made from: `P_v`, the hash of the coin's id.
#[derive(Clone, Copy, Debug)]
pub struct CoinInput {
    id: CoinId,
    element: Element,
}

/// One validator's part of a coin: `s_i·P_v` with the proof that it is; 96 bytes, believed only
/// when they verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinShare {
    point: [u8; 32],
    proof: Dleq,
}

/// A share whose proof holds, for the coin and the member that it was made or checked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct VerifiedShare {
    index: ValidatorIndex,
    share: CoinShare,
    point: RistrettoPoint,
}

/// What the dice of a view are made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coin(pub [u8; 32]);

/// The shares that prove a view's coin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinProof {
    /// Whose coin it is.
    pub view: View,
    /// Exactly as many shares as the key's threshold, their indexes strictly ascending.
    pub shares: List<(ValidatorIndex, CoinShare), { limits::VALIDATORS }>,
}

/// Why a [`CoinProof`] proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCoinProof {
    /// More or fewer shares than the threshold.
    Count,
    /// Two shares of one member, or out of order.
    Order,
    /// A share by somebody who is not a member of the dice key.
    NotAMember(ValidatorIndex),
    /// A share that is not this member's share of this coin.
    BadShare(ValidatorIndex),
}

impl CoinId {
    /// The element that shares of this coin are made from.
    pub fn input(&self) -> CoinInput {
        let mut hasher = Hash::hasher("bitcraps 2026 coin input");
        hasher.update(&encode(self));
        CoinInput { id: *self, element: Element::from_hash(&hasher) }
    }
}

impl CoinInput {
    /// Checks `share`, said to be by member `index` whose public key is `member`.
    pub(super) fn check(
        &self,
        index: ValidatorIndex,
        member: &Element,
        share: &CoinShare,
        hooks: &Hooks,
    ) -> Option<VerifiedShare> {
        let image = Element::decode(&share.point)?;
        let digest =
            || Hash::of("bitcraps 2026 coin share memo", &(self.id, member.bytes(), share));
        let proves = hooks.verdict(digest, || share.proof.proves(self.statement(member, &image)));
        proves.then_some(VerifiedShare { index, share: *share, point: *image.point() })
    }

    /// Takes `share` for good, as [`check`](Self::check) or whoever is believed has found it.
    fn believe(index: ValidatorIndex, share: &CoinShare) -> Option<VerifiedShare> {
        let point = *Element::decode(&share.point)?.point();
        Some(VerifiedShare { index, share: *share, point })
    }

    /// The coin that these shares determine. They are of this coin, as many as the threshold, and
    /// of distinct members: whichever they are, the result is the same.
    pub(super) fn combine(&self, shares: &[VerifiedShare]) -> Coin {
        let members: Vec<ValidatorIndex> = shares.iter().map(|share| share.index).collect();
        let sum = RistrettoPoint::vartime_multiscalar_mul(
            shamir::weights_at_zero(&members),
            shares.iter().map(|share| share.point),
        );
        let mut hasher = Hash::hasher("bitcraps 2026 coin");
        hasher.update(&encode(&self.id)).update(sum.compress().as_bytes());
        Coin(Hash::from(&mut hasher).0)
    }

    #[cfg(test)]
    pub(super) const fn element(&self) -> &Element {
        &self.element
    }

    const fn statement<'a>(&'a self, public: &'a Element, image: &'a Element) -> Statement<'a> {
        const PURPOSE: Digest = "bitcraps 2026 coin share";
        Statement { purpose: PURPOSE, public, base: &self.element, image }
    }
}

impl VerifiedShare {
    /// Makes the share of member `index`, whose public key `public` belongs to `secret`.
    pub(super) fn make(
        input: &CoinInput,
        index: ValidatorIndex,
        secret: &Scalar,
        public: &Element,
    ) -> Self {
        let image = input.element.times(secret);
        let proof = Dleq::prove(input.statement(public, &image), secret);
        let share = CoinShare { point: *image.bytes(), proof };
        Self { index, share, point: *image.point() }
    }

    /// Whose share it is.
    pub(super) const fn index(&self) -> ValidatorIndex {
        self.index
    }

    /// The share as it travels.
    pub(super) const fn share(&self) -> CoinShare {
        self.share
    }
}

impl CoinProof {
    /// The proof made of these shares of `view`'s coin, indexes strictly ascending.
    pub(super) fn new<'a>(view: View, shares: impl Iterator<Item = &'a VerifiedShare>) -> Self {
        let shares = shares.map(|verified| (verified.index, verified.share)).collect();
        Self { view, shares: List::new(shares).expect("not more than there are validators") }
    }

    /// Checks every share, one by one, against `key`, which must be in force for the view's rolls
    /// and have passed [`DiceKey::table`] when it came into force. The verdict and the coin depend
    /// on nothing but the arguments.
    pub fn verify(
        &self,
        key: &DiceKey,
        network: NetworkId,
        epoch: Epoch,
    ) -> Result<Coin, BadCoinProof> {
        self.verify_by(&Hooks::default(), key, network, epoch, |_, _| false)
    }

    /// The coin `id` that these shares determine if they are good, which is not checked here: for
    /// coins on a chain, whose validators have. `None` if one is no share at all.
    pub fn combine(&self, id: &CoinId) -> Option<Coin> {
        let shares = self.shares.iter().map(|(index, share)| CoinInput::believe(*index, share));
        Some(id.input().combine(&shares.collect::<Option<Vec<_>>>()?))
    }

    /// The same, but for shares that were already checked, for this very coin and the member with
    /// this public key.
    pub(crate) fn verify_by(
        &self,
        hooks: &Hooks,
        key: &DiceKey,
        network: NetworkId,
        epoch: Epoch,
        is_checked: impl Fn(&[u8; 32], &CoinShare) -> bool,
    ) -> Result<Coin, BadCoinProof> {
        if key.threshold == 0 || self.shares.len() != usize::from(key.threshold) {
            return Err(BadCoinProof::Count);
        }
        if !self.shares.is_sorted_by(|(index, _), (next, _)| index < next) {
            return Err(BadCoinProof::Order);
        }
        let input = CoinId { network, epoch, key_version: key.version, view: self.view }.input();
        let verified = self
            .shares
            .iter()
            .map(|(index, share)| {
                let member = key.member(*index).ok_or(BadCoinProof::NotAMember(*index))?;
                let verified = if is_checked(member.bytes(), share) {
                    CoinInput::believe(*index, share)
                } else {
                    input.check(*index, &member, share, hooks)
                };
                verified.ok_or(BadCoinProof::BadShare(*index))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(input.combine(&verified))
    }
}

impl Coin {
    /// As many bytes as wanted for one roll, different for every table and round, from which the
    /// dice are made by rejection.
    pub fn dice_bytes(&self, table: u32, round: u64) -> impl Iterator<Item = u8> + use<> {
        let mut hasher = Hash::hasher("bitcraps 2026 dice");
        hasher.update(&encode(&(self, table, round)));
        let mut output = hasher.finalize_xof();
        core::iter::repeat_with(move || {
            let mut byte = [0];
            output.fill(&mut byte);
            byte[0]
        })
    }
}

impl fmt::Debug for Coin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Hash(self.0).short())
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash(self.0).fmt(formatter)
    }
}

impl fmt::Display for BadCoinProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => formatter.write_str("not as many shares as the dice key's threshold"),
            Self::Order => formatter.write_str("shares repeated or out of order"),
            Self::NotAMember(index) => write!(formatter, "{index} has no share of the dice key"),
            Self::BadShare(index) => write!(formatter, "the share of {index} does not verify"),
        }
    }
}

impl core::error::Error for BadCoinProof {}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;
    use crate::beacon::fixtures::{dealt, sealing_secret, share_secrets, threshold};
    use crate::beacon::{DiceKey, ShareSecret};
    use crate::craps::Dice;
    use crate::identity::PeerId;
    use crate::wire::decode;

    const NETWORK: NetworkId = Hash([3; 32]);
    const EPOCH: Epoch = Epoch(5);
    const VIEW: View = View(8);

    fn id() -> CoinId {
        CoinId { network: NETWORK, epoch: EPOCH, key_version: 0, view: VIEW }
    }

    fn game(n: u8) -> (DiceKey, Vec<ShareSecret>) {
        let dealt = dealt(n);
        let secrets = share_secrets(&dealt);
        (dealt.key, secrets)
    }

    fn verified(secrets: &[ShareSecret], id: CoinId) -> Vec<VerifiedShare> {
        let input = id.input();
        secrets.iter().map(|secret| secret.verified_share(&input)).collect()
    }

    fn proof(secrets: &[ShareSecret], members: &[u16]) -> CoinProof {
        let all = verified(secrets, id());
        CoinProof::new(VIEW, members.iter().map(|index| &all[usize::from(*index)]))
    }

    fn subsets(n: u8, k: u16) -> impl Iterator<Item = Vec<u16>> {
        (0u32..1 << n)
            .filter(move |set| set.count_ones() == u32::from(k))
            .map(move |set| (0..u16::from(n)).filter(|i| set >> i & 1 == 1).collect())
    }

    #[test]
    fn every_choice_of_shares_gives_the_same_coin() {
        for n in [1, 2, 3, 4, 7, 10] {
            let (_, secrets) = game(n);
            let all = verified(&secrets, id());
            let coins: Vec<Coin> = subsets(n, threshold(n))
                .map(|set| set.iter().map(|i| all[usize::from(*i)]).collect::<Vec<_>>())
                .map(|shares| id().input().combine(&shares))
                .collect();
            assert!(coins.iter().all(|coin| *coin == coins[0]), "n = {n}");
        }
    }

    #[test]
    fn a_proof_is_exactly_the_threshold_of_ascending_shares() {
        for n in [1, 2, 3, 4, 7] {
            let (key, secrets) = game(n);
            let members: Vec<u16> = (0..threshold(n)).collect();
            let check = |members: &[u16]| proof(&secrets, members).verify(&key, NETWORK, EPOCH);
            let coin = check(&members).unwrap();
            let last: Vec<u16> = (u16::from(n) - threshold(n)..u16::from(n)).collect();
            assert_eq!(check(&last), Ok(coin));
            assert_eq!(check(&members[1..]), Err(BadCoinProof::Count));
            let one_more: Vec<u16> = members.iter().copied().chain([0]).collect();
            assert_eq!(check(&one_more), Err(BadCoinProof::Count));
            if members.len() > 1 {
                let mut twice = members.clone();
                twice[1] = twice[0];
                assert_eq!(check(&twice), Err(BadCoinProof::Order));
                let mut swapped = members.clone();
                swapped.swap(0, 1);
                assert_eq!(check(&swapped), Err(BadCoinProof::Order));
            }
        }
    }

    #[test]
    fn a_threshold_of_nothing_proves_nothing() {
        let (key, _) = game(4);
        let empty = CoinProof { view: VIEW, shares: List::new(vec![]).unwrap() };
        let key = DiceKey { threshold: 0, ..key };
        assert_eq!(empty.verify(&key, NETWORK, EPOCH), Err(BadCoinProof::Count));
    }

    #[test]
    fn a_share_counts_for_its_own_member_and_coin_only() {
        let (key, secrets) = game(4);
        let good = proof(&secrets, &[0, 1, 2]);
        let bad_first = Err(BadCoinProof::BadShare(ValidatorIndex(0)));
        let verify = |proof: &CoinProof| proof.verify(&key, NETWORK, EPOCH);
        assert!(verify(&good).is_ok());
        assert_eq!(good.verify(&key, Hash([4; 32]), EPOCH), bad_first);
        assert_eq!(good.verify(&key, NETWORK, Epoch(6)), bad_first);
        let next_key = DiceKey { version: 1, ..key.clone() };
        assert_eq!(good.verify(&next_key, NETWORK, EPOCH), bad_first);
        assert_eq!(verify(&CoinProof { view: View(9), ..good.clone() }), bad_first);

        let with_last = |index, share| {
            let mut shares = good.shares.to_vec();
            shares[2] = (ValidatorIndex(index), share);
            verify(&CoinProof { view: VIEW, shares: List::new(shares).unwrap() })
        };
        let share = good.shares[2].1;
        assert_eq!(with_last(3, share), Err(BadCoinProof::BadShare(ValidatorIndex(3))));
        assert_eq!(with_last(4, share), Err(BadCoinProof::NotAMember(ValidatorIndex(4))));
        let bad_last = Err(BadCoinProof::BadShare(ValidatorIndex(2)));
        let others_point = CoinShare { point: good.shares[1].1.point, ..share };
        assert_eq!(with_last(2, others_point), bad_last);
        let others_proof = CoinShare { proof: good.shares[1].1.proof, ..share };
        assert_eq!(with_last(2, others_proof), bad_last);
    }

    #[test]
    fn every_changed_bit_of_a_share_and_every_degenerate_point_is_refused() {
        let (key, secrets) = game(4);
        let input = id().input();
        let share = secrets[1].coin_share(&input);
        let index = ValidatorIndex(1);
        let member = key.member(index).unwrap();
        let check =
            |share: &CoinShare| input.check(index, &member, share, &Hooks::default()).is_some();
        assert!(check(&share));
        let bytes = encode(&share);
        assert_eq!(bytes.len(), 96);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&decode(&wrong, 96).unwrap()), "bit {bit}");
        }
        for point in [[0; 32], [0xff; 32]] {
            assert!(!check(&CoinShare { point, ..share }));
        }
    }

    #[test]
    fn a_share_is_the_same_however_often_it_is_made() {
        let (_, secrets) = game(4);
        assert_eq!(secrets[0].coin_share(&id().input()), secrets[0].coin_share(&id().input()));
    }

    #[test]
    fn different_tables_and_rounds_draw_different_bytes() {
        let bytes =
            |coin, table, round| Coin(coin).dice_bytes(table, round).take(64).collect::<Vec<u8>>();
        let first = bytes([1; 32], 1, 1);
        assert_eq!(first, bytes([1; 32], 1, 1));
        for other in [bytes([2; 32], 1, 1), bytes([1; 32], 2, 1), bytes([1; 32], 1, 2)] {
            assert_ne!(first, other);
        }
    }

    /// A million coins of four validators, three shares each, on the network whose id is 32 times
    /// 41: all 36 outcomes of the dice of table 1 equally often. Stated in advance: Pearson's
    /// chi-square with 35 degrees of freedom, which fair dice bring above 66.62 once in 1,000 times.
    ///
    /// Proofs do not change a coin and take most of the time: every thousandth coin's are made and
    /// checked.
    ///
    /// `cargo test --release -p bitcraps-protocol a_million_coins -- --ignored --nocapture`
    #[test]
    #[ignore = "takes minutes"]
    #[expect(clippy::print_stdout, reason = "measures, for reading")]
    fn a_million_coins_throw_every_outcome_equally_often() {
        const COINS: u64 = 1_000_000;
        let (network, key_version) = (Hash([41; 32]), 0);
        let (key, secrets) = game(4);
        let secrets = &secrets[..usize::from(key.threshold)];
        let proof = secrets[0].coin_share(&id().input()).proof;
        let mut counts = [0u64; 36];
        for view in (1..=COINS).map(View) {
            let input = CoinId { network, epoch: EPOCH, key_version, view }.input();
            let share = |secret: &ShareSecret| {
                let image = secret.image(&input);
                let share = CoinShare { point: *image.bytes(), proof };
                VerifiedShare { index: secret.index(), share, point: *image.point() }
            };
            let coin = input.combine(&secrets.iter().map(share).collect::<Vec<_>>());
            if view.0.is_multiple_of(1000) {
                let shares: Vec<_> =
                    secrets.iter().map(|secret| secret.verified_share(&input)).collect();
                let proof = CoinProof::new(view, shares.iter());
                assert_eq!(proof.verify(&key, network, EPOCH), Ok(coin));
            }
            let (first, second) = Dice::from_bytes(coin.dice_bytes(1, view.0)).faces();
            counts[usize::from((first - 1) * 6 + second - 1)] += 1;
        }
        // The sum of (count - expected)^2 / expected, in thousandths.
        let square = |count: &u64| u128::from((36 * count).abs_diff(COINS)).pow(2);
        let statistic = counts.iter().map(square).sum::<u128>() * 1000 / u128::from(36 * COINS);
        std::println!("chi-square {}.{:03} of {counts:?}", statistic / 1000, statistic % 1000);
        assert!(statistic < 66_620);
    }

    /// Changes only with the version of the wire.
    #[test]
    fn every_format_is_pinned_from_a_card_to_the_dice() {
        let (key, secrets) = game(4);
        let possession = sealing_secret(1).possession(PeerId([1; 32]));
        let proof = proof(&secrets, &[0, 2, 3]);
        let coin = proof.verify(&key, NETWORK, EPOCH).unwrap();
        let dice: Vec<u8> = coin.dice_bytes(1, 7).take(8).collect();
        let actual = alloc::format!(
            "possession {}\ndeal {}\ninput {}\nshare {}\nproof {}\nkey {}\ncoin {coin}\ndice {}\n",
            HEXLOWER.encode(&encode(&possession)),
            Hash::of("bitcraps test", &dealt(4)),
            HEXLOWER.encode(id().input().element.bytes()),
            HEXLOWER.encode(&encode(&proof.shares[0].1)),
            Hash::of("bitcraps test", &proof),
            key.hash(),
            HEXLOWER.encode(&dice),
        );
        assert_eq!(actual, include_str!("golden.txt"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_two_choices_agree_on_any_coin(
            network: [u8; 32],
            epoch: u64,
            view: u64,
            key_version: u32,
            one in proptest::sample::subsequence((0..10usize).collect::<Vec<_>>(), 7),
            other in proptest::sample::subsequence((0..10usize).collect::<Vec<_>>(), 7),
        ) {
            let (key, secrets) = game(10);
            let (network, epoch, view) = (Hash(network), Epoch(epoch), View(view));
            let key = DiceKey { version: key_version, ..key };
            let input = CoinId { network, epoch, key_version, view }.input();
            let coin = |members: &[usize]| {
                let shares: Vec<_> =
                    members.iter().map(|i| secrets[*i].verified_share(&input)).collect();
                CoinProof::new(view, shares.iter()).verify(&key, network, epoch).unwrap()
            };
            prop_assert_eq!(coin(&one), coin(&other));
        }
    }
}
