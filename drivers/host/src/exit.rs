//! How a node's process ends: the exit codes of every program that runs one.

use std::error::Error;

use crate::audit::AuditError;
use crate::backup::BackupError;
use crate::config::Problems;
use crate::home::HomeError;
use crate::identity::{GivenError, IdentityError};
use crate::journal::JournalError;
use crate::launch::LaunchError;
use crate::lock::LockError;
use crate::{Exit, FailureKind, StartError};

/// A negative answer.
pub const NO: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// No node to talk to.
pub const UNREACHABLE: u8 = 3;
/// Refused for safety.
pub const UNSAFE: u8 = 4;
/// The disk is full.
pub const DISK_FULL: u8 = 5;
/// The disk failed.
pub const DISK: u8 = 6;

/// A mistake in what was typed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A node that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("the node has stopped: {reason}")]
pub struct Stopped {
    reason: String,
    kind: FailureKind,
}

impl Stopped {
    /// A node that halted, and why.
    pub const fn halted(reason: String) -> Self {
        Self { reason, kind: FailureKind::Halted }
    }

    /// Whether the node ended as it was told to.
    pub fn check(exit: Exit) -> Result<(), Self> {
        match exit {
            Exit::Stopped => Ok(()),
            Exit::Failed { reason, kind } => Err(Self { reason, kind }),
        }
    }
}

/// What went wrong and why, as one text. Many errors quote their cause; it is not repeated.
pub fn sentence<'a>(chain: impl Iterator<Item = &'a (dyn Error + 'static)>) -> String {
    let mut text = String::new();
    for cause in chain.map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The code of an error that this crate knows.
pub fn code_of(error: &(dyn Error + 'static)) -> Option<u8> {
    if error.is::<Problems>() || error.is::<Usage>() {
        return Some(USAGE);
    }
    if error.is::<LockError>() {
        return Some(UNSAFE);
    }
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return Some(match stopped.kind {
            FailureKind::DiskFull => DISK_FULL,
            FailureKind::Disk => DISK,
            FailureKind::Journal | FailureKind::Halted | FailureKind::Panicked => UNSAFE,
        });
    }
    if let Some(error) = error.downcast_ref::<AuditError>() {
        return Some(match error {
            AuditError::Io { .. } => USAGE,
            AuditError::Broken { .. } => UNSAFE,
        });
    }
    if let Some(error) = error.downcast_ref::<LaunchError>() {
        return Some(match error {
            LaunchError::Home(error) => home(error),
            LaunchError::Identity(error) => identity(error),
            LaunchError::Start(error) => start(error),
        });
    }
    if let Some(error) = error.downcast_ref::<GivenError>() {
        return Some(match error {
            GivenError::File(error) => identity(error),
            GivenError::NotText | GivenError::Bad(_) => USAGE,
        });
    }
    let known = error.downcast_ref::<BackupError>().map(backup);
    known
        .or_else(|| error.downcast_ref::<JournalError>().map(journal))
        .or_else(|| error.downcast_ref::<HomeError>().map(home))
        .or_else(|| error.downcast_ref::<IdentityError>().map(identity))
        .or_else(|| error.downcast_ref::<StartError>().map(start))
}

fn home(error: &HomeError) -> u8 {
    match error {
        HomeError::NoNetwork { .. }
        | HomeError::NotGenesis { .. }
        | HomeError::NotKeys { .. }
        | HomeError::NotKey { .. }
        | HomeError::BadGenesis { .. }
        | HomeError::Io { .. } => USAGE,
        HomeError::OtherNetwork { .. } => UNSAFE,
    }
}

fn identity(error: &IdentityError) -> u8 {
    match error {
        IdentityError::Io { .. }
        | IdentityError::NeedsPassphrase { .. }
        | IdentityError::WrongPassphrase { .. }
        | IdentityError::Exists { .. }
        | IdentityError::BadPhrase(_) => USAGE,
        IdentityError::Exposed { .. }
        | IdentityError::Tampered { .. }
        | IdentityError::Invalid { .. }
        | IdentityError::Missing { .. }
        | IdentityError::Locked(_) => UNSAFE,
    }
}

fn start(error: &StartError) -> u8 {
    match error {
        StartError::Lock(_) | StartError::Refused(_) => UNSAFE,
        StartError::Journal(error) => journal(error),
        StartError::Keys(error) => home(error),
        StartError::Entropy(_) | StartError::Thread(_) => NO,
    }
}

/// The code of what is wrong with a backup.
pub fn backup(error: &BackupError) -> u8 {
    match error {
        BackupError::Io { .. } | BackupError::NotBackup { .. } | BackupError::Exists { .. } => {
            USAGE
        }
        BackupError::Journal(error) => journal(error),
        BackupError::Foreign { .. } | BackupError::Damaged { .. } | BackupError::Missing { .. } => {
            UNSAFE
        }
    }
}

fn journal(error: &JournalError) -> u8 {
    if error.is_disk_full() {
        DISK_FULL
    } else if error.is_system() {
        DISK
    } else {
        UNSAFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_quoted_is_not_repeated() {
        let (whole, part) = (Usage("in short: the cause".into()), Usage("the cause".into()));
        let chain: [&(dyn Error + 'static); 2] = [&whole, &part];
        assert_eq!(sentence(chain.into_iter()), "in short: the cause");
        let (first, second) = (Usage("in short".into()), Usage("the cause".into()));
        let chain: [&(dyn Error + 'static); 2] = [&first, &second];
        assert_eq!(sentence(chain.into_iter()), "in short: the cause");
        assert_eq!(code_of(&first), Some(USAGE));
    }
}
