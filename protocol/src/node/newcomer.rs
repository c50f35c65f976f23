//! Somebody who knows a network's name and a place to dial, but not its genesis yet. It opens a
//! link as a node would, asks, and checks the answer against the name.

use super::packet::Packet;
use crate::chain::Genesis;
use crate::event::{Action, Event, Fault};
use crate::identity::{Keypair, NetworkId, ProofOfWork};
use crate::mesh::{self, Mesh};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;

/// A node-to-be. Driven like a [`Node`](super::Node), until [`genesis`](Newcomer::genesis) is there.
#[derive(Debug)]
pub struct Newcomer {
    network: NetworkId,
    mesh: Mesh,
    genesis: Option<Genesis>,
    actions: alloc::collections::VecDeque<Action>,
}

impl Newcomer {
    /// Somebody who wants to join `network`. Whoever answers must be worth `work_bits`; the
    /// genesis will say what the network really asks for.
    pub fn new(
        keypair: &Keypair,
        proof: ProofOfWork,
        network: NetworkId,
        work_bits: u8,
        seed: [u8; 32],
    ) -> Self {
        let identity = LocalIdentity::new(keypair, proof, network, work_bits);
        let rng = Rng::new(seed).fork("newcomer");
        let mesh = Mesh::new(identity, rng, mesh::Config::default());
        Self { network, mesh, genesis: None, actions: Default::default() }
    }

    /// Takes in what happened on its links; other events do not concern it.
    pub fn handle(&mut self, now: Time, event: Event) {
        let Some(input) = super::mesh_input(event) else { return };
        self.mesh.handle(now, input);
        while let Some(output) = self.mesh.poll() {
            self.on_mesh(now, output);
        }
    }

    /// The next thing to do: to send or to close.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to come back with a tick.
    pub fn deadline(&self) -> Option<Time> {
        self.mesh.deadline()
    }

    /// The genesis, once somebody has served it and it proved to be the network's.
    pub const fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    fn on_mesh(&mut self, now: Time, output: mesh::Output) {
        match output {
            mesh::Output::Send { link, frame } => {
                self.actions.push_back(Action::Send { link, frame });
            }
            mesh::Output::Close { link, reason } => {
                self.actions.push_back(Action::Close { link, reason });
            }
            mesh::Output::PeerUp { link, .. } => {
                let packet = Packet::AskGenesis;
                let (lane, message) = (packet.lane(), packet.encode());
                self.mesh.handle(now, mesh::Input::Unicast { link, lane, message });
            }
            mesh::Output::Deliver { link, message, .. } => {
                if let Ok(Packet::Genesis(bytes)) = Packet::decode(&message) {
                    match Genesis::decode(&bytes) {
                        Ok(genesis) if genesis.network() == self.network => {
                            self.genesis = Some(genesis);
                        }
                        Ok(_) | Err(_) => {
                            let fault = Fault::WrongNetwork;
                            self.mesh.handle(now, mesh::Input::Penalise { link, fault });
                        }
                    }
                }
            }
            mesh::Output::PeerDown { .. } | mesh::Output::Misbehaved { .. } => {}
        }
    }
}
