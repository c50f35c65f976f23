//! The local API over HTTP, on a Unix socket in the data directory, whose file permissions are the
//! right to use it. What is answered to which request is decided in [`bitcraps_host::api`]; this
//! only carries it. A bounded number of connections, none of which may stall for ever.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bitcraps_host::Handle;
use bitcraps_host::api::route::{ACCEPT_PAUSE, CONNECTIONS, GRACE, WAIT};
use bitcraps_host::api::{Answer, Hub, Route, SOCKET_NAME, Service};
use bitcraps_host::audit::Auditor;
use smol::Async;
use smol::future::or;
use smol::io::AsyncReadExt as _;
use smol::lock::Semaphore;
use smol::net::unix::{UnixListener, UnixStream};

use crate::http::{NoRequest, Request, refuse};
use crate::tasks::{Executor, Group, Stop, sleep};

/// The API of one running node.
pub struct Api {
    service: Arc<Service>,
    accepting: Stop,
    answering: Stop,
}

impl Api {
    /// Serves the API of the node behind `handle` in `data_dir`; its tickets say that the network
    /// can be found at `hints`, and `auditor` is told of refusals. Replaces a socket that an earlier process left behind: the caller
    /// holds the data directory's lock.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made.
    pub fn start(
        executor: &Arc<Executor>,
        handle: Handle,
        data_dir: &Path,
        hints: Vec<String>,
        auditor: Auditor,
    ) -> io::Result<Self> {
        let listener = bitcraps_host::api::listen(&data_dir.join(SOCKET_NAME))?;
        let listener = UnixListener::from(Async::new_nonblocking(listener)?);
        let service = Arc::new(Service::new(handle, data_dir, hints, auditor));
        let (accepting, answering) = (Stop::new(), Stop::new());
        let server = Server { executor: executor.clone(), service: service.clone() };
        let work = server.accept(listener, answering.group());
        executor.spawn(accepting.group().during(work)).detach();
        Ok(Self { service, accepting, answering })
    }

    /// Follows outcomes and events.
    pub(crate) fn hub(&self) -> &Hub {
        self.service.hub()
    }

    /// Ends all streams, lets requests finish for a moment, and closes the socket.
    pub async fn stop(self) {
        self.service.end();
        self.accepting.stop().await;
        self.answering.stop_after(GRACE).await;
    }
}

struct Server {
    executor: Arc<Executor>,
    service: Arc<Service>,
}

impl Server {
    async fn accept(self, listener: UnixListener, group: Group) {
        let group = group.downgrade();
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let slot = slots.acquire_arc().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Some(group) = group.upgrade() else { return };
                    let service = self.service.clone();
                    let work = async move {
                        if let Err(error) = converse(stream, &service).await {
                            tracing::debug!(%error, "an API connection broke off");
                        }
                        drop(slot);
                    };
                    self.executor.spawn(group.during(work)).detach();
                }
                Err(error) => {
                    tracing::warn!(%error, "the API cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One request and its answer, unless the other side goes away before.
async fn converse(mut stream: UnixStream, service: &Service) -> io::Result<()> {
    let mut request = match Request::read(&mut stream).await {
        Ok(request) => request,
        Err(NoRequest::Gone) => return Ok(()),
        Err(NoRequest::Bad(answer)) => return refuse(&mut stream, answer).await,
    };
    let listener = stream.clone();
    let answer = match question(&mut request, &mut stream).await {
        Ok((route, body)) => {
            let answering = async {
                let answer = service.answer(route, &body, sleep(WAIT)).await;
                service.note(&request.method, &request.target, &answer);
                request.answer(&mut stream, answer).await
            };
            return or(answering, hung_up(listener)).await;
        }
        Err(answer) => answer,
    };
    service.note(&request.method, &request.target, &answer);
    request.answer(&mut stream, answer).await
}

async fn question(
    request: &mut Request,
    stream: &mut UnixStream,
) -> Result<(Route, Vec<u8>), Answer> {
    let route = Route::of(&request.method, &request.target)?;
    let body = match route.takes_body(request.content_type.as_deref())? {
        true => request.body(stream).await?,
        false => Vec::new(),
    };
    Ok((route, body))
}

/// Waits until the other side is no longer there. What it says meanwhile is ignored.
async fn hung_up(mut stream: UnixStream) -> io::Result<()> {
    match stream.read(&mut [0; 1]).await? {
        0 => Ok(()),
        _ => std::future::pending().await,
    }
}
