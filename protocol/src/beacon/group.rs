//! Ristretto255 as the beacon uses it: group elements that came through their canonical encoding,
//! scalars drawn from hashes, and nothing that could be the identity or have two encodings.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use zeroize::{Zeroize, Zeroizing};

use crate::wire::Hasher;

/// A group element other than the identity, with the only bytes that encode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    point: RistrettoPoint,
    bytes: [u8; 32],
}

impl Element {
    /// Reads an element from its canonical encoding; refuses every other one, and the identity.
    pub(super) fn decode(bytes: &[u8; 32]) -> Option<Self> {
        let point = CompressedRistretto(*bytes).decompress()?;
        (!point.is_identity()).then_some(Self { point, bytes: *bytes })
    }

    /// `point`, which is not the identity but with negligible probability.
    pub(super) fn new(point: RistrettoPoint) -> Self {
        Self { point, bytes: point.compress().to_bytes() }
    }

    /// The element whose discrete logarithm is `secret`; takes the same time for every secret.
    pub(super) fn of_secret(secret: &Scalar) -> Self {
        Self::new(RistrettoPoint::mul_base(secret))
    }

    /// The element onto which the first 64 bytes of `hasher`'s output map (RFC 9496, 4.3.4).
    pub(super) fn from_hash(hasher: &Hasher) -> Self {
        Self::new(RistrettoPoint::from_uniform_bytes(&wide_output(hasher)))
    }

    /// This element multiplied by `secret`; takes the same time for every secret.
    pub(super) fn times(&self, secret: &Scalar) -> Self {
        Self::new(secret * self.point)
    }

    /// The point, to calculate with.
    pub(super) const fn point(&self) -> &RistrettoPoint {
        &self.point
    }

    /// The canonical encoding.
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl Zeroize for Element {
    fn zeroize(&mut self) {
        self.point.zeroize();
        self.bytes.zeroize();
    }
}

/// Reads a scalar below the group's order; refuses everything else.
pub(super) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Option::from(Scalar::from_canonical_bytes(*bytes))
}

/// A scalar from the first 64 bytes of `hasher`'s output, uniform up to 2^-256.
pub(super) fn scalar_from_hash(hasher: &Hasher) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&wide_output(hasher))
}

fn wide_output(hasher: &Hasher) -> Zeroizing<[u8; 64]> {
    let mut wide = Zeroizing::new([0; 64]);
    hasher.finalize_xof().fill(wide.as_mut_slice());
    wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Hash;

    #[test]
    fn the_identity_and_other_encodings_of_an_element_are_refused() {
        let element = Element::of_secret(&Scalar::from(7u8));
        assert_eq!(Element::decode(element.bytes()), Some(element));
        assert_eq!(Element::decode(&[0; 32]), None);
        let mut negative = *element.bytes();
        negative[0] |= 1;
        assert_eq!(Element::decode(&negative), None);
        let mut high_bit = *element.bytes();
        high_bit[31] |= 0x80;
        assert_eq!(Element::decode(&high_bit), None);
        assert_eq!(Element::decode(&[0xff; 32]), None);
    }

    #[test]
    fn a_scalar_has_one_encoding() {
        let order_minus_one = (-Scalar::ONE).to_bytes();
        assert_eq!(scalar(&order_minus_one), Some(-Scalar::ONE));
        let mut order = order_minus_one;
        order[0] += 1;
        assert_eq!(scalar(&order), None);
    }

    #[test]
    fn different_inputs_give_different_elements() {
        let of = |byte: u8| Element::from_hash(Hash::hasher("bitcraps test").update(&[byte]));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
