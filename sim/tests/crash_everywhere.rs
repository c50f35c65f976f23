//! One run is recorded. Then it is run again, once for every moment at which one of its processes
//! did something, and there that process dies, with as much of what it had not synced as chance
//! leaves; it starts again, and everything that is always checked must hold: nobody votes twice or
//! against a vote, nothing that was acknowledged is lost, the state is everybody's.

use std::collections::BTreeSet;

use bitcraps_sim::config::{Config, Faults, LinkConfig, Workload};
use bitcraps_sim::decision::{Decision, TimedFault};
use bitcraps_sim::latency::Latency;
use bitcraps_sim::run::{Watch, run};

/// Who dies.
const PLACE: u16 = 1;

/// How long it is away, in microseconds.
const AWAY_US: u64 = 40_000;

/// Four validators that make a snapshot every four blocks, so that restarts begin at one.
fn config() -> Config {
    let base = Config::default();
    Config {
        players: 1,
        stand_in: true,
        snapshot_blocks: 4,
        link: LinkConfig {
            latency: Latency::Uniform { least: 1_000, most: 4_000 },
            clear: true,
            ..base.link.clone()
        },
        disk: Latency::Uniform { least: 200, most: 3_000 },
        faults: Faults::default(),
        workload: Workload { every_ms: 10, ..base.workload },
        faulty_ms: 500,
        stabilises_ms: 500,
        blocks: 3,
        ..base
    }
}

/// Every moment at which the process does something, and nothing more until the next.
fn moments(config: &Config) -> BTreeSet<u64> {
    let watch = Watch { timeline: Some((0, u64::MAX)), ..Watch::default() };
    let outcome = run(config, Some(&[]), watch);
    assert_eq!(outcome.report.violation, None);
    let timeline = outcome.timeline.expect("it was asked for");
    let sent = timeline.flights.iter().filter(|flight| flight.from == PLACE).map(|it| it.sent);
    let done = timeline.happenings.iter().filter(|it| it.place == PLACE).map(|it| it.at);
    let end = config.faulty_ms * 1_000 - AWAY_US;
    sent.chain(done).filter(|at| *at < end).collect()
}

#[test]
fn a_crash_after_any_action_contradicts_nothing_and_loses_nothing() {
    let config = config();
    let moments = moments(&config);
    assert!(moments.len() > 100, "{} moments", moments.len());
    let (mut lost, mut from_bases) = (0, 0);
    for (nth, moment) in moments.iter().enumerate() {
        let kept_permille = [0, 500, 1_000][nth % 3];
        let timed = |at, fault| Decision::Timed { at, fault };
        let decisions = [
            timed(moment + 1, TimedFault::Crash { place: PLACE, kept_permille, lied: 0 }),
            timed(moment + AWAY_US, TimedFault::Restart { place: PLACE }),
        ];
        let report = run(&config, Some(&decisions), Watch::default()).report;
        assert_eq!(report.violation, None, "crash {nth}, at {moment} µs");
        let count = |name: &str| report.counters.get(name).copied().unwrap_or_default();
        assert_eq!(count("restarted"), 1, "crash {nth}, at {moment} µs");
        lost += u64::from(count("records lost in a crash") > 0);
        from_bases += u64::from(count("restarted from a base") > 0);
    }
    assert!(lost > 10 && from_bases > 40, "{lost} lost records, {from_bases} began at a base");
}
