//! Where backups are kept.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::{BackupError, EXTENSION, HEADER_BYTES, Header};
use crate::files;

/// The names of what was begun and never finished end in it.
const UNFINISHED: &str = ".unfinished";

/// A place that keeps backups. Each is there whole or not at all.
pub trait Target: fmt::Debug + Send + Sync {
    /// What people call it.
    fn place(&self) -> String;

    /// All backups in it, in any order, each with what it says or why it cannot be read; none if it
    /// is not there yet.
    fn list(&self) -> Result<Vec<Result<Found, BackupError>>, BackupError>;

    /// Begins one. What is written is a backup only once it was finished.
    fn begin(&self, header: &Header) -> Result<Box<dyn Unfinished + '_>, BackupError>;

    /// Reads one from its first byte. An error of the kind `InvalidData` says that it is damaged.
    fn open(&self, name: &str) -> Result<Box<dyn Read + '_>, BackupError>;

    /// Removes one.
    fn remove(&self, name: &str) -> Result<(), BackupError>;

    /// What is left of backups that were begun before `began` (Unix seconds) and never finished,
    /// by name. It is in no list, and of no use.
    fn leftovers(&self, began: u64) -> Result<Vec<String>, BackupError>;

    /// Removes what [`leftovers`](Self::leftovers) named.
    fn remove_leftover(&self, name: &str) -> Result<(), BackupError>;
}

/// A backup that is being written. Dropped before it was finished, it removes what it has written,
/// as far as it can.
pub trait Unfinished: Write {
    /// What people call where it is written.
    fn place(&self) -> String;

    /// Makes everything written durable, and a backup called `name`.
    fn finish(self: Box<Self>, name: &str) -> io::Result<()>;
}

/// A backup in a target's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is called.
    pub name: String,
    /// Its first bytes, if it has so many.
    pub header: Option<[u8; HEADER_BYTES]>,
    /// How large it is.
    pub bytes: u64,
}

/// Backups as files in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// At `path`, which is made when the first backup is.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The names in it that end in `suffix`.
    fn names(&self, suffix: &str) -> Result<Vec<String>, BackupError> {
        let reading = || BackupError::at(&self.0, "read");
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(reading())?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(reading())?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(suffix)).map(str::to_owned));
        }
        Ok(names)
    }
}

impl Target for Directory {
    fn place(&self) -> String {
        self.0.display().to_string()
    }

    fn list(&self) -> Result<Vec<Result<Found, BackupError>>, BackupError> {
        let found = |name: String| {
            let path = self.0.join(&name);
            let mut file = File::open(&path).map_err(BackupError::at(&path, "open"))?;
            let bytes = file.metadata().map_err(BackupError::at(&path, "read"))?.len();
            let mut header = [0; HEADER_BYTES];
            let header = match file.read_exact(&mut header) {
                Ok(()) => Some(header),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                Err(error) => return Err(BackupError::at(&path, "read")(error)),
            };
            Ok(Found { name, header, bytes })
        };
        Ok(self.names(EXTENSION)?.into_iter().map(found).collect())
    }

    fn begin(&self, header: &Header) -> Result<Box<dyn Unfinished + '_>, BackupError> {
        files::create_private_directory(&self.0).map_err(BackupError::at(&self.0, "create"))?;
        let salt = u64::from_le_bytes(header.salt[..8].try_into().expect("eight of sixteen"));
        let path = self.0.join(format!("{}-{salt:016x}{UNFINISHED}", header.created));
        let mut options = files::private();
        let file = options.write(true).create_new(true).open(&path);
        let file = file.map_err(BackupError::at(&path, "create"))?;
        Ok(Box::new(Growing { directory: &self.0, path, file, is_finished: false }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + '_>, BackupError> {
        let path = self.0.join(name);
        let file = File::open(&path).map_err(BackupError::at(&path, "open"))?;
        Ok(Box::new(BufReader::new(file)))
    }

    fn remove(&self, name: &str) -> Result<(), BackupError> {
        let path = self.0.join(name);
        fs::remove_file(&path).map_err(BackupError::at(&path, "remove"))
    }

    fn leftovers(&self, began: u64) -> Result<Vec<String>, BackupError> {
        let mut names = self.names(UNFINISHED)?;
        names.retain(|name| began_at(name).is_some_and(|at| at < began));
        Ok(names)
    }

    fn remove_leftover(&self, name: &str) -> Result<(), BackupError> {
        self.remove(name)
    }
}

/// When what is called so was begun: the number before the first character that is no digit.
fn began_at(name: &str) -> Option<u64> {
    let end = name.find(|character: char| !character.is_ascii_digit())?;
    name[..end].parse().ok()
}

struct Growing<'a> {
    directory: &'a Path,
    path: PathBuf,
    file: File,
    is_finished: bool,
}

impl Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Unfinished for Growing<'_> {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn finish(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, self.directory.join(name))?;
        self.is_finished = true;
        files::sync_directory(self.directory)
    }
}

impl Drop for Growing<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed is a leftover.
            let _ = fs::remove_file(&self.path);
        }
    }
}
