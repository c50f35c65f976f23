//! A proof that two elements were made with one secret: `public = s·G` and `image = s·base`
//! (Chaum & Pedersen 1992, made non-interactive after Fiat & Shamir).

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::group::{Element, scalar, scalar_from_hash};
use crate::wire::{Digest, Hash};

/// A proof that two discrete logarithms are equal: 64 bytes, believed only when they verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dleq {
    challenge: [u8; 32],
    response: [u8; 32],
}

/// What is claimed: the secret behind `public` turned `base` into `image`.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    /// What the proof is for; a proof for one purpose says nothing for another.
    pub(super) purpose: Digest,
    pub(super) public: &'a Element,
    pub(super) base: &'a Element,
    pub(super) image: &'a Element,
}

impl Dleq {
    /// Proves `statement`, which `secret` makes true. The same call gives the same proof: the nonce
    /// is derived from the secret and the statement, so no bad randomness can reveal the secret.
    pub(super) fn prove(statement: Statement<'_>, secret: &Scalar) -> Self {
        let nonce = Zeroizing::new(scalar_from_hash(
            Hash::hasher("bitcraps 2026 equality proof nonce")
                .update(secret.as_bytes())
                .update(&statement.digest().0),
        ));
        let of_generator = Element::of_secret(&nonce);
        let of_base = statement.base.times(&nonce);
        let challenge = statement.challenge(&of_generator, &of_base);
        let response = *nonce + challenge * secret;
        Self { challenge: challenge.to_bytes(), response: response.to_bytes() }
    }

    /// Whether this proves `statement`; scalars that are not in canonical form prove nothing.
    pub(super) fn proves(&self, statement: Statement<'_>) -> bool {
        let (Some(challenge), Some(response)) = (scalar(&self.challenge), scalar(&self.response))
        else {
            return false;
        };
        let of_generator = RistrettoPoint::vartime_double_scalar_mul_basepoint(
            &-challenge,
            statement.public.point(),
            &response,
        );
        let of_base = RistrettoPoint::vartime_multiscalar_mul(
            [response, -challenge],
            [statement.base.point(), statement.image.point()],
        );
        statement.challenge(&Element::new(of_generator), &Element::new(of_base)) == challenge
    }
}

impl Statement<'_> {
    fn digest(&self) -> Hash {
        let mut hasher = Hash::hasher(self.purpose);
        hasher.update(self.public.bytes()).update(self.base.bytes()).update(self.image.bytes());
        Hash::from(&mut hasher)
    }

    fn challenge(&self, of_generator: &Element, of_base: &Element) -> Scalar {
        scalar_from_hash(
            Hash::hasher("bitcraps 2026 equality proof challenge")
                .update(&self.digest().0)
                .update(of_generator.bytes())
                .update(of_base.bytes()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: Digest = "bitcraps test equality";

    fn element(secret: u8) -> Element {
        Element::of_secret(&Scalar::from(secret))
    }

    #[test]
    fn a_proof_holds_for_its_own_statement_only() {
        let secret = Scalar::from(5u8);
        let (public, base, image) = (element(5), element(9), element(45));
        let statement = Statement { purpose: PURPOSE, public: &public, base: &base, image: &image };
        let proof = Dleq::prove(statement, &secret);
        assert!(proof.proves(statement));
        assert_eq!(Dleq::prove(statement, &secret), proof);
        let other = element(10);
        assert!(!proof.proves(Statement { public: &other, ..statement }));
        assert!(!proof.proves(Statement { base: &other, ..statement }));
        assert!(!proof.proves(Statement { image: &other, ..statement }));
        assert!(!proof.proves(Statement { purpose: "bitcraps test other", ..statement }));
    }

    #[test]
    fn a_false_statement_cannot_be_proved_by_going_through_the_motions() {
        let (public, base, image) = (element(5), element(9), element(46));
        let statement = Statement { purpose: PURPOSE, public: &public, base: &base, image: &image };
        assert!(!Dleq::prove(statement, &Scalar::from(5u8)).proves(statement));
    }

    #[test]
    fn every_changed_bit_and_every_other_form_of_a_proof_is_refused() {
        let (public, base, image) = (element(5), element(9), element(45));
        let statement = Statement { purpose: PURPOSE, public: &public, base: &base, image: &image };
        let proof = Dleq::prove(statement, &Scalar::from(5u8));
        for bit in 0..256 {
            let mut wrong = proof;
            wrong.challenge[bit / 8] ^= 1 << (bit % 8);
            assert!(!wrong.proves(statement));
            let mut wrong = proof;
            wrong.response[bit / 8] ^= 1 << (bit % 8);
            assert!(!wrong.proves(statement));
        }
        let plus_order = |bytes: [u8; 32]| {
            let order_minus_one = (-Scalar::ONE).to_bytes();
            let mut sum = [0; 32];
            let mut carry = 1u16;
            for (i, digit) in sum.iter_mut().enumerate() {
                carry += u16::from(bytes[i]) + u16::from(order_minus_one[i]);
                *digit = carry.to_le_bytes()[0];
                carry >>= 8;
            }
            sum
        };
        let response = plus_order(proof.response);
        assert_eq!(Scalar::from_bytes_mod_order(response).to_bytes(), proof.response);
        assert!(!Dleq { response, ..proof }.proves(statement));
        let challenge = plus_order(proof.challenge);
        assert_eq!(Scalar::from_bytes_mod_order(challenge).to_bytes(), proof.challenge);
        assert!(!Dleq { challenge, ..proof }.proves(statement));
    }
}
