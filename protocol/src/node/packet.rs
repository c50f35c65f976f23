//! What nodes say to one another over the mesh: every machine's messages, side by side.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::compact::Compact;
use crate::beacon::generation::SignedRecord;
use crate::beacon::{CoinShare, DiceKeyId};
use crate::block::{BlockHash, ValidatorIndex, View};
use crate::chain::{Answer, PartId, SignedTransaction};
use crate::chat::SignedLine;
use crate::consensus::{Certified, Message, Statement, Vote, Voters};
use crate::keyring::{Endorsed, Envelope, SEAL_BYTES};
use crate::light;
use crate::mesh::post::Parcel;
use crate::mesh::{Lane, PAYLOAD_BYTES, Serial};
use crate::wire::{Malformed, decode, encode};

/// The series of what moves a node from one view to the next, by view.
pub(super) const VIEWS: u8 = 0;
/// The series of what makes a block final, by the block's view.
pub(super) const FINAL_VIEWS: u8 = 1;

/// One message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "for simulations"))]
pub enum Packet {
    /// From one consensus machine to others.
    Consensus(Message),
    /// A finalize vote with its voter's share of the view's coin attached: R1. The vote's
    /// signature does not cover the share.
    Finalize {
        /// The vote.
        vote: Vote,
        /// The key under which the coin is made.
        key: DiceKeyId,
        /// The share.
        share: CoinShare,
    },
    /// A share of a coin by itself: R2, or asked for.
    Share {
        /// The coin's view.
        view: View,
        /// The key under which it is made.
        key: DiceKeyId,
        /// Whose share it is said to be.
        index: ValidatorIndex,
        /// The share.
        share: CoinShare,
    },
    /// Asks a neighbour for the shares it may pass on.
    AskShares {
        /// The coin's view.
        view: View,
        /// The key under which it is made.
        key: DiceKeyId,
        /// Whose shares the sender has.
        held: Voters,
    },
    /// A transaction on its way to a leader.
    Transaction(SignedTransaction),
    /// Asks a neighbour for the genesis, whose hash is the network that both named in the handshake.
    AskGenesis,
    /// Answers that.
    Genesis(Bytes),
    /// What a validator says to make a dice key, on its way to a leader.
    KeyGeneration(SignedRecord),
    /// Asks a neighbour which snapshot it has.
    AskSnapshot,
    /// Answers that, if it has one.
    Snapshot(Certified),
    /// Asks a neighbour for a part of the state after this block.
    AskPart {
        /// The block.
        block: BlockHash,
        /// Which part.
        part: PartId,
    },
    /// Answers that.
    Part {
        /// The block.
        block: BlockHash,
        /// What the neighbour says.
        answer: Answer,
    },
    /// Asks a neighbour for headers and proofs. Whoever does is a light node: it wants no gossip,
    /// and there is nothing to ask it for.
    AskLight(light::Question),
    /// Answers that.
    Light(light::Answer),
    /// A letter for one peer, whom the receiver may be or know the way to.
    Letter(Parcel),
    /// What somebody says at a table.
    Chat(SignedLine),
    /// A leader's proposal without its transactions.
    Compact(Compact),
    /// What members of a private network say to one another.
    Sealed {
        /// How urgent it is, for relays.
        lane: Lane,
        /// What is said: another message, not one of these again.
        envelope: Envelope,
    },
    /// Shows a neighbour that the sender is a member.
    Hello,
    /// A new key of a private network.
    Rotation(Endorsed),
    /// Asks a neighbour for the newest of these, because of something said under a key that is
    /// unknown here.
    AskRotation,
}

/// Bytes of the longest message: there is room to seal it.
pub(super) const PACKET_BYTES: usize = PAYLOAD_BYTES - SEAL_BYTES - 2;

impl Packet {
    /// The message's bytes.
    #[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "for simulations"))]
    pub fn encode(&self) -> Bytes {
        let bytes = encode(self);
        assert!(bytes.len() <= self.most_bytes(), "the limits of the parts add up");
        Bytes::from(bytes)
    }

    /// Reads a message of a neighbour.
    #[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "for simulations"))]
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let packet: Self = decode(bytes, PAYLOAD_BYTES)?;
        if bytes.len() > packet.most_bytes() { Err(Malformed::TooLarge) } else { Ok(packet) }
    }

    const fn most_bytes(&self) -> usize {
        if matches!(self, Self::Sealed { .. }) { PAYLOAD_BYTES } else { PACKET_BYTES }
    }

    /// How urgent it is.
    pub(super) const fn lane(&self) -> Lane {
        match self {
            Self::Consensus(message) => match message {
                Message::Proposal(_)
                | Message::Vote(_)
                | Message::Certificate(_)
                | Message::Inquiry(_)
                | Message::Testimony(_)
                | Message::Answer(_) => Lane::Votes,
                Message::Status(_) | Message::Request(_) | Message::Holdings(_) => Lane::Control,
                Message::Block(_) | Message::Decided(_) => Lane::Sync,
            },
            Self::Finalize { .. } | Self::Share { .. } | Self::Compact(_) => Lane::Votes,
            Self::AskShares { .. }
            | Self::AskGenesis
            | Self::AskSnapshot
            | Self::AskPart { .. }
            | Self::AskLight(_) => Lane::Control,
            Self::KeyGeneration(_) | Self::Transaction(_) => Lane::Transactions,
            Self::Genesis(_) | Self::Snapshot(_) | Self::Part { .. } | Self::Light(_) => Lane::Sync,
            Self::Letter(_) | Self::Chat(_) => Lane::Talk,
            Self::Hello | Self::Rotation(_) | Self::AskRotation => Lane::Control,
            Self::Sealed { lane, .. } => *lane,
        }
    }

    /// What it costs the link that delivers it, in the measure of
    /// [`Allowance::work`](crate::mesh::Allowance::work): what is asked for the sender's own good, and
    /// what no author's budget covers. Questions that a node in need repeats cost least.
    pub(super) const fn work(&self) -> u64 {
        match self {
            // Encodes a whole genesis; asked once in a lifetime.
            Self::AskGenesis => 500,
            // An answer for each validator.
            Self::AskShares { .. } => 5,
            Self::AskSnapshot | Self::AskPart { .. } | Self::Hello => 1,
            // Encodes many copies.
            Self::AskRotation => 5,
            Self::AskLight(question) => match question.subject {
                light::Subject::Headers => 1,
                light::Subject::Entry(_) => 5,
                // Checks a quorum's shares of the coin.
                light::Subject::Receipt { .. } => 1000,
            },
            Self::Consensus(message) => match message {
                Message::Inquiry(_)
                | Message::Testimony(_)
                | Message::Answer(_)
                | Message::Request(_) => 1,
                Message::Holdings(_) => 5,
                Message::Proposal(_)
                | Message::Vote(_)
                | Message::Certificate(_)
                | Message::Status(_)
                | Message::Block(_)
                | Message::Decided(_) => 0,
            },
            // Its names were compared with the header, and looked for in vain.
            Self::Compact(_) => 5,
            Self::Finalize { .. }
            | Self::Share { .. }
            | Self::KeyGeneration(_)
            | Self::Transaction(_)
            | Self::Genesis(_)
            | Self::Snapshot(_)
            | Self::Part { .. }
            | Self::Light(_)
            // Whoever judges them says what they cost.
            | Self::Letter(_)
            | Self::Chat(_)
            | Self::Sealed { .. }
            | Self::Rotation(_) => 0,
        }
    }

    /// Until when it matters. Whoever needs votes of a view that is over is helped with the newest
    /// certificate, whoever lacks a block that is final asks for it; shares of coins are needed
    /// longer than that.
    pub(super) fn serial(&self) -> Option<Serial> {
        let message = match self {
            Self::Consensus(message) => message,
            Self::Compact(compact) => {
                let View(number) = compact.headline.vote.view();
                return Some(Serial { series: FINAL_VIEWS, number });
            }
            Self::Finalize { .. }
            | Self::Share { .. }
            | Self::AskShares { .. }
            | Self::Transaction(_)
            | Self::AskGenesis
            | Self::Genesis(_)
            | Self::KeyGeneration(_)
            | Self::AskSnapshot
            | Self::Snapshot(_)
            | Self::AskPart { .. }
            | Self::Part { .. }
            | Self::AskLight(_)
            | Self::Light(_)
            | Self::Letter(_)
            | Self::Chat(_)
            | Self::Sealed { .. }
            | Self::Hello
            | Self::Rotation(_)
            | Self::AskRotation => return None,
        };
        let (series, view) = match message {
            Message::Proposal(proposal) => (FINAL_VIEWS, proposal.vote.view()),
            Message::Vote(vote) => match vote.statement {
                Statement::Notarize { view, .. } | Statement::Nullify { view, .. } => (VIEWS, view),
                Statement::Finalize { view, .. } => (FINAL_VIEWS, view),
            },
            Message::Certificate(certificate) => (VIEWS, certificate.view()),
            Message::Inquiry(_)
            | Message::Testimony(_)
            | Message::Answer(_)
            | Message::Status(_)
            | Message::Request(_)
            | Message::Block(_)
            | Message::Decided(_)
            | Message::Holdings(_) => return None,
        };
        Some(Serial { series, number: view.0 })
    }

    /// Whether it carries a block to everybody.
    pub(super) const fn is_proposal(&self) -> bool {
        matches!(self, Self::Consensus(Message::Proposal(_)) | Self::Compact(_))
    }

    /// Whether it goes to a neighbour as it is: what is sealed for its receivers already.
    pub(super) const fn needs_no_seal(&self) -> bool {
        matches!(self, Self::Letter(_) | Self::Rotation(_) | Self::AskRotation)
    }

    /// Whether it is for everybody. What is for one neighbour is not taken from a broadcast, and
    /// the other way round.
    #[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "for simulations"))]
    pub const fn is_gossip(&self) -> bool {
        match self {
            Self::Consensus(message) => match message {
                Message::Proposal(_)
                | Message::Vote(_)
                | Message::Inquiry(_)
                | Message::Testimony(_) => true,
                Message::Certificate(_)
                | Message::Answer(_)
                | Message::Status(_)
                | Message::Request(_)
                | Message::Block(_)
                | Message::Decided(_)
                | Message::Holdings(_) => false,
            },
            Self::Finalize { .. }
            | Self::Share { .. }
            | Self::KeyGeneration(_)
            | Self::Transaction(_)
            | Self::Chat(_)
            | Self::Sealed { .. }
            | Self::Rotation(_)
            | Self::Compact(_) => true,
            Self::AskShares { .. }
            | Self::AskGenesis
            | Self::Genesis(_)
            | Self::AskSnapshot
            | Self::Snapshot(_)
            | Self::AskPart { .. }
            | Self::Part { .. }
            | Self::AskLight(_)
            | Self::Light(_)
            | Self::Letter(_)
            | Self::Hello
            | Self::AskRotation => false,
        }
    }
}
