//! Starting the node of a data directory, before anything connects it with the world.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::event::Notice;
use bitcraps_protocol::identity::{Address, Keypair};
use bitcraps_protocol::mesh;

use crate::audit::{Auditor, Waiting};
use crate::config::{Config, Source};
use crate::home::{Home, HomeError};
use crate::identity::{IdentityError, Passphrase};
use crate::{Handle, Host, Identity, Options, StartError, audit};

/// A node that runs on its own thread and knows nobody yet.
pub struct Launched {
    /// Its thread.
    pub host: Host,
    /// Its files.
    pub home: Home,
    /// Its network.
    pub genesis: Genesis,
    /// Its key.
    pub keypair: Keypair,
    /// Its address.
    pub address: Address,
    /// Hands events to its audit log.
    pub auditor: Auditor,
    /// What was handed in so far, until the log has begun.
    pub waiting: Option<Waiting>,
    /// Whether it votes because a human said so, although its journal was lost.
    pub voted_without_journal: bool,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The data directory holds no network, or another one.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node refuses to start.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Launched {
    /// Starts the node of `config`'s data directory, which must know its network. Makes an
    /// identity if there is none, or dearer if it is worth too little there; a sealed one needs
    /// its `passphrase`. Takes its time.
    pub fn new(
        config: &Config,
        passphrase: Option<&Passphrase>,
        accept_lost_journal: bool,
    ) -> Result<Self, LaunchError> {
        let home = Home::new(&config.data_dir.value);
        let genesis = home.genesis()?;
        let bits = genesis.proof_of_work_bits;
        let (identity, _) = Identity::load_or_create(home.directory(), bits, passphrase)?;
        let address = identity.address();
        let policy =
            bitcraps_protocol::node::Config { mesh: mesh_policy(config), ..Default::default() };
        let options = Options {
            data_dir: home.directory().to_owned(),
            genesis: genesis.clone(),
            keypair: identity.keypair.clone(),
            proof: identity.proof,
            config: policy,
            accept_lost_journal,
            history: config.history.value,
            light: config.light.value,
        };
        let host = Host::start(options)?;
        log_notices(&host.handle(), address);
        let (auditor, waiting) = Auditor::new();
        Ok(Self {
            voted_without_journal: accept_lost_journal && host.opened().journal_lost,
            host,
            home,
            genesis,
            keypair: identity.keypair,
            address,
            auditor,
            waiting: Some(waiting),
        })
    }

    /// Begins to write down what the node does, once. It goes on without if that is impossible.
    pub fn start_audit(
        &mut self,
        handle: &Handle,
        config: &Config,
        listens_on: Option<SocketAddr>,
    ) {
        let first = audit::Event::Started {
            version: env!("CARGO_PKG_VERSION").into(),
            address: self.address.to_string(),
            listen: listens_on.map_or("off".to_owned(), |address| address.to_string()),
            peers: config.peers.value.clone(),
            overridden: self.voted_without_journal,
        };
        let (keypair, network) = (self.keypair.clone(), self.genesis.network());
        let Some(waiting) = self.waiting.take() else { return };
        let events = (&self.auditor, waiting);
        let data_dir = self.home.directory();
        if let Err(error) = audit::start(data_dir, keypair, network, handle, events, first) {
            tracing::error!(%error, "there is no audit log");
        }
    }
}

/// How a node is linked with others, as its owner says.
pub fn mesh_policy(config: &Config) -> mesh::Config {
    let (allow, deny) = (config.allow.value.clone(), config.deny.value.clone());
    mesh::Config {
        links: config.links.value,
        exchanges_contacts: config.exchange.value,
        access: mesh::Access { allow, deny },
        ..mesh::Config::default()
    }
}

/// Where to listen: whoever was invited is a player, whom nobody needs to dial, and takes any free
/// port unless told otherwise.
pub fn choose_port(config: &mut Config, home: &Home) {
    if config.listen.source == Source::Default
        && home.was_invited()
        && let Some(listen) = &mut config.listen.value
    {
        listen.set_port(0);
    }
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
        Notice::Misbehaved { link, peer, fault, response } => {
            let peer = peer.map(|peer| peer.short());
            tracing::warn!(node, peer, %link, ?fault, %response, "a peer broke the protocol");
        }
        Notice::Suspicious { suspicion, peer, severity, response } => {
            let peer = peer.map(|peer| peer.short());
            tracing::warn!(node, peer, %suspicion, %severity, %response, "suspicious");
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
        Notice::RotationProposed { id, version, by, needed } => {
            let id = id.to_string();
            tracing::info!(node, id, version, by, needed, "new network key proposed");
        }
        Notice::KeyChanged { version } => tracing::info!(node, version, "new network key"),
        Notice::LeftOut => tracing::warn!(node, "left out of the new network key"),
        Notice::Abstains { reason } => tracing::warn!(node, reason, "does not vote"),
        // Who speaks is enough: what people say belongs in no log.
        Notice::Said { room: _, line } => {
            tracing::debug!(node, from = line.from.short(), "said something");
        }
        Notice::Delivered { id, to } => {
            tracing::debug!(node, id = id.short(), to = to.short(), "letter delivered");
        }
        Notice::Undelivered { id, to } => {
            tracing::info!(node, id = id.short(), to = to.short(), "letter not delivered");
        }
        Notice::Halted { reason } => tracing::error!(node, reason, "halted"),
    }
}
