//! Which links there are: which come up, which are one too many, and which end for what was done
//! over them.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::datagrams::{self, Datagrams};
use super::link::Link;
use super::membership::{self, Ending};
use super::standing::Host;
use super::{Mesh, Output, broadcast};
use crate::event::{CloseReason, Direction, Endpoint, Fault, LinkId, LinkKind, Response};
use crate::identity::{Address, PeerId};
use crate::rng::Rng;
use crate::session::Session;
use crate::time::Time;

impl Mesh {
    pub(super) fn link_up(
        &mut self,
        now: Time,
        link: LinkId,
        kind: LinkKind,
        mtu: u32,
        direction: Direction,
        endpoint: Endpoint,
    ) {
        assert!(!self.links.contains_key(&link), "a driver never uses a link's name twice");
        let host = Host::of(&endpoint);
        if self.standing.refuses_host(now, &host) {
            return self.outputs.push_back(Output::Close { link, reason: CloseReason::Banned });
        }
        let is_inbound = direction == Direction::Inbound;
        let one_too_many = is_inbound && !self.dials.take(now, &host, 1);
        if one_too_many || !self.has_room(now) {
            return self.outputs.push_back(Output::Close { link, reason: CloseReason::Full });
        }
        let least = match kind {
            LinkKind::Stream => Session::MIN_MTU,
            LinkKind::Datagram => Datagrams::MIN_MTU,
        };
        if mtu < least {
            let reason = CloseReason::Fault(Fault::TooLarge);
            return self.outputs.push_back(Output::Close { link, reason });
        }
        let rng = Rng::new(self.rng.bytes32());
        // Under the session, a datagram link is made into a stream of longer frames.
        let datagrams = match kind {
            LinkKind::Stream => None,
            LinkKind::Datagram => Some(Datagrams::new(mtu as usize)),
        };
        let mtu = if datagrams.is_some() { datagrams::FRAME_BYTES as u32 } else { mtu };
        let carried = LinkKind::Stream;
        let (session, first) = match direction {
            Direction::Outbound => {
                let (session, first) = Session::initiate(&self.identity, rng, mtu, carried);
                (session, Some(first))
            }
            Direction::Inbound => (Session::accept(&self.identity, rng, mtu, carried), None),
        };
        let endpoint_of_it = endpoint.clone();
        let known = Link::new(now, session, datagrams, direction, endpoint_of_it, &self.config);
        self.links.insert(link, known);
        self.look_at(link);
        self.mingle(now, membership::Input::LinkUp { link, kind, direction, endpoint });
        if let Some(frame) = first {
            self.send(now, link, frame);
        }
    }

    /// Whether there is a place for one more link. If all are taken, the address that has most links
    /// in their handshake loses the oldest of them: whoever opens links and says nothing keeps out
    /// nobody but its like.
    fn has_room(&mut self, now: Time) -> bool {
        if self.links.len() < self.config.links + self.config.extra_links {
            return true;
        }
        let mut waiting: BTreeMap<Host, (usize, (Time, LinkId))> = BTreeMap::new();
        for (&link, known) in &self.links {
            if known.peer().is_none() && known.direction == Direction::Inbound {
                let oldest = (known.since(), link);
                let of_host = waiting.entry(Host::of(&known.endpoint)).or_insert((0, oldest));
                *of_host = (of_host.0 + 1, of_host.1.min(oldest));
            }
        }
        let crowded = waiting.into_values().filter(|(count, _)| *count > 1);
        let Some((_, (_, victim))) = crowded.max_by_key(|(count, _)| *count) else { return false };
        self.close(now, victim, CloseReason::Full);
        true
    }

    pub(super) fn established(&mut self, now: Time, link: LinkId, address: Address) {
        if address.peer == self.identity.address().peer {
            return self.close(now, link, CloseReason::Oneself);
        }
        if self.standing.refuses_peer(now, address.peer) {
            return self.close(now, link, CloseReason::Banned);
        }
        let Some(known) = self.links.get_mut(&link) else { return };
        known.admit(now, address, self.admissions);
        self.linked.entry(address.peer).or_default().insert(link);
        self.look_at(link);
        self.admissions += 1;
        self.outputs.push_back(Output::PeerUp { link, peer: address });
        let (peer, is_extra) = (address.peer, self.linked.len() > self.config.links);
        self.spread(now, broadcast::Input::LinkUp { link, peer, is_extra });
        self.mingle(now, membership::Input::Met { link, peer: address.peer });
        self.neighbourhood_changed(now);
    }

    /// Notes that `link`'s peer is alive there, and closes links that are now known to be needless.
    pub(super) fn heard(&mut self, now: Time, link: LinkId) {
        let Some(peer) = self.links.get_mut(&link).and_then(Link::peer_mut) else { return };
        peer.heard = self.admissions;
        let peer = peer.address.peer;
        // As many peers as links: none has two.
        if self.linked.len() == self.links.len() {
            return;
        }
        for duplicate in self.duplicates(peer) {
            self.close(now, duplicate, CloseReason::Duplicate);
        }
    }

    /// The links to `peer` that this side has to close because a better one is known to live.
    fn duplicates(&self, peer: PeerId) -> Vec<LinkId> {
        let links = self.linked.get(&peer).filter(|links| links.len() > 1);
        let own = self.identity.address().peer;
        let mut ranked: Vec<_> = links
            .into_iter()
            .flatten()
            .filter_map(|&link| {
                let known = self.links.get(&link)?;
                let there = known.peer()?;
                let initiator = match known.direction {
                    Direction::Inbound => peer,
                    Direction::Outbound => own,
                };
                let rank = (known.is_radio(), initiator, Reverse(there.admission));
                Some((rank, link, known.direction, there))
            })
            .collect();
        ranked.sort_unstable_by_key(|&(rank, ..)| rank);
        let mut duplicates = Vec::new();
        let mut alive = 0;
        for (_, link, direction, there) in ranked {
            if there.admission < alive {
                duplicates.push(link);
            }
            match direction {
                Direction::Inbound => alive = alive.max(there.heard),
                Direction::Outbound => {}
            }
        }
        duplicates
    }

    /// The peer at the other end, if the link has one yet, broke the protocol: it proved its identity
    /// and this came over the session.
    pub(super) fn fail(&mut self, now: Time, link: LinkId, fault: Fault) {
        let Some(known) = self.links.get(&link) else { return };
        let peer = known.peer().map(|peer| peer.address.peer);
        self.punish(now, link, peer, fault);
    }

    /// A frame was not what it should be. Unless there are simply too many, whoever sits on the way
    /// can have done it as well.
    pub(super) fn fail_on_the_way(&mut self, now: Time, link: LinkId, fault: Fault) {
        match fault {
            Fault::Flooding => self.fail(now, link, fault),
            Fault::Malformed
            | Fault::Handshake
            | Fault::WrongNetwork
            | Fault::TooLittleWork
            | Fault::WrongIdentity
            | Fault::Decryption
            | Fault::TooLarge
            | Fault::BadSignature
            | Fault::BadCertificate
            | Fault::BadShare
            | Fault::BadBlock
            | Fault::NotAValidator
            | Fault::Unsolicited
            | Fault::Unsealed
            | Fault::Replay
            | Fault::ForgedTransaction => self.punish(now, link, None, fault),
        }
    }

    /// Closes the link, and all others that are not wanted any more.
    fn punish(&mut self, now: Time, link: LinkId, culprit: Option<PeerId>, fault: Fault) {
        let Some(known) = self.links.get(&link) else { return };
        let peer = known.peer().map(|peer| peer.address.peer);
        let host = Host::of(&known.endpoint);
        let is_shared = self.is_shared(now, link, &host);
        let response = self.standing.blame(now, culprit, &host, is_shared, fault);
        self.outputs.push_back(Output::Misbehaved { link, peer, fault, response });
        self.close(now, link, CloseReason::Fault(fault));
        let unwanted: Vec<LinkId> = match response {
            Response::Banned(_) => {
                let of_culprit = culprit.and_then(|culprit| self.linked.get(&culprit));
                of_culprit.into_iter().flatten().copied().collect()
            }
            Response::AddressBanned(_) => self.links_of(&host).map(|(link, _)| link).collect(),
            Response::Recorded | Response::Ignored | Response::Disconnected => Vec::new(),
        };
        for link in unwanted {
            self.close(now, link, CloseReason::Banned);
        }
    }

    fn links_of<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = (LinkId, &'a Link)> + 'a {
        let there = |known: &Link| Host::of(&known.endpoint) == *host;
        self.links.iter().filter(move |(_, known)| there(known)).map(|(link, known)| (*link, known))
    }

    /// Whether somebody else is linked from the same address who has done nothing wrong.
    fn is_shared(&self, now: Time, link: LinkId, host: &Host) -> bool {
        let culprit = self.links.get(&link).and_then(Link::peer).map(|peer| peer.address.peer);
        self.links_of(host).filter_map(|(_, known)| known.peer()).any(|there| {
            let peer = there.address.peer;
            Some(peer) != culprit && self.standing.points(now, peer) == 0
        })
    }

    pub(super) fn close(&mut self, now: Time, link: LinkId, reason: CloseReason) {
        if self.remove(now, link, reason.into()) {
            self.outputs.push_back(Output::Close { link, reason });
        }
    }

    /// Forgets a link; whether it was known.
    pub(super) fn remove(&mut self, now: Time, link: LinkId, ending: Ending) -> bool {
        let Some(known) = self.links.remove(&link) else { return false };
        self.look_at = self.look_at.filter(|_| !self.links.is_empty());
        self.mingle(now, membership::Input::LinkDown { link, ending });
        if let Some(peer) = known.peer() {
            if let Entry::Occupied(mut links) = self.linked.entry(peer.address.peer) {
                links.get_mut().remove(&link);
                if links.get().is_empty() {
                    links.remove();
                }
            }
            self.outputs.push_back(Output::PeerDown { link, peer: peer.address.peer });
            self.spread(now, broadcast::Input::LinkDown { link });
            self.neighbourhood_changed(now);
        }
        true
    }
}
