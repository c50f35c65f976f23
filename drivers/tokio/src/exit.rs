//! How a command that failed ends.

use std::process::ExitCode;

use bitcraps_host::api::{Code, Failure};
use bitcraps_host::identity::IdentityError;
use bitcraps_host::{Exit, StartError};
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

/// A mistake in what was typed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A "no" that is the answer itself, printed already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct No(pub(crate) String);

/// A node that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("the node has stopped: {0}")]
pub(crate) struct Stopped(pub(crate) String);

impl Stopped {
    /// Whether the node ended as it was told to.
    pub(crate) fn check(exit: Exit) -> Result<(), Self> {
        match exit {
            Exit::Stopped => Ok(()),
            Exit::Failed { reason, kind: _ } => Err(Self(reason)),
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
    if error.is::<Stopped>() {
        return Some(UNSAFE);
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
            RunError::Listen { .. } | RunError::Api(_) => USAGE,
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
        IdentityError::Io { .. } => USAGE,
        IdentityError::Exposed { .. }
        | IdentityError::Invalid { .. }
        | IdentityError::Missing { .. }
        | IdentityError::Locked(_) => UNSAFE,
    }
}

fn start(error: &StartError) -> u8 {
    match error {
        StartError::Lock(_) | StartError::Journal(_) | StartError::Refused(_) => UNSAFE,
        StartError::Entropy(_) | StartError::Thread(_) => NO,
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
