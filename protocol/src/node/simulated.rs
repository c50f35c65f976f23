//! What a simulation does with a node that a driver cannot: break it on purpose, look at its votes,
//! and stand between it and its neighbours.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::compact::{Compact, shorten};
use super::packet::Packet;
use super::{CannotStart, Node, Setup};
use crate::consensus::{Headline, Message, Progress, Statement};
use crate::event::{LinkId, Record};
use crate::hooks::Hooks;
use crate::identity::{Address, PeerId};
use crate::mesh::{self, Attempt, Lane};
use crate::session::LocalIdentity;
use crate::simulation::{Observation, Simulation};
use crate::time::Time;
use crate::wire::Malformed;

/// A message that a node wants to send, or that somebody sends in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: To,
    /// Its bytes, which need not make sense.
    pub message: Bytes,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// Everybody; it starts here.
    Everybody {
        /// How often it was said before.
        attempt: Attempt,
    },
    /// Everybody but those who have it from its author or gave it to this node: it is relayed.
    Others {
        /// The link that delivered it.
        link: LinkId,
        /// As delivered.
        attempt: Attempt,
        /// Whose message it is, if known.
        author: Option<PeerId>,
    },
    /// Everybody who lacks it: it was said before, by its author.
    Reminder {
        /// Whose message it is, if known.
        author: Option<PeerId>,
    },
    /// One neighbour.
    Link(LinkId),
    /// One neighbour, who takes it to be for everybody and passes it on if it is sound.
    Whisper {
        /// Its link.
        link: LinkId,
        /// How often it was said before.
        attempt: Attempt,
    },
}

/// Something that a node's mesh heard and the rest of the node was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming(mesh::Output);

/// What is held back and seen.
#[derive(Debug, Default)]
pub(super) struct Held {
    outgoing: Option<VecDeque<Outgoing>>,
    incoming: Option<VecDeque<Incoming>>,
    observations: Option<VecDeque<Observation>>,
    overheard: bool,
}

impl Outgoing {
    /// A message that makes sense.
    pub fn new(to: To, packet: &Packet) -> Self {
        Self { to, message: packet.encode() }
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// If the bytes are none of a message; a node's own always are.
    pub fn packet(&self) -> Result<Packet, Malformed> {
        Packet::decode(&self.message)
    }
}

/// What an [`Incoming`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A link's other end is known now.
    PeerUp(LinkId, PeerId),
    /// A link that was up is gone.
    PeerDown(LinkId, PeerId),
    /// A message arrived.
    Message(LinkId, &'a Bytes),
}

impl Incoming {
    /// What happened.
    pub fn heard(&self) -> Heard<'_> {
        match &self.0 {
            mesh::Output::Deliver { link, message, .. } => Heard::Message(*link, message),
            mesh::Output::PeerUp { link, peer } => Heard::PeerUp(*link, peer.peer),
            mesh::Output::PeerDown { link, peer } => Heard::PeerDown(*link, *peer),
            mesh::Output::Misbehaved { .. }
            | mesh::Output::Send { .. }
            | mesh::Output::Dial { .. }
            | mesh::Output::Close { .. } => unreachable!("only what is heard is held back"),
        }
    }
}

impl Node {
    /// A node of a simulated world; otherwise as [`Node::new`], which it equals if `simulation` is
    /// the default.
    ///
    /// # Errors
    ///
    /// As for [`Node::new`].
    pub fn simulated(
        mut setup: Setup,
        simulation: &Simulation,
        now: Time,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, CannotStart> {
        let (past, begins) = (setup.past, setup.begins);
        let (genesis, network) = (&setup.genesis, setup.genesis.network());
        let bits = genesis.proof_of_work_bits;
        let identity = if simulation.clear_links {
            let address = Address { peer: setup.keypair.peer(), proof: setup.proof };
            LocalIdentity::in_the_clear(address, network, bits)
        } else {
            LocalIdentity::new(&setup.keypair, setup.proof, network, bits)
        };
        setup.keypair = simulation.signatures.equip(&setup.keypair);
        let signatures = simulation.signatures.clone();
        let hooks = Hooks { flaws: simulation.flaws, signatures };
        let mut node = Self::assemble(setup, identity, hooks, now)?;
        node.held = Held {
            outgoing: simulation.holds_outgoing.then(VecDeque::new),
            incoming: simulation.holds_incoming.then(VecDeque::new),
            observations: simulation.observed.then(VecDeque::new),
            overheard: simulation.overheard,
        };
        if simulation.makes_no_key {
            node.participant = None;
        }
        if simulation.observed {
            node.consensus.be_observed();
        }
        node.recover(now, past, begins, records)?;
        Ok(node)
    }

    /// The oldest message that is held back.
    pub fn outgoing(&mut self) -> Option<Outgoing> {
        self.held.outgoing.as_mut()?.pop_front()
    }

    /// Sends a message in this node's name, whoever made it. The node itself does not hear it.
    pub fn release(&mut self, now: Time, outgoing: Outgoing) {
        self.now = now;
        let Outgoing { to, message } = outgoing;
        let packet = Packet::decode(&message);
        let lane = packet.as_ref().map_or(Lane::Votes, Packet::lane);
        let serial = packet.ok().and_then(|packet| packet.serial());
        let own = Some(self.address.peer);
        let message = match to {
            To::Link(link) => self.seal_for(link, None, lane, message),
            To::Everybody { .. } | To::Others { .. } => {
                self.seal_gossip(None, lane, shorten(message))
            }
            To::Reminder { .. } | To::Whisper { .. } => self.seal_gossip(None, lane, message),
        };
        let input = match to {
            To::Everybody { attempt } => {
                mesh::Input::Broadcast { lane, author: own, serial, attempt, message, from: None }
            }
            To::Others { link, attempt, author } => {
                let from = Some(link);
                mesh::Input::Broadcast { lane, author, serial, attempt, message, from }
            }
            To::Reminder { author } => mesh::Input::Remind { lane, author, message },
            To::Link(link) => mesh::Input::Unicast { link, lane, message },
            To::Whisper { link, attempt } => {
                self.mesh.whisper(now, link, lane, attempt, message);
                return self.settle_down();
            }
        };
        self.mesh.handle(now, input);
        self.settle_down();
    }

    /// The oldest thing heard that is held back.
    pub fn incoming(&mut self) -> Option<Incoming> {
        self.held.incoming.as_mut()?.pop_front()
    }

    /// Handles something heard by this node or by another one with the same key, whose links this
    /// node then believes to be its own.
    pub fn take(&mut self, now: Time, incoming: Incoming) {
        self.now = now;
        if self.halted.is_none() {
            self.gossip = None;
            self.take_in(incoming.0);
            self.settle_down();
        }
    }

    /// The oldest thing that this node did and nobody asked about yet.
    pub fn observation(&mut self) -> Option<Observation> {
        let own = self.held.observations.as_mut()?.pop_front();
        own.or_else(|| self.consensus.observation())
    }

    /// Where the current view stands at this node.
    pub fn progress(&self) -> Progress {
        self.consensus.progress()
    }

    pub(super) fn hold_outgoing(&mut self, to: To, message: Bytes) -> Option<Bytes> {
        let Some(held) = &mut self.held.outgoing else { return Some(message) };
        held.push_back(Outgoing { to, message });
        None
    }

    pub(super) fn hold_incoming(&mut self, output: mesh::Output) -> Option<mesh::Output> {
        let Some(held) = &mut self.held.incoming else { return Some(output) };
        match output {
            mesh::Output::Deliver { .. }
            | mesh::Output::PeerUp { .. }
            | mesh::Output::PeerDown { .. } => {
                held.push_back(Incoming(output));
                None
            }
            mesh::Output::Send { .. }
            | mesh::Output::Dial { .. }
            | mesh::Output::Close { .. }
            | mesh::Output::Misbehaved { .. } => Some(output),
        }
    }

    /// Notes a vote that is heard.
    pub(super) fn overhear(&mut self, packet: &Packet) {
        let Some(seen) = self.held.observations.as_mut().filter(|_| self.held.overheard) else {
            return;
        };
        let window = self.consensus.window();
        let (vote, justification) = match packet {
            Packet::Consensus(Message::Vote(vote)) | Packet::Finalize { vote, .. } => (*vote, None),
            Packet::Consensus(Message::Proposal(proposal))
                if proposal.block.is_intact()
                    && matches!(proposal.vote.statement, Statement::Notarize { view, block, .. }
                        if view == proposal.block.header.view && block == proposal.block.hash()) =>
            {
                (proposal.vote, Some(proposal.block.header.justification))
            }
            Packet::Compact(Compact { headline: Headline { header, vote, .. }, .. })
                if matches!(vote.statement, Statement::Notarize { view, block, .. }
                    if view == header.view && block == header.hash()) =>
            {
                (*vote, Some(header.justification))
            }
            Packet::Consensus(_)
            | Packet::Share { .. }
            | Packet::AskShares { .. }
            | Packet::Transaction(_)
            | Packet::KeyGeneration(_)
            | Packet::AskGenesis
            | Packet::Genesis(_)
            | Packet::AskSnapshot
            | Packet::Snapshot(_)
            | Packet::AskPart { .. }
            | Packet::Part { .. }
            | Packet::AskLight(_)
            | Packet::Light(_)
            | Packet::Letter(_)
            | Packet::Chat(_)
            | Packet::Sealed { .. }
            | Packet::Hello
            | Packet::Rotation(_)
            | Packet::AskRotation
            | Packet::Compact(_) => return,
        };
        seen.push_back(Observation::Heard { vote, justification, window });
    }

    /// Notes that this node gives its own share of a coin away.
    pub(super) fn observe(&mut self, packet: &Packet) {
        let own = self.consensus.index();
        let Some(seen) = &mut self.held.observations else { return };
        match packet {
            Packet::Share { view, index, share, .. } if Some(*index) == own => {
                seen.push_back(Observation::Share { view: *view, with: None, share: *share });
            }
            Packet::Finalize { vote, share, .. } => {
                if let Statement::Finalize { view, block } = vote.statement {
                    let with = Some(block);
                    seen.push_back(Observation::Share { view, with, share: *share });
                }
            }
            Packet::Share { .. }
            | Packet::Consensus(_)
            | Packet::AskShares { .. }
            | Packet::Transaction(_)
            | Packet::KeyGeneration(_)
            | Packet::AskGenesis
            | Packet::Genesis(_)
            | Packet::AskSnapshot
            | Packet::Snapshot(_)
            | Packet::AskPart { .. }
            | Packet::Part { .. }
            | Packet::AskLight(_)
            | Packet::Light(_)
            | Packet::Letter(_)
            | Packet::Chat(_)
            | Packet::Sealed { .. }
            | Packet::Hello
            | Packet::Rotation(_)
            | Packet::AskRotation
            | Packet::Compact(_) => {}
        }
    }
}
