//! One live process per data directory, and so per key: two processes with one key would
//! contradict each other, and be punished for it.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::files;

/// The right to use a data directory, until dropped or until the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process uses it.
    #[error("{path} is in use by {}; stop it first", holder(.process.as_deref()), path = .path.display())]
    Held {
        /// The data directory.
        path: PathBuf,
        /// The other process's id, if it could be read.
        process: Option<String>,
    },
    /// The lock file could not be used.
    #[error("cannot lock {path}: {source}", path = .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn holder(process: Option<&str>) -> String {
    process.map_or("another process".to_owned(), |process| format!("process {process}"))
}

impl Lock {
    /// Locks `data_dir`, creating it for the owner only if it is not there.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join("lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        files::create_private_directory(data_dir).map_err(failed)?;
        let mut file = files::private()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = read_process(&mut file);
                return Err(LockError::Held { path: data_dir.to_owned(), process });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_process(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn write_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The holder may be between taking the lock and writing its id.
fn read_process(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let process = text.trim();
    let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| process.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_user_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("new");
        let first = Lock::take(&data_dir).unwrap();
        let refused = Lock::take(&data_dir).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "{} is in use by process {}; stop it first",
                data_dir.display(),
                std::process::id()
            )
        );
        drop(first);
        Lock::take(&data_dir).unwrap();
    }

    #[test]
    fn a_lock_file_that_names_nobody_is_no_obstacle_to_the_message() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Lock::take(directory.path()).unwrap();
        std::fs::write(directory.path().join("lock"), "garbage\u{1b}[2J").unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("in use by another process"), "{refused}");
    }
}
