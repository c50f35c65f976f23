//! Plumtree (Leitão, Pereira, Rodrigues: "Epidemic Broadcast Trees", 2007), over a few trees
//! among which authors are spread.
//!
//! A message is pushed over the links of its tree and announced over the others. Whoever gets it
//! twice prunes the later link from the tree; whoever hears of a message that does not come grafts
//! the link that announced it. All links belong to all trees at first, as long as they are few.
//! Two things are added. A peer that hears the author itself is neither pushed to nor told, and an
//! author pushes to all its neighbours: in a full mesh nothing is relayed. And a link that had to be
//! grafted is not pruned from that tree for a while, so that a relay that is first with one message
//! and silent with the next gains little.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::cache::{Cache, Kept};
use super::message::{Hops, MessageId, Said, Tree, Trees};
use super::missing::{Arrival, Missing};
use super::seen::{Novelty, Seen};
use crate::event::LinkId;
use crate::identity::PeerId;
use crate::mesh::budget::Bucket;
use crate::mesh::neighbours::{Neighbourhood, Neighbourhoods};
use crate::mesh::packet::{Packet, Shorthand};
use crate::mesh::{Attempt, Lane, Rate, Serial, Tally};
use crate::time::Time;

/// How long announcements are gathered: at least, and at most where what they announce is seconds
/// late anyway.
const DIGEST_PAUSE: Duration = Duration::from_millis(20);
const MOST_DIGEST_PAUSE: Duration = Duration::from_millis(250);
/// Announcements that wait for one link; then they leave at once.
pub(in crate::mesh) const DIGESTS: usize = 64;
/// How long a link that had to be grafted is not pruned from the tree of what came over it.
const GRAFT_HOLDS: Duration = Duration::from_secs(10);
/// Links that belong to all trees from the beginning; further ones are grafted where they are
/// needed. 12: above what a partial mesh has, and the first messages in a full one of hundreds,
/// sent before neighbours are known, do not go over every pair of its nodes.
const EAGER_LINKS: usize = 12;
/// How long a link to somebody for whom there may be no room has to last until it gets its share of
/// what spreads.
const SETTLES: Duration = Duration::from_millis(2_500);
/// What a link may repeat for each message that it is the first to bring.
const REPEATS_FOR_NEWS: u64 = 4;
/// How old a message may be to be announced over a new link, and how many are.
const RECENT: Duration = Duration::from_secs(30);
const RECENT_MESSAGES: usize = 256;

/// How much is remembered and given.
#[derive(Clone, Copy, Debug)]
pub(in crate::mesh) struct Limits {
    /// Messages remembered in each of two generations.
    pub(in crate::mesh) seen: usize,
    /// The least time between two attempts at one message.
    pub(in crate::mesh) attempt_pause: Duration,
    /// Bytes of messages kept for those who lack them.
    pub(in crate::mesh) kept_bytes: usize,
    /// Bytes that one link may pull.
    pub(in crate::mesh) pulled: Rate,
    /// Messages that one link may bring though they are here.
    pub(in crate::mesh) repeated: Rate,
}

/// Something that happened.
#[derive(Debug)]
pub(in crate::mesh) enum Input {
    /// A link is established, perhaps one more than there is room for.
    LinkUp { link: LinkId, peer: PeerId, is_extra: bool },
    /// It is gone.
    LinkDown { link: LinkId },
    /// Whom a peer hears without a relay; replaces what it said before.
    Neighbours { link: LinkId, hears: Neighbourhood },
    /// A message came.
    Received { link: LinkId, attempt: Attempt, hops: Hops, tree: Tree, body: Bytes },
    /// A peer has these messages.
    Announced { link: LinkId, ids: Vec<MessageId> },
    /// A peer lacks these messages, and wants the likes of them pushed.
    Grafted { link: LinkId, ids: Vec<MessageId> },
    /// A peer wants what spreads over this tree announced only.
    Pruned { link: LinkId, tree: Tree },
    /// A message starts here, or is sound and to be passed on.
    Say { said: Said, from: Option<LinkId> },
    /// A message that was said before may be lacked by others.
    Remind { said: Said },
    /// A message is to be delivered again if it comes again.
    Forget { body: Bytes },
    /// A message matters no more.
    Past { series: u8, below: u64 },
    /// The deadline has passed.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mesh) enum Output {
    /// This is new here.
    Deliver { link: LinkId, attempt: Attempt, body: Bytes },
    /// Push an encoded message.
    Push { link: LinkId, id: MessageId, lane: Lane, serial: Option<Serial>, packet: Bytes },
    /// Tell a peer what is here.
    Announce { link: LinkId, ids: Vec<MessageId> },
    /// Ask a peer for messages, and to push.
    Graft { link: LinkId, ids: Vec<MessageId> },
    /// Ask a peer to push no more over a tree.
    Prune { link: LinkId, tree: Tree },
    /// A peer has this message: if it waits to leave to there, it need not.
    Withdraw { link: LinkId, id: MessageId },
    /// A peer goes on pushing what it was told is here.
    Flooded { link: LinkId },
}

/// Who pushes what to whom.
#[derive(Debug)]
pub(in crate::mesh) struct Plumtree {
    limits: Limits,
    seen: Seen,
    cache: Cache,
    missing: Missing,
    edges: BTreeMap<LinkId, Edge>,
    neighbourhoods: Neighbourhoods,
    /// The message that came last, which is relayed if it is found good.
    latest: Option<Latest>,
    announce_at: Option<Time>,
    /// Links that may be refused, and when they no longer are; the oldest first.
    settling: VecDeque<(Time, LinkId)>,
    tally: Tally,
    outputs: VecDeque<Output>,
}

/// A message that was just delivered.
#[derive(Debug)]
struct Latest {
    id: MessageId,
    body: Bytes,
    /// Who else announced it before.
    holders: Vec<LinkId>,
}

/// One established link.
#[derive(Debug)]
struct Edge {
    peer: PeerId,
    /// Whom the peer hears without a relay.
    hears: Neighbourhood,
    /// Trees that this link is not part of.
    lazy: Trees,
    /// If it may be refused, the trees over which the peer wants announcements only.
    unsettled: Option<Trees>,
    /// Until when this link is not pruned from each tree.
    holds_until: [Time; Tree::COUNT],
    /// Not announced yet; at most [`DIGESTS`].
    digests: BTreeSet<MessageId>,
    pulls: Bucket,
    repeats: Bucket,
}

impl Plumtree {
    pub(in crate::mesh) const fn new(limits: Limits) -> Self {
        Self {
            seen: Seen::new(limits.seen, limits.attempt_pause),
            cache: Cache::new(limits.kept_bytes),
            limits,
            missing: Missing::new(),
            edges: BTreeMap::new(),
            neighbourhoods: Neighbourhoods::new(),
            latest: None,
            announce_at: None,
            settling: VecDeque::new(),
            tally: Tally {
                new: 0,
                repeated: 0,
                hops: 0,
                most_hops: 0,
                asked_for: 0,
                flood_bytes: 0,
            },
            outputs: VecDeque::new(),
        }
    }

    pub(in crate::mesh) fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::LinkUp { link, peer, is_extra } => self.link_up(now, link, peer, is_extra),
            Input::LinkDown { link } => self.link_down(link),
            Input::Neighbours { link, hears } => {
                if let Some(edge) = self.edges.get_mut(&link) {
                    self.neighbourhoods.remove(link, &edge.hears);
                    edge.hears = self.neighbourhoods.add(link, hears);
                }
            }
            Input::Received { link, attempt, hops, tree, body } => {
                self.received(now, link, attempt, hops, tree, body);
            }
            Input::Announced { link, ids } => self.announced(now, link, ids),
            Input::Grafted { link, ids } => self.grafted(now, link, ids),
            Input::Pruned { link, tree } => {
                if let Some(edge) = self.edges.get_mut(&link) {
                    edge.lazy.insert(tree);
                    if let Some(unsettled) = &mut edge.unsettled {
                        unsettled.insert(tree);
                    }
                }
            }
            Input::Say { said, from } => self.say(now, said, from),
            Input::Remind { said } => self.remind(now, said),
            Input::Forget { body } => self.seen.forget(MessageId::of(Attempt::default(), &body)),
            Input::Past { series, below } => self.cache.pass(series, below),
            Input::Tick => {}
        }
        self.keep_time(now);
    }

    pub(in crate::mesh) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the peer of a link hears `peer` without a relay.
    pub(in crate::mesh) fn neighbours_hear(&self, peer: PeerId) -> bool {
        self.neighbourhoods.hear(peer)
    }

    pub(in crate::mesh) fn deadline(&self) -> Option<Time> {
        let settles = self.settling.front().map(|(at, _)| *at);
        self.missing.deadline().into_iter().chain(self.announce_at).chain(settles).min()
    }

    pub(in crate::mesh) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Bytes remembered, kept and awaited.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(in crate::mesh) fn held(&self) -> usize {
        let of_edges = self
            .edges
            .values()
            .map(|edge| edge.digests.len() * size_of::<MessageId>() + edge.hears.held());
        let latest = self.latest.as_ref().map_or(0, |it| it.body.len());
        let machines = self.seen.held() + self.cache.held() + self.missing.held();
        machines + latest + self.neighbourhoods.held() + of_edges.sum::<usize>()
    }

    fn link_up(&mut self, now: Time, link: LinkId, peer: PeerId, is_extra: bool) {
        let edge = Edge {
            peer,
            hears: self.neighbourhoods.add(link, Neighbourhood::of([Shorthand::of(peer)])),
            lazy: Trees::all(),
            unsettled: Some(Trees::default()),
            holds_until: [now; Tree::COUNT],
            digests: BTreeSet::new(),
            pulls: Bucket::new(now, self.limits.pulled),
            repeats: Bucket::new(now, self.limits.repeated),
        };
        self.edges.insert(link, edge);
        if is_extra {
            self.settling.push_back((now + SETTLES, link));
        } else {
            self.settle(now, link);
        }
    }

    /// A new link belongs to all trees if there are few, and learns what it may have missed while it
    /// was not there.
    fn settle(&mut self, now: Time, link: LinkId) {
        let is_eager = self.edges.len() <= EAGER_LINKS;
        let Some(edge) = self.edges.get_mut(&link) else { return };
        let Some(pruned) = edge.unsettled.take() else { return };
        if is_eager {
            edge.lazy = pruned;
        }
        let recent = |kept: &Kept| now.since(kept.at) <= RECENT && kept.author != Some(edge.peer);
        let digests: BTreeSet<MessageId> = self
            .cache
            .newest()
            .take(RECENT_MESSAGES)
            .filter(|(_, kept)| recent(kept))
            .map(|(id, _)| id)
            .collect();
        if !digests.is_empty() {
            let ids = digests.into_iter().collect();
            self.outputs.push_back(Output::Announce { link, ids });
        }
    }

    fn link_down(&mut self, link: LinkId) {
        let Some(gone) = self.edges.remove(&link) else { return };
        self.neighbourhoods.remove(link, &gone.hears);
        self.missing.link_down(link);
        // Another link to the same peer may have been pruned in favour of this one.
        let others = self.edges.values_mut().filter(|edge| edge.peer == gone.peer);
        others.for_each(|edge| edge.lazy = Trees::default());
    }

    fn received(
        &mut self,
        now: Time,
        link: LinkId,
        attempt: Attempt,
        hops: Hops,
        tree: Tree,
        body: Bytes,
    ) {
        let id = MessageId::of(attempt, &body);
        if !self.has(link, id) {
            return;
        }
        match self.seen.note(now, id, hops) {
            Novelty::News => {
                let links = u16::from(hops.0) + 1;
                self.tally.new += 1;
                self.tally.hops += u64::from(links);
                self.tally.most_hops = self.tally.most_hops.max(links);
                let Arrival { holders, asked } = self.missing.arrived(now, link, id);
                if let Some(edge) = self.edges.get_mut(&link) {
                    edge.repeats.give(now, REPEATS_FOR_NEWS);
                    if asked == Some(link) {
                        edge.holds_until[tree.index()] = now + GRAFT_HOLDS;
                    }
                }
                self.latest = Some(Latest { id, body: body.clone(), holders });
                self.outputs.push_back(Output::Deliver { link, attempt, body });
            }
            Novelty::TooSoon => {
                self.missing.arrived(now, link, id);
                self.repeats(now, link);
            }
            Novelty::Known => {
                self.tally.repeated += 1;
                // Authors push to all they are linked with, always.
                if hops != Hops(0) {
                    self.prune(now, link, tree);
                }
                self.repeats(now, link);
            }
        }
    }

    /// Notes that a peer has a message; whether the link is known.
    fn has(&mut self, link: LinkId, id: MessageId) -> bool {
        let Some(edge) = self.edges.get_mut(&link) else { return false };
        edge.digests.remove(&id);
        self.outputs.push_back(Output::Withdraw { link, id });
        true
    }

    /// A link brings what is here: a few times until it knows, and sometimes what was asked for of
    /// several. Whoever does little else replays what it has heard.
    fn repeats(&mut self, now: Time, link: LinkId) {
        let Some(edge) = self.edges.get_mut(&link) else { return };
        if !edge.repeats.take(now, 1) {
            self.outputs.push_back(Output::Flooded { link });
        }
    }

    /// The same message came over two links: the later one leaves the tree.
    fn prune(&mut self, now: Time, link: LinkId, tree: Tree) {
        let Some(edge) = self.edges.get_mut(&link) else { return };
        if now >= edge.holds_until[tree.index()] {
            edge.lazy.insert(tree);
            self.outputs.push_back(Output::Prune { link, tree });
        }
    }

    fn announced(&mut self, now: Time, link: LinkId, ids: Vec<MessageId>) {
        for id in ids {
            if self.has(link, id) && !self.seen.contains(id) {
                self.missing.announced(now, link, id);
            }
        }
    }

    fn grafted(&mut self, now: Time, link: LinkId, ids: Vec<MessageId>) {
        let Some(edge) = self.edges.get_mut(&link) else { return };
        for id in ids {
            let Some(kept) = self.cache.get(id) else { continue };
            edge.lazy.remove(kept.tree);
            let bytes = u64::try_from(kept.packet.len()).unwrap_or(u64::MAX);
            if edge.pulls.take(now, bytes) {
                self.outputs.push_back(push(link, id, kept));
            }
        }
    }

    fn say(&mut self, now: Time, said: Said, from: Option<LinkId>) {
        let Said { lane, author, serial, attempt, body } = said;
        let is_it = |it: &Latest| it.id.attempt == attempt && it.body == body;
        let (id, holders) = match self.latest.take().filter(is_it) {
            Some(Latest { id, holders, .. }) => (id, holders),
            None => (MessageId::of(attempt, &body), Vec::new()),
        };
        let hops = match from {
            None => {
                self.seen.note(now, id, Hops(0));
                Hops(0)
            }
            Some(_) => self.seen.hops(id).unwrap_or(Hops(0)).next(),
        };
        if from.is_some() && !self.seen.contains(id) {
            self.seen.note(now, id, hops);
        }
        let others = self.edges.len().saturating_sub(usize::from(from.is_some()));
        self.tally.flood_bytes += (body.len() * others) as u64;
        let tree = Tree::of(author);
        if let Some(edge) = from.and_then(|from| self.edges.get_mut(&from)) {
            edge.lazy.remove(tree);
        }
        let concerned: Vec<LinkId> = match from {
            None => self.edges.keys().copied().collect(),
            Some(from) => {
                let lack = self.neighbourhoods.without(author).iter();
                lack.copied().filter(|it| *it != from).collect()
            }
        };
        // Nobody can lack what everybody hears from its author.
        if from.is_some() && concerned.is_empty() {
            return;
        }
        let packet = Packet::Gossip { attempt, hops, tree, body }.encode();
        let kept = Kept { packet, lane, tree, author, serial, at: now };
        for link in concerned {
            let Some(edge) = self.edges.get(&link) else { continue };
            if from.is_some() && holders.contains(&link) {
                continue;
            }
            if from.is_none() || (!edge.lazy.contains(tree) && hops < Hops::MOST) {
                self.outputs.push_back(push(link, id, &kept));
                continue;
            }
            self.mention(now, link, id);
        }
        self.cache.insert(id, kept);
    }

    /// Tells neighbours of a message that was said before.
    fn remind(&mut self, now: Time, said: Said) {
        let Said { lane, author, serial, attempt, body } = said;
        let id = MessageId::of(attempt, &body);
        if !self.seen.contains(id) {
            self.seen.note(now, id, Hops(0));
        }
        let (hops, tree) = (self.seen.hops(id).unwrap_or(Hops(0)).next(), Tree::of(author));
        let packet = Packet::Gossip { attempt, hops, tree, body }.encode();
        self.cache.insert(id, Kept { packet, lane, tree, author, serial, at: now });
        let hear_of_it = self.edges.iter().filter(|(_, edge)| Some(edge.peer) != author);
        let links: Vec<LinkId> = hear_of_it.map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.mention(now, link, id));
    }

    /// Tells a peer of a message before long.
    fn mention(&mut self, now: Time, link: LinkId, id: MessageId) {
        let Some(edge) = self.edges.get_mut(&link) else { return };
        edge.digests.insert(id);
        if edge.digests.len() >= DIGESTS {
            let ids = core::mem::take(&mut edge.digests).into_iter().collect();
            self.outputs.push_back(Output::Announce { link, ids });
        }
        let pause = (self.missing.lateness() / 8).clamp(DIGEST_PAUSE, MOST_DIGEST_PAUSE);
        self.announce_at.get_or_insert(now + pause);
    }

    fn keep_time(&mut self, now: Time) {
        while let Some(&(at, link)) = self.settling.front()
            && at <= now
        {
            self.settling.pop_front();
            self.settle(now, link);
        }
        if self.announce_at.is_some_and(|at| at <= now) {
            self.announce_at = None;
            for (&link, edge) in &mut self.edges {
                if !edge.digests.is_empty() {
                    let ids = core::mem::take(&mut edge.digests).into_iter().collect();
                    self.outputs.push_back(Output::Announce { link, ids });
                }
            }
        }
        for (link, ids) in self.missing.overdue(now) {
            if self.edges.contains_key(&link) {
                self.tally.asked_for += ids.len() as u64;
                self.outputs.push_back(Output::Graft { link, ids });
            }
        }
    }
}

fn push(link: LinkId, id: MessageId, kept: &Kept) -> Output {
    let Kept { packet, lane, serial, .. } = kept;
    Output::Push { link, id, lane: *lane, serial: *serial, packet: packet.clone() }
}
