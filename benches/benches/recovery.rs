//! What do a start and a newcomer cost when the network is old?
//!
//! A chain of 100,000 blocks, a transfer in each, to 10,000 accounts by turns, is made by the one
//! validator of a network. (What is measured does not depend on how many vote, but for the
//! certificates, of which a block has two.)
//!
//! * A newcomer that fetches the state, and one that replays every block: bytes that it is sent, and
//!   processor time at both ends.
//! * A start from the journal on disk of twice as many blocks, a million records: of everything, and
//!   from the newest base; processor time, and what the process holds in memory more than before.
//! * What one sync of the journal takes on this disk, and how many bytes a block takes in it, with 4
//!   validators.
//!
//! `cargo bench -p bitcraps-benches --bench recovery [-- BLOCKS]`

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bitcraps_benches::cpu_time;
use bitcraps_host::journal::{self, Origin, Recovery};
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Genesis, Operation, ValidatorCard};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{
    Action, Command, Direction, Endpoint, Event, Key, Label, LinkId, LinkKind, Position, Record,
};
use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use bitcraps_protocol::keyring::Kept;
use bitcraps_protocol::node::{Config, Node, Past, Setup, SnapshotConfig};
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::{Hash, Text};
use bitcraps_sim::latency::Latency;
use bytes::Bytes;

const BLOCKS: u64 = 100_000;
const ACCOUNTS: u64 = 10_000;
const START_MS: u64 = 1_700_000_000_000;
const LINK: LinkId = LinkId(1);

fn main() {
    let blocks = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let blocks = blocks.unwrap_or(BLOCKS);
    let mut network = Network::new();
    let mut old = network.old_node();
    network.grow(&mut old, blocks);
    let old = network.join("state sync", SnapshotConfig::default(), old);
    let replays = SnapshotConfig { threshold: u64::MAX, ..SnapshotConfig::default() };
    let mut old = network.join("replay", replays, old);
    network.grow(&mut old, 2 * blocks);
    network.start(&old.journal);
    syncs();
    journal_bytes();
}

/// A node, its journal in memory, and nothing that takes time.
struct Place {
    node: Node,
    journal: Vec<Record>,
    blocks: BTreeMap<Height, usize>,
    sent: VecDeque<Bytes>,
    frames: u64,
    bytes: u64,
    time: Duration,
}

impl Place {
    fn new(node: Node) -> Self {
        let (journal, blocks, sent) = (Vec::new(), BTreeMap::new(), VecDeque::new());
        Self { node, journal, blocks, sent, frames: 0, bytes: 0, time: Duration::ZERO }
    }

    /// Hands in an event, and does what follows from it.
    fn handle(&mut self, now: Time, event: Event) {
        let begun = cpu_time();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.node.handle(now, event);
            self.perform(&mut events);
        }
        self.time += cpu_time().saturating_sub(begun);
    }

    fn perform(&mut self, events: &mut VecDeque<Event>) {
        let mut newest = None;
        while let Some(action) = self.node.poll() {
            match action {
                Action::Send { link, frame } => {
                    (self.frames, self.bytes) = (self.frames + 1, self.bytes + frame.len() as u64);
                    self.sent.push_back(frame);
                    events.push_back(Event::Sent { link });
                }
                Action::Persist { position, record } => {
                    if let Label::Block(height) = record.label {
                        self.blocks.insert(height, self.journal.len());
                    }
                    self.journal.push(record);
                    newest = Some(position);
                }
                Action::Load { key } => {
                    let Key::Block(height) = key;
                    let place = self.blocks.get(&height);
                    let bytes = place.map(|place| self.journal[*place].bytes.clone());
                    events.push_back(Event::Loaded { key, bytes });
                }
                Action::Close { reason, .. } => panic!("a link is closed: {reason:?}"),
                Action::Dial { .. } | Action::KeepKeys(_) | Action::Notify(_) => {}
            }
        }
        events.extend(newest.map(|position| Event::Persisted { position }));
    }

    fn tick(&mut self, now: Time) {
        if self.node.deadline().is_some_and(|deadline| deadline <= now) {
            self.handle(now, Event::Tick);
        }
    }
}

struct Network {
    genesis: Genesis,
    validator: Keypair,
    now: Time,
}

impl Network {
    fn new() -> Self {
        let validator = Keypair::from_seed([1; 32]);
        let card = ValidatorCard::new(&validator, ProofOfWork(0));
        let address = Address { peer: validator.peer(), proof: ProofOfWork(0) };
        let name = Text::new("old").expect("a short name");
        let funds = vec![(address, Chips(1 << 40))];
        let genesis = Genesis::new(name, vec![card], funds, BlockTime(START_MS), 0);
        Self { genesis: genesis.expect("a sound genesis"), validator, now: Time::ZERO }
    }

    fn setup(&self, keypair: &Keypair, snapshots: SnapshotConfig, begins: Position) -> Setup {
        Setup {
            genesis: self.genesis.clone(),
            keypair: keypair.clone(),
            proof: ProofOfWork(0),
            seed: [7; 32],
            config: Config { snapshots, ..Config::default() },
            past: Past::Known,
            begins,
            keys: Kept::nothing(),
        }
    }

    fn wall_clock(&self) -> Event {
        Event::WallClock { unix_ms: START_MS + self.now.as_micros() / 1_000 }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// The validator, which will be old.
    fn old_node(&self) -> Place {
        let setup = self.setup(&self.validator, SnapshotConfig::default(), Position(0));
        Place::new(Node::new(setup, self.now, []).expect("a new node"))
    }

    /// Lets it go on until so many blocks are final.
    fn grow(&mut self, place: &mut Place, blocks: u64) {
        let begun = cpu_time();
        let mut paid = 0;
        while place.node.status().height < Height(blocks) {
            self.wait(Duration::from_millis(100));
            place.handle(self.now, self.wall_clock());
            let to = Keypair::from_seed(seed(paid % ACCOUNTS)).peer();
            let to = Address { peer: to, proof: ProofOfWork(0) };
            let transfer = Operation::Transfer { to, amount: Chips(1) };
            place.node.submit(self.now, Command::Operate(transfer)).expect("it has chips");
            paid += 1;
            let height = place.node.status().height;
            while place.node.status().height == height {
                place.handle(self.now, Event::Tick);
                self.wait(Duration::from_millis(1));
            }
        }
        let time = cpu_time().saturating_sub(begun);
        let (height, records) = (place.node.status().height.0, place.journal.len());
        let accounts = place.node.state().accounts().count();
        say(&format!(
            "{height} blocks, {records} records, {accounts} accounts; made in {time:.1?}"
        ));
    }

    /// Somebody who knows nothing is linked with the old node until it knows as much.
    fn join(&mut self, how: &str, snapshots: SnapshotConfig, old: Place) -> Place {
        let setup = self.setup(&Keypair::from_seed([2; 32]), snapshots, Position(0));
        let newcomer = Place::new(Node::new(setup, self.now, []).expect("a new node"));
        let mut places = [old, newcomer];
        let goal = places[0].node.status().height;
        for place in &mut places {
            (place.frames, place.bytes, place.time) = (0, 0, Duration::ZERO);
            place.handle(self.now, self.wall_clock());
        }
        for (place, direction) in places.iter_mut().zip([Direction::Inbound, Direction::Outbound]) {
            let endpoint = Endpoint { transport: 0, bytes: Bytes::from_static(b"other") };
            let (kind, mtu) = (LinkKind::Stream, 65_535);
            let up = Event::LinkUp { link: LINK, kind, mtu, direction, endpoint };
            place.handle(self.now, up);
        }
        let begun = self.now;
        while places[1].node.status().height < goal {
            for (from, to) in [(0, 1), (1, 0)] {
                for frame in std::mem::take(&mut places[from].sent) {
                    places[to].handle(self.now, Event::Received { link: LINK, frame });
                }
            }
            // Answers of 48 kB each come at no more than a link may carry in a second.
            self.wait(Duration::from_millis(5));
            places.iter_mut().for_each(|place| place.tick(self.now));
            assert!(self.now.since(begun) < Duration::from_secs(36_000), "it gets nowhere");
        }
        let [mut old, newcomer] = places;
        say(&format!(
            "{how}: {} bytes in {} frames to the newcomer, {} back; its CPU {:.2?}, the other's \
             {:.2?}",
            old.bytes, old.frames, newcomer.bytes, newcomer.time, old.time
        ));
        old.handle(self.now, Event::LinkDown { link: LINK });
        old.sent.clear();
        old
    }

    fn start(&self, records: &[Record]) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("journal");
        journal::prepare(&path).expect("it is empty");
        let origin = Origin { network: self.genesis.network(), peer: self.validator.peer() };
        let mut journal = Recovery::open(&path, origin).expect("it is new").finish().expect("new");
        for records in records.chunks(1_000) {
            records.iter().for_each(|it| journal.append(journal.next(), it).expect("room"));
            journal.sync().expect("room");
        }
        drop(journal);
        self.start_at("from the newest base", Recovery::open(&path, origin));
        self.start_at("from the beginning", Recovery::open_whole(&path, origin));
    }

    fn start_at<E: std::fmt::Debug>(&self, how: &str, recovery: Result<Recovery, E>) {
        let before = resident();
        let (node, time) = measured(|| {
            let mut recovery = recovery.expect("it is sound");
            let setup = self.setup(&self.validator, SnapshotConfig::default(), recovery.begins());
            let node = Node::new(setup, self.now, recovery.by_ref()).expect("it is sound");
            (node, recovery.finish().expect("it is sound"))
        });
        let held = resident().saturating_sub(before) / 1_024;
        let (height, records) = (node.0.status().height.0, node.1.next().0);
        say(&format!(
            "start {how}: height {height}, journal of {records} records; CPU {time:.2?}, {held} MiB"
        ));
    }
}

/// One append of 200 bytes, made durable, as often as fits into some seconds.
fn syncs() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("journal");
    let origin = Origin { network: Hash([1; 32]), peer: Keypair::from_seed([1; 32]).peer() };
    journal::prepare(&path).expect("it is empty");
    let mut journal = Recovery::open(&path, origin).expect("it is new").finish().expect("sound");
    let record = Record { label: Label::Plain, bytes: Bytes::from(vec![7; 200]) };
    let mut times: Vec<Duration> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            journal.append(journal.next(), &record).expect("room");
            journal.sync().expect("room");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    say(&format!("a sync of the journal: {median:.0?} median, {most:.0?} in one of a hundred"));
}

fn journal_bytes() {
    use bitcraps_sim::{config::Config, decision::Decision, world::World};
    const NOTHING: &[Decision] = &[];
    let config = Config {
        stand_in: true,
        disk: Latency::Constant { micros: 500 },
        faulty_ms: 60_000,
        ..Config::default()
    };
    let mut world = World::new(config, Some(NOTHING));
    world.run_until(Time::from_micros(30_000_000)).expect("nothing goes wrong");
    let place = &world.places[0];
    let bytes: usize = place.disk.records().iter().map(|record| record.bytes.len()).sum();
    let (height, records) = (place.height.0, place.disk.records().len() as u64);
    say(&format!(
        "a block in the journal, 4 validators at play: {} bytes in {:.1} records",
        bytes as u64 / height.max(1),
        records as f64 / height.max(1) as f64
    ));
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = cpu_time();
    let done = work();
    (done, cpu_time().saturating_sub(begun))
}

/// Kibibytes that this process holds in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("standard output is there");
}
