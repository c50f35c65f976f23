//! The node's identity on disk: one small text file in the data directory, readable by its owner
//! only. It is created together with an empty journal, so that a key whose journal has vanished
//! is noticed before it votes a second time on something it has forgotten.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::files;
use crate::journal;
use crate::lock::{Lock, LockError};

const FILE: &str = "identity";
const HEADER: &str = "bitcraps identity 1";
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
    /// The identity in `data_dir`, if there is one.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = data_dir.join(FILE);
        let failed = |source| IdentityError::Io { path: path.clone(), source };
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        check_permissions(&path, &file.metadata().map_err(failed)?)?;
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES as usize));
        match file.take(FILE_BYTES).read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(IdentityError::Invalid { path, what: "it is not a text" })
            }
            Err(source) => Err(failed(source)),
            Ok(_) => parse(&text).map(Some).map_err(|what| IdentityError::Invalid { path, what }),
        }
    }

    /// The identity in `data_dir`, made if there is none, and whether it was made. Its proof of
    /// work is worth at least `bits`; one that is worth less is replaced. Takes the data
    /// directory's lock only when it writes.
    pub fn load_or_create(data_dir: &Path, bits: u8) -> Result<(Self, bool), IdentityError> {
        if let Some(identity) = Self::load(data_dir)?
            && identity.address().is_worth(bits)
        {
            return Ok((identity, false));
        }
        let _lock = Lock::take(data_dir)?;
        // Somebody may have made one before the lock was ours.
        if let Some(mut identity) = Self::load(data_dir)? {
            if !identity.address().is_worth(bits) {
                identity.proof = ProofOfWork::mine(identity.keypair.peer(), bits);
                identity.store(data_dir)?;
            }
            return Ok((identity, false));
        }
        let journal = journal::directory(data_dir);
        let failed = |source| IdentityError::Io { path: journal.clone(), source };
        if !journal::is_unused(&journal).map_err(failed)? {
            return Err(IdentityError::Missing { path: data_dir.join(FILE) });
        }
        journal::prepare(&journal).map_err(failed)?;
        let identity = Self::generate(bits).map_err(failed)?;
        identity.store(data_dir)?;
        Ok((identity, true))
    }

    /// What others call this identity.
    pub fn address(&self) -> Address {
        Address { peer: self.keypair.peer(), proof: self.proof }
    }

    fn generate(bits: u8) -> io::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(io::Error::other)?;
        let keypair = Keypair::from_seed(*seed);
        let proof = ProofOfWork::mine(keypair.peer(), bits);
        Ok(Self { keypair, proof })
    }

    fn store(&self, data_dir: &Path) -> Result<(), IdentityError> {
        let path = data_dir.join(FILE);
        let text = self.to_text();
        files::create_whole(&path, text.as_bytes())
            .map_err(|source| IdentityError::Io { path, source })
    }

    fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(HEXLOWER.encode(&*self.keypair.seed()));
        Zeroizing::new(format!("{HEADER}\nseed {}\nproof {}\n", *seed, self.proof.0))
    }
}

fn parse(text: &str) -> Result<Identity, &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err("it does not begin with \"bitcraps identity 1\"");
    }
    let digits = lines.next().and_then(|line| line.strip_prefix("seed ")).unwrap_or_default();
    let mut seed = Zeroizing::new([0; 32]);
    if digits.len() != 2 * seed.len() || HEXLOWER.decode_mut(digits.as_bytes(), &mut *seed).is_err()
    {
        return Err("its second line is not \"seed\" and 64 hexadecimal digits");
    }
    let proof = lines.next().and_then(|line| line.strip_prefix("proof ")?.parse().ok());
    let proof = proof.ok_or("its third line is not \"proof\" and a number")?;
    if lines.next().is_some() {
        return Err("it has more than three lines");
    }
    Ok(Identity { keypair: Keypair::from_seed(*seed), proof: ProofOfWork(proof) })
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
        assert!(Identity::load(&data_dir).unwrap().is_none());
        let (made, is_new) = Identity::load_or_create(&data_dir, 4).unwrap();
        assert!(is_new);
        assert!(made.address().is_worth(4));
        let (found, is_new) = Identity::load_or_create(&data_dir, 4).unwrap();
        assert!(!is_new);
        assert_eq!(found.address(), made.address());
    }

    #[test]
    fn a_proof_that_has_become_too_cheap_is_replaced_and_the_key_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (cheap, _) = Identity::load_or_create(directory.path(), 0).unwrap();
        let (dear, is_new) = Identity::load_or_create(directory.path(), 8).unwrap();
        assert!(!is_new);
        assert!(dear.address().is_worth(8));
        assert_eq!(dear.keypair.peer(), cheap.keypair.peer());
        let found = Identity::load(directory.path()).unwrap().unwrap();
        assert_eq!(found.address(), dear.address());
    }

    #[test]
    fn the_file_format_does_not_change_unnoticed() {
        let identity = Identity { keypair: Keypair::from_seed([7; 32]), proof: ProofOfWork(42) };
        let text = identity.to_text();
        assert_eq!(*text, format!("bitcraps identity 1\nseed {}\nproof 42\n", "07".repeat(32)));
        assert_eq!(parse(&text).unwrap().address(), identity.address());
        for cut in 0..text.len() - 1 {
            let parsed = parse(&text[..cut]).map(|identity| identity.proof);
            assert!(parsed.is_err() || parsed == Ok(ProofOfWork(4)), "cut at {cut}");
        }
        assert!(parse(&format!("{}\n", *text)).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        Identity::load_or_create(directory.path(), 0).unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Identity::load(directory.path()).unwrap_err();
        assert!(matches!(refused, IdentityError::Exposed { mode: 0o640, .. }), "{refused}");
    }

    #[test]
    fn a_journal_without_its_key_gets_no_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let journal = journal::directory(directory.path());
        fs::create_dir_all(&journal).unwrap();
        fs::write(journal.join("00000000000000000000.journal"), "").unwrap();
        let refused = Identity::load_or_create(directory.path(), 0).unwrap_err();
        assert!(matches!(refused, IdentityError::Missing { .. }), "{refused}");
    }
}
