//! One seed, many independent streams. A node is given 32 bytes of entropy once; every machine in
//! it forks a stream of its own by label, so that a new draw in one place moves no other.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

/// A deterministic stream of random numbers.
///
/// Never the source of a secret that must survive a crash: those are derived from keys.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: [u8; 32],
    stream: ChaCha8Rng,
}

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, stream: ChaCha8Rng::from_seed(seed) }
    }

    /// A stream that depends on this one's seed and `label` only, not on what was drawn so far.
    pub fn fork(&self, label: &str) -> Self {
        Self::new(
            *blake3::Hasher::new_keyed(&self.seed).update(label.as_bytes()).finalize().as_bytes(),
        )
    }

    /// Fills `destination` with random bytes.
    pub fn fill(&mut self, destination: &mut [u8]) {
        self.stream.fill_bytes(destination);
    }

    /// 32 random bytes.
    pub fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`, uniform up to a bias of `bound / 2^64`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.stream.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_depends_on_seed_and_label_only() {
        let mut parent = Rng::new([7; 32]);
        let mut before = parent.fork("mesh");
        parent.below(10);
        let mut after = parent.fork("mesh");
        let mut other = parent.fork("session");
        let first = before.bytes32();
        assert_eq!(first, after.bytes32());
        assert_ne!(first, other.bytes32());
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new([1; 32]);
        assert!((0..1000).all(|_| rng.below(6) < 6));
        assert_eq!(rng.below(0), 0);
    }
}
