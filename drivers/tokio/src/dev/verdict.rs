//! What a run of `dev --chaos` comes to.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Figure;
use crate::cli::Dev;
use crate::output::grouped;
use crate::words::short;

/// The summary of a run with faults.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) seed: u64,
    pub(super) validators: u16,
    pub(super) bots: u16,
    /// Rounds that were completed.
    pub(super) rounds: u64,
    #[serde(skip)]
    wanted: u64,
    pub(super) faults: Counts,
    /// Bytes of journals that power cuts took or spoilt.
    pub(super) lost_bytes: u64,
    pub(super) seconds: f64,
    pub(super) rolls: u64,
    /// Longest time between two final blocks while there was a quorum.
    pub(super) longest_pause_ms: f64,
    /// From starting a killed node to its being ready.
    pub(super) restart: Option<Figure>,
    pub(super) height: u64,
    pub(super) state_root: String,
    pub(super) roots_equal: bool,
    pub(super) blocks_compared: u64,
    /// Transactions that a node said are final.
    pub(super) acknowledged: u64,
    /// Of those, how many some node's journal does not hold.
    pub(super) missing: u64,
    pub(super) chips_conserved: bool,
    /// Everything that differs from what must be; empty if all is well.
    pub(super) problems: Vec<String>,
}

/// How many faults of each kind were injected.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) kill: u64,
    pub(super) pause: u64,
    pub(super) partition: u64,
    pub(super) power: u64,
}

impl Verdict {
    /// Nothing is shown yet.
    pub(super) fn new(seed: u64, arguments: &Dev) -> Self {
        Self {
            seed,
            validators: arguments.nodes,
            bots: arguments.bots,
            rounds: 0,
            wanted: arguments.rounds,
            faults: Counts::default(),
            lost_bytes: 0,
            seconds: 0.0,
            rolls: 0,
            longest_pause_ms: 0.0,
            restart: None,
            height: 0,
            state_root: String::new(),
            roots_equal: false,
            blocks_compared: 0,
            acknowledged: 0,
            missing: 0,
            chips_conserved: false,
            problems: Vec::new(),
        }
    }

    /// Adds to `problems` what the figures say.
    pub(super) fn judge(&mut self, problems: Vec<String>, missing: Option<&String>) {
        self.problems = problems;
        let mut must = |holds: bool, problem: String| {
            if !holds {
                self.problems.push(problem);
            }
        };
        must(self.rounds > 0, "no round was completed".into());
        must(self.roots_equal, "the nodes were not found in one state".into());
        must(self.chips_conserved, "the nodes were not found with all chips".into());
        must(self.rolls > 0, "no roll was settled".into());
        must(self.acknowledged > 0, "no transaction was acknowledged".into());
        if let Some(missing) = missing {
            must(false, format!("acknowledged and lost: {missing}"));
        }
    }

    pub(super) fn words(&self) -> String {
        let yes = |holds| if holds { "yes" } else { "NO" };
        let Counts { kill, pause, partition, power } = self.faults;
        let restart = self.restart.map_or("-".into(), |figure| {
            format!("{:.1} ms, 95% within {:.1} ms", figure.median_ms, figure.p95_ms)
        });
        let lines = [
            (
                "rounds",
                format!(
                    "{} of {} in {:.1} s: {kill} kills, {pause} pauses, {partition} partitions, \
                     {power} power cuts ({} bytes lost)",
                    grouped(self.rounds),
                    grouped(self.wanted),
                    self.seconds,
                    grouped(self.lost_bytes)
                ),
            ),
            ("rolls settled", grouped(self.rolls)),
            ("longest pause", format!("{:.1} ms without a final block", self.longest_pause_ms)),
            ("start to ready", restart),
            (
                "equal states",
                format!(
                    "{}: {} at height {}, {} blocks compared",
                    yes(self.roots_equal),
                    short(&self.state_root),
                    grouped(self.height),
                    grouped(self.blocks_compared)
                ),
            ),
            (
                "acknowledged",
                format!(
                    "{} transactions, {} missing from some journal",
                    grouped(self.acknowledged),
                    grouped(self.missing)
                ),
            ),
            ("chips conserved", yes(self.chips_conserved).into()),
            ("seed", self.seed.to_string()),
        ];
        let mut text = String::new();
        for (label, value) in lines {
            writeln!(text, "{label:<16} {value}").expect("writing to a string cannot fail");
        }
        for problem in &self.problems {
            writeln!(text, "PROBLEM          {problem}").expect("writing to a string cannot fail");
        }
        text
    }
}
