//! The node's identity on disk: one small text file in the data directory, readable by its owner
//! only, whose secret may be sealed under a passphrase. It is created together with an empty
//! journal, so that a key whose journal has vanished is noticed before it votes a second time on
//! something it has forgotten.
//!
//! ```text
//! bitcraps identity 2
//! key <public key, 64 hexadecimal digits>
//! proof <proof of work>
//! seed <64 digits>                                            if it is not sealed, else:
//! argon2id <KiB> <passes> <lanes> <salt, 32 digits>
//! check <32 digits>
//! xchacha20poly1305 <nonce, 48 digits> <sealed seed, 96 digits>
//! sum <32 digits of the BLAKE3 of all lines above>
//! ```
//!
//! The sum tells a damaged file from a wrong passphrase. Version 1, without `key` and `sum` and
//! never sealed, is still read.

mod given;
mod seal;
mod text;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bip39::Mnemonic;
use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use zeroize::Zeroizing;

use crate::files;
use crate::journal;
use crate::lock::{Lock, LockError};
pub use given::{GivenError, given_passphrase};
pub use seal::{BadPassphrase, Cost, Passphrase};
use seal::{CannotOpen, NONCE_BYTES, SALT_BYTES, Sealed};
use text::{Secret, Stored};

const FILE: &str = "identity";
/// Bytes of the longest file that can be an identity.
const FILE_BYTES: u64 = 4096;

/// A key and what it cost.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The secret key.
    pub keypair: Keypair,
    /// Its proof of work.
    pub proof: ProofOfWork,
}

/// What the identity file says without a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// What others call the identity; not to be believed before the secret was seen.
    pub address: Address,
    /// Whether the secret is sealed.
    pub is_sealed: bool,
}

/// Why there is no identity to use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Others can read the secret key.
    #[error(
        "{path} can be read by others (mode {mode:o}); if nobody has read it, run: chmod 600 {path}",
        path = .path.display()
    )]
    Exposed {
        /// The identity file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not an identity of this version.
    #[error("{path} is not a valid identity file: {what}; restore it from a copy", path = .path.display())]
    Invalid {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it. Never quotes the file.
        what: &'static str,
    },
    /// The secret is sealed, and no passphrase was given.
    #[error(
        "{path} is sealed: give its passphrase when asked, in a file that BITCRAPS_PASSPHRASE_FILE \
         names, or in BITCRAPS_PASSPHRASE",
        path = .path.display()
    )]
    NeedsPassphrase {
        /// The identity file.
        path: PathBuf,
    },
    /// The passphrase is not the one.
    #[error("{path} was sealed with another passphrase; nothing is damaged", path = .path.display())]
    WrongPassphrase {
        /// The identity file.
        path: PathBuf,
    },
    /// The passphrase is right, but somebody changed the file.
    #[error(
        "{path} was changed by somebody after it was sealed; do not use it, restore it from a copy \
         or from its recovery phrase (bitcraps key import)",
        path = .path.display()
    )]
    Tampered {
        /// The identity file.
        path: PathBuf,
    },
    /// There is an identity already.
    #[error("{path} is there already; choose another data directory", path = .path.display())]
    Exists {
        /// The identity file.
        path: PathBuf,
    },
    /// The words are not a recovery phrase.
    #[error("this is not a recovery phrase of 24 words: {0}")]
    BadPhrase(String),
    /// A journal is there, but the key that wrote it is not.
    #[error(
        "{path} is missing, but a journal is there: restore the file from a copy, or choose \
         another data directory",
        path = .path.display()
    )]
    Missing {
        /// The identity file.
        path: PathBuf,
    },
    /// The data directory is in use.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A file could not be read or written.
    #[error("cannot use {path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Identity {
    /// The identity in `data_dir`, if there is one. A sealed one needs its passphrase.
    pub fn load(
        data_dir: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<Self>, IdentityError> {
        let path = data_dir.join(FILE);
        let Some(stored) = read(&path)? else { return Ok(None) };
        let seed = match &stored.secret {
            Secret::Open(seed) => seed.clone(),
            Secret::Sealed(sealed) => {
                let Some(passphrase) = passphrase else {
                    return Err(IdentityError::NeedsPassphrase { path });
                };
                sealed.open(passphrase, &stored.beside()).map_err(|error| {
                    let path = path.clone();
                    match error {
                        CannotOpen::WrongPassphrase => IdentityError::WrongPassphrase { path },
                        CannotOpen::Tampered => IdentityError::Tampered { path },
                    }
                })?
            }
        };
        let keypair = Keypair::from_seed(*seed);
        if !stored.is_of(keypair.peer()) {
            return Err(IdentityError::Tampered { path });
        }
        Ok(Some(Self { keypair, proof: stored.proof }))
    }

    /// What the identity file in `data_dir`, if there is one, says without a passphrase.
    pub fn outside(data_dir: &Path) -> Result<Option<Outside>, IdentityError> {
        let stored = read(&data_dir.join(FILE))?;
        Ok(stored.map(|stored| Outside {
            address: Address { peer: stored.peer, proof: stored.proof },
            is_sealed: matches!(stored.secret, Secret::Sealed(_)),
        }))
    }

    /// The identity in `data_dir`, made if there is none, and whether it was made. Its proof of
    /// work is worth at least `bits`; one that is worth less is replaced. A new one is sealed if
    /// there is a passphrase. Takes the data directory's lock only when it writes.
    pub fn load_or_create(
        data_dir: &Path,
        bits: u8,
        passphrase: Option<&Passphrase>,
    ) -> Result<(Self, bool), IdentityError> {
        if let Some(identity) = Self::load(data_dir, passphrase)?
            && identity.address().is_worth(bits)
        {
            return Ok((identity, false));
        }
        let _lock = Lock::take(data_dir)?;
        // Somebody may have made one before the lock was ours.
        if let Some(outside) = Self::outside(data_dir)?
            && let Some(mut identity) = Self::load(data_dir, passphrase)?
        {
            if !identity.address().is_worth(bits) {
                identity.proof = ProofOfWork::mine(identity.keypair.peer(), bits);
                let sealing = passphrase.filter(|_| outside.is_sealed);
                identity.store(data_dir, sealing, Cost::RECOMMENDED)?;
            }
            return Ok((identity, false));
        }
        let journal = journal::directory(data_dir);
        let failed = |source| IdentityError::Io { path: journal.clone(), source };
        if !journal::is_unused(&journal).map_err(failed)? {
            return Err(IdentityError::Missing { path: data_dir.join(FILE) });
        }
        journal::prepare(&journal).map_err(failed)?;
        let mut seed = Zeroizing::new([0; 32]);
        fill(&mut *seed)?;
        let identity = Self::of_seed(&seed, bits);
        identity.store(data_dir, passphrase, Cost::RECOMMENDED)?;
        Ok((identity, true))
    }

    /// Puts an identity into `data_dir`, which has none, from its recovery phrase. No journal is
    /// prepared: what the key promised elsewhere is unknown, and a validator will ask the others.
    pub fn import(
        data_dir: &Path,
        phrase: &str,
        bits: u8,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, IdentityError> {
        let path = data_dir.join(FILE);
        let bad = |error: String| IdentityError::BadPhrase(error);
        let mnemonic =
            Mnemonic::parse_normalized(phrase).map_err(|error| bad(error.to_string()))?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let seed: [u8; 32] = entropy
            .as_slice()
            .try_into()
            .map_err(|_| bad(format!("there are {} words", mnemonic.word_count())))?;
        let seed = Zeroizing::new(seed);
        let _lock = Lock::take(data_dir)?;
        let journal = journal::directory(data_dir);
        let failed = |source| IdentityError::Io { path: journal.clone(), source };
        if path.exists() || !journal::is_unused(&journal).map_err(failed)? {
            return Err(IdentityError::Exists { path });
        }
        let identity = Self::of_seed(&seed, bits);
        identity.store(data_dir, passphrase, Cost::RECOMMENDED)?;
        Ok(identity)
    }

    /// The 24 words from which [`import`](Self::import) makes this identity again.
    pub fn phrase(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy(&*self.keypair.seed());
        Zeroizing::new(mnemonic.expect("32 bytes make 24 words").to_string())
    }

    /// Writes the identity of `data_dir` anew: sealed under `passphrase`, or open without one. The
    /// caller holds the data directory's lock.
    ///
    /// What an open file left behind on the disk is out of reach: a seal protects what is read or
    /// copied from now on.
    pub fn store(
        &self,
        data_dir: &Path,
        passphrase: Option<&Passphrase>,
        cost: Cost,
    ) -> Result<(), IdentityError> {
        let path = data_dir.join(FILE);
        let stored = self.to_stored(passphrase, cost)?;
        files::create_whole(&path, stored.to_text().as_bytes())
            .map_err(|source| IdentityError::Io { path, source })
    }

    /// What others call this identity.
    pub fn address(&self) -> Address {
        Address { peer: self.keypair.peer(), proof: self.proof }
    }

    fn of_seed(seed: &Zeroizing<[u8; 32]>, bits: u8) -> Self {
        let keypair = Keypair::from_seed(**seed);
        let proof = ProofOfWork::mine(keypair.peer(), bits);
        Self { keypair, proof }
    }

    fn to_stored(
        &self,
        passphrase: Option<&Passphrase>,
        cost: Cost,
    ) -> Result<Stored, IdentityError> {
        let seed = self.keypair.seed();
        let mut stored =
            Stored { peer: self.keypair.peer(), proof: self.proof, secret: Secret::Open(seed) };
        if let Some(passphrase) = passphrase {
            let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
            fill(&mut salt)?;
            fill(&mut nonce)?;
            let seed = self.keypair.seed();
            let beside = stored.beside();
            let sealed = Sealed::seal(passphrase, cost, (salt, nonce), &seed, &beside);
            stored.secret = Secret::Sealed(sealed);
        }
        Ok(stored)
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), IdentityError> {
    getrandom::fill(bytes).map_err(|error| IdentityError::Io {
        path: PathBuf::from("the system's entropy"),
        source: io::Error::other(error),
    })
}

/// What `path` holds, if it is there.
fn read(path: &Path) -> Result<Option<Stored>, IdentityError> {
    let failed = |source| IdentityError::Io { path: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    check_permissions(path, &file.metadata().map_err(failed)?)?;
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES as usize));
    let invalid = |what| IdentityError::Invalid { path: path.to_owned(), what };
    match file.take(FILE_BYTES).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(invalid("it is not a text"))
        }
        Err(source) => Err(failed(source)),
        Ok(_) => Stored::parse(&text).map(Some).map_err(invalid),
    }
}

/// A passphrase from `path`, without the end of its line. Refused if others can read the file.
pub fn read_passphrase(path: &Path) -> Result<Passphrase, IdentityError> {
    let failed = |source| IdentityError::Io { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    check_permissions(path, &file.metadata().map_err(failed)?)?;
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES as usize));
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    let invalid = |_| IdentityError::Invalid {
        path: path.to_owned(),
        what: "its first line is no passphrase",
    };
    Passphrase::new(line).map_err(invalid)
}

#[cfg(unix)]
fn check_permissions(path: &Path, metadata: &fs::Metadata) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(IdentityError::Exposed { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
fn check_permissions(_path: &Path, _metadata: &fs::Metadata) -> Result<(), IdentityError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("node");
        assert!(Identity::load(&data_dir, None).unwrap().is_none());
        let (made, is_new) = Identity::load_or_create(&data_dir, 4, None).unwrap();
        assert!(is_new);
        assert!(made.address().is_worth(4));
        let (found, is_new) = Identity::load_or_create(&data_dir, 4, None).unwrap();
        assert!(!is_new);
        assert_eq!(found.address(), made.address());
    }

    #[test]
    fn a_proof_that_has_become_too_cheap_is_replaced_and_the_key_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (cheap, _) = Identity::load_or_create(directory.path(), 0, None).unwrap();
        let (dear, is_new) = Identity::load_or_create(directory.path(), 8, None).unwrap();
        assert!(!is_new);
        assert!(dear.address().is_worth(8));
        assert_eq!(dear.keypair.peer(), cheap.keypair.peer());
        let found = Identity::load(directory.path(), None).unwrap().unwrap();
        assert_eq!(found.address(), dear.address());
    }

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn wrong_passphrase_tampering_and_absence_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path();
        let (identity, _) = Identity::load_or_create(data_dir, 0, None).unwrap();
        identity.store(data_dir, Some(&passphrase("right")), CHEAP).unwrap();
        let outside = Identity::outside(data_dir).unwrap().unwrap();
        assert_eq!(outside, Outside { address: identity.address(), is_sealed: true });

        let load = |text: Option<&str>| Identity::load(data_dir, text.map(passphrase).as_ref());
        assert_eq!(load(Some("right")).unwrap().unwrap().address(), identity.address());
        assert!(matches!(load(None), Err(IdentityError::NeedsPassphrase { .. })));
        assert!(matches!(load(Some("wrong")), Err(IdentityError::WrongPassphrase { .. })));

        // Somebody who can write, and knows how the sum is made, changes what stands beside.
        let path = data_dir.join(FILE);
        let mut stored = read(&path).unwrap().unwrap();
        stored.proof = ProofOfWork(stored.proof.0 + 1);
        files::create_whole(&path, stored.to_text().as_bytes()).unwrap();
        assert!(matches!(load(Some("right")), Err(IdentityError::Tampered { .. })));
        fs::remove_file(&path).unwrap();
        assert!(load(Some("right")).unwrap().is_none());
    }

    #[test]
    fn every_changed_byte_of_the_file_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path();
        let (identity, _) = Identity::load_or_create(data_dir, 0, None).unwrap();
        let path = data_dir.join(FILE);
        for sealing in [None, Some(passphrase("right"))] {
            identity.store(data_dir, sealing.as_ref(), CHEAP).unwrap();
            let bytes = fs::read(&path).unwrap();
            for position in 0..bytes.len() {
                for flip in [0x01, 0x20, 0x80] {
                    let mut changed = bytes.clone();
                    changed[position] ^= flip;
                    fs::write(&path, changed).unwrap();
                    let refused = Identity::load(data_dir, sealing.as_ref()).unwrap_err();
                    assert!(matches!(refused, IdentityError::Invalid { .. }), "{position}");
                }
            }
        }
    }

    #[test]
    fn a_recovery_phrase_brings_the_key_back_and_its_journal_counts_as_lost() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        let (identity, _) = Identity::load_or_create(&old, 0, None).unwrap();
        let phrase = identity.phrase();
        assert_eq!(phrase.split(' ').count(), 24);
        let imported = Identity::import(&new, &phrase, 0, None).unwrap();
        assert_eq!(imported.keypair.peer(), identity.keypair.peer());
        assert!(!journal::directory(&new).exists());
        let again = Identity::import(&new, &phrase, 0, None);
        assert!(matches!(again, Err(IdentityError::Exists { .. })));
        let short = phrase.rsplit_once(' ').unwrap().0;
        let other = directory.path().join("other");
        let refused = Identity::import(&other, short, 0, None);
        assert!(matches!(refused, Err(IdentityError::BadPhrase(_))));
    }

    #[test]
    fn a_passphrase_file_is_for_its_owner_only_and_its_first_line_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        files::create_whole(&path, b"right\n").unwrap();
        assert!(read_passphrase(&path).unwrap().is("right"));
        files::create_whole(&path, b"\n").unwrap();
        assert!(matches!(read_passphrase(&path), Err(IdentityError::Invalid { .. })));
    }

    #[test]
    #[cfg(unix)]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        Identity::load_or_create(directory.path(), 0, None).unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Identity::load(directory.path(), None).unwrap_err();
        assert!(matches!(refused, IdentityError::Exposed { mode: 0o640, .. }), "{refused}");
    }

    #[test]
    fn a_journal_without_its_key_gets_no_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let journal = journal::directory(directory.path());
        fs::create_dir_all(&journal).unwrap();
        fs::write(journal.join("00000000000000000000.journal"), "").unwrap();
        let refused = Identity::load_or_create(directory.path(), 0, None).unwrap_err();
        assert!(matches!(refused, IdentityError::Missing { .. }), "{refused}");
    }
}
