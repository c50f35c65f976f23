//! A failed run as a file: what was run, every decision, what failed, and the fingerprint, so that
//! it can be done again long after the seed means something else.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::checks::{Check, Violation};
use crate::config::Config;
use crate::decision::Decision;
use crate::run::{self, Outcome, Watch};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The version of this format.
    pub format: u32,
    /// The commit it was found at, if whoever built the program said so in `BITCRAPS_COMMIT`.
    pub commit: String,
    /// The protocol's version.
    pub protocol: u16,
    /// What was run.
    pub config: Config,
    /// What failed.
    pub check: Check,
    /// How.
    pub message: String,
    /// The run's fingerprint.
    pub digest: String,
    /// Everything that was decided.
    pub decisions: Vec<Decision>,
}

/// What came of doing it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The same check fails, with the same fingerprint.
    Same,
    /// The same check fails, but not in the same way: the program has changed.
    Differently,
    /// It does not fail any more, or otherwise.
    Gone,
}

impl Failure {
    /// The failure of a run, if it failed.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let Violation { check, message, .. } = outcome.report.violation.clone()?;
        Some(Self {
            format: FORMAT,
            commit: option_env!("BITCRAPS_COMMIT").unwrap_or("unknown").to_owned(),
            protocol: bitcraps_protocol::wire::VERSION,
            config: outcome.report.config.clone(),
            check,
            message,
            digest: outcome.report.digest.clone(),
            decisions: outcome.decisions.clone(),
        })
    }

    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let failure: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no failed run", path.display()))?;
        ensure!(failure.format == FORMAT, "the file's format {} is unknown", failure.format);
        failure.config.check()?;
        Ok(failure)
    }

    /// Writes a file, and makes the directory for it if there is none.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        if let Some(directory) = path.parent() {
            let context = || format!("making {}", directory.display());
            fs::create_dir_all(directory).with_context(context)?;
        }
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Does it again.
    pub fn replay(&self, watch: Watch<'_>) -> (Replayed, Outcome) {
        let outcome = run::run(&self.config, Some(&self.decisions), watch);
        let check = outcome.report.violation.as_ref().map(|violation| violation.check);
        let replayed = match (check == Some(self.check), outcome.report.digest == self.digest) {
            (true, true) => Replayed::Same,
            (true, false) => Replayed::Differently,
            (false, _) => Replayed::Gone,
        };
        (replayed, outcome)
    }
}
