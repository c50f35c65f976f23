//! Proposals on their way: their transactions were spread before, so they name them.
//!
//! What consensus hears and says are whole proposals. They are shortened on the way to the mesh and
//! filled in on the way from it, out of the transactions that wait here. Shortening is a plain
//! function of the proposal, so that all who relay one say the same bytes; and as transactions are
//! named by the leaves of the block's Merkle tree, whoever relays a shortened one has checked all of
//! it against the header that the leader signed, also without them. Whoever lacks some takes the
//! header and the leader's vote from it and asks for the block by its hash.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Node;
use super::packet::Packet;
use crate::chain::{Body, Outline};
use crate::consensus::{self, Block, Headline, Message, Proposal};
use crate::event::{Fault, LinkId};
use crate::mesh;

/// With what every proposal begins among messages.
pub(super) const PROPOSAL: [u8; 2] = [0, 0];
/// And every shortened one.
pub(super) const COMPACT: u8 = 16;

/// A proposal whose transactions, of which there is one at least, are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "for simulations"))]
pub struct Compact {
    /// Everything but the body.
    pub headline: Headline,
    outline: Outline,
}

/// A message as it travels. A proposal is shortened if it has transactions, each of which takes more
/// than its name, and its header names them truly.
pub(super) fn shorten(message: Bytes) -> Bytes {
    if !message.starts_with(&PROPOSAL) {
        return message;
    }
    let compact = match Packet::decode(&message) {
        Ok(Packet::Consensus(Message::Proposal(proposal))) => Compact::of(proposal),
        Ok(_) | Err(_) => None,
    };
    compact.map_or(message, |compact| Packet::Compact(compact).encode())
}

impl Compact {
    fn of(proposal: Proposal) -> Option<Self> {
        let Proposal { block: Block { header, body, justification }, vote } = proposal;
        let outline = Body::decode(&body).ok()?.outline();
        let compact = Self { headline: Headline { header, justification, vote }, outline };
        compact.is_true().then_some(compact)
    }

    /// Whether it names transactions, and the header everything that it names or tells.
    fn is_true(&self) -> bool {
        let root = self.headline.header.commitments.transactions;
        !self.outline.transactions().is_empty() && self.outline.root() == root
    }
}

impl Node {
    /// What the mesh says, with the proposal whole that it delivers, if that can be.
    pub(super) fn fill_in(&self, output: mesh::Output) -> mesh::Output {
        match output {
            mesh::Output::Deliver { link, peer, message, gossip } => {
                let message = self.whole(&message).unwrap_or(message);
                mesh::Output::Deliver { link, peer, message, gossip }
            }
            mesh::Output::Send { .. }
            | mesh::Output::Dial { .. }
            | mesh::Output::Close { .. }
            | mesh::Output::PeerUp { .. }
            | mesh::Output::PeerDown { .. }
            | mesh::Output::Misbehaved { .. } => output,
        }
    }

    /// The proposal that a message is short for, if everything in it is known here and it is what
    /// the header commits to.
    pub(super) fn whole(&self, message: &Bytes) -> Option<Bytes> {
        if message.first() != Some(&COMPACT) {
            return None;
        }
        let Ok(Packet::Compact(compact)) = Packet::decode(message) else { return None };
        if !compact.is_true() {
            return None;
        }
        let body = self.chain.fill(&compact.outline)?;
        let Headline { header, justification, vote } = compact.headline;
        let block = Block { header, body, justification };
        let is_it = block.is_intact();
        is_it.then(|| Packet::Consensus(Message::Proposal(Proposal { block, vote })).encode())
    }

    /// A proposal came that could not be filled in.
    pub(super) fn on_compact(&mut self, link: LinkId, compact: Compact) {
        if !compact.is_true() {
            return self.penalise(link, Fault::BadBlock);
        }
        let headline = compact.headline;
        self.consensus.handle(self.now, consensus::Input::Proposed { link, headline });
    }
}
