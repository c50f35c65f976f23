//! What two drivers say to each other around the node's frames, and what they advertise.
//!
//! ```text
//! advertised service data  1 ‖ network, 4 bytes ‖ node, 4 bytes ‖ open tables, 1 byte
//!
//! frame   = channel + 128 · ⌊length / 256⌋ ‖ length mod 256 ‖ one frame of the node of this length
//!                                                    channel 1 … 127
//!         | channel ‖ 0                              the link is over
//!         | 0 ‖ 1 ‖ nonce, u32 LE ‖ most, u16 LE     hello: a central wants a link
//!         | 0 ‖ 2 ‖ nonce, u32 LE ‖ channel ‖ most, u16 LE
//!                                                    welcome; channel 0 says that there is no room
//! ```
//!
//! A notification reaches everybody who has subscribed with that adapter (BlueZ before 5.76 cannot
//! do otherwise), so every frame names its channel. It names its length too, because BlueZ cuts a
//! notification short where it puts several into one packet: such a frame is as good as lost. The
//! peripheral says how long frames may be: it is told the MTU with every write, where a central may
//! know an older one.
//!
//! Nothing here is authentic; the session on the link is.

use bitcraps_protocol::identity::{NetworkId, PeerId};
use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes of the shortest of the longest frames of a connection: the least MTU of Bluetooth LE
/// without the header of a notification among several.
pub const LEAST_FRAME_BYTES: u16 = 18;
/// Bytes of the longest frame on any connection: BlueZ before 5.69 drops longer writes in silence,
/// and an attribute has no more than 512.
pub const MOST_FRAME_BYTES: u16 = 510;
/// Bytes of a frame before the node's own.
pub const HEADER_BYTES: u16 = 2;
/// Channels of one adapter.
pub(crate) const CHANNELS: u8 = 127;

const VERSION: u8 = 1;
const HELLO: u8 = 1;
const WELCOME: u8 = 2;

/// Names a link among those of one adapter as a peripheral; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel(pub(crate) u8);

/// Ties a welcome to its hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce(pub(crate) u32);

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A central wants a link with frames of at most so many bytes.
    Hello { nonce: Nonce, most_bytes: u16 },
    /// It has one; none if there is no channel.
    Welcome { nonce: Nonce, channel: Option<Channel>, most_bytes: u16 },
    /// For the node.
    Frame { channel: Channel, frame: Bytes },
    /// The link is over.
    Bye { channel: Channel },
}

impl Said {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::Hello { nonce, most_bytes } => {
                bytes.put_slice(&[0, HELLO]);
                bytes.put_u32_le(nonce.0);
                bytes.put_u16_le(*most_bytes);
            }
            Self::Welcome { nonce, channel, most_bytes } => {
                bytes.put_slice(&[0, WELCOME]);
                bytes.put_u32_le(nonce.0);
                bytes.put_u8(channel.map_or(0, |channel| channel.0));
                bytes.put_u16_le(*most_bytes);
            }
            Self::Frame { channel, frame } => {
                let length = u16::try_from(frame.len()).expect("no more than the MTU");
                let [low, high] = length.to_le_bytes();
                assert!(channel.0 <= CHANNELS && high <= 1, "channel {channel:?}, {length} bytes");
                bytes.reserve(frame.len() + usize::from(HEADER_BYTES));
                bytes.put_slice(&[channel.0 | high << 7, low]);
                bytes.put_slice(frame);
            }
            Self::Bye { channel } => bytes.put_slice(&[channel.0, 0]),
        }
        bytes.freeze()
    }

    /// `None` if it is nothing that a driver says, or less than it said.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        match **bytes {
            [0, HELLO, a, b, c, d, low, high] => Some(Self::Hello {
                nonce: Nonce(u32::from_le_bytes([a, b, c, d])),
                most_bytes: u16::from_le_bytes([low, high]),
            }),
            [0, WELCOME, a, b, c, d, channel @ 0..=CHANNELS, low, high] => Some(Self::Welcome {
                nonce: Nonce(u32::from_le_bytes([a, b, c, d])),
                channel: (channel != 0).then_some(Channel(channel)),
                most_bytes: u16::from_le_bytes([low, high]),
            }),
            [channel @ 1..=CHANNELS, 0] => Some(Self::Bye { channel: Channel(channel) }),
            [first, low, ..] if first & CHANNELS != 0 => {
                let channel = Channel(first & CHANNELS);
                let length = u16::from_le_bytes([low, first >> 7]);
                let frame = bytes.slice(usize::from(HEADER_BYTES)..);
                let is_whole = !frame.is_empty() && frame.len() == usize::from(length);
                is_whole.then_some(Self::Frame { channel, frame })
            }
            _ => None,
        }
    }
}

/// What a node advertises: who it is, and whether there is something to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Who.
    pub card: Card,
    /// Tables that are open in its network; 255 are so many or more.
    pub tables: u8,
}

/// Who a node says it is: enough to tell friends from others, and itself from friends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Card {
    /// The first bytes of its network's id.
    pub network: [u8; 4],
    /// The first bytes of its key.
    pub node: [u8; 4],
}

impl Card {
    /// The card of `peer` in `network`.
    pub fn of(network: NetworkId, peer: PeerId) -> Self {
        Self { network: first(&network.0), node: first(&peer.0) }
    }
}

impl Beacon {
    /// As it is advertised.
    pub fn encode(self) -> Bytes {
        let Card { network, node } = self.card;
        Bytes::from([&[VERSION][..], &network, &node, &[self.tables]].concat())
    }

    /// `None` if it is none of this version. What follows is for later versions.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = data.split_first_chunk::<1>()? else { return None };
        let (network, rest) = rest.split_first_chunk()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (&[tables], _) = rest.split_first_chunk()?;
        Some(Self { card: Card { network: *network, node: *node }, tables })
    }
}

fn first(bytes: &[u8; 32]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_fits_the_least_frame_and_is_understood() {
        let said = [
            Said::Hello { nonce: Nonce(0x0102_0304), most_bytes: 510 },
            Said::Welcome { nonce: Nonce(7), channel: Some(Channel(127)), most_bytes: 20 },
            Said::Welcome { nonce: Nonce(7), channel: None, most_bytes: 20 },
            Said::Frame { channel: Channel(1), frame: Bytes::from_static(&[0; 16]) },
            Said::Bye { channel: Channel(9) },
        ];
        for said in said {
            let bytes = said.encode();
            assert!(bytes.len() <= usize::from(LEAST_FRAME_BYTES), "{said:?}");
            assert_eq!(Said::decode(&bytes), Some(said));
        }
    }

    #[test]
    fn a_frame_that_is_cut_short_is_lost() {
        for length in [1, 16, 255, 256, 257, 508] {
            let frame = Bytes::from(vec![7; length]);
            let whole = Said::Frame { channel: Channel(127), frame };
            let bytes = whole.encode();
            for left in 0..bytes.len() {
                assert_eq!(Said::decode(&bytes.slice(..left)), None, "{left} of {length}");
            }
            assert_eq!(Said::decode(&bytes), Some(whole));
        }
    }

    #[test]
    fn a_beacon_is_read_back_and_others_are_ignored() {
        let beacon = Beacon { card: Card { network: *b"netw", node: *b"node" }, tables: 3 };
        assert_eq!(beacon.encode().len(), 10, "with flags and a long UUID 31 of 31 bytes");
        assert_eq!(Beacon::decode(&beacon.encode()), Some(beacon));
        assert_eq!(Beacon::decode(b"\x01netwnode\x03 and more"), Some(beacon));
        for other in [&b""[..], b"\x02netwnode\x03", b"\x01netwnode"] {
            assert_eq!(Beacon::decode(other), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_understood_is_said_the_same_way(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = Bytes::from(bytes);
            if let Some(said) = Said::decode(&bytes) {
                prop_assert_eq!(said.encode(), bytes);
            }
        }
    }
}
