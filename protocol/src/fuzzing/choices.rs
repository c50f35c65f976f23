//! Bytes as decisions.

use alloc::vec::Vec;
use core::time::Duration;

use arbitrary::Unstructured;

/// Decisions read from bytes, one or two of them each. When they run out, every decision is the
/// first there is to choose from.
#[derive(Debug)]
pub struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    /// The decisions that these bytes stand for.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// Whether all decisions have been made.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A number less than `end`, which is not 0. Takes as many bytes as `end - 1` has.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.int_in_range(0..=end - 1).unwrap_or(0)
    }

    /// An index into something of `length`, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.below(1 << 8) as u8
    }

    /// Yes one time out of `often`; no when the bytes have run out.
    pub fn rarely(&mut self, often: u64) -> bool {
        self.below(often) == often - 1
    }

    /// One of these, the first when the bytes have run out.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())].clone()
    }

    /// So many milliseconds less than `end`.
    pub fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    /// At most `most` bytes: a length and what follows it.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.index(most + 1).min(self.0.len());
        self.0.bytes(length).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }
}

/// The inverse: writes decisions that [`Choices`] reads back, for seeds.
#[derive(Clone, Debug, Default)]
pub struct Decisions(Vec<u8>);

impl Decisions {
    /// Has [`Choices::below`] return `value`, asked for less than `end`.
    pub fn put(&mut self, value: u64, end: u64) -> &mut Self {
        assert!(value < end, "{value} is not below {end}");
        let bytes = (64 - (end - 1).leading_zeros()).div_ceil(8) as usize;
        self.0.extend(&value.to_be_bytes()[8 - bytes..]);
        self
    }

    /// The first choice, so many times, where there are at most 256.
    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// What was decided.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_decided_is_chosen(ends in proptest::collection::vec((any::<u64>(), 2u64..), 0..9)) {
            let mut decisions = Decisions::default();
            for (value, end) in &ends {
                decisions.put(value % end, *end);
            }
            let bytes = decisions.into_bytes();
            let mut choices = Choices::new(&bytes);
            for (value, end) in ends {
                prop_assert_eq!(choices.below(end), value % end);
            }
            prop_assert!(choices.is_over());
        }
    }

    #[test]
    fn without_bytes_every_choice_is_the_first() {
        let mut choices = Choices::new(&[]);
        assert!(choices.is_over() && !choices.rarely(2));
        assert_eq!((choices.below(9), choices.byte(), choices.bytes(5)), (0, 0, alloc::vec![]));
        assert_eq!(choices.pick(&[7, 8]), 7);
    }
}
