//! One running node with everything around it: its thread, its TCP links, its API, and the chips
//! of its invitation.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use bitcraps_host::api::SOCKET_NAME;
use bitcraps_host::config::Config;
use bitcraps_host::home::{Home, HomeError};
use bitcraps_host::identity::Passphrase;
use bitcraps_host::lan::Lan;
use bitcraps_host::launch::{LaunchError, Launched};
use bitcraps_host::redeem::{Chips, TakeError, take_chips};
use bitcraps_host::tcp::Places;
use bitcraps_host::{Exit, Handle, Host};
use bitcraps_protocol::identity::Address;
use smol::channel::{Receiver, bounded};
use smol::lock::OnceCell;

use crate::api::Api;
pub use crate::tasks::Executor;
use crate::tasks::sleep;
use crate::tcp::Tcp;

/// A running node.
pub struct Running {
    home: Home,
    address: Address,
    handle: Handle,
    around: Around,
    exit: Ending,
    voted_without_journal: bool,
}

/// What connects a node with the world.
struct Around {
    tcp: Tcp,
    lan: Option<Lan>,
    listens_on: Option<SocketAddr>,
    api: Api,
}

/// How a node ends, when it does.
struct Ending {
    coming: Receiver<Exit>,
    exit: OnceCell<Exit>,
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
    #[error("cannot serve the API at {at}: {source}")]
    Api {
        /// The socket's path.
        at: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Running {
    /// Starts the node of `config`'s data directory, with tasks of `executor`; see [`Launched`].
    /// Takes its time.
    pub fn start(
        executor: &Arc<Executor>,
        config: &Config,
        passphrase: Option<&Passphrase>,
        accept_lost_journal: bool,
    ) -> Result<Self, RunError> {
        let mut launched = Launched::new(config, passphrase, accept_lost_journal)?;
        let handle = launched.host.handle();
        let around = match Around::start(executor, config, &launched, &handle) {
            Ok(around) => around,
            Err(error) => {
                handle.shut_down();
                launched.host.join();
                return Err(error);
            }
        };
        launched.start_audit(&handle, config, around.listens_on);
        let Launched { host, home, address, voted_without_journal, .. } = launched;
        let exit = Ending::of(host);
        Ok(Self { home, address, handle, around, exit, voted_without_journal })
    }

    /// Whether it votes because a human said so, although its journal was lost.
    pub fn voted_without_journal(&self) -> bool {
        self.voted_without_journal
    }

    /// Where peers are accepted.
    pub fn listens_on(&self) -> Option<SocketAddr> {
        self.around.listens_on
    }

    /// Talks to the node.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes the chips of the accepted invitation, as soon as the chain shows them. May be dropped
    /// and called again.
    pub async fn take_chips(&self) -> Result<Chips, TakeError> {
        take_chips(&self.home, &self.handle, self.around.api.hub(), self.address, sleep).await
    }

    /// Waits until the node has ended by itself.
    pub async fn ended(&self) -> Exit {
        self.exit.wait().await
    }

    /// Stops everything and tells how the node ended.
    pub async fn stop(self) -> Exit {
        self.handle.shut_down();
        let exit = self.exit.wait().await;
        let Around { tcp, lan, listens_on: _, api } = self.around;
        drop(lan);
        api.stop().await;
        tcp.shut_down().await;
        exit
    }
}

impl Around {
    fn start(
        executor: &Arc<Executor>,
        config: &Config,
        launched: &Launched,
        handle: &Handle,
    ) -> Result<Self, RunError> {
        let home = &launched.home;
        let places = Places::of(config, home)?;
        let at = config.listen.value;
        let tcp = Tcp::start(executor, handle.links(), places.tcp(at));
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let tcp = tcp.map_err(|source| RunError::Listen { at: at.unwrap_or(nowhere), source })?;
        let listens_on = tcp.local_addr();
        places.tell(&handle.links(), listens_on);
        let (directory, hints) = (home.directory(), places.hints(listens_on));
        let api = Api::start(executor, handle.clone(), directory, hints, launched.auditor.clone());
        let api = api.map_err(|source| {
            let at = directory.join(SOCKET_NAME).display().to_string();
            RunError::Api { at, source }
        })?;
        let lan = listens_on.and_then(|address| Lan::join(config, handle, address));
        Ok(Self { tcp, lan, listens_on, api })
    }
}

impl Ending {
    fn of(host: Host) -> Self {
        let (sender, coming) = bounded(1);
        thread::spawn(move || {
            // Fails only if nobody wants to know.
            let _ = sender.send_blocking(host.join());
        });
        Self { coming, exit: OnceCell::new() }
    }

    async fn wait(&self) -> Exit {
        let coming = async { self.coming.recv().await.expect("joining a thread does not panic") };
        self.exit.get_or_init(|| coming).await.clone()
    }
}
