//! Posts joined by links that take five milliseconds, some of whose relays are hostile: what tests
//! and the fuzz target drive.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::*;
use crate::identity::ProofOfWork;
use crate::wire::Hash;

pub(super) const BITS: u8 = 4;
const HOP: Duration = Duration::from_millis(5);

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) posts: Vec<Post>,
    /// From whom to whom, and the names of the link at both ends.
    pub(crate) links: BTreeMap<(usize, usize), (LinkId, LinkId)>,
    pub(crate) queue: BTreeMap<(Time, u64), (usize, LinkId, Parcel)>,
    sequence: u64,
    /// Every parcel that was carried, and between whom.
    pub(crate) carried: Vec<(usize, usize, Parcel)>,
    /// Posts that pass nothing on.
    pub(crate) black_holes: BTreeSet<usize>,
    pub(crate) delivered: Vec<(usize, PeerId, Vec<u8>)>,
    pub(crate) ends: Vec<(usize, MessageId, bool)>,
    pub(crate) faults: Vec<(usize, Fault)>,
}

pub(super) fn author(index: usize) -> Author {
    let keypair = Keypair::from_seed([index as u8 + 1; 32]);
    let peer = keypair.peer();
    let address = Address { peer, proof: ProofOfWork::mine(peer, BITS) };
    Author { keypair, address, network: Hash([7; 32]), work_bits: BITS }
}

pub(super) fn post(index: usize, life: u8, unix_ms: u64) -> Post {
    let mut post = Post::new(Time::ZERO, author(index), Rng::new([index as u8 * 8 + life; 32]));
    post.handle(Time::ZERO, Input::WallClock { unix_ms });
    post
}

pub(crate) fn peer(index: usize) -> PeerId {
    author(index).address.peer
}

pub(super) fn text(words: &str) -> List<u8, LETTER_BYTES> {
    List::new(words.as_bytes().to_vec()).expect("short")
}

impl World {
    pub(crate) fn new(size: usize, pairs: &[(usize, usize)]) -> Self {
        let mut world = Self {
            now: Time::ZERO,
            posts: (0..size).map(|index| post(index, 0, 1_000_000)).collect(),
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            carried: Vec::new(),
            black_holes: BTreeSet::new(),
            delivered: Vec::new(),
            ends: Vec::new(),
            faults: Vec::new(),
        };
        pairs.iter().for_each(|(one, other)| world.link(*one, *other));
        world
    }

    pub(crate) fn line(size: usize) -> Self {
        let pairs: Vec<_> = (1..size).map(|index| (index - 1, index)).collect();
        Self::new(size, &pairs)
    }

    pub(crate) fn ring(size: usize) -> Self {
        let pairs: Vec<_> = (0..size).map(|index| (index, (index + 1) % size)).collect();
        Self::new(size, &pairs)
    }

    pub(crate) fn link(&mut self, one: usize, other: usize) {
        let next = self.links.len() as u64;
        let (near, far) = (LinkId(next), LinkId(next + 1));
        self.links.insert((one, other), (near, far));
        self.links.insert((other, one), (far, near));
        self.give(one, Input::LinkUp { link: near, peer: peer(other) });
        self.give(other, Input::LinkUp { link: far, peer: peer(one) });
    }

    /// Takes all links of a post away, and puts another one in its place.
    #[cfg(test)]
    pub(crate) fn replace(&mut self, index: usize, post: Post) {
        let of: Vec<_> = self.links.keys().filter(|(one, _)| *one == index).copied().collect();
        self.posts[index] = post;
        for (_, other) in of {
            let (_, far) = self.links[&(index, other)];
            self.give(other, Input::LinkDown { link: far });
            self.links.remove(&(index, other));
            self.links.remove(&(other, index));
        }
    }

    /// Loses one of the letters that are under way.
    pub(crate) fn lose(&mut self, which: usize) {
        if let Some(key) = self.queue.keys().nth(which).copied() {
            self.queue.remove(&key);
        }
    }

    /// Says something unless too much waits already.
    pub(crate) fn try_to_say(&mut self, from: usize, to: usize, words: &str) -> Option<MessageId> {
        let id = self.posts[from].submit(self.now, peer(to), text(words)).ok();
        self.carry_out(from);
        id
    }

    pub(crate) fn say(&mut self, from: usize, to: usize, words: &str) -> MessageId {
        let id = self.posts[from].submit(self.now, peer(to), text(words)).expect("it is there");
        self.carry_out(from);
        id
    }

    pub(crate) fn give(&mut self, index: usize, input: Input) {
        self.posts[index].handle(self.now, input);
        self.carry_out(index);
    }

    fn carry_out(&mut self, index: usize) {
        while let Some(output) = self.posts[index].poll() {
            match output {
                Output::Send { link, parcel } => {
                    let ends = self.links.iter().find(|(_, names)| names.0 == link);
                    let Some((&(_, to), &(_, far))) = ends else { continue };
                    let own = parcel.letter.from.peer == peer(index);
                    if own || !self.black_holes.contains(&index) {
                        self.carried.push((index, to, parcel.clone()));
                        self.sequence += 1;
                        self.queue.insert((self.now + HOP, self.sequence), (to, far, parcel));
                    }
                }
                Output::Deliver { from, message } => self.delivered.push((index, from, message)),
                Output::Arrived { id, .. } => self.ends.push((index, id, true)),
                Output::Lost { id, .. } => self.ends.push((index, id, false)),
                Output::Blame { fault, .. } => self.faults.push((index, fault)),
                Output::Spend { .. } => {}
            }
        }
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timers = self.posts.iter().enumerate();
            let timer = timers.filter_map(|(index, it)| Some((it.deadline()?, index))).min();
            let next = queued.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = next;
            if queued == Some(next) {
                let (_, (to, link, parcel)) = self.queue.pop_first().expect("it is there");
                self.give(to, Input::Received { link, parcel });
            } else if let Some((_, index)) = timer {
                self.give(index, Input::Tick);
            }
        }
        self.now = end;
    }

    pub(crate) fn heard(&self, by: usize) -> Vec<&str> {
        let for_it = self.delivered.iter().filter(|(index, ..)| *index == by);
        for_it.map(|(_, _, words)| str::from_utf8(words).expect("it is there")).collect()
    }
}
