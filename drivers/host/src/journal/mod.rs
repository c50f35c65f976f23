//! What must survive a crash: one totally ordered log of records in append-only segment files.
//!
//! Records are appended in batches; each batch ends with one `fdatasync`, and after it a mark
//! which says how far the log is durable. A record that a crash tore was never reported durable,
//! so nothing that depends on it has left: it is dropped at the next start. A record that *had*
//! been durable and is damaged is never skipped: a node that has forgotten what it promised may
//! promise the opposite. The marks tell the two apart.
//!
//! The journal knows nothing of what records mean.

mod bases;
mod check;
mod format;
mod index;
mod power;
mod recovery;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Key, Label, Position, Record};
use bytes::Bytes;

use crate::files;
pub(crate) use check::begin_after_loss;
pub use check::{Findings, Repaired, check, repair};
pub use format::Origin;
use format::{Entry, Found, Header, Reader, SegmentKey};
use index::Index;
pub use power::cut_power;
pub use recovery::{Opened, Recovery};

/// Bytes after which a new segment is begun: 64 MiB, some days of play.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Appended bytes that are held back, at most, until the batch ends.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A file in the journal's directory that says: a key was made, and no journal has begun.
const UNUSED: &str = "unused";

/// An open journal, at its end.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    header: Header,
    path: PathBuf,
    file: File,
    key: SegmentKey,
    segment_bytes: u64,
    /// Bytes of the current segment, with those in `buffer`.
    length: u64,
    buffer: Vec<u8>,
    next: Position,
    /// All records before this are durable.
    durable: Position,
    /// How many of the newest blocks are kept; all, if nothing is said.
    keep: Option<u64>,
    /// The height of a snapshot that became whole since the last sync.
    whole: Option<Height>,
    blocks: Index,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The first position in its segment, which names the file.
    segment: Position,
    offset: u64,
}

/// Why a journal cannot be used. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A record that was durable is not there any more.
    #[error(
        "{path} is damaged at byte {offset}: record {position}, which had been made durable, \
         cannot be read; {} before it is intact. {ADVICE}",
        intact(*.newest_block), path = .path.display(), position = .position.0
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first record that is lost.
        position: Position,
        /// The highest block before it.
        newest_block: Option<Height>,
    },
    /// A block that was there cannot be read any more.
    #[error(
        "{path} is damaged at byte {offset}: block {height}, which had been made durable, cannot \
         be read. {ADVICE}",
        path = .path.display()
    )]
    DamagedBlock {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// Which block.
        height: Height,
    },
    /// The first bytes of a segment are not a header.
    #[error("{path} is damaged: its header cannot be read. {ADVICE}", path = .path.display())]
    BadHeader {
        /// The segment.
        path: PathBuf,
    },
    /// A whole segment is missing.
    #[error(
        "{directory} is damaged: the file that begins with record {position} is missing. {ADVICE}",
        directory = .directory.display(), position = .position.0
    )]
    MissingSegment {
        /// The journal.
        directory: PathBuf,
        /// The first record that is lost.
        position: Position,
    },
    /// Written by another version.
    #[error(
        "{path} has journal format {found}, this program reads format {expected}: use the \
         program's version that wrote it",
        path = .path.display(), expected = format::VERSION
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Another network's or another key's.
    #[error(
        "{path} belongs to key {peer} on network {network}: choose another data directory",
        path = .path.display(), peer = .origin.peer, network = .origin.network
    )]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// Whose it is.
        origin: Origin,
    },
}

const ADVICE: &str = "Nothing was changed. Check the disk; `bitcraps store check` says what is \
                      left and `bitcraps store repair` keeps it. Do not remove records by hand, \
                      and do not start this key from an older copy: it could contradict itself";

fn intact(newest_block: Option<Height>) -> String {
    newest_block.map_or("what is".to_owned(), |height| {
        format!("everything up to the block of height {height}")
    })
}

impl JournalError {
    fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }

    /// What the operating system said, if it was the one that refused.
    fn system(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            Self::Damaged { .. }
            | Self::DamagedBlock { .. }
            | Self::BadHeader { .. }
            | Self::MissingSegment { .. }
            | Self::Version { .. }
            | Self::Foreign { .. } => None,
        }
    }

    /// Whether the disk, or the part of it that we may use, is full.
    pub fn is_disk_full(&self) -> bool {
        let full = |kind| {
            matches!(
                kind,
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            )
        };
        self.system().is_some_and(full)
    }

    /// Whether the operating system refused, for whatever reason: nothing is known to be damaged.
    pub fn is_system(&self) -> bool {
        self.system().is_some()
    }
}

/// Where the journal is in a data directory.
pub fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("journal")
}

/// Makes an empty journal at `directory`, to be called when its key is made.
pub fn prepare(directory: &Path) -> io::Result<()> {
    files::create_private_directory(directory)?;
    files::create_whole(&directory.join(UNUSED), b"No journal has begun for this key.\n")?;
    files::sync_directory(directory.parent().unwrap_or(Path::new(".")))
}

/// Whether no record was ever written at `directory`, as far as can be seen there.
pub fn is_unused(directory: &Path) -> io::Result<bool> {
    Ok(segments(directory)?.is_empty())
}

/// The first positions of all segments at `directory`, in order.
fn segments(directory: &Path) -> io::Result<Vec<Position>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        firsts.extend(digits.and_then(|digits| digits.parse().ok()).map(Position));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn segment_path(directory: &Path, first: Position) -> PathBuf {
    directory.join(format!("{:020}.journal", first.0))
}

impl Journal {
    /// The position that the next record must have.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Appends a record; it is durable only once [`sync`](Self::sync) says so. A position out of
    /// sequence is a bug of ours.
    pub fn append(&mut self, position: Position, record: &Record) -> Result<(), JournalError> {
        assert_eq!(position, self.next, "journal positions are consecutive");
        if matches!(record.label, Label::Base { .. }) && self.length > format::HEADER_BYTES as u64 {
            self.sync()?;
            self.begin_segment()?;
        }
        let place = Place { segment: self.header.first, offset: self.length };
        let before = self.buffer.len();
        format::encode_record(&self.key, position, record, &mut self.buffer);
        self.length += (self.buffer.len() - before) as u64;
        self.next = Position(position.0 + 1);
        self.blocks.note_record(record.label, place);
        if let Label::Whole(height) = record.label {
            self.whole = Some(height);
        }
        if self.buffer.len() > BUFFER_BYTES { self.write() } else { Ok(()) }
    }

    /// Whether records wait for a [`sync`](Self::sync).
    pub fn has_unsynced(&self) -> bool {
        self.durable < self.next
    }

    /// Makes everything appended durable; the newest record that became so, if any did.
    ///
    /// After an error, what is on the disk is unknown: the process must stop.
    pub fn sync(&mut self) -> Result<Option<Position>, JournalError> {
        if !self.has_unsynced() {
            return Ok(None);
        }
        self.write()?;
        self.file.sync_data().map_err(JournalError::io(&self.path, "sync"))?;
        let newest = Position(self.next.0 - 1);
        self.durable = self.next;
        if self.length >= self.segment_bytes {
            self.begin_segment()?
        } else {
            self.mark()?
        }
        if let (Some(height), Some(keep)) = (self.whole.take(), self.keep) {
            self.remove_history(height, keep)?;
        }
        Ok(Some(newest))
    }

    /// The heights of the first `count` blocks from `from` on whose records are here, without a
    /// gap.
    pub fn heights(&self, from: Height, count: u64) -> Vec<Height> {
        let Some((first, last)) = self.blocks.run(from) else { return Vec::new() };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (first.0..=last.0).take(count).map(Height).collect()
    }

    /// The durable or appended record under `key`. Its checksum is verified.
    ///
    /// Blocks lie in the order of their heights; one that is not in the index is found by reading
    /// on from the one before it.
    pub fn load(&mut self, key: Key) -> Result<Option<Bytes>, JournalError> {
        let Key::Block(height) = key;
        if self.blocks.newest().is_none_or(|newest| height > newest) {
            return Ok(None);
        }
        self.write()?;
        let firsts =
            segments(&self.directory).map_err(JournalError::io(&self.directory, "read"))?;
        let known = self.blocks.before(height);
        let start = known.map_or(firsts[0], |(_, place)| place.segment);
        let mut offset = known.map(|(_, place)| place.offset);
        for first in firsts.into_iter().filter(|first| *first >= start) {
            let path = segment_path(&self.directory, first);
            let mut reader = Reader::open(&path)?;
            if let Some(offset) = offset.take() {
                reader.seek(offset)?;
            }
            loop {
                let at = reader.offset;
                let found = match reader.next()? {
                    Found::Entry(Entry::Record { record, .. }) => record,
                    Found::Entry(Entry::Mark { .. }) => continue,
                    Found::End => break,
                    Found::Damage => {
                        return Err(JournalError::DamagedBlock { path, offset: at, height });
                    }
                };
                match found.label {
                    Label::Block(at) if at == height => return Ok(Some(found.bytes)),
                    Label::Block(at) if at > height => return Ok(None),
                    Label::Block(_) | Label::Plain | Label::Base { .. } | Label::Whole(_) => {}
                }
            }
        }
        Ok(None)
    }

    fn write(&mut self) -> Result<(), JournalError> {
        self.file.write_all(&self.buffer).map_err(JournalError::io(&self.path, "write"))?;
        self.buffer.clear();
        Ok(())
    }

    /// Notes how far the log is durable. The note itself need not be: without it, damage to the
    /// newest batch looks like a torn write.
    fn mark(&mut self) -> Result<(), JournalError> {
        format::encode_mark(&self.key, self.durable, &mut self.buffer);
        self.length += self.buffer.len() as u64;
        self.write()
    }

    /// A snapshot of this height is whole and durable: nothing before its base is needed for a
    /// start. Removes the segments of which not even the newest `keep` blocks are part.
    fn remove_history(&mut self, height: Height, keep: u64) -> Result<(), JournalError> {
        let Some(base) = self.blocks.base_below(height, keep) else { return Ok(()) };
        self.remove_before(base.segment)?;
        self.blocks.forget_before(base.segment);
        Ok(())
    }

    /// Removes the segments before the one that begins with `first`, the oldest first.
    fn remove_before(&self, first: Position) -> Result<(), JournalError> {
        let reading = JournalError::io(&self.directory, "read");
        for old in segments(&self.directory).map_err(reading)? {
            if old < first {
                let path = segment_path(&self.directory, old);
                fs::remove_file(&path).map_err(JournalError::io(&path, "remove"))?;
            }
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), JournalError> {
        let header = Header {
            version: format::VERSION,
            first: self.next,
            salt: draw_salt()?,
            ..self.header
        };
        let (path, file) = create_segment(&self.directory, &header)?;
        self.path = path;
        self.file = file;
        self.key = header.key();
        self.header = header;
        self.length = format::HEADER_BYTES as u64;
        Ok(())
    }
}

/// Creates a segment with nothing but its header, durably.
fn create_segment(directory: &Path, header: &Header) -> Result<(PathBuf, File), JournalError> {
    let path = segment_path(directory, header.first);
    files::create_whole(&path, &header.encode()).map_err(JournalError::io(&path, "create"))?;
    let file = append_to(&path)?;
    Ok((path, file))
}

fn append_to(path: &Path) -> Result<File, JournalError> {
    File::options().append(true).open(path).map_err(JournalError::io(path, "open"))
}

fn draw_salt() -> Result<[u8; 16], JournalError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(io::Error::other)
        .map_err(JournalError::io(Path::new("the system's entropy"), "read"))?;
    Ok(salt)
}

#[cfg(test)]
mod tests;
