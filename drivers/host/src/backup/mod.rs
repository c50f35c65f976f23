//! Backups: what proves itself of a node's journal, and its network's genesis, encrypted for the
//! node's own key. Promises are not in them: a restored validator has forgotten its promises, and
//! its journal says so.
//!
//! A full backup holds everything; one *since* a height holds what came after, and is of use
//! together with those before it, back to the full one. Restoring needs the identity: keep its
//! recovery phrase.
//!
//! Where they are kept is a [`Target`]'s affair: a [`Directory`], or whatever else can keep bytes
//! under a name.

mod file;
mod target;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Label, Record};
use bitcraps_protocol::identity::{Keypair, PeerId};
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::wire::Hash;

use crate::files;
use crate::journal::{self, JournalError, Origin, Recovery};
use file::{GENESIS, RECORD, Reader, Writer};
pub use file::{HEADER_BYTES, Header};
pub use target::{Directory, Found, Target, Unfinished};

/// The names of backups end in it.
pub const EXTENSION: &str = ".backup";
/// Records restored between two syncs.
const BATCH: usize = 256;

/// A backup that is kept somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What it is called there.
    pub name: String,
    /// Whose it is.
    pub origin: Origin,
    /// When it was made, in seconds since the Unix epoch.
    pub created: u64,
    /// It holds what came after this height; everything, if that is 0.
    pub after: Height,
    /// The highest block in it, or before it.
    pub newest: Height,
    /// How large it is.
    pub bytes: u64,
}

/// Why a backup cannot be made or used. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system or the store refused.
    #[error("cannot {doing} {place}: {source}")]
    Io {
        /// The file, or whatever stands for it.
        place: String,
        /// What was being done.
        doing: &'static str,
        /// What was said to it.
        source: io::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The file is no backup, or one of another version.
    #[error("{name} is not a backup that this version can read")]
    NotBackup {
        /// What it is called.
        name: String,
    },
    /// It was made with another key.
    #[error(
        "{name} belongs to key {peer}; restore with that identity, from its recovery phrase: \
         bitcraps key import"
    )]
    Foreign {
        /// What it is called.
        name: String,
        /// Whose it is.
        peer: PeerId,
    },
    /// It was changed, or is not whole.
    #[error("{name} is damaged: {what}; use another backup")]
    Damaged {
        /// What it is called.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Those before it are not there.
    #[error("{name} needs an earlier backup up to height {height}, which is missing")]
    Missing {
        /// What it is called.
        name: String,
        /// Where the missing one ends.
        height: Height,
    },
    /// There is something already where it is to be restored.
    #[error("{path} is there already; restore into another data directory", path = .path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
}

impl BackupError {
    /// A refusal at `place`, while `doing` something there.
    pub fn io(place: &str, doing: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let place = place.to_owned();
        move |source| Self::Io { place, doing, source }
    }

    fn at(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        Self::io(&path.display().to_string(), doing)
    }
}

/// Makes a backup of the node in `data_dir`, which may be running, in `target`: of what came after
/// the height `after`, or of everything if that is 0 or the node has removed blocks above it.
/// `created` is now.
pub fn create(
    data_dir: &Path,
    genesis: &[u8],
    (keypair, network): (&Keypair, Hash),
    target: &dyn Target,
    after: Height,
    created: u64,
) -> Result<Backup, BackupError> {
    let after =
        if reaches_back_to(data_dir, (keypair, network), after)? { after } else { Height(0) };
    let origin = Origin { network, peer: keypair.peer() };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| BackupError::io("entropy", "read")(io::Error::other(error)))?;
    let header = Header { origin, created, after, salt };
    let mut writer = Writer::begin(target.begin(&header)?, header, keypair)?;
    writer.item(GENESIS, genesis)?;
    let mut newest = after;
    let mut recovery = Recovery::open_whole(&journal::directory(data_dir), origin)?;
    let mut bases = BTreeSet::new();
    for record in recovery.by_ref() {
        if let Label::Block(height) = record.label {
            newest = newest.max(height);
        }
        if belongs(&record, after, &mut bases) {
            writer.item(RECORD, &record.bytes)?;
        }
    }
    if let Some(failure) = recovery.into_failure() {
        return Err(failure.into());
    }
    // Two that are made in the same second are two.
    let salt = u32::from_le_bytes([salt[0], salt[1], salt[2], salt[3]]);
    let name = format!("{created}-{salt:08x}-{}-{}{EXTENSION}", after.0, newest.0);
    let bytes = writer.end(&name)?;
    Ok(Backup { name, origin, created, after, newest, bytes })
}

/// Whether the node's journal holds the block that follows the one of height `after`.
fn reaches_back_to(
    data_dir: &Path,
    (keypair, network): (&Keypair, Hash),
    after: Height,
) -> Result<bool, BackupError> {
    let origin = Origin { network, peer: keypair.peer() };
    let mut recovery = Recovery::open_whole(&journal::directory(data_dir), origin)?;
    let first = recovery.find_map(|record| match record.label {
        Label::Block(height) => Some(height),
        Label::Plain | Label::Base { .. } | Label::Whole(_) => None,
    });
    Ok(first.is_none_or(|first| first <= after.next()))
}

/// Whether a record goes into a backup of what came after a height. A snapshot goes with its base:
/// `bases` are those of which some was written.
fn belongs(record: &Record, after: Height, bases: &mut BTreeSet<Hash>) -> bool {
    if let Label::Block(height) = record.label {
        return height > after;
    }
    match Entry::from_bytes(&record.bytes) {
        Ok(Entry::Base { header, .. }) => {
            header.height > after && {
                bases.insert(header.hash());
                true
            }
        }
        Ok(Entry::Part { block, .. }) => after == Height(0) || bases.contains(&block),
        Ok(Entry::Snapshot(certified)) => {
            after == Height(0) || bases.contains(&certified.header.hash())
        }
        Ok(entry) => entry.proves_itself(),
        Err(_) => false,
    }
}

/// Whether a record may come back without the promises around it.
pub(crate) fn proves_itself(record: &Record) -> bool {
    Entry::from_bytes(&record.bytes).is_ok_and(|entry| entry.proves_itself())
}

/// What is in a target.
#[derive(Debug, Default)]
pub struct Listing {
    /// The backups, oldest first, as they say of themselves; believed only once they were read to
    /// their end.
    pub backups: Vec<Backup>,
    /// What is called like a backup and cannot be read, each with the reason.
    pub unreadable: Vec<BackupError>,
}

/// The backups in `target`. One that cannot be read hides no other.
pub fn list(target: &dyn Target) -> Result<Listing, BackupError> {
    let mut listing = Listing::default();
    for found in target.list()? {
        match found.and_then(look_at) {
            Ok(backup) => listing.backups.push(backup),
            Err(error) => listing.unreadable.push(error),
        }
    }
    listing.backups.sort_by_key(|backup| (backup.created, backup.newest));
    Ok(listing)
}

fn look_at(found: Found) -> Result<Backup, BackupError> {
    let Found { name, header, bytes } = found;
    let newest = name.strip_suffix(EXTENSION).and_then(|stem| stem.rsplit('-').next());
    let newest = newest.and_then(|number| number.parse().ok()).map(Height);
    match (newest, header.as_ref().and_then(Header::decode)) {
        (Some(newest), Some(Header { origin, created, after, .. })) => {
            Ok(Backup { name, origin, created, after, newest, bytes })
        }
        _ => Err(BackupError::NotBackup { name }),
    }
}

/// The backups that `last` needs, itself included, beginning with a full one.
pub fn chain(backups: &[Backup], last: &Backup) -> Result<Vec<Backup>, BackupError> {
    let mut chain = vec![last.clone()];
    while let Some(first) = chain.last().filter(|first| first.after > Height(0)) {
        let fits = |it: &&Backup| {
            it.origin == first.origin
                && it.newest == first.after
                && it.created <= first.created
                && it.name != first.name
        };
        let before = backups.iter().rev().find(fits).cloned();
        let (name, height) = (first.name.clone(), first.after);
        chain.push(before.ok_or(BackupError::Missing { name, height })?);
    }
    chain.reverse();
    Ok(chain)
}

/// Those of `backups` that may go: made before `oldest`, and needed by none that was made since,
/// nor by the newest.
pub fn obsolete(backups: &[Backup], oldest: u64) -> Vec<Backup> {
    let mut needed = Vec::new();
    for backup in backups.iter().filter(|it| it.created >= oldest).chain(backups.last()) {
        needed.extend(chain(backups, backup).unwrap_or_else(|_| vec![backup.clone()]));
    }
    backups.iter().filter(|it| it.created < oldest && !needed.contains(it)).cloned().collect()
}

/// The records in a chain of backups, in order; see [`Recovery`], whose shape this has. Everything
/// is authenticated as it is read, and an error ends the iteration.
pub struct Records<'a> {
    target: &'a dyn Target,
    waiting: Vec<Backup>,
    keypair: Keypair,
    reader: Option<Reader<'a>>,
    genesis: Option<Vec<u8>>,
    newest: Height,
    failure: Option<BackupError>,
}

impl<'a> Records<'a> {
    /// Begins to read a chain in `target`.
    pub fn open(target: &'a dyn Target, chain: &[Backup], keypair: &Keypair) -> Self {
        let mut waiting = chain.to_vec();
        waiting.reverse();
        let keypair = keypair.clone();
        let (reader, genesis, newest) = (None, None, Height(0));
        Self { target, waiting, keypair, reader, genesis, newest, failure: None }
    }

    /// The genesis, which stands before the first record.
    pub fn genesis(&mut self) -> Result<Vec<u8>, BackupError> {
        let first = self.advance()?;
        assert!(first.is_none() || self.genesis.is_some(), "records come after the genesis");
        self.genesis.clone().ok_or_else(|| BackupError::NotBackup { name: "it".into() })
    }

    /// How the reading ended, and the highest block that was read.
    pub fn finish(mut self) -> Result<Height, BackupError> {
        while self.next().is_some() {}
        self.failure.take().map_or(Ok(self.newest), Err)
    }

    /// The next record, or `None` at the end or right after a genesis that was not known.
    fn advance(&mut self) -> Result<Option<Record>, BackupError> {
        loop {
            let Some(reader) = &mut self.reader else {
                let Some(backup) = self.waiting.pop() else { return Ok(None) };
                self.reader = Some(Reader::open(self.target, &backup, &self.keypair)?);
                continue;
            };
            let item = reader.item()?;
            let damaged = |what| BackupError::Damaged { name: reader.backup.name.clone(), what };
            match item {
                Some((GENESIS, bytes)) => {
                    let is_first = self.genesis.is_none();
                    if self.genesis.get_or_insert_with(|| bytes.clone()) != &bytes {
                        let reader = self.reader.as_ref().expect("it is being read");
                        let name = reader.backup.name.clone();
                        let what = "it is of another network";
                        return Err(BackupError::Damaged { name, what });
                    }
                    if is_first {
                        return Ok(None);
                    }
                }
                Some((RECORD, bytes)) => {
                    let entry = Entry::from_bytes(&bytes)
                        .map_err(|_| damaged("a record means nothing to this version"))?;
                    let record = entry.to_record();
                    if let Label::Block(height) = record.label {
                        self.newest = self.newest.max(height);
                    }
                    return Ok(Some(record));
                }
                Some(_) => return Err(damaged("it holds what this version does not know")),
                None => {
                    if self.newest != reader.backup.newest {
                        return Err(damaged("its name says another height"));
                    }
                    self.reader = None;
                }
            }
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.failure.is_some() {
            return None;
        }
        let mut advanced = self.advance();
        if self.reader.is_some() && matches!(advanced, Ok(None)) {
            // That was the genesis.
            advanced = self.advance();
        }
        advanced.unwrap_or_else(|failure| {
            self.failure = Some(failure);
            None
        })
    }
}

/// Writes the journal in `data_dir` anew from a chain of backups that was verified. It says that
/// its key's promises are lost. Refuses if there is a journal.
pub fn restore(
    data_dir: &Path,
    (target, chain): (&dyn Target, &[Backup]),
    keypair: &Keypair,
) -> Result<Height, BackupError> {
    let directory = journal::directory(data_dir);
    let is_unused = journal::is_unused(&directory).map_err(BackupError::at(&directory, "read"))?;
    let Some(last) = chain.last().filter(|_| is_unused) else {
        return Err(BackupError::Exists { path: directory });
    };
    let fresh = directory.with_extension("restored");
    let removing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(BackupError::at(&fresh, "remove")(error)),
    };
    fs::remove_dir_all(&fresh).or_else(removing)?;
    let mut journal = journal::begin_after_loss(&fresh, last.origin)?;
    let mut records = Records::open(target, chain, keypair);
    for (count, record) in records.by_ref().enumerate() {
        journal.append(journal.next(), &record)?;
        if count % BATCH == BATCH - 1 {
            journal.sync()?;
        }
    }
    journal.sync()?;
    let newest = records.finish()?;
    drop(journal);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(BackupError::at(&directory, "replace")(error));
        }
        _ => {}
    }
    fs::rename(&fresh, &directory).map_err(BackupError::at(&directory, "create"))?;
    files::sync_directory(data_dir).map_err(BackupError::at(data_dir, "sync"))?;
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    const NETWORK: Hash = Hash([1; 32]);
    const GENESIS_BYTES: &[u8] = b"genesis";

    fn keypair() -> Keypair {
        Keypair::from_seed([3; 32])
    }

    /// A data directory whose journal holds records that stand for blocks.
    fn data_dir(records: u64) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let journal_dir = journal::directory(directory.path());
        journal::prepare(&journal_dir).unwrap();
        append(directory.path(), records);
        directory
    }

    /// Overridden is the one entry that can be made without a whole network; it is a promise's
    /// kin, and so must not be in a backup.
    fn append(data_dir: &Path, records: u64) {
        let origin = Origin { network: NETWORK, peer: keypair().peer() };
        let recovery = Recovery::open(&journal::directory(data_dir), origin).unwrap();
        let mut journal = recovery.finish().unwrap();
        for _ in 0..records {
            journal.append(journal.next(), &Entry::Overridden.to_record()).unwrap();
        }
        journal.sync().unwrap();
    }

    fn made(data_dir: &Path, target: &Path, created: u64) -> Backup {
        let (keypair, target) = (keypair(), &Directory::new(target));
        create(data_dir, GENESIS_BYTES, (&keypair, NETWORK), target, Height(0), created).unwrap()
    }

    #[test]
    fn promises_are_in_no_backup_and_a_restored_journal_says_so() {
        let (from, target, to) =
            (data_dir(3), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let backup = made(from.path(), target.path(), 10);
        let kept = Directory::new(target.path());
        let listing = list(&kept).unwrap();
        assert_eq!(listing.backups, *from_ref(&backup));
        assert!(listing.unreadable.is_empty());
        let mut records = Records::open(&kept, from_ref(&backup), &keypair());
        assert_eq!(records.genesis().unwrap(), GENESIS_BYTES);
        assert_eq!(records.by_ref().count(), 0);
        assert_eq!(records.finish().unwrap(), Height(0));
        restore(to.path(), (&kept, from_ref(&backup)), &keypair()).unwrap();
        let opened = Recovery::open(&journal::directory(to.path()), backup.origin).unwrap();
        assert!(opened.opened().journal_lost);
        let again = restore(to.path(), (&kept, &[backup]), &keypair());
        assert!(matches!(again, Err(BackupError::Exists { .. })));
    }

    #[test]
    fn every_changed_or_missing_byte_is_refused() {
        let (from, target) = (data_dir(1), tempfile::tempdir().unwrap());
        let backup = made(from.path(), target.path(), 10);
        let kept = Directory::new(target.path());
        let path = target.path().join(&backup.name);
        let bytes = fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Records::open(&kept, from_ref(&backup), &keypair()).finish()
        };
        read(&bytes).unwrap();
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] ^= flip;
                assert!(read(&changed).is_err(), "byte {position}");
            }
            assert!(read(&bytes[..position]).is_err(), "cut to {position}");
        }
        assert!(read(&[&bytes[..], b"x"].concat()).is_err());
        let stranger = Keypair::from_seed([4; 32]);
        fs::write(&path, &bytes).unwrap();
        let refused = Records::open(&kept, &[backup], &stranger).finish();
        assert!(matches!(refused, Err(BackupError::Foreign { .. })));
    }

    #[test]
    fn what_a_newer_backup_needs_is_kept() {
        let origin = Origin { network: NETWORK, peer: keypair().peer() };
        let backup = |created, after, newest| Backup {
            name: format!("{created}"),
            origin,
            created,
            after: Height(after),
            newest: Height(newest),
            bytes: 1,
        };
        let all = [
            backup(1, 0, 10),
            backup(2, 10, 20),
            backup(3, 0, 25),
            backup(4, 25, 30),
            backup(5, 30, 40),
        ];
        let [one, two, three, four, five] = all.clone();
        assert_eq!(chain(&all, &five).unwrap(), [three.clone(), four, five.clone()]);
        assert_eq!(chain(&all, &two).unwrap(), [one.clone(), two.clone()]);
        assert!(matches!(
            chain(&[one.clone(), five.clone()], &five),
            Err(BackupError::Missing { .. })
        ));
        assert_eq!(obsolete(&all, 5), [one.clone(), two]);
        assert_eq!(obsolete(&all, 2), []);
        assert_eq!(obsolete(&[one], 100), [], "the newest stays");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_hides_no_other() {
        let (from, target) = (data_dir(1), tempfile::tempdir().unwrap());
        let backup = made(from.path(), target.path(), 10);
        let whole = fs::read(target.path().join(&backup.name)).unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(target.path().join(name), bytes).unwrap();
        put("9-00000000-0-0.backup", &whole[..HEADER_BYTES - 1]);
        put("noise.backup", &whole);
        fs::create_dir(target.path().join("8-00000000-0-0.backup")).unwrap();
        let listing = list(&Directory::new(target.path())).unwrap();
        assert_eq!(listing.backups, [backup]);
        let mut said: Vec<String> =
            listing.unreadable.iter().map(|error| error.to_string()).collect();
        said.sort();
        let place = target.path().join("8-00000000-0-0.backup");
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0], "9-00000000-0-0.backup is not a backup that this version can read");
        assert!(said[1].starts_with(&format!("cannot read {}: ", place.display())), "{said:?}");
        assert_eq!(said[2], "noise.backup is not a backup that this version can read");
    }

    #[test]
    fn what_was_never_finished_is_in_no_list_and_can_be_removed() {
        let target = tempfile::tempdir().unwrap();
        let kept = Directory::new(target.path());
        let origin = Origin { network: NETWORK, peer: keypair().peer() };
        let header = Header { origin, created: 10, after: Height(0), salt: [7; 16] };
        let begin = || {
            let mut begun = kept.begin(&header).unwrap();
            io::Write::write_all(&mut begun, &header.encode()).unwrap();
            begun
        };
        drop(begin());
        assert_eq!(kept.leftovers(11).unwrap(), Vec::<String>::new(), "it cleans up");
        // As a crash leaves it.
        std::mem::forget(begin());
        assert!(kept.list().unwrap().is_empty());
        assert_eq!(kept.leftovers(10).unwrap(), Vec::<String>::new(), "it may still be written");
        let left = kept.leftovers(11).unwrap();
        assert_eq!(left, ["10-0707070707070707.unfinished"]);
        kept.remove_leftover(&left[0]).unwrap();
        assert_eq!(kept.leftovers(11).unwrap(), Vec::<String>::new());
    }
}
