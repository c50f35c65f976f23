//! Why a request was not carried out.

use std::fmt;

use bitcraps_protocol::event::Refusal;
use bitcraps_protocol::keyring::NoRotation;
use serde::{Deserialize, Serialize};

/// Why a request was not carried out. Nothing has changed, except where [`Code::Failed`] says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request makes no sense.
    BadRequest,
    /// The request did not show the right to be here.
    Unauthorized,
    /// The request came through another site or host name.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is such a thing, but not this verb for it.
    MethodNotAllowed,
    /// The request took too long to arrive.
    TimedOut,
    /// The request is longer than any sensible one.
    TooLarge,
    /// The request's body is not JSON.
    UnsupportedMediaType,
    /// The chain would not accept it.
    Refused,
    /// It was accepted, but has become impossible before it was final.
    Failed,
    /// Too much is waiting; try again.
    Busy,
    /// The node has stopped working.
    Halted,
    /// Nobody answers; only the asking side says so.
    Unreachable,
}

impl Failure {
    /// A failure in words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The node no longer answers.
    pub fn halted() -> Self {
        Self::new(Code::Halted, "the node has stopped working")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Rejected(_) | Refusal::NotAtTable => Code::Refused,
            Refusal::NotAuthentic | Refusal::ToOneself => Code::BadRequest,
            Refusal::NoRotation(NoRotation::Unknown) => Code::NotFound,
            Refusal::NoRotation(_) => Code::Refused,
            Refusal::MempoolFull
            | Refusal::TooManyTables
            | Refusal::TooMuchTalk
            | Refusal::TooManyLetters => Code::Busy,
            Refusal::Halted => Code::Halted,
        };
        Self::new(code, refusal.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
