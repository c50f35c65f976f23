//! The local API over HTTP: one router, served on a Unix socket in the data directory, whose file
//! permissions are the right to use it, and if configured on loopback TCP with a token. What is
//! answered is decided in [`bitcraps_host::api`]; this only binds it to paths and status codes.

mod guard;
mod hands;
mod hub;
mod invite;
mod listen;
mod odds;
mod rolls;
mod routes;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcraps_host::Handle;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

pub(crate) use self::hub::Hub;
use self::listen::Listeners;
pub(crate) use self::wire::FailureBody;

/// The Unix socket's name in the data directory.
pub const SOCKET_NAME: &str = "api.sock";
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
}

/// The API of one running node.
pub struct Api {
    hub: Arc<Hub>,
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

/// What every request can use.
struct Context {
    handle: Handle,
    hub: Arc<Hub>,
    inviter: invite::Inviter,
    odds: odds::OddsMemory,
    stop: watch::Receiver<bool>,
}

impl Api {
    /// Serves the API of the node behind `handle`. Replaces a socket that an earlier process left
    /// behind: the caller holds the data directory's lock.
    pub async fn start(handle: Handle, options: ApiOptions) -> Result<Self, ApiError> {
        let hub = Hub::new();
        handle.subscribe(Hub::listener(&hub));
        let (stop, stopped) = watch::channel(false);
        let router = routes::router(Arc::new(Context {
            handle,
            hub: Arc::clone(&hub),
            inviter: invite::Inviter::new(&options),
            odds: odds::OddsMemory::default(),
            stop: stopped.clone(),
        }));
        let mut listeners = Listeners::new(stopped);

        let path = options.data_dir.join(SOCKET_NAME);
        let at = |source| ApiError::Io { at: path.display().to_string(), source };
        listeners.serve_unix(bind_unix(&path).map_err(at)?, router.clone());

        let mut tcp = None;
        if let Some(address) = options.tcp {
            if !address.ip().is_loopback() {
                return Err(ApiError::NotLoopback(address));
            }
            let at = |source| ApiError::Io { at: address.to_string(), source };
            let token = guard::token(&options.data_dir.join(TOKEN_NAME)).map_err(at)?;
            let listener = TcpListener::bind(address).await.map_err(at)?;
            tcp = Some(listener.local_addr().map_err(at)?);
            listeners.serve_tcp(listener, guard::guarded(router, token));
        }
        Ok(Self { hub, tcp, stop, listeners })
    }

    /// The TCP address on which it is served, if it is.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Follows outcomes and events.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Ends all streams, lets requests finish for a moment, and closes the sockets.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.listeners.finish().await;
    }
}

/// Binds under another name first, so that nobody can connect before the permissions are right.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}
