//! What a data directory holds besides identity, journal and API socket: the network's genesis,
//! the peers that an invitation named, and the invitation until its chips are taken.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bitcraps_protocol::chain::{Genesis, GenesisRefusal};
use bitcraps_protocol::identity::NetworkId;
use bitcraps_protocol::keyring::{Kept, NetworkKey};
use bitcraps_protocol::wire::{BadText, Malformed, limits};

use crate::config::is_endpoint;
use crate::ticket::{HINTS, Ticket};

const GENESIS: &str = "genesis";
const PEERS: &str = "peers";
const TICKET: &str = "ticket";
const KEYS: &str = "network-keys";
/// Bytes of the longest small text file that is read.
const TEXT_BYTES: u64 = 16 * 1024;

/// A data directory.
#[derive(Clone, Debug)]
pub struct Home {
    directory: PathBuf,
}

/// What is wrong with a data directory or a genesis file.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file could not be read or written.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not a genesis.
    #[error("{path} is not a genesis file: {reason}", path = path.display())]
    NotGenesis {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: Malformed,
    },
    /// The file is a genesis, but one that no network can start from.
    #[error("the genesis in {path} is refused: {reason}", path = path.display())]
    BadGenesis {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: GenesisRefusal,
    },
    /// The file is not a network's key.
    #[error("the network key in {path} {reason}", path = path.display())]
    NotKey {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: BadText,
    },
    /// The file does not hold the keys of a network.
    #[error(
        "{path} does not hold a network's keys: {reason}; ask a member for an invitation, put this \
         file away and join anew",
        path = path.display()
    )]
    NotKeys {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: Malformed,
    },
    /// The directory belongs to another network.
    #[error(
        "{directory} belongs to the network \"{name}\" ({there}), not to {wanted}; \
         choose another --data-dir",
        directory = directory.display(), there = there.short(), wanted = wanted.short()
    )]
    OtherNetwork {
        /// The data directory.
        directory: PathBuf,
        /// Its network's name.
        name: String,
        /// Its network.
        there: NetworkId,
        /// The network it should be.
        wanted: NetworkId,
    },
    /// There is no network yet.
    #[error(
        "{directory} knows no network yet; join one with: bitcraps join TICKET, or make one: \
         bitcraps network new --help",
        directory = directory.display()
    )]
    NoNetwork {
        /// The data directory.
        directory: PathBuf,
    },
}

impl Home {
    /// The data directory at `directory`, which need not exist yet.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its genesis is.
    pub fn genesis_path(&self) -> PathBuf {
        self.directory.join(GENESIS)
    }

    /// The network of this directory.
    pub fn genesis(&self) -> Result<Genesis, HomeError> {
        match read_genesis(&self.genesis_path()) {
            Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(HomeError::NoNetwork { directory: self.directory.clone() })
            }
            other => other,
        }
    }

    /// Whether there is a genesis, readable or not.
    pub fn has_genesis(&self) -> bool {
        self.genesis_path().exists()
    }

    /// Whether an invitation led here.
    pub fn was_invited(&self) -> bool {
        self.directory.join(PEERS).exists()
    }

    /// Makes `genesis` the network of this directory. Refused if it has another one.
    pub fn adopt(&self, genesis: &Genesis) -> Result<(), HomeError> {
        self.check_network(genesis.network())?;
        self.write(GENESIS, &genesis.encode())
    }

    /// Refuses unless this directory has no network or the network `wanted`.
    pub fn check_network(&self, wanted: NetworkId) -> Result<(), HomeError> {
        let present = match self.genesis() {
            Ok(present) => present,
            Err(HomeError::NoNetwork { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if present.network() == wanted {
            return Ok(());
        }
        Err(HomeError::OtherNetwork {
            directory: self.directory.clone(),
            name: present.name.to_string(),
            there: present.network(),
            wanted,
        })
    }

    /// The peers that the invitation named.
    pub fn peers(&self) -> Result<Vec<String>, HomeError> {
        let text = self.read(PEERS)?.unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| is_endpoint(line));
        Ok(lines.take(HINTS).map(Into::into).collect())
    }

    /// The keys of a private network; none if it is not private.
    pub fn keys(&self) -> Result<Kept, HomeError> {
        let path = self.directory.join(KEYS);
        match std::fs::read(&path) {
            Ok(bytes) => Kept::decode(&bytes).map_err(|reason| HomeError::NotKeys { path, reason }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::nothing()),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Remembers the keys of a private network.
    pub fn keep_keys(&self, keys: &[u8]) -> Result<(), HomeError> {
        self.write(KEYS, keys)
    }

    /// Makes this directory that of a member who was given `key`. One that has keys already keeps
    /// them: they may be newer.
    pub fn adopt_key(&self, key: NetworkKey) -> Result<(), HomeError> {
        if self.directory.join(KEYS).exists() {
            return Ok(());
        }
        self.keep_keys(&Kept::of(key).encode())
    }

    /// The same with the key in a file, one word.
    pub fn adopt_key_in(&self, path: &Path) -> Result<(), HomeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| HomeError::Io { path: path.to_owned(), source })?;
        let key = text.parse();
        self.adopt_key(key.map_err(|reason| HomeError::NotKey { path: path.to_owned(), reason })?)
    }

    /// Keeps an accepted invitation: its peers, and the ticket itself while it holds chips.
    pub fn accept(&self, ticket: &Ticket) -> Result<(), HomeError> {
        let peers = ticket.hints.iter().map(|hint| format!("{hint}\n")).collect::<String>();
        self.write(PEERS, peers.as_bytes())?;
        if let Some(key) = &ticket.key {
            self.adopt_key(key.clone())?;
        }
        if ticket.voucher.is_some() {
            self.write(TICKET, ticket.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// The invitation whose chips are not taken yet, if there is one.
    pub fn ticket(&self) -> Result<Option<Ticket>, HomeError> {
        // One that cannot be read is no use to anybody; it was complete when it was written.
        Ok(self.read(TICKET)?.and_then(|text| text.parse().ok()))
    }

    /// Forgets the invitation's chips, because they are taken.
    pub fn ticket_is_used(&self) -> Result<(), HomeError> {
        let path = self.directory.join(TICKET);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(HomeError::Io { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn read(&self, name: &str) -> Result<Option<String>, HomeError> {
        let path = self.directory.join(name);
        let read = std::fs::File::open(&path).and_then(|file| {
            let mut text = String::new();
            file.take(TEXT_BYTES).read_to_string(&mut text)?;
            Ok(text)
        });
        match read {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        write_whole(&self.directory.join(name), bytes)
    }
}

/// Reads and checks the genesis in `path`.
pub fn read_genesis(path: &Path) -> Result<Genesis, HomeError> {
    let mut bytes = Vec::new();
    let most = limits::GENESIS_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|source| HomeError::Io { path: path.to_owned(), source })?;
    let genesis = Genesis::decode(&bytes)
        .map_err(|reason| HomeError::NotGenesis { path: path.to_owned(), reason })?;
    genesis.check().map_err(|reason| HomeError::BadGenesis { path: path.to_owned(), reason })?;
    Ok(genesis)
}

/// Writes a file that its owner alone can read, and that is complete or not there at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let write = || {
        if let Some(directory) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let fresh = path.with_file_name(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(|source| HomeError::Io { path: path.to_owned(), source })
}
