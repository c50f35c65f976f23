//! Is the simulator awake? Each canary is a core that is broken in one way, under conditions in
//! which that matters; a simulator that lets one live is no simulator.

use bitcraps_protocol::simulation::Flaw;
use serde::Serialize;

use crate::checks::Check;
use crate::config::{Config, DiceKeySource, Faults, LinkConfig, Workload};
use crate::failure::{Failure, Replayed};
use crate::run::{self, Watch};
use crate::shrink;

/// One deliberately broken core.
#[derive(Debug)]
pub struct Canary {
    /// What is broken.
    pub flaw: Flaw,
    /// Its name, as in a configuration.
    pub name: &'static str,
    /// Seeds within which it must be caught.
    pub within: u64,
    /// The conditions in which it is tried.
    setting: Setting,
}

/// Under which conditions a flaw shows.
#[derive(Clone, Copy, Debug)]
struct Setting {
    nodes: u16,
    strategies: &'static [&'static str],
    /// Delays long enough for views to fail.
    late: bool,
    /// Whether what a partition stops is lost for good.
    datagram: bool,
    cuts: u16,
    crashes: u16,
    dice_key: DiceKeySource,
}

const CALM: Setting = Setting {
    nodes: 4,
    strategies: &[],
    late: false,
    datagram: false,
    cuts: 0,
    crashes: 0,
    dice_key: DiceKeySource::Dealer,
};
const ROUGH: Setting = Setting { late: true, cuts: 3, ..CALM };
const CRASHES: Setting = Setting { crashes: 12, ..ROUGH };

const fn canary(flaw: Flaw, name: &'static str, within: u64, setting: Setting) -> Canary {
    Canary { flaw, name, within, setting }
}

/// All canaries.
pub const CANARIES: [Canary; Flaw::ALL.len()] = [
    canary(Flaw::QuorumTwoFPlusOne, "quorum-2f+1", 10, Setting { nodes: 5, ..CALM }),
    canary(Flaw::QuorumTwoF, "quorum-2f", 10, CALM),
    canary(Flaw::VotesNotDurable, "votes-not-durable", 10, CALM),
    canary(Flaw::NullifyAfterFinalize, "nullify-after-finalize", 200, ROUGH),
    canary(Flaw::PromiseForgotten, "promise-forgotten", 200, ROUGH),
    canary(Flaw::PromiseReplaced, "promise-replaced", 500, ROUGH),
    canary(Flaw::HighestTooLow, "highest-too-low", 100, ROUGH),
    canary(
        Flaw::HighestNotShown,
        "highest-not-shown",
        500,
        Setting { strategies: &["silent-leader"], nodes: 13, datagram: true, cuts: 16, ..CALM },
    ),
    canary(Flaw::NotarizationNotDurable, "notarization-not-durable", 100, CRASHES),
    canary(Flaw::BodyNotDurable, "body-not-durable", 100, CRASHES),
    canary(
        Flaw::FinalizeOther,
        "finalize-other",
        200,
        Setting { strategies: &["equivocate"], ..ROUGH },
    ),
    canary(Flaw::NoDomainSeparation, "no-domain-separation", 10, CALM),
    canary(
        Flaw::VotersRepeated,
        "voters-repeated",
        100,
        Setting { strategies: &["forged-certificate"], ..CALM },
    ),
    canary(
        Flaw::JustificationUnchecked,
        "justification-unchecked",
        100,
        Setting { strategies: &["stale-parent"], ..CALM },
    ),
    canary(
        Flaw::ThresholdTooLow,
        "threshold-too-low",
        20,
        Setting { strategies: &["censor"], ..CALM },
    ),
    canary(Flaw::ShareOnNotarize, "share-on-notarize", 20, CALM),
    canary(Flaw::CoinByHeight, "coin-by-height", 100, ROUGH),
    canary(Flaw::RedrawOnNullify, "redraw-on-nullify", 100, ROUGH),
    canary(
        Flaw::OneTimeKeyUnproven,
        "honest-shares-published",
        20,
        Setting { strategies: &["copied-key"], dice_key: DiceKeySource::Chain, ..CALM },
    ),
    canary(Flaw::ChipsFromNothing, "chips-from-nothing", 50, CALM),
    canary(Flaw::NonceReused, "nonce-reused", 20, CALM),
];

/// How many decisions may be left of what caught a canary.
pub const DECISIONS: usize = 20;

/// Runs that may be spent on making one smaller.
const ATTEMPTS: u32 = 3_000;

/// What came of one canary.
#[derive(Debug, Serialize)]
pub struct Fate {
    /// The name.
    pub name: &'static str,
    /// Seeds within which it must be caught.
    pub within: u64,
    /// How it was caught; `None` if it lives.
    pub caught: Option<Caught>,
}

/// How a canary was caught.
#[derive(Debug, Serialize)]
pub struct Caught {
    /// The seed, which is also how many were tried: the first that catches it, or a later one of
    /// which less is left.
    pub seed: u64,
    /// Decisions made in the run that caught it.
    pub before: usize,
    /// That run, made smaller if that was asked for.
    pub failure: Failure,
    /// Whether it fails in the same way when it is done again.
    pub replays: bool,
}

impl Fate {
    /// Whether it was caught, and is small enough if it was to be made smaller.
    pub fn is_well(&self, shrunk: bool) -> bool {
        let small = |caught: &Caught| caught.failure.decisions.len() <= DECISIONS;
        self.caught.as_ref().is_some_and(|it| it.replays && (!shrunk || small(it)))
    }
}

/// The flaw of this name.
pub fn flaw(name: &str) -> Option<Flaw> {
    CANARIES.iter().find(|canary| canary.name == name).map(|canary| canary.flaw)
}

impl Canary {
    /// The run that tries it under a seed.
    pub fn config(&self, seed: u64) -> Config {
        let Setting { nodes, strategies, late, datagram, cuts, crashes, dice_key } = self.setting;
        let base = Config::default();
        Config {
            seed,
            nodes,
            byzantine: u16::from(!strategies.is_empty()),
            strategies: strategies.iter().map(|name| (*name).to_owned()).collect(),
            flaws: vec![self.name.to_owned()],
            dice_key,
            link: LinkConfig { datagram, ..base.link.clone() },
            faults: Faults {
                delay_ppm: if late { 100_000 } else { 0 },
                delay_most_ms: if late { 1_500 } else { 0 },
                cuts,
                crashes,
                ..Faults::default()
            },
            workload: Workload { every_ms: 40, mix: [4, 4, 4, 3, 0], ..Workload::default() },
            ..base
        }
    }

    /// Whether it is the checks of the dice that must catch it.
    const fn is_about_dice(&self) -> bool {
        match self.flaw {
            Flaw::ThresholdTooLow
            | Flaw::ShareOnNotarize
            | Flaw::CoinByHeight
            | Flaw::RedrawOnNullify
            | Flaw::OneTimeKeyUnproven => true,
            Flaw::QuorumTwoFPlusOne
            | Flaw::QuorumTwoF
            | Flaw::VotesNotDurable
            | Flaw::NullifyAfterFinalize
            | Flaw::PromiseForgotten
            | Flaw::PromiseReplaced
            | Flaw::HighestTooLow
            | Flaw::HighestNotShown
            | Flaw::NotarizationNotDurable
            | Flaw::BodyNotDurable
            | Flaw::FinalizeOther
            | Flaw::NoDomainSeparation
            | Flaw::VotersRepeated
            | Flaw::JustificationUnchecked
            | Flaw::ChipsFromNothing
            | Flaw::NonceReused => false,
        }
    }

    /// Tries seeds until one catches it, and further ones if what caught it is to be made smaller
    /// and does not become small enough.
    pub fn hunt(&self, shrink: bool) -> Fate {
        let mut caught: Option<Caught> = None;
        for seed in 1..=self.within {
            let Some(failure) = self.catch(seed) else { continue };
            let before = failure.decisions.len();
            let failure = if shrink { shrink::shrink(failure, ATTEMPTS, |_| {}) } else { failure };
            let replays = failure.replay(Watch::default()).0 == Replayed::Same;
            let found = Caught { seed, before, failure, replays };
            if caught.as_ref().is_none_or(|best| found.size() < best.size()) {
                caught = Some(found);
            }
            if !shrink || caught.as_ref().is_some_and(|best| best.size() <= DECISIONS) {
                break;
            }
        }
        Fate { name: self.name, within: self.within, caught }
    }

    /// What a seed shows of the flaw. What the sound core would not survive either shows nothing.
    fn catch(&self, seed: u64) -> Option<Failure> {
        let config = self.config(seed);
        let outcome = run::run(&config, None, Watch::default());
        let failure = Failure::of(&outcome)?;
        if self.is_about_dice() && failure.check != Check::Dice {
            return None;
        }
        let sound = Config { flaws: Vec::new(), ..config };
        let survives = run::run(&sound, None, Watch::default()).report.violation.is_none();
        survives.then_some(failure)
    }
}

impl Caught {
    /// How many decisions are left.
    const fn size(&self) -> usize {
        self.failure.decisions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_has_its_canary() {
        for flaw in Flaw::ALL {
            assert_eq!(CANARIES.iter().filter(|canary| canary.flaw == flaw).count(), 1, "{flaw:?}");
        }
        assert!(CANARIES.iter().all(|canary| canary.config(1).check().is_ok()));
    }
}
