//! One node with neighbours that do not hear one another: what one says, the others hear from it.

use std::collections::VecDeque;
use std::time::Duration;

use bitcraps_protocol::event::{Direction, Endpoint, LinkId, LinkKind};
use bitcraps_protocol::mesh::{Attempt, Config, Input, Lane, Mesh, Output};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use super::sessions::{MTU, identity};
use super::{address, keypair};

/// Time between two messages: no budget is overdrawn.
const PAUSE: Duration = Duration::from_micros(100);

/// The node in the middle, and the one of its neighbours that speaks.
pub struct Star {
    hub: Mesh,
    speaker: Mesh,
    neighbours: u64,
    now: Time,
}

impl Star {
    /// A node with so many neighbours.
    pub fn new(neighbours: u64) -> Self {
        let mesh = |number: u16| {
            Mesh::new(identity(number), Rng::new([number as u8; 32]), Config::default())
        };
        let now = Time::from_micros(1);
        let mut hub = mesh(0);
        let mut leaves: Vec<Mesh> = (1..=neighbours as u16).map(mesh).collect();
        let mut frames = VecDeque::new();
        for (link, leaf) in (0..).map(LinkId).zip(&mut leaves) {
            for (mesh, direction) in [(&mut hub, Direction::Inbound), (leaf, Direction::Outbound)] {
                let endpoint =
                    Endpoint { transport: 0, bytes: link.0.to_le_bytes().to_vec().into() };
                let kind = LinkKind::Stream;
                mesh.handle(now, Input::LinkUp { link, kind, mtu: MTU, direction, endpoint });
            }
        }
        loop {
            for (link, leaf) in (0..).map(LinkId).zip(&mut leaves) {
                frames.extend(sent(leaf, now).into_iter().map(|(_, frame)| (None, link, frame)));
            }
            let answers = sent(&mut hub, now);
            frames.extend(answers.into_iter().map(|(link, frame)| (Some(link), link, frame)));
            let Some((to, link, frame)) = frames.pop_front() else { break };
            let receiver = to.map_or(&mut hub, |link| &mut leaves[link.0 as usize]);
            receiver.handle(now, Input::Received { link, frame });
        }
        assert_eq!(hub.peers().count() as u64, neighbours, "all links are established");
        Self { hub, speaker: leaves.swap_remove(0), neighbours, now }
    }

    /// So many frames of the one that speaks, each with a different message of so many bytes.
    pub fn frames(&mut self, count: u64, bytes: usize) -> Vec<Bytes> {
        let author = Some(address(&keypair(1)).peer);
        let frames = (0..count).map(|number| {
            let mut message = vec![0; bytes];
            message[..8].copy_from_slice(&number.to_le_bytes());
            let input = Input::Broadcast {
                lane: Lane::Votes,
                author,
                serial: None,
                attempt: Attempt::default(),
                message: message.into(),
                from: None,
            };
            self.speaker.handle(self.now, input);
            sent(&mut self.speaker, self.now)
        });
        frames.flatten().map(|(_, frame)| frame).collect()
    }

    /// Lets a frame arrive in the middle, where its message is found good and passed on.
    pub fn relay(&mut self, frame: Bytes) {
        self.now = self.now + PAUSE;
        self.hub.handle(self.now, Input::Received { link: LinkId(0), frame });
        let (mut deliveries, mut relayed) = (Vec::new(), 0);
        while let Some(output) = self.hub.poll() {
            if let Output::Deliver { link, message, gossip: Some(attempt), peer } = output {
                deliveries.push((link, message, attempt, peer));
            }
        }
        for (link, message, attempt, peer) in deliveries {
            let (lane, author, from) = (Lane::Votes, Some(peer), Some(link));
            let input = Input::Broadcast { lane, author, serial: None, attempt, message, from };
            self.hub.handle(self.now, input);
            relayed += sent(&mut self.hub, self.now).len() as u64;
        }
        assert_eq!(relayed, self.neighbours - 1, "everybody else needs it");
    }
}

/// Takes the frames that a mesh sends; they leave at once.
fn sent(mesh: &mut Mesh, now: Time) -> Vec<(LinkId, Bytes)> {
    let mut frames = Vec::new();
    while let Some(output) = mesh.poll() {
        if let Output::Send { link, frame } = output {
            mesh.handle(now, Input::Sent { link });
            frames.push((link, frame));
        }
    }
    frames
}
