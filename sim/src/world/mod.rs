//! One world: nodes in places, links between them, a queue of what happens next. It owns time,
//! disks, clocks and links, and does to them what the [decisions](crate::decision) say.

mod actions;
mod choice;
mod disks;
mod founding;
mod links;
mod steps;
#[cfg(test)]
mod tests;
mod written;

use std::collections::{BTreeMap, VecDeque};

use bitcraps_protocol::block::{Height, ValidatorIndex};
use bitcraps_protocol::chain::{Genesis, Operation};
use bitcraps_protocol::consensus::{ValidatorSet, Vote};
use bitcraps_protocol::event::{Command, CommandId, Event, Position, Refusal};
use bitcraps_protocol::identity::{Address, Context, Epoch, Keypair, ProofOfWork};
use bitcraps_protocol::keyring::{Kept, NetworkKey};
use bitcraps_protocol::node::{self, Node, Past, Setup, SnapshotConfig};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::{Flaws, Signatures, Simulation};
use bitcraps_protocol::time::Time;

use crate::adversary::{Hostile, Part};
use crate::canary;
use crate::checks::{Check, Checks, Violation};
use crate::clock::Clock;
use crate::config::{Config, root};
use crate::decision::{Decisions, TimedFault};
use crate::digest::Digest;
use crate::disk::Disk;
use crate::network::Network;
use crate::plan::{self, Roles};
use crate::process::Process;
use crate::queue::{Calendar, Queue};
use crate::recorder::{Kind, Recorder};
use crate::topology::Links;
use crate::workload::Player;
use founding::found;
use steps::Step;
use written::Written;

/// Nodes above which each is given less memory than a process of its own would have.
const MANY_PLACES: usize = 64;

/// Gossip messages that each of many nodes remembers: several views' worth.
const MANY_SEEN: usize = 2_048;

/// Validators in whose networks every vote that is heard is looked at: with more, that would take
/// much of the time.
const OVERHEARD_NODES: u16 = 40;

/// Events after which it is told again how far a world is: far less than a second's.
const EVENTS_A_TELLING: u64 = 4_096;

/// One node's place in the world; it outlives the processes that run there.
#[derive(Debug)]
pub struct Place {
    /// Its key and proof of work.
    pub keypair: Keypair,
    /// The proof of work.
    pub proof: ProofOfWork,
    /// What runs there now.
    pub process: Option<Process>,
    /// Its journal.
    pub disk: Disk,
    /// Its clocks.
    pub clock: Clock,
    /// How many processes ran there.
    pub life: u32,
    /// The next wake-up in the queue.
    wake: Option<Time>,
    /// When everything written so far is durable.
    synced_at: Time,
    /// Whether it is cut off for good.
    pub gone: bool,
    /// Whether its journal is younger than its key.
    pub lost: bool,
    /// The keys of a private network, as the process here has kept them.
    pub keys: Kept,
    /// Votes in its journal that are not durable yet, by how many records there are with each.
    promises: VecDeque<(usize, Vote)>,
    syncs: Rng,
    /// Commands that were accepted by the process here and whose end is not known, and whether each
    /// is a transfer.
    pub commands: BTreeMap<CommandId, bool>,
    /// The newest final height it has reported.
    pub height: Height,
}

/// Counters of faults that happened and of rare states that were reached, by name.
pub type Counters = BTreeMap<&'static str, u64>;

/// Everything.
#[derive(Debug)]
pub struct World {
    /// What it was made from.
    pub config: Config,
    /// Who is hostile or has a broken disk.
    pub roles: Roles,
    /// Simulated time.
    pub now: Time,
    /// Everybody.
    pub places: Vec<Place>,
    /// All links.
    pub network: Network,
    /// Who could be linked to whom.
    pub links: Links,
    /// What was and is to be decided.
    pub decisions: Decisions,
    /// What must hold.
    pub checks: Checks,
    /// What it adds up to.
    pub digest: Digest,
    /// Who watches, if somebody does.
    pub recorder: Recorder,
    /// Who is told now and then how far it is, if somebody is; it changes nothing.
    pub told: Option<fn(&Self)>,
    /// Faults and rare states.
    pub counters: Counters,
    /// How often hostile nodes followed each strategy.
    pub followed: Counters,
    /// Events so far.
    pub events: u64,
    /// Records that were checked before, when another node wrote the same.
    written: Written,
    timed: Vec<(u64, TimedFault)>,
    queue: Calendar<Step>,
    player: Player,
    genesis: Genesis,
    leaders: ValidatorSet,
    settings: node::Config,
    simulation: Simulation,
    seeds: Rng,
    paused: bool,
}

impl World {
    /// The world of a configuration, in which everybody has just started. With a list of
    /// decisions, those and no others are made.
    pub fn new(config: Config, listed: Option<&[crate::decision::Decision]>) -> Self {
        let rng = root(config.seed);
        let roles = Roles::drawn(&config, &rng);
        let (decisions, timed) = match listed {
            Some(list) => Decisions::listed(list),
            None => {
                let timed = plan::draw(&config, &roles, &rng);
                (Decisions::drawn(&timed), timed)
            }
        };
        let honest = (0..config.places()).filter(|place| !roles.byzantine.contains(place));
        let honest = honest.collect();
        let links = config.topology.links(config.places(), &honest, &mut rng.fork("topology"));
        let network = Network::new(&config, &links, &rng);
        let (genesis, identities) = (*found(&config, &rng)).clone();
        let degree = (0..config.places()).map(|place| network.pairs_of(place).len()).max();
        let mut settings = node::Config::default();
        if config.snapshot_blocks > 0 {
            let (interval, threshold) = (config.snapshot_blocks, 2 * config.snapshot_blocks);
            settings.snapshots = SnapshotConfig { interval, threshold, ..settings.snapshots };
        }
        match config.views {
            Some(most) => {
                let most = usize::from(most);
                settings.mesh.links = most;
                settings.mesh.wanted_links = most.saturating_sub(1).max(1);
            }
            None => {
                settings.mesh.links = settings.mesh.links.max(2 * degree.unwrap_or(0) + 8);
            }
        }
        if config.places() > MANY_PLACES {
            settings.mesh.seen_messages = MANY_SEEN;
        }
        let mut drift = rng.fork("clocks");
        let places = identities.into_iter().enumerate().map(|(index, (keypair, proof))| Place {
            keypair,
            proof,
            process: None,
            disk: Disk::default(),
            clock: clock(&config, &mut drift),
            life: 0,
            wake: None,
            synced_at: Time::ZERO,
            gone: false,
            lost: false,
            keys: keys(&config),
            promises: VecDeque::new(),
            syncs: rng.fork(&format!("disk {index}")),
            commands: BTreeMap::new(),
            height: Height(0),
        });
        let places: Vec<Place> = places.collect();
        let peers = genesis.validators.iter().map(|card| card.address.peer).collect();
        let context = Context { network: genesis.network(), epoch: Epoch(0) };
        let simulation = simulation(&config);
        let validators =
            ValidatorSet::new(peers, &context).checked_by(simulation.signatures.clone());
        let mut world = Self {
            leaders: validators.clone(),
            checks: Checks::new(
                &roles,
                validators,
                context,
                &genesis,
                simulation.signatures.clone(),
                &places,
            ),
            player: Player::new(&config, &rng),
            roles,
            now: Time::ZERO,
            places,
            network,
            links,
            decisions,
            digest: Digest::default(),
            recorder: Recorder::default(),
            told: None,
            counters: Counters::new(),
            followed: Counters::new(),
            events: 0,
            written: Written::default(),
            timed,
            queue: Calendar::default(),
            genesis,
            settings,
            simulation,
            seeds: rng.fork("processes"),
            paused: false,
            config,
        };
        for index in 0..world.timed.len() {
            let at = Time::from_micros(world.timed[index].0);
            world.queue.push(at, Step::Timed { index: index as u32 });
        }
        world.queue.push(Time::ZERO, Step::Play);
        (0..world.places.len()).for_each(|place| world.start(place));
        world
    }

    /// Goes on until this simulated time, or until something is violated.
    pub fn run_until(&mut self, end: Time) -> Result<(), Violation> {
        self.queue.push(end, Step::Pause);
        self.paused = false;
        while !self.paused {
            let Some((now, step)) = self.queue.pop() else { break };
            self.now = now;
            self.events += 1;
            self.step(step);
            if let Some(told) = self.told.filter(|_| self.events.is_multiple_of(EVENTS_A_TELLING)) {
                told(self);
            }
            if let Some(violation) = self.checks.violation() {
                return Err(violation);
            }
        }
        Ok(())
    }

    /// Frames on their way or held up.
    pub fn in_flight(&self) -> u64 {
        let delivers = |step: &&Step| matches!(step, Step::Deliver { .. });
        self.queue.iter().filter(delivers).count() as u64 + self.network.held()
    }

    /// Counts a fault or a rare state.
    pub fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_default() += 1;
    }

    /// Something does not hold.
    pub fn violate(&mut self, check: Check, place: usize, message: String) {
        self.checks.violate(self.now, check, place, message);
    }

    /// The node that runs in a place.
    pub fn node(&self, place: usize) -> Option<&Node> {
        self.places[place].process.as_ref().and_then(Process::node)
    }

    /// The address of a place.
    pub fn address(&self, place: usize) -> Address {
        let Place { keypair, proof, .. } = &self.places[place];
        Address { peer: keypair.peer(), proof: *proof }
    }

    /// Whether a place is honest and its disk keeps its word. It may lose its disk all the same:
    /// then it must ask the others before it votes.
    pub fn is_sound(&self, place: usize) -> bool {
        !self.roles.byzantine.contains(&place) && !self.roles.liars.contains(&place)
    }

    /// The network's beginning.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The longest that nodes let a view take.
    pub const fn timeout_max(&self) -> core::time::Duration {
        self.settings.consensus.timeout_max
    }

    /// Does for a place's player what it asks for.
    pub fn submit(&mut self, place: usize, command: Command) -> Option<Result<CommandId, Refusal>> {
        let now = self.places[place].clock.local(self.now);
        let transfer = matches!(command, Command::Operate(Operation::Transfer { .. }));
        let ends = matches!(command, Command::Operate(_) | Command::Submit(_));
        let process = self.places[place].process.as_mut()?;
        let outcome = process.submit(now, command, &mut self.decisions);
        if let Ok(id) = &outcome
            && ends
        {
            // Before anything is carried out: a full disk may end the process, and with it this.
            self.places[place].commands.insert(*id, transfer);
        }
        self.note(Kind::Submit, place, u64::from(outcome.is_ok()));
        self.carry_out(place);
        Some(outcome)
    }

    /// Makes room on a place's disk, and starts a process from what it holds unless one runs.
    pub fn start(&mut self, place: usize) {
        let it = &mut self.places[place];
        (it.disk.full, it.disk.unreadable) = (false, false);
        if it.process.is_some() || it.gone {
            return;
        }
        let (begins, records) = it.disk.image().unwrap_or_else(|_| {
            // The driver refuses; an operator puts the journal away, and says that it is lost.
            *self.counters.entry("damaged journal refused").or_default() += 1;
            it.disk.wipe();
            it.lost = true;
            (Position(0), Vec::new())
        });
        it.life += 1;
        let (life, local) = (it.life, it.clock.local(self.now));
        let seed = self.seeds.fork(&format!("{place} {life}")).bytes32();
        let setup = || Setup {
            genesis: self.genesis.clone(),
            keypair: it.keypair.clone(),
            proof: it.proof,
            seed,
            config: self.settings.clone(),
            past: if it.lost { Past::Lost } else { Past::Known },
            begins,
            keys: it.keys.clone(),
        };
        let process = if self.roles.byzantine.contains(&place) {
            let nth = self.roles.byzantine.range(..place).count();
            let part = Part::of(&self.config, place, nth);
            let rng = self.seeds.fork(&format!("hostile {place} {life}"));
            Hostile::new(part, setup, &self.simulation, rng, local, records)
                .map(|hostile| Process::Hostile(Box::new(hostile)))
        } else {
            Node::simulated(setup(), &self.simulation, local, records)
                .map(|node| Process::Honest(Box::new(node)))
        };
        let process = match process {
            Ok(process) => process,
            Err(reason) => {
                return self.violate(Check::Recovery, place, reason.to_string());
            }
        };
        it.height = process.node().map(|node| node.status().height).unwrap_or_default();
        let height = it.height;
        it.synced_at = self.now;
        it.process = Some(process);
        if life > 1 {
            self.count("restarted");
        }
        if begins > Position(0) {
            self.count("restarted from a base");
        }
        self.checks.restarted(place, height, begins > Position(0));
        self.note(Kind::Start, place, u64::from(life));
        self.carry_out(place);
        self.queue.push(self.now, Step::WallClock { place: place as u32, life });
        if self.nodes_choose() {
            self.advertise(place);
        }
        for pair in self.network.pairs_of(place).to_vec() {
            self.dial(pair);
        }
    }

    /// Ends the process in a place; its links go down.
    pub fn stop(&mut self, place: usize) {
        let it = &mut self.places[place];
        if it.process.take().is_none() {
            return;
        }
        it.commands.clear();
        self.note(Kind::Stop, place, 0);
        for pair in self.network.pairs_of(place).to_vec() {
            self.disconnect(pair, Some(place));
        }
    }

    /// Gives an event to the process in a place, and does what it wants.
    fn give(&mut self, place: usize, event: Event) {
        let now = self.places[place].clock.local(self.now);
        if let Some(process) = &mut self.places[place].process {
            process.handle(now, event, &mut self.decisions);
            self.carry_out(place);
        }
    }

    /// Enters an event into the digest, and tells whoever watches.
    fn note(&mut self, kind: Kind, place: usize, what: u64) {
        self.digest.time(self.now);
        self.digest.word((place as u64) << 8 | kind as u64);
        self.digest.word(what);
        self.recorder.note(self.now, kind, place, what, self.digest);
    }
}

/// What everybody who is invited is given.
fn keys(config: &Config) -> Kept {
    if !config.private {
        return Kept::nothing();
    }
    Kept::of(NetworkKey::first(&mut root(config.seed).fork("network key")))
}

/// What is different about all nodes of a world.
fn simulation(config: &Config) -> Simulation {
    let flaws = config.flaws.iter().filter_map(|name| canary::flaw(name));
    Simulation {
        flaws: flaws.fold(Flaws::NONE, Flaws::and),
        signatures: if config.stand_in {
            Signatures::StandIn(root(config.seed).fork("signatures").bytes32())
        } else {
            Signatures::remembered()
        },
        clear_links: config.link.clear,
        observed: true,
        overheard: config.nodes <= OVERHEARD_NODES,
        ..Simulation::default()
    }
}

fn clock(config: &Config, rng: &mut Rng) -> Clock {
    let most = u64::from(config.faults.drift_ppm);
    Clock {
        offset_micros: rng.below(1_000_000_000),
        drift_ppm: rng.below(2 * most + 1) as i64 - most as i64,
        wall_error_ms: rng.below(200) as i64 - 100,
    }
}

/// The place of a validator.
pub const fn place_of(validator: ValidatorIndex) -> usize {
    validator.0 as usize
}
