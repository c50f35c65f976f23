//! The bytes of a segment: a header, then entries. Integers are little-endian.
//!
//! ```text
//! header   magic 8 · version u32 · network 32 · peer 32 · after loss u8 · first position u64
//!          · salt 16 · checksum 16
//! entry    kind u8 · payload length u32 · position u64 · height u64 · checksum 16 · payload
//! ```
//!
//! Checksums are BLAKE3 cut to 16 bytes; an entry's is keyed by its segment's header, so that no
//! entry passes for one of another segment, and, because of the salt, nobody can send us bytes
//! that would look like an entry of ours.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Label, Position, Record};
use bitcraps_protocol::identity::{NetworkId, PeerId};
use bitcraps_protocol::wire::{Hash, Hasher};

use super::JournalError;

const MAGIC: [u8; 8] = *b"BITCRAPS";
/// The version in which segments are begun: 2, which has bases.
pub(super) const VERSION: u32 = 2;
/// The oldest version that is read. Nothing is converted: in a journal that grows, older segments
/// stay as they are.
const OLDEST: u32 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = SEALED_BYTES + CHECKSUM_BYTES;
const SEALED_BYTES: usize = 8 + 4 + 32 + 32 + 1 + 8 + 16;
const CHECKSUM_BYTES: usize = 16;
/// Bytes of an entry before its payload.
pub(super) const ENTRY_BYTES: usize = 1 + 4 + 8 + 8 + CHECKSUM_BYTES;
/// Bytes of the largest record: ten times the largest thing the core journals.
pub(super) const RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Whose journal it is. The same in every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The network it belongs to.
    pub network: NetworkId,
    /// Whose promises it holds.
    pub peer: PeerId,
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The format of the segment.
    pub(super) version: u32,
    pub(super) origin: Origin,
    /// Whether this journal was begun after an earlier one was lost.
    pub(super) after_loss: bool,
    /// The position of the segment's first record.
    pub(super) first: Position,
    /// Random.
    pub(super) salt: [u8; 16],
}

/// The key of a segment's entry checksums.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentKey([u8; 32]);

/// Something in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A record.
    Record { position: Position, record: Record },
    /// All records before `position` were durable when this was written.
    Mark { position: Position },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain = 0,
    Block = 1,
    Mark = 2,
    /// A base that follows the block of its height.
    Base = 3,
    /// A base whose state was fetched.
    FetchedBase = 4,
    /// The end of a snapshot.
    Whole = 5,
}

/// An entry before its payload, as yet unverified.
struct Prefix {
    kind: Kind,
    length: usize,
    position: Position,
    height: Height,
    checksum: [u8; CHECKSUM_BYTES],
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&self.origin.network.0);
        bytes.extend_from_slice(&self.origin.peer.0);
        bytes.push(u8::from(self.after_loss));
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        let checksum = header_checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes.try_into().expect("the fields above are as long as the header")
    }

    /// Reads the header of the segment at `path`, which must be of this version.
    pub(super) fn decode(path: &Path, bytes: &[u8; HEADER_BYTES]) -> Result<Self, JournalError> {
        let damaged = || JournalError::BadHeader { path: path.to_owned() };
        let mut fields = Fields(bytes);
        if fields.take::<8>() != MAGIC {
            return Err(damaged());
        }
        let version = u32::from_le_bytes(fields.take());
        let is_intact = header_checksum(&bytes[..SEALED_BYTES]) == bytes[SEALED_BYTES..];
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(JournalError::Version { path: path.to_owned(), found: version });
        }
        if !is_intact {
            return Err(damaged());
        }
        let origin = Origin { network: Hash(fields.take()), peer: PeerId(fields.take()) };
        let [after_loss] = fields.take();
        let first = Position(u64::from_le_bytes(fields.take()));
        Ok(Self { version, origin, after_loss: after_loss != 0, first, salt: fields.take() })
    }

    pub(super) fn key(&self) -> SegmentKey {
        SegmentKey(Hash::of_bytes("bitcraps 2026 journal segment key", &self.encode()).0)
    }
}

fn header_checksum(sealed: &[u8]) -> [u8; CHECKSUM_BYTES] {
    cut(Hash::of_bytes("bitcraps 2026 journal segment header", sealed))
}

fn cut(Hash(hash): Hash) -> [u8; CHECKSUM_BYTES] {
    hash[..CHECKSUM_BYTES].try_into().expect("a hash is longer than a checksum")
}

/// Appends the entry of `record` to `buffer`. Larger records than [`RECORD_BYTES`] are our bug.
pub(super) fn encode_record(
    key: &SegmentKey,
    position: Position,
    record: &Record,
    buffer: &mut Vec<u8>,
) {
    let (kind, height) = match record.label {
        Label::Plain => (Kind::Plain, Height(0)),
        Label::Block(height) => (Kind::Block, height),
        Label::Base { height, follows: true } => (Kind::Base, height),
        Label::Base { height, follows: false } => (Kind::FetchedBase, height),
        Label::Whole(height) => (Kind::Whole, height),
    };
    encode(key, kind, position, height, &record.bytes, buffer);
}

/// Appends a mark to `buffer`: everything before `position` is durable.
pub(super) fn encode_mark(key: &SegmentKey, position: Position, buffer: &mut Vec<u8>) {
    encode(key, Kind::Mark, position, Height(0), &[], buffer);
}

fn encode(
    key: &SegmentKey,
    kind: Kind,
    position: Position,
    height: Height,
    payload: &[u8],
    buffer: &mut Vec<u8>,
) {
    assert!(payload.len() <= RECORD_BYTES, "a record of {} bytes", payload.len());
    let start = buffer.len();
    buffer.push(kind as u8);
    let length = u32::try_from(payload.len()).expect("at most RECORD_BYTES");
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&position.0.to_le_bytes());
    buffer.extend_from_slice(&height.0.to_le_bytes());
    let checksum = key.checksum(&buffer[start..], payload);
    buffer.extend_from_slice(&checksum);
    buffer.extend_from_slice(payload);
}

impl SegmentKey {
    fn checksum(&self, fields: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut hasher = Hasher::new_keyed(&self.0);
        hasher.update(fields).update(payload);
        cut(Hash::from(&mut hasher))
    }
}

impl Prefix {
    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let kind = match fields.take() {
            [0] => Kind::Plain,
            [1] => Kind::Block,
            [2] => Kind::Mark,
            [3] => Kind::Base,
            [4] => Kind::FetchedBase,
            [5] => Kind::Whole,
            _ => return None,
        };
        let length = u32::from_le_bytes(fields.take()) as usize;
        let position = Position(u64::from_le_bytes(fields.take()));
        let height = Height(u64::from_le_bytes(fields.take()));
        (length <= RECORD_BYTES).then(|| Self {
            kind,
            length,
            position,
            height,
            checksum: fields.take(),
        })
    }
}

/// Fixed-size fields, taken off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) =
            self.0.split_first_chunk().expect("the caller's array holds its fields");
        self.0 = rest;
        *field
    }
}

/// Reads a segment from front to back.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    key: SegmentKey,
    file: BufReader<File>,
    /// Bytes of whole entries read so far, with the header.
    pub(super) offset: u64,
}

/// What [`Reader::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An intact entry.
    Entry(Entry),
    /// The end of the file, after a whole entry.
    End,
    /// Bytes that are not an entry.
    Damage,
}

impl Reader {
    /// Opens the segment at `path`, whose header must be intact.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(JournalError::io(path, "open"))?;
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut header = [0; HEADER_BYTES];
        if !fill(&mut file, &mut header).map_err(JournalError::io(path, "read"))? {
            return Err(JournalError::BadHeader { path: path.to_owned() });
        }
        let header = Header::decode(path, &header)?;
        let (path, key) = (path.to_owned(), header.key());
        Ok(Self { path, header, key, file, offset: HEADER_BYTES as u64 })
    }

    /// Moves to the entry at `offset`.
    pub(super) fn seek(&mut self, offset: u64) -> Result<(), JournalError> {
        self.file.seek(SeekFrom::Start(offset)).map_err(self.io())?;
        self.offset = offset;
        Ok(())
    }

    /// Reads the entry at `offset` and, if it is intact, moves behind it.
    pub(super) fn next(&mut self) -> Result<Found, JournalError> {
        self.read().map_err(self.io())
    }

    fn read(&mut self) -> io::Result<Found> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(Found::End);
        }
        let mut bytes = [0; ENTRY_BYTES];
        if !fill(&mut self.file, &mut bytes)? {
            return Ok(Found::Damage);
        }
        let Some(prefix) = Prefix::decode(&bytes) else { return Ok(Found::Damage) };
        let mut payload = vec![0; prefix.length];
        if !fill(&mut self.file, &mut payload)? {
            return Ok(Found::Damage);
        }
        let fields = &bytes[..ENTRY_BYTES - CHECKSUM_BYTES];
        if self.key.checksum(fields, &payload) != prefix.checksum {
            return Ok(Found::Damage);
        }
        self.offset += (ENTRY_BYTES + prefix.length) as u64;
        let Prefix { position, height, .. } = prefix;
        let label = match prefix.kind {
            Kind::Plain => Label::Plain,
            Kind::Block => Label::Block(height),
            Kind::Base => Label::Base { height, follows: true },
            Kind::FetchedBase => Label::Base { height, follows: false },
            Kind::Whole => Label::Whole(height),
            Kind::Mark => return Ok(Found::Entry(Entry::Mark { position })),
        };
        let record = Record { label, bytes: payload.into() };
        Ok(Found::Entry(Entry::Record { position, record }))
    }

    /// Whether any mark after `offset` says that the record at `position` had been durable.
    /// Reads the rest of the segment into memory; only needed after a crash.
    pub(super) fn was_durable(&mut self, position: Position) -> Result<bool, JournalError> {
        self.seek(self.offset)?;
        let mut rest = Vec::new();
        self.file.read_to_end(&mut rest).map_err(self.io())?;
        Ok(rest.windows(ENTRY_BYTES).any(|window| self.is_later_mark(window, position)))
    }

    fn is_later_mark(&self, window: &[u8], position: Position) -> bool {
        let bytes: &[u8; ENTRY_BYTES] = window.try_into().expect("windows of this length");
        Prefix::decode(bytes).is_some_and(|prefix| {
            prefix.kind == Kind::Mark
                && prefix.length == 0
                && prefix.position > position
                && self.key.checksum(&bytes[..ENTRY_BYTES - CHECKSUM_BYTES], &[]) == prefix.checksum
        })
    }

    pub(super) fn key(&self) -> SegmentKey {
        self.key
    }

    fn io(&self) -> impl FnOnce(io::Error) -> JournalError + use<> {
        JournalError::io(&self.path, "read")
    }
}

/// Fills `bytes`; false if the file ends before.
fn fill(file: &mut BufReader<File>, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
