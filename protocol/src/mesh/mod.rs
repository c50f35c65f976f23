//! Who is linked to whom, and how messages get to everybody.
//!
//! The mesh owns the links: each one's [`Session`](crate::session::Session), its outbound lanes and
//! its inbound budget. It admits peers, keeps one link of several to the same peer, spreads gossip
//! over trees that mend themselves (`broadcast`), remembers who broke the protocol and keeps them
//! out for a while (`standing`), tells neighbours about one another, and decides
//! whom to be linked with (`membership`). Messages are opaque to it: upper layers verify what is [delivered](Output::Deliver) and hand back what is
//! worth relaying.
//!
//! Of two links between the same peers a stream survives datagrams, which only a radio carries; of two
//! alike the one opened by the lower key, and of several opened by the same peer the newest, so that nobody is locked out by a dead link of an earlier
//! life. Only the *responder* of the better link closes the worse: it is the last to know that the
//! better one is up, so there is never a moment without a link, and never two opinions. And it does
//! so only after hearing from the peer on the better link since the worse came up: the better one
//! may be the dead one. Until then messages take both.

mod access;
mod admission;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod air;
mod authors;
mod boundary;
mod broadcast;
mod budget;
mod config;
mod datagrams;
mod lanes;
mod link;
mod membership;
mod neighbours;
mod packet;
pub mod post;
mod standing;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod world;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

pub use access::{Access, NotAPattern, PATTERN_BYTES, Pattern};
pub(crate) use authors::Authors;
pub use boundary::{Input, Output, PeerLink, Tally};
pub use budget::{Allowance, Rate};
pub(crate) use budget::{Bucket, Buckets};
pub use config::Config;
pub use lanes::{Lane, Serial};
pub use standing::{BANNED_AT, Ban, CULPRITS, Culprit};

use crate::event::{CloseReason, Fault, LinkId};
use crate::identity::PeerId;
use crate::rng::Rng;
use crate::session::{LocalIdentity, Outcome};
use crate::time::Time;
use crate::wire::List;
use crate::wire::limits::MESSAGE_BYTES;
#[cfg(feature = "simulation")]
use broadcast::{Hops, Tree};
use broadcast::{MessageId, Plumtree, Said};
use lanes::Waiting;
use link::{Due, Link};
use membership::{Ending, Membership};
use neighbours::{Announcement, Neighbourhood};
use packet::{Packet, Shorthand};
use standing::{Host, Standing};

/// Bytes of the longest message that the mesh carries for upper layers.
pub const PAYLOAD_BYTES: usize = MESSAGE_BYTES - packet::OVERHEAD_BYTES;

/// How often the originator of a gossip message has said it before; wraps. The same message is
/// carried once per attempt: to say it again to everybody, raise it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Attempt(pub u8);

impl Attempt {
    /// The attempt after this one.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// This node's links and what flows over them.
#[derive(Debug)]
pub struct Mesh {
    identity: LocalIdentity,
    config: Config,
    rng: Rng,
    /// At most [`Config::links`] and [`Config::extra_links`]; the victim is the newcomer.
    links: BTreeMap<LinkId, Link>,
    now: Time,
    plumtree: Plumtree,
    membership: Membership,
    /// The established links to each peer.
    linked: BTreeMap<PeerId, BTreeSet<LinkId>>,
    /// No link needs anything before.
    look_at: Option<Time>,
    standing: Standing,
    /// What each address may still open; as many addresses as culprits.
    dials: Buckets<Host>,
    /// Counts the links that were admitted, to tell newer ones from older ones.
    admissions: u64,
    announced: Option<Time>,
    announce_at: Option<Time>,
    outputs: VecDeque<Output>,
}

impl Mesh {
    /// A mesh without links. `rng` must be a stream of its own.
    pub fn new(identity: LocalIdentity, rng: Rng, config: Config) -> Self {
        let own = identity.address().peer;
        Self {
            membership: Membership::new(own, &config, rng.fork("membership")),
            identity,
            plumtree: Plumtree::new(broadcast::Limits {
                seen: config.seen_messages,
                attempt_pause: config.attempt_pause,
                kept_bytes: config.kept_bytes,
                pulled: config.pulled,
                repeated: config.repeated,
            }),
            standing: Standing::new(config.access.clone()),
            dials: Buckets::new(config.dials, CULPRITS),
            config,
            rng,
            links: BTreeMap::new(),
            now: Time::ZERO,
            linked: BTreeMap::new(),
            look_at: None,
            admissions: 0,
            announced: None,
            announce_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = now;
        match input {
            Input::LinkUp { link, kind, mtu, direction, endpoint } => {
                self.link_up(now, link, kind, mtu, direction, endpoint);
            }
            Input::LinkDown { link } => {
                self.remove(now, link, Ending::Lost);
            }
            Input::Received { link, frame } => self.received(now, link, &frame),
            Input::Sent { link } => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.sent(now);
                    self.look_at = earlier(self.look_at, known.deadline(&self.config));
                    self.flush(now, link);
                }
            }
            Input::Broadcast { lane, author, serial, attempt, message: body, from } => {
                assert!(body.len() <= PAYLOAD_BYTES, "{} bytes are no message", body.len());
                if let (Some(author), Some(link)) = (author, from) {
                    self.mingle(now, membership::Input::Heard { link, author });
                }
                let said = Said { lane, author, serial, attempt, body };
                self.spread(now, broadcast::Input::Say { said, from });
            }
            Input::Remind { lane, author, message: body } => {
                assert!(body.len() <= PAYLOAD_BYTES, "{} bytes are no message", body.len());
                let said = Said { lane, author, serial: None, attempt: Attempt::default(), body };
                self.spread(now, broadcast::Input::Remind { said });
            }
            Input::Forget { message } => {
                self.spread(now, broadcast::Input::Forget { body: message });
            }
            Input::Unicast { link, lane, message } => {
                assert!(message.len() <= PAYLOAD_BYTES, "{} bytes are no message", message.len());
                self.push(now, link, lane, Packet::Payload(message).encode().into());
            }
            Input::Past { series, below } => {
                self.links.values_mut().for_each(|known| known.pass(series, below));
                self.spread(now, broadcast::Input::Past { series, below });
            }
            Input::Quiet { link } => self.spread(now, broadcast::Input::LinkDown { link }),
            Input::Spent { link, work } => {
                if self.links.get_mut(&link).is_some_and(|known| !known.spend_work(now, work)) {
                    self.fail(now, link, Fault::Flooding);
                }
            }
            Input::Penalise { link, fault } => self.fail(now, link, fault),
            Input::Discovered { endpoint } => {
                self.mingle(now, membership::Input::Discovered { endpoint });
            }
            Input::Reachable { endpoint } => {
                self.mingle(now, membership::Input::Reachable { endpoint });
            }
            Input::DialFailed { endpoint } => {
                self.mingle(now, membership::Input::DialFailed { endpoint });
            }
            Input::Validators { peers } => {
                self.mingle(now, membership::Input::Validators { peers });
            }
            Input::Tick => {}
        }
        self.keep_time(now);
        assert!(self.deadline().is_none_or(|deadline| deadline > now), "a deadline was missed");
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] if nothing else happens before.
    pub fn deadline(&self) -> Option<Time> {
        let machines = [self.look_at, self.plumtree.deadline(), self.membership.deadline()];
        machines.into_iter().flatten().chain(self.announce_at).min()
    }

    /// Looks at the links again when this one may need something.
    fn look_at(&mut self, link: LinkId) {
        if let Some(known) = self.links.get(&link) {
            self.look_at = earlier(self.look_at, known.deadline(&self.config));
        }
    }

    /// The established links.
    pub fn peers(&self) -> impl Iterator<Item = PeerLink<'_>> {
        self.links.iter().filter_map(|(&link, known)| {
            let peer = known.peer()?;
            Some(PeerLink {
                link,
                address: peer.address,
                endpoint: &known.endpoint,
                direction: known.direction,
                round_trip: known.round_trip(),
                points: self.standing.points(self.now, peer.address.peer),
            })
        })
    }

    /// Who is at the other end of an established link.
    pub fn peer(&self, link: LinkId) -> Option<PeerId> {
        Some(self.links.get(&link)?.peer()?.address.peer)
    }

    /// The bans in force.
    pub fn bans(&self) -> impl Iterator<Item = Ban> {
        self.standing.bans(self.now)
    }

    /// Who is admitted, and who is not, whatever they do.
    pub const fn access(&self) -> &Access {
        self.standing.access()
    }

    /// How broadcasts have come here.
    pub const fn tally(&self) -> &Tally {
        self.plumtree.tally()
    }

    /// Whether one of the neighbours says that it is linked with `peer`.
    pub fn is_near(&self, peer: PeerId) -> bool {
        self.plumtree.neighbours_hear(peer)
    }

    /// Whether an established link leads to `peer`.
    pub fn is_linked(&self, peer: PeerId) -> bool {
        self.linked.contains_key(&peer)
    }

    /// Bytes held because of what others did.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held(&self) -> usize {
        let links = self.links.values().map(Link::held).sum::<usize>();
        links + self.plumtree.held() + self.membership.held() + self.standing.held()
    }

    fn received(&mut self, now: Time, link: LinkId, frame: &Bytes) {
        let Some(known) = self.links.get_mut(&link) else { return };
        match known.receive(now, frame) {
            Ok(outcomes) => {
                for outcome in outcomes {
                    match outcome {
                        Outcome::Reply(frame) => {
                            if let Some(known) = self.links.get_mut(&link) {
                                known.answers(now);
                            }
                            self.send(now, link, frame);
                        }
                        Outcome::Established(address) => self.established(now, link, address),
                        Outcome::Message(bytes) => self.packet(now, link, &bytes),
                    }
                }
                self.heard(now, link);
                self.flush(now, link);
            }
            Err(fault) => self.fail_on_the_way(now, link, fault),
        }
    }

    fn packet(&mut self, now: Time, link: LinkId, bytes: &Bytes) {
        let packet = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(malformed) => return self.fail(now, link, malformed.into()),
        };
        let Some(peer) = self.links.get(&link).and_then(Link::peer) else { return };
        let peer = peer.address.peer;
        let input = match packet {
            Packet::Ping => return,
            Packet::Neighbours(named) if !self.affords(now, link, named.len()) => {
                return self.fail(now, link, Fault::Flooding);
            }
            Packet::Neighbours(neighbours) => {
                let itself = Shorthand::of(peer);
                let hears = Neighbourhood::of(neighbours.into_vec().into_iter().chain([itself]));
                broadcast::Input::Neighbours { link, hears }
            }
            Packet::Payload(message) => {
                let deliver = Output::Deliver { link, peer, message, gossip: None };
                return self.outputs.push_back(deliver);
            }
            Packet::Gossip { attempt, hops, tree, body } => {
                broadcast::Input::Received { link, attempt, hops, tree, body }
            }
            Packet::Announce(ids) | Packet::Graft(ids) if !self.affords(now, link, ids.len()) => {
                return self.fail(now, link, Fault::Flooding);
            }
            Packet::Announce(ids) => broadcast::Input::Announced { link, ids: ids.into_vec() },
            Packet::Graft(ids) => broadcast::Input::Grafted { link, ids: ids.into_vec() },
            Packet::Prune(tree) => broadcast::Input::Pruned { link, tree },
            Packet::Membership(word) => {
                return self.mingle(now, membership::Input::Told { link, word });
            }
        };
        self.spread(now, input);
    }

    /// Whether a link may still announce and ask for so many messages.
    fn affords(&mut self, now: Time, link: LinkId, digests: usize) -> bool {
        self.links.get_mut(&link).is_some_and(|known| known.spend_digests(now, digests))
    }

    /// Tells the broadcast what happened, and does what it wants.
    fn spread(&mut self, now: Time, input: broadcast::Input) {
        self.plumtree.handle(now, input);
        while let Some(output) = self.plumtree.poll() {
            match output {
                broadcast::Output::Deliver { link, attempt, body } => {
                    let Some(peer) = self.links.get(&link).and_then(Link::peer) else { continue };
                    let (peer, gossip) = (peer.address.peer, Some(attempt));
                    let deliver = Output::Deliver { link, peer, message: body, gossip };
                    self.outputs.push_back(deliver);
                }
                broadcast::Output::Push { link, id, lane, serial, packet } => {
                    self.push(now, link, lane, Waiting { packet, id: Some(id), serial });
                }
                // Behind what is pushed: the other way round, a slow link would be asked for what
                // is about to leave.
                broadcast::Output::Announce { link, ids } => {
                    self.push_ids(now, link, Lane::Votes, &ids, Packet::Announce);
                }
                broadcast::Output::Graft { link, ids } => {
                    self.push_ids(now, link, Lane::Control, &ids, Packet::Graft);
                }
                broadcast::Output::Prune { link, tree } => {
                    self.push(now, link, Lane::Control, Packet::Prune(tree).encode().into());
                }
                broadcast::Output::Flooded { link } => self.fail(now, link, Fault::Flooding),
                broadcast::Output::Withdraw { link, id } => {
                    if let Some(known) = self.links.get_mut(&link) {
                        known.withdraw(id);
                    }
                }
            }
        }
    }

    /// Tells the membership what happened, and does what it wants.
    fn mingle(&mut self, now: Time, input: membership::Input) {
        self.membership.handle(now, input);
        while let Some(output) = self.membership.poll() {
            match output {
                membership::Output::Dial { endpoint } => {
                    if self.standing.refuses_host(now, &Host::of(&endpoint)) {
                        self.membership.handle(now, membership::Input::DialFailed { endpoint });
                    } else {
                        self.outputs.push_back(Output::Dial { endpoint });
                    }
                }
                membership::Output::Tell { link, word } => {
                    let packet = Packet::Membership(word).encode();
                    self.push(now, link, Lane::Control, packet.into());
                }
                membership::Output::Close { link } => self.close(now, link, CloseReason::Full),
            }
        }
    }

    fn push_ids(
        &mut self,
        now: Time,
        link: LinkId,
        lane: Lane,
        ids: &[MessageId],
        packet: impl Fn(List<MessageId, { packet::IDS }>) -> Packet,
    ) {
        let Some(per_packet) = self.links.get(&link).map(Link::ids_per_packet) else { return };
        for some in ids.chunks(per_packet) {
            let some = List::new(some.to_vec()).expect("no more than a packet takes");
            self.push(now, link, lane, packet(some).encode().into());
        }
    }

    /// Tells one neighbour what is for everybody.
    #[cfg(feature = "simulation")]
    pub(crate) fn whisper(
        &mut self,
        now: Time,
        link: LinkId,
        lane: Lane,
        attempt: Attempt,
        message: Bytes,
    ) {
        let tree = Tree::of(None);
        let packet = Packet::Gossip { attempt, hops: Hops(0), tree, body: message };
        self.push(now, link, lane, packet.encode().into());
        self.keep_time(now);
    }

    /// Queues an encoded packet on an established link that can carry it.
    fn push(&mut self, now: Time, link: LinkId, lane: Lane, message: Waiting) {
        let Some(known) = self.links.get_mut(&link) else { return };
        match known.push(lane, message) {
            Ok(()) => self.flush(now, link),
            Err(lanes::Overflow) => self.close(now, link, CloseReason::TimedOut),
        }
    }

    /// Lets leave what the link's window admits. Called for every frame that comes or goes, so the
    /// link is looked up once.
    fn flush(&mut self, now: Time, link: LinkId) {
        let Some(known) = self.links.get_mut(&link) else { return };
        while let Some(frames) = known.next_frames(now, &self.config) {
            for frame in frames {
                known.leaves(now, frame.len());
                self.look_at = earlier(self.look_at, known.deadline(&self.config));
                self.outputs.push_back(Output::Send { link, frame });
            }
        }
        self.look_at = earlier(self.look_at, known.deadline(&self.config));
    }

    /// Sends a frame of the handshake.
    fn send(&mut self, now: Time, link: LinkId, frame: Bytes) {
        let Some(known) = self.links.get_mut(&link) else { return };
        match known.cut(frame) {
            Some(frame) => {
                known.leaves(now, frame.len());
                self.look_at(link);
                self.outputs.push_back(Output::Send { link, frame });
            }
            None => self.flush(now, link),
        }
    }

    fn neighbourhood_changed(&mut self, now: Time) {
        let earliest = self.announced.map_or(now, |last| last + self.config.announce_interval);
        self.announce_at.get_or_insert(earliest.max(now));
    }

    /// Does everything that is due.
    fn keep_time(&mut self, now: Time) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(now);
        }
        if self.plumtree.deadline().is_some_and(|at| at <= now) {
            self.spread(now, broadcast::Input::Tick);
        }
        if self.membership.deadline().is_some_and(|at| at <= now) {
            self.mingle(now, membership::Input::Tick);
        }
        // An announcement can overflow a link's lane, and losing that link is news again.
        while self.announce_at.is_some_and(|at| at <= now) {
            self.announce_at = None;
            self.announced = Some(now);
            self.announce(now);
        }
    }

    /// Looks what links need.
    fn look(&mut self, now: Time) {
        let due: Vec<(LinkId, Due)> = self
            .links
            .iter()
            .filter_map(|(&link, known)| Some((link, known.due(now, &self.config)?)))
            .collect();
        for (link, due) in due {
            match due {
                Due::TimeOut => self.close(now, link, CloseReason::TimedOut),
                Due::Datagram => self.flush(now, link),
                Due::Ping => self.push(now, link, Lane::Control, Packet::Ping.encode().into()),
            }
        }
        self.look_at = self.links.values().map(|link| link.deadline(&self.config)).min();
    }

    /// Tells every peer whose knowledge has aged which peers are linked here.
    fn announce(&mut self, now: Time) {
        let mut announcement = Announcement::of(self.linked.keys().copied());
        let news: Vec<(LinkId, Bytes)> = self
            .links
            .iter_mut()
            .filter_map(|(&link, known)| Some((link, known.news(&mut announcement)?)))
            .collect();
        for (link, packet) in news {
            self.push(now, link, Lane::Control, packet.into());
        }
    }
}

fn earlier(one: Option<Time>, other: Time) -> Option<Time> {
    Some(one.map_or(other, |one| one.min(other)))
}
