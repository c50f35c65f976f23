//! What a large swarm must have seen. A check that nothing ever comes near proves nothing; so a
//! swarm of enough drawn runs in which one of these rare states was never reached fails.

use std::collections::{BTreeMap, BTreeSet};

use bitcraps_protocol::craps::Bet;

use crate::adversary;
use crate::run::Report;

/// Drawn runs from which on a swarm must have reached every state: each is so frequent that none is
/// missing by chance.
pub const RUNS: u64 = 400;

/// Drawn runs from which on a swarm must have followed every strategy that it can draw.
pub const RUNS_FOR_STRATEGIES: u64 = 1_000;

/// The states, as counters in reports name them.
pub const STATES: [&str; 34] = [
    // Views.
    "view skipped",
    "several views skipped at once",
    "final by a descendant",
    "evidence found",
    "peer blamed",
    // Faults, and what comes of them.
    "partition",
    "one-way partition",
    "partition healed",
    "crash",
    "restarted",
    "restarted from a base",
    "state fetched",
    "records lost in a crash",
    "torn tail",
    "disk lied",
    "disk wiped",
    "disk full",
    "read error",
    "damaged journal refused",
    "validator abstained",
    "wall clock jumped",
    "delivery schemed",
    "new key proposed",
    "network key changed",
    // Players.
    "operation refused",
    "command failed",
    "player left the network",
    "newcomer joined",
    "shooter let the time pass",
    "the house threw the dice",
    // Dice.
    "share given after finality",
    "block final before there was a dice key",
    "dice key made without every dealer",
    "bad dealer left out",
];

/// Kinds of bet, of each of which one must have been made.
pub fn kinds() -> BTreeSet<String> {
    Bet::all().map(kind).collect()
}

/// Which kind of bet it is: its name without the number it is on.
pub fn kind(bet: Bet) -> String {
    let name = bet.to_string();
    name.split_once(':').map_or(name.clone(), |(kind, _)| kind.to_owned())
}

/// The states that a swarm should have reached and did not, if it is large enough to tell. `is_drawn`
/// tells which runs count.
pub fn missed(reports: &[Report], is_drawn: impl Fn(&Report) -> bool) -> Vec<String> {
    let drawn: Vec<&Report> = reports.iter().filter(|report| is_drawn(report)).collect();
    if (drawn.len() as u64) < RUNS {
        return Vec::new();
    }
    let mut counters = BTreeMap::<&str, u64>::new();
    let mut bet_on = BTreeSet::new();
    let mut followed = BTreeSet::new();
    for report in &drawn {
        for (name, count) in &report.counters {
            *counters.entry(name).or_default() += count;
        }
        let bets = report.tally.bets.keys().filter_map(|bet| bet.parse().ok());
        bet_on.extend(bets.map(kind));
        followed.extend(report.followed.keys().map(String::as_str));
    }
    let states = STATES.into_iter().filter(|name| !counters.contains_key(name));
    let bets = kinds().into_iter().filter(|kind| !bet_on.contains(kind));
    let enough = drawn.len() as u64 >= RUNS_FOR_STRATEGIES;
    let strategies =
        adversary::playable().filter(|strategy| enough && !followed.contains(strategy.name));
    let states = states.map(str::to_owned).chain(bets.map(|bet| format!("a bet on {bet}")));
    states.chain(strategies.map(|strategy| format!("strategy {}", strategy.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::run::{Watch, run};

    #[test]
    fn a_large_swarm_that_never_came_near_something_is_vacuous() {
        let config = Config { faulty_ms: 1, stabilises_ms: 1, blocks: 1, ..Config::default() };
        let mut report = run(&config, None, Watch::default()).report;
        report.counters = STATES.into_iter().map(|name| (name.to_owned(), 1)).collect();
        report.followed = adversary::playable().map(|it| (it.name.to_owned(), 1)).collect();
        report.tally.bets = Bet::all().map(|bet| (bet.to_string(), 1)).collect();
        let swarm = |report: &Report, size| vec![report.clone(); size];
        let size = RUNS as usize;
        assert_eq!(missed(&swarm(&report, size), |_| true), Vec::<String>::new());
        report.counters.remove("torn tail");
        report.tally.bets.remove("field");
        report.followed.remove("torsion");
        assert_eq!(missed(&swarm(&report, size), |_| true), ["torn tail", "a bet on field"]);
        let lacking = ["torn tail", "a bet on field", "strategy torsion"];
        let larger = RUNS_FOR_STRATEGIES as usize;
        assert_eq!(missed(&swarm(&report, larger), |_| true), lacking);
        assert_eq!(missed(&swarm(&report, size - 1), |_| true), Vec::<String>::new());
        assert_eq!(missed(&swarm(&report, size), |_| false), Vec::<String>::new());
    }
}
