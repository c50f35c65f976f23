//! Who votes in an epoch, how many of them decide, and who leads which view.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::block::{ValidatorIndex, View};
use crate::hooks::{Flaw, Hooks};
use crate::identity::{BadSignature, Context, Domain, Epoch, PeerId, Signature};
use crate::rng::Rng;
#[cfg(feature = "simulation")]
use crate::simulation::Signatures;
use crate::wire::{Hash, limits};

/// The validators of one epoch, in the order of their indexes.
#[derive(Clone, Debug)]
pub struct ValidatorSet {
    members: Vec<PeerId>,
    indexes: BTreeMap<PeerId, ValidatorIndex>,
    leaders: Vec<ValidatorIndex>,
    hooks: Hooks,
}

impl ValidatorSet {
    /// The set of `members`, whose leaders rotate in an order drawn from network and epoch.
    ///
    /// # Panics
    ///
    /// If there are no members, more than [`limits::VALIDATORS`], or one twice: a genesis that was
    /// checked has none of these.
    pub fn new(members: Vec<PeerId>, context: &Context) -> Self {
        assert!((1..=limits::VALIDATORS).contains(&members.len()), "1 to 512 validators");
        let index = |position: usize| ValidatorIndex(position as u16);
        let indexes: BTreeMap<_, _> =
            members.iter().enumerate().map(|(position, peer)| (*peer, index(position))).collect();
        assert_eq!(indexes.len(), members.len(), "validators are distinct");
        let seed = Hash::of("bitcraps 2026 leader order", &(context.network, context.epoch));
        let mut rng = Rng::new(seed.0);
        let mut leaders: Vec<_> = (0..members.len()).map(index).collect();
        for last in (1..leaders.len()).rev() {
            leaders.swap(last, rng.below(last as u64 + 1) as usize);
        }
        Self { members, indexes, leaders, hooks: Hooks::default() }
    }

    pub(crate) fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// The same set, whose votes are checked as in a simulation with these signatures.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn checked_by(self, signatures: Signatures) -> Self {
        self.with_hooks(Hooks { signatures, ..Hooks::default() })
    }

    pub(super) const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// n, the number of validators.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is nobody, which never holds.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// f, how many may be Byzantine: ⌊(n−1)/3⌋.
    pub fn faults(&self) -> usize {
        (self.len() - 1) / 3
    }

    /// q = n − f, how many votes decide. Never 2f+1, which is wrong whenever n ≠ 3f+1.
    pub fn quorum(&self) -> usize {
        if self.hooks.has(Flaw::QuorumTwoFPlusOne) {
            return 2 * self.faults() + 1;
        }
        if self.hooks.has(Flaw::QuorumTwoF) {
            return 2 * self.faults();
        }
        self.len() - self.faults()
    }

    /// Who leads `view`.
    pub fn leader(&self, view: View) -> ValidatorIndex {
        self.leaders[(view.0 % self.leaders.len() as u64) as usize]
    }

    /// The key of a validator, if there is one of that index.
    pub fn peer(&self, index: ValidatorIndex) -> Option<PeerId> {
        self.members.get(usize::from(index.0)).copied()
    }

    /// Checks that a validator signed `bytes` as a vote in `context`.
    pub(super) fn verify(
        &self,
        voter: ValidatorIndex,
        context: &Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let peer = self.peer(voter).ok_or(BadSignature)?;
        self.hooks.verify(&peer, Domain::Vote, &self.voting_context(context), bytes, signature)
    }

    /// Where and when a vote cast in `context` counts.
    pub(super) fn voting_context(&self, context: &Context) -> Context {
        if self.hooks.has(Flaw::NoDomainSeparation) {
            return Context { network: Hash::default(), epoch: Epoch::default() };
        }
        *context
    }

    /// The index of a validator, if `peer` is one.
    pub fn index(&self, peer: &PeerId) -> Option<ValidatorIndex> {
        self.indexes.get(peer).copied()
    }

    /// All indexes, ascending.
    pub fn indexes(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..self.members.len()).map(|position| ValidatorIndex(position as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Epoch;

    fn set(n: u8) -> ValidatorSet {
        let context = Context { network: Hash([9; 32]), epoch: Epoch(0) };
        ValidatorSet::new((0..n).map(|byte| PeerId([byte; 32])).collect(), &context)
    }

    #[test]
    fn any_two_quorums_share_an_honest_validator() {
        for n in 1..=100 {
            let set = set(n);
            let (n, f, q) = (set.len(), set.faults(), set.quorum());
            assert!(3 * f < n, "n = {n}");
            assert!(2 * q > n + f, "n = {n}: two quorums overlap in more than f");
            assert!(q <= n - f, "n = {n}: the honest alone are a quorum");
        }
    }

    #[test]
    fn every_validator_leads_once_in_n_views() {
        let set = set(7);
        let mut leaders: Vec<_> = (1..=7).map(|view| set.leader(View(view))).collect();
        leaders.sort();
        assert_eq!(leaders, set.indexes().collect::<Vec<_>>());
    }
}
