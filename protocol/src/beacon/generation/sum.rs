//! The key that a run's deals add up to, worked out a piece at a time: a hundred deals take tens of
//! milliseconds, which nobody should have to wait for in the block that closes the run.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use curve25519_dalek::ristretto::RistrettoPoint;

use super::{Deal, Deals, Generation};
use crate::beacon::key::DiceKey;
use crate::beacon::shamir;
use crate::block::ValidatorIndex;
use crate::wire::{Hash, List};

/// Coefficients that one piece of work goes through, at least one deal or one member: a millisecond
/// or two on a slow processor.
const PIECE: usize = 256;

/// The key of one choice of deals, as far as it is worked out. What comes of it depends on nothing
/// but the deals: whoever worked ahead and whoever did not have the same key.
#[derive(Clone, Debug)]
pub struct Sum {
    of: Summands,
    /// The coefficients of the sum of the deals that are in it, times the generator.
    coefficients: Vec<RistrettoPoint>,
    /// The dealers whose deals are still to be added.
    left: BTreeSet<ValidatorIndex>,
    /// The members' public keys, as many as there are already.
    members: Vec<[u8; 32]>,
    /// What came of it; within, nothing if that is no key.
    end: Option<Option<DiceKey>>,
}

/// What a key is made of, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summands {
    version: u32,
    threshold: u16,
    members: u16,
    deals: BTreeMap<ValidatorIndex, Hash>,
}

impl Summands {
    /// The run's deals against which no complaint held so far.
    fn of(generation: &Generation) -> Self {
        let deals = generation.qualified().map(|dealer| (dealer, generation.deals[&dealer]));
        Self {
            version: generation.version,
            threshold: generation.threshold(),
            members: u16::try_from(generation.members.len()).expect("at most 128"),
            deals: deals.collect(),
        }
    }
}

impl Sum {
    /// The sum of the run's deals against which no complaint held so far; nothing is added yet.
    pub fn new(generation: &Generation) -> Self {
        let of = Summands::of(generation);
        let left = of.deals.keys().copied().collect();
        Self { of, coefficients: Vec::new(), left, members: Vec::new(), end: None }
    }

    /// Whether it is the sum that `generation` closes with, as things stand.
    pub fn is_of(&self, generation: &Generation) -> bool {
        self.of == Summands::of(generation)
    }

    /// Whether nothing is left to do.
    pub const fn is_done(&self) -> bool {
        self.end.is_some()
    }

    /// Does one piece of the work. `deals` has those that are added, which passed [`Deal::check`].
    pub fn step(&mut self, deals: &Deals<'_>) {
        let mut budget = PIECE;
        while budget > 0 && self.end.is_none() {
            budget = budget.saturating_sub(usize::from(self.of.threshold));
            if let Some(dealer) = self.left.pop_first() {
                self.add(deals(self.of.version, dealer).expect("every deal of the run is kept"));
            } else if self.members.len() < usize::from(self.of.members) {
                let index = u16::try_from(self.members.len()).expect("at most 128");
                let public = shamir::evaluate_hidden(&self.coefficients, ValidatorIndex(index));
                self.members.push(public.compress().to_bytes());
            } else {
                self.finish();
            }
        }
    }

    /// The key, of a sum that is done. `None` if it is none: a member's sum can be the identity,
    /// but only by an accident that nobody can bring about.
    pub fn key(&self) -> Option<DiceKey> {
        self.end.clone().flatten()
    }

    fn add(&mut self, deal: &Deal) {
        let points = deal.points().expect("a deal that was checked");
        self.coefficients.resize(points.len(), RistrettoPoint::default());
        for (total, point) in self.coefficients.iter_mut().zip(points) {
            *total += point;
        }
    }

    fn finish(&mut self) {
        let members = List::new(core::mem::take(&mut self.members));
        let key = DiceKey {
            version: self.of.version,
            threshold: self.of.threshold,
            members: members.expect("not more than a run has members"),
        };
        self.end = Some(key.table().is_ok().then_some(key));
    }
}
