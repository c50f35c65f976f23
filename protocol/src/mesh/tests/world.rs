//! Meshes joined by wires that keep each link's order and nothing else.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;
use std::string::ToString;

use bytes::Bytes;

use crate::event::{Direction, Endpoint, LinkId, LinkKind};
use crate::identity::{Address, Keypair, NetworkId, PeerId, ProofOfWork};
use crate::mesh::{Attempt, Config, Input, Lane, Mesh, Output};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;
use crate::wire::Hash;

pub(super) const NETWORK: NetworkId = Hash([7; 32]);
pub(super) const MTU: u32 = 70_000;

pub(super) fn keypair(node: usize) -> Keypair {
    Keypair::from_seed([node as u8 + 1; 32])
}

pub(super) fn peer(node: usize) -> PeerId {
    keypair(node).peer()
}

pub(super) fn address(node: usize) -> Address {
    Address { peer: peer(node), proof: ProofOfWork(0) }
}

pub(super) fn endpoint(link: LinkId) -> Endpoint {
    Endpoint { transport: 0, bytes: Bytes::from(link.0.to_string()) }
}

pub(super) fn mesh_on(network: NetworkId, node: usize, life: u8, config: Config) -> Mesh {
    let identity = LocalIdentity::new(&keypair(node), ProofOfWork(0), network, 0);
    Mesh::new(identity, Rng::new([node as u8 + 1; 32]).fork(&life.to_string()), config)
}

pub(super) enum Wired {
    Frame(Bytes),
    Down,
}

/// One end of a wire: a node and its name for the link.
pub(super) type End = (usize, LinkId);

pub(super) struct World {
    pub(super) now: Time,
    pub(super) rng: Rng,
    pub(super) meshes: Vec<Mesh>,
    pub(super) opposite: BTreeMap<End, End>,
    /// What is under way to each end.
    pub(super) transit: BTreeMap<End, VecDeque<Wired>>,
    /// Ends whose sends never complete.
    pub(super) stuck: BTreeSet<End>,
    /// Everything each mesh wanted, except its sends.
    pub(super) outputs: Vec<Vec<Output>>,
    pub(super) frames: Vec<(End, Bytes)>,
    next_link: u64,
}

impl World {
    pub(super) fn new(nodes: usize) -> Self {
        Self::of((0..nodes).map(|node| mesh_on(NETWORK, node, 0, Config::default())).collect())
    }

    pub(super) fn of(meshes: Vec<Mesh>) -> Self {
        Self {
            now: Time::ZERO,
            rng: Rng::new([99; 32]),
            outputs: meshes.iter().map(|_| Vec::new()).collect(),
            meshes,
            opposite: BTreeMap::new(),
            transit: BTreeMap::new(),
            stuck: BTreeSet::new(),
            frames: Vec::new(),
            next_link: 0,
        }
    }

    /// Nodes that are all linked to one another and have told each other so.
    pub(super) fn full(nodes: usize) -> Self {
        let mut world = Self::new(nodes);
        for dialler in 0..nodes {
            world.join_all(dialler, 0..dialler);
        }
        world.pass(Duration::from_millis(300));
        world.forget();
        world
    }

    pub(super) fn connect(
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
            self.input(node, Input::LinkUp { link, kind, mtu, direction, endpoint });
        }
        (near, far)
    }

    /// Opens a stream and lets everything settle.
    pub(super) fn join(&mut self, dialler: usize, listener: usize) -> (End, End) {
        let ends = self.connect(dialler, listener, LinkKind::Stream, MTU);
        self.settle();
        ends
    }

    pub(super) fn join_all(&mut self, dialler: usize, listeners: impl IntoIterator<Item = usize>) {
        for listener in listeners {
            self.join(dialler, listener);
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        self.meshes[node].handle(self.now, input);
        while let Some(output) = self.meshes[node].poll() {
            self.output(node, output);
        }
    }

    pub(super) fn output(&mut self, node: usize, output: Output) {
        match &output {
            Output::Send { link, frame } => {
                let end = (node, *link);
                self.frames.push((end, frame.clone()));
                let far = self.opposite[&end];
                self.transit.entry(far).or_default().push_back(Wired::Frame(frame.clone()));
                if !self.stuck.contains(&end) {
                    self.meshes[node].handle(self.now, Input::Sent { link: *link });
                }
                return;
            }
            Output::Close { link, .. } => {
                let far = self.opposite[&(node, *link)];
                self.transit.entry(far).or_default().push_back(Wired::Down);
                self.transit.remove(&(node, *link));
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
    pub(super) fn settle(&mut self) {
        while self.step() {}
    }

    pub(super) fn step(&mut self) -> bool {
        self.transit.retain(|_, queue| !queue.is_empty());
        let chosen = self.rng.below(self.transit.len() as u64) as usize;
        let Some((&(node, link), queue)) = self.transit.iter_mut().nth(chosen) else {
            return false;
        };
        match queue.pop_front().expect("only queues with something are kept") {
            Wired::Frame(frame) => self.input(node, Input::Received { link, frame }),
            Wired::Down => self.input(node, Input::LinkDown { link }),
        }
        true
    }

    /// Lets time pass from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
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

    pub(super) fn say(&mut self, node: usize, attempt: u8, text: &str) {
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

    pub(super) fn tell(&mut self, (node, link): End, lane: Lane, message: Bytes) {
        self.input(node, Input::Unicast { link, lane, message });
    }

    /// What a node was given to read since last asked.
    pub(super) fn read(&mut self, node: usize) -> Vec<Bytes> {
        self.forget_of(node)
            .into_iter()
            .filter_map(|output| match output {
                Output::Deliver { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    pub(super) fn forget(&mut self) {
        self.frames.clear();
        self.outputs.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn forget_of(&mut self, node: usize) -> Vec<Output> {
        core::mem::take(&mut self.outputs[node])
    }

    pub(super) fn links(&self, node: usize) -> Vec<LinkId> {
        self.meshes[node].peers().map(|peer| peer.link).collect()
    }
}

pub(super) fn words(author: usize, text: &str) -> Bytes {
    Bytes::from([&peer(author).0, text.as_bytes()].concat())
}

pub(super) fn author_of(message: &[u8]) -> Option<PeerId> {
    message.first_chunk().copied().map(PeerId)
}
