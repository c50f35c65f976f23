//! A few consensus machines, their journals, and a queue of messages between them. The whole
//! network with its adversaries is the simulator's; this is the least in which nodes can agree.
//! The tests of consensus and the fuzz target `consensus` drive it.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::block::{BlockHash, Commitments, Header, Height, Parent, ValidatorIndex, View};
use crate::consensus::{
    Block, Certificate, Config, Consensus, Decided, Demand, Finalization, Holdings, Input,
    Justification, Message, Notarization, Nullification, Output, Past, Proposal, Request,
    Statement, Status, ValidatorSet, Vote, Voters,
};
use crate::event::{LinkId, Position};
use crate::identity::{Context, Epoch, Keypair, PeerId};
use crate::journal::Entry;
use crate::rng::Rng;
use crate::time::{BlockTime, Time};
use crate::wire::{Hash, List};

pub(crate) fn context() -> Context {
    Context { network: Hash([42; 32]), epoch: Epoch(0) }
}

pub(crate) fn key(index: usize) -> Keypair {
    Keypair::from_seed([index as u8 + 1; 32])
}

pub(crate) fn validators(n: usize) -> ValidatorSet {
    let validators = ValidatorSet::new((0..n).map(|index| key(index).peer()).collect(), &context());
    // While fuzzing, the same signatures are seen a thousand times over.
    #[cfg(all(feature = "fuzzing", feature = "simulation"))]
    let validators = validators.checked_by(VERDICTS.with(Clone::clone));
    validators
}

#[cfg(all(feature = "fuzzing", feature = "simulation"))]
std::thread_local! {
    static VERDICTS: crate::simulation::Signatures = crate::simulation::Signatures::remembered();
}

pub(crate) fn genesis() -> Header {
    Header {
        network: context().network,
        epoch: Epoch(0),
        view: View(0),
        height: Height(0),
        parent: Parent::default(),
        time: BlockTime(1_000),
        body: Hash::default(),
        commitments: Commitments::default(),
        justification: Hash::default(),
    }
}

pub(crate) fn machine(n: usize, index: usize, now: Time) -> Consensus {
    let key = key(index);
    let rng = Rng::new([index as u8; 32]);
    Consensus::new(context(), validators(n), Some(&key), genesis(), Config::default(), now, rng)
}

/// What the stand-in chain says of a body: its state is a hash of everything before it.
pub(crate) fn commitments(parent: &BlockHash, body: &[u8]) -> Commitments {
    let state = Hash::of("bitcraps test state", &(parent, body));
    Commitments { state, ..Commitments::default() }
}

pub(crate) fn is_valid(block: &Block) -> bool {
    block.header.commitments == commitments(&block.header.parent.hash, &block.body)
}

/// Promises of one validator that a new one is compared with.
const PROMISES: usize = 64;

/// Whether one honest validator may vote both.
fn agree(one: &Statement, other: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Nullify};
    match (one, other) {
        (Notarize { view, block, .. }, Notarize { view: of, block: voted, .. }) => {
            view != of || block == voted
        }
        (Finalize { view, block }, Finalize { view: of, block: voted })
        | (Notarize { view, block, .. }, Finalize { view: of, block: voted })
        | (Finalize { view: of, block: voted }, Notarize { view, block, .. }) => {
            view != of || block == voted
        }
        (Finalize { view, .. }, Nullify { view: last, highest })
        | (Nullify { view: last, highest }, Finalize { view, .. }) => {
            view <= highest || view > last
        }
        (Nullify { .. }, Notarize { .. } | Nullify { .. }) | (Notarize { .. }, Nullify { .. }) => {
            true
        }
    }
}

enum Delivery {
    Message { from: usize, to: usize, message: Box<Message> },
    Persisted { node: usize, life: u32, count: u64 },
    Restart { node: usize },
}

/// Decides what becomes of a message: `None` loses it, else it takes so long.
pub(crate) type Network<'a> = dyn FnMut(usize, usize, &Message, Time) -> Option<Duration> + 'a;

pub(crate) struct World<'a> {
    n: usize,
    pub(crate) now: Time,
    /// `slots[i]` runs with the key `owner(i)`; twins are further slots with a key of the first n.
    pub(crate) nodes: Vec<Option<Consensus>>,
    owners: Vec<usize>,
    lives: Vec<u32>,
    journals: Vec<Vec<Entry>>,
    durable: Vec<usize>,
    pub(crate) pasts: Vec<Past>,
    pub(crate) decided: Vec<BTreeMap<Height, BlockHash>>,
    pub(crate) accused: BTreeSet<PeerId>,
    /// Owners whose links may be blamed.
    pub(crate) hostile: BTreeSet<usize>,
    /// The one whose journal was lost last.
    pub(crate) wiped: Option<usize>,
    /// The newest blocks that were proposed.
    pub(crate) proposals: Vec<BlockHash>,
    /// What each owner has promised by voting.
    promises: BTreeMap<usize, Vec<Statement>>,
    pub(crate) nullified_most: u64,
    queue: BTreeMap<(Time, u64), Delivery>,
    sequence: u64,
    pub(crate) network: Box<Network<'a>>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests draw their schedules from it"))]
    pub(crate) rng: Rng,
    /// How long a record takes to be durable.
    pub(crate) disk: Duration,
}

impl<'a> World<'a> {
    /// `n` validators on a full mesh, and a second copy of each validator in `twins`.
    pub(crate) fn new(n: usize, twins: &[usize], seed: u64) -> Self {
        let owners: Vec<usize> = (0..n).chain(twins.iter().copied()).collect();
        let slots = owners.len();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut world = Self {
            n,
            now: Time::ZERO,
            nodes: (0..slots).map(|_| None).collect(),
            owners,
            lives: vec![0; slots],
            journals: vec![Vec::new(); slots],
            durable: vec![0; slots],
            pasts: vec![Past::Known; slots],
            decided: vec![BTreeMap::new(); slots],
            accused: BTreeSet::new(),
            hostile: twins.iter().copied().collect(),
            wiped: None,
            proposals: Vec::new(),
            promises: BTreeMap::new(),
            nullified_most: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            network: Box::new(|_, _, _, _| Some(Duration::from_millis(10))),
            rng: Rng::new(bytes),
            disk: Duration::from_millis(1),
        };
        (0..slots).for_each(|slot| world.start(slot));
        world
    }

    fn start(&mut self, slot: usize) {
        let mut node = machine(self.n, self.owners[slot], self.now);
        self.journals[slot].truncate(self.durable[slot]);
        for entry in &self.journals[slot] {
            node.restore(entry.clone()).expect("its own journal");
        }
        node.resume(self.now, self.journals[slot].len() as u64, self.pasts[slot]);
        self.lives[slot] += 1;
        self.nodes[slot] = Some(node);
        self.give(slot, Input::WallClock(BlockTime(2_000_000)));
        self.give(slot, Input::Demand(Demand { content: true, brisk: true }));
        for other in 0..self.nodes.len() {
            // Twins do not hear each other, as they would not over a mesh: no node relays to the author.
            if self.owners[other] != self.owners[slot] {
                self.link(slot, other);
                self.link(other, slot);
            }
        }
    }

    /// Crashes a node whose journal is gone when it comes back.
    pub(crate) fn crash_and_wipe(&mut self, slot: usize, pause: Duration) {
        self.crash(slot, pause);
        self.journals[slot].clear();
        self.durable[slot] = 0;
        self.pasts[slot] = Past::Lost;
        self.wiped = Some(slot);
        self.decided[slot].clear();
    }

    fn link(&mut self, slot: usize, other: usize) {
        let peer = key(self.owners[other]).peer();
        self.give(slot, Input::LinkUp { link: LinkId(other as u64), peer });
    }

    /// Crashes a node, which loses what was not durable, and restarts it after `pause`.
    pub(crate) fn crash(&mut self, slot: usize, pause: Duration) {
        self.nodes[slot] = None;
        self.schedule(pause, Delivery::Restart { node: slot });
    }

    fn schedule(&mut self, delay: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), delivery);
    }

    fn give(&mut self, slot: usize, input: Input) {
        let Some(mut node) = self.nodes[slot].take() else { return };
        node.handle(self.now, input);
        while let Some(output) = node.poll() {
            self.carry_out(slot, &mut node, output);
        }
        self.nodes[slot] = Some(node);
    }

    fn carry_out(&mut self, slot: usize, node: &mut Consensus, output: Output) {
        match output {
            Output::Persist(position, entry) => {
                assert_eq!(position, Position(self.journals[slot].len() as u64));
                if let Entry::Certificate(certificate) = &entry {
                    self.count(slot, certificate);
                }
                self.journals[slot].push(entry);
                let (life, count) = (self.lives[slot], self.journals[slot].len() as u64);
                self.schedule(self.disk, Delivery::Persisted { node: slot, life, count });
            }
            Output::Broadcast { message, .. } => {
                self.note_promise(slot, &message);
                for to in (0..self.nodes.len()).filter(|to| *to != slot) {
                    self.send(slot, to, message.clone());
                }
            }
            Output::Send { link, message } => self.send(slot, link.0 as usize, message),
            Output::Build { parent, view, empty, .. } => {
                let body = if empty { Vec::new() } else { view.0.to_le_bytes().to_vec() };
                let commitments = commitments(&parent, &body);
                let built = Input::Built { parent, body: Bytes::from(body), commitments };
                node.handle(self.now, built);
            }
            Output::Validate(block) => {
                let valid = is_valid(&block);
                node.handle(self.now, Input::Validated { block: block.hash(), valid });
            }
            Output::Load(height) => {
                let decided = self.load(slot, height);
                node.handle(self.now, Input::Loaded { height, decided });
            }
            Output::Decide(block, finalization) => {
                if let Some(finalization) = finalization {
                    self.count_votes(slot, finalization.votes().collect());
                }
                let before = self.decided[slot].insert(block.header.height, block.hash());
                assert!(before.is_none_or(|hash| hash == block.hash()), "decided twice");
            }
            Output::Accuse(evidence) => {
                self.accused.insert(key(usize::from(evidence.validator().0)).peer());
            }
            Output::Suspect { validator, .. } => {
                self.accused.insert(key(usize::from(validator.0)).peer());
            }
            Output::Blame { link, fault } => {
                let owner = self.owners[link.0 as usize];
                assert!(self.hostile.contains(&owner), "{slot} blames {link} for {fault:?}");
            }
            Output::Halt(reason) => panic!("{slot} halts: {reason}"),
            Output::Relay | Output::Forgotten => {}
            Output::Entered(view) => self.nullified_most = self.nullified_most.max(view.0),
        }
    }

    /// An honest validator's own vote leaves when it is durable, and contradicts no other. One that
    /// lost its journal may hear from others what it said before that, and say it again.
    fn note_promise(&mut self, slot: usize, message: &Message) {
        let (Message::Vote(vote) | Message::Proposal(Proposal { vote, .. })) = message else {
            return;
        };
        if let Message::Proposal(proposal) = message {
            self.proposals.push(proposal.block.hash());
        }
        let owner = self.owners[slot];
        if self.hostile.contains(&owner) || usize::from(vote.voter.0) != owner {
            return;
        }
        let durable = self.journals[slot][..self.durable[slot]].iter().rev();
        let mut durable = durable.filter(|entry| matches!(entry, Entry::Vote(_)));
        let promises = self.promises.entry(owner).or_default();
        let is_heard = self.pasts[slot] == Past::Lost && promises.contains(&vote.statement);
        let is_durable = durable.any(|entry| *entry == Entry::Vote(*vote));
        assert!(is_durable || is_heard, "{slot} says {vote:?} too soon");
        for earlier in promises.iter().rev().take(PROMISES) {
            assert!(agree(earlier, &vote.statement), "{earlier:?} and {:?}", vote.statement);
        }
        if promises.last() != Some(&vote.statement) {
            promises.push(vote.statement);
        }
    }

    /// A certificate that a node goes by counts what was voted, whatever the node says.
    fn count(&self, slot: usize, certificate: &Certificate) {
        let notarization = match certificate {
            Certificate::Notarization(notarization) => Some(notarization),
            Certificate::Nullification(nullification, highest) => {
                self.count_votes(slot, nullification.votes().collect());
                highest.as_ref()
            }
        };
        if let Some(notarization) = notarization {
            self.count_votes(slot, notarization.votes().collect());
        }
    }

    fn count_votes(&self, slot: usize, votes: Vec<Vote>) {
        let voters: BTreeSet<ValidatorIndex> = votes.iter().map(|vote| vote.voter).collect();
        assert!(3 * voters.len() > 2 * self.n, "{slot} goes by {} of {}", voters.len(), self.n);
        for vote in votes {
            let owner = usize::from(vote.voter.0);
            let is_watched = owner != self.owners[slot] && !self.hostile.contains(&owner);
            let cast = self.promises.get(&owner);
            // What is counted was mostly cast lately.
            let mut cast = cast.into_iter().flatten().rev();
            let was_cast = !is_watched || cast.any(|cast| *cast == vote.statement);
            assert!(was_cast, "{slot} counts {vote:?}, which nobody cast");
        }
    }

    /// What looks like a certificate that a hostile `voter` makes: votes that others cast, and its
    /// own as often as it takes.
    pub(crate) fn forged_certificate(
        &self,
        voter: usize,
        statement: Statement,
        others: usize,
    ) -> Option<Certificate> {
        let honest = (0..self.n).filter(|owner| {
            let cast = self.promises.get(owner);
            *owner != voter && cast.is_some_and(|cast| cast.contains(&statement))
        });
        let own = core::iter::repeat(voter);
        let quorum = self.n - (self.n - 1) / 3;
        let mut voters: Vec<usize> = honest.take(others).chain(own).take(quorum).collect();
        voters.sort_unstable();
        let votes: Vec<Vote> = voters.into_iter().map(|voter| vote(voter, statement)).collect();
        match statement {
            Statement::Notarize { view, block, .. } => {
                Notarization::assemble(view, block, votes.iter(), quorum)
                    .map(Certificate::Notarization)
            }
            Statement::Nullify { view, .. } => {
                let nullification = Nullification::assemble(view, votes.iter(), quorum)?;
                Some(Certificate::Nullification(nullification, None))
            }
            Statement::Finalize { .. } => None,
        }
    }

    fn load(&self, slot: usize, height: Height) -> Option<Decided> {
        self.journals[slot].iter().find_map(|entry| match entry {
            Entry::Decided(decided) if decided.block.header.height == height => {
                Some(decided.clone())
            }
            Entry::Decided(_)
            | Entry::Block(_)
            | Entry::Certificate(_)
            | Entry::Vote(_)
            | Entry::Part { .. }
            | Entry::Snapshot(_)
            | Entry::Barred { .. }
            | Entry::Overridden
            | Entry::Base { .. }
            | Entry::Promises(_) => None,
        })
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        if self.owners[from] == self.owners[to] {
            return;
        }
        if let Some(delay) = (self.network)(from, to, &message, self.now) {
            self.schedule(delay, Delivery::Message { from, to, message: Box::new(message) });
        }
    }

    /// Somebody says this to a node over the link of the twin's owner.
    pub(crate) fn hear(&mut self, from: usize, to: usize, message: Message) {
        self.hostile.insert(self.owners[from]);
        self.give(to, Input::Received { link: LinkId(from as u64), message });
    }

    /// Runs for `span` of simulated time.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let queued = self.queue.first_key_value().map(|((time, _), _)| *time);
            let timers = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(slot, node)| Some((node.as_ref()?.deadline()?, slot)));
            let timer = timers.min();
            let next = queued.into_iter().chain(timer.map(|(time, _)| time)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next;
            if queued == Some(next) {
                let (_, delivery) = self.queue.pop_first().expect("it was just looked at");
                self.deliver(delivery);
            } else if let Some((_, slot)) = timer {
                self.give(slot, Input::Tick);
            }
        }
        self.now = end;
    }

    /// Runs until `done`, at most for `span`; returns whether it was done.
    pub(crate) fn run_until(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        while !done(self) && self.now < end {
            self.run(Duration::from_millis(100));
        }
        done(self)
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Message { from, to, message } => {
                self.give(to, Input::Received { link: LinkId(from as u64), message: *message });
            }
            Delivery::Persisted { node, life, count } => {
                if self.lives[node] == life && self.nodes[node].is_some() {
                    self.durable[node] = self.durable[node].max(count as usize);
                    self.give(node, Input::Persisted(Position(count - 1)));
                }
            }
            Delivery::Restart { node } => {
                self.start(node);
            }
        }
    }

    /// The lowest final height among the first n nodes that are not in `except`.
    pub(crate) fn least_height(&self, except: &[usize]) -> u64 {
        let honest = (0..self.n).filter(|slot| !except.contains(slot));
        honest.map(|slot| self.decided[slot].len() as u64).min().unwrap_or_default()
    }

    /// The highest final height of any node.
    pub(crate) fn greatest_height(&self) -> u64 {
        let highest = self.decided.iter().filter_map(BTreeMap::last_key_value);
        highest.map(|(height, _)| height.0).max().unwrap_or_default()
    }

    /// The highest view that any node is in.
    pub(crate) fn greatest_view(&self) -> View {
        self.nodes.iter().flatten().map(Consensus::view).max().unwrap_or_default()
    }

    /// Whether this node is up.
    pub(crate) fn runs(&self, slot: usize) -> bool {
        self.nodes[slot].is_some()
    }

    /// Any two nodes not in `except` have the same block at every height both have decided.
    pub(crate) fn assert_agreement(&self, except: &[usize]) {
        let mut chain: BTreeMap<Height, BlockHash> = BTreeMap::new();
        for slot in (0..self.n).filter(|slot| !except.contains(slot)) {
            for (height, hash) in &self.decided[slot] {
                assert_eq!(chain.entry(*height).or_insert(*hash), hash, "height {height}");
            }
        }
    }
}

/// A vote of validator `index`.
pub(crate) fn vote(index: usize, statement: Statement) -> Vote {
    statement.sign(ValidatorIndex(index as u16), &key(index), &context()).into_inner()
}

/// One of every message, with its name.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let body = Bytes::from_static(b"body");
    let why = Justification::default();
    let genesis = genesis();
    let parent = context().network;
    let header = Header {
        view: View(1),
        height: Height(1),
        parent: Parent { view: View(0), hash: parent },
        time: why.block_time(genesis.time),
        body: Header::body_hash(&body),
        commitments: commitments(&parent, &body),
        justification: why.hash(),
        ..genesis
    };
    let block = Block { header, body, justification: why };
    let hash = block.hash();
    let (view, time) = (View(1), BlockTime(1_234_567));
    let notarize = |index| vote(index, Statement::Notarize { view, block: hash, time });
    let nullify = |index| vote(index, Statement::Nullify { view: View(2), highest: View(1) });
    let finalize = |index| vote(index, Statement::Finalize { view, block: hash });
    let notarizes: Vec<Vote> = (0..3).map(notarize).collect();
    let nullifies: Vec<Vote> = (0..3).map(nullify).collect();
    let finalizes: Vec<Vote> = (0..3).map(finalize).collect();
    let notarization = Notarization::assemble(view, hash, notarizes.iter(), 3).unwrap();
    let nullification = Nullification::assemble(View(2), nullifies.iter(), 3).unwrap();
    let finalization = Finalization::assemble(view, hash, finalizes.iter(), 3);
    let highest = Some(notarization.clone());
    let voters = [vec![0, 2, 300], vec![], vec![7]];
    let voters = voters.map(|it| Voters::of(it.into_iter().map(ValidatorIndex)));
    let held = Holdings { view: View(7), voters };
    let decided =
        Decided { block: block.clone(), notarization: notarization.clone(), finalization };
    vec![
        ("proposal", Message::Proposal(Proposal { block: block.clone(), vote: notarize(0) })),
        ("notarize", Message::Vote(notarize(1))),
        ("nullify", Message::Vote(nullify(1))),
        ("finalize", Message::Vote(finalize(1))),
        ("notarization", Message::Certificate(Certificate::Notarization(notarization))),
        ("nullification", Message::Certificate(Certificate::Nullification(nullification, highest))),
        ("status", Message::Status(Status { view: View(300), finalized: Height(299) })),
        ("want notarization", Message::Request(Request::Notarization { at_least: View(7) })),
        ("want block", Message::Request(Request::Block { hash })),
        ("want decided", Message::Request(Request::Decided { from: Height(7) })),
        ("want certificate", Message::Request(Request::Certificate { above: View(7) })),
        ("block", Message::Block(block)),
        ("decided", Message::Decided(List::new(vec![decided]).unwrap())),
        ("holdings", Message::Holdings(List::new(vec![held]).unwrap())),
    ]
}
