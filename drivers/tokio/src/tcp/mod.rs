//! TCP links on tokio: listening, telling the node of configured peers, and dialling what it asks
//! for. How much is too much is decided in [`bitcraps_host::tcp`].

mod connection;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bitcraps_host::Links;
use bitcraps_host::tcp::{ACCEPT_PAUSE, REMIND, Seats, no_address, peer_of};
pub use bitcraps_host::tcp::{FRAME_BYTES, Limits, TRANSPORT, TcpConfig, endpoint_of};
use bitcraps_protocol::event::{Direction, Endpoint};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

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
        let listener = listen.map(bitcraps_host::tcp::listen).transpose()?;
        let listener = listener.map(TcpListener::from_std).transpose()?;
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
    let peer = peer_of(&endpoint);
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
        let mut last = no_address();
        for address in lookup_host(peer).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    })
    .await?
}

impl Shared {
    async fn serve(&self, stream: TcpStream, direction: Direction, endpoint: Endpoint) {
        connection::serve(stream, direction, endpoint, &self.links, &self.limits).await;
    }
}
