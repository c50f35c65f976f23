//! A few whole nodes, joined by nothing but a queue: no simulator, no latency, no disk. What costs
//! time is the nodes.

use std::collections::{BTreeMap, VecDeque};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::event::{
    Action, Direction, Endpoint, Event, Key, Label, LinkId, LinkKind, Notice, Position,
};
use bitcraps_protocol::identity::Keypair;
use bitcraps_protocol::keyring::Kept;
use bitcraps_protocol::node::{Config, Node, Past, Setup};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::Text;
use bytes::Bytes;

use super::sessions::MTU;
use super::{address, keypair};

/// Validators with links between all of them.
pub struct Network {
    nodes: Vec<Node>,
    heights: Vec<Height>,
    blocks: Vec<BTreeMap<Key, Bytes>>,
    queue: VecDeque<(usize, Event)>,
    now: Time,
    /// Events handled so far.
    pub events: u64,
}

impl Network {
    /// `n` validators that are about to hear of one another.
    pub fn new(n: u16) -> Self {
        let keypairs: Vec<Keypair> = (0..n).map(keypair).collect();
        let cards = keypairs.iter().map(|it| ValidatorCard::new(it, address(it).proof)).collect();
        let name = Text::new("benchmark").expect("a short name");
        let (time, mut rng) = (BlockTime(1_000_000), Rng::new([7; 32]));
        let genesis = Genesis::insecure(name, cards, Vec::new(), time, 0, &mut rng);
        let genesis = genesis.expect("a good genesis");
        let now = Time::from_micros(1);
        let node = |(index, keypair): (usize, Keypair)| {
            let setup = Setup {
                genesis: genesis.clone(),
                proof: address(&keypair).proof,
                keypair,
                seed: [index as u8; 32],
                config: Config::default(),
                past: Past::Known,
                begins: Position(0),
                keys: Kept::nothing(),
            };
            Node::new(setup, now, []).expect("an empty journal is no obstacle")
        };
        let nodes: Vec<Node> = keypairs.into_iter().enumerate().map(node).collect();
        let count = nodes.len();
        let mut network = Self {
            nodes,
            heights: vec![Height(0); count],
            blocks: vec![BTreeMap::new(); count],
            queue: VecDeque::new(),
            now,
            events: 0,
        };
        for one in 0..count {
            network.queue.push_back((one, Event::WallClock { unix_ms: 1_000_000 }));
            for other in one + 1..count {
                network.queue.push_back((one, network.up(other, one, Direction::Outbound)));
                network.queue.push_back((other, network.up(one, other, Direction::Inbound)));
            }
        }
        network
    }

    /// Lets so many further blocks become final everywhere.
    pub fn run(&mut self, blocks: u64) {
        let least = |network: &Self| network.heights.iter().map(|it| it.0).min().unwrap_or(0);
        let end = least(self) + blocks;
        while least(self) < end {
            match self.queue.pop_front() {
                Some((place, event)) => self.give(place, event),
                None => self.wait(),
            }
        }
    }

    /// The link that leads from one node to another, as the first names it.
    fn link(&self, from: usize, to: usize) -> LinkId {
        LinkId((from * self.nodes.len() + to) as u64)
    }

    fn up(&self, to: usize, from: usize, direction: Direction) -> Event {
        let (link, kind) = (self.link(from, to), LinkKind::Stream);
        let endpoint = Endpoint { transport: 0, bytes: vec![to as u8].into() };
        Event::LinkUp { link, kind, mtu: MTU, direction, endpoint }
    }

    fn give(&mut self, place: usize, event: Event) {
        self.events += 1;
        self.nodes[place].handle(self.now, event);
        while let Some(action) = self.nodes[place].poll() {
            match action {
                Action::Send { link, frame } => {
                    let to = link.0 as usize % self.nodes.len();
                    let there = Event::Received { link: self.link(to, place), frame };
                    self.queue.push_back((to, there));
                    self.queue.push_back((place, Event::Sent { link }));
                }
                Action::Persist { position, record } => {
                    if let Label::Block(height) = record.label {
                        self.blocks[place].insert(Key::Block(height), record.bytes);
                    }
                    self.queue.push_back((place, Event::Persisted { position }));
                }
                Action::Load { key } => {
                    let bytes = self.blocks[place].get(&key).cloned();
                    self.queue.push_back((place, Event::Loaded { key, bytes }));
                }
                Action::Notify(Notice::Finalized { height, .. }) => self.heights[place] = height,
                Action::KeepKeys(_) | Action::Notify(_) => {}
                Action::Dial { .. } | Action::Close { .. } => panic!("all links are up and good"),
            }
        }
    }

    /// Nothing is under way: time passes until somebody has something to do.
    fn wait(&mut self) {
        let next = self.nodes.iter().filter_map(Node::deadline).min();
        self.now = next.expect("validators have time-outs");
        for place in 0..self.nodes.len() {
            if self.nodes[place].deadline().is_some_and(|at| at <= self.now) {
                self.queue.push_back((place, Event::Tick));
            }
        }
    }
}
