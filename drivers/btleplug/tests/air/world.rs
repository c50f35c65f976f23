//! Stations: a node, a transport and a scripted radio each, on one queue of simulated time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcraps_btleplug::radio::{Condition, Event as Heard};
use bitcraps_btleplug::transport::{Input, Key, Output, Transport};
use bitcraps_btleplug::{Card, Profile};
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Genesis, Operation, TableId, ValidatorCard};
use bitcraps_protocol::craps::{Chips, Rules};
use bitcraps_protocol::event::{
    Action, Command, CommandId, Event, Key as RecordKey, Label, LinkId, LinkKind, Notice, Position,
    Record,
};
use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use bitcraps_protocol::keyring::Kept;
use bitcraps_protocol::node::{Config, Node, Past, Setup};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::Text;

use crate::air::{Air, Faults, adapter};

const BITS: u8 = 4;
const START_MS: u64 = 1_700_000_000_000;
const TABLE: TableId = TableId(1);
/// What one transport and one radio may have waiting, in total.
const MOST_QUEUED: usize = 4_000;

struct Station {
    node: Node,
    transport: Transport,
    records: Vec<Record>,
    notices: Vec<Notice>,
    links: BTreeMap<Key, LinkId>,
    /// How many frames of each link the radio has and has not sent.
    in_flight: BTreeMap<Key, usize>,
    next_link: u64,
}

enum Step {
    Heard { station: usize, event: Heard },
    Persisted { station: usize, position: Position },
    Beacons,
}

/// See the module.
pub(crate) struct World {
    now: Time,
    stations: Vec<Station>,
    queue: BTreeMap<(Time, u64), Step>,
    sequence: u64,
    pub(crate) air: Air,
}

impl World {
    pub(crate) fn new(stations: usize, faults: Faults, sizes: &[u16]) -> Self {
        Self::seeded(0, stations, faults, sizes)
    }

    /// All validators, with chips, and a dealt dice key.
    pub(crate) fn seeded(seed: u8, stations: usize, faults: Faults, sizes: &[u16]) -> Self {
        let identities: Vec<_> = (1..=stations as u8)
            .map(|index| {
                let keypair = Keypair::from_seed([index; 32]);
                let proof = ProofOfWork::mine(keypair.peer(), BITS);
                (keypair, proof)
            })
            .collect();
        let cards = identities.iter().map(|(key, proof)| ValidatorCard::new(key, *proof));
        let address =
            |(key, proof): &(Keypair, ProofOfWork)| Address { peer: key.peer(), proof: *proof };
        let allocations = identities.iter().map(|it| (address(it), Chips(10_000)));
        let genesis = Genesis::insecure(
            Text::new("bar").expect("a short name"),
            cards.collect(),
            allocations.collect(),
            BlockTime(START_MS),
            BITS,
            &mut Rng::new([9; 32]),
        )
        .expect("sound validators");
        let rng = Rng::new([seed; 32]);
        let stations = identities.into_iter().enumerate().map(|(index, (keypair, proof))| {
            let card = Card::of(genesis.network(), keypair.peer());
            let own = rng.fork(&format!("radio {index}"));
            let setup = Setup {
                genesis: genesis.clone(),
                keypair,
                proof,
                seed: rng.fork(&format!("node {index}")).bytes32(),
                config: Config::default(),
                past: Past::Known,
                begins: Position(0),
                keys: Kept::nothing(),
            };
            Station {
                node: Node::new(setup, Time::ZERO, Vec::new()).expect("a new node"),
                transport: Transport::new(card, 0, Profile::Desktop.policy(), own),
                records: Vec::new(),
                notices: Vec::new(),
                links: BTreeMap::new(),
                in_flight: BTreeMap::new(),
                next_link: 0,
            }
        });
        let mut world = Self {
            now: Time::ZERO,
            stations: stations.collect(),
            queue: BTreeMap::new(),
            sequence: 0,
            air: Air::new(rng.fork("air"), faults, sizes),
        };
        for index in 0..world.stations.len() {
            world.carry_out(index);
            world.give(index, Event::WallClock { unix_ms: START_MS });
            world.return_radio(index);
        }
        world.later(Duration::ZERO, Step::Beacons);
        world
    }

    pub(crate) fn return_radio(&mut self, index: usize) {
        let condition = Condition::On { advertises: true };
        let event = Heard::Adapter { adapter: adapter(), condition };
        self.tell(index, Input::Radio(event));
    }

    pub(crate) fn lose_radio(&mut self, index: usize) {
        for (delay, station, event) in self.air.silence(index) {
            self.later(delay, Step::Heard { station, event });
        }
        self.tell(index, Input::Lost);
    }

    pub(crate) fn drop_connections(&mut self) {
        for (delay, station, event) in self.air.disconnect_all() {
            self.later(delay, Step::Heard { station, event });
        }
        self.run_for(Duration::from_millis(50));
        assert_eq!(self.links(), 0);
    }

    fn later(&mut self, delay: Duration, step: Step) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), step);
        assert!(self.queue.len() < MOST_QUEUED, "frames pile up");
    }

    fn tell(&mut self, index: usize, input: Input) {
        self.stations[index].transport.handle(self.now, input);
        self.radio(index);
    }

    /// Does what a transport wants.
    fn radio(&mut self, index: usize) {
        while let Some(output) = self.stations[index].transport.poll() {
            match output {
                Output::Radio(command) => {
                    for (delay, station, event) in self.air.obey(self.now, index, command) {
                        self.later(delay, Step::Heard { station, event });
                    }
                }
                Output::Up { link: key, mtu, direction, endpoint } => {
                    let station = &mut self.stations[index];
                    station.next_link += 1;
                    let link = LinkId(station.next_link);
                    station.links.insert(key, link);
                    let kind = LinkKind::Datagram;
                    self.give(index, Event::LinkUp { link, kind, mtu, direction, endpoint });
                }
                Output::Received { link, frame } => {
                    if let Some(link) = self.link(index, link) {
                        self.give(index, Event::Received { link, frame });
                    }
                }
                Output::Sent { link: key } => {
                    *self.stations[index].in_flight.entry(key).or_default() -= 1;
                    if let Some(link) = self.link(index, key) {
                        self.give(index, Event::Sent { link });
                    }
                }
                Output::Down { link } => {
                    self.stations[index].in_flight.remove(&link);
                    if let Some(link) = self.stations[index].links.remove(&link) {
                        self.give(index, Event::LinkDown { link });
                    }
                }
                Output::DialFailed { endpoint } => {
                    self.give(index, Event::DialFailed { endpoint });
                }
                Output::Discovered { endpoint } => {
                    self.give(index, Event::Discovered { endpoint });
                }
            }
        }
    }

    fn link(&self, index: usize, key: Key) -> Option<LinkId> {
        self.stations[index].links.get(&key).copied()
    }

    fn give(&mut self, index: usize, event: Event) {
        self.stations[index].node.handle(self.now, event);
        self.carry_out(index);
    }

    /// Does what a node wants.
    fn carry_out(&mut self, index: usize) {
        let node = &mut self.stations[index].node;
        let actions: VecDeque<Action> = std::iter::from_fn(|| node.poll()).collect();
        for action in actions {
            match action {
                Action::Send { link, frame } => {
                    let Some(key) = self.key(index, link) else { continue };
                    let in_flight = self.stations[index].in_flight.entry(key).or_default();
                    *in_flight += 1;
                    assert!(*in_flight <= 16, "a window of 16 frames");
                    self.tell(index, Input::Send { link: key, frame });
                }
                Action::Persist { position, record } => {
                    self.stations[index].records.push(record);
                    let persisted = Step::Persisted { station: index, position };
                    self.later(Duration::from_millis(1), persisted);
                }
                Action::Load { key } => {
                    let RecordKey::Block(height) = key;
                    let label = Label::Block(height);
                    let records = &self.stations[index].records;
                    let found = records.iter().find(|record| record.label == label);
                    let bytes = found.map(|record| record.bytes.clone());
                    self.give(index, Event::Loaded { key, bytes });
                }
                Action::Dial { endpoint } => self.tell(index, Input::Dial { endpoint }),
                Action::Close { link, .. } => {
                    if let Some(key) = self.key(index, link) {
                        self.stations[index].links.remove(&key);
                        self.tell(index, Input::Close { link: key });
                    }
                }
                Action::KeepKeys(_) => panic!("this network is not private"),
                Action::Notify(notice) => self.stations[index].notices.push(notice),
            }
        }
    }

    fn key(&self, index: usize, link: LinkId) -> Option<Key> {
        let links = &self.stations[index].links;
        links.iter().find(|(_, it)| **it == link).map(|(key, _)| *key)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Heard { station, event } => self.tell(station, Input::Radio(event)),
            Step::Persisted { station, position } => {
                self.give(station, Event::Persisted { position });
            }
            Step::Beacons => {
                for (delay, station, event) in self.air.beacons() {
                    self.later(delay, Step::Heard { station, event });
                }
                self.later(Duration::from_secs(1), Step::Beacons);
            }
        }
    }

    /// Runs until `done`, at most for so long; whether it was.
    fn run_until(&mut self, span: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        while !done(self) {
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let stations = self.stations.iter().enumerate();
            let timers = stations.flat_map(|(index, it)| {
                let node = it.node.deadline().map(|at| (at, index, true));
                node.into_iter().chain(it.transport.deadline().map(|at| (at, index, false)))
            });
            let timer = timers.min();
            let next = queued.into_iter().chain(timer.map(|it| it.0)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return done(self);
            };
            self.now = next;
            match timer {
                _ if queued == Some(next) => {
                    let (_, step) = self.queue.pop_first().expect("it was just looked at");
                    self.step(step);
                }
                Some((_, index, true)) => self.give(index, Event::Tick),
                Some((_, index, false)) => self.tell(index, Input::Tick),
                None => unreachable!("the next step is queued or a timer"),
            }
        }
        true
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Runs for so long, in which nobody is without anybody at any time.
    pub(crate) fn run_linked_for(&mut self, span: Duration) {
        let lacks = |world: &Self| world.links() < world.pairs();
        assert!(!self.run_until(span, lacks), "{} links at {:?}", self.links(), self.now);
    }

    pub(crate) fn pairs(&self) -> usize {
        self.stations.len() * (self.stations.len() - 1) / 2
    }

    /// Established links, each counted once.
    pub(crate) fn links(&self) -> usize {
        (0..self.stations.len()).map(|index| self.links_of(index)).sum::<usize>() / 2
    }

    pub(crate) fn links_of(&self, index: usize) -> usize {
        self.stations[index].node.status().peers.len()
    }

    /// Waits until everybody is linked with everybody.
    pub(crate) fn gather(&mut self) {
        let all = |world: &Self| world.links() >= world.pairs();
        let gathered = self.run_until(Duration::from_secs(180), all);
        let links: Vec<usize> = (0..self.stations.len()).map(|it| self.links_of(it)).collect();
        assert!(gathered, "links of each: {links:?}");
    }

    /// Opens a table if there is none, and settles so many rolls, each with a bet.
    pub(crate) fn play(&mut self, rolls: usize) {
        if self.stations[0].node.state().table(TABLE).is_none() {
            let name = Text::new("bar").expect("a short name");
            let rules = Rules { window_ms: 0, ..Rules::default() };
            self.complete(0, Operation::OpenTable { name, rules, bank: Chips(5_000) });
            self.complete(1, Operation::Sit { table: TABLE });
        }
        for _ in 0..rolls {
            let round = self.round(1);
            // Whoever throws has a bet on the line.
            let bet = if self.bets() == 0 { "pass" } else { "field" };
            let (bet, amount) = (bet.parse().expect("a bet"), Chips(10));
            self.complete(1, Operation::Bet { table: TABLE, round, bet, amount });
            self.roll();
        }
    }

    /// Rolls until no bet is up: then nothing more happens by itself.
    pub(crate) fn finish_the_hand(&mut self) {
        while self.bets() > 0 {
            self.roll();
        }
    }

    fn roll(&mut self) {
        let round = self.round(1);
        self.complete(1, Operation::Roll { table: TABLE, round });
        let settled = |world: &Self| world.round(1) > round;
        assert!(self.run_until(Duration::from_secs(300), settled), "{}", self.why(1));
    }

    fn bets(&self) -> usize {
        let table = self.stations[1].node.state().table(TABLE).expect("it is open");
        table.table.bets().count()
    }

    fn round(&self, index: usize) -> bitcraps_protocol::craps::Round {
        self.stations[index].node.state().table(TABLE).expect("it is open").table.round()
    }

    fn why(&self, index: usize) -> String {
        self.stations[index].node.waiting_for()
    }

    /// Submits, and waits until it is final there and for the player, station 1.
    fn complete(&mut self, index: usize, operation: Operation) {
        let now = self.now;
        let submitted = self.stations[index].node.submit(now, Command::Operate(operation));
        let id = submitted.expect("it is possible");
        self.carry_out(index);
        let done = |world: &Self| {
            let height = world.height_of(index, id);
            height.is_some_and(|height| world.stations[1].node.status().height >= height)
        };
        assert!(self.run_until(Duration::from_secs(300), done), "{}", self.why(index));
    }

    fn height_of(&self, index: usize, id: CommandId) -> Option<Height> {
        self.stations[index].notices.iter().find_map(|notice| match notice {
            Notice::Done { id: of, height, .. } if *of == id => Some(*height),
            Notice::Failed { id: of, rejection } if *of == id => panic!("failed: {rejection}"),
            _ => None,
        })
    }

    /// Everybody comes to the same state, and nobody was blamed.
    pub(crate) fn assert_agreement(&mut self) {
        let level = |world: &Self| {
            let heights = world.stations.iter().map(|it| it.node.status().height);
            heights.clone().min() == heights.max()
        };
        assert!(self.run_until(Duration::from_secs(120), level));
        let roots: Vec<_> = self.stations.iter().map(|it| it.node.state().root()).collect();
        assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "{roots:?}");
        for station in &self.stations {
            assert!(station.node.state().conserved());
            let blamed = station.notices.iter().find(|notice| {
                matches!(notice, Notice::Evidence { .. } | Notice::Misbehaved { .. })
            });
            assert_eq!(blamed, None);
        }
    }
}
