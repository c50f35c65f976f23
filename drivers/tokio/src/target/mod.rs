//! Where backups are kept, as people write it: a directory, or `s3://BUCKET/PREFIX`.

#[cfg(feature = "s3")]
mod bucket;
#[cfg(feature = "s3")]
mod settings;

use std::path::{Path, PathBuf};

use bitcraps_host::backup::{Directory, Target};

/// How a place in a bucket begins.
const BUCKET: &str = "s3://";

/// Why there is no such place.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The program can do without buckets, and was built so.
    #[error(
        "{place} is in a bucket, and this program was built without buckets: cargo install --path \
         drivers/tokio --features s3"
    )]
    NotBuilt {
        /// What was wanted.
        place: String,
    },
    /// It is no place.
    #[error("{place} is not s3://BUCKET or s3://BUCKET/PREFIX: {reason}")]
    NotPlace {
        /// What was wanted.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with the key to the store cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Never quotes the file.
        reason: String,
    },
    /// The file with the key to the store can be read by others.
    #[error(
        "{path} can be read by others (mode {mode:o}); if nobody has read it, run: chmod 600 {path}",
        path = .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nobody said which key opens the store.
    #[error(
        "no key to {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write \
         access-key-id and secret-access-key into {path} (mode 600)",
        path = .path.display()
    )]
    NoKey {
        /// What was wanted.
        place: String,
        /// Where it could be.
        path: PathBuf,
    },
}

/// The place called `place`. The key to a bucket's store is in the environment, or in `s3.toml` in
/// `data_dir`. Nothing is asked of the store yet.
pub fn open(place: &str, data_dir: &Path) -> Result<Box<dyn Target>, TargetError> {
    if !place.starts_with(BUCKET) {
        return Ok(Box::new(Directory::new(Path::new(place))));
    }
    #[cfg(feature = "s3")]
    return Ok(Box::new(bucket::Bucket::open(place, data_dir)?));
    #[cfg(not(feature = "s3"))]
    {
        // Where its key would be.
        let _ = data_dir;
        Err(TargetError::NotBuilt { place: place.to_owned() })
    }
}
