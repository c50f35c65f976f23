//! A relay: it was not invited, and carries between members what it cannot read.
//!
//! It knows a network by its id alone, follows no chain and has nothing to be asked for. Gossip that
//! is sealed goes on to everybody, unjudged, as long as the link that brings it stays within a budget
//! of its own; letters go on like everywhere. Who lies between members can lose, hold up and repeat
//! what they say, as a wire can, and no more.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::packet::Packet;
use super::{DiceStatus, LightAction, RelayStatus, Status, mesh_input, status};
use crate::block::{Height, View};
use crate::event::{Event, Fault, LinkId, Notice};
use crate::identity::{Address, Epoch, Keypair, NetworkId, ProofOfWork};
use crate::mesh::post::{self, Post};
use crate::mesh::{self, Attempt, Buckets, Mesh, Rate};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::{BlockTime, Time};
use crate::wire::Hash;

/// Bytes that one link may have carried: a network of four at play says 35 kB a roll.
const CARRIED: Rate = Rate { burst: 1024 * 1024, per_second: 128 * 1024 };
/// Links whose bytes are counted.
const LINKS: usize = 128;

/// What a relay is made of.
#[derive(Debug)]
pub struct RelaySetup {
    /// The network for which it carries.
    pub network: NetworkId,
    /// What the identities of neighbours must cost.
    pub work_bits: u8,
    /// Its identity.
    pub keypair: Keypair,
    /// The proof of work of that identity.
    pub proof: ProofOfWork,
    /// Entropy, drawn once per process.
    pub seed: [u8; 32],
    /// How it is linked with others.
    pub mesh: mesh::Config,
}

/// A relay. It is driven like a [`LightNode`](super::LightNode), and only ever sends, dials, closes and
/// tells.
#[derive(Debug)]
pub struct Relay {
    address: Address,
    network: NetworkId,
    now: Time,
    mesh: Mesh,
    post: Post,
    budgets: Buckets<LinkId>,
    carried: u64,
    refused: u64,
    in_the_clear: u64,
    actions: VecDeque<LightAction>,
}

impl Relay {
    /// A relay without links.
    pub fn new(setup: RelaySetup, now: Time) -> Self {
        let RelaySetup { network, work_bits, keypair, proof, seed, mesh } = setup;
        let rng = Rng::new(seed);
        let identity = LocalIdentity::new(&keypair, proof, network, work_bits);
        let address = Address { peer: keypair.peer(), proof };
        let author = post::Author { keypair, address, network, work_bits };
        Self {
            address,
            network,
            now,
            mesh: Mesh::new(identity, rng.fork("mesh"), mesh),
            post: Post::new(now, author, rng.fork("post")),
            budgets: Buckets::new(CARRIED, LINKS),
            carried: 0,
            refused: 0,
            in_the_clear: 0,
            actions: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`, which must not be earlier than at the last call.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = now;
        if let Event::WallClock { unix_ms } = event {
            self.post.handle(now, post::Input::WallClock { unix_ms });
        }
        if let Some(input) = mesh_input(event) {
            self.mesh.handle(now, input);
        }
        self.settle_down();
    }

    /// The next thing for the driver to do.
    pub fn poll(&mut self) -> Option<LightAction> {
        self.actions.pop_front()
    }

    /// When to come back with a tick if nothing else happens. Lies ahead of the last call.
    pub fn deadline(&self) -> Option<Time> {
        self.mesh.deadline().into_iter().chain(self.post.deadline()).min()
    }

    /// Its condition now. Of the chain it knows nothing.
    pub fn status(&self) -> Status {
        let waiting_for = match (self.mesh.peers().next(), self.in_the_clear, self.carried) {
            (None, ..) => "nobody is linked for whom something could be carried",
            (Some(_), 1.., 0) => {
                "neighbours speak in the clear: this network is not private, and needs no relays"
            }
            (Some(_), ..) => "",
        };
        let dice = DiceStatus {
            version: None,
            members: 0,
            usable_shares: 0,
            state: "a relay does not follow how the dice key stands".to_string(),
        };
        Status {
            address: self.address.to_string(),
            peer: self.address.peer,
            network: self.network,
            name: String::new(),
            validator: None,
            light: false,
            validators: 0,
            quorum: 0,
            tolerated_faults: 0,
            epoch: Epoch(0),
            view: View(0),
            height: Height(0),
            block: self.network,
            state_root: Hash::default(),
            time: BlockTime::default(),
            snapshot: None,
            peers: status::peers(&self.mesh, |_| None),
            relayed: Vec::new(),
            bans: status::bans(&self.mesh),
            allow: status::texts(&self.mesh.access().allow),
            deny: status::texts(&self.mesh.access().deny),
            waiting_transactions: 0,
            insecure_dealer: false,
            dice_threshold: 0,
            dice,
            waiting_for: waiting_for.to_string(),
            abstains: None,
            halted: None,
            private: None,
            relay: Some(RelayStatus {
                carried: self.carried,
                refused: self.refused,
                in_the_clear: self.in_the_clear,
            }),
        }
    }

    fn settle_down(&mut self) {
        loop {
            if let Some(output) = self.post.poll() {
                self.on_post(output);
            } else if let Some(output) = self.mesh.poll() {
                self.on_mesh(output);
            } else if self.mesh.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.mesh.handle(self.now, mesh::Input::Tick);
            } else if self.post.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.post.handle(self.now, post::Input::Tick);
            } else {
                break;
            }
        }
        let now = self.now;
        assert!(self.deadline().is_none_or(|deadline| deadline > now), "deadlines lie ahead");
    }

    fn on_mesh(&mut self, output: mesh::Output) {
        match output {
            mesh::Output::Send { link, frame } => {
                self.actions.push_back(LightAction::Send { link, frame });
            }
            mesh::Output::Dial { endpoint } => {
                self.actions.push_back(LightAction::Dial { endpoint })
            }
            mesh::Output::Close { link, reason } => {
                self.actions.push_back(LightAction::Close { link, reason });
            }
            mesh::Output::PeerUp { link, peer } => {
                let peer = peer.peer;
                self.post.handle(self.now, post::Input::LinkUp { link, peer });
                self.notify(Notice::PeerUp { peer, link });
            }
            mesh::Output::PeerDown { link, peer } => {
                self.post.handle(self.now, post::Input::LinkDown { link });
                if !self.mesh.is_linked(peer) {
                    self.notify(Notice::PeerDown { peer });
                }
            }
            mesh::Output::Misbehaved { link, peer, fault, response } => {
                self.notify(Notice::Misbehaved { link, peer, fault, response });
            }
            mesh::Output::Deliver { link, message, gossip, .. } => {
                self.on_message(link, message, gossip);
            }
        }
    }

    fn on_message(&mut self, link: LinkId, message: Bytes, gossip: Option<Attempt>) {
        match (Packet::decode(&message), gossip) {
            (Ok(Packet::Sealed { lane, .. }), Some(attempt)) => {
                if !self.budgets.take(self.now, &link, message.len() as u64) {
                    self.refused += 1;
                    return;
                }
                self.carried += 1;
                let (author, serial, from) = (None, None, Some(link));
                let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from };
                self.mesh.handle(self.now, input);
            }
            (Ok(Packet::Letter(parcel)), None) => {
                self.post.handle(self.now, post::Input::Received { link, parcel });
            }
            // A member asks everybody at first.
            (Ok(Packet::Sealed { .. }), None) => self.spend(link, 1),
            (Ok(_), _) => {
                self.in_the_clear += 1;
                self.spend(link, 1);
            }
            (Err(malformed), _) => self.penalise(link, malformed.into()),
        }
    }

    fn on_post(&mut self, output: post::Output) {
        match output {
            post::Output::Send { link, parcel } => {
                self.carried += 1;
                let packet = Packet::Letter(parcel);
                let (lane, message) = (packet.lane(), packet.encode());
                self.mesh.handle(self.now, mesh::Input::Unicast { link, lane, message });
            }
            post::Output::Blame { link, fault } => self.penalise(link, fault),
            post::Output::Spend { link, work } => self.spend(link, work),
            // Nobody who knows what this node is writes to it.
            post::Output::Deliver { .. }
            | post::Output::Arrived { .. }
            | post::Output::Lost { .. } => {}
        }
    }

    fn spend(&mut self, link: LinkId, work: u64) {
        self.mesh.handle(self.now, mesh::Input::Spent { link, work });
    }

    fn penalise(&mut self, link: LinkId, fault: Fault) {
        self.mesh.handle(self.now, mesh::Input::Penalise { link, fault });
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(LightAction::Notify(notice));
    }
}
