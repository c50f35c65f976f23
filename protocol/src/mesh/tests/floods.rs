//! Floods of every kind against a real mesh: what it holds stays below
//! [`Config::most_bytes`], and those who did nothing hear each other through it all the while.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::eprintln;

use bytes::Bytes;

use crate::cpu_time::thread_time;
use crate::event::{Direction, Endpoint, LinkId, LinkKind};
use crate::identity::PeerId;
use crate::mesh::broadcast::{Hops, MessageId, Tree};
use crate::mesh::datagrams;
use crate::mesh::membership::{Contact, SAMPLE, Word};
use crate::mesh::packet::{IDS, Packet, Shorthand};
use crate::mesh::world::{End, MTU, NETWORK, Wired, World, mesh_on, peer, words};
use crate::mesh::{Attempt, Config, Input, Lane, PAYLOAD_BYTES};
use crate::wire::List;
use crate::wire::limits::NEIGHBOURS;

const VICTIM: usize = 0;
/// They are linked with the victim alone, so that it relays what they say.
const HONEST: [usize; 2] = [1, 2];
/// Whoever is banned comes back as the next one.
const HOSTILE: core::ops::Range<usize> = 3..9;

/// How long a flood goes on, and how often somebody honest speaks meanwhile.
const ROUNDS: u32 = 60;
const ROUND: Duration = Duration::from_millis(50);

/// Of a core: what one link at its budgets may make a mesh compute at most. This is what honest
/// traffic loses to each of them. Measured are three hundredths.
const SHARE_OF_ONE_LINK_PERCENT: u32 = 10;

struct Siege {
    world: World,
    config: Config,
    /// The attacker's end of its link.
    link: Option<End>,
    attacker: usize,
    kind: LinkKind,
    most_held: usize,
    most_links: usize,
}

impl Siege {
    fn new(kind: LinkKind) -> Self {
        let config = Config::default();
        let meshes = (0..HOSTILE.end).map(|node| mesh_on(NETWORK, node, 0, config.clone()));
        let mut world = World::of(meshes.collect());
        world.is_forged = |message| message.ends_with(b"forged");
        HONEST.into_iter().for_each(|node| world.join_all(node, [VICTIM]));
        world.pass(Duration::from_secs(1));
        let (attacker, link) = (HOSTILE.start, None);
        Self { world, config, link, attacker, kind, most_held: 0, most_links: 0 }
    }

    /// The attacker's end of a link that is up, if the victim still wants one.
    fn enter(&mut self) -> Option<End> {
        if let Some(end) = self.link.filter(|end| self.world.open.contains_key(end)) {
            return Some(end);
        }
        for attacker in self.attacker..HOSTILE.end {
            self.attacker = attacker;
            let (near, _) = self.world.connect(attacker, VICTIM, self.kind, MTU);
            self.world.settle();
            if self.world.meshes[attacker].is_linked(peer(VICTIM)) {
                self.link = Some(near);
                return self.link;
            }
        }
        None
    }

    fn inject(&mut self, packet: &Packet) {
        if let Some(end) = self.enter() {
            self.world.inject(end, packet.encode());
        }
    }

    /// Bytes that reach the victim as a frame of the attacker's link.
    fn inject_frame(&mut self, frame: Bytes) {
        if let Some(end) = self.enter() {
            let far = self.world.opposite[&end];
            self.world.transit.entry(far).or_default().push_back(Wired::Frame(frame));
            self.world.settle();
        }
    }

    fn look(&mut self) {
        let mesh = &self.world.meshes[VICTIM];
        self.most_held = self.most_held.max(mesh.held());
        self.most_links = self.most_links.max(mesh.links.len());
    }

    /// Floods, while those who are honest talk and must hear one another: all that they say.
    #[track_caller]
    #[expect(clippy::print_stderr, reason = "figures, for whoever asks with --nocapture")]
    fn withstands(mut self, what: &str, mut flood: impl FnMut(&mut Self, u32)) -> Self {
        let mut heard = 0;
        for round in 0..ROUNDS {
            flood(&mut self, round);
            self.look();
            let text = format!("round {round}");
            HONEST.into_iter().for_each(|node| self.world.say(node, 0, &text));
            self.world.pass(ROUND);
            self.look();
            for [node, other] in [[1, 2], [2, 1]] {
                let said = words(other, &text);
                heard += u32::from(self.world.read(node).contains(&said));
            }
            self.world.forget();
        }
        let (most, bound) = (self.most_held, self.config.most_bytes());
        eprintln!(
            "{what}: {most} bytes held at most, of {bound}; {} links; {heard} of {} heard; {} bans",
            self.most_links,
            2 * ROUNDS,
            self.world.meshes[VICTIM].bans().count()
        );
        assert!(most <= bound, "{most} bytes held, {bound} allowed");
        // One hostile link at a time: the bound of one link holds, beside what is shared.
        let one = self.config.bytes_per_link() + self.config.shared_bytes();
        assert!(most <= one, "{most} bytes held because of one link, {one} allowed");
        assert!(self.most_links <= self.config.links + self.config.extra_links);
        assert_eq!(heard, 2 * ROUNDS);
        self
    }

    fn bans(&self) -> usize {
        self.world.meshes[VICTIM].bans().count()
    }
}

fn gossip(number: u32, ending: &str) -> Packet {
    let body = words(HONEST[0], &format!("{number} {ending}"));
    let (attempt, hops, tree) = (Attempt(0), Hops(1), Tree::of(Some(peer(HONEST[0]))));
    Packet::Gossip { attempt, hops, tree, body }
}

fn invented(number: u32) -> MessageId {
    MessageId::of(Attempt(0), &number.to_le_bytes())
}

fn ids(first: u32) -> List<MessageId, IDS> {
    List::new((first..first + IDS as u32).map(invented).collect()).unwrap()
}

#[test]
fn forged_messages_end_with_a_ban_of_each_identity() {
    let siege = Siege::new(LinkKind::Stream).withstands("forged", |siege, round| {
        (0..20).for_each(|number| siege.inject(&gossip(100 * round + number, "forged")));
    });
    assert_eq!(siege.bans(), HOSTILE.len());
}

#[test]
fn replayed_records_end_the_link_each_time() {
    Siege::new(LinkKind::Stream).withstands("replayed records", |siege, round| {
        siege.inject(&gossip(round, "once"));
        siege.world.settle();
        let sent = siege.world.frames.iter().rev().find(|(end, _)| Some(*end) == siege.link);
        let Some((_, frame)) = sent.cloned() else { return };
        siege.inject_frame(frame);
        let is_open = siege.link.is_some_and(|end| siege.world.open.contains_key(&end));
        assert!(!is_open, "a repeated record closes the link");
    });
}

#[test]
fn replayed_messages_are_delivered_once_and_their_attempts_ever_more_rarely() {
    let mut delivered = 0;
    let siege = Siege::new(LinkKind::Stream);
    let siege = siege.withstands("replayed messages", |siege, round| {
        for attempt in 0..=u8::MAX {
            let Packet::Gossip { hops, tree, body, .. } = gossip(0, "again") else { return };
            let attempt = Attempt(attempt.wrapping_add(round as u8));
            siege.inject(&Packet::Gossip { attempt, hops, tree, body });
        }
        siege.world.settle();
        delivered += siege.world.read(VICTIM).len();
    });
    assert!(delivered <= 8, "{delivered}");
    assert!(siege.bans() > 0, "whoever does nothing else is kept out");
}

#[test]
fn whoever_brings_news_may_repeat_some_of_it() {
    let siege = Siege::new(LinkKind::Stream).withstands("news, each five times", |siege, round| {
        for number in 0..60 {
            (0..5).for_each(|_| siege.inject(&gossip(100 * round + number, "five times")));
        }
    });
    assert_eq!(siege.bans(), 0);
}

#[test]
fn what_is_too_large_is_not_kept() {
    let siege = Siege::new(LinkKind::Stream).withstands("oversized", |siege, round| {
        siege.inject(&Packet::Payload(Bytes::from(vec![1; PAYLOAD_BYTES + 1])));
        siege.inject_frame(Bytes::from(vec![4; MTU as usize]));
        siege.inject_frame(Bytes::from(vec![round as u8; 2 * MTU as usize]));
    });
    assert!(siege.bans() > 0);
}

#[test]
fn fragments_that_never_become_whole_fill_no_more_than_a_frame() {
    for step in [1u16, 2, 0] {
        let mut number = 0u16;
        let what = format!("fragments, each {step} after the last");
        Siege::new(LinkKind::Datagram).withstands(&what, |siege, _| {
            for _ in 0..400 {
                let mut datagram = vec![0x20, 0, 0, 0, 0, 0, 0];
                datagram[1..3].copy_from_slice(&number.to_le_bytes());
                datagram.resize(datagrams::HEADER_BYTES + 1000, 7);
                siege.inject_frame(Bytes::from(datagram));
                number = number.wrapping_add(step);
            }
        });
    }
}

#[test]
fn invented_digests_are_forgotten_and_cost_the_link() {
    let mut next = 0;
    let siege = Siege::new(LinkKind::Stream).withstands("digests", |siege, _| {
        for _ in 0..40 {
            siege.inject(&Packet::Announce(ids(next)));
            next += IDS as u32;
        }
    });
    assert!(siege.bans() > 0);
}

#[test]
fn digests_just_below_the_budget_are_borne_for_ever() {
    let mut next = 0;
    let siege = Siege::new(LinkKind::Stream).withstands("digests within the budget", |siege, _| {
        for _ in 0..7 {
            siege.inject(&Packet::Announce(ids(next)));
            next += IDS as u32;
        }
    });
    assert_eq!(siege.bans(), 0);
}

#[test]
fn grafts_draw_no_more_than_a_link_may_pull_and_a_lane_holds() {
    let siege = Siege::new(LinkKind::Stream);
    let body = |number: u8| {
        let mut body = words(1, "large").to_vec();
        body.resize(100_000, number);
        Bytes::from(body)
    };
    let siege = siege.withstands("grafts", |siege, round| {
        if round == 0 {
            for number in 0..8 {
                let (lane, author) = (Lane::Votes, Some(peer(1)));
                let (serial, attempt, from) = (None, Attempt(0), None);
                let message = body(number);
                let said = Input::Broadcast { lane, author, serial, attempt, message, from };
                siege.world.input(1, said);
                siege.world.settle();
            }
        }
        // It takes nothing of what it asks for.
        if let Some(end) = siege.enter() {
            let far = siege.world.opposite[&end];
            siege.world.stuck.entry(far).or_insert(0);
        }
        for _ in 0..10 {
            let all = (0..8).map(|number| MessageId::of(Attempt(0), &body(number)));
            siege.inject(&Packet::Graft(List::new(all.collect()).unwrap()));
        }
    });
    assert!(siege.most_held > 900_000, "{} bytes: there was something to pull", siege.most_held);
}

#[test]
fn links_that_are_only_opened_are_few_at_a_time() {
    // From everywhere, and from one address.
    for one_address in [false, true] {
        let what = if one_address { "dials from one address" } else { "dials" };
        let mut next = 1_000_000;
        Siege::new(LinkKind::Stream).withstands(what, |siege, _| {
            for _ in 0..100 {
                next += 1;
                let (link, kind, direction) = (LinkId(next), LinkKind::Stream, Direction::Inbound);
                let host = if one_address { 0 } else { next };
                let bytes = Bytes::from(format!("{host}:{next}"));
                let endpoint = Endpoint { transport: 0, bytes };
                siege.world.open.insert((VICTIM, link), MTU);
                siege.world.opposite.insert((VICTIM, link), (usize::MAX, link));
                let up = Input::LinkUp { link, kind, mtu: MTU, direction, endpoint };
                siege.world.input(VICTIM, up);
            }
        });
    }
}

#[test]
fn invented_contacts_fill_no_more_than_the_book() {
    let mut next = 0u32;
    Siege::new(LinkKind::Stream).withstands("contacts", |siege, _| {
        for _ in 0..20 {
            let contacts = (0..SAMPLE).map(|_| {
                next += 1;
                let mut bytes = format!("{next}:").into_bytes();
                bytes.resize(128, b'7');
                let mut key = [9; 32];
                key[..4].copy_from_slice(&next.to_le_bytes());
                let endpoint = Endpoint { transport: 0, bytes: Bytes::from(bytes) };
                Contact { peer: PeerId(key), endpoint }
            });
            let contacts = List::new(contacts.collect()).unwrap();
            siege.inject(&Packet::Membership(Word::Exchanged(contacts)));
        }
    });
}

#[test]
fn invented_neighbours_cost_the_link() {
    let mut next = 0u64;
    let siege = Siege::new(LinkKind::Stream).withstands("neighbours", |siege, _| {
        for _ in 0..20 {
            let named = (0..NEIGHBOURS as u64).map(|_| {
                next += 1;
                let mut key = [9; 32];
                key[..8].copy_from_slice(&next.to_le_bytes());
                Shorthand::of(PeerId(key))
            });
            let named = List::new(named.collect()).unwrap();
            siege.inject(&Packet::Neighbours(named));
        }
    });
    assert!(siege.bans() > 0);
}

/// What a second of `packet`s at their budget's rate costs the victim, in thousandths of a core.
#[expect(clippy::print_stderr, reason = "figures, for whoever asks with --nocapture")]
fn cost(what: &str, rate: u64, mut packet: impl FnMut(u32) -> Packet) -> u32 {
    let mut siege = Siege::new(LinkKind::Stream);
    let end = siege.enter().unwrap();
    let far = siege.world.opposite[&end];
    siege.world.frames.clear();
    for number in 0..rate as u32 {
        siege.inject(&packet(number));
        // They wait on the wire until it is measured.
    }
    let frames: Vec<Wired> = siege.world.transit.remove(&far).into_iter().flatten().collect();
    let mesh = &mut siege.world.meshes[VICTIM];
    let (now, start) = (siege.world.now, thread_time());
    for wired in frames {
        let Wired::Frame(frame) = wired else { continue };
        mesh.handle(now, Input::Received { link: far.1, frame });
        while mesh.poll().is_some() {}
    }
    let took = thread_time() - start;
    eprintln!("{what}: {rate} a second cost {took:?} of a core a second");
    assert!(mesh.is_linked(peer(siege.attacker)), "within its budget");
    (took.as_micros() / 1000) as u32
}

#[test]
fn one_link_at_its_budgets_leaves_a_core_the_stated_share() {
    let allowance = Config::default().allowance;
    let (frames, repeated) = (allowance.frames.per_second, Config::default().repeated.burst);
    let digests = allowance.digests.per_second / IDS as u64;
    let neighbours = allowance.digests.per_second / NEIGHBOURS as u64;
    let costs = [
        cost("known messages", repeated, |number| gossip(number % 2, "known")),
        cost("new messages", frames, |number| gossip(number, "new")),
        cost("digests", digests, |number| Packet::Announce(ids(number * IDS as u32))),
        cost("grafts", digests, |number| Packet::Graft(ids(number * IDS as u32))),
        cost("pings", frames, |_| Packet::Ping),
        cost("neighbours", neighbours, |number| {
            let named = (0..NEIGHBOURS as u32).map(|index| {
                let mut key = [9; 32];
                key[..4].copy_from_slice(&(number * 1000 + index).to_le_bytes());
                Shorthand::of(PeerId(key))
            });
            Packet::Neighbours(List::new(named.collect()).unwrap())
        }),
    ];
    let most = costs.into_iter().max().unwrap();
    assert!(most <= 10 * SHARE_OF_ONE_LINK_PERCENT, "{most} thousandths of a core");
}
