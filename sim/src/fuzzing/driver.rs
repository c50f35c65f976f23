//! A driver of one node that trusts it with nothing: every promise of the boundary is checked at
//! every step.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::chat::{Line, Room};
use bitcraps_protocol::consensus::Vote;
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{
    Action, Command, CommandId, Direction, Endpoint, Event, Key, Label, LinkId, LinkKind, Notice,
    Position, Record, Refusal,
};
use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use bitcraps_protocol::journal::{Beginnings, Entry};
use bitcraps_protocol::keyring::{Kept, NetworkKey};
use bitcraps_protocol::mesh;
use bitcraps_protocol::node::{CannotStart, Config, Node, Past, Setup, SnapshotConfig};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::{Observation, Outgoing, Signatures, Simulation};
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::Text;
use bitcraps_protocol::wire::limits::MESSAGE_BYTES;
use bytes::Bytes;

/// Bytes of the largest frame of all links.
pub(super) const MTU: u32 = 65_535;
/// What the wall clock says at the beginning.
pub(super) const START_MS: u64 = 1_700_000_000_000;
/// The secret behind the signatures of all nodes; making and checking real ones would take most of
/// the time.
pub(super) const SIGNATURES: Signatures = Signatures::StandIn([7; 32]);
/// Actions that one event may give rise to.
const ACTIONS_PER_EVENT: usize = 4_096;
const BITS: u8 = 1;

/// A network and the identities of its validators, who own chips, and of one who owns none.
#[derive(Debug)]
pub(super) struct Founded {
    pub(super) genesis: Genesis,
    pub(super) identities: Vec<(Keypair, ProofOfWork)>,
    /// If it is private, what its validators speak under; the other was not given it.
    pub(super) key: Option<NetworkKey>,
}

/// Networks of one and of four validators, and a private one of four.
pub(super) static ALONE: LazyLock<Founded> = LazyLock::new(|| Founded::new(1));
pub(super) static FOUR: LazyLock<Founded> = LazyLock::new(|| Founded::new(4));
pub(super) static PRIVATE: LazyLock<Founded> = LazyLock::new(|| {
    let key = Some(NetworkKey::first(&mut Rng::new([8; 32])));
    Founded { key, ..Founded::new(4) }
});

/// A node, what its driver holds for it, and a second node that is given the same.
#[derive(Debug)]
pub(super) struct Driver {
    founded: &'static Founded,
    index: usize,
    node: Node,
    /// Must do the same.
    double: Option<Node>,
    links: BTreeMap<LinkId, Link>,
    /// Everything that was written, the first `durable` of it for good.
    journal: Vec<Record>,
    durable: usize,
    /// Own votes in the journal, by their place.
    votes: Vec<(usize, Vote)>,
    /// What it asked for and was not given.
    pub(super) loads: VecDeque<Key>,
    /// What it asked to be remembered.
    kept: Kept,
    halted: bool,
}

#[derive(Debug, Default)]
struct Link {
    /// Bytes of the frames that have not left.
    unsent: VecDeque<usize>,
}

/// What others notice of a step.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Frames, in their order.
    pub(super) frames: Vec<(LinkId, Bytes)>,
    /// Links that the node closed.
    pub(super) closed: Vec<LinkId>,
    /// What people said, as far as the node tells.
    pub(super) heard: Vec<(Room, Line)>,
}

impl Founded {
    fn new(validators: u8) -> Self {
        let identities: Vec<_> = (0..=validators)
            .map(|index| {
                let keypair = Keypair::from_seed([index + 1; 32]);
                let proof = ProofOfWork::mine(keypair.peer(), BITS);
                (keypair, proof)
            })
            .collect();
        let members = &identities[..usize::from(validators)];
        let cards = members.iter().map(|(key, proof)| ValidatorCard::new(key, *proof)).collect();
        let address =
            |(key, proof): &(Keypair, ProofOfWork)| Address { peer: key.peer(), proof: *proof };
        let allocations = members.iter().map(|it| (address(it), Chips(10_000))).collect();
        let name = Text::new("fuzz").expect("a short name");
        let time = BlockTime(START_MS);
        let rng = &mut Rng::new([9; 32]);
        let genesis = Genesis::insecure(name, cards, allocations, time, BITS, rng)
            .expect("a small network without a fault");
        Self { genesis, identities, key: None }
    }
}

impl Driver {
    /// Starts the node of identity `index` on what its journal holds, for the first time as far as
    /// keys go. It has a double if `checked`; else what it says waits to be released.
    pub(super) fn start(
        founded: &'static Founded,
        index: usize,
        checked: bool,
        now: Time,
        journal: Vec<Record>,
    ) -> Result<Self, CannotStart> {
        let is_validator = index < founded.genesis.validators.len();
        let key = founded.key.clone().filter(|_| is_validator);
        let kept = key.map_or_else(Kept::nothing, Kept::of);
        Self::start_with(founded, index, checked, now, journal, kept)
    }

    fn start_with(
        founded: &'static Founded,
        index: usize,
        checked: bool,
        now: Time,
        journal: Vec<Record>,
        kept: Kept,
    ) -> Result<Self, CannotStart> {
        let (keypair, proof) = &founded.identities[index];
        let simulation = Simulation {
            signatures: SIGNATURES,
            clear_links: true,
            observed: checked,
            holds_outgoing: !checked,
            ..Simulation::default()
        };
        // Every few blocks, so that journals have places in their middle where a start begins.
        let snapshots = SnapshotConfig { interval: 8, threshold: 16, ..SnapshotConfig::default() };
        let config = Config { snapshots, ..Config::default() };
        let mut beginnings = Beginnings::default();
        for (position, record) in (0..).map(Position).zip(&journal) {
            beginnings.note(position, record.label);
        }
        let begins = beginnings.newest().unwrap_or_default();
        let node = || {
            let setup = Setup {
                genesis: founded.genesis.clone(),
                keypair: keypair.clone(),
                proof: *proof,
                seed: [index as u8; 32],
                config: config.clone(),
                past: Past::Known,
                begins,
                keys: kept.clone(),
            };
            let records = journal[begins.0 as usize..].iter().cloned();
            Node::simulated(setup, &simulation, now, records)
        };
        let votes = (0..).zip(&journal).filter_map(|(place, record)| Some((place, vote(record)?)));
        let mut driver = Self {
            founded,
            index,
            node: node()?,
            double: checked.then(&node).transpose()?,
            links: BTreeMap::new(),
            durable: journal.len(),
            votes: votes.collect(),
            journal,
            loads: VecDeque::new(),
            kept: kept.clone(),
            halted: false,
        };
        let seen = driver.carry_out(now);
        assert!(seen.frames.is_empty() && seen.closed.is_empty(), "there is no link yet");
        Ok(driver)
    }

    /// The node after a crash, with what was durable.
    pub(super) fn restart(self, now: Time) -> Self {
        let Self { founded, index, double, mut journal, durable, kept, .. } = self;
        journal.truncate(durable);
        let restarted = Self::start_with(founded, index, double.is_some(), now, journal, kept);
        restarted.unwrap_or_else(|error| panic!("its own journal is refused: {error}"))
    }

    /// The node.
    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// What it wrote that is durable.
    pub(super) fn journal(&self) -> &[Record] {
        &self.journal[..self.durable]
    }

    /// Whether a link is up.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Something happens.
    pub(super) fn give(&mut self, now: Time, event: Event) -> Seen {
        match &event {
            Event::LinkUp { link, .. } => {
                self.links.insert(*link, Link::default());
            }
            Event::LinkDown { link } => {
                self.links.remove(link);
            }
            Event::Received { .. }
            | Event::Sent { .. }
            | Event::Persisted { .. }
            | Event::Loaded { .. }
            | Event::WallClock { .. }
            | Event::DialFailed { .. }
            | Event::Discovered { .. }
            | Event::Reachable { .. }
            | Event::SnapshotWanted
            | Event::Tick => {}
        }
        if let Some(double) = &mut self.double {
            double.handle(now, event.clone());
        }
        self.node.handle(now, event);
        let deadline = self.node.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > now), "deadlines lie ahead");
        self.carry_out(now)
    }

    /// A link comes up.
    pub(super) fn link_up(&mut self, now: Time, link: LinkId, direction: Direction) -> Seen {
        let endpoint = Endpoint { transport: 9, bytes: Bytes::from(vec![link.0 as u8]) };
        let kind = LinkKind::Stream;
        self.give(now, Event::LinkUp { link, kind, mtu: MTU, direction, endpoint })
    }

    /// The player asks for something.
    pub(super) fn submit(
        &mut self,
        now: Time,
        command: Command,
    ) -> (Result<CommandId, Refusal>, Seen) {
        let before = (self.node.state().root(), self.node.status());
        if let Some(double) = &mut self.double {
            _ = double.submit(now, command.clone());
        }
        let outcome = self.node.submit(now, command);
        if outcome.is_err() {
            let after = (self.node.state().root(), self.node.status());
            assert_eq!(before.0, after.0, "a refusal changes nothing");
            assert_eq!(before.1.waiting_transactions, after.1.waiting_transactions);
        }
        (outcome, self.carry_out(now))
    }

    /// Says something in this node's name.
    pub(super) fn release(&mut self, now: Time, outgoing: Outgoing) -> Seen {
        self.node.release(now, outgoing);
        self.carry_out(now)
    }

    /// What it wants to say and may not yet.
    pub(super) fn outgoing(&mut self) -> Option<Outgoing> {
        self.node.outgoing()
    }

    /// The oldest frame of each link leaves.
    pub(super) fn send_all(&mut self, now: Time) -> Seen {
        let mut seen = Seen::default();
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            while let Some(unsent) = self.links.get_mut(&link).map(|it| &mut it.unsent) {
                if unsent.pop_front().is_none() {
                    break;
                }
                seen.add(self.give(now, Event::Sent { link }));
            }
        }
        seen
    }

    /// So many more records become durable.
    pub(super) fn persist(&mut self, now: Time, most: usize) -> Seen {
        let durable = self.journal.len().min(self.durable.saturating_add(most));
        if durable == self.durable {
            return Seen::default();
        }
        self.durable = durable;
        self.give(now, Event::Persisted { position: Position(durable as u64 - 1) })
    }

    /// Answers what was asked for first, from the journal or with nothing.
    pub(super) fn load(&mut self, now: Time, found: bool) -> Seen {
        let Some(key) = self.loads.pop_front() else { return Seen::default() };
        let Key::Block(height) = key;
        let label = Label::Block(height);
        let record = self.journal.iter().find(|record| record.label == label);
        let bytes = record.filter(|_| found).map(|record| record.bytes.clone());
        self.give(now, Event::Loaded { key, bytes })
    }

    fn carry_out(&mut self, now: Time) -> Seen {
        let mut seen = Seen::default();
        let mut count = 0;
        while let Some(action) = self.node.poll() {
            count += 1;
            assert!(count <= ACTIONS_PER_EVENT, "one event gives bounded work");
            assert!(!self.halted, "a halted node does nothing: {action:?}");
            if let Some(double) = &mut self.double {
                assert_eq!(double.poll().as_ref(), Some(&action), "the same inputs, the same node");
            }
            self.execute(action, &mut seen);
        }
        if let Some(double) = &mut self.double {
            assert_eq!(double.poll(), None);
            assert_eq!(double.deadline(), self.node.deadline());
            while double.observation().is_some() {}
        }
        while let Some(observation) = self.node.observation() {
            if let Observation::Vote(vote) = observation {
                let durable = self.votes.iter().rev();
                let durable = durable.filter(|(place, _)| *place < self.durable);
                let mut votes = durable.map(|(_, vote)| vote);
                assert!(votes.any(|it| *it == vote), "{vote:?} leaves before it is durable");
            }
        }
        assert!(self.node.state().conserved(), "chips are conserved at {now:?}");
        seen
    }

    fn execute(&mut self, action: Action, seen: &mut Seen) {
        match action {
            Action::Send { link, frame } => {
                let unsent = &mut self.links.get_mut(&link).expect("the link is up").unsent;
                assert!(frame.len() <= MTU as usize, "a frame fits the link");
                let config = mesh::Config::default();
                let bytes: usize = unsent.iter().sum();
                assert!(bytes <= config.window_bytes + 2 * MESSAGE_BYTES, "{bytes} bytes wait");
                unsent.push_back(frame.len());
                seen.frames.push((link, frame));
            }
            Action::Persist { position, record } => {
                assert_eq!(position, Position(self.journal.len() as u64), "one total order");
                self.votes.extend(vote(&record).map(|vote| (self.journal.len(), vote)));
                self.journal.push(record);
            }
            Action::Load { key } => self.loads.push_back(key),
            Action::Close { link, .. } => {
                assert!(self.links.remove(&link).is_some(), "only what is up is closed");
                seen.closed.push(link);
            }
            Action::Dial { .. } => {}
            Action::Notify(Notice::Halted { .. }) => self.halted = true,
            Action::Notify(Notice::Said { room, line }) => seen.heard.push((room, line)),
            Action::KeepKeys(bytes) => {
                self.kept = Kept::decode(&bytes).expect("what it keeps can be read");
            }
            Action::Notify(_) => {}
        }
    }
}

impl Seen {
    /// What was noticed later.
    pub(super) fn add(&mut self, mut later: Self) {
        self.frames.append(&mut later.frames);
        self.closed.append(&mut later.closed);
        self.heard.append(&mut later.heard);
    }
}

fn vote(record: &Record) -> Option<Vote> {
    match Entry::from_bytes(&record.bytes).ok()? {
        Entry::Vote(vote) => Some(vote),
        Entry::Block(_)
        | Entry::Certificate(_)
        | Entry::Decided(_)
        | Entry::Barred { .. }
        | Entry::Overridden
        | Entry::Part { .. }
        | Entry::Snapshot(_)
        | Entry::Base { .. }
        | Entry::Promises(_) => None,
    }
}
