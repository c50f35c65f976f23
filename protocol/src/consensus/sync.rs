//! Neighbours: telling them where one stands, asking for what is missing, helping those who lag.
//!
//! Everything asked for proves itself (a hash or a quorum's signatures), so it does not matter
//! who answers; a neighbour that does not is passed over for the next one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;

use super::{
    Block, Certificate, Consensus, DECIDED_PER_REPLY, Decided, Message, Output, Request, Status,
};
use crate::block::{BlockHash, Height, View};
use crate::event::{Fault, LinkId};
use crate::identity::PeerId;
use crate::time::Time;
use crate::wire::{List, encode};

/// What is known about neighbours and asked of them.
#[derive(Debug)]
pub(super) struct Sync {
    links: BTreeMap<LinkId, Link>,
    /// Blocks that a certificate or a leader's vote names and that are not here. Bounded by
    /// [`WANTED`]; the victim is the one that nothing has named for longest.
    wanted: BTreeMap<BlockHash, Wanted>,
    /// The one outstanding request for decided blocks.
    fetch: Option<Fetch>,
    /// The highest decided block that was received, and from whom.
    gathered: Height,
    /// A whole state is being fetched: the blocks below it would be fetched for nothing.
    holds_off: bool,
    gathered_from: Option<LinkId>,
    /// No neighbour's status speaks of a higher final block.
    claimed: Height,
    /// No neighbour is believed to be in a higher view.
    claimed_view: View,
    /// Who was asked for the certificate of a higher view.
    climb: Option<Climb>,
    status_at: Time,
    /// What all neighbours were told last, and when.
    told: Option<(Status, Time)>,
    /// When anybody may be asked the same thing again.
    next_ask: Time,
    /// Who was told last which votes are here.
    told_holdings: Option<LinkId>,
}

#[derive(Debug)]
struct Link {
    peer: PeerId,
    status: Option<Status>,
    /// The view that it says it is in; 0 after it failed to show why, until its next status.
    view: View,
    /// Answers it failed to give; the least unreliable neighbour is asked.
    failures: u32,
    /// When it may next be told where one stands because it lags, be helped, or asked, so that none
    /// of them can be made a burden.
    next_hint: Time,
    next_help: Time,
    next_question: Time,
    /// When it may next be sent votes that it lacks.
    next_votes: Time,
    /// The answer being gathered for it: at most one.
    serving: Option<Serving>,
}

#[derive(Debug)]
struct Wanted {
    ask_at: Time,
    tries: usize,
    /// When something named it last.
    named: Time,
    /// Whom to ask first.
    first: Option<LinkId>,
    /// Who asked for it in vain: they are answered when it comes.
    asked_by: BTreeSet<LinkId>,
}

#[derive(Debug)]
struct Fetch {
    link: LinkId,
    from: Height,
    expires: Time,
}

#[derive(Debug)]
struct Climb {
    link: LinkId,
    /// The view that one was in.
    from: View,
    expires: Time,
}

#[derive(Debug)]
struct Serving {
    next: Height,
    gathered: Vec<Decided>,
    bytes: usize,
}

/// How many status intervals may pass in silence while all neighbours stand where this node does.
const SILENCE: u32 = 5;

/// Blocks asked for at once.
const WANTED: usize = 16;

/// The most doublings of the pause between two of them.
const MOST_DOUBLINGS: usize = 4;

/// Questions for one block; then it is forgotten until something names it again.
const TRIES: usize = 64;

/// Bytes after which an answer of decided blocks is sent: it fits one record of a session, so that
/// datagram links carry it too.
const REPLY_BYTES: usize = 48 * 1024;

impl Sync {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            links: BTreeMap::new(),
            wanted: BTreeMap::new(),
            fetch: None,
            gathered: Height(0),
            claimed: Height(0),
            claimed_view: View(0),
            climb: None,
            holds_off: false,
            gathered_from: None,
            status_at: now,
            told: None,
            next_ask: now,
            told_holdings: None,
        }
    }

    /// The neighbour whose turn it is to hear which votes are here.
    pub(super) fn next_to_ask(&mut self) -> Option<LinkId> {
        let after = self.told_holdings.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.links.range((after, Bound::Unbounded)).next();
        let link = *next.or_else(|| self.links.first_key_value())?.0;
        self.told_holdings = Some(link);
        Some(link)
    }

    /// Whether a neighbour may be sent votes that it lacks now; then not again for this long.
    pub(super) fn may_be_sent_votes(&mut self, link: LinkId, now: Time, pause: Duration) -> bool {
        let Some(known) = self.links.get_mut(&link).filter(|it| it.next_votes <= now) else {
            return false;
        };
        known.next_votes = now + pause;
        true
    }

    /// Whether no neighbour says that it has a higher final block; asks none of them.
    pub(super) fn nobody_is_above(&self, height: Height) -> bool {
        self.claimed <= height
    }

    /// The highest final block that a neighbour says it has.
    pub(super) fn highest(&self) -> Option<Height> {
        self.links.values().filter_map(|link| Some(link.status?.finalized)).max()
    }

    /// A link to that very peer.
    pub(super) fn link_to(&self, peer: PeerId) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.peer == peer).map(|(link, _)| *link)
    }

    /// Everything up to `height` is known without its blocks.
    pub(super) fn skip_to(&mut self, height: Height) {
        self.gathered = self.gathered.max(height);
        self.fetch = None;
    }

    pub(super) fn hold_off(&mut self, holds_off: bool) {
        self.holds_off = holds_off;
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        if self.links.is_empty() {
            return None;
        }
        let wanted = self.wanted.values().map(|wanted| wanted.ask_at);
        let fetch = self.fetch.iter().map(|fetch| fetch.expires);
        let climb = self.climb.iter().map(|climb| climb.expires);
        wanted.chain(fetch).chain(climb).chain([self.status_at]).min()
    }
}

impl Consensus {
    pub(super) fn on_link_up(&mut self, link: LinkId, peer: PeerId) {
        let now = self.now;
        let fresh = Link {
            peer,
            status: None,
            view: View(0),
            failures: 0,
            next_hint: now,
            next_help: now,
            next_question: now,
            next_votes: now,
            serving: None,
        };
        self.sync.links.insert(link, fresh);
        self.send_status(link);
    }

    pub(super) fn on_link_down(&mut self, link: LinkId) {
        self.sync.links.remove(&link);
        for wanted in self.sync.wanted.values_mut() {
            wanted.asked_by.remove(&link);
        }
        if self.sync.fetch.as_ref().is_some_and(|fetch| fetch.link == link) {
            self.sync.fetch = None;
        }
    }

    pub(super) fn on_message(&mut self, link: LinkId, message: Message) {
        match message {
            Message::Proposal(proposal) => self.on_proposal(link, proposal),
            Message::Vote(vote) => self.on_vote(link, vote),
            Message::Certificate(certificate) => self.on_certificate(link, certificate),
            Message::Inquiry(inquiry) => self.on_inquiry(link, inquiry),
            Message::Testimony(testimony) => self.on_testimony(link, testimony),
            Message::Answer(testimony) => self.on_answer(link, testimony),
            Message::Status(status) => self.on_status(link, status),
            Message::Request(request) => self.on_request(link, request),
            Message::Block(block) => self.on_block(link, block),
            Message::Decided(decided) => self.on_decided(link, decided.into_vec()),
            Message::Holdings(held) => self.on_holdings(link, held),
        }
    }

    fn status(&self) -> Status {
        Status { view: self.view, finalized: self.tree.root().height }
    }

    fn send_status(&mut self, link: LinkId) {
        let message = Message::Status(self.status());
        self.outputs.push_back(Output::Send { link, message });
    }

    /// Tells all neighbours where one stands.
    pub(super) fn send_status_to_all(&mut self) {
        self.sync.status_at = self.now + self.config.status_interval;
        self.sync.told = Some((self.status(), self.now));
        let links: Vec<_> = self.sync.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.send_status(link));
    }

    /// Whether all neighbours know where this node stands, and stand there too, since recently.
    fn has_nothing_to_tell(&self) -> bool {
        let status = self.status();
        let silence = self.config.status_interval * SILENCE;
        self.sync.told.is_some_and(|(told, at)| told == status && self.now < at + silence)
            && self.sync.links.values().all(|link| link.status == Some(status))
    }

    fn on_status(&mut self, link: LinkId, status: Status) {
        if let Some(known) = self.sync.links.get_mut(&link) {
            known.status = Some(status);
            known.view = status.view;
            self.sync.claimed_view = self.sync.claimed_view.max(status.view);
            self.sync.claimed = self.sync.claimed.max(status.finalized);
        }
        if status.view < self.view {
            self.hint(link);
        } else {
            self.climb();
        }
    }

    /// A neighbour lags: tells it where one stands, so that it may ask. Not the certificate at once:
    /// its message may have crossed the one that brought it further, and where many are neighbours
    /// one of them is enough.
    pub(super) fn hint(&mut self, link: LinkId) {
        let now = self.now;
        let Some(known) = self.sync.links.get_mut(&link) else { return };
        if now >= known.next_hint {
            known.next_hint = now + self.pacemaker.patience() / 4;
            self.send_status(link);
        }
    }

    /// Shows a neighbour that asks why this node is further: its newest certificate.
    fn help(&mut self, link: LinkId, above: View) {
        let now = self.now;
        let Some(known) = self.sync.links.get_mut(&link) else { return };
        if now < known.next_help || self.view <= above {
            return;
        }
        let Some(certificate) = self.entered_by.clone() else { return };
        known.next_help = now + self.pacemaker.patience_with_certificates();
        self.outputs.push_back(Output::Send { link, message: Message::Certificate(certificate) });
    }

    /// A neighbour is far ahead: asks it why.
    pub(super) fn ask_why(&mut self, link: LinkId) {
        self.ask(link, Request::Certificate { above: self.view });
    }

    /// Asks a neighbour that is further why it is; one at a time, the least unreliable first.
    fn climb(&mut self) {
        let (now, view) = (self.now, self.view);
        if let Some(climb) = &self.sync.climb {
            let is_asked = climb.from == view;
            if is_asked && now < climb.expires {
                return;
            }
            if is_asked && let Some(link) = self.sync.links.get_mut(&climb.link) {
                link.view = View(0);
                link.failures = link.failures.saturating_add(1);
            }
            self.sync.climb = None;
        }
        if self.sync.claimed_view <= view {
            return;
        }
        let further = self.sync.links.iter().filter(|(_, link)| link.view > view);
        let Some((link, _)) = further.min_by_key(|(_, link)| link.failures) else {
            self.sync.claimed_view =
                self.sync.links.values().map(|link| link.view).max().unwrap_or_default();
            return;
        };
        let link = *link;
        let expires = now + self.pacemaker.patience_with_certificates();
        self.sync.climb = Some(Climb { link, from: view, expires });
        let message = Message::Request(Request::Certificate { above: view });
        self.outputs.push_back(Output::Send { link, message });
    }

    /// Asks a neighbour that should know.
    pub(super) fn ask(&mut self, link: LinkId, request: Request) {
        let now = self.now;
        let Some(known) = self.sync.links.get_mut(&link) else { return };
        if now >= known.next_question {
            known.next_question = now + self.pacemaker.patience() / 4;
            self.outputs.push_back(Output::Send { link, message: Message::Request(request) });
        }
    }

    /// Asks all neighbours, now and then.
    pub(super) fn ask_anybody(&mut self, request: Request) {
        if self.now >= self.sync.next_ask {
            self.sync.next_ask = self.now + self.pacemaker.patience();
            let links: Vec<_> = self.sync.links.keys().copied().collect();
            for link in links {
                self.ask(link, request);
            }
        }
    }

    /// Remembers to ask for a block, after `wait` at the latest, until it is here.
    pub(super) fn want(&mut self, hash: BlockHash, wait: Duration) {
        let (named, ask_at) = (self.now, self.now + wait);
        if let Some(wanted) = self.sync.wanted.get_mut(&hash) {
            wanted.named = named;
            if wanted.tries == 0 {
                wanted.ask_at = wanted.ask_at.min(ask_at);
            }
            return;
        }
        if self.sync.wanted.len() >= WANTED {
            let oldest = self.sync.wanted.iter().min_by_key(|(_, wanted)| wanted.named);
            let victim = oldest.filter(|(_, wanted)| wanted.named < named).map(|(hash, _)| *hash);
            let Some(victim) = victim else { return };
            self.sync.wanted.remove(&victim);
        }
        let (first, asked_by) = (None, BTreeSet::new());
        self.sync.wanted.insert(hash, Wanted { ask_at, tries: 0, named, first, asked_by });
    }

    /// The same at once, of this neighbour first.
    pub(super) fn want_from(&mut self, hash: BlockHash, link: LinkId) {
        self.want(hash, Duration::ZERO);
        if let Some(wanted) = self.sync.wanted.get_mut(&hash) {
            wanted.first.get_or_insert(link);
        }
    }

    /// Does what is due: statuses, questions that were not answered, catching up.
    pub(super) fn keep_in_sync(&mut self) {
        let now = self.now;
        if now >= self.sync.status_at {
            if self.has_nothing_to_tell() {
                self.sync.status_at = now + self.config.status_interval;
            } else {
                self.send_status_to_all();
            }
        }
        if self.sync.fetch.as_ref().is_some_and(|fetch| fetch.expires <= now) {
            self.pass_over();
        }
        self.climb();
        self.catch_up();
        self.ask_for_wanted();
    }

    /// The neighbour that was asked did not answer: it counts as knowing nothing until its next
    /// status.
    fn pass_over(&mut self) {
        let fetch = self.sync.fetch.take();
        if let Some(link) = fetch.and_then(|fetch| self.sync.links.get_mut(&fetch.link)) {
            link.status = None;
            link.failures = link.failures.saturating_add(1);
        }
    }

    fn ask_for_wanted(&mut self) {
        if self.sync.wanted.is_empty() {
            return;
        }
        let now = self.now;
        let tree = &self.tree;
        self.sync.wanted.retain(|hash, wanted| tree.header(hash).is_none() && wanted.tries < TRIES);
        let links: Vec<LinkId> = self.signers_first();
        for (hash, wanted) in &mut self.sync.wanted {
            if wanted.ask_at > now {
                continue;
            }
            // A long block takes a slow link seconds: asking everybody for it makes them slower.
            let doublings = wanted.tries.min(MOST_DOUBLINGS) as u32;
            wanted.ask_at = now + self.pacemaker.patience() / 2 * (1 << doublings);
            let first = wanted.first.take().filter(|link| links.contains(link));
            let next = first.or_else(|| links.get(wanted.tries % links.len().max(1)).copied());
            if let Some(link) = next {
                let message = Message::Request(Request::Block { hash: *hash });
                self.outputs.push_back(Output::Send { link, message });
            }
            wanted.tries += 1;
        }
    }

    /// Neighbours in the order in which to ask for a block: who leads, those who voted for the
    /// newest certified one, then the others.
    fn signers_first(&self) -> Vec<LinkId> {
        let voters = self.highest.iter().flat_map(|it| it.votes()).map(|vote| vote.voter);
        let signers: Vec<PeerId> = voters.filter_map(|voter| self.validators.peer(voter)).collect();
        let leader = self.validators.peer(self.validators.leader(self.view));
        let mut links: Vec<_> = self.sync.links.iter().map(|(id, link)| (*id, link.peer)).collect();
        links.sort_by_key(|(_, peer)| (Some(*peer) != leader, !signers.contains(peer)));
        links.into_iter().map(|(id, _)| id).collect()
    }

    /// Asks a neighbour that has more final blocks for them.
    fn catch_up(&mut self) {
        if self.sync.fetch.is_some() || self.sync.holds_off {
            return;
        }
        let from = self.next_unknown_height();
        if self.sync.claimed < from {
            return;
        }
        let has_more = |link: &Link| link.status.is_some_and(|status| status.finalized >= from);
        let ahead = self.sync.links.iter().filter(|(_, link)| has_more(link));
        let Some((link, _)) = ahead.min_by_key(|(_, link)| link.failures) else {
            // Whoever claimed it is gone, or failed to show it.
            let statuses = self.sync.links.values().filter_map(|link| link.status);
            self.sync.claimed = statuses.map(|status| status.finalized).max().unwrap_or_default();
            return;
        };
        let link = *link;
        let expires = self.now + self.pacemaker.patience() * 4;
        self.sync.fetch = Some(Fetch { link, from, expires });
        let message = Message::Request(Request::Decided { from });
        self.outputs.push_back(Output::Send { link, message });
    }

    /// Above the final blocks and those gathered on top of them, whose finalization comes later.
    fn next_unknown_height(&self) -> Height {
        self.tree.root().height.max(self.sync.gathered).next()
    }

    fn on_request(&mut self, link: LinkId, request: Request) {
        match request {
            Request::Notarization { at_least } => {
                let highest = self.highest.clone().filter(|highest| highest.view >= at_least);
                if let Some(highest) = highest {
                    let message = Message::Certificate(Certificate::Notarization(highest));
                    self.outputs.push_back(Output::Send { link, message });
                }
            }
            Request::Block { hash } => {
                if let Some(block) = self.tree.block(&hash) {
                    let message = Message::Block((**block).clone());
                    self.outputs.push_back(Output::Send { link, message });
                } else if self.sync.links.contains_key(&link)
                    && let Some(wanted) = self.sync.wanted.get_mut(&hash)
                {
                    wanted.asked_by.insert(link);
                }
            }
            Request::Decided { from } => self.serve(link, from),
            Request::Certificate { above } => self.help(link, above),
        }
    }

    fn serve(&mut self, link: LinkId, from: Height) {
        let has = Height(1) <= from && from <= self.tree.root().height;
        let Some(known) = self.sync.links.get_mut(&link) else { return };
        if has && known.serving.is_none() {
            known.serving = Some(Serving { next: from, gathered: Vec::new(), bytes: 0 });
            self.outputs.push_back(Output::Load(from));
        }
    }

    pub(super) fn on_loaded(&mut self, height: Height, decided: Option<Decided>) {
        let newest = self.tree.root().height;
        let size = decided.as_ref().map_or(0, |decided| encode(decided).len());
        let mut outputs = Vec::new();
        for (id, link) in &mut self.sync.links {
            let Some(serving) = &mut link.serving else { continue };
            if serving.next != height {
                continue;
            }
            let fits = serving.gathered.is_empty() || serving.bytes + size <= REPLY_BYTES;
            let mut ends = true;
            if let (Some(decided), true) = (&decided, fits) {
                serving.gathered.push(decided.clone());
                serving.bytes += size;
                serving.next = height.next();
                ends = serving.next > newest || serving.gathered.len() == DECIDED_PER_REPLY;
            }
            if ends {
                let gathered = core::mem::take(&mut serving.gathered);
                link.serving = None;
                let blocks = List::new(gathered).expect("gathering stops at the list's bound");
                outputs.push(Output::Send { link: *id, message: Message::Decided(blocks) });
            } else if outputs.iter().all(|output| *output != Output::Load(serving.next)) {
                outputs.push(Output::Load(serving.next));
            }
        }
        self.outputs.extend(outputs);
    }

    fn on_block(&mut self, link: LinkId, block: Block) {
        let hash = block.hash();
        if !self.sync.wanted.contains_key(&hash) {
            return;
        }
        if !block.is_intact() {
            return self.blame(link, Fault::BadBlock);
        }
        if !self.take_as_proposal(&block) {
            return self.blame(link, Fault::BadBlock);
        }
        self.insert(block);
    }

    /// A block is here: nobody is asked for it any more, and those who asked for it get it.
    pub(super) fn pass_wanted_on(&mut self, hash: &BlockHash, block: &Block) {
        let wanted = self.sync.wanted.remove(hash);
        for link in wanted.into_iter().flat_map(|wanted| wanted.asked_by) {
            let message = Message::Block(block.clone());
            self.outputs.push_back(Output::Send { link, message });
        }
    }

    /// Decided blocks that were asked for: each must be intact and carry good certificates.
    fn on_decided(&mut self, link: LinkId, blocks: Vec<Decided>) {
        let asked = self.sync.fetch.as_ref().filter(|fetch| fetch.link == link);
        let Some(mut height) = asked.map(|fetch| fetch.from) else { return };
        let Some(first) = blocks.first() else { return self.pass_over() };
        if first.block.header.height != height {
            // The answer to an earlier question, which was given up since; this one's is to come.
            return;
        }
        self.sync.fetch = None;
        for decided in blocks {
            let header = decided.block.header;
            let is_news = header.view > self.tree.root().view;
            let follows = self.tree.header(&header.parent.hash).is_some();
            if header.height != height || !self.take_decided(decided) {
                return self.blame(link, Fault::BadBlock);
            }
            if is_news && !follows {
                return self.gather_anew(link);
            }
            self.sync.gathered = height;
            self.sync.gathered_from = Some(link);
            height = height.next();
        }
    }

    /// What was gathered above the newest final block, or what `link` has now added to it, was
    /// notarized but came to nothing. That is proof against neither neighbour, but others are asked
    /// before them.
    fn gather_anew(&mut self, link: LinkId) {
        self.sync.gathered = Height(0);
        for link in [Some(link), self.sync.gathered_from.take()].into_iter().flatten() {
            if let Some(known) = self.sync.links.get_mut(&link) {
                known.failures = known.failures.saturating_add(1);
            }
        }
    }

    fn take_decided(&mut self, decided: Decided) -> bool {
        let Decided { block, notarization, finalization } = decided;
        let (view, hash) = (block.header.view, block.hash());
        if !block.is_intact() || (notarization.view, notarization.block) != (view, hash) {
            return false;
        }
        if view <= self.tree.root().view {
            return true;
        }
        self.insert(block);
        // The finalization first: a view that is final already needs no finalize vote of ours.
        let final_here = finalization.is_none_or(|finalization| {
            (finalization.view, finalization.block) == (view, hash)
                && self.take_finalization(&finalization)
        });
        let good = final_here && self.take_notarization(&notarization);
        if good {
            // It was notarized in a view that may be too old to be remembered.
            self.tree.certify(&hash);
        }
        good
    }
}
