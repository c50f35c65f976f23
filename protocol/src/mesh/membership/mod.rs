//! Whom to be linked with: a small active view of links, and a larger book of places to go to when
//! links are lost.
//!
//! After HyParView (Leitão, Pereira, Rodrigues, 2007), with these differences. Identities are proven
//! by handshakes, so an address is a hint that harms nobody. Samples of the book are exchanged
//! between neighbours only, and newcomers are passed on by a short random walk. Validators want to
//! be linked with all validators, as far as there is room; and whoever does not hear one of them
//! while others talk goes to see it, so that two crowds with full views find one another again.

mod absentees;
mod book;

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use absentees::Absentees;
pub(super) use book::BOOK_BYTES;
pub(super) use book::Ending;
use book::{Book, Place};

use super::Config;
use super::budget::{Bucket, Rate};
use crate::event::{CloseReason, Direction, Endpoint, LinkId, LinkKind};
use crate::identity::PeerId;
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::List;

/// Places at which one node can be reached.
pub(super) const REACHABLE: usize = 4;
/// Bytes of an endpoint that others are told of.
pub(super) const ENDPOINT_BYTES: usize = 128;
/// Contacts in one exchange.
pub(super) const SAMPLE: usize = 8;
/// Steps of a newcomer's random walk.
const WALK: u8 = 3;
/// Neighbours that send a newcomer walking.
const WALKERS: usize = 5;
/// Dials under way at one time, and the pause between two.
const DIALS: usize = 8;
const DIAL_PAUSE: Duration = Duration::from_millis(50);
/// How often samples are exchanged.
const EXCHANGE: Duration = Duration::from_secs(15);
/// How long the newcomer at a full node has to say that it needs a place.
const PROBATION: Duration = Duration::from_secs(2);
/// How long a neighbour that needs its place keeps it without bringing anything.
const USE: Duration = Duration::from_secs(30);
/// Contacts that one link may tell of.
const TOLD: Rate = Rate { burst: 64, per_second: 4 };

/// Who is said to be where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contact {
    /// Who.
    pub(super) peer: PeerId,
    /// Where.
    pub(super) endpoint: Endpoint,
}

/// What neighbours tell one another about whom to be linked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// Said first, and again when something changes.
    Introduction {
        /// The sender has too few links to be refused, or looks for the receiver.
        needs_a_place: bool,
        /// Where the sender can be reached.
        reachable: List<Endpoint, REACHABLE>,
    },
    /// Somebody is new; to be passed on so often, at random.
    Newcomer {
        /// Who and where.
        contact: Contact,
        /// Steps left.
        steps: u8,
    },
    /// A sample of the sender's book; answered with one of the receiver's.
    Exchange(List<Contact, SAMPLE>),
    /// The answer.
    Exchanged(List<Contact, SAMPLE>),
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Input {
    /// A link came up.
    LinkUp { link: LinkId, kind: LinkKind, direction: Direction, endpoint: Endpoint },
    /// Who is there is known and admitted.
    Met { link: LinkId, peer: PeerId },
    /// A link is gone.
    LinkDown { link: LinkId, ending: Ending },
    /// A neighbour said something.
    Told { link: LinkId, word: Word },
    /// The driver knows somebody to be there.
    Discovered { endpoint: Endpoint },
    /// Others can reach this node there.
    Reachable { endpoint: Endpoint },
    /// A dial came to nothing.
    DialFailed { endpoint: Endpoint },
    /// These are the validators now.
    Validators { peers: BTreeSet<PeerId> },
    /// Something sound by this author came first over this link.
    Heard { link: LinkId, author: PeerId },
    /// The deadline has passed.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Try to open a link.
    Dial { endpoint: Endpoint },
    /// Say something to a neighbour.
    Tell { link: LinkId, word: Word },
    /// There is no room for this link.
    Close { link: LinkId },
}

/// Links and the book.
#[derive(Debug)]
pub(super) struct Membership {
    own: PeerId,
    links_most: usize,
    wanted: usize,
    exchanges: bool,
    rng: Rng,
    book: Book,
    reachable: Vec<Endpoint>,
    absentees: Absentees,
    neighbours: BTreeMap<LinkId, Neighbour>,
    /// How many of these links lead to each peer.
    linked: BTreeMap<PeerId, usize>,
    /// What neighbours were last told about needing a place.
    said_to_need: bool,
    /// Whether there is a place for every validator.
    has_room_for_all: bool,
    /// When the next probation may end.
    refuse_at: Option<Time>,
    exchange_at: Option<Time>,
    /// When to look for somebody to dial, if there is a reason to.
    dial_at: Option<Time>,
    discoveries: Bucket,
    outputs: VecDeque<Output>,
}

/// One established link.
#[derive(Debug)]
struct Neighbour {
    peer: PeerId,
    /// Where it says it can be reached.
    reachable: Vec<Endpoint>,
    /// Until when it may say that it needs a place; it has come to a full node.
    probation: Option<Time>,
    /// Whether it says that it has too few links to lose this one.
    needs_a_place: bool,
    /// When it was last the first to bring something, or else when it came.
    useful: Time,
    told: Bucket,
}

impl Membership {
    pub(super) fn new(own: PeerId, config: &Config, rng: Rng) -> Self {
        Self {
            discoveries: Bucket::new(Time::ZERO, config.discoveries),
            own,
            links_most: config.links,
            wanted: config.wanted_links,
            exchanges: config.exchanges_contacts,
            rng,
            book: Book::new(),
            reachable: Vec::new(),
            absentees: Absentees::new(own),
            neighbours: BTreeMap::new(),
            linked: BTreeMap::new(),
            said_to_need: true,
            has_room_for_all: false,
            refuse_at: None,
            exchange_at: None,
            dial_at: None,
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::LinkUp { link, kind, direction, endpoint } => {
                match direction {
                    Direction::Outbound => self.book.linked(now, &endpoint, link),
                    Direction::Inbound => {}
                }
                match kind {
                    LinkKind::Datagram => self.book.spare(endpoint.transport),
                    LinkKind::Stream => {}
                }
            }
            Input::Met { link, peer } => self.met(now, link, peer),
            Input::LinkDown { link, ending } => {
                self.book.unlinked(now, link, ending, &mut self.rng);
                self.forget(link);
                self.keep_introduced();
                self.look_around(now);
            }
            Input::Told { link, word } => self.told(now, link, word),
            Input::Discovered { endpoint } => {
                if !self.book.knows(&endpoint) && !self.discoveries.take(now, 1) {
                    return;
                }
                self.book.found(now, endpoint, &mut self.rng);
                self.look_around(now);
            }
            Input::Reachable { endpoint } => self.reachable(endpoint),
            Input::DialFailed { endpoint } => {
                self.book.failed(now, &endpoint, &mut self.rng);
                self.look_around(now);
            }
            Input::Validators { peers } => {
                // Where there is room for all of them, none is refused by another.
                let is_one = peers.contains(&self.own);
                self.has_room_for_all = is_one && peers.len() <= self.links_most + 1;
                let hurry = if self.has_room_for_all { peers.clone() } else { BTreeSet::new() };
                self.book.hurry(hurry);
                self.absentees.elect(now, peers);
                self.look_around(now);
            }
            Input::Heard { link, author } => {
                self.absentees.heard(now, author);
                if let Some(neighbour) = self.neighbours.get_mut(&link) {
                    neighbour.useful = now;
                }
                // So often that nothing else is looked at.
                return;
            }
            Input::Tick => {}
        }
        self.keep_time(now);
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        [self.refuse_at, self.exchange_at, self.dial_at].into_iter().flatten().min()
    }

    /// Bytes of what is known of others.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        let said = self.neighbours.values().flat_map(|it| &it.reachable);
        self.book.held() + said.map(|it| it.bytes.len()).sum::<usize>()
    }

    fn is_linked(&self, peer: PeerId) -> bool {
        self.linked.contains_key(&peer)
    }

    fn is_validator(&self) -> bool {
        self.absentees.is_validator(self.own)
    }

    /// How many peers there are links to.
    fn peers(&self) -> usize {
        self.linked.len()
    }

    fn forget(&mut self, link: LinkId) {
        let Some(Neighbour { peer, .. }) = self.neighbours.remove(&link) else { return };
        if let Entry::Occupied(mut links) = self.linked.entry(peer) {
            *links.get_mut() -= 1;
            if *links.get() == 0 {
                links.remove();
            }
        }
    }

    fn met(&mut self, now: Time, link: LinkId, peer: PeerId) {
        self.book.met(link, peer);
        let is_sought = self.absentees.met(now, peer);
        let is_extra = !self.is_linked(peer) && self.peers() >= self.links_most;
        let wanted = self.is_validator() && self.absentees.is_validator(peer);
        let gives_way = is_extra
            && wanted
            && self.make_room(now, |it, there| is_sought || !it.absentees.is_validator(there.peer));
        let probation = (is_extra && !gives_way).then(|| now + PROBATION);
        self.refuse_at = self.refuse_at.into_iter().chain(probation).min();
        let (reachable, told) = (Vec::new(), Bucket::new(now, TOLD));
        let neighbour =
            Neighbour { peer, reachable, probation, needs_a_place: false, useful: now, told };
        self.neighbours.insert(link, neighbour);
        *self.linked.entry(peer).or_default() += 1;
        self.introduce(link, is_sought);
        self.keep_introduced();
        if self.exchanges && self.exchange_at.is_none() && self.book.known().next().is_some() {
            self.exchange_at = Some(now + EXCHANGE);
        }
        self.look_around(now);
    }

    /// Gives the place of a neighbour that `may_go` to somebody else, if that is needed: of one that
    /// has not brought anything for the longest time. Who needs its place keeps it while it is of
    /// use, or those who need one would chase one another. Whether there is room now.
    fn make_room(&mut self, now: Time, may_go: impl Fn(&Self, &Neighbour) -> bool) -> bool {
        if self.peers() < self.links_most {
            return true;
        }
        let keeps = |it: &Neighbour| it.needs_a_place && now.since(it.useful) < USE;
        let neighbours = self.neighbours.iter().filter(|(_, it)| it.probation.is_none());
        let may_go = neighbours.filter(|(_, it)| !keeps(it) && may_go(self, it));
        let mut candidates: Vec<(Time, LinkId)> =
            may_go.map(|(link, it)| (it.useful, *link)).collect();
        let Some(least) = candidates.iter().map(|(useful, _)| *useful).min() else { return false };
        candidates.retain(|(useful, _)| *useful == least);
        let chosen = self.rng.below(candidates.len() as u64) as usize;
        self.outputs.push_back(Output::Close { link: candidates.swap_remove(chosen).1 });
        true
    }

    /// Says who this is to a neighbour, if there is anything to say.
    fn introduce(&mut self, link: LinkId, is_sought: bool) {
        let needs_a_place = is_sought || self.needs_a_place();
        if !self.exchanges || (self.reachable.is_empty() && !needs_a_place) {
            return;
        }
        let reachable = List::new(self.reachable.clone()).expect("no more are kept");
        let word = Word::Introduction { needs_a_place, reachable };
        self.outputs.push_back(Output::Tell { link, word });
    }

    /// Whether there are too few links to lose one.
    fn needs_a_place(&self) -> bool {
        self.peers() <= self.wanted.min(self.links_most) / 2
    }

    /// Up to how many links more are sought though there are enough. An eighth of the places stays
    /// free: where all nodes filled all of theirs, whoever lacks one would knock at one full node
    /// after the other for ever.
    fn most_sought(&self) -> usize {
        let kept_free = if self.has_room_for_all { 0 } else { self.links_most.div_ceil(8) };
        self.links_most - kept_free
    }

    /// Tells neighbours when it comes to need its places, and when it no longer does.
    fn keep_introduced(&mut self) {
        let needs_a_place = self.needs_a_place();
        if core::mem::replace(&mut self.said_to_need, needs_a_place) == needs_a_place {
            return;
        }
        let links: Vec<LinkId> = self.neighbours.keys().copied().collect();
        links.into_iter().for_each(|link| self.introduce(link, false));
    }

    fn reachable(&mut self, endpoint: Endpoint) {
        if self.reachable.contains(&endpoint) || self.reachable.len() >= REACHABLE {
            return;
        }
        self.reachable.push(endpoint);
        if !self.exchanges {
            return;
        }
        let reachable = List::new(self.reachable.clone()).expect("no more are kept");
        let needs_a_place = self.needs_a_place();
        for &link in self.neighbours.keys() {
            let reachable = reachable.clone();
            let word = Word::Introduction { needs_a_place, reachable };
            self.outputs.push_back(Output::Tell { link, word });
        }
    }

    fn told(&mut self, now: Time, link: LinkId, word: Word) {
        if !self.exchanges {
            return;
        }
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let contacts = match &word {
            Word::Introduction { .. } | Word::Newcomer { .. } => 1,
            Word::Exchange(sample) | Word::Exchanged(sample) => 1 + sample.len(),
        };
        // Whoever says too much is not listened to; being full of addresses is no fault.
        if !neighbour.told.take(now, contacts as u64) {
            return;
        }
        match word {
            Word::Introduction { needs_a_place, reachable } => {
                self.introduced(now, link, needs_a_place, reachable.into_vec());
            }
            Word::Newcomer { contact, steps } => self.newcomer(now, link, contact, steps),
            Word::Exchange(sample) => {
                let answer = self.sample(link);
                self.outputs.push_back(Output::Tell { link, word: Word::Exchanged(answer) });
                self.learn(now, sample.into_vec());
            }
            Word::Exchanged(sample) => self.learn(now, sample.into_vec()),
        }
    }

    fn introduced(
        &mut self,
        now: Time,
        link: LinkId,
        needs_a_place: bool,
        mut reachable: Vec<Endpoint>,
    ) {
        reachable.retain(|endpoint| self.is_to_be_told(endpoint));
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        let is_first = neighbour.reachable.is_empty();
        neighbour.reachable.clone_from(&reachable);
        neighbour.needs_a_place = needs_a_place;
        let (peer, on_probation) = (neighbour.peer, neighbour.probation.take().is_some());
        for endpoint in &reachable {
            self.book.heard(now, endpoint.clone(), peer, &mut self.rng);
        }
        // A validator keeps its links to validators, except for one that is looked for.
        let keeps = self.is_validator() && !self.absentees.is_validator(peer);
        let may_go = |membership: &Self, it: &Neighbour| {
            it.peer != peer && !(keeps && membership.absentees.is_validator(it.peer))
        };
        if on_probation && !(needs_a_place && self.make_room(now, may_go)) {
            // It learns where else to go before it has to.
            let sample = self.sample(link);
            self.outputs.push_back(Output::Tell { link, word: Word::Exchanged(sample) });
            return self.outputs.push_back(Output::Close { link });
        }
        if self.exchange_at.is_none() {
            self.exchange_at = Some(now + EXCHANGE);
        }
        if is_first {
            let sample = self.sample(link);
            if !sample.is_empty() {
                self.outputs.push_back(Output::Tell { link, word: Word::Exchange(sample) });
            }
            if let Some(endpoint) = reachable.into_iter().next() {
                let contact = Contact { peer, endpoint };
                self.pass_on(link, &contact, WALK, WALKERS);
            }
        }
    }

    fn newcomer(&mut self, now: Time, from: LinkId, contact: Contact, steps: u8) {
        if !self.is_to_be_told(&contact.endpoint) {
            return;
        }
        if let Some(steps) = steps.min(WALK).checked_sub(1) {
            self.pass_on(from, &contact, steps, 1);
        }
        self.learn(now, Vec::from([contact]));
    }

    /// Sends a newcomer on to neighbours at random.
    fn pass_on(&mut self, from: LinkId, contact: &Contact, steps: u8, count: usize) {
        let mut others: Vec<LinkId> = self
            .neighbours
            .iter()
            .filter(|(link, it)| **link != from && it.peer != contact.peer)
            .map(|(link, _)| *link)
            .collect();
        for _ in 0..count.min(others.len()) {
            let chosen = self.rng.below(others.len() as u64) as usize;
            let link = others.swap_remove(chosen);
            let word = Word::Newcomer { contact: contact.clone(), steps };
            self.outputs.push_back(Output::Tell { link, word });
        }
    }

    fn learn(&mut self, now: Time, contacts: Vec<Contact>) {
        for Contact { peer, endpoint } in contacts {
            let is_own = peer == self.own || self.reachable.contains(&endpoint);
            if !is_own && self.is_to_be_told(&endpoint) {
                self.book.heard(now, endpoint, peer, &mut self.rng);
            }
        }
        self.look_around(now);
    }

    /// Whether it makes sense to tell others of a place: a radio must find out itself who is near,
    /// and whoever is out of range has no use for its places.
    fn is_to_be_told(&self, endpoint: &Endpoint) -> bool {
        endpoint.bytes.len() <= ENDPOINT_BYTES && !self.book.spares(endpoint.transport)
    }

    /// Contacts at random, to be told over `link`: validators first, whom everybody looks for.
    fn sample(&mut self, link: LinkId) -> List<Contact, SAMPLE> {
        let there = self.neighbours.get(&link).map(|it| it.peer);
        let known = self.book.known().filter(|(_, endpoint)| self.is_to_be_told(endpoint));
        let known = known.map(|(peer, endpoint)| (peer, endpoint.clone()));
        let near = self.neighbours.values();
        let near = near.flat_map(|it| it.reachable.iter().map(|place| (it.peer, place.clone())));
        let all: BTreeSet<(PeerId, Endpoint)> = known.chain(near).collect();
        let mut all: Vec<Contact> = all
            .into_iter()
            .filter(|(peer, _)| Some(*peer) != there)
            .map(|(peer, endpoint)| Contact { peer, endpoint })
            .collect();
        let mut sample = Vec::new();
        while sample.len() < SAMPLE && !all.is_empty() {
            let validators: Vec<usize> = (0..all.len())
                .filter(|index| self.absentees.is_validator(all[*index].peer))
                .collect();
            let chosen = if validators.is_empty() || sample.len() >= SAMPLE / 2 {
                self.rng.below(all.len() as u64) as usize
            } else {
                validators[self.rng.below(validators.len() as u64) as usize]
            };
            sample.push(all.swap_remove(chosen));
        }
        List::new(sample).expect("no more are taken")
    }

    fn look_around(&mut self, now: Time) {
        self.dial_at.get_or_insert(now);
        self.dial_at = self.dial_at.min(Some(now));
    }

    fn keep_time(&mut self, now: Time) {
        if self.refuse_at.is_some_and(|at| at <= now) {
            self.refuse(now);
        }
        if self.exchange_at.is_some_and(|at| at <= now) {
            let pause = EXCHANGE / 2;
            let jitter = self.rng.below(EXCHANGE.as_micros() as u64);
            self.exchange_at = Some(now + pause + Duration::from_micros(jitter));
            self.exchange();
        }
        if self.dial_at.is_some_and(|at| at <= now) {
            self.book.give_up(now, &mut self.rng);
            self.dial_at = self.dial(now);
        }
    }

    /// Ends the links whose probation is over.
    fn refuse(&mut self, now: Time) {
        let refused: Vec<LinkId> = self
            .neighbours
            .iter()
            .filter(|(_, it)| it.probation.is_some_and(|until| until <= now))
            .map(|(link, _)| *link)
            .collect();
        for link in refused {
            if let Some(neighbour) = self.neighbours.get_mut(&link) {
                neighbour.probation = None;
            }
            self.outputs.push_back(Output::Close { link });
        }
        self.refuse_at = self.neighbours.values().filter_map(|it| it.probation).min();
    }

    fn exchange(&mut self) {
        let links: Vec<LinkId> = self.neighbours.keys().copied().collect();
        if links.is_empty() {
            self.exchange_at = None;
            return;
        }
        let link = links[self.rng.below(links.len() as u64) as usize];
        let sample = self.sample(link);
        if !sample.is_empty() {
            self.outputs.push_back(Output::Tell { link, word: Word::Exchange(sample) });
        }
    }

    /// Dials one place, if there is one to dial now; when to look again.
    fn dial(&mut self, now: Time) -> Option<Time> {
        let dials = self.book.dials();
        let peers = self.peers();
        let needs_links = self.needs_a_place();
        let candidates: Vec<(bool, Endpoint, Time)> = self
            .book
            .idle()
            .filter_map(|(endpoint, place, from)| {
                let preferred = self.prefers(now, place, peers + dials)?;
                let is_missed = place.peer.is_some_and(|peer| self.absentees.is_missed(now, peer));
                let rests = !needs_links && !is_missed;
                let from = if rests { from.max(place.rests_until) } else { from };
                Some((preferred, endpoint.clone(), from))
            })
            .collect();
        let gives_up = self.book.gives_up_at();
        // A validator may fall silent without anything happening here.
        let missed = self.absentees.deadline(now).filter(|_| self.book.idle().next().is_some());
        if dials >= DIALS {
            return gives_up.into_iter().chain(missed).min();
        }
        let ready = |it: &&(bool, Endpoint, Time)| it.2 <= now;
        let best = candidates.iter().filter(ready).map(|it| it.0).max();
        let ready: Vec<&Endpoint> = candidates
            .iter()
            .filter(ready)
            .filter(|it| Some(it.0) == best)
            .map(|it| &it.1)
            .collect();
        if ready.is_empty() {
            let later = candidates.iter().map(|it| it.2);
            return later.chain(gives_up).chain(missed).min();
        }
        let endpoint = ready[self.rng.below(ready.len() as u64) as usize].clone();
        let sought = self.book.peer_at(&endpoint);
        if let Some(sought) = sought.filter(|it| self.absentees.is_missed(now, *it)) {
            self.absentees.seek(now, sought);
        }
        self.book.dialled(now, &endpoint);
        self.outputs.push_back(Output::Dial { endpoint });
        Some(now + DIAL_PAUSE)
    }

    /// Whether a place is to be dialled when its time comes, and before others.
    fn prefers(&self, now: Time, place: &Place, busy: usize) -> Option<bool> {
        match place.peer {
            Some(peer) if peer == self.own || self.is_linked(peer) => None,
            Some(peer) if self.absentees.is_missed(now, peer) => Some(true),
            Some(peer) if self.is_validator() && self.absentees.is_validator(peer) => {
                // Others give way.
                let linked = self.neighbours.values();
                let validators = linked.filter(|it| self.absentees.is_validator(it.peer)).count();
                (validators + self.book.dials() < self.most_sought()).then_some(true)
            }
            // Who is there must be found out first.
            None if place.is_own => (busy < self.most_sought()).then_some(true),
            Some(_) | None => (busy < self.wanted.min(self.links_most)).then_some(false),
        }
    }
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Self::Closed(reason)
    }
}
