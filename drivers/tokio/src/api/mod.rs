//! The local API over HTTP, on a Unix socket in the data directory, whose file permissions are the
//! right to use it, and if configured on loopback TCP with a token. What is answered to which
//! request is decided in [`bitcraps_host::api`]; this only carries it.

mod guard;
mod listen;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bitcraps_host::Handle;
use bitcraps_host::api::{Hub, SOCKET_NAME, Service};
use bitcraps_host::audit::Auditor;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use self::listen::Listeners;
use self::serve::Server;

/// The name of the file with the TCP token in the data directory.
pub const TOKEN_NAME: &str = "api.token";

/// What an API is made of.
pub struct ApiOptions {
    /// Where its socket, its token and the record of invitations are.
    pub data_dir: PathBuf,
    /// The loopback address on which it is served besides, if it is.
    pub tcp: Option<SocketAddr>,
    /// Where others can reach this node; goes into tickets.
    pub hints: Vec<String>,
    /// Whom to tell of refusals.
    pub auditor: Auditor,
}

/// The API of one running node.
pub struct Api {
    service: Arc<Service>,
    tcp: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Listeners,
}

/// Why an API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The socket or the token could not be made.
    #[error("cannot serve the API at {at}: {source}")]
    Io {
        /// A path or an address.
        at: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Anybody on the network could reach this address.
    #[error("the API is served on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
}

impl Api {
    /// Serves the API of the node behind `handle`. Replaces a socket that an earlier process left
    /// behind: the caller holds the data directory's lock.
    pub async fn start(handle: Handle, options: ApiOptions) -> Result<Self, ApiError> {
        let ApiOptions { data_dir, tcp: wanted, hints, auditor } = options;
        let service = Arc::new(Service::new(handle, &data_dir, hints, auditor));
        let (stop, stopped) = watch::channel(false);
        let mut listeners = Listeners::new(stopped);

        let path = data_dir.join(SOCKET_NAME);
        let at = |source| ApiError::Io { at: path.display().to_string(), source };
        let socket = bitcraps_host::api::listen(&path).and_then(UnixListener::from_std);
        let server = Server { service: Arc::clone(&service), token: None };
        listeners.serve_unix(socket.map_err(at)?, server.clone());

        let mut tcp = None;
        if let Some(address) = wanted {
            if !address.ip().is_loopback() {
                return Err(ApiError::NotLoopback(address));
            }
            let at = |source| ApiError::Io { at: address.to_string(), source };
            let token = guard::token(&data_dir.join(TOKEN_NAME)).map_err(at)?;
            let listener = TcpListener::bind(address).await.map_err(at)?;
            tcp = Some(listener.local_addr().map_err(at)?);
            let token = Some(Arc::from(token));
            listeners.serve_tcp(listener, Server { token, ..server });
        }
        Ok(Self { service, tcp, stop, listeners })
    }

    /// The TCP address on which it is served, if it is.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Follows outcomes and events.
    pub(crate) fn hub(&self) -> &Hub {
        self.service.hub()
    }

    /// Ends all streams, lets requests finish for a moment, and closes the sockets.
    pub async fn stop(self) {
        self.service.end();
        self.stop.send_replace(true);
        self.listeners.finish().await;
    }
}
