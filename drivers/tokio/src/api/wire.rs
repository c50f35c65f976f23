//! Failures, requests and event streams as HTTP carries them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use bitcraps_host::api::{Code, EventView, Failure};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Frame;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;

/// Bytes of the longest request body.
const BODY_BYTES: usize = 16 * 1024;
/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines that wait for a slow reader.
const LINES: usize = 16;

/// How a failure is written: `{"error":{"code":…,"message":…}}`.
#[derive(Serialize, Deserialize)]
pub(crate) struct FailureBody {
    pub(crate) error: Failure,
}

/// A failure on its way out.
pub(super) struct Refused(pub(super) Failure);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            Code::BadRequest => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::Refused | Code::Failed => StatusCode::CONFLICT,
            Code::Busy | Code::Halted | Code::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let body = Json(FailureBody { error: self.0 });
        if status == StatusCode::UNAUTHORIZED {
            return (status, [(WWW_AUTHENTICATE, "Bearer")], body).into_response();
        }
        (status, body).into_response()
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<PathRejection> for Refused {
    fn from(rejection: PathRejection) -> Self {
        Self(Failure::new(Code::BadRequest, rejection.body_text()))
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self(Failure::new(Code::BadRequest, rejection.body_text()))
    }
}

/// A request's JSON body, bounded in bytes and time. The content type is demanded, because a page
/// of another site cannot send it without asking first.
pub(super) struct Input<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let failed = |code, message: &str| Refused(Failure::new(code, message));
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            let message = "send the header \"Content-Type: application/json\"";
            return Err(failed(Code::UnsupportedMediaType, message));
        }
        let body = Limited::new(request.into_body(), BODY_BYTES).collect();
        let collected = timeout(BODY_TIMEOUT, body)
            .await
            .map_err(|_| failed(Code::TimedOut, "the request's body took too long"))?;
        let body = collected.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let message = format!("the request's body is longer than {BODY_BYTES} bytes");
                return failed(Code::TooLarge, &message);
            }
            failed(Code::BadRequest, "the request's body broke off")
        })?;
        serde_json::from_slice(&body.to_bytes())
            .map(Self)
            .map_err(|error| failed(Code::BadRequest, &error.to_string()))
    }
}

/// Lines as they become known: whoever holds the other end makes them, until the reader has gone.
pub(super) fn streamed() -> (mpsc::Sender<Bytes>, Response) {
    let (sender, receiver) = mpsc::channel(LINES);
    let body = Body::new(Lines(receiver));
    (sender, ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Events as lines of JSON until `stop`.
pub(super) fn lines(
    mut events: broadcast::Receiver<Arc<EventView>>,
    mut stop: watch::Receiver<bool>,
) -> Response {
    let (sender, response) = streamed();
    tokio::spawn(async move {
        let forward = async {
            loop {
                let line = match events.recv().await {
                    Ok(event) => line(&event),
                    Err(broadcast::error::RecvError::Lagged(events)) => {
                        line(&EventView::Missed { events })
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                if sender.send(line).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = forward => {}
            () = sender.closed() => {}
            _ = stop.wait_for(|stopping| *stopping) => {}
        }
    });
    response
}

fn line(event: &EventView) -> Bytes {
    let mut line = serde_json::to_vec(event).expect("our own plain types have a JSON form");
    line.push(b'\n');
    line.into()
}

struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
