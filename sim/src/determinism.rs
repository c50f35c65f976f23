//! The same seed in several processes, perhaps of several builds: whether it is the same run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::compare;
use crate::run::Report;

/// A seed whose runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The seed.
    pub seed: u64,
    /// The fingerprints, one for each program.
    pub digests: Vec<String>,
    /// Where the traces of two that differ part.
    pub where_they_part: String,
}

/// Runs a seed once with each program, each time in a process of its own, as these `flags` say.
pub fn check(
    programs: &[PathBuf],
    seed: u64,
    flags: &[String],
) -> anyhow::Result<Option<Difference>> {
    let digest = |program: &PathBuf| run(program, seed, flags, None);
    let digests: Vec<String> = programs.iter().map(digest).collect::<anyhow::Result<_>>()?;
    let Some(differs) = digests.iter().position(|digest| *digest != digests[0]) else {
        return Ok(None);
    };
    let directory = std::env::temp_dir();
    let name = |side: &str| directory.join(format!("bitcraps-sim-{}-{side}", std::process::id()));
    let paths = [name("one"), name("other")];
    run(&programs[0], seed, flags, Some(&paths[0]))?;
    run(&programs[differs], seed, flags, Some(&paths[1]))?;
    let traces = [compare::read(&paths[0])?, compare::read(&paths[1])?];
    paths.iter().for_each(|path| drop(std::fs::remove_file(path)));
    let where_they_part = compare::describe(&traces[0], &traces[1])
        .unwrap_or_else(|| "with a trace they do not differ".to_owned());
    Ok(Some(Difference { seed, digests, where_they_part }))
}

fn run(
    program: &Path,
    seed: u64,
    flags: &[String],
    trace: Option<&Path>,
) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(["run", "--draw", "--json", "--seed", &seed.to_string()]).args(flags);
    if let Some(trace) = trace {
        command.arg("--trace").arg(trace);
    }
    let output = command.output().with_context(|| format!("running {}", program.display()))?;
    let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
        bail!(
            "{} said nothing of seed {seed}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    Ok(report.digest)
}
