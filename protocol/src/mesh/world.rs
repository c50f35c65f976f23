//! Meshes joined by wires that keep each link's order and nothing else. The tests of the mesh and
//! the fuzz target `mesh` drive it.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;
use std::string::ToString;

use bytes::Bytes;

use crate::event::{Direction, Endpoint, Fault, LinkId, LinkKind};
use crate::fuzzing::{self, Choices};
use crate::identity::{Address, Keypair, NetworkId, PeerId, ProofOfWork};
use crate::mesh::broadcast::{Hops, MessageId, Tree};
use crate::mesh::membership::{Contact, Word};
use crate::mesh::packet::{Packet, Shorthand};
use crate::mesh::{Attempt, Config, Input, Lane, Mesh, Output};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;
use crate::wire::limits::MESSAGE_BYTES;
use crate::wire::{Hash, List};

pub(crate) const NETWORK: NetworkId = Hash([7; 32]);
pub(crate) const MTU: u32 = 70_000;

pub(crate) fn keypair(node: usize) -> Keypair {
    Keypair::from_seed([node as u8 + 1; 32])
}

pub(crate) fn peer(node: usize) -> PeerId {
    keypair(node).peer()
}

pub(crate) fn address(node: usize) -> Address {
    Address { peer: peer(node), proof: ProofOfWork(0) }
}

pub(crate) fn endpoint(link: LinkId) -> Endpoint {
    Endpoint { transport: 0, bytes: Bytes::from(link.0.to_string()) }
}

#[cfg(test)]
pub(crate) fn mesh_on(network: NetworkId, node: usize, life: u8, config: Config) -> Mesh {
    let identity = LocalIdentity::new(&keypair(node), address(node).proof, network, 0);
    mesh_of(identity, node, life, config)
}

fn mesh_of(identity: LocalIdentity, node: usize, life: u8, config: Config) -> Mesh {
    Mesh::new(identity, Rng::new([node as u8 + 1; 32]).fork(&life.to_string()), config)
}

/// Outputs that one input may give rise to.
const OUTPUTS_PER_INPUT: usize = 10_000;
/// Frames after which nothing is under way any more, unless time passes.
const STEPS_TO_SILENCE: usize = 200_000;

pub(crate) enum Wired {
    Frame(Bytes),
    Down,
}

/// One end of a wire: a node and its name for the link.
pub(crate) type End = (usize, LinkId);

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) meshes: Vec<Mesh>,
    pub(crate) opposite: BTreeMap<End, End>,
    /// What is under way to each end.
    pub(crate) transit: BTreeMap<End, VecDeque<Wired>>,
    /// Ends whose sends never complete, with how many have not.
    pub(crate) stuck: BTreeMap<End, usize>,
    /// Ends that are up, and bytes of their largest frames.
    pub(crate) open: BTreeMap<End, u32>,
    /// Everything each mesh wanted, except its sends.
    pub(crate) outputs: Vec<Vec<Output>>,
    pub(crate) frames: Vec<(End, Bytes)>,
    /// What upper layers find out to be false.
    pub(crate) is_forged: fn(&[u8]) -> bool,
    next_link: u64,
}

impl World {
    #[cfg(test)]
    pub(crate) fn new(nodes: usize) -> Self {
        Self::of((0..nodes).map(|node| mesh_on(NETWORK, node, 0, Config::default())).collect())
    }

    /// Links prove and hide nothing: while fuzzing, handshakes would take most of the time, and
    /// sessions have a target of their own.
    pub(crate) fn in_the_clear(nodes: usize) -> Self {
        let identity = |node| LocalIdentity::in_the_clear(address(node), NETWORK, 0);
        let mesh = |node| mesh_of(identity(node), node, 0, Config::default());
        Self::of((0..nodes).map(mesh).collect())
    }

    pub(crate) fn of(meshes: Vec<Mesh>) -> Self {
        Self {
            now: Time::ZERO,
            rng: Rng::new([99; 32]),
            outputs: meshes.iter().map(|_| Vec::new()).collect(),
            meshes,
            opposite: BTreeMap::new(),
            transit: BTreeMap::new(),
            stuck: BTreeMap::new(),
            open: BTreeMap::new(),
            frames: Vec::new(),
            is_forged: |_| false,
            next_link: 0,
        }
    }

    /// Nodes that are all linked to one another and have told each other so.
    #[cfg(test)]
    pub(crate) fn full(nodes: usize) -> Self {
        let mut world = Self::new(nodes);
        for dialler in 0..nodes {
            world.join_all(dialler, 0..dialler);
        }
        world.pass(Duration::from_millis(300));
        world.forget();
        world
    }

    pub(crate) fn connect(
        &mut self,
        dialler: usize,
        listener: usize,
        kind: LinkKind,
        mtu: u32,
    ) -> (End, End) {
        let near = (dialler, LinkId(self.next_link));
        let far = (listener, LinkId(self.next_link + 1));
        self.next_link += 2;
        self.opposite.extend([(near, far), (far, near)]);
        for ((node, link), direction) in [(near, Direction::Outbound), (far, Direction::Inbound)] {
            let endpoint = endpoint(link);
            self.open.insert((node, link), mtu);
            self.input(node, Input::LinkUp { link, kind, mtu, direction, endpoint });
        }
        (near, far)
    }

    /// Opens a stream and lets everything settle.
    pub(crate) fn join(&mut self, dialler: usize, listener: usize) -> (End, End) {
        let ends = self.connect(dialler, listener, LinkKind::Stream, MTU);
        self.settle();
        ends
    }

    #[cfg(test)]
    pub(crate) fn join_all(&mut self, dialler: usize, listeners: impl IntoIterator<Item = usize>) {
        for listener in listeners {
            self.join(dialler, listener);
        }
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        if let Input::LinkDown { link } = input {
            self.open.remove(&(node, link));
            self.stuck.remove(&(node, link));
        }
        self.meshes[node].handle(self.now, input);
        self.obey(node);
    }

    /// Does what a mesh wants.
    pub(crate) fn obey(&mut self, node: usize) {
        let mut count = 0;
        while let Some(output) = self.meshes[node].poll() {
            count += 1;
            assert!(count < OUTPUTS_PER_INPUT, "one input gives bounded work");
            self.output(node, output);
        }
    }

    /// Ends a link at both of its ends.
    pub(crate) fn disconnect(&mut self, end: End) {
        let far = self.opposite[&end];
        for (node, link) in [end, far] {
            self.transit.remove(&(node, link));
            if self.open.contains_key(&(node, link)) {
                self.input(node, Input::LinkDown { link });
            }
        }
    }

    /// What an end was stuck with leaves at last.
    pub(crate) fn release(&mut self, end: End) {
        for _ in 0..self.stuck.remove(&end).unwrap_or(0) {
            self.input(end.0, Input::Sent { link: end.1 });
        }
    }

    pub(crate) fn output(&mut self, node: usize, output: Output) {
        match &output {
            Output::Send { link, frame } => {
                let end = (node, *link);
                let mtu = self.open.get(&end).expect("nothing is sent on a link that is not up");
                assert!(frame.len() <= *mtu as usize, "frames fit the link");
                self.frames.push((end, frame.clone()));
                let far = self.opposite[&end];
                self.transit.entry(far).or_default().push_back(Wired::Frame(frame.clone()));
                match self.stuck.get_mut(&end) {
                    Some(count) => *count += 1,
                    None => self.meshes[node].handle(self.now, Input::Sent { link: *link }),
                }
                return;
            }
            Output::Close { link, .. } => {
                self.stuck.remove(&(node, *link));
                assert!(self.open.remove(&(node, *link)).is_some(), "what is up is closed, once");
                let far = self.opposite[&(node, *link)];
                self.transit.entry(far).or_default().push_back(Wired::Down);
                self.transit.remove(&(node, *link));
            }
            Output::Deliver { link, message, gossip: Some(_), .. } if (self.is_forged)(message) => {
                let (link, fault) = (*link, Fault::BadSignature);
                self.meshes[node].handle(self.now, Input::Penalise { link, fault });
                return;
            }
            Output::Deliver { link, message, gossip: Some(attempt), .. } => {
                let author = author_of(message);
                let message = message.clone();
                let (attempt, from) = (*attempt, Some(*link));
                let (lane, serial) = (Lane::Votes, None);
                let input = Input::Broadcast { lane, author, serial, attempt, message, from };
                self.meshes[node].handle(self.now, input);
            }
            Output::Deliver { gossip: None, .. }
            | Output::Dial { .. }
            | Output::PeerUp { .. }
            | Output::PeerDown { .. }
            | Output::Misbehaved { .. } => {}
        }
        self.outputs[node].push(output);
    }

    /// Delivers everything under way, the links in random order.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < STEPS_TO_SILENCE, "those who are not asked fall silent");
        }
    }

    pub(crate) fn step(&mut self) -> bool {
        self.transit.retain(|_, queue| !queue.is_empty());
        let chosen = self.rng.below(self.transit.len() as u64) as usize;
        self.step_at(chosen)
    }

    /// Delivers what is next on one of the links that have something under way.
    pub(crate) fn step_at(&mut self, chosen: usize) -> bool {
        self.transit.retain(|_, queue| !queue.is_empty());
        let Some((&(node, link), queue)) = self.transit.iter_mut().nth(chosen) else {
            return false;
        };
        match queue.pop_front().expect("only queues with something are kept") {
            Wired::Frame(frame) if self.open.contains_key(&(node, link)) => {
                self.input(node, Input::Received { link, frame });
            }
            Wired::Down if self.open.contains_key(&(node, link)) => {
                self.input(node, Input::LinkDown { link });
            }
            Wired::Frame(_) | Wired::Down => {}
        }
        true
    }

    /// Lets time pass from deadline to deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let deadline = self.meshes.iter().filter_map(Mesh::deadline).min();
            let Some(next) = deadline.filter(|next| *next <= end) else { break };
            self.now = next;
            for node in 0..self.meshes.len() {
                if self.meshes[node].deadline().is_some_and(|due| due <= next) {
                    self.input(node, Input::Tick);
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn say(&mut self, node: usize, attempt: u8, text: &str) {
        let input = Input::Broadcast {
            lane: Lane::Votes,
            author: Some(peer(node)),
            serial: None,
            attempt: Attempt(attempt),
            message: words(node, text),
            from: None,
        };
        self.input(node, input);
        self.settle();
    }

    #[cfg(test)]
    pub(crate) fn tell(&mut self, (node, link): End, lane: Lane, message: Bytes) {
        self.input(node, Input::Unicast { link, lane, message });
    }

    /// A node says to a neighbour what no mesh says: one of these packets, or these bytes.
    pub(crate) fn inject(&mut self, (node, link): End, packet: Bytes) {
        self.meshes[node].push(self.now, link, Lane::Control, packet.into());
        self.obey(node);
    }

    /// What a node was given to read since last asked.
    pub(crate) fn read(&mut self, node: usize) -> Vec<Bytes> {
        self.forget_of(node)
            .into_iter()
            .filter_map(|output| match output {
                Output::Deliver { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn forget(&mut self) {
        self.frames.clear();
        self.outputs.iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn forget_of(&mut self, node: usize) -> Vec<Output> {
        core::mem::take(&mut self.outputs[node])
    }

    #[cfg(test)]
    pub(crate) fn links(&self, node: usize) -> Vec<LinkId> {
        self.meshes[node].peers().map(|peer| peer.link).collect()
    }
}

pub(crate) fn words(author: usize, text: &str) -> Bytes {
    Bytes::from([&peer(author).0, text.as_bytes()].concat())
}

pub(crate) fn author_of(message: &[u8]) -> Option<PeerId> {
    message.first_chunk().copied().map(PeerId)
}

/// Bytes of a packet, said to be in its one form if they are one.
pub(crate) fn packet(bytes: &[u8]) {
    fuzzing::binary::<Packet>(bytes, MESSAGE_BYTES);
}

/// A packet about messages that there are and that there are not, as no mesh would send it.
pub(crate) fn forged(choices: &mut Choices<'_>, bodies: &[Bytes]) -> Bytes {
    let attempt = Attempt(choices.below(3) as u8);
    let body = |choices: &mut Choices<'_>| match choices.below(4) {
        0 => Bytes::from(choices.bytes(40)),
        _ if bodies.is_empty() => Bytes::new(),
        _ => choices.pick(bodies),
    };
    let ids = |choices: &mut Choices<'_>| {
        let count = choices.below(64);
        let ids = (0..count).map(|index| match index {
            0 | 1 => MessageId::of(attempt, &body(choices)),
            _ => MessageId::of(attempt, &[index as u8]),
        });
        List::new(ids.collect()).expect("no more than a packet takes")
    };
    let tree = Tree::of(Some(PeerId([choices.below(64) as u8; 32])));
    let contacts = |choices: &mut Choices<'_>| {
        let contacts = (0..choices.below(9)).map(|_| {
            let endpoint = Endpoint { transport: 0, bytes: Bytes::from(choices.bytes(3)) };
            Contact { peer: peer(choices.index(6)), endpoint }
        });
        List::new(contacts.collect()).expect("no more than a sample takes")
    };
    let packet = match choices.below(12) {
        0 => Packet::Ping,
        1 => {
            let named = (0..choices.below(6)).map(|node| Shorthand::of(peer(node as usize)));
            Packet::Neighbours(List::new(named.collect()).expect("a few"))
        }
        2 => Packet::Payload(body(choices)),
        3 | 4 => {
            let hops = Hops(choices.pick(&[0, 1, 31, 32, 255]));
            Packet::Gossip { attempt, hops, tree, body: body(choices) }
        }
        5 => Packet::Announce(ids(choices)),
        6 => Packet::Graft(ids(choices)),
        7 => Packet::Prune(tree),
        8 => Packet::Membership(Word::Exchange(contacts(choices))),
        9 => Packet::Membership(Word::Exchanged(contacts(choices))),
        10 => match contacts(choices).first().cloned() {
            Some(contact) => {
                let steps = choices.byte();
                Packet::Membership(Word::Newcomer { contact, steps })
            }
            None => {
                let reachable = List::new(Vec::new()).expect("none is not many");
                let needs_a_place = choices.rarely(2);
                Packet::Membership(Word::Introduction { needs_a_place, reachable })
            }
        },
        _ => return Bytes::from(choices.bytes(60)),
    };
    packet.encode()
}
