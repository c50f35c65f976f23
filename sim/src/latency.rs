//! How long a frame is under way, as integers: `ln` and `sin` differ between machines.

use bitcraps_protocol::rng::Rng;
use serde::{Deserialize, Serialize};

/// The distribution of one link's delays. All times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Always the same.
    Constant {
        /// The delay.
        micros: u64,
    },
    /// Anything between two bounds.
    Uniform {
        /// The least delay.
        least: u64,
        /// The greatest delay.
        most: u64,
    },
    /// Log-normal with σ = 0.4, cut at its 128-quantiles: the long tail of real networks.
    LogNormal {
        /// Half of all frames are faster.
        median: u64,
    },
    /// Measured delays, each as likely as the others.
    Empirical {
        /// The delays.
        micros: Vec<u64>,
    },
}

/// The log-normal distribution with median 1000 and σ = 0.4 at (i + 1/2) / 64.
const LOG_NORMAL_PERMILLE: [u64; 64] = [
    380, 452, 494, 527, 555, 579, 601, 621, 641, 659, 676, 693, 709, 725, 741, 756, 771, 786, 801,
    815, 830, 844, 859, 873, 888, 902, 917, 932, 946, 962, 977, 992, 1008, 1024, 1040, 1057, 1073,
    1091, 1108, 1127, 1145, 1165, 1185, 1205, 1227, 1249, 1272, 1297, 1323, 1350, 1379, 1410, 1443,
    1479, 1518, 1561, 1609, 1664, 1727, 1803, 1897, 2023, 2214, 2630,
];

impl Latency {
    /// Draws a delay.
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        match self {
            Self::Constant { micros } => *micros,
            Self::Uniform { least, most } => {
                least + rng.below(most.saturating_sub(*least).saturating_add(1))
            }
            Self::LogNormal { median } => {
                let place = rng.below(63 * 1024);
                let (index, part) = ((place / 1024) as usize, place % 1024);
                let (low, high) = (LOG_NORMAL_PERMILLE[index], LOG_NORMAL_PERMILLE[index + 1]);
                median * (low * (1024 - part) + high * part) / (1000 * 1024)
            }
            Self::Empirical { micros } => {
                micros.get(rng.below(micros.len() as u64) as usize).copied().unwrap_or(0)
            }
        }
    }

    /// The longest delay that can be drawn.
    pub fn most(&self) -> u64 {
        match self {
            Self::Constant { micros } => *micros,
            Self::Uniform { least, most } => *least.max(most),
            Self::LogNormal { median } => median * LOG_NORMAL_PERMILLE[63] / 1000,
            Self::Empirical { micros } => micros.iter().copied().max().unwrap_or(0),
        }
    }

    /// The delay in the middle, which a shrunk schedule uses throughout.
    pub fn typical(&self) -> u64 {
        match self {
            Self::Constant { micros } => *micros,
            Self::Uniform { least, most } => least.midpoint(*most),
            Self::LogNormal { median } => *median,
            Self::Empirical { micros } => {
                let mut sorted = micros.clone();
                sorted.sort_unstable();
                sorted.get(sorted.len() / 2).copied().unwrap_or(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_below_the_most_and_half_of_them_below_the_median() {
        for latency in [
            Latency::Constant { micros: 7 },
            Latency::Uniform { least: 10, most: 30 },
            Latency::LogNormal { median: 10_000 },
            Latency::Empirical { micros: vec![5, 1, 9] },
        ] {
            let mut rng = Rng::new([3; 32]);
            let mut drawn: Vec<u64> = (0..2_001).map(|_| latency.draw(&mut rng)).collect();
            drawn.sort_unstable();
            assert!(drawn[2_000] <= latency.most(), "{latency:?}");
            let (middle, typical) = (drawn[1_000], latency.typical());
            assert!(middle.abs_diff(typical) * 20 <= typical, "{latency:?}: {middle}");
        }
    }
}
