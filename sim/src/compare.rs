//! Where two traces part: the first event that differs, with what came before.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::recorder::{ENTRY_BYTES, Happening, Kind, MAGIC};

/// Events shown before the first that differs.
const CONTEXT: usize = 5;

/// Reads a trace.
pub fn read(path: &Path) -> anyhow::Result<Vec<Happening>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let entries = bytes.strip_prefix(MAGIC.as_slice());
    let entries = entries.with_context(|| format!("{} is no trace", path.display()))?;
    let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
    ensure!(rest.is_empty(), "{} ends within an event", path.display());
    let all: Option<Vec<Happening>> = entries.iter().map(Happening::from_bytes).collect();
    all.with_context(|| format!("{} holds an unknown kind of event", path.display()))
}

/// The index of the first event that differs. Checkpoints hash all events before them, so the
/// search goes by bisection.
pub fn first_difference(one: &[Happening], other: &[Happening]) -> Option<usize> {
    let common = one.len().min(other.len());
    // Every event carries the digest of all before it: equal ones have equal pasts.
    let equal = |index: usize| one[index] == other[index];
    let (mut low, mut high) = (0, common);
    while low < high {
        let middle = low.midpoint(high);
        if equal(middle) { low = middle + 1 } else { high = middle }
    }
    (low < common || one.len() != other.len()).then_some(low)
}

/// Says where two traces part, or nothing if they do not.
pub fn describe(one: &[Happening], other: &[Happening]) -> Option<String> {
    let index = first_difference(one, other)?;
    let mut text = format!("the traces part at event {index}\n");
    for happening in &one[index.saturating_sub(CONTEXT)..index] {
        let _ = writeln!(text, "  both  {}", line(happening));
    }
    for (name, trace) in [("one", one), ("other", other)] {
        let what = trace.get(index).map_or_else(|| "nothing more".to_owned(), line);
        let _ = writeln!(text, "  {name:<5} {what}");
    }
    Some(text)
}

fn line(happening: &Happening) -> String {
    let Happening { at, kind, place, what, digest } = happening;
    match kind {
        Kind::Checkpoint => format!("{:>12} µs  checkpoint {what:016x}{digest:016x}", at),
        _ => format!("{at:>12} µs  node {place:<3} {kind:?} {what} [{digest:016x}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(length: u64, wrong_from: u64) -> Vec<Happening> {
        let digest = |at: u64| if at >= wrong_from { at + 1_000 } else { at };
        (0..length)
            .map(|at| Happening { at, kind: Kind::Tick, place: 0, what: 0, digest: digest(at) })
            .collect()
    }

    #[test]
    fn the_first_event_that_differs_is_found() {
        let right = trace(100, 1_000);
        for from in [0, 1, 50, 99] {
            assert_eq!(first_difference(&right, &trace(100, from)), Some(from as usize));
        }
        assert_eq!(first_difference(&right, &trace(100, 1_000)), None);
        assert_eq!(first_difference(&right, &trace(70, 1_000)), Some(70));
        let text = describe(&right, &trace(100, 50)).unwrap();
        assert!(text.contains("event 50"), "{text}");
    }
}
