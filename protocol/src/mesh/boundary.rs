//! What the mesh is told, what it wants, and how it shows its links.

use alloc::collections::BTreeSet;
use core::time::Duration;

use bytes::Bytes;

use super::{Attempt, Lane, Serial};
use crate::event::{CloseReason, Direction, Endpoint, Fault, LinkId, LinkKind, Response};
use crate::identity::{Address, PeerId};

/// Something that happened to the mesh, or that an upper layer wants of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A link came up; see [`Event::LinkUp`](crate::event::Event::LinkUp).
    LinkUp {
        /// Its name, never used before.
        link: LinkId,
        /// What it promises.
        kind: LinkKind,
        /// Bytes of the largest frame it carries.
        mtu: u32,
        /// Who opened it.
        direction: Direction,
        /// The other end.
        endpoint: Endpoint,
    },
    /// A link is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame arrived.
    Received {
        /// On which link.
        link: LinkId,
        /// Its bytes.
        frame: Bytes,
    },
    /// The oldest unfinished [`Output::Send`] on this link has left.
    Sent {
        /// On which link.
        link: LinkId,
    },
    /// A message is for everybody.
    Broadcast {
        /// How urgent it is.
        lane: Lane,
        /// Whose message it is, if known: it is not relayed to those who hear that peer themselves.
        author: Option<PeerId>,
        /// When it matters no more, if that can be said.
        serial: Option<Serial>,
        /// As delivered if relayed; the originator counts.
        attempt: Attempt,
        /// At most [`PAYLOAD_BYTES`](super::PAYLOAD_BYTES).
        message: Bytes,
        /// The link that delivered it, or `None` if it starts here and so goes to every peer.
        from: Option<LinkId>,
    },
    /// A message that was broadcast before may still be lacked by somebody: neighbours are told of
    /// it, and may ask for it.
    Remind {
        /// How urgent it is.
        lane: Lane,
        /// Whose message it is, if known.
        author: Option<PeerId>,
        /// At most [`PAYLOAD_BYTES`](super::PAYLOAD_BYTES).
        message: Bytes,
    },
    /// A message that was delivered could not be judged yet: it is taken again when somebody
    /// reminds of it.
    Forget {
        /// The message.
        message: Bytes,
    },
    /// A message is for one neighbour. Dropped if that link is no longer up.
    Unicast {
        /// On which link.
        link: LinkId,
        /// How urgent it is.
        lane: Lane,
        /// At most [`PAYLOAD_BYTES`](super::PAYLOAD_BYTES).
        message: Bytes,
    },
    /// Broadcasts of a series before this number matter no more: those that wait do not leave.
    Past {
        /// Which series.
        series: u8,
        /// The first number that still matters.
        below: u64,
    },
    /// The peer of this link takes no part in broadcasts: none is pushed or announced to it any
    /// more, and none of its is heard.
    Quiet {
        /// Which.
        link: LinkId,
    },
    /// What this link delivered has made work beyond what its budget was told of before.
    Spent {
        /// Which.
        link: LinkId,
        /// See [`Allowance::work`](super::Allowance::work).
        work: u64,
    },
    /// What this link delivered broke the protocol; the link is closed.
    Penalise {
        /// Which.
        link: LinkId,
        /// What was wrong.
        fault: Fault,
    },
    /// Somebody may be found there; this node's own driver says so.
    Discovered {
        /// Where.
        endpoint: Endpoint,
    },
    /// Others can reach this node there.
    Reachable {
        /// Where.
        endpoint: Endpoint,
    },
    /// An [`Output::Dial`] came to nothing.
    DialFailed {
        /// Whom it was for.
        endpoint: Endpoint,
    },
    /// These are the validators now, who want to be linked with one another.
    Validators {
        /// Their keys.
        peers: BTreeSet<PeerId>,
    },
    /// The deadline has passed.
    Tick,
}

/// Something that the mesh wants done or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame; completes as [`Input::Sent`].
    Send {
        /// On which link.
        link: LinkId,
        /// Not longer than the link's MTU.
        frame: Bytes,
    },
    /// Try to open a link; ends in [`Input::LinkUp`] or [`Input::DialFailed`].
    Dial {
        /// To where.
        endpoint: Endpoint,
    },
    /// Close a link; no `LinkDown` follows.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// A link's other end is known and admitted. Emitted for every such link, also if another one
    /// leads to the same peer.
    PeerUp {
        /// The link.
        link: LinkId,
        /// Who is there.
        peer: Address,
    },
    /// A link that was up is gone. [`Mesh::is_linked`](super::Mesh::is_linked) says whether another leads to the same peer.
    PeerDown {
        /// The link.
        link: LinkId,
        /// Who was there.
        peer: PeerId,
    },
    /// A message arrived.
    Deliver {
        /// On which link.
        link: LinkId,
        /// From which neighbour; not necessarily the message's author.
        peer: PeerId,
        /// Its bytes.
        message: Bytes,
        /// Which attempt it belongs to if it was broadcast, and so is to be relayed once verified;
        /// `None` if it is for this node alone.
        gossip: Option<Attempt>,
    },
    /// A peer broke the protocol; its link is closed.
    Misbehaved {
        /// On which link.
        link: LinkId,
        /// Who, if the handshake got that far.
        peer: Option<PeerId>,
        /// How.
        fault: Fault,
        /// What was done about it.
        response: Response,
    },
}

/// How broadcasts have come here, for people and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Messages that were new.
    pub new: u64,
    /// Copies of messages that had come before.
    pub repeated: u64,
    /// Links that the new ones had come over, as relays say, added up.
    pub hops: u64,
    /// The most of those.
    pub most_hops: u16,
    /// Messages that were asked for because they did not come by themselves.
    pub asked_for: u64,
    /// Bytes of messages that would have left if whoever says or relays one pushed it over all links
    /// but the one that it came over: the flood that is not made.
    #[serde(default)]
    pub flood_bytes: u64,
}

impl Tally {
    /// Adds what another node has heard.
    pub fn add(&mut self, other: &Self) {
        let Self { new, repeated, hops, most_hops, asked_for, flood_bytes } = *other;
        self.new += new;
        self.repeated += repeated;
        self.hops += hops;
        self.most_hops = self.most_hops.max(most_hops);
        self.asked_for += asked_for;
        self.flood_bytes += flood_bytes;
    }

    /// Copies beyond the first, in thousandths of what was new.
    pub const fn redundancy_permille(&self) -> u64 {
        let new = if self.new == 0 { 1 } else { self.new };
        self.repeated * 1_000 / new
    }
}

/// An established link, for people and for those who choose whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLink<'a> {
    /// The link.
    pub link: LinkId,
    /// Who is there.
    pub address: Address,
    /// Where that is, as the transport names it.
    pub endpoint: &'a Endpoint,
    /// Who opened the link.
    pub direction: Direction,
    /// How long a frame and its answer took: on a datagram link lately, else when it came up.
    pub round_trip: Option<Duration>,
    /// Points for faults that have not faded; see [`BANNED_AT`](super::BANNED_AT).
    pub points: u32,
}
