//! One authenticated, encrypted link: bytes of frames in, messages out, and back.
//!
//! A session runs Noise XX (`Noise_XX_25519_ChaChaPoly_BLAKE2s`). Both sides prove in its encrypted
//! payloads who they are, then exchange messages of up to [`MESSAGE_BYTES`] as encrypted records.
//! It knows nothing of what messages mean, of other links, or of time.
//!
//! ```text
//! frame   = 1 ‖ Noise message 1        initiator → responder
//!         | 2 ‖ Noise message 2        responder → initiator, holds credentials
//!         | 3 ‖ Noise message 3        initiator → responder, holds credentials
//!         | 4 ‖ nonce, u64 LE ‖ record
//! ```
//!
//! On a [`LinkKind::Stream`] every frame must be the expected one. On a [`LinkKind::Datagram`] the
//! link itself may repeat, delay or lose frames, so those that come at the wrong time are ignored;
//! there a message is one record, and one that would need more is refused.

mod channel;
mod handshake;
mod record;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

pub use handshake::LocalIdentity;

use crate::event::{Fault, LinkKind};
use crate::identity::Address;
use crate::rng::Rng;
use crate::wire::TooLong;
use crate::wire::limits::MESSAGE_BYTES;
use handshake::{Handshake, Progress, Step};
use record::Records;
pub(crate) use record::Window;

/// Bytes of the longest Noise message.
const NOISE_BYTES: usize = 65_535;
/// Bytes by which an encrypted text is longer than its plain text.
const TAG_BYTES: usize = 16;

/// What kind of frame this is: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
    Handshake(Step),
    Record,
}

impl FrameKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Handshake(Step::First) => 1,
            Self::Handshake(Step::Second) => 2,
            Self::Handshake(Step::Third) => 3,
            Self::Record => 4,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Handshake(Step::First)),
            2 => Some(Self::Handshake(Step::Second)),
            3 => Some(Self::Handshake(Step::Third)),
            4 => Some(Self::Record),
            _ => None,
        }
    }
}

/// What a frame led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send this frame back.
    Reply(Bytes),
    /// The other side is who this address says, and messages may be sealed from now on.
    Established(Address),
    /// A complete message arrived.
    Message(Bytes),
}

/// One side of one link's encryption. After a [`Fault`] it only ever returns that fault.
#[derive(Debug)]
pub struct Session {
    kind: LinkKind,
    frame_bytes: usize,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Handshaking(Box<Handshake>),
    Open(Box<Records>),
    Failed(Fault),
}

impl Session {
    /// Bytes of the smallest frame that a link must carry to hold the handshake.
    pub const MIN_MTU: u32 = 256;

    /// Begins as the side that opened the link, and returns the first frame to send.
    ///
    /// `rng` must be a stream of this session's own: it makes the ephemeral key. `mtu` is in bytes
    /// and at least [`Self::MIN_MTU`].
    pub fn initiate(identity: &LocalIdentity, rng: Rng, mtu: u32, kind: LinkKind) -> (Self, Bytes) {
        let (handshake, first) = Handshake::initiate(identity, rng);
        let frame = handshake_frame(Step::First, &first);
        (Self::new(handshake, mtu, kind), frame)
    }

    /// Begins as the side that waits for the other's first frame; parameters as for
    /// [`initiate`](Self::initiate).
    pub fn accept(identity: &LocalIdentity, rng: Rng, mtu: u32, kind: LinkKind) -> Self {
        Self::new(Handshake::accept(identity, rng), mtu, kind)
    }

    fn new(handshake: Handshake, mtu: u32, kind: LinkKind) -> Self {
        assert!(mtu >= Self::MIN_MTU, "a link of {mtu} bytes a frame cannot hold the handshake");
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        let frame_bytes = mtu.min(record::HEADER_BYTES + NOISE_BYTES);
        Self { kind, frame_bytes, phase: Phase::Handshaking(Box::new(handshake)) }
    }

    /// Bytes of the longest message that [`seal`](Self::seal) takes.
    pub const fn capacity(&self) -> usize {
        match self.kind {
            LinkKind::Stream => MESSAGE_BYTES,
            LinkKind::Datagram => record::piece_bytes(self.frame_bytes),
        }
    }

    /// Bytes of the message that is arriving.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held(&self) -> usize {
        match &self.phase {
            Phase::Open(records) => records.held(),
            Phase::Handshaking(_) | Phase::Failed(_) => 0,
        }
    }

    /// Takes a frame from the other side. At most a reply and its establishment, or one message,
    /// come of it; on a datagram link perhaps nothing.
    ///
    /// Errors say what the other side did wrong; the link must then be closed.
    pub fn handle(&mut self, frame: &Bytes) -> Result<Vec<Outcome>, Fault> {
        let result = self.take(frame);
        if let Err(fault) = result {
            self.phase = Phase::Failed(fault);
        }
        result
    }

    fn take(&mut self, frame: &Bytes) -> Result<Vec<Outcome>, Fault> {
        if let Phase::Failed(fault) = self.phase {
            return Err(fault);
        }
        if frame.len() > self.frame_bytes {
            return Err(Fault::TooLarge);
        }
        let Some((&first, body)) = frame.split_first() else { return Err(Fault::Malformed) };
        match FrameKind::of(first).ok_or(Fault::Malformed)? {
            FrameKind::Handshake(step) => self.shake(step, body),
            FrameKind::Record => self.open(body),
        }
    }

    fn shake(&mut self, step: Step, body: &[u8]) -> Result<Vec<Outcome>, Fault> {
        match mem::replace(&mut self.phase, Phase::Failed(Fault::Handshake)) {
            Phase::Handshaking(handshake) if handshake.expects(step) => {
                self.advance(handshake.read(body)?)
            }
            phase @ (Phase::Handshaking(_) | Phase::Open(_) | Phase::Failed(_)) => {
                self.phase = phase;
                self.untimely()
            }
        }
    }

    fn advance(&mut self, progress: Progress) -> Result<Vec<Outcome>, Fault> {
        match progress {
            Progress::Answered { handshake, second } => {
                self.phase = Phase::Handshaking(handshake);
                Ok(vec![Outcome::Reply(handshake_frame(Step::Second, &second))])
            }
            Progress::Done { address, transport, third } => {
                let records = Records::new(transport, self.kind, self.frame_bytes);
                self.phase = Phase::Open(Box::new(records));
                let reply = third.map(|third| handshake_frame(Step::Third, &third));
                let established = Outcome::Established(address);
                Ok(reply.map(Outcome::Reply).into_iter().chain([established]).collect())
            }
        }
    }

    fn open(&mut self, body: &[u8]) -> Result<Vec<Outcome>, Fault> {
        match &mut self.phase {
            Phase::Handshaking(_) => self.untimely(),
            Phase::Open(records) => {
                Ok(records.open(body)?.map(Outcome::Message).into_iter().collect())
            }
            Phase::Failed(fault) => Err(*fault),
        }
    }

    /// A frame that does not belong here now: a datagram link may have done that by itself.
    const fn untimely(&self) -> Result<Vec<Outcome>, Fault> {
        match self.kind {
            LinkKind::Stream => Err(Fault::Handshake),
            LinkKind::Datagram => Ok(Vec::new()),
        }
    }

    /// Encrypts `message` into the frames that carry it, to be sent in this order and in the order
    /// of the calls.
    ///
    /// Refuses a message longer than [`capacity`](Self::capacity). Panics before the session is
    /// established.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<Bytes>, TooLong> {
        let limit = self.capacity();
        if message.len() > limit {
            return Err(TooLong { limit });
        }
        match &mut self.phase {
            Phase::Open(records) => Ok(records.seal(message)),
            Phase::Handshaking(_) | Phase::Failed(_) => {
                panic!("only established sessions carry messages")
            }
        }
    }
}

fn handshake_frame(step: Step, body: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(1 + body.len());
    frame.push(FrameKind::Handshake(step).byte());
    frame.extend_from_slice(body);
    Bytes::from(frame)
}
