//! Starts a node on a data directory, and tells how it ended.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::identity::{Keypair, NetworkId, ProofOfWork};
use bitcraps_protocol::mesh;
use bitcraps_protocol::node::{
    CannotStart, Config, LightNode, LightSetup, Node, Past, Relay, RelaySetup, Setup,
};

use crate::clock::Clock;
use crate::handle::Handle;
use crate::home::{Home, HomeError};
use crate::inbox::Inbox;
use crate::journal::{self, JournalError, Opened, Origin, Recovery};
use crate::light::{self, Follows, LightLoop};
use crate::lock::{Lock, LockError};
use crate::run::Loop;
use crate::status::StatusCell;
use crate::sync::Arc;

/// A running node.
pub struct Host {
    handle: Handle,
    opened: Opened,
    thread: JoinHandle<Exit>,
}

/// What a host needs.
pub struct Options {
    /// Where the journal and the lock are.
    pub data_dir: PathBuf,
    /// The network to take part in.
    pub genesis: Genesis,
    /// The node's key.
    pub keypair: Keypair,
    /// Its proof of work.
    pub proof: ProofOfWork,
    /// Local policy.
    pub config: Config,
    /// Whether a validator whose journal was lost votes at once, without asking the others what it
    /// may have promised. A human's decision: it may be punished for saying the opposite.
    pub accept_lost_journal: bool,
    /// How many blocks are kept.
    pub history: History,
    /// Whether it follows headers and proofs only, and touches no journal. Not for a validator.
    pub light: bool,
}

/// What a relay needs besides a directory for its lock.
pub struct RelayOptions {
    /// The network for which it carries.
    pub network: NetworkId,
    /// What the identities of neighbours must cost.
    pub work_bits: u8,
    /// Its key.
    pub keypair: Keypair,
    /// Its proof of work.
    pub proof: ProofOfWork,
    /// How it is linked with others.
    pub mesh: mesh::Config,
}

/// How much of the chain's past a node keeps. Whatever it is, the state is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// Every block: this node can tell everything that ever happened.
    #[default]
    Archive,
    /// The newest 131,072 blocks at least: a day and a half at a block a second, seven hours at
    /// the pace of busy tables.
    Full,
    /// The newest 4,096 blocks at least, which is what neighbours need that have fallen behind.
    Light,
}

impl History {
    /// How many of the newest blocks are kept at least; `None` for all.
    pub const fn blocks(self) -> Option<u64> {
        match self {
            Self::Archive => None,
            Self::Full => Some(131_072),
            Self::Light => Some(4_096),
        }
    }
}

/// Why a node did not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory is in use, or cannot be.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The keys of a private network cannot be read.
    #[error(transparent)]
    Keys(#[from] HomeError),
    /// The node refuses what the journal holds.
    #[error("{0}")]
    Refused(String),
    /// The operating system gave no entropy.
    #[error("cannot draw random bytes: {0}")]
    Entropy(getrandom::Error),
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// How a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to.
    Stopped,
    /// It could not go on.
    Failed {
        /// Why, in a sentence.
        reason: String,
        /// What kind of reason.
        kind: FailureKind,
    },
}

/// What kind of reason ended a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The disk is full. Nothing is damaged: make room and start again.
    DiskFull,
    /// The disk failed. Nothing is known to be damaged.
    Disk,
    /// The journal is damaged.
    Journal,
    /// The node itself found that it must not go on.
    Halted,
    /// A bug of ours.
    Panicked,
}

impl Host {
    /// Locks the data directory, recovers what the node has promised, and starts its thread.
    pub fn start(options: Options) -> Result<Self, StartError> {
        if options.light {
            return Self::start_light(options);
        }
        let Options {
            data_dir, genesis, keypair, proof, config, accept_lost_journal, history, ..
        } = options;
        let lock = Lock::take(&data_dir)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(StartError::Entropy)?;
        let origin = Origin { network: genesis.network(), peer: keypair.peer() };
        let directory = journal::directory(&data_dir);
        let mut recovery = Recovery::open(&directory, origin)?.keeping(history.blocks());
        let opened = recovery.opened();
        let past = match (opened.journal_lost, accept_lost_journal) {
            (false, _) => Past::Known,
            (true, false) => Past::Lost,
            (true, true) => Past::Overridden,
        };
        let clock = Clock::start();
        let begins = recovery.begins();
        let home = Home::new(&data_dir);
        let keys = home.keys()?;
        let setup = Setup { genesis, keypair, proof, seed, config, past, begins, keys };
        let node = Node::new(setup, clock.now(), recovery.by_ref());
        // A damaged journal explains a node that refuses what could be read of it.
        let journal = recovery.finish()?;
        let node = node.map_err(|CannotStart(reason)| StartError::Refused(reason))?;

        let status = Arc::new(StatusCell::new(node.status()));
        let inbox = Inbox::new();
        let handle = Handle::new(inbox.shared(), status.clone());
        let turning = Loop::new(node, clock, inbox, journal, status, home, lock);
        let thread = spawn(move || turning.run())?;
        Ok(Self { handle, opened, thread })
    }

    /// Starts a node that follows headers and proofs only.
    fn start_light(options: Options) -> Result<Self, StartError> {
        let Options { data_dir, genesis, keypair, proof, config, .. } = options;
        let me = keypair.peer();
        if genesis.validators.iter().any(|card| card.address.peer == me) {
            return Err(StartError::Refused(
                "this key is a validator's, and a light node votes for nothing; run one with \
                 another --data-dir"
                    .into(),
            ));
        }
        let lock = Lock::take(&data_dir)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(StartError::Entropy)?;
        let (clock, kept) = (Clock::start(), light::kept(&data_dir));
        let home = Home::new(&data_dir);
        let (mesh, keys) = (config.mesh, home.keys()?);
        let setup = LightSetup { genesis, keypair, proof, seed, mesh, kept, keys };
        let node = LightNode::new(setup, clock.now());
        Self::run_without_journal(Follows::Light(Box::new(node)), clock, home, lock)
    }

    /// Starts a relay: it keeps nothing, and needs no genesis.
    pub fn start_relay(data_dir: &Path, setup: RelayOptions) -> Result<Self, StartError> {
        let RelayOptions { network, work_bits, keypair, proof, mesh } = setup;
        let lock = Lock::take(data_dir)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(StartError::Entropy)?;
        let clock = Clock::start();
        let setup = RelaySetup { network, work_bits, keypair, proof, seed, mesh };
        let relay = Relay::new(setup, clock.now());
        Self::run_without_journal(Follows::Relay(Box::new(relay)), clock, Home::new(data_dir), lock)
    }

    fn run_without_journal(
        node: Follows,
        clock: Clock,
        home: Home,
        lock: Lock,
    ) -> Result<Self, StartError> {
        let status = Arc::new(StatusCell::new(node.status()));
        let inbox = Inbox::new();
        let handle = Handle::new(inbox.shared(), status.clone());
        let turning = LightLoop::new(node, clock, inbox, status, home, lock);
        let thread = spawn(move || turning.run())?;
        let opened = Opened { fresh: false, journal_lost: false };
        Ok(Self { handle, opened, thread })
    }

    /// Talks to the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What was found where the journal should be.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// Waits until the node has ended.
    pub fn join(self) -> Exit {
        self.thread.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let reason = format!("this is a bug: {}", text.unwrap_or("the node panicked"));
            Exit::Failed { reason, kind: FailureKind::Panicked }
        })
    }
}

fn spawn(turn: impl FnOnce() -> Exit + Send + 'static) -> Result<JoinHandle<Exit>, StartError> {
    let builder = thread::Builder::new().name("bitcraps-node".to_owned());
    builder.spawn(turn).map_err(StartError::Thread)
}

impl From<JournalError> for Exit {
    fn from(error: JournalError) -> Self {
        let (kind, advice) = if error.is_disk_full() {
            (FailureKind::DiskFull, "; nothing is damaged: make room and start again")
        } else if error.is_system() {
            (FailureKind::Disk, "; nothing that was promised is lost: check the disk, start again")
        } else {
            (FailureKind::Journal, "")
        };
        Self::Failed { reason: format!("{error}{advice}"), kind }
    }
}
