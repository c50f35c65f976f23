//! The command about broken cores.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use bitcraps_sim::canary::{CANARIES, Canary, DECISIONS, Fate};
use bitcraps_sim::checks::Check;

use super::say;

/// Tries canaries, or the one of this name; the exit code.
pub(super) fn hunt(
    name: Option<&str>,
    shrink: bool,
    keep: Option<&Path>,
    jobs: usize,
    json: bool,
) -> anyhow::Result<u8> {
    let chosen: Vec<&Canary> =
        CANARIES.iter().filter(|it| name.is_none_or(|name| it.name == name)).collect();
    ensure!(!chosen.is_empty(), "there is no canary {:?}", name.unwrap_or_default());
    if !json {
        say(&header(shrink))?;
    }
    let (next, problem) = (AtomicUsize::new(0), Mutex::new(Ok(())));
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(canary) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fate = canary.hunt(shrink);
                    failed.fetch_add(usize::from(!fate.is_well(shrink)), Ordering::Relaxed);
                    if let Err(error) = tell(&fate, shrink, keep, json) {
                        *problem.lock().expect("nobody panics with it") = Err(error);
                        return;
                    }
                }
            });
        }
    });
    problem.into_inner().expect("nobody panics with it")?;
    let failed = failed.into_inner();
    if !json {
        let well = chosen.len() - failed;
        say(&match shrink {
            true => format!("{well} of {} caught, and shrunk to {DECISIONS} at most", chosen.len()),
            false => format!("{well} of {} caught", chosen.len()),
        })?;
    }
    Ok(if failed == 0 { 0 } else { Check::Vacuous.exit_code() })
}

fn tell(fate: &Fate, shrink: bool, keep: Option<&Path>, json: bool) -> anyhow::Result<()> {
    if let (Some(keep), Some(caught)) = (keep, &fate.caught) {
        caught.failure.write(&keep.join(format!("canary-{}.sim", fate.name)))?;
    }
    say(&if json { serde_json::to_string(fate)? } else { line(fate, shrink) })
}

fn header(shrink: bool) -> String {
    let line = format!("{:<26} {:>5} {:>6}  {:<16}", "canary", "seed", "within", "caught by");
    if shrink { format!("{line} {:>6} {:>5}  replay", "before", "after") } else { line }
}

fn line(fate: &Fate, shrink: bool) -> String {
    let Fate { name, within, caught } = fate;
    let Some(caught) = caught else {
        return format!("{name:<26} {:>5} {within:>6}  LIVES", "-");
    };
    let check = caught.failure.check.to_string();
    let line = format!("{name:<26} {:>5} {within:>6}  {check:<16}", caught.seed);
    if !shrink {
        return line;
    }
    let after = caught.failure.decisions.len();
    let replay = match (caught.replays, after > DECISIONS) {
        (false, _) => "DIFFERS",
        (true, true) => "same, but TOO LONG",
        (true, false) => "same",
    };
    format!("{line} {:>6} {after:>5}  {replay}", caught.before)
}
