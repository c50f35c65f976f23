//! Accepting connections, a bounded number of them, none of which may stall for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections of one listener; the next one waits in the system's queue.
const CONNECTIONS: usize = 64;
/// How long a connection may take for a request's head, or sit idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may go on after the end.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed accept, which usually means that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listeners of one API.
pub(super) struct Listeners {
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop, tasks: JoinSet::new() }
    }

    pub(super) fn serve_unix(&mut self, listener: UnixListener, router: Router) {
        let accept = async move || listener.accept().await.map(|(stream, _)| stream);
        self.tasks.spawn(serve(accept, router, self.stop.clone()));
    }

    pub(super) fn serve_tcp(&mut self, listener: TcpListener, router: Router) {
        let accept = async move || listener.accept().await.map(|(stream, _)| stream);
        self.tasks.spawn(serve(accept, router, self.stop.clone()));
    }

    /// Waits until all have ended after the stop signal.
    pub(super) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut accept: impl AsyncFnMut() -> io::Result<S>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while !*stop.borrow() {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok(stream) => {
                let connection = serve_connection(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the API cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    let rest = async { while connections.join_next().await.is_some() {} };
    // What is not over by then is cut off when the set is dropped.
    let _ = timeout(GRACE, rest).await;
}

async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stopping = async { stop.wait_for(|stopping| *stopping).await.is_ok() };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an API connection broke off");
    }
}
