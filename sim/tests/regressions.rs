//! Every run that once failed, and was kept, ends clean.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitcraps_sim::failure::Failure;
use bitcraps_sim::run::Watch;

fn corpus() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let entries = fs::read_dir(directory).expect("the corpus is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sim"));
    files.sort();
    files
}

#[test]
fn no_run_that_once_failed_fails_any_more() {
    for path in corpus() {
        let failure = Failure::read(&path).expect("it is a failed run");
        assert!(failure.config.flaws.is_empty(), "{} is a canary", path.display());
        let (_, outcome) = failure.replay(Watch::default());
        let (once, name) = (failure.message, path.display());
        assert_eq!(outcome.report.violation, None, "{name}, which once failed: {once}");
    }
}

#[test]
fn replay_ends_well_on_each() {
    for path in corpus() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bitcraps-sim"));
        let output = command.arg("replay").arg(&path).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}: {said}", path.display());
    }
}
