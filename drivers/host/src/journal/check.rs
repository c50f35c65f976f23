//! Looking at a journal without using it, and saving what is left of a damaged one.
//!
//! A repair keeps the blocks and snapshots before the damage, which prove themselves, and nothing
//! else. The new
//! journal says that it was begun after a loss: its validator observes until the others have told
//! it what it may have promised. The damaged files are kept beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Label, Position, Record};

use super::format::Reader;
use super::{Journal, JournalError, Opened, Origin, Recovery, segment_path, segments};
use crate::files;

/// Bytes of blocks that a repair writes between two syncs.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What a journal was found to hold.
#[derive(Debug)]
pub struct Findings {
    /// Whose it is, if its beginning can be read.
    pub origin: Option<Origin>,
    /// Whether it was begun after an earlier one was lost.
    pub after_loss: bool,
    /// How many files it consists of.
    pub segments: u64,
    /// How many bytes they are together.
    pub bytes: u64,
    /// Records before the damage, or all of them.
    pub records: u64,
    /// Blocks among them.
    pub blocks: u64,
    /// The highest of those blocks.
    pub newest_block: Option<Height>,
    /// Bytes at the end that a crash left behind; they were never reported durable, and the next
    /// start drops them.
    pub torn_bytes: u64,
    /// The first damage.
    pub damage: Option<JournalError>,
}

/// What a repair did, or would do.
#[derive(Debug)]
pub struct Repaired {
    /// What was found before.
    pub findings: Findings,
    /// Where the damaged files are now.
    pub aside: PathBuf,
}

/// Reads the whole journal at `directory`, shows each intact record to `visit`, and changes
/// nothing. Nobody may be using it.
pub fn check(directory: &Path, mut visit: impl FnMut(&Record)) -> Result<Findings, JournalError> {
    let firsts = segments(directory).map_err(JournalError::io(directory, "read"))?;
    let mut findings = Findings {
        origin: None,
        after_loss: false,
        segments: firsts.len() as u64,
        bytes: 0,
        records: 0,
        blocks: 0,
        newest_block: None,
        torn_bytes: 0,
        damage: None,
    };
    for first in &firsts {
        findings.bytes += length(&segment_path(directory, *first))?;
    }
    if firsts.is_empty() {
        return Ok(findings);
    }
    let mut recovery = match begin(directory) {
        Ok(recovery) => recovery,
        Err(error) => return tell_damage(findings, error),
    };
    findings.origin = Some(recovery.origin);
    findings.after_loss = recovery.opened.journal_lost;
    for record in recovery.by_ref() {
        findings.blocks += u64::from(matches!(record.label, Label::Block(_)));
        visit(&record);
    }
    findings.records = recovery.next.0 - recovery.begins.0;
    findings.newest_block = recovery.blocks.newest();
    if let Some(failure) = recovery.failure.take() {
        return tell_damage(findings, failure);
    }
    if let Some(last) = &recovery.current {
        findings.torn_bytes = length(&last.path)? - last.offset;
    }
    Ok(findings)
}

/// Replaces the damaged journal at `directory` by one with the blocks before the damage; nothing
/// is done, and `None` returned, if there is no damage. With `dry_run` nothing is changed.
///
/// The caller holds the data directory's lock.
pub fn repair(directory: &Path, dry_run: bool) -> Result<Option<Repaired>, JournalError> {
    let findings = check(directory, |_| {})?;
    if findings.damage.is_none() {
        return Ok(None);
    }
    let aside = free_name(directory)?;
    if dry_run {
        return Ok(Some(Repaired { findings, aside }));
    }
    let fresh = directory.with_extension("repaired");
    remove(&fresh)?;
    if findings.blocks > 0 {
        save_blocks(directory, &fresh)?;
    }
    // Between the two names there is no journal, which a start takes for a lost one: as safe.
    let moving = || JournalError::io(directory, "replace");
    let parent = directory.parent().unwrap_or(Path::new("."));
    fs::rename(directory, &aside).map_err(moving())?;
    files::sync_directory(parent).map_err(moving())?;
    if findings.blocks > 0 {
        fs::rename(&fresh, directory).map_err(moving())?;
    }
    files::sync_directory(parent).map_err(moving())?;
    Ok(Some(Repaired { findings, aside }))
}

/// Writes the blocks before the damage in `damaged` into a new journal at `fresh`.
fn save_blocks(damaged: &Path, fresh: &Path) -> Result<(), JournalError> {
    let mut recovery = begin(damaged)?;
    let mut journal = begin_after_loss(fresh, recovery.origin)?;
    let mut bytes = 0;
    for record in recovery.by_ref().filter(keeps) {
        journal.append(journal.next(), &record)?;
        bytes += record.bytes.len();
        if bytes > BATCH_BYTES {
            journal.sync()?;
            bytes = 0;
        }
    }
    journal.sync()?;
    Ok(())
}

/// Blocks, and the snapshots on which the first of them may stand.
fn keeps(record: &Record) -> bool {
    matches!(record.label, Label::Block(_)) || crate::backup::proves_itself(record)
}

/// A new journal at `directory` that says that an earlier one was lost.
pub(crate) fn begin_after_loss(directory: &Path, origin: Origin) -> Result<Journal, JournalError> {
    let recovery = Recovery::open(directory, origin)?;
    assert_eq!(recovery.opened(), Opened { fresh: false, journal_lost: true });
    recovery.finish()
}

fn begin(directory: &Path) -> Result<Recovery, JournalError> {
    // The first segment names the origin; if another one is missing, reading will tell.
    let first = segments(directory).map_err(JournalError::io(directory, "read"))?.first().copied();
    let header = Reader::open(&segment_path(directory, first.unwrap_or_default()))?.header;
    Recovery::open_whole(directory, header.origin)
}

/// An error of the operating system is no finding.
fn tell_damage(findings: Findings, error: JournalError) -> Result<Findings, JournalError> {
    match error {
        JournalError::Io { .. } | JournalError::Version { .. } => Err(error),
        JournalError::Damaged { .. }
        | JournalError::DamagedBlock { .. }
        | JournalError::BadHeader { .. }
        | JournalError::MissingSegment { .. }
        | JournalError::Foreign { .. } => Ok(Findings { damage: Some(error), ..findings }),
    }
}

fn length(path: &Path) -> Result<u64, JournalError> {
    Ok(fs::metadata(path).map_err(JournalError::io(path, "read"))?.len())
}

/// The first unused of `journal.damaged-1`, `-2`, …
fn free_name(directory: &Path) -> Result<PathBuf, JournalError> {
    for number in 1_u32.. {
        let name = directory.with_extension(format!("damaged-{number}"));
        if !name.try_exists().map_err(JournalError::io(&name, "read"))? {
            return Ok(name);
        }
    }
    unreachable!("nobody has four thousand million damaged journals")
}

fn remove(directory: &Path) -> Result<(), JournalError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(JournalError::io(directory, "remove")(error))
        }
        _ => Ok(()),
    }
}

impl Findings {
    /// What of a damaged journal a repair can keep, and what there is to do, in sentences.
    pub fn advice(&self) -> String {
        let Position(records) = Position(self.records);
        match (&self.damage, self.newest_block) {
            (None, _) => "nothing needs to be done".to_owned(),
            (Some(_), None) => format!(
                "{records} records before it are intact, no block among them. Put the files back \
                 from a copy that was made after the node's last stop, or run: bitcraps store \
                 repair. It begins an empty journal; the blocks come back from the other nodes, \
                 and a validator observes until they have told it what it may have promised"
            ),
            (Some(_), Some(height)) => format!(
                "{records} records before it are intact, among them the blocks up to height \
                 {height}. Put the files back from a copy that was made after the node's last \
                 stop, or run: bitcraps store repair. It keeps those blocks; later ones come back \
                 from the other nodes, and a validator observes until they have told it what it \
                 may have promised"
            ),
        }
    }
}
