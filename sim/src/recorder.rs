//! Who watches a run: nobody, a trace for comparison, or a timeline for people.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use bitcraps_protocol::block::BlockHash;
use bitcraps_protocol::consensus::{Statement, Vote};
use bitcraps_protocol::time::Time;

use crate::decision::TimedFault;
use crate::digest::Digest;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A process started.
    Start,
    /// A process ended.
    Stop,
    /// A link came up.
    LinkUp,
    /// A link went down.
    LinkDown,
    /// A node closed a link.
    Close,
    /// A frame arrived.
    Received,
    /// A frame left.
    Sent,
    /// Records became durable.
    Persisted,
    /// A wall clock was told.
    WallClock,
    /// A deadline passed.
    Tick,
    /// A player asked for something.
    Submit,
    /// A node entered a view.
    Entered,
    /// A block became final at a node.
    Finalized,
    /// A view's dice were shown.
    Rolled,
    /// A checkpoint of the trace.
    Checkpoint,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Start,
        Self::Stop,
        Self::LinkUp,
        Self::LinkDown,
        Self::Close,
        Self::Received,
        Self::Sent,
        Self::Persisted,
        Self::WallClock,
        Self::Tick,
        Self::Submit,
        Self::Entered,
        Self::Finalized,
        Self::Rolled,
        Self::Checkpoint,
    ];
}

/// One entry of a trace or a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, in simulated microseconds.
    pub at: u64,
    /// What.
    pub kind: Kind,
    /// Where.
    pub place: u16,
    /// More about it.
    pub what: u64,
    /// The run's fingerprint then.
    pub digest: u64,
}

/// A frame's flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// When it was sent.
    pub sent: u64,
    /// When it arrives.
    pub arrives: u64,
    /// Its sender.
    pub from: u16,
    /// Its receiver.
    pub to: u16,
}

/// A vote that a node says for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaidVote {
    /// When, in simulated microseconds.
    pub at: u64,
    /// Where.
    pub place: u16,
    /// Which kind of vote.
    pub kind: VoteKind,
    /// Its view.
    pub view: u64,
    /// The block it is for, or nothing if it is for none.
    pub block: Option<BlockHash>,
}

/// Kinds of votes, as they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteKind {
    /// A leader's notarize vote, which is its proposal.
    Propose,
    /// A notarize vote.
    Notarize,
    /// A nullify vote.
    Nullify,
    /// A finalize vote.
    Finalize,
}

/// What a timeline shows.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// What is worth showing, in order.
    pub happenings: Vec<Happening>,
    /// Votes, in order.
    pub votes: Vec<SaidVote>,
    /// Flights within the chosen span.
    pub flights: Vec<Flight>,
    /// Faults of certain times.
    pub faults: Vec<(u64, TimedFault)>,
    /// Sentences.
    pub said: Vec<(u64, u16, String)>,
    /// The span whose flights are kept.
    pub span: (u64, u64),
}

/// A vote is said again within this time; it is shown once.
const REPEATED_US: u64 = 10_000_000;

/// Bytes of an entry in a trace file.
pub const ENTRY_BYTES: usize = 32;

/// Entries between two checkpoints.
pub const CHECKPOINT_EVERY: u64 = 4_096;

/// What a trace file begins with.
pub const MAGIC: &[u8; 8] = b"bcsimtr1";

#[derive(Debug)]
struct Trace {
    file: BufWriter<File>,
    chain: blake3::Hasher,
    entries: u64,
}

/// Sees everything and changes nothing.
#[derive(Debug, Default)]
pub struct Recorder {
    trace: Option<Trace>,
    timeline: Option<Timeline>,
}

impl Recorder {
    /// Writes a trace into `file`.
    pub fn trace_into(&mut self, file: File) -> std::io::Result<()> {
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        self.trace = Some(Trace { file, chain: blake3::Hasher::new(), entries: 0 });
        Ok(())
    }

    /// Keeps a timeline, with the flights of frames sent in `span` (microseconds).
    pub fn keep_timeline(&mut self, span: (u64, u64)) {
        self.timeline = Some(Timeline { span, ..Timeline::default() });
    }

    /// The timeline, if one was kept.
    pub fn take_timeline(&mut self) -> Option<Timeline> {
        self.timeline.take()
    }

    /// Writes what is left of the trace.
    pub fn finish(&mut self) -> std::io::Result<()> {
        self.trace.take().map_or(Ok(()), |mut trace| trace.file.flush())
    }

    pub(crate) fn note(&mut self, now: Time, kind: Kind, place: usize, what: u64, digest: Digest) {
        if self.trace.is_none() && self.timeline.is_none() {
            return;
        }
        let happening = Happening {
            at: now.as_micros(),
            kind,
            place: place as u16,
            what,
            digest: digest.value(),
        };
        if let Some(trace) = &mut self.trace {
            trace.write(&happening);
        }
        if let Some(timeline) = &mut self.timeline {
            match kind {
                Kind::Start
                | Kind::Stop
                | Kind::LinkDown
                | Kind::Entered
                | Kind::Finalized
                | Kind::Rolled => timeline.happenings.push(happening),
                Kind::LinkUp
                | Kind::Close
                | Kind::Received
                | Kind::Sent
                | Kind::Persisted
                | Kind::WallClock
                | Kind::Tick
                | Kind::Submit
                | Kind::Checkpoint => {}
            }
        }
    }

    pub(crate) fn say(&mut self, now: Time, place: usize, what: impl FnOnce() -> String) {
        if let Some(timeline) = &mut self.timeline {
            timeline.said.push((now.as_micros(), place as u16, what()));
        }
    }

    pub(crate) fn vote(&mut self, now: Time, place: usize, vote: &Vote, leads: bool) {
        let Some(timeline) = &mut self.timeline else { return };
        let (kind, block) = match vote.statement {
            Statement::Notarize { block, .. } if leads => (VoteKind::Propose, Some(block)),
            Statement::Notarize { block, .. } => (VoteKind::Notarize, Some(block)),
            Statement::Nullify { .. } => (VoteKind::Nullify, None),
            Statement::Finalize { block, .. } => (VoteKind::Finalize, Some(block)),
        };
        let (at, place, view) = (now.as_micros(), place as u16, vote.view().0);
        let said = SaidVote { at, place, kind, view, block };
        let recent = timeline.votes.iter().rev().take_while(|it| it.at + REPEATED_US > at);
        let again = recent.into_iter().any(|it| SaidVote { at, ..*it } == said);
        if !again {
            timeline.votes.push(said);
        }
    }

    pub(crate) fn inflict(&mut self, now: Time, fault: &TimedFault) {
        if let Some(timeline) = &mut self.timeline {
            timeline.faults.push((now.as_micros(), fault.clone()));
        }
    }

    pub(crate) fn flies(&mut self, sent: Time, arrives: Time, from: usize, to: usize) {
        if let Some(timeline) = &mut self.timeline {
            let (sent, arrives) = (sent.as_micros(), arrives.as_micros());
            if (timeline.span.0..timeline.span.1).contains(&sent) {
                let (from, to) = (from as u16, to as u16);
                timeline.flights.push(Flight { sent, arrives, from, to });
            }
        }
    }
}

impl Happening {
    /// The entry as it is in a trace file.
    pub fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.what.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.digest.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.place.to_le_bytes());
        bytes[26] = self.kind as u8;
        bytes
    }

    /// Reads an entry of a trace file.
    pub fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let word = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        Some(Self {
            at: word(0)?,
            what: word(8)?,
            digest: word(16)?,
            place: u16::from_le_bytes([bytes[24], bytes[25]]),
            kind: *Kind::ALL.get(usize::from(bytes[26]))?,
        })
    }
}

impl Trace {
    fn write(&mut self, happening: &Happening) {
        self.entries += 1;
        let bytes = happening.to_bytes();
        self.chain.update(&bytes);
        self.put(&bytes);
        if self.entries.is_multiple_of(CHECKPOINT_EVERY) {
            let hash = self.chain.finalize();
            let (mut what, mut digest) = ([0; 8], [0; 8]);
            what.copy_from_slice(&hash.as_bytes()[..8]);
            digest.copy_from_slice(&hash.as_bytes()[8..16]);
            let checkpoint = Happening {
                kind: Kind::Checkpoint,
                what: u64::from_le_bytes(what),
                digest: u64::from_le_bytes(digest),
                ..*happening
            };
            self.put(&checkpoint.to_bytes());
        }
    }

    /// A disk that is full ends the program: half a trace compares to nothing.
    fn put(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).expect("the trace can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_the_file() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            let happening = Happening { at: 1, kind, place: 2, what: 3, digest: 4 };
            assert_eq!(Happening::from_bytes(&happening.to_bytes()), Some(happening));
        }
    }
}
