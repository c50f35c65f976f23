//! What this node says to others, once, again, or for somebody else.

use alloc::vec::Vec;

use super::compact::shorten;
use super::packet::Packet;
#[cfg(feature = "simulation")]
use super::simulated::To;
use super::{Gossip, MOST_OFFER_INTERVAL, Node, OFFERED_AT_ONCE};
use crate::event::LinkId;
use crate::identity::PeerId;
use crate::mesh::{self, Attempt, post};

impl Node {
    /// Whether anything waits that is to be said again.
    pub(super) fn has_something_to_offer(&self) -> bool {
        self.chain.mempool_len() > 0 || self.own_records().next().is_some()
    }

    /// Reminds neighbours of waiting transactions, and of one's own part in making a dice key:
    /// somebody may not have been linked when they were made. Ever more rarely until a block is
    /// final, for as long as nothing is taken off the waiting it is of no use.
    pub(super) fn offer(&mut self) {
        if !self.has_something_to_offer() || self.now < self.offer_at {
            return;
        }
        self.offer_at = self.now + self.offer_pause;
        self.offer_pause = (self.offer_pause * 2).min(MOST_OFFER_INTERVAL);
        let own: Vec<_> = self.own_records().cloned().collect();
        for signed in own {
            self.remind(&Packet::KeyGeneration(signed), Some(self.address.peer));
        }
        for transaction in self.chain.offer(OFFERED_AT_ONCE) {
            let author = transaction.transaction().sender.peer;
            self.remind(&Packet::Transaction(transaction.signed().clone()), Some(author));
        }
        self.drain();
    }

    /// Passes the message that is being handled on to those who do not hear its author.
    pub(super) fn relay(&mut self) {
        if let Some(Gossip { link, attempt, author, message, lane, serial, key }) =
            self.gossip.take()
        {
            #[cfg(feature = "simulation")]
            let Some(message) = self.hold_outgoing(To::Others { link, attempt, author }, message)
            else {
                return;
            };
            if let Some(author) = author {
                self.tell_post(post::Input::Heard { link, author });
            }
            let message = self.seal_gossip(key, lane, shorten(message));
            let from = Some(link);
            let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from };
            self.mesh.handle(self.now, input);
        }
    }

    /// Does not know the message that is being handled any more: it may be good later.
    pub(super) fn forget(&mut self) {
        if let Some(Gossip { message, lane, key, .. }) = self.gossip.take() {
            let message = self.seal_gossip(key, lane, message);
            self.mesh.handle(self.now, mesh::Input::Forget { message });
        }
    }

    fn remind(&mut self, packet: &Packet, author: Option<PeerId>) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Reminder { author }, message) else { return };
        let message = self.seal_gossip(None, lane, message);
        self.mesh.handle(self.now, mesh::Input::Remind { lane, author, message });
    }

    pub(super) fn broadcast(&mut self, packet: &Packet, attempt: Attempt) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        self.observe(packet);
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Everybody { attempt }, message) else { return };
        let message = self.seal_gossip(None, lane, shorten(message));
        let author = Some(self.address.peer);
        let serial = packet.serial();
        let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from: None };
        self.mesh.handle(self.now, input);
    }

    pub(super) fn unicast(&mut self, link: LinkId, packet: &Packet) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        self.observe(packet);
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Link(link), message) else { return };
        let message = match packet {
            packet if packet.needs_no_seal() => message,
            _ => self.seal_for(link, None, lane, message),
        };
        self.mesh.handle(self.now, mesh::Input::Unicast { link, lane, message });
    }
}
