//! One running node with everything around it: its thread, its TCP and Bluetooth links, its API, and the chips
//! of its invitation.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::path::Path;

use bitcraps_host::api::Failure;
use bitcraps_host::identity::{IdentityError, Passphrase};
use bitcraps_host::{Exit, Handle, Host, Identity, Options, StartError};
use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::event::Notice;
use bitcraps_protocol::identity::Address;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{Api, ApiError, ApiOptions};
use crate::audit;
use crate::backup::{Source, keep_making};
use crate::config::Config;
use crate::home::{Home, HomeError};
use crate::lan::Lan;
use crate::radio::{Radio, RadioError};
use crate::redeem::{Redeemed, redeem};
use crate::tcp::{Tcp, TcpConfig, endpoint_of};

/// A running node.
pub struct Running {
    home: Home,
    address: Address,
    handle: Handle,
    tcp: Tcp,
    lan: Option<Lan>,
    radio: Option<Radio>,
    listens_on: Option<SocketAddr>,
    api: Api,
    exit: watch::Receiver<Option<Exit>>,
    voted_without_journal: bool,
    /// Ends when this is dropped.
    _backups: JoinSet<()>,
}

/// What connects a node with the world.
struct Around {
    tcp: Tcp,
    lan: Option<Lan>,
    radio: Option<Radio>,
    listens_on: Option<SocketAddr>,
    api: Api,
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory holds no network, or another one.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node refuses to start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No peers can be accepted.
    #[error("cannot listen on {at}: {source}; choose another place with --listen")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The API cannot be served.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Bluetooth is wanted but cannot even be tried.
    #[error(transparent)]
    Radio(#[from] RadioError),
}

/// What became of the invitation's chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chips {
    /// There was no invitation with chips, or they were taken earlier.
    None,
    /// They are now in the node's account.
    Received(u64),
    /// Somebody else was faster.
    TakenBefore,
}

impl Running {
    /// Starts the node of `config`'s data directory, which must know its network. Makes an
    /// identity if there is none, or dearer if it is worth too little there; a sealed one needs
    /// its `passphrase`.
    pub async fn start(
        config: &Config,
        passphrase: Option<Passphrase>,
        accept_lost_journal: bool,
    ) -> Result<Self, RunError> {
        let home = Home::new(&config.data_dir.value);
        let genesis = home.genesis()?;
        let (identity, _) = {
            let (directory, bits) = (home.directory().to_owned(), genesis.proof_of_work_bits);
            let create = move || Identity::load_or_create(&directory, bits, passphrase.as_ref());
            blocking(create).await?
        };
        let address = identity.address();
        let mut backups = JoinSet::new();
        let source = Source {
            data_dir: home.directory().to_owned(),
            genesis: genesis.clone(),
            keypair: identity.keypair.clone(),
        };
        let host = start_host(config, &home, genesis, identity, accept_lost_journal).await?;
        let voted_without_journal = accept_lost_journal && host.opened().journal_lost;
        let handle = host.handle();
        let exit = watch_over(host);
        log_notices(&handle, address);

        let around = Self::start_around(config, &home, &handle).await;
        let Around { tcp, lan, radio, listens_on, api } = match around {
            Ok(around) => around,
            Err(error) => {
                handle.shut_down();
                ended(&exit).await;
                return Err(error);
            }
        };
        let first = audit::Event::Started {
            version: env!("CARGO_PKG_VERSION").into(),
            address: address.to_string(),
            listen: listens_on.map_or("off".to_owned(), |address| address.to_string()),
            peers: config.peers.value.clone(),
            overridden: voted_without_journal,
        };
        let (keypair, network) = (source.keypair.clone(), source.genesis.network());
        if let Err(error) = audit::start(home.directory(), keypair, network, &handle, first) {
            tracing::error!(%error, "there is no audit log");
        }
        if let Some(target) = config.backup.value.clone() {
            backups.spawn(keep_making(source, target));
        }
        Ok(Self {
            home,
            address,
            handle,
            tcp,
            lan,
            radio,
            listens_on,
            api,
            exit,
            voted_without_journal,
            _backups: backups,
        })
    }

    async fn start_around(
        config: &Config,
        home: &Home,
        handle: &Handle,
    ) -> Result<Around, RunError> {
        let mut peers = config.peers.value.clone();
        peers.extend(home.peers()?);
        peers.sort();
        peers.dedup();
        let at = config.listen.value;
        let options = TcpConfig { listen: at, peers: peers.clone(), ..TcpConfig::default() };
        let tcp = Tcp::start(handle.links(), options);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let tcp = tcp.map_err(|source| RunError::Listen { at: at.unwrap_or(nowhere), source })?;
        let listens_on = tcp.local_addr();
        for place in places(&config.advertise.value, listens_on) {
            handle.links().reachable(endpoint_of(&place));
        }
        let options = ApiOptions {
            data_dir: home.directory().to_owned(),
            tcp: config.api.value,
            hints: hints(&config.advertise.value, listens_on, peers),
        };
        let api = Api::start(handle.clone(), options).await?;
        let lan = listens_on.and_then(|address| announce(config, handle, address));
        let radio = Radio::start(config, handle)?;
        Ok(Around { tcp, lan, radio, listens_on, api })
    }

    /// The node's address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether it votes because a human said so, although its journal was lost.
    pub fn voted_without_journal(&self) -> bool {
        self.voted_without_journal
    }

    /// Where its files are.
    pub fn data_dir(&self) -> &Path {
        self.home.directory()
    }

    /// Where peers are accepted over TCP, if they are.
    pub fn listens_on(&self) -> Option<SocketAddr> {
        self.listens_on
    }

    /// Whether it looks for peers over Bluetooth.
    pub fn is_on_bluetooth(&self) -> bool {
        self.radio.is_some()
    }

    /// Where the API is served over TCP, if it is.
    pub fn api_tcp_addr(&self) -> Option<SocketAddr> {
        self.api.tcp_addr()
    }

    /// Talks to the node.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes the chips of the accepted invitation, as soon as the chain shows them. May be dropped
    /// and called again.
    pub async fn take_chips(&self) -> Result<Chips, TakeError> {
        let Some(voucher) = self.home.ticket()?.and_then(|ticket| ticket.voucher) else {
            return Ok(Chips::None);
        };
        let redeemed = redeem(&self.handle, self.api.hub(), &voucher, self.address).await?;
        self.home.ticket_is_used()?;
        Ok(match redeemed {
            Redeemed::Received(amount) => Chips::Received(amount),
            Redeemed::TakenBefore => Chips::TakenBefore,
        })
    }

    /// Waits until the node has ended by itself.
    pub async fn ended(&self) -> Exit {
        ended(&self.exit).await
    }

    /// Stops everything and tells how the node ended.
    pub async fn stop(self) -> Exit {
        self.handle.shut_down();
        let exit = self.ended().await;
        drop(self.lan);
        if let Some(radio) = self.radio {
            radio.stop().await;
        }
        self.api.stop().await;
        self.tcp.shut_down().await;
        exit
    }
}

/// Why an invitation's chips are not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The invitation cannot be read or forgotten.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The node does not do it.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Looks around on the local network, if the owner wants it and others there could connect. A node
/// does without where that does not work.
fn announce(config: &Config, handle: &Handle, listens_on: SocketAddr) -> Option<Lan> {
    if !config.lan.value || listens_on.ip().is_loopback() {
        return None;
    }
    let status = handle.status();
    let (network, port) = (status.network, listens_on.port());
    let lan = Lan::start(network, &status.name, status.peer, port, handle.links());
    lan.inspect_err(|error| tracing::warn!(%error, "others here cannot find this node")).ok()
}

async fn start_host(
    config: &Config,
    home: &Home,
    genesis: Genesis,
    identity: Identity,
    accept_lost_journal: bool,
) -> Result<Host, StartError> {
    let mut policy = bitcraps_protocol::node::Config::default();
    policy.mesh.links = config.links.value;
    policy.mesh.exchanges_contacts = config.exchange.value;
    let options = Options {
        data_dir: home.directory().to_owned(),
        genesis,
        keypair: identity.keypair,
        proof: identity.proof,
        config: policy,
        accept_lost_journal,
        history: config.history.value,
    };
    blocking(move || Host::start(options)).await
}

/// Disk and proof of work, away from the tasks that serve others.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Tells how `host` ends, when it does.
fn watch_over(host: Host) -> watch::Receiver<Option<Exit>> {
    let (sender, receiver) = watch::channel(None);
    // A thread of its own: a runtime that is dropped would wait for a blocking task.
    std::thread::spawn(move || sender.send_replace(Some(host.join())));
    receiver
}

async fn ended(exit: &watch::Receiver<Option<Exit>>) -> Exit {
    let mut exit = exit.clone();
    let ended = exit.wait_for(Option::is_some).await.expect("joining a thread does not panic");
    ended.clone().expect("that is what was waited for")
}

/// Tells the log what the node says.
fn log_notices(handle: &Handle, address: Address) {
    let node = address.peer.short();
    handle.subscribe(move |notice| {
        log(&node, notice);
        ControlFlow::Continue(())
    });
}

fn log(node: &str, notice: &Notice) {
    match notice {
        Notice::PeerUp { peer, link } => {
            tracing::info!(node, peer = %peer.short(), %link, "connected");
        }
        Notice::PeerDown { peer } => tracing::info!(node, peer = %peer.short(), "disconnected"),
        Notice::Misbehaved { link, peer, fault } => {
            let peer = peer.map(|peer| peer.short());
            tracing::warn!(node, peer, %link, ?fault, "a peer broke the protocol");
        }
        Notice::Evidence { validator, what } => {
            tracing::error!(node, %validator, what, "a validator contradicted itself");
        }
        Notice::Entered { view } => tracing::trace!(node, %view, "entered"),
        Notice::Finalized { height, view, hash, time, transactions } => {
            let hash = hash.short();
            tracing::debug!(node, %height, %view, hash, %time, transactions, "final");
        }
        Notice::Done { id, height, table: _ } => {
            tracing::debug!(node, id = id.short(), %height, "transaction final");
        }
        Notice::Failed { id, rejection } => {
            tracing::info!(node, id = id.short(), %rejection, "transaction impossible");
        }
        Notice::Rolled { table, round, dice, view: _ } => {
            tracing::debug!(node, table = table.0, round = round.0, %dice, "rolled");
        }
        Notice::Settled { table, round, dice } => {
            tracing::debug!(node, table = table.0, round = round.0, %dice, "settled");
        }
        Notice::Abstains { reason } => tracing::warn!(node, reason, "does not vote"),
        Notice::Halted { reason } => tracing::error!(node, reason, "halted"),
    }
}

/// Where a ticket's reader may find this network: what the owner says, or else what the node
/// listens on, and its own peers.
fn hints(advertise: &[String], listens: Option<SocketAddr>, peers: Vec<String>) -> Vec<String> {
    let mut hints = places(advertise, listens);
    hints.extend(peers);
    hints
}

/// Where others can reach this node: what the owner says, or else what it listens on.
fn places(advertise: &[String], listens: Option<SocketAddr>) -> Vec<String> {
    match advertise {
        [] => listens.map(|listens| reachable(listens).to_string()).into_iter().collect(),
        said => said.to_vec(),
    }
}

/// An address at which others may reach what listens on every address: the one that the system
/// would use to talk to the world. Nothing is sent to find it.
fn reachable(listens: SocketAddr) -> SocketAddr {
    if !listens.ip().is_unspecified() {
        return listens;
    }
    let somewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(somewhere)?;
        socket.local_addr()
    });
    let ip = found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_what_the_owner_says_or_what_it_listens_on() {
        let listens = SocketAddr::from(([127, 0, 0, 1], 7711));
        let peers = || vec!["b.example:1".to_owned()];
        assert_eq!(hints(&[], Some(listens), peers()), ["127.0.0.1:7711", "b.example:1"]);
        let said = ["a.example:2".to_owned()];
        assert_eq!(hints(&said, Some(listens), peers()), ["a.example:2", "b.example:1"]);
        assert_eq!(hints(&[], None, peers()), ["b.example:1"]);
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 7711));
        assert!(!reachable(everywhere).ip().is_unspecified());
    }
}
