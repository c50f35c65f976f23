//! The commands about hostile nodes.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use bitcraps_sim::adversary::{self, How, STRATEGIES};
use bitcraps_sim::failure::Failure;
use bitcraps_sim::run::{self, Watch};

use super::say;

/// Runs every scenario of twins, or a sample; the exit code of the first that fails.
pub(super) fn twins(
    nodes: u16,
    rounds: u32,
    most: usize,
    seed: u64,
    keep: Option<PathBuf>,
) -> anyhow::Result<u8> {
    ensure!((2..=64).contains(&nodes), "twins need 1 to 63 neighbours");
    ensure!((1..=12).contains(&rounds), "1 to 12 rounds");
    let scenarios = adversary::scenarios(u32::from(nodes) - 1, rounds, most);
    let (total, mut failed, mut code) = (scenarios.len(), 0, 0);
    for (nth, rounds) in scenarios.into_iter().enumerate() {
        let config = adversary::twins(nodes, seed, rounds);
        let outcome = run::run(&config, None, Watch::default());
        let Some(violation) = &outcome.report.violation else { continue };
        failed += 1;
        say(&format!("scenario {nth}: {violation}"))?;
        if code == 0 {
            code = violation.check.exit_code();
            if let (Some(path), Some(failure)) = (&keep, Failure::of(&outcome)) {
                failure.write(path).with_context(|| format!("writing {}", path.display()))?;
            }
        }
    }
    say(&format!("{total} scenarios of {rounds} views among {nodes} nodes: {failed} failed"))?;
    Ok(code)
}

/// Lists all strategies.
pub(super) fn strategies() -> anyhow::Result<u8> {
    for strategy in &STRATEGIES {
        let how = match strategy.how {
            How::Rules(_) => String::new(),
            How::Twins => " (two nodes with one key)".to_owned(),
            How::Faults(by) => format!(" (by {by})"),
            How::Absent(why) => format!(" (not yet: {why})"),
        };
        let (number, name) = (strategy.number, strategy.name);
        say(&format!("{number:>2} {name:<22} {}{how}", strategy.what))?;
    }
    Ok(0)
}
