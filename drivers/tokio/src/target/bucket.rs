//! Backups in the bucket of an S3-compatible store.
//!
//! ```text
//! PREFIX/CREATED-….backup                index: header · parts u32 · bytes u64
//! PREFIX/CREATED-SALT.parts/00000000     up to 8 MiB of the backup, and so on
//! ```
//!
//! The index is written last and removed first: where there is one, the parts are. Parts without an
//! index are a leftover. A store's own multipart uploads would do the same, but what they leave
//! behind is in no list of objects, and not every store removes it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitcraps_host::backup::{
    BackupError, EXTENSION, Found, HEADER_BYTES, Header, Target, Unfinished,
};
use bytes::{Buf as _, Bytes, BytesMut};
use data_encoding::HEXLOWER;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};

use super::settings::{self, Settings};
use super::{BUCKET, TargetError};

/// Bytes of a part: few enough to be held in memory and sent again.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// The names of the folders of parts end in it.
const PARTS: &str = ".parts";
const INDEX_BYTES: usize = HEADER_BYTES + 4 + 8;
/// Indexes that are read at the same time.
const AT_ONCE: usize = 16;
/// How often a request that failed for a passing reason is made again.
const RETRIES: usize = 5;
/// After how long it is not.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// How long one request may take: a part at 0.3 Mbit/s.
const REQUEST: Duration = Duration::from_secs(4 * 60);
const CONNECT: Duration = Duration::from_secs(10);

/// A folder in a bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    place: String,
    prefix: Key,
    store: Arc<dyn ObjectStore>,
    part_bytes: usize,
}

impl Bucket {
    /// The folder that `place` names, in the store that the environment or the data directory's
    /// file names.
    pub(super) fn open(place: &str, data_dir: &Path) -> Result<Self, TargetError> {
        let not_place = |reason: String| TargetError::NotPlace { place: place.to_owned(), reason };
        let path = place.strip_prefix(BUCKET).unwrap_or_default();
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            return Err(not_place("it names no bucket".into()));
        }
        let prefix = prefix.trim_end_matches('/');
        let prefix = Key::parse(prefix).map_err(|error| not_place(error.to_string()))?;
        let said = Settings::load(data_dir, |name| std::env::var(name).ok())?;
        let key = said.access_key_id.zip(said.secret_access_key);
        let (id, secret) = key.ok_or_else(|| TargetError::NoKey {
            place: place.to_owned(),
            path: settings::path(data_dir),
        })?;
        // Whoever was first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
        let retry =
            RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..Default::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_access_key_id(id)
            .with_secret_access_key(secret)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(token) = said.session_token {
            builder = builder.with_token(token);
        }
        if let Some(region) = said.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = said.endpoint {
            // Backups are sealed and the key never leaves: who writes http:// may have it.
            builder = builder.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|error| not_place(error.to_string()))?;
        let place = place.trim_end_matches('/').to_owned();
        Ok(Self { place, prefix, store: Arc::new(store), part_bytes: PART_BYTES })
    }

    fn key(&self, name: &str) -> Key {
        self.prefix.clone().join(name)
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    fn failed(&self, name: &str, doing: &'static str) -> impl FnOnce(Error) -> BackupError + use<> {
        let failed = BackupError::io(&self.at(name), doing);
        move |error| failed(io_error(error))
    }

    fn index(&self, name: &str) -> Result<Index, BackupError> {
        let read = wait(read(&*self.store, &self.key(name)));
        let bytes = read.map_err(self.failed(name, "read"))?;
        let not = || BackupError::NotBackup { name: name.to_owned() };
        Index::decode(&bytes).ok_or_else(not)
    }

    /// What a list says of the backup called so.
    async fn look_at(self, name: String, is_index: bool) -> Result<Found, BackupError> {
        let bytes = match is_index {
            true => read(&*self.store, &self.key(&name)).await,
            false => Ok(Bytes::new()),
        };
        let index = Index::decode(&bytes.map_err(self.failed(&name, "read"))?);
        let (header, bytes) = index.map_or((None, 0), |index| (Some(index.header), index.bytes));
        Ok(Found { name, header, bytes })
    }

    /// Removes everything in a folder of parts.
    fn remove_parts(&self, folder: &str) -> Result<(), BackupError> {
        let folder_key = self.key(folder);
        let listed = wait(self.store.list_with_delimiter(Some(&folder_key)));
        let parts = listed.map_err(self.failed(folder, "list"))?.objects;
        for part in parts {
            let removed = wait(self.store.delete(&part.location));
            ignore_missing(removed).map_err(self.failed(folder, "remove"))?;
        }
        Ok(())
    }
}

/// What stands under a backup's name.
#[derive(Clone, Copy)]
struct Index {
    header: [u8; HEADER_BYTES],
    parts: u32,
    bytes: u64,
}

impl Index {
    fn encode(&self) -> Bytes {
        let (parts, bytes) = (self.parts.to_le_bytes(), self.bytes.to_le_bytes());
        [&self.header[..], &parts, &bytes].concat().into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; INDEX_BYTES] = bytes.try_into().ok()?;
        let (header, rest) = bytes.split_first_chunk()?;
        let (parts, bytes) = rest.split_first_chunk()?;
        Header::decode(header)?;
        let bytes = u64::from_le_bytes(bytes.try_into().ok()?);
        Some(Self { header: *header, parts: u32::from_le_bytes(*parts), bytes })
    }

    fn folder(&self) -> Option<String> {
        Header::decode(&self.header).as_ref().map(folder)
    }
}

/// Where the parts of the backup with this header are.
fn folder(header: &Header) -> String {
    format!("{}-{}{PARTS}", header.created, HEXLOWER.encode(&header.salt))
}

fn part(folder: &Key, number: u32) -> Key {
    folder.clone().join(format!("{number:08}"))
}

impl Target for Bucket {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn list(&self) -> Result<Vec<Result<Found, BackupError>>, BackupError> {
        let listed = wait(self.store.list_with_delimiter(Some(&self.prefix)));
        let objects = listed.map_err(self.failed("", "list"))?.objects;
        let mut names = objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?;
            let is_index = object.size == INDEX_BYTES as u64;
            name.ends_with(EXTENSION).then(|| (name.to_owned(), is_index))
        });
        let mut found = Vec::new();
        loop {
            let mut looking = JoinSet::new();
            for (name, is_index) in names.by_ref().take(AT_ONCE) {
                looking.spawn_on(self.clone().look_at(name, is_index), &Handle::current());
            }
            if looking.is_empty() {
                return Ok(found);
            }
            found.extend(wait(looking.join_all()));
        }
    }

    fn begin(&self, header: &Header) -> Result<Box<dyn Unfinished + '_>, BackupError> {
        let (folder, bytes) = (folder(header), header.encode());
        let index = Index { header: bytes, parts: 0, bytes: 0 };
        let buffer = BytesMut::new();
        Ok(Box::new(Upload { bucket: self, folder, index, buffer, is_kept: false }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + '_>, BackupError> {
        let index = self.index(name)?;
        let folder = index.folder().expect("it was decoded");
        let (folder, part) = (self.key(&folder), Bytes::new());
        Ok(Box::new(Download { bucket: self, folder, index, next: 0, bytes: 0, part }))
    }

    fn remove(&self, name: &str) -> Result<(), BackupError> {
        let index = self.index(name)?;
        let removed = wait(self.store.delete(&self.key(name)));
        ignore_missing(removed).map_err(self.failed(name, "remove"))?;
        self.remove_parts(&index.folder().expect("it was decoded"))
    }

    fn leftovers(&self, began: u64) -> Result<Vec<String>, BackupError> {
        // Folders first: what is finished meanwhile has an index by the time those are read.
        let listed = wait(self.store.list_with_delimiter(Some(&self.prefix)));
        let folders = listed.map_err(self.failed("", "list"))?.common_prefixes;
        let mut left: Vec<String> = folders
            .iter()
            .filter_map(|key| {
                let name = key.filename()?;
                let began_at = name.strip_suffix(PARTS)?.split('-').next()?.parse::<u64>().ok()?;
                (began_at < began).then(|| name.to_owned())
            })
            .collect();
        if left.is_empty() {
            return Ok(left);
        }
        for found in self.list()? {
            let Found { name, header, .. } = found?;
            // Whose parts are whose cannot be said then.
            let header = header.as_ref().and_then(Header::decode);
            let header = header.ok_or(BackupError::NotBackup { name })?;
            left.retain(|name| *name != folder(&header));
        }
        Ok(left)
    }

    fn remove_leftover(&self, name: &str) -> Result<(), BackupError> {
        self.remove_parts(name)
    }
}

struct Upload<'a> {
    bucket: &'a Bucket,
    folder: String,
    index: Index,
    buffer: BytesMut,
    /// Whether the parts must stay: they are a backup's, or may be.
    is_kept: bool,
}

impl Upload<'_> {
    fn send_part(&mut self) -> io::Result<()> {
        let bytes = self.buffer.split().freeze();
        let length = bytes.len() as u64;
        let key = part(&self.bucket.key(&self.folder), self.index.parts);
        // Counted before it is known to be there, so that it is removed in any case.
        self.index.parts += 1;
        wait(self.bucket.store.put(&key, bytes.into())).map_err(io_error)?;
        self.index.bytes += length;
        Ok(())
    }
}

impl Write for Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.bucket.part_bytes - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == self.bucket.part_bytes {
            self.send_part()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unfinished for Upload<'_> {
    fn place(&self) -> String {
        self.bucket.at(&self.folder)
    }

    fn finish(mut self: Box<Self>, name: &str) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.send_part()?;
        }
        let key = self.bucket.key(name);
        let put = wait(self.bucket.store.put(&key, self.index.encode().into()));
        self.is_kept = match &put {
            Ok(_) => true,
            // It may be there although nobody heard of it: then its parts must be.
            Err(_) => ignore_missing(wait(self.bucket.store.delete(&key))).is_err(),
        };
        put.map(|_| ()).map_err(io_error)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if !self.is_kept && self.index.parts > 0 {
            // What cannot be removed is a leftover.
            let _ = self.bucket.remove_parts(&self.folder);
        }
    }
}

struct Download<'a> {
    bucket: &'a Bucket,
    folder: Key,
    index: Index,
    next: u32,
    /// Of the parts so far.
    bytes: u64,
    part: Bytes,
}

impl Read for Download<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            if self.next == self.index.parts {
                let fits = self.bytes == self.index.bytes;
                return if fits { Ok(0) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            let key = part(&self.folder, self.next);
            self.part = match wait(read(&*self.bucket.store, &key)) {
                Err(Error::NotFound { .. }) => Err(io::ErrorKind::InvalidData.into()),
                read => read.map_err(io_error),
            }?;
            self.next += 1;
            self.bytes += self.part.len() as u64;
        }
        let taken = bytes.len().min(self.part.len());
        self.part.copy_to_slice(&mut bytes[..taken]);
        Ok(taken)
    }
}

/// A whole object, which is a part or less.
async fn read(store: &dyn ObjectStore, key: &Key) -> object_store::Result<Bytes> {
    let found = store.get(key).await?;
    if found.meta.size > PART_BYTES as u64 {
        let source = "it is longer than any that was written".into();
        return Err(Error::Generic { store: "S3", source });
    }
    found.bytes().await
}

/// Many stores call it a success to remove what is not there.
fn ignore_missing(removed: object_store::Result<()>) -> object_store::Result<()> {
    match removed {
        Err(Error::NotFound { .. }) => Ok(()),
        removed => removed,
    }
}

fn io_error(error: Error) -> io::Error {
    io::Error::other(error)
}

/// Waits on a thread that may be one of the runtime's.
fn wait<F: Future>(future: F) -> F::Output {
    block_in_place(|| Handle::current().block_on(future))
}

#[cfg(test)]
mod tests;
