//! What a node has seen and done that somebody may have to answer for: an append-only log of
//! events, each signed by the node and bound to the one before it by its hash.
//!
//! A line is an event as JSON, a space, and a signature in hexadecimal over the text before it and
//! the hash of the line before. Nobody but the node can write a line, and no line can be changed,
//! taken out or put elsewhere. That the newest ones are missing cannot be seen from the log alone.
//!
//! A file is begun when one has become long; the chain goes on from file to file.

mod auditor;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TrySendError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use auditor::{Auditor, Waiting};

use crate::Handle;
use bitcraps_protocol::event::Notice;
use bitcraps_protocol::identity::{Context, Domain, Epoch, Keypair, NetworkId, PeerId, Signature};
use bitcraps_protocol::wire::Hash;
use serde::{Deserialize, Serialize};

/// Where the log is in a data directory.
pub const DIRECTORY: &str = "audit";
/// Bytes after which a new file is begun.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of the longest line.
const LINE_BYTES: u64 = 64 * 1024;
/// Events that wait to be written; further ones are counted and not kept.
const WAITING: usize = 4096;

/// One event in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 0.
    pub number: u64,
    /// When it was written, in milliseconds since the Unix epoch, by this machine's clock.
    pub time_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that somebody may have to answer for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node started.
    Started {
        /// The program's version.
        version: String,
        /// Its address.
        address: String,
        /// What it accepts peers on.
        listen: String,
        /// Whom it stays connected with.
        peers: Vec<String>,
        /// Whether it votes although its journal was lost, because a human said so.
        overridden: bool,
    },
    /// Somebody was connected.
    Connected {
        /// Who.
        peer: String,
    },
    /// Somebody is not connected any more.
    Disconnected {
        /// Who.
        peer: String,
    },
    /// A peer broke the protocol.
    Misbehaved {
        /// Who, if it was known.
        peer: Option<String>,
        /// How.
        fault: String,
        /// What was done about it; older entries do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<String>,
    },
    /// Somebody behaved as attackers do.
    Suspicious {
        /// How.
        suspicion: String,
        /// Who, if it was known.
        peer: Option<String>,
        /// How much it matters.
        severity: String,
        /// What was done about it.
        response: String,
    },
    /// A validator contradicted itself.
    Evidence {
        /// Which.
        validator: u16,
        /// How.
        what: String,
    },
    /// What the owner asked for is final.
    Done {
        /// The transaction.
        transaction: String,
        /// The block that holds it.
        height: u64,
        /// The table it opened.
        table: Option<u32>,
    },
    /// What the owner asked for has become impossible.
    Failed {
        /// The transaction.
        transaction: String,
        /// Why.
        reason: String,
    },
    /// The API refused a request that would have changed something, or whoever made it.
    Refused {
        /// Its method and path.
        request: String,
        /// What kind of refusal, as the API says it.
        code: String,
        /// Why.
        reason: String,
    },
    /// A validator made or stands by a new key of the private network.
    KeyProposed {
        /// Its name.
        key: String,
        /// How many validators stand by it.
        endorsed_by: u16,
    },
    /// The private network has a new key.
    KeyChanged {
        /// How many came before it.
        version: u32,
    },
    /// It has one that is not for this node.
    LeftOut,
    /// This validator does not vote.
    Abstains {
        /// Why.
        reason: String,
    },
    /// The node stopped working.
    Halted {
        /// Why.
        reason: String,
    },
    /// So many events came faster than they could be written.
    Missed {
        /// How many.
        events: u64,
    },
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file could not be read or written.
    #[error("cannot use {path}: {source}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line is not what the node wrote there.
    #[error(
        "{path}, line {line}: {what}; nothing from there on can be trusted",
        path = .path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> AuditError + use<> {
    let path = path.to_owned();
    move |source| AuditError::Io { path, source }
}

/// A log, open at its end.
struct Log {
    directory: PathBuf,
    keypair: Keypair,
    network: NetworkId,
    path: PathBuf,
    file: File,
    bytes: u64,
    file_bytes: u64,
    number: u64,
    previous: Hash,
}

impl Log {
    /// Opens the log in `data_dir` behind its last whole line, which must be one of this node's.
    fn open(data_dir: &Path, keypair: Keypair, network: NetworkId) -> Result<Self, AuditError> {
        let directory = data_dir.join(DIRECTORY);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&directory).map_err(failed(&directory))?;
        let mut end = None;
        let mut all = files(&directory)?;
        while let Some(last) = all.pop().filter(|_| end.is_none()) {
            if drop_torn_line(&last)? == 0 {
                fs::remove_file(&last).map_err(failed(&last))?;
                continue;
            }
            let peer = keypair.peer();
            let mut reading = Reading::of_file(&last, peer, network)?;
            while reading.next()?.is_some() {}
            end = Some((last, reading.next_number, reading.previous));
        }
        let (path, number, previous) =
            end.unwrap_or_else(|| (directory.join(file_name(0)), 0, Hash::default()));
        let file = append_to(&path)?;
        let bytes = file.metadata().map_err(failed(&path))?.len();
        let file_bytes = FILE_BYTES;
        Ok(Self { directory, keypair, network, path, file, bytes, file_bytes, number, previous })
    }

    fn append(&mut self, event: Event) -> Result<(), AuditError> {
        if self.bytes >= self.file_bytes {
            self.path = self.directory.join(file_name(self.number));
            self.file = append_to(&self.path)?;
            self.bytes = 0;
        }
        let entry = Entry { number: self.number, time_ms: unix_ms(), event };
        let text = serde_json::to_string(&entry).expect("our own plain types have a JSON form");
        let signed = signed_bytes(&self.previous, &text);
        let Signature(signature) =
            self.keypair.sign(Domain::Audit, &context(self.network), &signed);
        let line = format!("{text} {}\n", hex(&signature));
        self.file.write_all(line.as_bytes()).map_err(failed(&self.path))?;
        self.previous = line_hash(line.trim_end());
        self.number += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<(), AuditError> {
        self.file.sync_data().map_err(failed(&self.path))
    }
}

/// Begins to log what the node behind `handle` says, and what was handed in, after `first`. Ends
/// when the node has, and nobody can hand anything in any more.
pub fn start(
    data_dir: &Path,
    keypair: Keypair,
    network: NetworkId,
    handle: &Handle,
    (auditor, Waiting(receiver)): (&Auditor, Waiting),
    first: Event,
) -> Result<(), AuditError> {
    let mut log = Log::open(data_dir, keypair, network)?;
    log.append(first)?;
    let sender = auditor.sender();
    let mut missed = 0;
    handle.subscribe(move |notice| {
        if missed > 0 && sender.try_send(Event::Missed { events: missed }).is_ok() {
            missed = 0;
        }
        match event_of(notice).map_or(Ok(()), |event| sender.try_send(event)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(TrySendError::Full(_)) => {
                missed += 1;
                ControlFlow::Continue(())
            }
            Err(TrySendError::Disconnected(_)) => ControlFlow::Break(()),
        }
    });
    std::thread::spawn(move || write_all(&mut log, &receiver));
    Ok(())
}

/// The node does not depend on its log: an error ends the log and is told.
fn write_all(log: &mut Log, events: &Receiver<Event>) {
    while let Ok(event) = events.recv() {
        let mut written = log.append(event);
        while let (Ok(()), Ok(event)) = (&written, events.try_recv()) {
            written = log.append(event);
        }
        if let Err(error) = written.and_then(|()| log.sync()) {
            return tracing::error!(%error, "the audit log has ended");
        }
    }
}

fn event_of(notice: &Notice) -> Option<Event> {
    Some(match notice {
        Notice::PeerUp { peer, .. } => Event::Connected { peer: peer.to_string() },
        Notice::PeerDown { peer } => Event::Disconnected { peer: peer.to_string() },
        Notice::Misbehaved { peer, fault, response, .. } => Event::Misbehaved {
            peer: peer.map(|peer| peer.to_string()),
            fault: format!("{fault:?}"),
            response: Some(response.to_string()),
        },
        Notice::Suspicious { suspicion, peer, severity, response } => Event::Suspicious {
            suspicion: suspicion.to_string(),
            peer: peer.map(|peer| peer.to_string()),
            severity: severity.to_string(),
            response: response.to_string(),
        },
        Notice::Evidence { validator, what } => {
            Event::Evidence { validator: validator.0, what: (*what).to_owned() }
        }
        Notice::Done { id, height, table } => Event::Done {
            transaction: id.to_string(),
            height: height.0,
            table: table.map(|table| table.0),
        },
        Notice::Failed { id, rejection } => {
            Event::Failed { transaction: id.to_string(), reason: rejection.to_string() }
        }
        Notice::RotationProposed { id, by, .. } => {
            Event::KeyProposed { key: id.to_string(), endorsed_by: *by }
        }
        Notice::KeyChanged { version } => Event::KeyChanged { version: *version },
        Notice::LeftOut => Event::LeftOut,
        Notice::Abstains { reason } => Event::Abstains { reason: (*reason).to_owned() },
        Notice::Halted { reason } => Event::Halted { reason: reason.clone() },
        Notice::Entered { .. }
        | Notice::Finalized { .. }
        | Notice::Rolled { .. }
        | Notice::Settled { .. }
        // What people say is nobody else's affair.
        | Notice::Said { .. }
        | Notice::Delivered { .. }
        | Notice::Undelivered { .. } => return None,
    })
}

/// Reads the whole log in `data_dir`, shows each entry to `visit`, and checks that `peer` wrote
/// every line of it, in this order. How many there are, and the number of the first: more than 0
/// if older files were taken away.
pub fn verify(
    data_dir: &Path,
    peer: PeerId,
    network: NetworkId,
    mut visit: impl FnMut(&Entry, &str),
) -> Result<(u64, u64), AuditError> {
    let mut before: Option<Reading> = None;
    let (mut count, mut first) = (0, None);
    for path in files(&data_dir.join(DIRECTORY))? {
        let mut reading = Reading::of_file(&path, peer, network)?;
        if let Some(before) = before.take() {
            (reading.next_number, reading.previous) = (before.next_number, before.previous);
            reading.is_linked = true;
        }
        while let Some((entry, line)) = reading.next()? {
            first.get_or_insert(entry.number);
            count += 1;
            visit(&entry, &line);
        }
        before = Some(reading);
    }
    Ok((count, first.unwrap_or(0)))
}

/// One file being read and checked.
struct Reading {
    path: PathBuf,
    lines: BufReader<File>,
    peer: PeerId,
    network: NetworkId,
    line: u64,
    next_number: u64,
    previous: Hash,
    /// Whether the line before the next one is known.
    is_linked: bool,
}

impl Reading {
    fn of_file(path: &Path, peer: PeerId, network: NetworkId) -> Result<Self, AuditError> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let next_number = stem.parse().unwrap_or(0);
        let file = File::open(path).map_err(failed(path))?;
        Ok(Self {
            path: path.to_owned(),
            lines: BufReader::new(file),
            peer,
            network,
            line: 0,
            next_number,
            previous: Hash::default(),
            is_linked: next_number == 0,
        })
    }

    fn next(&mut self) -> Result<Option<(Entry, String)>, AuditError> {
        let mut line = String::new();
        let mut limited = (&mut self.lines).take(LINE_BYTES);
        let count = limited.read_line(&mut line).map_err(failed(&self.path))?;
        if count == 0 {
            return Ok(None);
        }
        self.line += 1;
        let Some(line) = line.strip_suffix('\n') else {
            return Err(self.broken("the line is not whole"));
        };
        let signed = line.rsplit_once(' ').and_then(|(text, hex)| Some((text, unhex(hex)?)));
        let (text, signature) = signed.ok_or_else(|| self.broken("there is no signature"))?;
        let entry: Entry =
            serde_json::from_str(text).map_err(|_| self.broken("it is not an event"))?;
        if entry.number != self.next_number {
            return Err(self.broken("its number is not the next one"));
        }
        // Where the line before is gone, the first one of the file is taken at its word.
        let bytes = signed_bytes(&self.previous, text);
        let context = context(self.network);
        let is_signed = self.peer.verify(Domain::Audit, &context, &bytes, &signature).is_ok();
        if self.is_linked && !is_signed {
            return Err(self.broken("the signature is not this node's for this place"));
        }
        self.is_linked = true;
        self.next_number += 1;
        self.previous = line_hash(line);
        Ok(Some((entry, line.to_owned())))
    }

    fn broken(&self, what: &'static str) -> AuditError {
        AuditError::Broken { path: self.path.clone(), line: self.line, what }
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(directory))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn file_name(number: u64) -> String {
    format!("{number:020}.log")
}

fn append_to(path: &Path) -> Result<File, AuditError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path).map_err(failed(path))
}

/// A crash may have left half a line behind, which nobody was told of. How long the file is then.
fn drop_torn_line(path: &Path) -> Result<u64, AuditError> {
    let use_it = || -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let start = length.saturating_sub(LINE_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() {
            file.set_len(start + whole as u64)?;
        }
        Ok(start + whole as u64)
    };
    use_it().map_err(failed(path))
}

fn signed_bytes(previous: &Hash, text: &str) -> Vec<u8> {
    [&previous.0, text.as_bytes()].concat()
}

fn line_hash(line: &str) -> Hash {
    Hash::of_bytes("bitcraps 2026 audit line", line.as_bytes())
}

const fn context(network: NetworkId) -> Context {
    Context { network, epoch: Epoch(0) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Signature> {
    let mut bytes = [0; 64];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    (hex(&bytes) == text).then_some(Signature(bytes))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = Hash([5; 32]);

    fn keypair() -> Keypair {
        Keypair::from_seed([6; 32])
    }

    fn event(height: u64) -> Event {
        Event::Done { transaction: "00".into(), height, table: None }
    }

    /// A log of `count` events in files of a few lines each.
    fn written(data_dir: &Path, count: u64) {
        let mut log = Log::open(data_dir, keypair(), NETWORK).unwrap();
        log.file_bytes = 700;
        for height in 0..count {
            log.append(event(height)).unwrap();
        }
    }

    fn read(data_dir: &Path) -> Result<(u64, u64), AuditError> {
        verify(data_dir, keypair().peer(), NETWORK, |_, _| {})
    }

    #[test]
    fn a_log_goes_on_across_files_and_starts() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), (0, 0));
        written(directory.path(), 7);
        written(directory.path(), 5);
        assert!(files(&directory.path().join(DIRECTORY)).unwrap().len() > 2);
        assert_eq!(read(directory.path()).unwrap(), (12, 0));
        let mut heights = Vec::new();
        verify(directory.path(), keypair().peer(), NETWORK, |entry, _| {
            if let Event::Done { height, .. } = entry.event {
                heights.push(height);
            }
        })
        .unwrap();
        assert_eq!(heights, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_line_can_be_changed_taken_out_or_moved() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 3);
        let path = files(&directory.path().join(DIRECTORY)).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 0x01;
            fs::write(&path, changed).unwrap();
            assert!(read(directory.path()).is_err(), "byte {position}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for order in [vec![1, 0, 2], vec![0, 2], vec![1, 2], vec![0, 0, 1, 2]] {
            let shuffled: String = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
            fs::write(&path, shuffled).unwrap();
            assert!(read(directory.path()).is_err(), "{order:?}");
        }
        fs::write(&path, &text).unwrap();
        let stranger = Keypair::from_seed([7; 32]).peer();
        assert!(verify(directory.path(), stranger, NETWORK, |_, _| {}).is_err());
        let elsewhere = verify(directory.path(), keypair().peer(), Hash([1; 32]), |_, _| {});
        assert!(elsewhere.is_err());
    }

    #[test]
    fn half_a_line_is_dropped_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 2);
        let path = files(&directory.path().join(DIRECTORY)).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        assert!(read(directory.path()).is_err());
        written(directory.path(), 1);
        assert_eq!(read(directory.path()).unwrap(), (2, 0));
    }

    #[test]
    fn a_log_without_its_oldest_files_says_where_it_begins() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 12);
        let all = files(&directory.path().join(DIRECTORY)).unwrap();
        fs::remove_file(&all[0]).unwrap();
        let (count, first) = read(directory.path()).unwrap();
        assert!(first > 0 && first + count == 12);
        fs::remove_file(&all[2]).unwrap();
        assert!(read(directory.path()).is_err() || all.len() == 3, "a gap is no beginning");
    }
}
