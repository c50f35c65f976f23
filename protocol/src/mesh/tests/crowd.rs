//! Hundreds of meshes in a crowd, with time between sending and arriving. Links are in the clear,
//! so that what flows over them can be counted.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::string::ToString;

use bytes::Bytes;

use crate::event::{Direction, Endpoint, LinkId, LinkKind};
use crate::identity::{Address, Keypair, PeerId, ProofOfWork};
use crate::mesh::broadcast::{Hops, Tree};
use crate::mesh::datagrams;
use crate::mesh::packet::Packet;
use crate::mesh::world::{End, NETWORK, endpoint};
use crate::mesh::{Attempt, Config, Input, Lane, Mesh, Output};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;

/// What a relay does with what it should pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    Honest,
    /// Passes nothing on.
    BlackHole,
    /// Passes everything on as if it had come far, and under attempts of its own making.
    Tamper,
    /// Passes something else on that looks like it, and announces what it does not have.
    Poison,
}

/// What became of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// How many links it had come over when it first reached each node.
    pub(super) reached: BTreeMap<usize, u32>,
    /// How often it was pushed.
    pub(super) pushes: u64,
}

enum Step {
    Frame(End, Bytes),
    Down(End),
    Dial(usize, Endpoint),
}

pub(super) struct Crowd {
    pub(super) now: Time,
    pub(super) meshes: Vec<Option<Mesh>>,
    pub(super) conduct: Vec<Conduct>,
    pub(super) fates: Vec<Fate>,
    pub(super) latency: (u64, u64),
    pub(super) loss_percent: u64,
    pub(super) kind: LinkKind,
    pub(super) mtu: u32,
    /// Bytes of all frames.
    pub(super) bytes: u64,
    /// What nodes dialled.
    pub(super) dials: u64,
    /// Whether nodes cannot hear one another.
    pub(super) is_cut: fn(usize, usize) -> bool,
    keys: Vec<Keypair>,
    config: Config,
    rng: Rng,
    opposite: BTreeMap<End, End>,
    /// When the newest frame to an end of a stream arrives.
    newest: BTreeMap<End, Time>,
    queue: BTreeMap<(Time, u64), Step>,
    wakes: BTreeSet<(Time, usize)>,
    wake: Vec<Option<Time>>,
    steps: u64,
    next_link: u64,
    lives: u64,
}

impl Crowd {
    pub(super) fn new(nodes: usize, seed: u8, config: Config) -> Self {
        let mut rng = Rng::new([seed; 32]);
        let keys: Vec<Keypair> = (0..nodes).map(|_| Keypair::from_seed(rng.bytes32())).collect();
        let mut crowd = Self {
            now: Time::ZERO,
            meshes: Vec::new(),
            conduct: vec![Conduct::Honest; nodes],
            fates: Vec::new(),
            latency: (15_000, 60_000),
            loss_percent: 0,
            kind: LinkKind::Stream,
            mtu: 65_000,
            bytes: 0,
            dials: 0,
            is_cut: |_, _| false,
            keys,
            config,
            rng,
            opposite: BTreeMap::new(),
            newest: BTreeMap::new(),
            queue: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake: vec![None; nodes],
            steps: 0,
            next_link: 0,
            lives: 0,
        };
        for node in 0..nodes {
            let mesh = crowd.mesh(node);
            crowd.meshes.push(Some(mesh));
        }
        crowd
    }

    fn mesh(&mut self, node: usize) -> Mesh {
        self.lives += 1;
        let identity = LocalIdentity::in_the_clear(self.address(node), NETWORK, 0);
        Mesh::new(identity, self.rng.fork(&self.lives.to_string()), self.config.clone())
    }

    pub(super) fn peer(&self, node: usize) -> PeerId {
        self.keys[node].peer()
    }

    fn address(&self, node: usize) -> Address {
        Address { peer: self.peer(node), proof: ProofOfWork(0) }
    }

    pub(super) fn connect(&mut self, dialler: usize, listener: usize) {
        let near = (dialler, LinkId(self.next_link));
        let far = (listener, LinkId(self.next_link + 1));
        self.next_link += 2;
        self.opposite.extend([(near, far), (far, near)]);
        for ((node, link), direction) in [(near, Direction::Outbound), (far, Direction::Inbound)] {
            let (kind, mtu) = (self.kind, self.mtu);
            let endpoint = match direction {
                Direction::Outbound => place(listener),
                Direction::Inbound => endpoint(link),
            };
            self.input(node, Input::LinkUp { link, kind, mtu, direction, endpoint });
        }
    }

    /// Ends all links between nodes on different sides.
    pub(super) fn cut(&mut self, is_cut: impl Fn(usize, usize) -> bool) {
        let across: Vec<End> = self
            .opposite
            .iter()
            .filter(|(near, far)| is_cut(near.0, far.0))
            .map(|(near, _)| *near)
            .collect();
        across.into_iter().for_each(|end| self.end_link(end));
    }

    fn end_link(&mut self, end: End) {
        let Some(far) = self.opposite.remove(&end) else { return };
        self.opposite.remove(&far);
        for (node, link) in [end, far] {
            self.input(node, Input::LinkDown { link });
        }
    }

    /// Ends a node; its links go down.
    pub(super) fn stop(&mut self, node: usize) {
        self.meshes[node] = None;
        let ends: Vec<End> = self.opposite.keys().filter(|end| end.0 == node).copied().collect();
        ends.into_iter().for_each(|end| self.end_link(end));
    }

    /// Begins it anew.
    pub(super) fn start(&mut self, node: usize) {
        self.meshes[node] = Some(self.mesh(node));
    }

    pub(super) fn neighbours(&self) -> Vec<BTreeSet<usize>> {
        let mut neighbours = vec![BTreeSet::new(); self.meshes.len()];
        for (near, far) in &self.opposite {
            neighbours[near.0].insert(far.0);
        }
        neighbours
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let Some(mesh) = &mut self.meshes[node] else { return };
        mesh.handle(self.now, input);
        self.obey(node);
    }

    fn obey(&mut self, node: usize) {
        while let Some(output) = self.meshes[node].as_mut().and_then(Mesh::poll) {
            self.output(node, output);
        }
        let due = self.meshes[node].as_ref().and_then(Mesh::deadline);
        if let Some(before) = core::mem::replace(&mut self.wake[node], due) {
            self.wakes.remove(&(before, node));
        }
        self.wakes.extend(due.map(|due| (due, node)));
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { link, frame } => self.send((node, link), frame),
            Output::Close { link, .. } => {
                if let Some(far) = self.opposite.remove(&(node, link)) {
                    self.opposite.remove(&far);
                    self.later(20_000, Step::Down(far));
                }
            }
            Output::Deliver { link, message, gossip: Some(attempt), .. } => {
                self.delivered((node, link), attempt, message);
            }
            Output::Dial { endpoint } => {
                self.dials += 1;
                self.later(20_000, Step::Dial(node, endpoint));
            }
            Output::Deliver { gossip: None, .. }
            | Output::PeerUp { .. }
            | Output::PeerDown { .. }
            | Output::Misbehaved { .. } => {}
        }
    }

    fn send(&mut self, end: End, frame: Bytes) {
        self.bytes += frame.len() as u64;
        if let Some(mesh) = &mut self.meshes[end.0] {
            mesh.handle(self.now, Input::Sent { link: end.1 });
        }
        if let Some((_, number)) = read(&frame)
            && let Some(fate) = self.fates.get_mut(number)
        {
            fate.pushes += 1;
        }
        let Some(&far) = self.opposite.get(&end) else { return };
        if self.rng.below(100) < self.loss_percent {
            return;
        }
        let (least, most) = self.latency;
        let mut arrives = self.now + Duration::from_micros(least + self.rng.below(most - least));
        if self.kind == LinkKind::Stream {
            let newest = self.newest.entry(far).or_default();
            arrives = arrives.max(*newest);
            *newest = arrives;
        }
        self.steps += 1;
        self.queue.insert((arrives, self.steps), Step::Frame(far, frame));
    }

    fn later(&mut self, micros: u64, step: Step) {
        self.steps += 1;
        self.queue.insert((self.now + Duration::from_micros(micros), self.steps), step);
    }

    /// A node has got a message it did not have; it does with it what it is like.
    fn delivered(&mut self, (node, link): End, attempt: Attempt, message: Bytes) {
        let Some((author, number)) = parts(&message) else { return };
        let from = self.opposite.get(&(node, link)).map(|far| far.0);
        if let Some(fate) = self.fates.get_mut(number)
            && !fate.reached.contains_key(&node)
        {
            let before = from.and_then(|from| fate.reached.get(&from)).copied().unwrap_or(0);
            fate.reached.insert(node, before + 1);
        }
        let (lane, serial, from) = (Lane::Votes, None, Some(link));
        match self.conduct[node] {
            Conduct::Honest => {
                let author = Some(author);
                let input = Input::Broadcast { lane, author, serial, attempt, message, from };
                if let Some(mesh) = &mut self.meshes[node] {
                    mesh.handle(self.now, input);
                }
            }
            Conduct::BlackHole => {}
            Conduct::Tamper => {
                for attempt in [attempt, attempt.next()] {
                    let body = message.clone();
                    let (hops, tree) = (Hops(255), Tree::of(Some(author)));
                    self.push_to_all(node, Packet::Gossip { attempt, hops, tree, body });
                }
            }
            Conduct::Poison => {
                // Same author, same length, not what the author said: honest nodes drop it.
                let mut forged = message.to_vec();
                forged.extend_from_slice(b"forged");
                let body = Bytes::from(forged);
                let (hops, tree) = (Hops(0), Tree::of(Some(author)));
                self.push_to_all(node, Packet::Gossip { attempt, hops, tree, body });
                let invented = crate::mesh::MessageId::of(attempt, &self.rng.bytes32());
                let genuine = crate::mesh::MessageId::of(attempt, &message);
                let ids = crate::wire::List::new(vec![invented, genuine]).unwrap();
                self.push_to_all(node, Packet::Announce(ids));
            }
        }
    }

    fn push_to_all(&mut self, node: usize, packet: Packet) {
        let Some(mesh) = &mut self.meshes[node] else { return };
        let links: Vec<LinkId> = mesh.peers().map(|known| known.link).collect();
        for link in links {
            mesh.push(self.now, link, Lane::Votes, packet.encode().into());
        }
    }

    /// Starts a message; its number.
    pub(super) fn say(&mut self, node: usize) -> usize {
        let number = self.fates.len();
        let mut fate = Fate::default();
        fate.reached.insert(node, 0);
        self.fates.push(fate);
        let mut message = self.peer(node).0.to_vec();
        message.extend_from_slice(&(number as u64).to_le_bytes());
        message.resize(150, 0);
        let input = Input::Broadcast {
            lane: Lane::Votes,
            author: Some(self.peer(node)),
            serial: None,
            attempt: Attempt(0),
            message: Bytes::from(message),
            from: None,
        };
        self.input(node, input);
        number
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = self.wakes.first().map(|(at, _)| *at);
            let next = arrival.into_iter().chain(wake).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next;
            if wake == Some(next) {
                let (_, node) = self.wakes.pop_first().unwrap();
                self.wake[node] = None;
                self.input(node, Input::Tick);
                continue;
            }
            let (_, step) = self.queue.pop_first().unwrap();
            match step {
                Step::Frame((node, link), frame) if self.opposite.contains_key(&(node, link)) => {
                    self.input(node, Input::Received { link, frame });
                }
                Step::Frame(..) => {}
                Step::Down((node, link)) => self.input(node, Input::LinkDown { link }),
                Step::Dial(node, endpoint) => self.dial(node, endpoint),
            }
        }
        self.now = end;
    }

    fn dial(&mut self, node: usize, endpoint: Endpoint) {
        let there = (0..self.meshes.len()).find(|there| place(*there) == endpoint);
        match there {
            Some(there) if self.meshes[there].is_some() && !(self.is_cut)(node, there) => {
                self.connect(node, there);
            }
            Some(_) | None => self.input(node, Input::DialFailed { endpoint }),
        }
    }

    /// Tells a node where it can be reached and where another one is.
    pub(super) fn introduce(&mut self, node: usize, other: usize) {
        self.input(node, Input::Reachable { endpoint: place(node) });
        self.input(node, Input::Discovered { endpoint: place(other) });
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        self.rng.below(below as u64) as usize
    }
}

/// Where a node is found.
pub(super) fn place(node: usize) -> Endpoint {
    Endpoint { transport: 0, bytes: Bytes::from(std::format!("node {node}")) }
}

/// Radios on a square that hear at least `degree` others on average; who hears whom.
pub(super) fn radio(nodes: usize, degree: u64, rng: &mut Rng) -> Vec<BTreeSet<usize>> {
    let places: Vec<_> = (0..nodes).map(|_| (rng.below(1_000), rng.below(1_000))).collect();
    let mut radius = 60;
    loop {
        let hears = |one: usize, other: usize| {
            let ((x, y), (u, v)) = (places[one], places[other]);
            one != other && x.abs_diff(u).pow(2) + y.abs_diff(v).pow(2) <= radius * radius
        };
        let near: Vec<BTreeSet<usize>> = (0..nodes)
            .map(|node| (0..nodes).filter(|other| hears(node, *other)).collect())
            .collect();
        let links: usize = near.iter().map(BTreeSet::len).sum();
        if links as u64 >= degree * nodes as u64 && component(&near, 0, |_| true).len() == nodes {
            return near;
        }
        radius += 5;
    }
}

/// Everybody that `first` reaches over members.
pub(super) fn component(
    neighbours: &[BTreeSet<usize>],
    first: usize,
    is_member: impl Fn(usize) -> bool,
) -> BTreeMap<usize, u32> {
    let mut distance = BTreeMap::from([(first, 0)]);
    let mut queue = VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        for next in neighbours[node].iter().copied().filter(|next| is_member(*next)) {
            if !distance.contains_key(&next) {
                distance.insert(next, distance[&node] + 1);
                queue.push_back(next);
            }
        }
    }
    distance
}

pub(super) fn diameter(
    neighbours: &[BTreeSet<usize>],
    is_member: impl Fn(usize) -> bool + Copy,
) -> u32 {
    (0..neighbours.len())
        .filter(|node| is_member(*node))
        .filter_map(|node| component(neighbours, node, is_member).into_values().max())
        .max()
        .unwrap_or(0)
}

/// The author and the number of a whole message in a frame in the clear.
fn read(frame: &[u8]) -> Option<(PeerId, usize)> {
    const HEADER_BYTES: usize = 10;
    const TAG_BYTES: usize = 16;
    // Under a datagram link's own header, if it has one.
    let frame = match frame.first() {
        Some(0x20..=0x22) => frame.get(datagrams::HEADER_BYTES..)?,
        _ => frame,
    };
    let end = frame.len().checked_sub(TAG_BYTES)?;
    match Packet::decode(frame.get(HEADER_BYTES..end)?) {
        Ok(Packet::Gossip { body, .. }) => parts(&body),
        Ok(_) | Err(_) => None,
    }
}

/// What an honest node's author said; nothing else is.
fn parts(message: &[u8]) -> Option<(PeerId, usize)> {
    if message.len() != 150 {
        return None;
    }
    let author = PeerId(*message.first_chunk()?);
    let number = message.get(32..)?.first_chunk()?;
    Some((author, u64::from_le_bytes(*number) as usize))
}
