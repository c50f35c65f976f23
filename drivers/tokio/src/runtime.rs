//! One running node with everything around it: its thread, its TCP and Bluetooth links, its API, and the chips
//! of its invitation.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use bitcraps_host::Identity;
use bitcraps_host::RelayOptions;
use bitcraps_host::audit::Auditor;
use bitcraps_host::identity::Passphrase;
use bitcraps_host::launch::{LaunchError, Launched, mesh_policy};
use bitcraps_host::redeem::take_chips;
pub use bitcraps_host::redeem::{Chips, TakeError};
use bitcraps_host::tcp::Places;
use bitcraps_host::{Exit, Handle, Host};
use bitcraps_protocol::identity::Address;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::{Api, ApiError, ApiOptions};
use crate::backup::{Source, keep_making};
use crate::config::Config;
use crate::home::{Home, HomeError};
use crate::lan::Lan;
use crate::radio::{Radio, RadioError};
use crate::target::{self, TargetError};
use crate::tcp::Tcp;
use crate::ticket::Ticket;

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
    /// The node itself does not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its peers cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
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
    /// There is no such place for backups.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Bluetooth is wanted but cannot even be tried.
    #[error(transparent)]
    Radio(#[from] RadioError),
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
        let target = config.backup.value.as_ref();
        let target = target.map(|place| target::open(place, &config.data_dir.value)).transpose()?;
        let launch = {
            let config = config.clone();
            move || Launched::new(&config, passphrase.as_ref(), accept_lost_journal)
        };
        let mut launched = blocking(launch).await?;
        let handle = launched.host.handle();

        let (home, auditor) = (&launched.home, launched.auditor.clone());
        let around = Self::start_around(config, home, &handle, auditor).await;
        let Around { tcp, lan, radio, listens_on, api } = match around {
            Ok(around) => around,
            Err(error) => {
                handle.shut_down();
                ended(&watch_over(launched.host)).await;
                return Err(error);
            }
        };
        launched.start_audit(&handle, config, listens_on);
        let Launched { host, home, genesis, keypair, address, voted_without_journal, .. } =
            launched;
        let exit = watch_over(host);
        let mut backups = JoinSet::new();
        if let Some(target) = target {
            let data_dir = home.directory().to_owned();
            backups.spawn(keep_making(Source { data_dir, genesis, keypair }, target));
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

    /// Starts a relay for the network that `ticket` names.
    pub async fn relay(
        config: &Config,
        ticket: &Ticket,
        identity: Identity,
    ) -> Result<Self, RunError> {
        let home = Home::new(&config.data_dir.value);
        let address = identity.address();
        let options = RelayOptions {
            network: ticket.network,
            work_bits: ticket.work_bits,
            keypair: identity.keypair,
            proof: identity.proof,
            mesh: mesh_policy(config),
        };
        let host = Host::start_relay(home.directory(), options).map_err(LaunchError::from)?;
        let handle = host.handle();
        // Nothing it does is worth a signed log.
        let (auditor, _) = Auditor::new();
        let around = Self::start_around(config, &home, &handle, auditor).await;
        let Around { tcp, lan, radio, listens_on, api } = match around {
            Ok(around) => around,
            Err(error) => {
                handle.shut_down();
                ended(&watch_over(host)).await;
                return Err(error);
            }
        };
        Ok(Self {
            home,
            address,
            handle,
            tcp,
            lan,
            radio,
            listens_on,
            api,
            exit: watch_over(host),
            voted_without_journal: false,
            _backups: JoinSet::new(),
        })
    }

    async fn start_around(
        config: &Config,
        home: &Home,
        handle: &Handle,
        auditor: Auditor,
    ) -> Result<Around, RunError> {
        let places = Places::of(config, home)?;
        let at = config.listen.value;
        let tcp = Tcp::start(handle.links(), places.tcp(at));
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let tcp = tcp.map_err(|source| RunError::Listen { at: at.unwrap_or(nowhere), source })?;
        let listens_on = tcp.local_addr();
        places.tell(&handle.links(), listens_on);
        let options = ApiOptions {
            data_dir: home.directory().to_owned(),
            tcp: config.api.value,
            hints: places.hints(listens_on),
            auditor,
        };
        let api = Api::start(handle.clone(), options).await?;
        let lan = listens_on.and_then(|address| Lan::join(config, handle, address));
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
        if self.handle.status().light {
            return Ok(Chips::None);
        }
        take_chips(&self.home, &self.handle, self.api.hub(), self.address, sleep).await
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
