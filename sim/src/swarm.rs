//! Many runs, and what they add up to. Seeds are pure functions, so sharing them out is
//! arithmetic: shard i of m runs the seeds s with s mod m = i, and anybody may merge the results.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::checks::{Check, Tally, add_faces, is_fair};
use crate::config::Config;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::network::Traffic;
use crate::run::{self, Report, Watch};
use crate::sometimes;

/// Which seeds to run, and how.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// The first seed.
    pub first: u64,
    /// The last seed.
    pub last: u64,
    /// This shard and how many there are.
    pub shard: (u64, u64),
    /// Runs at a time.
    pub jobs: usize,
    /// After how long no run is started any more.
    pub budget: Option<Duration>,
}

/// What many runs add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub runs: u64,
    /// Events carried out.
    pub events: u64,
    /// Simulated microseconds.
    pub simulated_us: u64,
    /// A fingerprint of all their fingerprints, in the order of seeds.
    pub digest: String,
    /// What honest nodes got done.
    pub tally: Tally,
    /// What the networks did.
    pub traffic: Traffic,
    /// Faults and rare states.
    pub counters: BTreeMap<String, u64>,
    /// How often hostile nodes followed each strategy.
    pub followed: BTreeMap<String, u64>,
    /// The greatest share of the time allowed for progress that was needed, in thousandths, and the
    /// seed that needed it.
    pub slowest: Option<(u64, u64)>,
    /// Failures by what they say, with their seeds.
    pub failures: BTreeMap<String, Vec<u64>>,
    /// The check of each failure, which decides the exit code.
    pub failed: BTreeMap<u64, Check>,
    /// Faults that were enabled in some run and happened in none.
    pub vacuous: Vec<String>,
}

impl Swarm {
    /// The seeds of this shard.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let (index, count) = self.shard;
        (self.first..=self.last).filter(move |seed| seed % count.max(1) == index)
    }

    /// Runs all seeds, with `config` for each; `seen` hears of every run as it ends. Reports come
    /// back in the order of seeds.
    pub fn run(
        &self,
        config: impl Fn(u64) -> Config + Sync,
        mut seen: impl FnMut(&Report, Option<&Failure>),
    ) -> Vec<Report> {
        let seeds: Vec<u64> = self.seeds().collect();
        let next = AtomicU64::new(0);
        let (started, budget) = (Instant::now(), self.budget);
        let (sender, receiver) = mpsc::channel();
        let mut reports = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let (sender, seeds, next, config) = (sender.clone(), &seeds, &next, &config);
                scope.spawn(move || {
                    while budget.is_none_or(|budget| started.elapsed() < budget) {
                        let index = next.fetch_add(1, Ordering::Relaxed) as usize;
                        let Some(seed) = seeds.get(index) else { return };
                        let outcome = run::run(&config(*seed), None, Watch::default());
                        let failure = Failure::of(&outcome);
                        if sender.send((outcome.report, failure)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (report, failure) in receiver {
                seen(&report, failure.as_ref());
                reports.push(report);
            }
        });
        reports.sort_by_key(|report| report.config.seed);
        reports
    }
}

impl Summary {
    /// Adds up reports, which come in the order of their seeds.
    pub fn of(reports: &[Report]) -> Self {
        let mut summary = Self::default();
        let mut digest = Digest::default();
        for report in reports {
            summary.add(report);
            digest.bytes(report.digest.as_bytes());
        }
        summary.digest = format!("{:016x}", digest.value());
        for (whose, faces) in faces(reports) {
            if !is_fair(&faces) {
                let said = format!("{}, {whose}: {faces:?}", Check::FairDice);
                summary.failures.entry(said).or_default();
                summary.failed.insert(u64::MAX, Check::FairDice);
            }
        }
        summary.vacuous = vacuous(reports);
        let is_drawn = |report: &Report| report.config == Config::drawn(report.config.seed);
        summary.vacuous.extend(sometimes::missed(reports, is_drawn));
        summary
    }

    fn add(&mut self, report: &Report) {
        let seed = report.config.seed;
        self.runs += 1;
        self.events += report.events;
        self.simulated_us += report.simulated_us;
        self.tally.add(&report.tally);
        self.traffic.add(&report.traffic);
        for (name, count) in &report.counters {
            *self.counters.entry(name.clone()).or_default() += count;
        }
        for (name, count) in &report.followed {
            *self.followed.entry(name.clone()).or_default() += count;
        }
        if let Some(liveness) = report.liveness {
            self.slowest = self.slowest.max(Some((liveness.permille(), seed)));
        }
        if let Some(violation) = &report.violation {
            let said = format!("{}: {}", violation.check, normal(&violation.message));
            self.failures.entry(said).or_default().push(seed);
            self.failed.insert(seed, violation.check);
        }
    }

    /// The exit code: of the first failure, else of vacuity, else 0.
    pub fn exit_code(&self) -> u8 {
        match self.failed.values().next() {
            Some(check) => check.exit_code(),
            None if self.vacuous.is_empty() => 0,
            None => Check::Vacuous.exit_code(),
        }
    }
}

/// How often each of the 36 faces was thrown: over all, in blocks of hostile leaders and of the
/// others, and by what hostile nodes did. The dice must be fair in each, since nobody may have a
/// say in them.
pub fn faces(reports: &[Report]) -> BTreeMap<String, Vec<u64>> {
    let mut faces = BTreeMap::<String, Vec<u64>>::new();
    for report in reports {
        let Tally { faces: all, faces_of_hostile: hostile, .. } = &report.tally;
        let honest: Vec<u64> =
            all.iter().zip(hostile).map(|(all, hostile)| all - hostile).collect();
        let mut add = |whose: &str, more: &[u64]| {
            add_faces(faces.entry(whose.to_owned()).or_default(), more);
        };
        add("all leaders", all);
        add("honest leaders", &honest);
        add("hostile leaders", hostile);
        let (twins, scheme) = (report.config.twins.is_some(), report.config.scheme);
        let schemes = scheme.map(|scheme| format!("{scheme:?}"));
        let strategies = report.config.strategies.iter().cloned().chain(schemes);
        for strategy in strategies.chain(twins.then(|| "twins".to_owned())) {
            add(&format!("all leaders beside {strategy}"), all);
            add(&format!("hostile leaders with {strategy}"), hostile);
        }
    }
    faces
}

/// A message without its numbers, so that failures of one kind are counted together.
fn normal(message: &str) -> String {
    let mut normal = String::new();
    for letter in message.chars().take(160) {
        if !letter.is_ascii_digit() {
            normal.push(letter);
        } else if !normal.ends_with('#') {
            normal.push('#');
        }
    }
    normal
}

/// How often a fault must have been expected before its absence means something.
const EXPECTED: u64 = 50;

/// A number in a report.
type Measure = fn(&Report) -> u64;

/// Faults that were enabled, should have happened, and did not.
pub fn vacuous(reports: &[Report]) -> Vec<String> {
    let mut absent = Vec::new();
    let count =
        |name: &str| -> u64 { reports.iter().filter_map(|report| report.counters.get(name)).sum() };
    // Those of certain times happen wherever they are asked for, unless something ended the run.
    let enabled = |of: fn(&Config) -> u16| reports.iter().any(|it| of(&it.config) > 0);
    let ended = reports.iter().any(|report| report.violation.is_some());
    for (name, of) in [
        ("crash", (|config| config.faults.crashes) as fn(&Config) -> u16),
        ("disk lied", |config| config.faults.liars),
        ("disk wiped", |config| config.faults.wipes),
        ("damaged journal refused", |config| config.faults.rotten),
        ("wall clock jumped", |config| config.faults.clock_jumps),
    ] {
        if enabled(of) && !ended && count(name) == 0 {
            absent.push(name.to_owned());
        }
    }
    let cuts = count("partition") + count("one-way partition");
    if enabled(|config| config.faults.cuts) && !ended && cuts == 0 {
        absent.push("partition".to_owned());
    }
    let rates: [(&str, Measure, Measure); 4] = [
        (
            "frame lost",
            |it| it.config.faults.loss_ppm.into(),
            |it| it.traffic.lost + it.traffic.resent,
        ),
        ("burst of losses", |it| it.config.faults.burst_ppm.into(), |it| it.traffic.bursts),
        (
            "frame duplicated",
            |it| u64::from(it.config.faults.duplicate_ppm) * u64::from(it.config.link.datagram),
            |it| it.traffic.duplicated,
        ),
        ("frame delayed", |it| it.config.faults.delay_ppm.into(), |it| it.traffic.delayed),
    ];
    for (name, rate, happened) in rates {
        let expected: u64 = reports.iter().map(|it| rate(it) * it.traffic.sent / 4_000_000).sum();
        let happened: u64 = reports.iter().map(happened).sum();
        if expected >= EXPECTED && happened == 0 {
            absent.push(name.to_owned());
        }
    }
    absent
}

/// Reads reports, one a line.
pub fn read(path: &Path) -> anyhow::Result<Vec<Report>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let parse = |(index, line): (usize, std::io::Result<String>)| {
        let line = line?;
        serde_json::from_str(&line)
            .with_context(|| format!("{}, line {}", path.display(), index + 1))
    };
    BufReader::new(file).lines().enumerate().map(parse).collect()
}

/// Puts the reports of several shards into the order of their seeds, each seed once.
pub fn merge(mut reports: Vec<Report>) -> Vec<Report> {
    reports.sort_by_key(|report| report.config.seed);
    reports.dedup_by_key(|report| report.config.seed);
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_in_exactly_one_shard() {
        let shard = |index| {
            let shard = (index, 4);
            Swarm { first: 10, last: 99, shard, jobs: 1, budget: None }
        };
        let mut all: Vec<u64> = (0..4).flat_map(|index| shard(index).seeds()).collect();
        all.sort_unstable();
        assert_eq!(all, (10..=99).collect::<Vec<_>>());
    }

    #[test]
    fn dice_that_only_a_hostile_leader_loads_are_noticed() {
        let config = Config { faulty_ms: 1, stabilises_ms: 1, blocks: 1, ..Config::default() };
        let mut report = run::run(&config, None, Watch::default()).report;
        report.tally.faces = vec![1_000; 36];
        report.tally.faces_of_hostile = vec![30; 36];
        let fair = |report: &Report| Summary::of(std::slice::from_ref(report)).failed.is_empty();
        assert!(fair(&report));
        (report.tally.faces_of_hostile[3], report.tally.faces_of_hostile[9]) = (90, 0);
        assert!(is_fair(&report.tally.faces));
        assert!(!fair(&report));
    }

    #[test]
    fn messages_of_one_kind_are_one() {
        assert_eq!(normal("node 12 is at 3 of 45"), normal("node 7 is at 333 of 5"));
    }

    #[test]
    fn shards_merge_to_the_same_summary_as_one_run() {
        let config = |seed| {
            let config = Config { seed, ..Config::default() };
            Config { faulty_ms: 300, stabilises_ms: 300, blocks: 1, ..config }
        };
        let swarm = |shard, jobs| Swarm { first: 1, last: 6, shard, jobs, budget: None };
        let whole = swarm((0, 1), 2).run(config, |_, _| {});
        let parts = (0..3).rev().flat_map(|index| swarm((index, 3), 1).run(config, |_, _| {}));
        let merged = merge(parts.collect());
        assert_eq!(Summary::of(&merged), Summary::of(&whole));
        assert_eq!(Summary::of(&whole).runs, 6);
    }
}
