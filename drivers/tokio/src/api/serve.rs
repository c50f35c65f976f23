//! Requests and answers as hyper carries them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bitcraps_host::api::route::{
    BODY_BYTES, BODY_TIMEOUT, WAIT, body_broken, body_too_long, body_too_slow,
};
use bitcraps_host::api::{Answer, Body, Failure, Lines, Route, Service};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::guard::admit;

/// Lines that wait for a slow reader.
const LINES: usize = 16;

pub(super) type Carried = Response<Either<Full<Bytes>, Streamed>>;

/// Answers the requests of one listener.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) service: Arc<Service>,
    /// What a request must show, if anybody on this machine can make one.
    pub(super) token: Option<Arc<str>>,
}

impl Server {
    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Carried, Infallible> {
        let (method, target) = (request.method().clone(), request.uri().clone());
        let answer = self.find(request).await.unwrap_or_else(|answer| answer);
        self.service.note(method.as_str(), target.path(), &answer);
        Ok(carried(answer))
    }

    async fn find(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        if let Some(token) = &self.token {
            admit(request.headers(), token)?;
        }
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let route = Route::of(request.method().as_str(), target)?;
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let body = match route.takes_body(content_type)? {
            true => read(request.into_body()).await?,
            false => Bytes::new(),
        };
        Ok(self.service.answer(route, &body, sleep(WAIT)).await)
    }
}

/// A request's body, bounded in bytes and time.
async fn read(body: Incoming) -> Result<Bytes, Failure> {
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES).collect()).await;
    let body = collected.map_err(|_| body_too_slow())?.map_err(|error| {
        if error.is::<LengthLimitError>() { body_too_long() } else { body_broken() }
    })?;
    Ok(body.to_bytes())
}

fn carried(answer: Answer) -> Carried {
    let Answer { status, allow, body } = answer;
    let content_type = HeaderValue::from_static(body.content_type());
    let mut response = Response::new(match body {
        Body::Json(text) | Body::Metrics(text) => Either::Left(Full::new(text)),
        Body::Lines(lines) => Either::Right(streamed(lines)),
    });
    *response.status_mut() = StatusCode::from_u16(status).expect("the host knows HTTP's");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Lines as they become known, until they or their reader have come to an end.
fn streamed(mut lines: Lines) -> Streamed {
    let (sender, receiver) = mpsc::channel(LINES);
    tokio::spawn(async move {
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = sender.closed() => return,
            };
            let Some(line) = line else { return };
            if sender.send(line).await.is_err() {
                return;
            }
        }
    });
    Streamed(receiver)
}

/// Lines on their way out.
pub(super) struct Streamed(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
