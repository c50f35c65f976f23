//! How a command that failed ends.

use std::process::ExitCode;

use bitcraps_host::api::{Code, Failure};
use bitcraps_host::backup::BackupError;
use bitcraps_host::identity::IdentityError;
use bitcraps_host::journal::JournalError;
use bitcraps_host::lock::LockError;
use bitcraps_host::{Exit, FailureKind, StartError};
use bitcraps_tokio::audit::AuditError;
use bitcraps_tokio::backup::Unusable;
use bitcraps_tokio::client::ClientError;
use bitcraps_tokio::config::Problems;
use bitcraps_tokio::fetch::FetchError;
use bitcraps_tokio::home::HomeError;
use bitcraps_tokio::runtime::RunError;
use serde::Serialize;

use crate::output::{Output, aside};

const NO: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const UNSAFE: u8 = 4;
const DISK_FULL: u8 = 5;
const DISK: u8 = 6;

/// A mistake in what was typed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Something that cannot be trusted as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsafe(pub(crate) String);

/// A "no" that is the answer itself, printed already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct No(pub(crate) String);

/// A node that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("the node has stopped: {reason}")]
pub(crate) struct Stopped {
    reason: String,
    kind: FailureKind,
}

impl Stopped {
    /// A node that halted, and why.
    pub(crate) const fn halted(reason: String) -> Self {
        Self { reason, kind: FailureKind::Halted }
    }

    /// Whether the node ended as it was told to.
    pub(crate) fn check(exit: Exit) -> Result<(), Self> {
        match exit {
            Exit::Stopped => Ok(()),
            Exit::Failed { reason, kind } => Err(Self { reason, kind }),
        }
    }
}

/// Tells what went wrong, and gives the exit code that says what kind of thing it was.
pub(crate) fn report(error: &anyhow::Error, output: Output) -> ExitCode {
    if let Some(error) = error.downcast_ref::<std::io::Error>()
        && error.kind() == std::io::ErrorKind::BrokenPipe
    {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    let (code, text) = (code(error), sentence(error));
    aside(&format!("error: {text}"));
    if output.json && !error.is::<No>() {
        let failure = match error.downcast_ref::<ClientError>() {
            Some(ClientError::Refused(failure)) => failure.clone(),
            _ => Failure::new(api_code(code), text),
        };
        // The exit code says the same.
        let _ = output.answer(&Body { error: failure }, String::new);
    }
    ExitCode::from(code)
}

#[derive(Serialize)]
struct Body {
    error: Failure,
}

/// What went wrong and why, as one text. Many errors quote their cause; it is not repeated.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn api_code(code: u8) -> Code {
    match code {
        USAGE => Code::BadRequest,
        UNREACHABLE => Code::Unreachable,
        _ => Code::Failed,
    }
}

fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(NO)
}

fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return Some(match error {
            ClientError::Unreachable { .. } | ClientError::Broken(_) => UNREACHABLE,
            ClientError::Refused(failure) => match failure.code {
                Code::BadRequest => USAGE,
                Code::Halted | Code::Unreachable => UNREACHABLE,
                _ => NO,
            },
        });
    }
    if error.is::<FetchError>() {
        return Some(UNREACHABLE);
    }
    if error.is::<Problems>() || error.is::<Usage>() {
        return Some(USAGE);
    }
    if error.is::<Unsafe>() || error.is::<LockError>() {
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
    if let Some(error) = error.downcast_ref::<BackupError>() {
        return Some(backup(error));
    }
    if let Some(error) = error.downcast_ref::<Unusable>() {
        return Some(match error {
            Unusable::Backup(error) => backup(error),
            Unusable::Refused { .. } => UNSAFE,
        });
    }
    if let Some(error) = error.downcast_ref::<JournalError>() {
        return Some(journal(error));
    }
    if let Some(error) = error.downcast_ref::<HomeError>() {
        return Some(home(error));
    }
    error
        .downcast_ref::<RunError>()
        .map(|error| match error {
            RunError::Home(error) => home(error),
            RunError::Identity(error) => identity(error),
            RunError::Start(error) => start(error),
            RunError::Listen { .. } | RunError::Api(_) | RunError::Radio(_) => USAGE,
        })
        .or_else(|| error.downcast_ref::<IdentityError>().map(identity))
        .or_else(|| error.downcast_ref::<StartError>().map(start))
}

fn home(error: &HomeError) -> u8 {
    match error {
        HomeError::NoNetwork { .. }
        | HomeError::NotGenesis { .. }
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
        StartError::Entropy(_) | StartError::Thread(_) => NO,
    }
}

fn backup(error: &BackupError) -> u8 {
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
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_that_is_quoted_is_not_repeated() {
        let error = Err::<(), _>(Usage("the cause".into())).context("in short: the cause");
        assert_eq!(sentence(&error.unwrap_err()), "in short: the cause");
        let error = Err::<(), _>(Usage("the cause".into())).context("in short").unwrap_err();
        assert_eq!(sentence(&error), "in short: the cause");
        assert_eq!(code(&error), USAGE);
    }
}
