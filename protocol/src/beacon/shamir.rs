//! Sharing a scalar (Shamir 1979): the share of validator `i` is the value at `i + 1` of a
//! polynomial whose value at 0 is the secret, so that any as many shares as it has coefficients
//! determine it and fewer say nothing.

use alloc::vec::Vec;

use curve25519_dalek::scalar::Scalar;

use crate::block::ValidatorIndex;

/// Where the polynomial is evaluated for a validator: never 0, where the secret is.
pub(super) fn abscissa(index: ValidatorIndex) -> Scalar {
    Scalar::from(u32::from(index.0) + 1)
}

/// The value at `x` of the polynomial with these coefficients, lowest first.
pub(super) fn evaluate(coefficients: &[Scalar], x: &Scalar) -> Scalar {
    coefficients.iter().rev().fold(Scalar::ZERO, |value, coefficient| value * x + coefficient)
}

/// The weights with which the values at these distinct validators add up to the value at 0.
pub(super) fn weights_at_zero(members: &[ValidatorIndex]) -> Vec<Scalar> {
    let xs: Vec<Scalar> = members.iter().copied().map(abscissa).collect();
    let product: Scalar = xs.iter().product();
    // prod_{j != i} x_j / (x_j - x_i), with x_i put into the denominator instead of left out above.
    let mut weights = differences(&xs);
    for (weight, x) in weights.iter_mut().zip(&xs) {
        *weight *= x;
    }
    Scalar::invert_batch_alloc(&mut weights);
    for weight in &mut weights {
        *weight *= product;
    }
    weights
}

/// Weights under which the values of a polynomial at the first `members` validators add up to 0 if
/// it has at most `threshold` coefficients, and hardly ever if it has more and `draw` is random.
///
/// These are words of the dual of the Reed–Solomon code (Cascudo & David, *SCRAPE*, 2017,
/// section 2.1). `draw` is called `members - threshold` times; with none every word is a codeword.
pub(super) fn dual_word(members: u16, threshold: u16, draw: impl FnMut() -> Scalar) -> Vec<Scalar> {
    let masks: Vec<Scalar> =
        core::iter::repeat_with(draw).take(usize::from(members - threshold)).collect();
    let xs: Vec<Scalar> = (0..members).map(ValidatorIndex).map(abscissa).collect();
    let mut word = differences(&xs);
    Scalar::invert_batch_alloc(&mut word);
    for (weight, x) in word.iter_mut().zip(&xs) {
        *weight *= evaluate(&masks, x);
    }
    word
}

/// For each x the product of its differences to the others; none is 0, for they are distinct.
fn differences(xs: &[Scalar]) -> Vec<Scalar> {
    let others = |x| xs.iter().filter(move |other| *other != x);
    xs.iter().map(|x| others(x).map(|other| other - x).product()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn polynomial(coefficients: u16, seed: u64) -> Vec<Scalar> {
        (0..u64::from(coefficients)).map(|i| Scalar::from(seed + 1) * Scalar::from(i + 3)).collect()
    }

    fn value(coefficients: &[Scalar], member: u16) -> Scalar {
        evaluate(coefficients, &abscissa(ValidatorIndex(member)))
    }

    fn sum(weights: &[Scalar], values: impl Iterator<Item = Scalar>) -> Scalar {
        weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
    }

    #[test]
    fn a_polynomial_is_evaluated_lowest_coefficient_first() {
        let coefficients = [5u8, 7, 11].map(Scalar::from);
        assert_eq!(evaluate(&coefficients, &Scalar::from(2u8)), Scalar::from(63u8));
        assert_eq!(evaluate(&[], &Scalar::ONE), Scalar::ZERO);
    }

    proptest! {
        #[test]
        fn any_threshold_of_values_interpolate_to_the_value_at_zero(
            members in proptest::sample::subsequence((0..40u16).collect::<Vec<_>>(), 1..12),
            seed: u32,
        ) {
            let secret = polynomial(u16::try_from(members.len()).unwrap(), u64::from(seed));
            let indexes: Vec<_> = members.iter().copied().map(ValidatorIndex).collect();
            let weights = weights_at_zero(&indexes);
            prop_assert_eq!(
                sum(&weights, members.iter().map(|member| value(&secret, *member))),
                secret[0]
            );
        }

        #[test]
        fn a_dual_word_tells_whether_the_degree_is_low(
            (members, threshold) in (1..20u16).prop_flat_map(|n| (Just(n), 1..=n)),
            seed: u32,
        ) {
            let mut mask = u64::from(seed);
            let word = dual_word(members, threshold, || { mask += 1; Scalar::from(mask) });
            let check = |polynomial: &[Scalar]| {
                sum(&word, (0..members).map(|member| value(polynomial, member))) == Scalar::ZERO
            };
            prop_assert!(check(&polynomial(threshold, u64::from(seed))));
            if threshold < members {
                prop_assert!(!check(&polynomial(threshold + 1, u64::from(seed))));
            }
        }
    }
}
