//! What neighbours say to one another inside a session.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::broadcast::{Hops, MessageId, Tree};
use super::membership::Word;
use super::{Attempt, PAYLOAD_BYTES};
use crate::identity::PeerId;
use crate::wire::limits::{MESSAGE_BYTES, NEIGHBOURS};
use crate::wire::{List, Malformed, decode, encode};

/// Bytes by which a packet may be longer than the message in it: its variant, an attempt, a length.
pub(super) const OVERHEAD_BYTES: usize = 8;
/// Bytes by which a list's packet may be longer than what it lists: its variant, a count.
pub(super) const LIST_OVERHEAD_BYTES: usize = 3;

/// Messages that one packet announces or asks for.
pub(super) const IDS: usize = 64;

/// How announcements name a peer: the first eight bytes of its key. Two keys that begin alike cost
/// 2^64 keys to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Shorthand([u8; 8]);

impl Shorthand {
    pub(super) const BYTES: usize = 8;

    pub(super) fn of(peer: PeerId) -> Self {
        Self(*peer.0.first_chunk().expect("eight bytes of thirty-two"))
    }
}

/// One message of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Packet {
    /// The sender is still there.
    Ping,
    /// These are the sender's established neighbours; replaces what it said before.
    Neighbours(List<Shorthand, NEIGHBOURS>),
    /// A message for the receiver alone.
    Payload(Bytes),
    /// A message for everybody.
    Gossip {
        /// Counts how often the originator has said it.
        attempt: Attempt,
        /// How often it was relayed, as the relays say.
        hops: Hops,
        /// Over which tree it spreads, as they say.
        tree: Tree,
        /// The message.
        body: Bytes,
    },
    /// The sender has these messages for everybody.
    Announce(List<MessageId, IDS>),
    /// The sender lacks these, and wants what spreads like them pushed.
    Graft(List<MessageId, IDS>),
    /// The sender wants what spreads over this tree announced only.
    Prune(Tree),
    /// About whom to be linked with.
    Membership(Word),
}

impl Packet {
    pub(super) fn encode(&self) -> Bytes {
        Bytes::from(encode(self))
    }

    /// Reads a packet whose message, if it has one, is short enough to be relayed.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let packet = decode(bytes, MESSAGE_BYTES)?;
        let message_bytes = match &packet {
            Self::Ping
            | Self::Neighbours(_)
            | Self::Announce(_)
            | Self::Graft(_)
            | Self::Prune(_)
            | Self::Membership(_) => 0,
            Self::Payload(message) => message.len(),
            Self::Gossip { body, .. } => body.len(),
        };
        if message_bytes > PAYLOAD_BYTES { Err(Malformed::TooLarge) } else { Ok(packet) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn the_longest_payload_fits_a_message_and_a_longer_one_is_refused() {
        let body = Bytes::from(vec![0; PAYLOAD_BYTES]);
        let (attempt, hops, tree) = (Attempt(255), Hops(255), Tree::of(None));
        let gossip = Packet::Gossip { attempt, hops, tree, body: body.clone() };
        assert_eq!(Packet::decode(&gossip.encode()), Ok(gossip));
        let payload = Packet::Payload(body);
        assert_eq!(Packet::decode(&payload.encode()), Ok(payload));
        let longer = Packet::Payload(Bytes::from(vec![0; PAYLOAD_BYTES + 1]));
        assert_eq!(Packet::decode(&longer.encode()), Err(Malformed::TooLarge));
        let everybody = List::new(vec![Shorthand([1; 8]); NEIGHBOURS]).unwrap();
        let bytes = Packet::Neighbours(everybody).encode();
        assert!(bytes.len() <= NEIGHBOURS * Shorthand::BYTES + LIST_OVERHEAD_BYTES);
    }
}
