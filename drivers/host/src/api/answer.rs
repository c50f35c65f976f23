//! What is sent back over HTTP: a status, and JSON or lines of JSON.

use bytes::Bytes;
use futures_channel::mpsc;
use serde::{Deserialize, Serialize};

use super::hand_file::HandFile;
use super::{Code, Failure};

/// How a failure is written: `{"error":{"code":…,"message":…}}`.
#[derive(Serialize, Deserialize)]
pub struct FailureBody {
    /// What went wrong.
    pub error: Failure,
}

/// An answer to a request, for a driver to write.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The method that the path has, to be told with status 405.
    pub allow: Option<&'static str>,
    /// What is said.
    pub body: Body,
}

/// What an answer says.
pub enum Body {
    /// One JSON value.
    Json(Bytes),
    /// What monitoring reads.
    Metrics(Bytes),
    /// Lines of JSON, as they become known.
    Lines(Lines),
}

/// Lines of an answer, made while they are read.
pub enum Lines {
    /// Of `GET /v1/events`.
    Events(mpsc::Receiver<Bytes>),
    /// Of `GET /v1/tables/{id}/hands`.
    Hands(Box<HandFile>),
}

impl Answer {
    pub(super) fn of(value: &impl Serialize) -> Self {
        Self::json(200, json(value))
    }

    pub(super) const fn json(status: u16, json: Bytes) -> Self {
        Self { status, allow: None, body: Body::Json(json) }
    }

    pub(super) fn metrics(text: String) -> Self {
        Self { status: 200, allow: None, body: Body::Metrics(text.into()) }
    }

    pub(super) fn lines(lines: Lines) -> Self {
        Self { status: 200, allow: None, body: Body::Lines(lines) }
    }
}

impl Body {
    /// What the header `Content-Type` says of it.
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Metrics(_) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Lines(_) => "application/x-ndjson",
        }
    }
}

impl Lines {
    /// The next lines; `None` after the last ones.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Events(events) => events.recv().await.ok(),
            Self::Hands(hands) => hands.next().await,
        }
    }
}

impl From<Failure> for Answer {
    fn from(error: Failure) -> Self {
        let status = match error.code {
            Code::BadRequest => 400,
            Code::Unauthorized => 401,
            Code::Forbidden => 403,
            Code::NotFound => 404,
            Code::MethodNotAllowed => 405,
            Code::TimedOut => 408,
            Code::TooLarge => 413,
            Code::UnsupportedMediaType => 415,
            Code::Refused | Code::Failed => 409,
            Code::Busy | Code::Halted | Code::Unreachable => 503,
        };
        Self::json(status, json(&FailureBody { error }))
    }
}

pub(super) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("our own plain types have a JSON form").into()
}
