//! TCP links: listening, telling the node of configured peers, and dialling what it asks for.
//!
//! A connection is a link whose frames follow their lengths. Everything that a stranger can make
//! this hold is bounded: connections in total and by source, bytes read and not yet handled (the
//! host's credit), bytes written and not yet gone, and the time that a write may take. Who the
//! other side is, and how long it may take to say so, is the node's affair.

mod connection;
pub(crate) mod frame;
mod seats;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bitcraps_host::Links;
use bitcraps_protocol::event::{Direction, Endpoint};
use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

pub use frame::FRAME_BYTES;
use seats::Seats;

/// TCP's tag in an [`Endpoint`].
pub const TRANSPORT: u8 = 0;

/// How often the node is told of configured peers, in case it was too busy to listen.
const REMIND: Duration = Duration::from_secs(30);

/// Connections that the operating system may hold before they are accepted.
const BACKLOG: u32 = 256;

/// The pause after a connection could not be accepted, which is mostly for want of file
/// descriptors: somebody must give one back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that the operating system takes from us before they leave. More would let old frames
/// pile up in front of the newest vote; less would slow the catch-up over long distances.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// Where to listen and whom to dial.
#[derive(Clone, Debug, Default)]
pub struct TcpConfig {
    /// Where to listen; port 0 lets the system choose. `None`: nobody can dial this node.
    pub listen: Option<SocketAddr>,
    /// Peers that the node is told of, again and again, as `host:port`.
    pub peers: Vec<String>,
    /// How much is too much.
    pub limits: Limits,
}

/// How much is too much.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that others opened. 256: more than a node's mesh uses, and about 100 MB at
    /// the very worst.
    pub inbound: usize,
    /// Connections from one IPv4 address or one IPv6 network of 64 bits. 64: a whole test network
    /// on one machine.
    pub inbound_per_source: usize,
    /// Connections that the node asked for, being made or made. 80, as many links as a node has.
    pub dials: usize,
    /// How long finding and reaching a peer may take.
    pub connect_timeout: Duration,
    /// How long the other side may take to make room for a write of at most two frames. 20 s: a
    /// bad mobile connection.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound: 256,
            inbound_per_source: 64,
            dials: 80,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(20),
        }
    }
}

/// The TCP links of one node. Dropping it ends them all.
pub struct Tcp {
    shared: Arc<Shared>,
    stop: Arc<watch::Sender<()>>,
    runtime: Runtime,
    local_addr: Option<SocketAddr>,
}

/// What all tasks need.
struct Shared {
    links: Links,
    limits: Limits,
    seats: Seats,
    dials: Arc<Semaphore>,
}

impl Tcp {
    /// Starts listening and dialling for the node behind `links`. Must be called within a tokio
    /// runtime with I/O and time. Fails if it cannot listen.
    pub fn start(links: Links, config: TcpConfig) -> io::Result<Self> {
        let TcpConfig { listen, peers, limits } = config;
        let listener = listen.map(bind).transpose()?;
        let local_addr = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let shared = Arc::new(Shared {
            links,
            seats: Seats::new(limits.inbound, limits.inbound_per_source),
            dials: Arc::new(Semaphore::new(limits.dials)),
            limits,
        });
        let stop = Arc::new(watch::Sender::new(()));
        let tcp = Self { shared, stop, runtime: Runtime::current(), local_addr };
        if let Some(listener) = listener {
            tcp.spawn(accept(listener, tcp.shared.clone(), tcp.stop.subscribe()));
        }
        tcp.obey_dials();
        tcp.spawn(remind(peers, tcp.shared.clone()));
        Ok(tcp)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Ends all links, and returns when they have ended.
    pub async fn shut_down(self) {
        self.stop.send_replace(());
        self.stop.closed().await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(until(self.stop.subscribe(), work));
    }

    /// Dials when the node says so, as long as this lives.
    fn obey_dials(&self) {
        let (shared, runtime) = (self.shared.clone(), self.runtime.clone());
        let stop = Arc::downgrade(&self.stop);
        self.shared.links.dialer(TRANSPORT, move |endpoint| {
            let permit = shared.dials.clone().try_acquire_owned();
            let (Some(stop), Ok(permit)) = (stop.upgrade(), permit) else {
                return shared.links.dial_failed(endpoint);
            };
            let shared = shared.clone();
            runtime.spawn(until(stop.subscribe(), async move {
                dial_once(endpoint, &shared).await;
                drop(permit);
            }));
        });
    }
}

async fn until(mut stop: watch::Receiver<()>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stop.changed() => {}
        () = work => {}
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    // A restarted node must not wait for its former connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Accepted connections inherit this.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<()>) {
    loop {
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = shared.seats.take(source.ip()) else {
            tracing::debug!(%source, "too many connections");
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(until(stop.clone(), async move {
            let endpoint = endpoint_of(&source.to_string());
            shared.serve(stream, Direction::Inbound, endpoint).await;
            drop(seat);
        }));
    }
}

/// Tells the node where others may be found; when to dial them is its affair.
async fn remind(peers: Vec<String>, shared: Arc<Shared>) {
    while !shared.links.are_over() {
        peers.iter().for_each(|peer| shared.links.discovered(endpoint_of(peer)));
        sleep(REMIND).await;
    }
}

async fn dial_once(endpoint: Endpoint, shared: &Shared) {
    let peer = String::from_utf8_lossy(&endpoint.bytes);
    match connect(&peer, &shared.limits).await {
        Ok(stream) => {
            shared.serve(stream, Direction::Outbound, endpoint.clone()).await;
        }
        Err(error) => {
            tracing::debug!(%peer, %error, "cannot reach a peer");
            shared.links.dial_failed(endpoint);
        }
    }
}

/// Connects with the first of the addresses of `peer` that answers.
pub(crate) async fn connect(peer: &str, limits: &Limits) -> io::Result<TcpStream> {
    timeout(limits.connect_timeout, async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host(peer).await? {
            match socket_for(address)?.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    })
    .await?
}

pub(crate) fn endpoint_of(peer: &str) -> Endpoint {
    Endpoint { transport: TRANSPORT, bytes: Bytes::copy_from_slice(peer.as_bytes()) }
}

impl Shared {
    async fn serve(&self, stream: TcpStream, direction: Direction, endpoint: Endpoint) {
        connection::serve(stream, direction, endpoint, &self.links, &self.limits).await;
    }
}
