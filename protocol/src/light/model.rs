//! A light node, and neighbours that are nothing but a mesh and say what they are told to: what the
//! tests of light nodes and the fuzz target `light` drive.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Answer, Found, Question, Recent, Subject};
use crate::chain::{Genesis, PartId, State};
use crate::event::{Direction, Endpoint, Event, LinkId, LinkKind};
use crate::identity::{Keypair, ProofOfWork};
use crate::keyring::Kept;
use crate::mesh::{self, Lane, Mesh};
use crate::node::{LightAction, LightNode, LightSetup, Packet};
use crate::receipt::model::{BITS, keypair};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;

/// Actions that one event may give rise to.
const ACTIONS_PER_EVENT: usize = 1_000;
const MTU: u32 = 1 << 20;

/// What an honest full node with this state answers about an entry of it, or to who asks for
/// nothing but headers.
pub(crate) fn found(state: &State, subject: &Subject) -> Option<Found> {
    match subject {
        Subject::Headers => Some(Found::Headers),
        Subject::Entry(key) => Some(match state.prove(key) {
            Some((entry, proof)) => Found::Entry(entry.clone().into(), proof),
            None => Found::Absent(state.part(PartId::holding(key), 0).unwrap().into()),
        }),
        Subject::Receipt { .. } => None,
    }
}

/// The whole answer, if this is what was found.
pub(crate) fn answer(recent: &Recent, question: Question, found: Found) -> Answer {
    Answer { subject: question.subject, trail: recent.above(question.above), found }
}

/// A light node with its neighbours.
pub(crate) struct World {
    pub(crate) now: Time,
    genesis: Genesis,
    pub(crate) light: LightNode,
    pub(crate) neighbours: BTreeMap<LinkId, Mesh>,
    links: u64,
    /// What it has asked, oldest first.
    pub(crate) asked: VecDeque<(LinkId, Question)>,
    /// What it did but to send, since somebody looked.
    pub(crate) said: Vec<LightAction>,
}

impl World {
    pub(crate) fn new(genesis: Genesis, kept: Option<Bytes>) -> Self {
        let light = light_node(genesis.clone(), kept, Time::ZERO);
        let (asked, said) = (VecDeque::new(), Vec::new());
        let neighbours = BTreeMap::new();
        Self { now: Time::ZERO, genesis, light, neighbours, links: 0, asked, said }
    }

    /// Another process begins, which remembers this.
    pub(crate) fn restart(&mut self, kept: Option<Bytes>) {
        self.light = light_node(self.genesis.clone(), kept, self.now);
        self.neighbours.clear();
        self.asked.clear();
    }

    /// Somebody comes who was never there before.
    pub(crate) fn link(&mut self) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        let number = self.links as u16;
        let key = keypair(200 + number);
        let proof = ProofOfWork::mine(key.peer(), BITS);
        let identity = LocalIdentity::new(&key, proof, self.genesis.network(), BITS);
        let mut mesh = Mesh::new(identity, Rng::new([number as u8; 32]), mesh::Config::default());
        let (kind, mtu, direction) = (LinkKind::Stream, MTU, Direction::Inbound);
        let bytes = Bytes::copy_from_slice(&self.links.to_le_bytes());
        let endpoint = Endpoint { transport: 0, bytes };
        let up = mesh::Input::LinkUp { link, kind, mtu, direction, endpoint: endpoint.clone() };
        mesh.handle(self.now, up);
        self.neighbours.insert(link, mesh);
        let direction = Direction::Outbound;
        self.give(Event::LinkUp { link, kind, mtu, direction, endpoint });
        self.carry();
        link
    }

    /// A neighbour goes.
    pub(crate) fn unlink(&mut self, link: LinkId) {
        self.neighbours.remove(&link);
        self.give(Event::LinkDown { link });
        self.carry();
    }

    /// A neighbour says something.
    pub(crate) fn tell(&mut self, link: LinkId, message: Bytes) {
        let Some(mesh) = self.neighbours.get_mut(&link) else { return };
        mesh.handle(self.now, mesh::Input::Unicast { link, lane: Lane::Sync, message });
        self.carry();
    }

    /// The owner asks something.
    pub(crate) fn ask(
        &mut self,
        subject: Subject,
    ) -> Result<crate::node::QuestionId, crate::node::NoProof> {
        let asked = self.light.ask(self.now, subject);
        self.carry();
        asked
    }

    /// Goes to the light node's next deadline, unless that lies after `end`. Whether it did.
    pub(crate) fn tick(&mut self, end: Time) -> bool {
        let next = self.light.deadline().filter(|next| *next <= end);
        self.now = next.unwrap_or(end);
        if next.is_some() {
            self.give(Event::Tick);
            self.carry();
        }
        next.is_some()
    }

    fn give(&mut self, event: Event) {
        self.light.handle(self.now, event);
        let deadline = self.light.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "deadlines lie ahead");
    }

    /// Carries frames until nobody has anything to say.
    fn carry(&mut self) {
        loop {
            let is_quiet = !self.carry_out() & !self.carry_in();
            if is_quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self) -> bool {
        let mut count = 0;
        while let Some(action) = self.light.poll() {
            count += 1;
            assert!(count <= ACTIONS_PER_EVENT, "what is said gives bounded work");
            match &action {
                LightAction::Send { link, frame } => {
                    assert!(frame.len() <= MTU as usize, "a frame fits the link");
                    if let Some(mesh) = self.neighbours.get_mut(link) {
                        let (link, frame) = (*link, frame.clone());
                        mesh.handle(self.now, mesh::Input::Received { link, frame });
                        self.give(Event::Sent { link });
                    }
                }
                LightAction::Close { link, .. } => {
                    self.neighbours.remove(link);
                    self.said.push(action);
                }
                LightAction::Dial { .. }
                | LightAction::Notify(_)
                | LightAction::Answer { .. }
                | LightAction::Keep(_)
                | LightAction::KeepKeys(_) => self.said.push(action),
            }
        }
        count > 0
    }

    fn carry_in(&mut self) -> bool {
        let mut has_spoken = false;
        for link in self.neighbours.keys().copied().collect::<Vec<_>>() {
            while let Some(output) = self.neighbours.get_mut(&link).and_then(Mesh::poll) {
                has_spoken = true;
                match output {
                    mesh::Output::Send { frame, .. } => {
                        if let Some(mesh) = self.neighbours.get_mut(&link) {
                            mesh.handle(self.now, mesh::Input::Sent { link });
                        }
                        self.give(Event::Received { link, frame });
                    }
                    mesh::Output::Deliver { message, .. } => {
                        if let Ok(Packet::AskLight(question)) = Packet::decode(&message) {
                            self.asked.push_back((link, question));
                        }
                    }
                    mesh::Output::Dial { .. }
                    | mesh::Output::Close { .. }
                    | mesh::Output::PeerUp { .. }
                    | mesh::Output::PeerDown { .. }
                    | mesh::Output::Misbehaved { .. } => {}
                }
            }
        }
        has_spoken
    }
}

fn light_node(genesis: Genesis, kept: Option<Bytes>, now: Time) -> LightNode {
    let keypair = Keypair::from_seed([9; 32]);
    let proof = ProofOfWork::mine(keypair.peer(), BITS);
    let mesh = mesh::Config::default();
    let (seed, keys) = ([1; 32], Kept::nothing());
    LightNode::new(LightSetup { genesis, keypair, proof, seed, mesh, kept, keys }, now)
}
