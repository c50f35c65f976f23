//! Makes a failed run smaller: fewer decisions, less time, plainer links, less work, as long as the
//! same check fails.

use crate::decision::{Decision, FrameFault};
use crate::failure::Failure;
use crate::latency::Latency;
use crate::run::{self, Watch};

/// Makes `failure` smaller with at most so many `attempts`; each smaller one is shown to `seen`.
pub fn shrink(failure: Failure, attempts: u32, mut seen: impl FnMut(&Failure)) -> Failure {
    let mut shrinker = Shrinker { best: failure, attempts };
    // The list of a drawn run is everything that happened; doing it again must fail as well.
    if !shrinker.attempt(|_| {}) {
        return shrinker.best;
    }
    loop {
        let before = shrinker.best.clone();
        // Nodes come first: who does what, and when it goes wrong, depends on how many there are.
        for pass in [fewer_nodes, cut_time, fewer_decisions, less_work, plainer, shorter_delays] {
            pass(&mut shrinker);
            seen(&shrinker.best);
        }
        if shrinker.best == before || shrinker.attempts == 0 {
            return shrinker.best;
        }
    }
}

struct Shrinker {
    best: Failure,
    attempts: u32,
}

impl Shrinker {
    /// Whether a changed run still fails the same check; then it is the new best.
    fn attempt(&mut self, change: impl FnOnce(&mut Failure)) -> bool {
        if self.attempts == 0 {
            return false;
        }
        self.attempts -= 1;
        let mut candidate = self.best.clone();
        change(&mut candidate);
        let outcome = run::run(&candidate.config, Some(&candidate.decisions), Watch::default());
        match outcome.report.violation {
            Some(violation) if violation.check == candidate.check => {
                candidate.message = violation.message;
                candidate.digest = outcome.report.digest;
                self.best = candidate;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Ends the faults sooner.
fn cut_time(shrinker: &mut Shrinker) {
    let halve = |failure: &mut Failure| {
        failure.config.faulty_ms /= 2;
        failure.config.stabilises_ms = failure.config.stabilises_ms.min(failure.config.faulty_ms);
        let end = failure.config.faulty_ms * 1_000;
        failure.decisions.retain(|decision| match decision {
            Decision::Timed { at, .. } => *at <= end,
            Decision::Frame { .. } | Decision::Choice { .. } => true,
        });
    };
    while shrinker.best.config.faulty_ms > 100 && shrinker.attempt(halve) {}
}

/// Delta debugging (Zeller and Hildebrandt, 2002): takes out whatever is not needed, in ever
/// smaller pieces.
fn fewer_decisions(shrinker: &mut Shrinker) {
    let mut piece = shrinker.best.decisions.len();
    while piece > 0 {
        let mut start = 0;
        let mut progress = false;
        while start < shrinker.best.decisions.len() {
            let end = (start + piece).min(shrinker.best.decisions.len());
            let without = |failure: &mut Failure| drop(failure.decisions.drain(start..end));
            if shrinker.attempt(without) {
                progress = true;
            } else {
                start = end;
            }
        }
        // Pieces of one are tried again, since what was needed may no longer be.
        piece = if piece == 1 && progress { 1 } else { piece / 2 };
    }
}

/// Lets players do less.
fn less_work(shrinker: &mut Shrinker) {
    let now = shrinker.best.config.workload.operations;
    let mut operations = if now == 0 { 1_024 } else { now / 2 };
    while operations > 0 && shrinker.attempt(|it| it.config.workload.operations = operations) {
        operations /= 2;
    }
}

/// Lets every frame and every sync take equally long, clocks be right and links be without limit.
fn plainer(shrinker: &mut Shrinker) {
    let config = &shrinker.best.config;
    let link = Latency::Constant { micros: config.link.latency.typical() };
    let disk = Latency::Constant { micros: config.disk.typical() };
    if config.link.latency != link {
        shrinker.attempt(|it| it.config.link.latency = link);
    }
    if shrinker.best.config.disk != disk {
        shrinker.attempt(|it| it.config.disk = disk);
    }
    if shrinker.best.config.link.kilobits_per_second > 0 {
        shrinker.attempt(|it| it.config.link.kilobits_per_second = 0);
    }
}

/// Leaves out nodes that do not vote, and then validators, down to four.
fn fewer_nodes(shrinker: &mut Shrinker) {
    let without_players = |it: &mut Failure| {
        it.config.players -= 1;
        let places = it.config.places() as u16;
        it.decisions.retain_mut(|decision| decision.is_among(places));
    };
    while shrinker.best.config.players > 0 && shrinker.attempt(without_players) {}
    let fewer = |it: &mut Failure| {
        it.config.nodes -= 1;
        it.config.byzantine = it.config.byzantine.min(it.config.tolerated());
        it.decisions.retain_mut(|decision| decision.is_among(it.config.nodes));
    };
    while shrinker.best.config.nodes > 4 && shrinker.attempt(fewer) {}
}

/// Lets nothing take longer than it must for the failure: one delay for all frames that are late.
fn shorter_delays(shrinker: &mut Shrinker) {
    for longest in [100_000, 300_000, 1_000_000] {
        let shorten = |it: &mut Failure| {
            for decision in &mut it.decisions {
                if let Decision::Frame { fault: FrameFault::Delayed(by), .. } = decision {
                    *by = longest.min(*by);
                }
            }
        };
        let longer = |it: &Decision| matches!(it, Decision::Frame { fault: FrameFault::Delayed(by), .. } if *by > longest);
        if shrinker.best.decisions.iter().any(longer) && shrinker.attempt(shorten) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::CANARIES;
    use crate::failure::Replayed;

    #[test]
    fn a_smaller_failure_is_the_same_failure_and_replays() {
        let canary = CANARIES.iter().find(|canary| canary.name == "share-on-notarize").unwrap();
        let mut config = canary.config(1);
        (config.nodes, config.players, config.faults.loss_ppm) = (6, 1, 20_000);
        let failure = Failure::of(&run::run(&config, None, Watch::default())).unwrap();
        assert!(!failure.decisions.is_empty());
        let smaller = shrink(failure.clone(), 200, |_| {});
        assert_eq!(smaller.check, failure.check);
        assert_eq!((smaller.config.nodes, smaller.config.players), (4, 0));
        assert_eq!(smaller.decisions, Vec::new(), "nothing has to go wrong for this flaw");
        assert_eq!(smaller.replay(Watch::default()).0, Replayed::Same);
    }
}
