//! How a command that failed ends.

use std::process::ExitCode;

use bitcraps_host::api::{Code, Failure};
use bitcraps_host::exit::{self, NO, UNREACHABLE, UNSAFE, USAGE};
pub(crate) use bitcraps_host::exit::{Stopped, Usage};
use bitcraps_tokio::backup::Unusable;
use bitcraps_tokio::client::ClientError;
use bitcraps_tokio::fetch::FetchError;
use bitcraps_tokio::runtime::RunError;
use bitcraps_tokio::target::TargetError;
use serde::Serialize;

use crate::output::{Output, aside};

/// Something that cannot be trusted as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsafe(pub(crate) String);

/// A "no" that is the answer itself, printed already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct No(pub(crate) String);

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

/// What went wrong and why, as one text.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    exit::sentence(error.chain())
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
    if let Some(error) = error.downcast_ref::<TargetError>() {
        return Some(target(error));
    }
    if error.is::<Unsafe>() {
        return Some(UNSAFE);
    }
    if let Some(error) = error.downcast_ref::<Unusable>() {
        return Some(match error {
            Unusable::Backup(error) => exit::backup(error),
            Unusable::Refused { .. } => UNSAFE,
        });
    }
    if let Some(error) = error.downcast_ref::<RunError>() {
        return match error {
            RunError::Launch(error) => exit::code_of(error),
            RunError::Home(error) => exit::code_of(error),
            RunError::Target(error) => Some(target(error)),
            RunError::Listen { .. } | RunError::Api(_) | RunError::Radio(_) => Some(USAGE),
        };
    }
    exit::code_of(error)
}

fn target(error: &TargetError) -> u8 {
    match error {
        TargetError::NotBuilt { .. }
        | TargetError::NotPlace { .. }
        | TargetError::Settings { .. }
        | TargetError::NoKey { .. } => USAGE,
        TargetError::Exposed { .. } => UNSAFE,
    }
}
