//! Whole nodes joined by queues, each with a journal: sessions, consensus, chain, dice.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{Config, LightAction, Node, Past, Relay, Setup};
use crate::block::Height;
use crate::chain::{Genesis, Operation, Rejection, TableId, ValidatorCard};
use crate::craps::{self, Chips, Dice, Round, Rules};
use crate::event::{
    Action, CloseReason, Command, CommandId, Direction, Endpoint, Event, Key, Label, LinkId,
    LinkKind, Notice, Position, Record, Refusal,
};
use crate::identity::{Address, Keypair, ProofOfWork};
use crate::journal::Beginnings;
use crate::keyring::Kept;
use crate::rng::Rng;
use crate::time::{BlockTime, Time};
use crate::wire::{Hash, Text};

mod budgets;
mod compact;
mod keys;
mod private;
mod snapshots;
mod talk;

const BITS: u8 = 4;
const START_MS: u64 = 1_700_000_000_000;
const TABLE: TableId = TableId(1);

struct Place {
    keypair: Keypair,
    proof: ProofOfWork,
    node: Option<Node>,
    /// Instead of a node.
    relay: Option<Relay>,
    keys: Kept,
    journal: Vec<Record>,
    durable: usize,
    past: Past,
    notices: Vec<Notice>,
    /// The name of the link to each other node, while it is up.
    links: BTreeMap<usize, LinkId>,
}

/// Nodes on a full mesh of ordered links.
struct World {
    now: Time,
    linked: fn(usize, usize) -> bool,
    genesis: Genesis,
    config: Config,
    places: Vec<Place>,
    queue: BTreeMap<(Time, u64), Step>,
    sequence: u64,
    next_link: u64,
    /// Who is to close a link, and why; nobody else may.
    closes: Option<(usize, CloseReason)>,
    /// A digest over everything that any node did, in order.
    digest: crate::wire::Hasher,
    #[cfg(feature = "simulation")]
    simulation: crate::simulation::Simulation,
}

enum Step {
    Frame { to: usize, link: LinkId, frame: Bytes },
    Sent { node: usize, link: LinkId },
    Persisted { node: usize, count: usize },
    Down { node: usize, from: usize },
}

fn identity(index: usize) -> (Keypair, ProofOfWork) {
    let keypair = Keypair::from_seed([index as u8 + 1; 32]);
    let proof = ProofOfWork::mine(keypair.peer(), BITS);
    (keypair, proof)
}

/// What a relay wants, as a node would want it.
fn as_of_a_node(action: LightAction) -> Action {
    match action {
        LightAction::Send { link, frame } => Action::Send { link, frame },
        LightAction::Dial { endpoint } => Action::Dial { endpoint },
        LightAction::Close { link, reason } => Action::Close { link, reason },
        LightAction::Notify(notice) => Action::Notify(notice),
        LightAction::Answer { .. } | LightAction::Keep(_) | LightAction::KeepKeys(_) => {
            panic!("a relay neither answers nor keeps anything: {action:?}")
        }
    }
}

fn rules() -> Rules {
    Rules { window_ms: 0, ..Rules::default() }
}

impl World {
    /// `validators` that each own 10,000 chips, and `players` that own nothing, all linked and all
    /// running. The dice key is dealt, so that the dice can be rolled at once.
    fn new(validators: usize, players: usize) -> Self {
        Self::with_links(validators, players, |_, _| true)
    }

    /// The same with a link between those for whom `linked` says so.
    fn with_links(validators: usize, players: usize, linked: fn(usize, usize) -> bool) -> Self {
        let mut world = Self::asleep(validators, players, linked, true);
        for index in 0..world.places.len() {
            world.start(index);
        }
        world
    }

    /// The same, but nobody runs yet, and the dice key may have to be made.
    fn asleep(
        validators: usize,
        players: usize,
        linked: fn(usize, usize) -> bool,
        insecure: bool,
    ) -> Self {
        let identities: Vec<_> = (0..validators + players).map(identity).collect();
        let of = |(keypair, proof): &(Keypair, ProofOfWork)| Address {
            peer: keypair.peer(),
            proof: *proof,
        };
        let members = &identities[..validators];
        let cards = members.iter().map(|(key, proof)| ValidatorCard::new(key, *proof)).collect();
        let allocations = members.iter().map(|it| (of(it), Chips(10_000))).collect();
        let name = Text::new("test").unwrap();
        let time = BlockTime(START_MS);
        let genesis = if insecure {
            let rng = &mut Rng::new([9; 32]);
            Genesis::insecure(name, cards, allocations, time, BITS, rng)
        } else {
            Genesis::new(name, cards, allocations, time, BITS)
        };
        let places = identities.into_iter().map(|(keypair, proof)| Place {
            keypair,
            proof,
            node: None,
            relay: None,
            keys: Kept::nothing(),
            journal: Vec::new(),
            durable: 0,
            past: Past::Known,
            notices: Vec::new(),
            links: BTreeMap::new(),
        });
        Self {
            now: Time::ZERO,
            linked,
            genesis: genesis.unwrap(),
            config: Config::default(),
            places: places.collect(),
            queue: BTreeMap::new(),
            sequence: 0,
            next_link: 0,
            closes: None,
            digest: Hash::hasher("bitcraps test digest"),
            #[cfg(feature = "simulation")]
            simulation: Default::default(),
        }
    }

    /// Where a start of this node begins to read its journal.
    fn beginning(&self, index: usize) -> Position {
        let mut beginnings = Beginnings::default();
        for (position, record) in (0..).map(Position).zip(&self.places[index].journal) {
            beginnings.note(position, record.label);
        }
        beginnings.newest().unwrap_or_default()
    }

    fn start(&mut self, index: usize) {
        let place = &mut self.places[index];
        place.journal.truncate(place.durable);
        let begins = self.beginning(index);
        let place = &mut self.places[index];
        let setup = Setup {
            genesis: self.genesis.clone(),
            keypair: place.keypair.clone(),
            proof: place.proof,
            seed: [index as u8; 32],
            config: self.config.clone(),
            past: place.past,
            begins,
            keys: place.keys.clone(),
        };
        let records = place.journal[begins.0 as usize..].to_vec();
        #[cfg(not(feature = "simulation"))]
        let node = Node::new(setup, self.now, records).unwrap();
        #[cfg(feature = "simulation")]
        let node = Node::simulated(setup, &self.simulation, self.now, records).unwrap();
        place.node = Some(node);
        self.carry_out(index);
        let unix_ms = START_MS + self.now.as_micros() / 1_000;
        self.give(index, Event::WallClock { unix_ms });
        self.link_up(index);
    }

    /// Links one that runs with all who run and whom it is to be linked with.
    fn link_up(&mut self, index: usize) {
        let runs = |place: &Place| place.node.is_some() || place.relay.is_some();
        let others: Vec<_> = (0..self.places.len())
            .filter(|other| *other != index && runs(&self.places[*other]))
            .filter(|other| (self.linked)(index, *other))
            .collect();
        for other in others {
            self.connect(index, other);
        }
    }

    fn connect(&mut self, one: usize, other: usize) {
        let ends = [(one, other, Direction::Outbound), (other, one, Direction::Inbound)];
        let named = ends.map(|(from, to, direction)| {
            self.next_link += 1;
            self.places[from].links.insert(to, LinkId(self.next_link));
            (from, to, direction, LinkId(self.next_link))
        });
        for (from, to, direction, link) in named {
            let endpoint = Endpoint { transport: 9, bytes: Bytes::from(vec![to as u8]) };
            let kind = LinkKind::Stream;
            self.give(from, Event::LinkUp { link, kind, mtu: 65_535, direction, endpoint });
        }
    }

    fn kill(&mut self, index: usize) {
        self.places[index].node = None;
        self.places[index].links.clear();
        for other in 0..self.places.len() {
            if let Some(link) = self.places[other].links.remove(&index) {
                self.give(other, Event::LinkDown { link });
            }
        }
    }

    fn give(&mut self, index: usize, event: Event) {
        let place = &mut self.places[index];
        if let Some(node) = &mut place.node {
            node.handle(self.now, event);
        } else if let Some(relay) = &mut place.relay {
            relay.handle(self.now, event);
        }
        self.carry_out(index);
    }

    fn carry_out(&mut self, index: usize) {
        let mut actions = VecDeque::new();
        if let Some(node) = &mut self.places[index].node {
            actions.extend(core::iter::from_fn(|| node.poll()));
        }
        if let Some(relay) = &mut self.places[index].relay {
            actions.extend(core::iter::from_fn(|| relay.poll()).map(as_of_a_node));
        }
        for action in actions {
            self.digest
                .update(alloc::format!("{} {index} {action:?}", self.now.as_micros()).as_bytes());
            match action {
                Action::Send { link, frame } => self.send(index, link, frame),
                Action::Persist { position, record } => {
                    let place = &mut self.places[index];
                    assert_eq!(position, Position(place.journal.len() as u64));
                    place.journal.push(record);
                    let count = place.journal.len();
                    self.later(Duration::from_millis(1), Step::Persisted { node: index, count });
                }
                Action::Load { key: Key::Block(height) } => {
                    let key = Key::Block(height);
                    let label = Label::Block(height);
                    let found = self.places[index].journal.iter().find(|it| it.label == label);
                    let bytes = found.map(|record| record.bytes.clone());
                    self.give(index, Event::Loaded { key, bytes });
                }
                Action::Close { link, reason } => {
                    let expected = self.closes.take();
                    assert_eq!(expected, Some((index, reason)), "{index} closes {link}");
                    self.cut(index, link);
                }
                Action::KeepKeys(keys) => self.places[index].keys = Kept::decode(&keys).unwrap(),
                Action::Dial { endpoint } => panic!("{index} dials {endpoint:?}"),
                Action::Notify(notice) => self.places[index].notices.push(notice),
            }
        }
    }

    /// The other side of a link that was closed hears of it, after what is under way.
    fn cut(&mut self, index: usize, link: LinkId) {
        let to = self.places[index].links.iter().find(|(_, it)| **it == link).map(|(to, _)| *to);
        if let Some(to) = to {
            self.places[index].links.remove(&to);
            self.later(Duration::from_millis(6), Step::Down { node: to, from: index });
        }
    }

    fn send(&mut self, index: usize, link: LinkId, frame: Bytes) {
        let to = self.places[index].links.iter().find(|(_, it)| **it == link).map(|(to, _)| *to);
        let back = to.and_then(|to| Some((to, *self.places[to].links.get(&index)?)));
        self.later(Duration::from_micros(100), Step::Sent { node: index, link });
        if let Some((to, link)) = back {
            self.later(Duration::from_millis(5), Step::Frame { to, link, frame });
        }
    }

    fn later(&mut self, delay: Duration, step: Step) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), step);
    }

    fn run_until(&mut self, span: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + span;
        while !done(self) {
            let queued = self.queue.first_key_value().map(|((time, _), _)| *time);
            let timers = self.places.iter().enumerate();
            let timer = timers
                .filter_map(|(index, place)| {
                    let relay = || place.relay.as_ref().and_then(Relay::deadline);
                    Some((place.node.as_ref().map_or_else(relay, Node::deadline)?, index))
                })
                .min();
            let next = queued.into_iter().chain(timer.map(|(time, _)| time)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = next;
            match (queued == Some(next), timer) {
                (true, _) => {
                    let (_, step) = self.queue.pop_first().expect("it was just looked at");
                    self.step(step);
                }
                (false, Some((_, index))) => self.give(index, Event::Tick),
                (false, None) => unreachable!("the next step is queued or a timer"),
            }
        }
        true
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Frame { to, link, frame } => {
                if self.places[to].links.values().any(|it| *it == link) {
                    self.give(to, Event::Received { link, frame });
                }
            }
            Step::Sent { node, link } => {
                if self.places[node].links.values().any(|it| *it == link) {
                    self.give(node, Event::Sent { link });
                }
            }
            Step::Down { node, from } => {
                if let Some(link) = self.places[node].links.remove(&from) {
                    self.give(node, Event::LinkDown { link });
                }
            }
            Step::Persisted { node, count } => {
                let place = &mut self.places[node];
                if place.node.is_some() && count <= place.journal.len() {
                    place.durable = place.durable.max(count);
                    self.give(node, Event::Persisted { position: Position(count as u64 - 1) });
                }
            }
        }
    }

    fn submit(&mut self, index: usize, operation: Operation) -> Result<CommandId, Refusal> {
        let node = self.places[index].node.as_mut().expect("it runs");
        let outcome = node.submit(self.now, Command::Operate(operation));
        self.carry_out(index);
        outcome
    }

    /// Submits, and waits until it is final everywhere.
    fn do_it(&mut self, index: usize, operation: Operation) {
        let id = self.submit(index, operation).unwrap();
        let done = |world: &Self| world.done(index, id).is_some();
        assert!(self.run_until(Duration::from_secs(60), done), "{}", self.why(index));
        let height = self.done(index, id).unwrap();
        let everywhere = |world: &Self| world.running().all(|node| node.status().height >= height);
        assert!(self.run_until(Duration::from_secs(60), everywhere), "{}", self.why(index));
    }

    fn done(&self, index: usize, id: CommandId) -> Option<Height> {
        self.places[index].notices.iter().find_map(|notice| match notice {
            Notice::Done { id: of, height, .. } if *of == id => Some(*height),
            Notice::Failed { id: of, rejection } if *of == id => panic!("failed: {rejection}"),
            _ => None,
        })
    }

    fn running(&self) -> impl Iterator<Item = &Node> {
        self.places.iter().filter_map(|place| place.node.as_ref())
    }

    fn node(&self, index: usize) -> &Node {
        self.places[index].node.as_ref().unwrap()
    }

    fn why(&self, index: usize) -> alloc::string::String {
        self.node(index).waiting_for()
    }

    fn address(&self, index: usize) -> Address {
        let Place { keypair, proof, .. } = &self.places[index];
        Address { peer: keypair.peer(), proof: *proof }
    }

    fn round(&self) -> Round {
        self.node(0).state().table(TABLE).unwrap().table.round()
    }

    fn open_table(&mut self) {
        let name = Text::new("the first table").unwrap();
        let operation = Operation::OpenTable { name, rules: rules(), bank: Chips(5_000) };
        self.do_it(0, operation);
    }

    fn bet(&mut self, index: usize, bet: &str, amount: u64) {
        let (round, amount) = (self.round(), Chips(amount));
        let bet = bet.parse().unwrap();
        self.do_it(index, Operation::Bet { table: TABLE, round, bet, amount });
    }

    /// Rolls and waits until the roll is settled on every running node.
    fn roll(&mut self, index: usize) -> Dice {
        let round = self.round();
        self.do_it(index, Operation::Roll { table: TABLE, round });
        let settled = |world: &Self| {
            world.running().all(|node| node.state().table(TABLE).unwrap().table.round() > round)
        };
        assert!(self.run_until(Duration::from_secs(60), settled), "{}", self.why(index));
        let shown = self.places[index].notices.iter().find_map(|notice| match notice {
            Notice::Rolled { table: TABLE, round: of, dice, .. } if *of == round => Some(*dice),
            _ => None,
        });
        shown.expect("the dice are shown before they are settled")
    }

    fn assert_equal_states(&mut self) {
        let highest = self.running().map(|node| node.status().height).max().unwrap();
        let level = |world: &Self| world.running().all(|node| node.status().height >= highest);
        assert!(self.run_until(Duration::from_secs(60), level));
        let roots: Vec<Hash> = self.running().map(|node| node.state().root()).collect();
        let heights: Vec<_> = self.running().map(|node| node.status().height).collect();
        if heights.windows(2).all(|pair| pair[0] == pair[1]) {
            assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "{roots:?}");
        }
        assert!(self.running().all(|node| node.state().conserved()));
    }
}

#[test]
fn four_nodes_agree_on_a_throw_of_the_dice() {
    let mut world = World::new(4, 0);
    world.open_table();
    for index in 1..3 {
        world.do_it(index, Operation::Sit { table: TABLE });
    }
    world.bet(1, "pass", 100);
    world.bet(2, "dont_pass", 50);
    let dice = world.roll(1);
    for place in &world.places {
        let shown = place.notices.iter().filter_map(|notice| match notice {
            Notice::Rolled { dice, .. } | Notice::Settled { dice, .. } => Some(*dice),
            _ => None,
        });
        assert_eq!(shown.collect::<Vec<_>>(), vec![dice, dice]);
    }
    world.assert_equal_states();
    assert_eq!(world.node(0).state().supply(), Chips(40_000));
}

#[test]
fn a_player_is_paid_plays_and_leaves_without_being_a_validator() {
    let mut world = World::new(2, 1);
    let refusal = world.submit(2, Operation::Sit { table: TABLE });
    assert_eq!(refusal, Err(Refusal::Rejected(Rejection::NoAccount)));
    world.open_table();
    let to = world.address(2);
    world.do_it(0, Operation::Transfer { to, amount: Chips(500) });
    world.do_it(2, Operation::Sit { table: TABLE });
    world.bet(2, "pass", 100);
    while world.node(0).state().table(TABLE).unwrap().table.bets().count() > 0 {
        world.roll(2);
    }
    world.do_it(2, Operation::Stand { table: TABLE });
    let balance = world.node(1).state().account(&to.peer).unwrap().balance;
    assert!(balance == Chips(400) || balance == Chips(600), "{balance:?}");
    world.assert_equal_states();
}

#[test]
fn nodes_in_a_line_hear_one_another_through_those_between() {
    let mut world = World::with_links(4, 1, |one, other| one.abs_diff(other) == 1);
    world.open_table();
    let to = world.address(4);
    world.do_it(0, Operation::Transfer { to, amount: Chips(500) });
    world.do_it(4, Operation::Sit { table: TABLE });
    world.bet(4, "pass", 100);
    world.roll(4);
    world.assert_equal_states();
}

#[test]
fn a_killed_validator_is_missed_by_nobody_and_catches_up() {
    let mut world = World::new(4, 0);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 10);
    world.kill(3);
    for _ in 0..10 {
        if world.node(0).state().table(TABLE).unwrap().table.bets().count() == 0 {
            world.bet(1, "pass", 10);
        }
        world.roll(1);
    }
    let height = world.node(0).status().height;
    world.start(3);
    let caught_up = |world: &World| world.node(3).status().height >= height;
    assert!(world.run_until(Duration::from_secs(30), caught_up), "{}", world.why(3));
    world.assert_equal_states();
}

#[test]
fn with_two_of_four_killed_nothing_is_final_and_restarted_they_go_on() {
    let mut world = World::new(4, 0);
    world.open_table();
    world.kill(2);
    world.kill(3);
    let to = world.address(1);
    let id = world.submit(0, Operation::Transfer { to, amount: Chips(1) }).unwrap();
    let done = |world: &World| world.done(0, id).is_some();
    assert!(!world.run_until(Duration::from_secs(120), done));
    assert!(world.why(0).contains("waiting for"), "{}", world.why(0));
    world.start(2);
    assert!(world.run_until(Duration::from_secs(120), done), "{}", world.why(0));
    world.start(3);
    world.assert_equal_states();
}

#[test]
fn all_nodes_may_stop_at_once_while_the_dice_are_rolling() {
    for moment in 0..12 {
        let mut world = World::new(4, 0);
        world.open_table();
        world.do_it(1, Operation::Sit { table: TABLE });
        world.bet(1, "pass", 10);
        let round = world.round();
        world.submit(1, Operation::Roll { table: TABLE, round }).unwrap();
        world.run_until(Duration::from_millis(4 * moment), |_| false);
        (0..4).for_each(|index| world.kill(index));
        (0..4).for_each(|index| world.start(index));
        world.run_until(Duration::from_secs(2), |world| world.round() > round);
        if world.round() == round {
            // The transaction may have been lost with the memory of everybody; then it is sent
            // again, and refused if it was not lost after all.
            let _ = world.submit(1, Operation::Roll { table: TABLE, round });
        }
        let settled = |world: &World| world.round() > round;
        assert!(world.run_until(Duration::from_secs(60), settled), "{}", world.why(0));
        world.assert_equal_states();
    }
}

#[test]
fn bad_commands_are_refused_and_move_nothing() {
    let mut world = World::new(4, 0);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    let to = world.address(2);
    let round = world.round();
    let bet = |bet: &str, amount: u64, round: Round| Operation::Bet {
        table: TABLE,
        round,
        bet: bet.parse().unwrap(),
        amount: Chips(amount),
    };
    for (index, operation, word) in [
        (1, Operation::Transfer { to, amount: Chips(10_001) }, "only"),
        (1, Operation::Transfer { to, amount: Chips(0) }, "at least"),
        (1, bet("pass", 20_000, round), ""),
        (1, bet("boxcars", 9_000, round), "bank"),
        (1, bet("pass", 10, round.next()), "round"),
        (2, bet("pass", 10, round), "seat"),
        (1, bet("come", 10, round), ""),
        (1, Operation::Roll { table: TableId(9), round }, "table"),
        (1, Operation::CloseTable { table: TABLE }, "own"),
    ] {
        let before = world.node(index).state().root();
        let refusal = world.submit(index, operation.clone()).expect_err("it is refused");
        let sentence = refusal.to_string();
        assert!(sentence.to_lowercase().contains(word), "{operation:?}: {sentence}");
        assert_eq!(world.node(index).state().root(), before);
    }
    world.assert_equal_states();
}

/// A digest over all that four nodes do while a table is opened and played at.
fn digest_of_a_game() -> Hash {
    let mut world = World::new(4, 0);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 100);
    world.kill(3);
    world.roll(1);
    world.start(3);
    world.assert_equal_states();
    Hash::from(&mut world.digest)
}

#[test]
fn an_event_that_comes_after_many_deadlines_serves_them_all() {
    let mut world = World::new(4, 0);
    world.open_table();
    let to = world.address(1);
    world.submit(0, Operation::Transfer { to, amount: Chips(1) }).unwrap();
    // Any event will do, and none but the clock's: by now pings, statuses, votes and offers of
    // waiting transactions are overdue. `handle` asserts that the next deadline lies ahead.
    world.now = world.now + Duration::from_secs(20);
    for index in 0..4 {
        world.give(index, Event::WallClock { unix_ms: START_MS + 20_000 });
        let deadline = world.node(index).deadline().unwrap();
        assert!(deadline > world.now);
    }
    world.assert_equal_states();
}

#[test]
fn the_same_seed_gives_the_same_actions() {
    assert_eq!(digest_of_a_game(), digest_of_a_game());
}

#[test]
#[expect(clippy::print_stdout, reason = "how the other process answers")]
fn the_same_seed_gives_the_same_actions_in_another_process() {
    const NAME: &str = "node::tests::the_same_seed_gives_the_same_actions_in_another_process";
    const ROLE: &str = "BITCRAPS_TEST_IS_THE_OTHER_PROCESS";
    if std::env::var_os(ROLE).is_some() {
        std::println!("digest {}", digest_of_a_game());
        return;
    }
    // Another address space, environment and working directory.
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.env_clear().env(ROLE, "1").current_dir("/");
    let output = command.args(["--exact", NAME, "--nocapture"]).output().unwrap();
    let said = alloc::string::String::from_utf8(output.stdout).unwrap();
    let digest = alloc::format!("digest {}", digest_of_a_game());
    assert!(output.status.success() && said.contains(&digest), "{digest}, not {said}");
}

#[test]
fn craps_refusals_reach_the_player_in_words() {
    let refusal = Refusal::Rejected(Rejection::Table(craps::Refusal::NotSeated));
    assert!(refusal.to_string().contains("seat"), "{refusal}");
}

#[cfg(feature = "simulation")]
mod simulated {
    use super::*;
    use crate::consensus::{Message, Statement};
    use crate::node::{Packet, To};
    use crate::simulation::{Observation, Signatures, Simulation};

    fn play(simulation: Simulation) -> World {
        let mut world = World::asleep(4, 0, |_, _| true, true);
        world.simulation = simulation;
        (0..4).for_each(|index| world.start(index));
        world.open_table();
        world.do_it(1, Operation::Sit { table: TABLE });
        world.bet(1, "pass", 100);
        world.roll(1);
        world.assert_equal_states();
        world
    }

    #[test]
    fn clear_links_and_cheap_signatures_change_neither_the_chain_nor_the_dice() {
        let facts = |simulation| {
            let world = play(simulation);
            let dice = world.places[0].notices.iter().find_map(|notice| match notice {
                Notice::Rolled { dice, .. } => Some(*dice),
                _ => None,
            });
            (world.now, world.node(0).status().height, dice)
        };
        let ordinary = facts(Simulation::default());
        for signatures in [Signatures::remembered(), Signatures::StandIn([5; 32])] {
            let simulation = Simulation { signatures, clear_links: true, ..Default::default() };
            assert_eq!(facts(simulation), ordinary);
        }
    }

    #[test]
    fn remembered_verdicts_give_the_very_same_run() {
        let digest = |signatures| {
            let mut world = play(Simulation { signatures, ..Default::default() });
            Hash::from(&mut world.digest)
        };
        assert_eq!(digest(Signatures::Strict), digest(Signatures::remembered()));
    }

    #[test]
    fn what_is_held_back_leaves_only_when_released() {
        let mut world = World::asleep(4, 0, |_, _| true, true);
        for index in 0..4 {
            let held = index == 3;
            world.simulation = Simulation { holds_outgoing: held, ..Default::default() };
            world.start(index);
        }
        world.run_until(Duration::from_secs(60), |_| false);
        let now = world.now;
        let (mut votes, mut others) = (0, 0);
        let node = world.places[3].node.as_mut().unwrap();
        while let Some(outgoing) = node.outgoing() {
            match outgoing.packet().unwrap() {
                Packet::Consensus(Message::Vote(_) | Message::Proposal(_)) => {
                    assert!(matches!(outgoing.to, To::Everybody { .. } | To::Others { .. }));
                    votes += 1;
                }
                _ => others += 1,
            }
            node.release(now, outgoing);
        }
        assert!(votes > 0 && others > 0, "{votes} votes and {others} others");
        world.carry_out(3);
        world.assert_equal_states();
    }

    #[test]
    fn an_observed_node_tells_its_votes_its_certificates_and_its_shares() {
        let mut world = play(Simulation { observed: true, ..Default::default() });
        let own = world.node(2).consensus.index().unwrap();
        let node = world.places[2].node.as_mut().unwrap();
        let mut counts = [0; 6];
        while let Some(observation) = node.observation() {
            let kind = match observation {
                Observation::Vote(vote) => {
                    assert_eq!(vote.voter, own);
                    match vote.statement {
                        Statement::Notarize { .. } => 0,
                        Statement::Finalize { .. } => 1,
                        Statement::Nullify { .. } => continue,
                    }
                }
                Observation::Notarization(_) => 2,
                Observation::Finalization(_) => 3,
                Observation::Nullification(_) => continue,
                Observation::Share { with: Some(_), .. } => 4,
                Observation::Share { with: None, .. } | Observation::Heard { .. } => continue,
            };
            counts[kind] += 1;
        }
        assert!(counts[..5].iter().all(|count| *count > 0), "{counts:?}");
    }
}
