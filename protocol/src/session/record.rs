//! Messages as encrypted records: splitting, sealing, opening, putting together again.
//!
//! A record's plain text is one byte of flags (first piece, last piece) and a piece of a message.
//! Each record names its nonce. A stream's nonces must come one after the other; a datagram link's
//! may come in any order within a window, each at most once.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::channel::Transport;
use super::{FrameKind, TAG_BYTES};
use crate::event::{Fault, LinkKind};
use crate::wire::limits::MESSAGE_BYTES;
use bytes::{Buf, Bytes};

const NONCE_BYTES: usize = 8;
/// Bytes of a frame before the encrypted record: its kind and its nonce.
pub(super) const HEADER_BYTES: usize = 1 + NONCE_BYTES;
const FLAGS_BYTES: usize = 1;

const FIRST: u8 = 1;
const LAST: u8 = 2;
const WHOLE: u8 = FIRST | LAST;

/// Bytes of a message that fit into one frame of `frame_bytes`.
pub(super) const fn piece_bytes(frame_bytes: usize) -> usize {
    frame_bytes - HEADER_BYTES - FLAGS_BYTES - TAG_BYTES
}

/// An established session's two directions.
pub(super) struct Records {
    transport: Transport,
    kind: LinkKind,
    piece_bytes: usize,
    next_nonce: u64,
    received: Received,
    /// The pieces so far of the message that is arriving; at most [`MESSAGE_BYTES`].
    pieces: Option<Vec<u8>>,
}

impl Records {
    /// Goes on with the keys of a finished handshake on a link whose frames hold `frame_bytes`.
    pub(super) fn new(transport: Transport, kind: LinkKind, frame_bytes: usize) -> Self {
        let received = match kind {
            LinkKind::Stream => Received::InOrder { next: 0 },
            LinkKind::Datagram => Received::Window(Window::default()),
        };
        let piece_bytes = piece_bytes(frame_bytes);
        Self { transport, kind, piece_bytes, next_nonce: 0, received, pieces: None }
    }

    /// The frames that carry `message`; one even if it is empty.
    pub(super) fn seal(&mut self, message: &[u8]) -> Vec<Bytes> {
        let pieces = message.len().div_ceil(self.piece_bytes).max(1);
        (0..pieces)
            .map(|index| {
                let start = index * self.piece_bytes;
                let end = message.len().min(start + self.piece_bytes);
                let first = if index == 0 { FIRST } else { 0 };
                let last = if index + 1 == pieces { LAST } else { 0 };
                self.seal_piece(first | last, &message[start..end])
            })
            .collect()
    }

    pub(super) fn seal_piece(&mut self, flags: u8, piece: &[u8]) -> Bytes {
        let mut plain = Vec::with_capacity(FLAGS_BYTES + piece.len());
        plain.push(flags);
        plain.extend_from_slice(piece);
        let mut frame = vec![0; HEADER_BYTES + plain.len() + TAG_BYTES];
        frame[0] = FrameKind::Record.byte();
        frame[1..HEADER_BYTES].copy_from_slice(&self.next_nonce.to_le_bytes());
        self.transport.seal(self.next_nonce, &plain, &mut frame[HEADER_BYTES..]);
        self.next_nonce += 1;
        Bytes::from(frame)
    }

    /// Opens the record in a frame's `body` and returns the message that it completes, if any.
    pub(super) fn open(&mut self, body: &[u8]) -> Result<Option<Bytes>, Fault> {
        let (nonce, sealed) = body.split_first_chunk().ok_or(Fault::Malformed)?;
        let nonce = u64::from_le_bytes(*nonce);
        let length = sealed.len().checked_sub(TAG_BYTES).ok_or(Fault::Malformed)?;
        if !self.received.awaits(nonce) {
            return match (self.kind, &self.received) {
                (LinkKind::Stream, Received::InOrder { next }) if nonce < *next => {
                    Err(Fault::Replay)
                }
                (LinkKind::Stream, _) => Err(Fault::Decryption),
                (LinkKind::Datagram, _) => Ok(None),
            };
        }
        let mut plain = vec![0; length];
        self.transport.open(nonce, sealed, &mut plain)?;
        self.received.record(nonce);
        let mut piece = Bytes::from(plain);
        let flags = piece.try_get_u8().map_err(|_| Fault::Malformed)?;
        self.add(flags, piece)
    }

    /// Bytes of the message that is arriving.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.pieces.as_ref().map_or(0, Vec::len)
    }

    fn add(&mut self, flags: u8, piece: Bytes) -> Result<Option<Bytes>, Fault> {
        let in_pieces = match self.kind {
            LinkKind::Stream => true,
            LinkKind::Datagram => false,
        };
        match (flags, self.pieces.take()) {
            (WHOLE, None) => Ok(Some(piece)),
            (FIRST, None) if in_pieces => {
                self.pieces = Some(piece.to_vec());
                Ok(None)
            }
            (0 | LAST, Some(pieces)) if pieces.len() + piece.len() > MESSAGE_BYTES => {
                Err(Fault::TooLarge)
            }
            (0, Some(mut pieces)) => {
                pieces.extend_from_slice(&piece);
                self.pieces = Some(pieces);
                Ok(None)
            }
            (LAST, Some(mut pieces)) => {
                pieces.extend_from_slice(&piece);
                Ok(Some(Bytes::from(pieces)))
            }
            _ => Err(Fault::Malformed),
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Records({} sent)", self.next_nonce)
    }
}

/// Which nonces have been used by the other side.
enum Received {
    InOrder { next: u64 },
    Window(Window),
}

impl Received {
    fn awaits(&self, nonce: u64) -> bool {
        match self {
            Self::InOrder { next } => nonce == *next,
            Self::Window(window) => window.awaits(nonce),
        }
    }

    fn record(&mut self, nonce: u64) {
        match self {
            Self::InOrder { next } => *next = nonce + 1,
            Self::Window(window) => window.record(nonce),
        }
    }
}

/// Remembers which of the newest 128 nonces have come; older ones count as come.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// One more than the highest nonce that has come.
    end: u64,
    /// Bit `i` is set if the nonce `end - 1 - i` has come.
    come: u128,
}

impl Window {
    /// Whether this nonce may still come.
    pub(crate) fn awaits(&self, nonce: u64) -> bool {
        match self.end.checked_sub(nonce) {
            None | Some(0) => true,
            Some(distance @ 1..=128) => self.come >> (distance - 1) & 1 == 0,
            Some(_) => false,
        }
    }

    /// Notes a nonce that is awaited, not the last of all, and authentic: only then may the window
    /// move.
    pub(crate) fn record(&mut self, nonce: u64) {
        if nonce >= self.end {
            let shift = u32::try_from(nonce + 1 - self.end).unwrap_or(u32::MAX);
            self.come = self.come.checked_shl(shift).unwrap_or(0);
            self.end = nonce + 1;
        }
        self.come |= 1 << (self.end - 1 - nonce);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::*;

    proptest! {
        #[test]
        fn the_window_takes_each_nonce_at_most_once_and_never_an_old_one(
            nonces in proptest::collection::vec(0u64..400, 0..600),
        ) {
            let mut window = Window::default();
            let mut come = BTreeSet::new();
            for nonce in nonces {
                let newest = come.last().copied().unwrap_or(0u64);
                let expected = !come.contains(&nonce) && nonce + 128 > newest;
                prop_assert_eq!(window.awaits(nonce), expected, "{} after {}", nonce, newest);
                if expected {
                    window.record(nonce);
                    come.insert(nonce);
                }
            }
        }
    }

    #[test]
    fn a_far_jump_empties_the_window() {
        let mut window = Window::default();
        window.record(0);
        window.record(u64::MAX - 1);
        assert!(!window.awaits(0));
        assert!(!window.awaits(u64::MAX - 1));
        assert!(window.awaits(u64::MAX - 2));
        assert!(!window.awaits(u64::MAX - 1 - 128));
    }
}
