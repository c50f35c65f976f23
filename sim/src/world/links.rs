//! Links coming up and going down, and what flows over them.

use bitcraps_protocol::event::{Direction, Event, LinkId, LinkKind};
use bitcraps_protocol::mesh::Tally;
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use super::{Step, World, choice};
use crate::adversary::Scheme;
use crate::network::Cut;
use crate::queue::Queue as _;
use crate::recorder::Kind;

/// How long a driver waits before it dials again.
const REDIAL_MICROS: u64 = 500_000;

/// A link's name: which edge of which generation it is.
pub(super) fn link_id(edge: usize, generation: u32) -> LinkId {
    LinkId(u64::from(generation) << 32 | edge as u64)
}

/// The edge on which a link's owner sends.
pub(super) fn edge_of(link: LinkId) -> usize {
    (link.0 & u64::from(u32::MAX)) as usize
}

/// The generation of a link.
pub(super) fn generation_of(link: LinkId) -> u32 {
    (link.0 >> 32) as u32
}

impl World {
    /// Links two places, unless nodes choose whom to be linked with themselves.
    pub(super) fn dial(&mut self, pair: usize) {
        if !self.nodes_choose() {
            self.link(pair, self.network.pair(pair).ends[0]);
        }
    }

    /// Links two places if they are up and hear one another and are not linked yet; whether it did.
    pub(super) fn link(&mut self, pair: usize, dialler: usize) -> bool {
        let it = self.network.pair(pair);
        let ready = it.ends.iter().all(|end| self.places[*end].process.is_some());
        let cut = self.network.is_cut(2 * pair) || self.network.is_cut(2 * pair + 1);
        if it.up || !ready || cut {
            return false;
        }
        let ends = it.ends;
        let generation = self.network.bring_up(pair);
        self.note(Kind::LinkUp, ends[0], pair as u64);
        let kind = if self.config.link.datagram { LinkKind::Datagram } else { LinkKind::Stream };
        let first = usize::from(ends[0] != dialler);
        for (side, direction) in [(first, Direction::Outbound), (1 - first, Direction::Inbound)] {
            let link = link_id(2 * pair + side, generation);
            let (mtu, endpoint) = (self.config.link.mtu, choice::endpoint(ends[1 - side]));
            self.give(ends[side], Event::LinkUp { link, kind, mtu, direction, endpoint });
        }
        true
    }

    /// How gossip has come to the honest nodes that run now.
    pub fn gossip(&self) -> Tally {
        let honest = (0..self.places.len()).filter(|it| !self.roles.byzantine.contains(it));
        let mut all = Tally::default();
        honest.filter_map(|place| self.node(place)).for_each(|node| all.add(node.gossip_tally()));
        all
    }

    pub(super) fn dial_later(&mut self, pair: usize) {
        let at = Time::from_micros(self.now.as_micros() + REDIAL_MICROS);
        self.queue.push(at, Step::Dial { pair: pair as u32 });
    }

    /// Takes a link down; the ends hear of it, except the one that did it.
    pub(super) fn disconnect(&mut self, pair: usize, by: Option<usize>) {
        let (ends, generation) = (self.network.pair(pair).ends, self.network.pair(pair).generation);
        if !self.network.take_down(pair) {
            return;
        }
        self.note(Kind::LinkDown, ends[0], pair as u64);
        for (side, end) in ends.into_iter().enumerate() {
            if by != Some(end) {
                let link = link_id(2 * pair + side, generation);
                self.give(end, Event::LinkDown { link });
            }
        }
    }

    /// A place's links go down, and come up again after a while: its player walked away.
    pub(crate) fn leave(&mut self, place: usize) {
        for pair in self.network.pairs_of(place).to_vec() {
            self.disconnect(pair, None);
            self.dial_later(pair);
        }
    }

    pub(super) fn send(&mut self, place: usize, link: LinkId, frame: Bytes) {
        let (edge, generation) = (edge_of(link), generation_of(link));
        self.digest.word(link.0);
        self.digest.bytes(&frame);
        if !self.network.is_up(edge, generation) {
            return;
        }
        debug_assert_eq!(self.network.sender(edge), place, "a node sends on its own links");
        let schemed = self.schemed(place, self.network.receiver(edge));
        let fate = self.network.send(edge, self.now, &frame, schemed, &mut self.decisions);
        let edge = edge as u32;
        for arrives in fate.arrives.into_iter().chain(fate.copy) {
            self.recorder.flies(self.now, arrives, place, self.network.receiver(edge as usize));
            let frame = frame.clone();
            self.queue.push(arrives, Step::Deliver { edge, generation, frame });
        }
        self.queue.push(fate.left, Step::Sent { edge, generation });
    }

    /// By how much the adversary that sees everything delays a frame.
    fn schemed(&mut self, from: usize, to: usize) -> Option<u64> {
        let scheme = self.config.scheme.filter(|_| self.network.faulty)?;
        if !self.is_sound(to) {
            return None;
        }
        let [sender, receiver] = [from, to].map(|place| self.node(place).map(Node::progress));
        let delays = scheme.delays(&sender?, &receiver?, to as u16, self.config.nodes);
        delays.then(|| self.count("delivery schemed"));
        delays.then_some(Scheme::DELAY_MICROS)
    }

    pub(super) fn deliver(&mut self, edge: usize, generation: u32, frame: Bytes) {
        if !self.network.is_up(edge, generation) {
            self.network.traffic.dead += 1;
            return;
        }
        self.network.traffic.delivered += 1;
        let place = self.network.receiver(edge);
        self.note(Kind::Received, place, frame.len() as u64);
        let link = link_id(edge ^ 1, generation);
        self.give(place, Event::Received { link, frame });
    }

    pub(super) fn cut(&mut self, id: u16, cut: Cut) {
        self.count(if cut.one_way { "one-way partition" } else { "partition" });
        let breaks = cut.breaks;
        self.network.cut(id, cut);
        if breaks {
            for pair in 0..self.network.pairs() {
                if self.network.is_cut(2 * pair) || self.network.is_cut(2 * pair + 1) {
                    self.disconnect(pair, None);
                }
            }
        }
    }

    pub(super) fn heal(&mut self, id: u16) {
        self.count("partition healed");
        let released = self.network.heal(id, self.now);
        self.release(released);
    }

    /// Ends everything that goes wrong with links, for good.
    pub fn heal_links(&mut self) {
        self.network.faulty = false;
        let released = self.network.heal_all(self.now);
        self.release(released);
    }

    fn release(&mut self, released: Vec<(usize, Bytes, Time)>) {
        for (edge, frame, arrives) in released {
            let generation = self.network.pair(edge / 2).generation;
            self.queue.push(arrives, Step::Deliver { edge: edge as u32, generation, frame });
        }
        (0..self.network.pairs()).for_each(|pair| self.dial(pair));
    }
}
