//! A light node: it is linked with full ones, follows what their quorum signs, and answers what its
//! owner asks with what it has had proved to it. It executes nothing, keeps no bodies, votes for
//! nothing and relays nothing.
//!
//! One neighbour after the other is asked for headers, so that none alone decides how far behind
//! this node is. A question goes to the most reliable neighbour first and then to the others, until
//! one proves an answer; whoever proves nothing by what it says loses its link.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::packet::Packet;
use super::sealing::{Place, Unsealed, seal, unseal};
use super::{DiceStatus, PrivateStatus, Status, mesh_input, status};
use crate::block::{Header, Height, View};
use crate::chain::Genesis;
use crate::consensus::Message;
use crate::event::{CloseReason, Endpoint, Event, Fault, LinkId, Notice};
use crate::identity::{Address, Context, Epoch, Keypair, PeerId, ProofOfWork};
use crate::keyring::{Endorsed, Heard, Kept, Keyring, NetworkKey};
use crate::light::{Answer, Follower, Judged, Lack, Lie, Proven, Question, Subject, Trail};
use crate::mesh::{self, Mesh, PAYLOAD_BYTES};
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::Time;
use crate::wire::{Hash, decode, encode};

/// The pause between two questions for headers while there are new ones.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The same when nothing happens; doubled up to here.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// How long a neighbour may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a question may go unanswered in all.
const MOST_PATIENCE: Duration = Duration::from_secs(20);
/// Questions at one time; the victim is the newcomer.
const QUESTIONS: usize = 64;

/// What a light node is made of.
#[derive(Debug)]
pub struct LightSetup {
    /// The network it follows; must have passed [`Genesis::check`].
    pub genesis: Genesis,
    /// Its identity, which must not be a validator's.
    pub keypair: Keypair,
    /// The proof of work of that identity.
    pub proof: ProofOfWork,
    /// Entropy, drawn once per process.
    pub seed: [u8; 32],
    /// How it is linked with others.
    pub mesh: mesh::Config,
    /// The last [`LightAction::Keep`] of its last life. Judged like anything that a neighbour says.
    pub kept: Option<Bytes>,
    /// As in [`Setup::keys`](super::Setup::keys).
    pub keys: Kept,
}

/// Something for the driver of a light node to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LightAction {
    /// Send a frame; completes as [`Event::Sent`].
    Send {
        /// On which link.
        link: LinkId,
        /// Not longer than the link's MTU.
        frame: Bytes,
    },
    /// Try to open a link.
    Dial {
        /// To where.
        endpoint: Endpoint,
    },
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Tell whoever is interested.
    Notify(Notice),
    /// Answer a question.
    Answer {
        /// Which.
        question: QuestionId,
        /// What was proved, or why nothing was.
        answer: Result<Proven, NoProof>,
    },
    /// Remember this for the next life, if that costs little; it replaces what was kept before.
    Keep(Bytes),
    /// As [`Action::KeepKeys`](crate::event::Action::KeepKeys).
    KeepKeys(Bytes),
}

/// Names a question of the node's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// Why nothing was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProof {
    /// There was no neighbour to ask.
    NoNeighbour,
    /// Whoever was asked had no answer; this was the last reason.
    Lack(Lack),
    /// Nobody answered in time.
    TooSlow,
    /// Whoever was asked gave a proof that does not hold, and nobody else was there.
    Lied,
    /// Too many questions wait already.
    Full,
    /// The node has stopped working.
    Halted,
}

/// One established link.
#[derive(Debug, Default)]
struct Neighbour {
    /// Answers that it failed to give.
    failures: u32,
    /// The height that this node had when it asked for headers, until there is an answer.
    asked: Option<(Height, Time)>,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Waiting {
    subject: Subject,
    ends: Time,
    /// Whom it was put to last, which height this node had then, and until when to wait.
    asked: Option<(LinkId, Height, Time)>,
    tried: BTreeSet<LinkId>,
    why: NoProof,
}

/// A light node. It is driven like a [`Node`](super::Node), from whose events those of a disk never
/// come.
#[derive(Debug)]
pub struct LightNode {
    address: Address,
    now: Time,
    mesh: Mesh,
    follower: Follower,
    genesis_root: Hash,
    neighbours: BTreeMap<LinkId, Neighbour>,
    /// Who was asked for headers last.
    last_asked: LinkId,
    look_at: Time,
    pause: Duration,
    waiting: BTreeMap<QuestionId, Waiting>,
    next_question: QuestionId,
    halted: Option<String>,
    keyring: Keyring,
    /// Whether neighbours say what this node has no key for.
    hears_sealed: bool,
    actions: VecDeque<LightAction>,
}

impl LightNode {
    /// A light node without links.
    pub fn new(setup: LightSetup, now: Time) -> Self {
        let LightSetup { genesis, keypair, proof, seed, mesh, kept, keys } = setup;
        let rng = Rng::new(seed);
        let bits = genesis.proof_of_work_bits;
        let identity = LocalIdentity::new(&keypair, proof, genesis.network(), bits);
        let peers: Vec<PeerId> = genesis.validators.iter().map(|card| card.address.peer).collect();
        let mut mesh = Mesh::new(identity, rng.fork("mesh"), mesh);
        let validators = mesh::Input::Validators { peers: peers.iter().copied().collect() };
        mesh.handle(now, validators);
        let context = Context { network: genesis.network(), epoch: Epoch(0) };
        let genesis_root = genesis.state_root();
        let mut follower = Follower::new(genesis);
        let faults = follower.validators().faults();
        let kept = kept.and_then(|bytes| decode::<Trail>(&bytes, PAYLOAD_BYTES).ok());
        if let Some(trail) = kept {
            // If it does not hold, this node begins anew: neighbours show it everything.
            let _ = follower.follow(&trail);
        }
        Self {
            address: Address { peer: keypair.peer(), proof },
            now,
            mesh,
            follower,
            genesis_root,
            neighbours: BTreeMap::new(),
            last_asked: LinkId(0),
            look_at: now,
            pause: SHORTEST_PAUSE,
            waiting: BTreeMap::new(),
            next_question: QuestionId(0),
            halted: None,
            keyring: Keyring::new(keys, keypair.clone(), context, peers, faults),
            hears_sealed: false,
            actions: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`, which must not be earlier than at the last call.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = now;
        if self.halted.is_some() {
            return;
        }
        if let Some(input) = mesh_input(event) {
            self.mesh.handle(now, input);
        }
        self.settle_down();
    }

    /// Asks the neighbours, one after the other; ends in [`LightAction::Answer`].
    ///
    /// # Errors
    ///
    /// Why it is not even tried.
    pub fn ask(&mut self, now: Time, subject: Subject) -> Result<QuestionId, NoProof> {
        self.now = now;
        if self.halted.is_some() {
            return Err(NoProof::Halted);
        }
        if self.waiting.len() >= QUESTIONS {
            return Err(NoProof::Full);
        }
        let id = self.next_question;
        self.next_question = QuestionId(id.0 + 1);
        let waiting = Waiting {
            subject,
            ends: now + MOST_PATIENCE,
            asked: None,
            tried: BTreeSet::new(),
            why: NoProof::NoNeighbour,
        };
        self.waiting.insert(id, waiting);
        self.settle_down();
        Ok(id)
    }

    /// The next thing for the driver to do.
    pub fn poll(&mut self) -> Option<LightAction> {
        self.actions.pop_front()
    }

    /// When to come back with a tick if nothing else happens. Lies ahead of the last call.
    pub fn deadline(&self) -> Option<Time> {
        if self.halted.is_some() {
            return None;
        }
        let look = (!self.neighbours.is_empty()).then_some(self.look_at);
        let asked = self.waiting.values().filter_map(|it| it.asked.map(|(_, _, until)| until));
        let ends = self.waiting.values().map(|it| it.ends);
        self.mesh.deadline().into_iter().chain(look).chain(asked).chain(ends).min()
    }

    /// What it knows.
    pub const fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Its condition now. What only the state tells, it does not know.
    pub fn status(&self) -> Status {
        let (validators, genesis) = (self.follower.validators(), self.follower.genesis());
        let network = genesis.network();
        let tip = self.follower.tip();
        let waiting_for = match (self.neighbours.is_empty(), tip) {
            _ if self.hears_sealed => {
                "neighbours speak under a key that this node does not have: the network is private, or \
                 has a new key; ask a member for an invitation"
            }
            (true, _) => "no full node is linked that headers and proofs could be asked of",
            (false, None) => "no neighbour has shown a final header yet",
            (false, Some(_)) => "",
        };
        let dice = DiceStatus {
            version: None,
            members: validators.len() as u16,
            usable_shares: 0,
            state: "a light node does not follow how the dice key stands".to_string(),
        };
        Status {
            address: self.address.to_string(),
            peer: self.address.peer,
            network,
            name: genesis.name.to_string(),
            validator: None,
            light: true,
            validators: validators.len() as u16,
            quorum: validators.quorum() as u16,
            tolerated_faults: validators.faults() as u16,
            epoch: Epoch(0),
            view: tip.map_or(View(0), |tip| tip.view),
            height: self.follower.height(),
            block: tip.map_or(network, Header::hash),
            state_root: tip.map_or(self.genesis_root, |tip| tip.commitments.state),
            time: tip.map_or(genesis.time, |tip| tip.time),
            snapshot: None,
            peers: status::peers(&self.mesh, |peer| validators.index(peer)),
            relayed: Vec::new(),
            bans: status::bans(&self.mesh),
            allow: status::texts(&self.mesh.access().allow),
            deny: status::texts(&self.mesh.access().deny),
            waiting_transactions: 0,
            insecure_dealer: genesis.is_insecure(),
            dice_threshold: genesis.dice_threshold(),
            dice,
            waiting_for: waiting_for.to_string(),
            abstains: None,
            halted: self.halted.clone(),
            private: self.keyring.key().map(|key| PrivateStatus {
                version: key.version(),
                is_left_out: self.keyring.is_left_out(),
                endorsements_needed: self.keyring.needed() as u16,
                pending: Vec::new(),
                strangers: 0,
            }),
            relay: None,
        }
    }

    /// Bytes held because of what neighbours did, but for headers.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held(&self) -> usize {
        let waiting = self.waiting.values().map(|it| size_of::<Waiting>() + it.tried.len() * 8);
        self.mesh.held() + waiting.sum::<usize>()
    }

    fn settle_down(&mut self) {
        loop {
            while let Some(output) = self.mesh.poll() {
                self.on_mesh(output);
            }
            if self.mesh.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.mesh.handle(self.now, mesh::Input::Tick);
                continue;
            }
            if self.halted.is_some() || !(self.look() | self.pursue()) {
                break;
            }
        }
        let now = self.now;
        assert!(self.deadline().is_none_or(|deadline| deadline > now), "deadlines lie ahead");
    }

    fn on_mesh(&mut self, output: mesh::Output) {
        match output {
            mesh::Output::Send { link, frame } => {
                self.actions.push_back(LightAction::Send { link, frame });
            }
            mesh::Output::Dial { endpoint } => {
                self.actions.push_back(LightAction::Dial { endpoint });
            }
            mesh::Output::Close { link, reason } => {
                self.actions.push_back(LightAction::Close { link, reason });
            }
            mesh::Output::PeerUp { link, peer } => {
                self.neighbours.insert(link, Neighbour::default());
                self.notify(Notice::PeerUp { peer: peer.peer, link });
                // The first question also says what this node is.
                self.ask_for_headers(link);
            }
            mesh::Output::PeerDown { link, peer } => {
                self.neighbours.remove(&link);
                for waiting in self.waiting.values_mut() {
                    waiting.tried.remove(&link);
                    if waiting.asked.is_some_and(|(asked, ..)| asked == link) {
                        waiting.asked = None;
                    }
                }
                if !self.mesh.is_linked(peer) {
                    self.notify(Notice::PeerDown { peer });
                }
            }
            mesh::Output::Misbehaved { link, peer, fault, response } => {
                self.notify(Notice::Misbehaved { link, peer, fault, response });
                if let Some(suspicion) = fault.suspicion() {
                    let severity = suspicion.severity();
                    self.notify(Notice::Suspicious { suspicion, peer, severity, response });
                }
            }
            mesh::Output::Deliver { link, peer, message, gossip } => {
                // What is for everybody came before the neighbour knew what this node is.
                if gossip.is_none() {
                    self.open(link, peer, message);
                }
            }
        }
    }

    /// Opens what a neighbour says, if the network is private.
    fn open(&mut self, link: LinkId, from: PeerId, message: Bytes) {
        if self.keyring.key().is_none() {
            return self.on_message(link, &message);
        }
        let place = Place::Between { from, to: self.address.peer };
        match unseal(&self.keyring, self.now, place, message) {
            Unsealed::Open { message, .. } => self.on_message(link, &message),
            Unsealed::Foreign => {
                // Asked once: the answer names this node, or it is not to have the key.
                if !core::mem::replace(&mut self.hears_sealed, true) {
                    self.tell(link, &Packet::AskRotation);
                }
            }
            // A relay, or a member that was away: it is told by those who tell everybody.
            Unsealed::Late { .. } | Unsealed::Forged => {}
            Unsealed::Clear => self.penalise(link, Fault::Unsealed),
            Unsealed::Bad(fault) => self.penalise(link, fault),
        }
    }

    fn on_rotation(&mut self, link: LinkId, endorsed: &Endorsed) {
        match self.keyring.hear(self.now, endorsed) {
            Ok(Heard::Known | Heard::Pending) => {}
            Ok(heard @ (Heard::Changed | Heard::LeftOut)) => {
                self.hears_sealed = heard == Heard::LeftOut;
                let kept = self.keyring.kept().encode();
                self.actions.push_back(LightAction::KeepKeys(kept.into()));
                let version = self.keyring.key().map_or(0, NetworkKey::version);
                self.notify(match heard {
                    Heard::LeftOut => Notice::LeftOut,
                    _ => Notice::KeyChanged { version },
                });
                self.look_at = self.now;
            }
            Err(fault) => self.penalise(link, fault),
        }
    }

    fn on_message(&mut self, link: LinkId, message: &Bytes) {
        match Packet::decode(message) {
            Ok(Packet::Light(answer)) => self.on_answer(link, answer),
            Ok(Packet::Consensus(Message::Status(status))) => {
                if status.finalized > self.follower.height() {
                    self.look_at = self.look_at.min(self.now + SHORTEST_PAUSE);
                }
            }
            Ok(Packet::Rotation(endorsed)) => self.on_rotation(link, &endorsed),
            Ok(Packet::Sealed { .. }) => self.hears_sealed = true,
            // A full node asks and tells a neighbour much before it knows that it is a light one.
            Ok(_) => {}
            Err(malformed) => self.penalise(link, malformed.into()),
        }
    }

    fn on_answer(&mut self, link: LinkId, answer: Answer) {
        let subject = answer.subject;
        let mut least = None;
        let mut ids: Vec<QuestionId> = Vec::new();
        if subject == Subject::Headers {
            let neighbour = self.neighbours.get_mut(&link);
            least = neighbour.and_then(|it| it.asked.take()).map(|(height, _)| height);
        }
        for (id, waiting) in &self.waiting {
            if let Some((asked, height, _)) = waiting.asked
                && (asked, waiting.subject) == (link, subject)
            {
                least = least.max(Some(height));
                ids.push(*id);
            }
        }
        // What was asked for may have come too late, and then comes unasked.
        let Some(least) = least else { return };
        let before = self.follower.height();
        let judged = self.follower.judge(&subject, least, answer);
        self.tell_progress(before);
        match judged {
            Ok(Judged::Proven(proven)) => {
                for id in ids {
                    self.waiting.remove(&id);
                    self.answer(id, Ok(proven.clone()));
                }
            }
            Ok(Judged::Nothing(lack)) => self.put_elsewhere(&ids, NoProof::Lack(lack)),
            Err(Lie::Unproven(fault)) => {
                self.put_elsewhere(&ids, NoProof::Lied);
                self.penalise(link, fault);
            }
            Err(Lie::Contradiction(reason)) => self.halt(reason),
        }
    }

    /// Whoever was asked is of no use for these.
    fn put_elsewhere(&mut self, ids: &[QuestionId], why: NoProof) {
        for id in ids {
            if let Some(waiting) = self.waiting.get_mut(id) {
                waiting.tried.extend(waiting.asked.take().map(|(link, ..)| link));
                waiting.why = why;
            }
        }
    }

    /// Tells how far this node has got, if it got further.
    fn tell_progress(&mut self, before: Height) {
        let Some(tip) = self.follower.tip().filter(|tip| tip.height > before) else { return };
        let Header { height, view, time, .. } = *tip;
        let hash = tip.hash();
        self.pause = SHORTEST_PAUSE;
        self.look_at = self.look_at.min(self.now + self.pause);
        // How many transactions a block holds is not in its header.
        self.notify(Notice::Finalized { height, view, hash, time, transactions: 0 });
        if let Some(trail) = self.follower.newest() {
            self.actions.push_back(LightAction::Keep(encode(&trail).into()));
        }
    }

    fn halt(&mut self, reason: String) {
        for id in core::mem::take(&mut self.waiting).into_keys() {
            self.answer(id, Err(NoProof::Halted));
        }
        self.halted = Some(reason.clone());
        self.notify(Notice::Halted { reason });
    }

    /// Asks the next neighbour for headers, if it is time. Whether anything was said.
    fn look(&mut self) -> bool {
        if self.now < self.look_at || self.neighbours.is_empty() {
            return false;
        }
        self.look_at = self.now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let after = self.neighbours.range(LinkId(self.last_asked.0 + 1)..).map(|(link, _)| *link);
        let next = after.chain(self.neighbours.keys().copied()).next();
        if let Some(link) = next {
            self.last_asked = link;
            self.ask_for_headers(link);
        }
        true
    }

    fn ask_for_headers(&mut self, link: LinkId) {
        let (above, now) = (self.follower.height(), self.now);
        let Some(neighbour) = self.neighbours.get_mut(&link) else { return };
        if let Some((_, since)) = neighbour.asked {
            if now < since + PATIENCE {
                return;
            }
            neighbour.failures = neighbour.failures.saturating_add(1);
        }
        neighbour.asked = Some((above, now));
        self.put(link, Question { above, subject: Subject::Headers });
    }

    /// Puts questions to neighbours, and gives up those that nobody can answer. Whether anything
    /// was said.
    fn pursue(&mut self) -> bool {
        let now = self.now;
        let mut said = false;
        for id in self.waiting.keys().copied().collect::<Vec<_>>() {
            let Some(waiting) = self.waiting.get_mut(&id) else { continue };
            if let Some((link, _, until)) = waiting.asked {
                if now < until && now < waiting.ends {
                    continue;
                }
                waiting.asked = None;
                waiting.tried.insert(link);
                waiting.why = NoProof::TooSlow;
                if let Some(neighbour) = self.neighbours.get_mut(&link) {
                    neighbour.failures = neighbour.failures.saturating_add(1);
                }
            }
            let untried = self.neighbours.iter().filter(|(link, _)| !waiting.tried.contains(link));
            let next = untried.min_by_key(|(_, it)| it.failures).map(|(link, _)| *link);
            let is_over = now >= waiting.ends;
            match next.filter(|_| !is_over) {
                Some(link) => {
                    let above = self.follower.height();
                    waiting.asked = Some((link, above, now + PATIENCE));
                    let subject = waiting.subject;
                    self.put(link, Question { above, subject });
                    said = true;
                }
                // Whom it was put to has said all there is, or nobody came.
                None if is_over || waiting.why != NoProof::NoNeighbour => {
                    let why = waiting.why;
                    self.waiting.remove(&id);
                    self.answer(id, Err(why));
                }
                None => {}
            }
        }
        said
    }

    fn put(&mut self, link: LinkId, question: Question) {
        self.tell(link, &Packet::AskLight(question));
    }

    fn tell(&mut self, link: LinkId, packet: &Packet) {
        let (lane, message) = (packet.lane(), packet.encode());
        let Some(to) = self.mesh.peer(link) else { return };
        let place = Place::Between { from: self.address.peer, to };
        let message = match packet {
            packet if packet.needs_no_seal() => message,
            _ => seal(&self.keyring, None, lane, place, message),
        };
        self.mesh.handle(self.now, mesh::Input::Unicast { link, lane, message });
    }

    fn penalise(&mut self, link: LinkId, fault: Fault) {
        self.mesh.handle(self.now, mesh::Input::Penalise { link, fault });
    }

    fn answer(&mut self, question: QuestionId, answer: Result<Proven, NoProof>) {
        self.actions.push_back(LightAction::Answer { question, answer });
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(LightAction::Notify(notice));
    }
}

impl fmt::Display for NoProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNeighbour => formatter.write_str("no full node is linked to be asked"),
            Self::Lack(lack) => lack.fmt(formatter),
            Self::TooSlow => formatter.write_str("no neighbour answered in time"),
            Self::Lied => formatter.write_str(
                "the neighbours that were asked gave proofs that do not hold, and no other is linked",
            ),
            Self::Full => formatter.write_str("too many questions wait for an answer already"),
            Self::Halted => formatter.write_str("the node has stopped working"),
        }
    }
}

impl core::error::Error for NoProof {}
