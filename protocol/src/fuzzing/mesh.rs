//! A few meshes on wires that do what the bytes say, some of which say what they should not.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::choices::{Choices, Decisions};
use crate::event::{Endpoint, LinkKind};
use crate::mesh::world::{End, MTU, Wired, World, forged, peer, words};
use crate::mesh::{Attempt, Input, Lane, Output, Serial};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 80;
/// Links of one world.
const LINKS: usize = 24;

/// The bytes say who opens which link to whom and ends it, in which order frames arrive, how time
/// passes, what is said to everybody and to one, whose frames do not leave, and what hostile
/// neighbours say. Meshes send only what fits on links that are up, and fall silent; they blame
/// nobody but the hostile, know who is where, and deliver only what somebody said. In the end those
/// who are honest are linked again, and everybody hears everybody.
pub fn mesh(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let nodes = 2 + choices.index(3);
    let mut scene = Scene {
        world: World::in_the_clear(nodes),
        nodes,
        links: Vec::new(),
        hostile: BTreeSet::new(),
        said: Vec::new(),
    };
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        scene.step(&mut choices);
        scene.check();
    }
    scene.end();
}

struct Scene {
    world: World,
    nodes: usize,
    /// The near ends of all links that ever were.
    links: Vec<End>,
    /// Nodes that said, or in whose name the wire said, what no mesh says.
    hostile: BTreeSet<usize>,
    said: Vec<Bytes>,
}

const KINDS: u64 = 16;

impl Scene {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let node = choices.index(self.nodes);
        match choices.below(KINDS) {
            0 => self.world.settle(),
            1 | 2 => {
                for _ in 0..=choices.below(8) {
                    let links = self.world.transit.len().max(1);
                    self.world.step_at(choices.index(links));
                }
            }
            3 => {
                let millis = choices.pick(&[300, 1, 20, 2_000, 16_000, 50_000]);
                self.world.pass(Duration::from_millis(millis));
            }
            4 | 5 => self.connect(node, choices),
            6 => {
                if let Some(end) = self.end_of_link(choices) {
                    self.world.disconnect(end);
                }
            }
            7 | 8 => self.say(node, choices),
            9 => self.tell(choices),
            10 => self.stick(choices),
            11 | 12 => self.inject(choices),
            13 => self.interfere(choices),
            _ => self.input(node, choices),
        }
    }

    fn connect(&mut self, node: usize, choices: &mut Choices<'_>) {
        let other = choices.index(self.nodes);
        if self.links.len() < LINKS {
            let kind = choices.pick(&[LinkKind::Stream, LinkKind::Datagram]);
            let mtu = choices.pick(&[MTU, 256, 510, 65_535]);
            let (near, _) = self.world.connect(node, other, kind, mtu);
            self.links.push(near);
        }
    }

    /// An end of some link, which may be down.
    fn end_of_link(&self, choices: &mut Choices<'_>) -> Option<End> {
        if self.links.is_empty() {
            return None;
        }
        let near = choices.pick(&self.links);
        Some(if choices.rarely(2) { self.world.opposite[&near] } else { near })
    }

    /// A node says something new to everybody, or something old again.
    fn say(&mut self, author: usize, choices: &mut Choices<'_>) {
        let own = self.said.iter().filter(|it| it.starts_with(&peer(author).0));
        let own: Vec<Bytes> = own.cloned().collect();
        let message = if own.is_empty() || !choices.rarely(3) {
            let length = choices.pick(&[10, 0, 1_000, 70_000]);
            let mut message = words(author, &alloc::format!("{}", self.said.len())).to_vec();
            message.resize(message.len() + length, b' ');
            Bytes::from(message)
        } else {
            choices.pick(&own)
        };
        self.said.push(message.clone());
        let lane = choices.pick(&[Lane::Votes, Lane::Transactions, Lane::Sync]);
        let number = self.said.len() as u64;
        let serial = choices.rarely(3).then_some(Serial { series: 0, number });
        let (author_of, attempt) = (Some(peer(author)), Attempt(choices.below(2) as u8));
        let (author_of, from) = (author_of.filter(|_| !choices.rarely(4)), None);
        let input = Input::Broadcast { lane, author: author_of, serial, attempt, message, from };
        self.world.input(author, input);
    }

    fn tell(&mut self, choices: &mut Choices<'_>) {
        let Some((node, link)) = self.end_of_link(choices) else { return };
        let length = choices.pick(&[10, 0, 1_000, 200_000]);
        let message = Bytes::from(alloc::vec![choices.byte(); length]);
        self.said.push(message.clone());
        let lane = choices.pick(&[Lane::Control, Lane::Votes, Lane::Sync]);
        self.world.input(node, Input::Unicast { link, lane, message });
    }

    /// What an end hands to its driver does not leave any more, or does at last.
    fn stick(&mut self, choices: &mut Choices<'_>) {
        let Some(end) = self.end_of_link(choices) else { return };
        if self.world.stuck.contains_key(&end) {
            self.world.release(end);
        } else if self.world.open.contains_key(&end) {
            self.world.stuck.insert(end, 0);
        }
    }

    fn inject(&mut self, choices: &mut Choices<'_>) {
        let Some(end) = self.end_of_link(choices) else { return };
        self.hostile.insert(end.0);
        let packet = forged(choices, &self.said);
        self.world.inject(end, packet);
    }

    /// The wire loses, repeats or changes what is next for an end.
    fn interfere(&mut self, choices: &mut Choices<'_>) {
        let Some(end) = self.end_of_link(choices) else { return };
        let from = self.world.opposite[&end].0;
        let Some(queue) = self.world.transit.get_mut(&end) else { return };
        match (choices.below(3), queue.front_mut()) {
            (0, Some(Wired::Frame(_))) => _ = queue.pop_front(),
            (1, Some(Wired::Frame(frame))) => {
                let frame = frame.clone();
                queue.push_front(Wired::Frame(frame));
            }
            (_, Some(Wired::Frame(frame))) if !frame.is_empty() => {
                let mut bytes = frame.to_vec();
                let at = choices.below(1 << 16) as usize % bytes.len();
                bytes[at] ^= 1 << choices.below(8);
                *frame = Bytes::from(bytes);
            }
            (_, Some(Wired::Frame(_) | Wired::Down) | None) => return,
        }
        self.hostile.insert(from);
    }

    /// Everything else that a mesh can be told.
    fn input(&mut self, node: usize, choices: &mut Choices<'_>) {
        let endpoint = Endpoint { transport: 0, bytes: Bytes::from(choices.bytes(3)) };
        let message = self.said.last().cloned().unwrap_or_default();
        let input = match choices.below(8) {
            0 => Input::Discovered { endpoint },
            1 => Input::Reachable { endpoint },
            2 => Input::DialFailed { endpoint },
            3 => Input::Validators { peers: (0..choices.index(6)).map(peer).collect() },
            4 => {
                let (lane, author) = (Lane::Votes, Some(peer(node)));
                self.said.push(message.clone());
                Input::Remind { lane, author, message }
            }
            5 => Input::Forget { message },
            6 => Input::Past { series: 0, below: choices.below(16) },
            _ => Input::Tick,
        };
        self.world.input(node, input);
    }

    /// Looks at what the meshes wanted since last looked.
    fn check(&mut self) {
        for node in 0..self.nodes {
            for output in self.world.forget_of(node) {
                self.judge(node, &output);
            }
        }
        self.world.forget();
    }

    fn judge(&self, node: usize, output: &Output) {
        let other = |link| self.world.opposite[&(node, link)].0;
        // Links are in the clear here: whoever changes a bit on the wire can pretend to be anybody.
        let is_proven = |link, who| {
            let other = other(link);
            assert!(who == peer(other) || self.hostile.contains(&other), "{who:?} is {other}");
        };
        match output {
            Output::Misbehaved { link, fault, .. } => {
                let other = other(*link);
                assert!(self.hostile.contains(&other), "{node} blames {other} for {fault:?}");
            }
            Output::PeerUp { link, peer } => is_proven(*link, peer.peer),
            Output::PeerDown { link, peer: down } => is_proven(*link, *down),
            Output::Deliver { link, message, peer: from, .. } => {
                is_proven(*link, *from);
                let known = self.said.contains(message) || !self.hostile.is_empty();
                assert!(known, "nobody said what {node} hears");
            }
            Output::Send { .. } | Output::Dial { .. } | Output::Close { .. } => {}
        }
    }

    /// Those who are honest are linked with one another, and each says something.
    fn end(mut self) {
        let stuck: Vec<End> = self.world.stuck.keys().copied().collect();
        stuck.into_iter().for_each(|end| self.world.release(end));
        let old: Vec<End> = self.world.open.keys().copied().collect();
        old.into_iter().for_each(|end| self.world.disconnect(end));
        let honest = (0..self.nodes).filter(|node| !self.hostile.contains(node));
        let honest: Vec<usize> = honest.collect();
        for (index, near) in honest.iter().enumerate() {
            for far in &honest[..index] {
                self.world.join(*near, *far);
            }
        }
        self.world.pass(Duration::from_secs(20));
        self.check();
        for author in &honest {
            for other in honest.iter().filter(|other| *other != author) {
                assert!(self.world.meshes[*author].is_linked(peer(*other)));
            }
            self.world.say(*author, 7, "in the end");
            self.world.pass(Duration::from_secs(10));
            for other in honest.iter().filter(|other| *other != author) {
                let heard = self.world.read(*other);
                assert!(heard.contains(&words(*author, "in the end")), "{other} hears {author}");
            }
        }
    }
}

/// Everybody is linked and says something; links go down; one is hostile.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (nodes, kind, hostile) in [(2, 0, false), (1, 1, false), (2, 0, true), (0, 1, true)] {
        let count = nodes + 2;
        let mut decisions = Decisions::default();
        decisions.put(nodes, 3);
        for node in 1..count {
            decisions.put(node, count).put(4, KINDS).put(node - 1, count).put(kind, 2).put(0, 4);
            decisions.put(0, count).put(0, KINDS);
        }
        for step in 0..12 {
            let node = step % count;
            decisions.put(node, count).put(7, KINDS);
            if step >= count {
                decisions.put(step % 3, 3);
            }
            decisions.put(step % 3, 4).put(0, 3).put(0, 3).put(0, 2).put(0, 4);
            decisions.put(node, count).put(0, KINDS);
            decisions.put(node, count).put(3, KINDS).put(step % 5, 6);
            if hostile {
                decisions.put(node, count).put(11, KINDS).put(0, count - 1).put(1, 2);
                decisions.put(0, 3).put(9, 64).put(step, 12).put(2, 64);
            }
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
