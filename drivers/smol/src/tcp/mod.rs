//! TCP links on smol: listening, telling the node of configured peers, and dialling what it asks
//! for. How much is too much is decided in [`bitcraps_host::tcp`].

mod connection;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bitcraps_host::Links;
use bitcraps_host::tcp::{
    ACCEPT_PAUSE, Limits, REMIND, Seats, TRANSPORT, TcpConfig, endpoint_of, no_address, peer_of,
};
use bitcraps_protocol::event::{Direction, Endpoint};
use smol::Async;
use smol::lock::Semaphore;
use smol::net::{TcpListener, TcpStream, resolve};

use crate::tasks::{Executor, Group, Stop, sleep, within};

/// The TCP links of one node. Dropping it ends them all.
pub struct Tcp {
    stop: Stop,
    local_addr: Option<SocketAddr>,
}

/// What all tasks need.
struct Shared {
    executor: Arc<Executor>,
    links: Links,
    limits: Limits,
    seats: Seats,
    dials: Arc<Semaphore>,
}

impl Tcp {
    /// Starts listening and dialling for the node behind `links`, with tasks of `executor`. Fails
    /// if it cannot listen.
    pub fn start(executor: &Arc<Executor>, links: Links, config: TcpConfig) -> io::Result<Self> {
        let TcpConfig { listen, peers, limits } = config;
        let listener = listen.map(bitcraps_host::tcp::listen).transpose()?;
        let listener = listener.map(Async::new_nonblocking).transpose()?.map(TcpListener::from);
        let local_addr = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let shared = Arc::new(Shared {
            executor: executor.clone(),
            links,
            seats: Seats::new(limits.inbound, limits.inbound_per_source),
            dials: Arc::new(Semaphore::new(limits.dials)),
            limits,
        });
        let stop = Stop::new();
        if let Some(listener) = listener {
            let accepting = accept(listener, shared.clone(), stop.group());
            executor.spawn(stop.group().during(accepting)).detach();
        }
        obey_dials(&shared, &stop.group());
        executor.spawn(stop.group().during(remind(peers, shared))).detach();
        Ok(Self { stop, local_addr })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Ends all links, and returns when they have ended.
    pub async fn shut_down(self) {
        self.stop.stop().await;
    }
}

/// Dials when the node says so, until stopped.
fn obey_dials(shared: &Arc<Shared>, group: &Group) {
    let (dialling, group) = (shared.clone(), group.downgrade());
    shared.links.dialer(TRANSPORT, move |endpoint| {
        let permit = dialling.dials.try_acquire_arc();
        let (Some(group), Some(permit)) = (group.upgrade(), permit) else {
            return dialling.links.dial_failed(endpoint);
        };
        let shared = dialling.clone();
        let work = async move {
            dial_once(endpoint, &shared).await;
            drop(permit);
        };
        dialling.executor.spawn(group.during(work)).detach();
    });
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, group: Group) {
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
        let serving = shared.clone();
        let work = async move {
            let endpoint = endpoint_of(&source.to_string());
            serving.serve(stream, Direction::Inbound, endpoint).await;
            drop(seat);
        };
        shared.executor.spawn(group.clone().during(work)).detach();
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
async fn connect(peer: &str, limits: &Limits) -> io::Result<TcpStream> {
    let connecting = async {
        let mut last = no_address();
        for address in resolve(peer).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    within(limits.connect_timeout, connecting).await?
}

impl Shared {
    async fn serve(&self, stream: TcpStream, direction: Direction, endpoint: Endpoint) {
        connection::serve(stream, direction, endpoint, &self.links, &self.limits).await;
    }
}
