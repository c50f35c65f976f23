//! What a run of `dev` comes to.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Figure;
use crate::output::grouped;
use crate::words::{INSECURE, short};

/// The summary of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) validators: u16,
    pub(super) bots: u16,
    pub(super) processes: bool,
    /// Whether a dealer made the dice key, who could know every roll.
    pub(super) insecure_dealer: bool,
    pub(super) rolls: u64,
    pub(super) bets: u64,
    pub(super) refusals: u64,
    pub(super) seconds: f64,
    /// Of the first node, at rest.
    pub(super) view: u64,
    pub(super) height: u64,
    pub(super) state_root: String,
    /// Whether every node was found at this height with this state root.
    pub(super) roots_equal: bool,
    /// Heights at which the blocks of all nodes were compared.
    pub(super) blocks_compared: u64,
    pub(super) chips: u64,
    /// Whether every node then counted all chips and no others.
    pub(super) chips_conserved: bool,
    pub(super) figures: Figures,
    /// Everything that differs from what must be; empty if all is well.
    pub(super) problems: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) bet_to_final: Option<Figure>,
    pub(super) roll_to_dice: Option<Figure>,
    /// From a throw's block being final to its dice.
    pub(super) final_to_dice: Option<Figure>,
    pub(super) block_time: Option<Figure>,
    /// From starting a node, whose identity exists, to its being ready.
    pub(super) start: Option<Figure>,
    /// Making an identity with a proof of work of 16 bits.
    pub(super) identity: Option<Figure>,
    /// Of the largest node; without `--processes`, of this process by node.
    pub(super) resident_bytes_per_node: Option<u64>,
    pub(super) binary_bytes: Option<u64>,
}

impl Report {
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        let yes = |holds| if holds { "yes" } else { "NO" };
        let figure = |figure: &Option<Figure>| {
            figure.map_or("-".into(), |figure| {
                format!("{:.1} ms, 95% within {:.1} ms", figure.median_ms, figure.p95_ms)
            })
        };
        let bytes = |bytes: Option<u64>| {
            bytes.map_or("-".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
        };
        let lines = [
            ("rolls settled", format!("{} in {:.1} s", grouped(self.rolls), self.seconds)),
            ("bets", format!("{} final, {} refused", grouped(self.bets), grouped(self.refusals))),
            ("views", grouped(self.view)),
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
            ("chips conserved", format!("{}: {}", yes(self.chips_conserved), grouped(self.chips))),
            ("bet to final", figure(&self.figures.bet_to_final)),
            ("roll to dice", figure(&self.figures.roll_to_dice)),
            ("final to dice", figure(&self.figures.final_to_dice)),
            ("block time", figure(&self.figures.block_time)),
            ("start to ready", figure(&self.figures.start)),
            ("new identity", figure(&self.figures.identity)),
            ("memory per node", bytes(self.figures.resident_bytes_per_node)),
            ("program", bytes(self.figures.binary_bytes)),
        ];
        for (label, value) in lines {
            writeln!(text, "{label:<16} {value}").expect("writing to a string cannot fail");
        }
        if self.insecure_dealer {
            writeln!(text, "dice             {INSECURE}").expect("writing to a string cannot fail");
        }
        for problem in &self.problems {
            writeln!(text, "PROBLEM          {problem}").expect("writing to a string cannot fail");
        }
        text
    }
}
