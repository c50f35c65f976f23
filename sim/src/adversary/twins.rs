//! Twins (Bano and others, *Twins: BFT systems made robust*, 2021): two honest nodes with one key.
//! In each view a scenario says which neighbours hear which twin; nothing else is hostile, and yet
//! it covers equivocation, double voting, amnesia, hidden certificates.

use std::collections::BTreeSet;

use bitcraps_protocol::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Who hears whom in each view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Decided view by view.
    Drawn,
    /// From view 1 on; after the last, only the first twin speaks, to everybody.
    Listed(Vec<Round>),
}

/// Who hears which twin in one view: bits for the neighbours, in the order of their links. Both
/// may be heard by the same neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub [u64; 2]);

impl Round {
    /// The first twin speaks to everybody, the second to nobody.
    pub const ONE: Self = Self([u64::MAX, 0]);

    /// Whether the neighbour of this number hears this twin.
    pub const fn hears(self, twin: usize, neighbour: usize) -> bool {
        self.0[twin] >> (neighbour % 64) & 1 == 1
    }

    /// Three times in four a partition of the neighbours, else two sets that may overlap.
    pub fn drawn(rng: &mut Rng) -> Self {
        let first = rng.below(u64::MAX);
        if rng.below(4) < 3 { Self([first, !first]) } else { Self([first, rng.below(u64::MAX)]) }
    }
}

/// What one neighbour hears in one view: nobody, the first twin, the second, or both.
const CELLS: u64 = 4;

/// Scenarios of `rounds` views among `neighbours`, up to exchanging neighbours and exchanging twins:
/// all of them if they are at most `most`, else so many, drawn without repeating one.
///
/// Two neighbours may be exchanged as far as the network is symmetric to them, which leaders break;
/// so this tries every pattern of hearing once, for one assignment of leaders.
pub fn scenarios(neighbours: u32, rounds: u32, most: usize) -> Vec<Vec<Round>> {
    let columns = CELLS.pow(rounds);
    // A scenario is a multiset of columns, one for each neighbour: what it hears, view by view.
    let mut found = BTreeSet::new();
    if multisets(columns, neighbours) <= 2 * most as u128 {
        let mut hears = vec![0; neighbours as usize];
        loop {
            found.insert(canonical(hears.clone(), rounds));
            if !advance(&mut hears, columns) {
                break;
            }
        }
    } else {
        let mut rng = Rng::new(blake3::derive_key("bitcraps-sim 2026 twins", &[]));
        while found.len() < most {
            let hears = (0..neighbours).map(|_| rng.below(columns)).collect();
            found.insert(canonical(hears, rounds));
        }
    }
    found.iter().take(most).map(|hears| scenario(hears, rounds)).collect()
}

/// The run in which one of the validators is two, who are heard as these rounds say.
pub fn twins(nodes: u16, seed: u64, rounds: Vec<Round>) -> Config {
    Config {
        seed,
        nodes,
        byzantine: 1,
        twins: Some(rounds),
        faulty_ms: 2_000,
        stabilises_ms: 2_000,
        blocks: 3,
        ..Config::default()
    }
}

/// How many multisets of `size` there are of so many `kinds`.
fn multisets(kinds: u64, size: u32) -> u128 {
    (0..u128::from(size))
        .fold(1, |sets, nth| sets.saturating_mul(u128::from(kinds) + nth) / (nth + 1))
}

/// The next non-descending sequence.
fn advance(hears: &mut [u64], columns: u64) -> bool {
    let Some(last) = hears.iter().rposition(|column| column + 1 < columns) else {
        return false;
    };
    let next = hears[last] + 1;
    hears[last..].fill(next);
    true
}

/// The earliest of those that exchanging neighbours or twins makes of one.
fn canonical(mut columns: Vec<u64>, rounds: u32) -> Vec<u64> {
    let exchange = |column: &u64| {
        (0..rounds).fold(0, |exchanged, round| {
            let cell = column >> (2 * round) & 3;
            exchanged | (cell >> 1 | (cell & 1) << 1) << (2 * round)
        })
    };
    let mut exchanged: Vec<u64> = columns.iter().map(exchange).collect();
    exchanged.sort_unstable();
    columns.sort_unstable();
    columns.min(exchanged)
}

fn scenario(columns: &[u64], rounds: u32) -> Vec<Round> {
    let round = |round: u32| {
        let mut masks = [0; 2];
        for (neighbour, column) in columns.iter().enumerate() {
            let cell = column >> (2 * round) & 3;
            masks[0] |= (cell & 1) << neighbour;
            masks[1] |= (cell >> 1) << neighbour;
        }
        Round(masks)
    };
    (0..rounds).map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Watch, run};

    #[test]
    fn no_scenario_of_two_views_harms_four_nodes() {
        for rounds in scenarios(3, 2, 24) {
            let config = twins(4, 1, rounds);
            let report = run(&config, None, Watch::default()).report;
            assert_eq!(report.violation, None, "{:?}", config.twins);
        }
    }

    /// By Burnside's lemma over exchanging neighbours (multisets) and twins.
    #[test]
    fn every_scenario_comes_once_up_to_exchange() {
        for (neighbours, rounds, expected) in [(1, 1, 3), (2, 1, 7), (3, 1, 13), (3, 2, 430)] {
            let all = scenarios(neighbours, rounds, usize::MAX);
            assert_eq!(all.len(), expected, "{neighbours} neighbours, {rounds} rounds");
        }
    }

    #[test]
    fn a_sample_is_as_large_as_asked_for_and_has_no_scenario_twice() {
        let sample = scenarios(3, 3, 100);
        assert_eq!(sample.len(), 100);
        let distinct: BTreeSet<_> = sample.iter().collect();
        assert_eq!(distinct.len(), sample.len());
    }
}
