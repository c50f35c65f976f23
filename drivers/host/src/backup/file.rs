//! The bytes of a backup.
//!
//! ```text
//! file    header · frames
//! header  magic 8 · version u32 · network 32 · peer 32 · created, Unix seconds u64
//!         · after which height u64 · salt 16
//! frame   length u32 · ChaCha20-Poly1305 of up to 1 MiB of items, with the header as associated
//!         data and its number, and whether it is the last, as nonce
//! item    kind u8 · length u32 · bytes
//! ```
//!
//! Integers are little-endian. A missing, repeated, moved or changed frame does not decrypt, and a
//! file that ends early has no last frame.

use std::io::{ErrorKind, Read, Write as _};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::identity::{Keypair, PeerId};
use bitcraps_protocol::wire::{Hash, Hasher};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};

use super::{Backup, BackupError, Target, Unfinished};
use crate::journal::Origin;

const MAGIC: [u8; 8] = *b"BITCRBAK";
const VERSION: u32 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 8 + 4 + 32 + 32 + 8 + 8 + 16;
/// Bytes of items after which a frame is written.
const FRAME_BYTES: usize = 1024 * 1024;
/// Bytes of the longest frame: a frame's items and the longest record, with their tag.
const LONGEST_FRAME: usize = 8 * 1024 * 1024;
pub(super) const GENESIS: u8 = 0;
pub(super) const RECORD: u8 = 1;
const ITEM_BYTES: usize = 5;

/// What a backup says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose it is.
    pub origin: Origin,
    /// When it was begun, in seconds since the Unix epoch.
    pub created: u64,
    /// It holds what came after this height; everything, if that is 0.
    pub after: Height,
    /// Unlike any other backup's.
    pub salt: [u8; 16],
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.origin.network.0);
        bytes.extend_from_slice(&self.origin.peer.0);
        bytes.extend_from_slice(&self.created.to_le_bytes());
        bytes.extend_from_slice(&self.after.0.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.try_into().expect("the fields above are as long as the header")
    }

    /// What [`encode`](Self::encode) made; `None` if that is not what the bytes are.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut rest = &bytes[..];
        let mut take = |count: usize| {
            let (field, left) = rest.split_at(count);
            rest = left;
            field
        };
        let is_ours = take(8) == MAGIC && take(4) == VERSION.to_le_bytes();
        let network = Hash(take(32).try_into().ok()?);
        let peer = PeerId(take(32).try_into().ok()?);
        let created = u64::from_le_bytes(take(8).try_into().ok()?);
        let after = Height(u64::from_le_bytes(take(8).try_into().ok()?));
        let salt = take(16).try_into().ok()?;
        is_ours.then_some(Self { origin: Origin { network, peer }, created, after, salt })
    }

    /// Every file has a key of its own.
    fn cipher(&self, keypair: &Keypair) -> ChaCha20Poly1305 {
        let secret = Hash::of_bytes("bitcraps 2026 backup key", &*keypair.seed());
        let mut hasher = Hasher::new_keyed(&secret.0);
        hasher.update(&self.salt);
        let Hash(key) = Hash::from(&mut hasher);
        ChaCha20Poly1305::new(&key.into())
    }
}

fn nonce(number: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce[8] = u8::from(is_last);
    nonce
}

/// Writes a backup from front to back.
pub(super) struct Writer<'a> {
    file: Box<dyn Unfinished + 'a>,
    header: [u8; HEADER_BYTES],
    cipher: ChaCha20Poly1305,
    number: u64,
    items: Vec<u8>,
    bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(
        mut file: Box<dyn Unfinished + 'a>,
        header: Header,
        keypair: &Keypair,
    ) -> Result<Self, BackupError> {
        let bytes = header.encode();
        file.write_all(&bytes).map_err(BackupError::io(&file.place(), "write"))?;
        Ok(Self {
            file,
            cipher: header.cipher(keypair),
            header: bytes,
            number: 0,
            items: Vec::new(),
            bytes: HEADER_BYTES as u64,
        })
    }

    pub(super) fn item(&mut self, kind: u8, bytes: &[u8]) -> Result<(), BackupError> {
        self.items.push(kind);
        let length = u32::try_from(bytes.len()).expect("records are bounded");
        self.items.extend_from_slice(&length.to_le_bytes());
        self.items.extend_from_slice(bytes);
        if self.items.len() >= FRAME_BYTES { self.frame(false) } else { Ok(()) }
    }

    fn frame(&mut self, is_last: bool) -> Result<(), BackupError> {
        let payload = Payload { msg: &self.items, aad: &self.header };
        let sealed = self.cipher.encrypt(&nonce(self.number, is_last).into(), payload);
        let sealed = sealed.expect("a frame is short enough to be sealed");
        let length = u32::try_from(sealed.len()).expect("frames are bounded");
        let written = self.file.write_all(&length.to_le_bytes());
        let written = written.and_then(|()| self.file.write_all(&sealed));
        written.map_err(|error| BackupError::io(&self.file.place(), "write")(error))?;
        self.bytes += 4 + u64::from(length);
        self.number += 1;
        self.items.clear();
        Ok(())
    }

    /// Makes it a backup called `name`. How many bytes it has.
    pub(super) fn end(mut self, name: &str) -> Result<u64, BackupError> {
        self.frame(true)?;
        let (place, bytes) = (self.file.place(), self.bytes);
        self.file.finish(name).map_err(BackupError::io(&place, "finish"))?;
        Ok(bytes)
    }
}

/// Reads a backup from front to back.
pub(super) struct Reader<'a> {
    pub(super) backup: Backup,
    file: Box<dyn Read + 'a>,
    header: [u8; HEADER_BYTES],
    cipher: ChaCha20Poly1305,
    number: u64,
    items: Vec<u8>,
    at: usize,
    was_last: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn open(
        target: &'a dyn Target,
        backup: &Backup,
        keypair: &Keypair,
    ) -> Result<Self, BackupError> {
        let name = &backup.name;
        let mut file = target.open(name)?;
        let mut header = [0; HEADER_BYTES];
        let not = || BackupError::NotBackup { name: name.clone() };
        read_exact(&mut file, &mut header, name)?.then_some(()).ok_or_else(not)?;
        let decoded = Header::decode(&header).ok_or_else(not)?;
        let Origin { peer, .. } = decoded.origin;
        if peer != keypair.peer() {
            return Err(BackupError::Foreign { name: name.clone(), peer });
        }
        let claims = (backup.origin, backup.created, backup.after);
        if (decoded.origin, decoded.created, decoded.after) != claims {
            return Err(BackupError::Damaged { name: name.clone(), what: "it is another one" });
        }
        let cipher = decoded.cipher(keypair);
        let (backup, items) = (backup.clone(), Vec::new());
        Ok(Self { backup, file, header, cipher, number: 0, items, at: 0, was_last: false })
    }

    /// The next item; `None` at the end of a whole file.
    pub(super) fn item(&mut self) -> Result<Option<(u8, Vec<u8>)>, BackupError> {
        while self.at == self.items.len() {
            if self.was_last {
                return self.at_end();
            }
            self.frame()?;
        }
        let damaged = || self.damaged("an item is not whole");
        let head = self.items.get(self.at..self.at + ITEM_BYTES).ok_or_else(damaged)?;
        let (kind, length) = head.split_first().expect("it has five bytes");
        let length = u32::from_le_bytes(length.try_into().expect("four of them")) as usize;
        let start = self.at + ITEM_BYTES;
        let bytes = self.items.get(start..start + length).ok_or_else(damaged)?;
        let item = (*kind, bytes.to_vec());
        self.at = start + length;
        Ok(Some(item))
    }

    fn at_end(&mut self) -> Result<Option<(u8, Vec<u8>)>, BackupError> {
        let mut more = [0];
        let follows = read_exact(&mut self.file, &mut more, &self.backup.name)?;
        if follows { Err(self.damaged("something follows its end")) } else { Ok(None) }
    }

    fn frame(&mut self) -> Result<(), BackupError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_FRAME {
            return Err(self.damaged("a frame is too long"));
        }
        let mut sealed = vec![0; length];
        self.fill(&mut sealed)?;
        let open = |is_last| {
            let payload = Payload { msg: &sealed, aad: &self.header };
            self.cipher.decrypt(&nonce(self.number, is_last).into(), payload)
        };
        let (items, was_last) = match open(false) {
            Ok(items) => (items, false),
            Err(_) => match open(true) {
                Ok(items) => (items, true),
                Err(_) => return Err(self.damaged("it was changed, or its frames were")),
            },
        };
        (self.items, self.at, self.was_last) = (items, 0, was_last);
        self.number += 1;
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        let is_there = read_exact(&mut self.file, bytes, &self.backup.name)?;
        if is_there { Ok(()) } else { Err(self.damaged("it is not whole")) }
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { name: self.backup.name.clone(), what }
    }
}

/// Whether so many bytes were there. A place that cannot be read is told apart from one whose
/// bytes are missing.
fn read_exact(file: &mut dyn Read, bytes: &mut [u8], name: &str) -> Result<bool, BackupError> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(BackupError::Damaged { name: name.to_owned(), what: "its parts do not fit" })
        }
        Err(error) => Err(BackupError::io(name, "read")(error)),
    }
}
