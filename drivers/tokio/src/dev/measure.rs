//! Figures: samples of durations, and what the operating system says of memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Samples of one kind that are kept; the oldest is forgotten first.
const SAMPLES: usize = 65_536;

/// Everything that is measured while a network runs.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    /// From handing in a bet to its being final.
    pub(super) bet_to_final: Samples,
    /// From handing in a roll to its dice.
    pub(super) roll_to_dice: Samples,
    /// From a throw's block being final to its dice, on the first node: what the dice add to
    /// finality.
    pub(super) final_to_dice: Samples,
    /// From one final block to the next, on the first node.
    pub(super) block_time: Samples,
    /// From starting a node to its being ready.
    pub(super) start: Samples,
    /// Making an identity with its proof of work.
    pub(super) identity: Samples,
    /// Rolls that were settled.
    pub(super) rolls: u64,
    /// Bets that became final.
    pub(super) bets: u64,
    /// Bets, and rolls, that were refused: part of the game.
    pub(super) refusals: u64,
    /// Every transaction that a node said is final, if somebody wants to look for them afterwards.
    pub(super) acknowledged: Option<Vec<String>>,
}

/// Measurements that several tasks add to.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Measurements>>);

/// The newest samples of one kind.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Duration>);

/// What samples come to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    pub(super) median_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) samples: usize,
}

impl Measurements {
    pub(super) fn shared() -> Shared {
        Shared(Arc::default())
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Measurements> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    pub(super) fn add(&mut self, sample: Duration) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(super) fn figure(&self) -> Option<Figure> {
        let mut sorted = self.0.iter().copied().collect::<Vec<_>>();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = |percent: usize| sorted[(last * percent).div_ceil(100)].as_secs_f64() * 1000.0;
        Some(Figure { median_ms: at(50), p95_ms: at(95), samples: sorted.len() })
    }
}

/// Resident memory of a process in bytes, where the system tells.
pub(super) fn resident_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kilobytes * 1024)
}

/// Size of this program in bytes.
pub(super) fn binary_bytes() -> Option<u64> {
    let path = std::env::current_exe().ok()?;
    Some(std::fs::metadata(path).ok()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_median_and_the_95th_percentile() {
        let mut samples = Samples::default();
        assert_eq!(samples.figure(), None);
        for millis in (1..=101).rev() {
            samples.add(Duration::from_millis(millis));
        }
        let figure = Figure { median_ms: 51.0, p95_ms: 96.0, samples: 101 };
        assert_eq!(samples.figure(), Some(figure));
    }
}
