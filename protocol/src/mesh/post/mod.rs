//! Letters to one peer, who may be several links away.
//!
//! A letter is signed by its author and passed on from neighbour to neighbour: over the link on
//! which its receiver was heard last, or, where nobody knows that or the known way has failed, over
//! all links. Two who exchange letters first agree on secrets that live as long as the two
//! processes, so that relays can lose what is said, but neither read it, nor invent it, nor bring it
//! a second time. A message is tried again, everywhere, until its receiver says that it has come,
//! or given up after half a minute; it is delivered at most once.
//!
//! A relay remembers which of an author's newest 128 letters have come by, passes each on once, and
//! gives each author and each link a budget; what is beyond is lost. A letter costs the link that
//! brings it the work of checking it, see [`Allowance::work`](super::Allowance::work).
//!
//! Numbers of letters continue from the wall clock at the start, so that relays which remember an
//! author's last ones take those of its next life. Whoever sets that clock back is not heard by
//! them for as long as they remember.

mod conversation;
mod correspondent;
mod letter;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod world;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use self::conversation::{Secret, Side};
pub use self::correspondent::MessageId;
use self::correspondent::{Correspondent, Inner, Message};
use self::letter::{Content, Letter, Spread};
pub use self::letter::{LETTER_BYTES, Parcel};
use super::authors::Authors;
use super::budget::{Bucket, Buckets, Rate};
use crate::event::{Fault, LinkId};
use crate::identity::{Address, Context, Epoch, Keypair, NetworkId, PeerId};
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::{List, decode, encode};

/// What relays pass on for one author: 16 floods at once, one a second.
const PER_AUTHOR: Rate = Rate { burst: 64, per_second: 4 };
/// What a letter that takes a known way costs its author.
const PATH_COSTS: u64 = 1;
/// What one that goes everywhere costs.
const FLOOD_COSTS: u64 = 4;
/// Floods that one link may cause here, whoever their authors are.
const FLOODS_PER_LINK: Rate = Rate { burst: 64, per_second: 16 };
/// Links whose floods are counted.
const LINKS: usize = 128;
/// Peers with whom letters are exchanged. The victim is the one that was longest silent and for whom
/// nothing waits.
const CORRESPONDENTS: usize = 64;
/// What a letter costs the link that brings it: a signature to check.
const LETTER_WORK: u64 = 1;
/// And if it is a call for this node: two keys to multiply and an answer to sign.
const CALL_WORK: u64 = 4;
/// How long letters wait for the wall clock.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A link to a neighbour is established.
    LinkUp { link: LinkId, peer: PeerId },
    /// It is gone.
    LinkDown { link: LinkId },
    /// What the wall clock says, in milliseconds since the Unix epoch.
    WallClock { unix_ms: u64 },
    /// Something authentic of this author's came over this link first.
    Heard { link: LinkId, author: PeerId },
    /// A neighbour brings a letter.
    Received { link: LinkId, parcel: Parcel },
    /// The deadline has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Give a letter to a neighbour.
    Send { link: LinkId, parcel: Parcel },
    /// A message has come for this node.
    Deliver { from: PeerId, message: Vec<u8> },
    /// A message of this node's has arrived.
    Arrived { to: PeerId, id: MessageId },
    /// A message of this node's has not arrived, as far as is known.
    Lost { to: PeerId, id: MessageId },
    /// What this link brought is its neighbour's fault.
    Blame { link: LinkId, fault: Fault },
    /// What this link brought has made work.
    Spend { link: LinkId, work: u64 },
}

/// Why a message is not taken: too many wait for this peer, or for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Who this node is to those who pass its letters on.
#[derive(Debug)]
pub(crate) struct Author {
    pub(crate) keypair: Keypair,
    pub(crate) address: Address,
    pub(crate) network: NetworkId,
    /// What an identity must cost there.
    pub(crate) work_bits: u8,
}

/// The letters of one node, and those that it passes on.
#[derive(Debug)]
pub(crate) struct Post {
    own: Author,
    context: Context,
    rng: Rng,
    /// The established links and who is there; the mesh bounds them.
    links: BTreeMap<LinkId, PeerId>,
    authors: Authors,
    floods: Buckets<LinkId>,
    correspondents: BTreeMap<PeerId, Correspondent>,
    /// The number of this node's next letter, once the wall clock is known.
    next_number: Option<u64>,
    /// What others will pass on.
    budget: Bucket,
    outputs: VecDeque<Output>,
}

/// Where a letter goes from here.
enum Way {
    Here,
    Over(LinkId),
    Everywhere,
}

impl Post {
    /// A node without links. `rng` must be a stream of its own that nobody can guess.
    pub(crate) fn new(now: Time, own: Author, rng: Rng) -> Self {
        Self {
            context: Context { network: own.network, epoch: Epoch(0) },
            own,
            rng,
            links: BTreeMap::new(),
            authors: Authors::new(PER_AUTHOR),
            floods: Buckets::new(FLOODS_PER_LINK, LINKS),
            correspondents: BTreeMap::new(),
            next_number: None,
            budget: Bucket::new(now, PER_AUTHOR),
            outputs: VecDeque::new(),
        }
    }

    /// Sends a message, which must not be for this node itself; [`Output::Arrived`] or
    /// [`Output::Lost`] says what became of it.
    pub(crate) fn submit(
        &mut self,
        now: Time,
        to: PeerId,
        text: List<u8, LETTER_BYTES>,
    ) -> Result<MessageId, Full> {
        assert!(to != self.own.address.peer, "nobody writes letters to themselves");
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        let id = MessageId(bytes);
        let known = self.correspondent(now, to).filter(|it| !it.is_full()).ok_or(Full)?;
        let is_first = !known.is_busy();
        known.push(Message { id, text });
        known.active = now;
        if is_first {
            self.advance(now, to);
        }
        Ok(id)
    }

    /// Takes in what happened at `now`.
    pub(crate) fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::LinkUp { link, peer } => {
                self.links.insert(link, peer);
            }
            Input::LinkDown { link } => {
                self.links.remove(&link);
                self.authors.link_down(link);
            }
            Input::WallClock { unix_ms } => {
                self.next_number.get_or_insert(unix_ms);
            }
            Input::Heard { link, author } => {
                if self.links.contains_key(&link) && author != self.own.address.peer {
                    self.authors.heard(now, author, link);
                }
            }
            Input::Received { link, parcel } => self.received(now, link, parcel),
            Input::Tick => {}
        }
        self.keep_time(now);
    }

    /// The next thing to do, oldest first.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] if nothing else happens before.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.correspondents.values().filter_map(|it| it.due).min()
    }

    /// Cheapest first: whatever is known, unaffordable or at its end costs no check of a signature.
    fn received(&mut self, now: Time, link: LinkId, parcel: Parcel) {
        let Letter { from: Address { peer: from, .. }, to, number, .. } = parcel.letter;
        if !self.links.contains_key(&link)
            || from == self.own.address.peer
            || !self.authors.awaits(from, number)
        {
            return;
        }
        self.outputs.push_back(Output::Spend { link, work: LETTER_WORK });
        let way = self.way(to, parcel.letter.spread, Some(link));
        let next = parcel.hops.next();
        let (cost, goes_on) = match way {
            Way::Here => (PATH_COSTS, true),
            Way::Over(_) => (PATH_COSTS, next.is_some()),
            Way::Everywhere => (FLOOD_COSTS, next.is_some()),
        };
        if !goes_on || !self.authors.affords(now, from, cost) {
            return;
        }
        if matches!(way, Way::Everywhere) && !self.floods.take(now, &link, 1) {
            return;
        }
        if !parcel.letter.from.is_worth(self.own.work_bits) {
            let fault = Fault::TooLittleWork;
            return self.outputs.push_back(Output::Blame { link, fault });
        }
        if parcel.check(&self.context).is_err() {
            let fault = Fault::BadSignature;
            return self.outputs.push_back(Output::Blame { link, fault });
        }
        self.authors.came(now, from, link, number, cost);
        match (way, next) {
            (Way::Here, _) => self.read(now, link, parcel.letter),
            (Way::Over(_) | Way::Everywhere, None) => {}
            (way @ (Way::Over(_) | Way::Everywhere), Some(hops)) => {
                self.pass_on(&way, Some(link), Parcel { hops, ..parcel });
            }
        }
    }

    /// A neighbour is told at once, whatever the letter says; that spares everybody a flood.
    fn way(&self, to: PeerId, spread: Spread, from: Option<LinkId>) -> Way {
        if to == self.own.address.peer {
            return Way::Here;
        }
        if let Some((&link, _)) = self.links.iter().rev().find(|(_, peer)| **peer == to) {
            return Way::Over(link);
        }
        match spread {
            Spread::Path => match self.authors.route(to).filter(|link| Some(*link) != from) {
                Some(link) => Way::Over(link),
                None => Way::Everywhere,
            },
            Spread::Flood => Way::Everywhere,
        }
    }

    fn pass_on(&mut self, way: &Way, from: Option<LinkId>, parcel: Parcel) {
        match way {
            Way::Here => {}
            Way::Over(link) => self.outputs.push_back(Output::Send { link: *link, parcel }),
            Way::Everywhere => {
                let author = parcel.letter.from.peer;
                let giver = from.and_then(|link| self.links.get(&link)).copied();
                let mut told: BTreeSet<PeerId> = giver.into_iter().chain([author]).collect();
                for (&link, peer) in self.links.iter().rev() {
                    if told.insert(*peer) {
                        let parcel = parcel.clone();
                        self.outputs.push_back(Output::Send { link, parcel });
                    }
                }
            }
        }
    }

    /// Says something in this node's name. What would exceed what others pass on is not said.
    fn write(&mut self, now: Time, to: PeerId, spread: Spread, content: Content) {
        let Some(number) = self.next_number else { return };
        let way = self.way(to, spread, None);
        let cost = match way {
            Way::Here | Way::Over(_) => PATH_COSTS,
            Way::Everywhere => FLOOD_COSTS,
        };
        if !self.budget.take(now, cost) {
            return;
        }
        self.next_number = Some(number + 1);
        let letter = Letter { from: self.own.address, to, number, spread, content };
        let parcel = Parcel::new(letter, &self.own.keypair, &self.context);
        self.pass_on(&way, None, parcel);
    }

    /// A letter for this node. Whatever it says, its author says it, and pays for it.
    fn read(&mut self, now: Time, link: LinkId, letter: Letter) {
        let (from, own) = (letter.from.peer, self.own.address.peer);
        match letter.content {
            Content::Call { key } => {
                self.outputs.push_back(Output::Spend { link, work: CALL_WORK });
                let secret = Secret::new(&mut self.rng);
                let Some(conversation) = secret.agree(Side::Callee, own, from, key) else { return };
                let Some(known) = self.correspondent(now, from) else { return };
                let spread = if known.offer(conversation) { Spread::Flood } else { Spread::Path };
                known.active = now;
                let answer = Content::Answer { call: key, key: secret.public };
                self.write(now, from, spread, answer);
            }
            Content::Answer { call, key } => {
                let Some(known) = self.correspondents.get_mut(&from) else { return };
                let Some(secret) = known.calling.take_if(|it| it.public == call) else { return };
                known.outgoing = secret.agree(Side::Caller, own, from, key);
                if known.outgoing.is_some() {
                    self.advance(now, from);
                }
            }
            Content::Sealed { conversation, nonce, text } => {
                let Some(known) = self.correspondents.get_mut(&from) else { return };
                if let Some(outgoing) = known.outgoing.as_mut().filter(|it| it.id == conversation) {
                    if let Some(text) = outgoing.open(nonce, &text)
                        && let Ok(Inner::Receipt(id)) = decode(&text, text.len())
                        && known.arrived(id)
                    {
                        known.active = now;
                        self.outputs.push_back(Output::Arrived { to: from, id });
                        self.advance(now, from);
                    }
                } else if let Some(text) = known.open(conversation, nonce, &text)
                    && let Ok(Inner::Message { id, text }) = decode(&text, text.len())
                {
                    self.take_in(now, from, id, text, letter.spread);
                }
            }
        }
    }

    /// A message for this node, perhaps one more time: then its receipt was lost.
    fn take_in(
        &mut self,
        now: Time,
        from: PeerId,
        id: MessageId,
        text: List<u8, LETTER_BYTES>,
        spread: Spread,
    ) {
        let Some(known) = self.correspondents.get_mut(&from) else { return };
        known.active = now;
        if known.deliver(id) {
            let message = text.into_vec();
            self.outputs.push_back(Output::Deliver { from, message });
        }
        if let Some(incoming) = known.incoming() {
            let (nonce, text) = incoming.seal(&encode(&Inner::Receipt(id)));
            let conversation = incoming.id;
            self.write(now, from, spread, Content::Sealed { conversation, nonce, text });
        }
    }

    /// Does what the message under way to `peer` needs next.
    fn advance(&mut self, now: Time, peer: PeerId) {
        let Some(known) = self.correspondents.get_mut(&peer) else { return };
        let Some(Message { id, text }) = known.first().cloned() else { return };
        if self.next_number.is_none() {
            known.due = Some(now + CLOCK_PAUSE);
            return;
        }
        known.wait(now);
        // Whoever passes a call on learns the way back to its author.
        let spread = if known.is_repeated() { Spread::Flood } else { Spread::Path };
        let content = match &mut known.outgoing {
            Some(outgoing) => {
                let (nonce, text) = outgoing.seal(&encode(&Inner::Message { id, text }));
                Content::Sealed { conversation: outgoing.id, nonce, text }
            }
            None => {
                let secret = Secret::new(&mut self.rng);
                let key = secret.public;
                known.calling = Some(secret);
                Content::Call { key }
            }
        };
        self.write(now, peer, spread, content);
    }

    fn keep_time(&mut self, now: Time) {
        let is_due = |known: &Correspondent| known.due.is_some_and(|due| due <= now);
        let due: Vec<PeerId> =
            self.correspondents.iter().filter(|it| is_due(it.1)).map(|it| *it.0).collect();
        for to in due {
            let Some(known) = self.correspondents.get_mut(&to) else { continue };
            known.due = None;
            if self.next_number.is_some()
                && let Some(id) = known.fail()
            {
                self.outputs.push_back(Output::Lost { to, id });
            }
            self.advance(now, to);
        }
    }

    /// What is known of a peer; nothing if there is room for no other.
    fn correspondent(&mut self, now: Time, peer: PeerId) -> Option<&mut Correspondent> {
        if !self.correspondents.contains_key(&peer) && self.correspondents.len() >= CORRESPONDENTS {
            let idle = self.correspondents.iter().filter(|(_, known)| !known.is_busy());
            let victim = idle.min_by_key(|(_, known)| known.active).map(|(peer, _)| *peer)?;
            self.correspondents.remove(&victim);
        }
        Some(self.correspondents.entry(peer).or_insert_with(|| Correspondent::new(now)))
    }
}
