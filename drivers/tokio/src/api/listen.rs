//! Accepting connections, a bounded number of them, none of which may stall for ever.

use std::io;
use std::sync::Arc;

use bitcraps_host::api::route::{ACCEPT_PAUSE, CONNECTIONS, GRACE, HEAD_TIMEOUT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::serve::Server;

/// The listeners of one API.
pub(super) struct Listeners {
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop, tasks: JoinSet::new() }
    }

    pub(super) fn serve_unix(&mut self, listener: UnixListener, server: Server) {
        let accept = async move || listener.accept().await.map(|(stream, _)| stream);
        self.tasks.spawn(serve(accept, server, self.stop.clone()));
    }

    pub(super) fn serve_tcp(&mut self, listener: TcpListener, server: Server) {
        let accept = async move || listener.accept().await.map(|(stream, _)| stream);
        self.tasks.spawn(serve(accept, server, self.stop.clone()));
    }

    /// Waits until all have ended after the stop signal.
    pub(super) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    mut accept: impl AsyncFnMut() -> io::Result<S>,
    server: Server,
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
                let connection = serve_connection(stream, server.clone(), stop.clone());
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
    server: Server,
    mut stop: watch::Receiver<bool>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = service_fn(move |request| server.clone().answer(request));
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
