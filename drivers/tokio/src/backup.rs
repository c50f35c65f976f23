//! Backups of a running node, every hour and in full once a day, and what a backup turns out to
//! hold when it is read.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcraps_host::backup::{self, Backup, BackupError, Listing, Records, Target};
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::event::Position;
use bitcraps_protocol::identity::{Keypair, ProofOfWork};
use bitcraps_protocol::keyring::Kept;
use bitcraps_protocol::node::{CannotStart, Config, Node, Past, Setup};
use bitcraps_protocol::time::Time;
use bitcraps_protocol::wire::Hash;

/// How often a running node makes a backup of what came since the last one.
pub const EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it makes a full one.
pub const FULL_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long backups are kept.
pub const KEPT_DAYS: u64 = 30;
/// After how long a backup that was begun and is not finished never will be.
pub const UNFINISHED_HOURS: u64 = 24;
/// How long a running node waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5 * 60);

/// Why a backup is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// It can be read, but no node can start from it.
    #[error("no node can start from {name}: {reason}")]
    Refused {
        /// The backup.
        name: String,
        /// Why.
        reason: String,
    },
}

/// What a backup leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The network.
    pub genesis: Genesis,
    /// The highest block.
    pub height: Height,
    /// The state root after it, as its certified header has it.
    pub state_root: Hash,
}

/// What a backup is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// The node's files.
    pub data_dir: PathBuf,
    /// Its network.
    pub genesis: Genesis,
    /// Its key.
    pub keypair: Keypair,
}

impl Source {
    /// The newest backup in `target` that another one can build upon.
    pub fn newest(&self, target: &dyn Target) -> Result<Option<Backup>, BackupError> {
        let mut backups = backup::list(target)?.backups;
        backups.retain(|it| self.is_own(it));
        let whole = |it: &&Backup| backup::chain(&backups, it).is_ok();
        Ok(backups.iter().rev().find(whole).cloned())
    }

    /// Makes a backup of what came since the newest one in `target`, or of everything.
    pub fn create(&self, target: &dyn Target, full: bool) -> Result<Backup, BackupError> {
        let before = if full { None } else { self.newest(target)? };
        let after = before.map_or(Height(0), |before| before.newest);
        let key = (&self.keypair, self.genesis.network());
        backup::create(&self.data_dir, &self.genesis.encode(), key, target, after, unix_seconds())
    }

    fn is_own(&self, backup: &Backup) -> bool {
        let origin = backup.origin;
        (origin.network, origin.peer) == (self.genesis.network(), self.keypair.peer())
    }

    /// What is due in `target` now, and removes what is old. Returns when to come back.
    fn keep_up(&self, target: &dyn Target) -> Result<Duration, BackupError> {
        let age = |backup: Option<&Backup>| {
            let created = backup.map_or(0, |backup| backup.created);
            Duration::from_secs(unix_seconds().saturating_sub(created))
        };
        let Listing { backups, unreadable } = backup::list(target)?;
        let own: Vec<Backup> = backups.into_iter().filter(|it| self.is_own(it)).collect();
        for error in &unreadable {
            let error = bitcraps_host::exit::sentence(chain_of(error));
            tracing::warn!(error, "a backup cannot be read; nothing is removed until it is gone");
        }
        let newest_full = own.iter().rfind(|it| it.after == Height(0));
        if age(newest_full) >= FULL_EVERY {
            self.create(target, true)?;
        } else if age(own.last()) >= EVERY {
            self.create(target, false)?;
        } else {
            return Ok(EVERY - age(own.last()));
        }
        // What an unreadable one needs cannot be said.
        if !unreadable.is_empty() {
            return Ok(EVERY);
        }
        let oldest = hours_ago(KEPT_DAYS * 24);
        for old in backup::obsolete(&own, oldest) {
            target.remove(&old.name)?;
        }
        for left in target.leftovers(hours_ago(UNFINISHED_HOURS))? {
            target.remove_leftover(&left)?;
        }
        Ok(EVERY)
    }
}

/// Makes backups in `target` until it is dropped.
pub async fn keep_making(source: Source, target: Box<dyn Target>) {
    let target: Arc<dyn Target> = target.into();
    loop {
        let (source, to) = (source.clone(), Arc::clone(&target));
        let wait = match crate::runtime::blocking(move || source.keep_up(&*to)).await {
            Ok(wait) => wait,
            Err(error) => {
                let error = bitcraps_host::exit::sentence(chain_of(&error));
                tracing::error!(error, "no backup was made");
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Reads a chain of backups to its end, executes everything that a start would execute, and so
/// compares every state with what the block's header says.
pub fn verify(
    (target, chain): (&dyn Target, &[Backup]),
    keypair: &Keypair,
) -> Result<Verified, Unusable> {
    let name = chain.last().map(|last| last.name.clone()).unwrap_or_default();
    let refused = |reason: String| Unusable::Refused { name: name.clone(), reason };
    let mut records = Records::open(target, chain, keypair);
    let genesis = Genesis::decode(&records.genesis()?);
    let genesis = genesis.map_err(|malformed| refused(format!("its genesis {malformed}")))?;
    genesis.check().map_err(|refusal| refused(refusal.to_string()))?;
    if chain.iter().any(|backup| backup.origin.network != genesis.network()) {
        return Err(refused("its genesis is another network's".into()));
    }
    // Somebody who takes no part: nothing that is read is signed or sent.
    let Hash(observer) = Hash::of_bytes("bitcraps 2026 observer", &*keypair.seed());
    let observer = Keypair::from_seed(observer);
    let setup = Setup {
        genesis: genesis.clone(),
        keypair: observer,
        proof: ProofOfWork(0),
        seed: [0; 32],
        config: Config::default(),
        past: Past::Known,
        begins: Position(0),
        keys: Kept::nothing(),
    };
    let node = Node::new(setup, Time::ZERO, records.by_ref());
    let newest = records.finish()?;
    let node = node.map_err(|CannotStart(reason)| refused(reason))?;
    let status = node.status();
    if status.height < newest {
        return Err(refused(format!("it leads to height {} only", status.height)));
    }
    Ok(Verified { genesis, height: status.height, state_root: node.state().root() })
}

/// Now.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// So many hours ago, in seconds since the Unix epoch.
pub fn hours_ago(hours: u64) -> u64 {
    unix_seconds().saturating_sub(hours.saturating_mul(60 * 60))
}

fn chain_of<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}
