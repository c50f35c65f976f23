//! Validators make their dice key on the chain, whatever happens meanwhile, and consensus never
//! waits for it. The two large networks take a while: `cargo test --release -p bitcraps-sim --test
//! key_generation -- --include-ignored`.

use bitcraps_sim::checks::Check;
use bitcraps_sim::config::{Config, DiceKeySource, Faults, LinkConfig};
use bitcraps_sim::latency::Latency;
use bitcraps_sim::run::{Report, Watch, run};

/// A network whose hostile validators play `strategies`, and of which crashes and partitions keep
/// others from dealing and attesting in time.
fn config(nodes: u16, strategies: &[&str]) -> Config {
    let base = Config::default();
    Config {
        nodes,
        dice_key: DiceKeySource::Chain,
        byzantine: if strategies.is_empty() { 0 } else { (nodes - 1) / 3 },
        strategies: strategies.iter().map(|name| (*name).to_owned()).collect(),
        link: LinkConfig {
            latency: Latency::Uniform { least: 2_000, most: 10_000 },
            clear: true,
            ..base.link.clone()
        },
        faults: Faults { crashes: 3, cuts: 2, ..Faults::default() },
        faulty_ms: 3_000,
        stabilises_ms: 3_000,
        ..base
    }
}

fn counter(report: &Report, name: &str) -> u64 {
    report.counters.get(name).copied().unwrap_or(0)
}

/// Runs it, and checks that a key was made and blocks became final before.
fn makes_a_key(config: &Config) -> Report {
    let report = run(config, None, Watch::default()).report;
    let name = format!("{} nodes, {:?}, seed {}", config.nodes, config.strategies, config.seed);
    assert_eq!(report.violation, None, "{name}");
    assert!(counter(&report, "dice key made") > 0, "{name}: {:?}", report.counters);
    assert!(counter(&report, "block final before there was a dice key") > 1, "{name}");
    report
}

#[test]
fn small_networks_make_a_key_while_processes_crash_and_links_are_cut() {
    for nodes in [1, 2, 3, 4, 7] {
        for seed in 1..=2 {
            makes_a_key(&Config { seed, ..config(nodes, &[]) });
        }
    }
}

#[test]
fn a_key_is_made_although_dealers_and_attesters_are_missing() {
    for nodes in [4, 7] {
        let report = makes_a_key(&config(nodes, &["no-deal"]));
        assert!(counter(&report, "dice key made without every dealer") > 0);
    }
}

#[test]
fn no_way_of_dealing_badly_keeps_a_key_from_being_made() {
    let strategies = [
        "bad-shares",
        "wrong-degree",
        "copied-key",
        "rogue-key",
        "two-deals",
        "false-complaints",
        "late-dealer",
    ];
    for strategy in strategies {
        makes_a_key(&config(4, &[strategy]));
    }
    makes_a_key(&config(7, &strategies));
}

#[test]
fn without_the_check_of_the_one_time_key_a_copied_one_opens_an_honest_deal() {
    let sound = Config { faults: Faults::default(), ..config(4, &["copied-key"]) };
    makes_a_key(&sound);
    let flaws = vec!["honest-shares-published".to_owned()];
    let broken = run(&Config { flaws, ..sound }, None, Watch::default()).report;
    assert_eq!(broken.violation.map(|violation| violation.check), Some(Check::Dice));
}

#[test]
#[ignore = "takes a minute in a release build"]
fn thirty_one_validators_make_a_key() {
    makes_a_key(&config(31, &[]));
    makes_a_key(&config(31, &["no-deal", "bad-shares", "false-complaints"]));
}

#[test]
#[ignore = "takes some minutes in a release build"]
fn a_hundred_validators_make_a_key() {
    makes_a_key(&config(100, &["no-deal", "bad-shares"]));
}
