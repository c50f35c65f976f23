//! The mesh's local policy.

use core::time::Duration;

use super::access::Access;
use super::broadcast::{ANNOUNCED_BYTES, DIGESTS, ID_BYTES, SIGHT_BYTES};
use super::budget::{Allowance, Rate};
use super::datagrams;
use super::lanes::LANES;
use super::membership::{BOOK_BYTES, ENDPOINT_BYTES, REACHABLE};
use super::neighbours::AUTHORS;
use super::packet::Shorthand;
use super::standing::STANDING_BYTES;
use crate::event::LinkId;
use crate::wire::limits::{MESSAGE_BYTES, NEIGHBOURS};

/// How a node treats its links. Nodes of one network may differ in this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Peers linked at once. A newcomer beyond takes the place of somebody else if it is a validator
    /// and this node too, or has hardly any other link; else it is refused. 64: a full
    /// mesh of as many.
    pub links: usize,
    /// Links beyond that: in their handshake, to a peer that has another one, or about to be
    /// refused.
    pub extra_links: usize,
    /// Peers that a node wants to be linked with, validators among one another apart. 6: one more
    /// than HyParView's active view.
    pub wanted_links: usize,
    /// Whether to tell others where somebody can be found, and to listen to what they tell.
    pub exchanges_contacts: bool,
    /// How long a handshake may take. 10 s: three frames over a bad radio link.
    pub handshake_timeout: Duration,
    /// How long a link may be idle before a ping is sent. 15 s: two pings may be lost before the
    /// other side's `silence_timeout`.
    pub ping_after: Duration,
    /// How long nothing may arrive, or a frame may wait to leave. 45 s: well above the longest
    /// pause of a busy machine or a radio in a crowd.
    pub silence_timeout: Duration,
    /// The least time between two announcements of neighbours. 100 ms: a start, when all links come
    /// up together, costs two.
    pub announce_interval: Duration,
    /// Bytes handed to the driver and not yet `Sent`, per link; exceeded only by one message alone.
    /// 64 KiB: an urgent message waits behind no more than that.
    pub window_bytes: usize,
    /// Frames handed to the driver and not yet `Sent`, per link; exceeded only within a message.
    pub window_frames: usize,
    /// Bytes waiting in one lane of one link; the victim is the lane's oldest message, for the
    /// control lane the link. 1 MiB: nearly three of the largest messages.
    pub lane_bytes: usize,
    /// What one link may deliver. Far above what a full network sends over one link, far below what
    /// decrypting it costs a core.
    pub allowance: Allowance,
    /// Gossip messages remembered in each of two generations, to be delivered once only. 16,384:
    /// a few seconds of the highest rate that `allowance` admits.
    pub seen_messages: usize,
    /// The least time between the first two attempts at one message that count, whoever makes them;
    /// later ones wait half as long again each time. 100 ms: well below honest repetitions.
    pub attempt_pause: Duration,
    /// Bytes of messages kept for peers that turn out to lack them; the victims are the oldest.
    /// 1 MiB: half a minute of a busy table's votes, and three of the largest messages.
    pub kept_bytes: usize,
    /// Bytes of such messages that one link may pull.
    pub pulled: Rate,
    /// Messages that one link may bring although they are here, beside four for each that is news. A
    /// burst of 4,000: all that may wait on a slow link when it is told so; 20 a second: a thirtieth
    /// of what a radio carries.
    pub repeated: Rate,
    /// Links that one address may open. A burst of 600: as many nodes behind one router, or in one
    /// machine, come back at once; 20 a second: handshakes for a hundredth of a core.
    pub dials: Rate,
    /// Places unknown until then that this node's drivers may find. 50 a second, as radios hear
    /// and local networks announce; a flood of inventions ends here.
    pub discoveries: Rate,
    /// Who is admitted, and who is not, whatever they do.
    pub access: Access,
}

impl Config {
    /// Bytes that one link can make a mesh hold: what waits in its lanes, is under way and arrives in
    /// pieces, what it announced and whom it says it hears. Each queue may exceed its bound by one
    /// message.
    pub const fn bytes_per_link(&self) -> usize {
        let waiting = LANES * (self.lane_bytes + MESSAGE_BYTES);
        let under_way = self.window_bytes + MESSAGE_BYTES;
        let arriving = MESSAGE_BYTES;
        let datagrams = 2 * (MESSAGE_BYTES + datagrams::FRAME_BYTES);
        let said = ANNOUNCED_BYTES + DIGESTS * ID_BYTES + NEIGHBOURS * Shorthand::BYTES;
        waiting + under_way + arriving + datagrams + said + REACHABLE * ENDPOINT_BYTES
    }

    /// Bytes that a mesh holds at most beside its links: what it has seen, keeps for others, and knows
    /// of them.
    pub const fn shared_bytes(&self) -> usize {
        let seen = 2 * self.seen_messages * SIGHT_BYTES;
        // The message that came last may be as long as any.
        let kept = self.kept_bytes + 2 * MESSAGE_BYTES;
        let relays = AUTHORS * (self.links + self.extra_links) * size_of::<LinkId>();
        seen + kept + relays + BOOK_BYTES + STANDING_BYTES
    }

    /// Bytes that a mesh holds at most, whatever others send. What the allocator adds is not counted.
    pub const fn most_bytes(&self) -> usize {
        (self.links + self.extra_links) * self.bytes_per_link() + self.shared_bytes()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            links: 64,
            extra_links: 16,
            wanted_links: 6,
            exchanges_contacts: true,
            handshake_timeout: Duration::from_secs(10),
            ping_after: Duration::from_secs(15),
            silence_timeout: Duration::from_secs(45),
            announce_interval: Duration::from_millis(100),
            window_bytes: 64 * 1024,
            window_frames: 16,
            lane_bytes: 1024 * 1024,
            allowance: Allowance {
                bytes: Rate { burst: 32 * 1024 * 1024, per_second: 16 * 1024 * 1024 },
                frames: Rate { burst: 20_000, per_second: 10_000 },
                digests: Rate { burst: 20_000, per_second: 10_000 },
                work: Rate { burst: 50_000, per_second: 5_000 },
            },
            seen_messages: 16_384,
            attempt_pause: Duration::from_millis(100),
            kept_bytes: 1024 * 1024,
            pulled: Rate { burst: 4 * 1024 * 1024, per_second: 1024 * 1024 },
            repeated: Rate { burst: 4_000, per_second: 20 },
            dials: Rate { burst: 600, per_second: 20 },
            discoveries: Rate { burst: 256, per_second: 50 },
            access: Access::default(),
        }
    }
}
