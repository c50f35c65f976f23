//! Reading a journal back after a stop or a crash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bitcraps_protocol::event::{Position, Record};

use super::bases;
use super::format::{Entry, Found, HEADER_BYTES, Header, Origin, Reader, VERSION};
use super::index::Index;
use super::{
    Journal, JournalError, Place, SEGMENT_BYTES, UNUSED, append_to, create_segment, draw_salt,
    segment_path, segments,
};
use crate::files;

/// A journal being read back: iterate over its records, oldest first, from the newest place at
/// which reading may begin, then [`finish`](Self::finish). Iteration ends early at the first
/// error, which `finish` reports.
#[derive(Debug)]
pub struct Recovery {
    directory: PathBuf,
    pub(super) origin: Origin,
    pub(super) opened: Opened,
    segment_bytes: u64,
    keep: Option<u64>,
    /// The position of the first record that is read.
    pub(super) begins: Position,
    /// The first segment that is of use.
    oldest: Position,
    /// Segments not yet begun, last first.
    waiting: Vec<Position>,
    pub(super) current: Option<Reader>,
    pub(super) next: Position,
    pub(super) blocks: Index,
    /// Whether the last entry read is a mark.
    is_marked: bool,
    is_at_end: bool,
    pub(super) failure: Option<JournalError>,
}

/// What was found where a journal should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// There was none, and this is the key's first.
    pub fresh: bool,
    /// This journal was begun, now or earlier, after the key's former one was lost: what the key
    /// promised before is unknown.
    pub journal_lost: bool,
}

impl Recovery {
    /// Begins to read the journal at `directory`, as late in it as can be. If the key's journal is
    /// missing, a new one that says so is begun.
    pub fn open(directory: &Path, origin: Origin) -> Result<Self, JournalError> {
        Self::open_at(directory, origin, bases::beginning)
    }

    /// Begins to read the journal at `directory` where it begins; else like [`open`](Self::open).
    pub fn open_whole(directory: &Path, origin: Origin) -> Result<Self, JournalError> {
        Self::open_at(directory, origin, |_, _| 0)
    }

    fn open_at(
        directory: &Path,
        origin: Origin,
        beginning: impl FnOnce(&Path, &[bases::Outline]) -> usize,
    ) -> Result<Self, JournalError> {
        let reading = || JournalError::io(directory, "read");
        let firsts = segments(directory).map_err(reading())?;
        let was_prepared = directory.join(UNUSED).try_exists().map_err(reading())?;
        let fresh = firsts.is_empty() && was_prepared;
        let mut opened = Opened { fresh, journal_lost: firsts.is_empty() && !fresh };
        let outlines = bases::outline(directory, &firsts);
        let outlines = bases::without_leftovers(&outlines);
        if let Some(first) = outlines.first() {
            let header = Reader::open(&segment_path(directory, first.first))?.header;
            opened.journal_lost = header.after_loss;
        } else if !firsts.is_empty() {
            let directory = directory.to_owned();
            return Err(JournalError::MissingSegment { directory, position: Position(0) });
        }
        let beginning = beginning(directory, outlines);
        let mut blocks = Index::new();
        bases::index(directory, outlines, beginning, &mut blocks);
        let waiting: Vec<_> = outlines[beginning..].iter().rev().map(|it| it.first).collect();
        let begins = waiting.last().copied().unwrap_or_default();
        Ok(Self {
            directory: directory.to_owned(),
            origin,
            opened,
            segment_bytes: SEGMENT_BYTES,
            keep: None,
            begins,
            oldest: outlines.first().map(|it| it.first).unwrap_or_default(),
            waiting,
            current: None,
            next: begins,
            blocks,
            is_marked: false,
            is_at_end: false,
            failure: None,
        })
    }

    /// Begins new segments after `bytes` instead of [`SEGMENT_BYTES`].
    pub fn with_segment_bytes(self, bytes: u64) -> Self {
        Self { segment_bytes: bytes, ..self }
    }

    /// Removes blocks when so many newer ones are there, and a snapshot that stands on them.
    pub fn keeping(self, blocks: Option<u64>) -> Self {
        Self { keep: blocks, ..self }
    }

    /// The position of the first record that is read: 0, or that of a base.
    pub fn begins(&self) -> Position {
        self.begins
    }

    /// Why iteration ended early, if it did; for who only reads.
    pub fn into_failure(mut self) -> Option<JournalError> {
        self.failure.take()
    }

    /// What was found.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// Reads what is left, drops a torn tail, makes the rest durable (after a killed process some
    /// of it may be in memory only) and opens the journal at its end.
    pub fn finish(mut self) -> Result<Journal, JournalError> {
        while !self.is_at_end {
            self.next();
        }
        match (self.failure.take(), self.current.take()) {
            (Some(failure), _) => Err(failure),
            (None, Some(last)) => self.continue_segment(&last),
            (None, None) => self.begin(),
        }
    }

    fn continue_segment(self, last: &Reader) -> Result<Journal, JournalError> {
        let file = append_to(&last.path)?;
        file.set_len(last.offset).map_err(JournalError::io(&last.path, "shorten"))?;
        file.sync_all().map_err(JournalError::io(&last.path, "sync"))?;
        let mut journal = Journal {
            directory: self.directory,
            header: last.header,
            path: last.path.clone(),
            file,
            key: last.key(),
            segment_bytes: self.segment_bytes,
            length: last.offset,
            buffer: Vec::new(),
            next: self.next,
            durable: self.next,
            keep: self.keep,
            whole: None,
            blocks: self.blocks,
        };
        journal.tidy(self.oldest)?;
        if !self.is_marked {
            journal.mark()?;
        }
        if last.header.version != VERSION {
            journal.begin_segment()?;
        }
        Ok(journal)
    }

    fn begin(self) -> Result<Journal, JournalError> {
        let creating = || JournalError::io(&self.directory, "create");
        files::create_private_directory(&self.directory).map_err(creating())?;
        let header = Header {
            version: VERSION,
            origin: self.origin,
            after_loss: self.opened.journal_lost,
            first: Position(0),
            salt: draw_salt()?,
        };
        let (path, file) = create_segment(&self.directory, &header)?;
        files::sync_directory(self.directory.parent().unwrap_or(Path::new(".")))
            .map_err(creating())?;
        let journal = Journal {
            directory: self.directory,
            header,
            path,
            file,
            key: header.key(),
            segment_bytes: self.segment_bytes,
            length: HEADER_BYTES as u64,
            buffer: Vec::new(),
            next: Position(0),
            durable: Position(0),
            keep: self.keep,
            whole: None,
            blocks: self.blocks,
        };
        journal.tidy(self.oldest)?;
        Ok(journal)
    }

    fn advance(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            let Some(reader) = &mut self.current else {
                let Some(first) = self.waiting.pop() else { return Ok(None) };
                self.current = Some(self.begin_reading(first)?);
                continue;
            };
            let place = Place { segment: reader.header.first, offset: reader.offset };
            match reader.next()? {
                Found::Entry(Entry::Record { position, record }) if position == self.next => {
                    self.next = Position(position.0 + 1);
                    self.is_marked = false;
                    self.blocks.note_record(record.label, place);
                    return Ok(Some(record));
                }
                Found::Entry(Entry::Mark { position }) if position == self.next => {
                    self.is_marked = true;
                }
                Found::Entry(_) => return Err(self.damage_at(place)),
                Found::End if self.waiting.is_empty() => return Ok(None),
                Found::End => self.current = None,
                Found::Damage => {
                    let is_torn = self.waiting.is_empty() && !reader.was_durable(self.next)?;
                    return if is_torn { Ok(None) } else { Err(self.damage_at(place)) };
                }
            }
        }
    }

    fn begin_reading(&self, first: Position) -> Result<Reader, JournalError> {
        if first != self.next {
            let directory = self.directory.clone();
            return Err(JournalError::MissingSegment { directory, position: self.next });
        }
        let path = segment_path(&self.directory, first);
        let reader = Reader::open(&path)?;
        let header = reader.header;
        if header.origin != self.origin {
            return Err(JournalError::Foreign { path, origin: header.origin });
        }
        if header.first != first || header.after_loss != self.opened.journal_lost {
            return Err(JournalError::BadHeader { path });
        }
        Ok(reader)
    }

    fn damage_at(&self, place: Place) -> JournalError {
        JournalError::Damaged {
            path: segment_path(&self.directory, place.segment),
            offset: place.offset,
            position: self.next,
            newest_block: self.blocks.newest(),
        }
    }
}

impl Iterator for Recovery {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.is_at_end {
            return None;
        }
        let advanced = self.advance().unwrap_or_else(|failure| {
            self.failure = Some(failure);
            None
        });
        self.is_at_end = advanced.is_none();
        advanced
    }
}

impl Journal {
    /// Removes what earlier starts, and removals of old segments, left behind.
    fn tidy(&self, oldest: Position) -> Result<(), JournalError> {
        let removing = || JournalError::io(&self.directory, "tidy");
        match fs::remove_file(self.directory.join(UNUSED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(removing()(error)),
            _ => {}
        }
        for entry in fs::read_dir(&self.directory).map_err(removing())? {
            let path = entry.map_err(removing())?.path();
            if files::is_unfinished(&path) {
                fs::remove_file(&path).map_err(removing())?;
            }
        }
        self.remove_before(oldest)?;
        files::sync_directory(&self.directory).map_err(removing())
    }
}
