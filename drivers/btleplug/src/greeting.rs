//! What two drivers say to each other around the node's frames, and what they advertise.
//!
//! ```text
//! advertised service data  1 ‖ network, 4 bytes ‖ node, 4 bytes ‖ open tables, 1 byte
//!
//! frame   = channel ‖ one frame of the node          channel 1 … 255
//!         | channel                                  the link is over
//!         | 0 ‖ 1 ‖ nonce, u32 LE ‖ most, u16 LE     hello: a central wants a link
//!         | 0 ‖ 2 ‖ nonce, u32 LE ‖ channel ‖ most, u16 LE
//!                                                    welcome; channel 0 says that there is no room
//! ```
//!
//! A notification reaches everybody who has subscribed with that adapter (BlueZ before 5.76 cannot
//! do otherwise), so every frame names its channel. The peripheral says how long frames may be: it
//! is told the MTU with every write, where a central may know an older one.
//!
//! Nothing here is authentic; the session on the link is.

use bitcraps_protocol::identity::{NetworkId, PeerId};
use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes of the shortest of the longest frames of a connection: the least MTU of Bluetooth LE
/// without its header.
pub const LEAST_FRAME_BYTES: u16 = 20;
/// Bytes of the longest frame on any connection: BlueZ before 5.69 drops longer writes in silence,
/// and an attribute has no more than 512.
pub const MOST_FRAME_BYTES: u16 = 510;
/// Bytes of a frame before the node's own.
pub const HEADER_BYTES: u16 = 1;

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
                bytes.reserve(frame.len() + 1);
                bytes.put_u8(channel.0);
                bytes.put_slice(frame);
            }
            Self::Bye { channel } => bytes.put_u8(channel.0),
        }
        bytes.freeze()
    }

    /// `None` if it is nothing that a driver says.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        match **bytes {
            [0, HELLO, a, b, c, d, low, high] => Some(Self::Hello {
                nonce: Nonce(u32::from_le_bytes([a, b, c, d])),
                most_bytes: u16::from_le_bytes([low, high]),
            }),
            [0, WELCOME, a, b, c, d, channel, low, high] => Some(Self::Welcome {
                nonce: Nonce(u32::from_le_bytes([a, b, c, d])),
                channel: (channel != 0).then_some(Channel(channel)),
                most_bytes: u16::from_le_bytes([low, high]),
            }),
            [] | [0, ..] => None,
            [channel] => Some(Self::Bye { channel: Channel(channel) }),
            [channel, ..] => {
                Some(Self::Frame { channel: Channel(channel), frame: bytes.slice(1..) })
            }
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
            Said::Welcome { nonce: Nonce(7), channel: Some(Channel(255)), most_bytes: 20 },
            Said::Welcome { nonce: Nonce(7), channel: None, most_bytes: 20 },
            Said::Frame { channel: Channel(1), frame: Bytes::from_static(&[0; 19]) },
            Said::Bye { channel: Channel(9) },
        ];
        for said in said {
            let bytes = said.encode();
            assert!(bytes.len() <= usize::from(LEAST_FRAME_BYTES), "{said:?}");
            assert_eq!(Said::decode(&bytes), Some(said));
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
