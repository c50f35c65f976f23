//! One run: a while in which things go wrong, then everything is healed and progress is demanded.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use bitcraps_protocol::block::ValidatorIndex;
use bitcraps_protocol::event::CommandId;
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;
use serde::{Deserialize, Serialize};

use crate::checks::{Check, Tally, Violation};
use crate::config::Config;
use crate::decision::Decision;
use crate::network::Traffic;
use crate::plan::Roles;
use crate::recorder::Timeline;
use crate::topology::{self, Links};
use crate::world::World;

/// What a run is to leave behind besides its report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch<'a> {
    /// A trace of every event.
    pub trace: Option<&'a Path>,
    /// A timeline, with flights sent in this span of microseconds.
    pub timeline: Option<(u64, u64)>,
    /// Who is told now and then how far the run is.
    pub told: Option<fn(&World)>,
}

/// What came of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub config: Config,
    /// The run's fingerprint, in hexadecimal.
    pub digest: String,
    /// What does not hold, if something does not.
    pub violation: Option<Violation>,
    /// Events carried out.
    pub events: u64,
    /// Simulated microseconds.
    pub simulated_us: u64,
    /// Real microseconds; no part of the digest.
    pub real_us: u64,
    /// What the network did.
    pub traffic: Traffic,
    /// Whom honest nodes have chosen to be linked with at the end, if they did.
    #[serde(default)]
    pub views: Option<Views>,
    /// How gossip has come to the honest nodes that run at the end.
    #[serde(default)]
    pub gossip: bitcraps_protocol::mesh::Tally,
    /// What honest nodes got done.
    pub tally: Tally,
    /// Faults and rare states by name.
    pub counters: BTreeMap<String, u64>,
    /// How often hostile nodes followed each strategy.
    #[serde(default)]
    pub followed: BTreeMap<String, u64>,
    /// How the second phase went, if it was reached.
    pub liveness: Option<Liveness>,
}

/// How much of the time allowed after healing was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// Nodes that had to make progress.
    pub core: u32,
    /// The greatest distance between two of them.
    pub diameter: u32,
    /// B = (f + c) · timeout + d · Δ, in microseconds.
    pub bound_us: u64,
    /// What was needed.
    pub needed_us: u64,
}

impl Liveness {
    /// What was needed of what was allowed, in thousandths.
    pub const fn permille(&self) -> u64 {
        match (self.needed_us * 1_000).checked_div(self.bound_us) {
            Some(permille) => permille,
            None => 0,
        }
    }
}

/// A report with what it took to get there.
#[derive(Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// Every decision that was made, to do it again.
    pub decisions: Vec<Decision>,
    /// The timeline, if one was asked for.
    pub timeline: Option<Timeline>,
}

/// The links among nodes that choose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Views {
    /// The fewest links of one honest node.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// The greatest distance between two honest nodes over honest ones.
    pub diameter: u32,
    /// Whether there is such a way between any two.
    pub connected: bool,
}

/// Leaders besides f bad ones in a row that may fail before blocks follow one another: the view
/// under way, the one that ends the outage, and one for each of two doublings that a restart
/// forgot.
const VIEWS_BESIDES: u64 = 4;

/// Blocks that a run of the key generation waits in each of its stages, besides one for every
/// member.
const KEY_PATIENCE_BLOCKS: u64 = 32;

/// How often progress is looked at.
const LOOK_EVERY_US: u64 = 50_000;

/// Looks without any change of honest nodes' states after which a run counts as stuck for good.
const LASSO_LOOKS: usize = 64;

/// Runs a configuration: with decisions drawn from its seed, or exactly the listed ones.
pub fn run(config: &Config, listed: Option<&[Decision]>, watch: Watch<'_>) -> Outcome {
    let started = Instant::now();
    let mut slot = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let world = slot.insert(World::new(config.clone(), listed));
        world.told = watch.told;
        if let Some(path) = watch.trace {
            let file = File::create(path).expect("the trace's file can be made");
            world.recorder.trace_into(file).expect("the trace can be written");
        }
        if let Some(span) = watch.timeline {
            world.recorder.keep_timeline(span);
        }
        phases(world)
    }));
    let Some(mut world) = slot else {
        return stillborn(config, started, result.err());
    };
    let (violation, liveness) = match result {
        Ok((liveness, Ok(()))) => (None, liveness),
        Ok((liveness, Err(violation))) => (Some(violation), liveness),
        Err(panic) => (Some(panicked(world.now, panic.as_ref())), None),
    };
    world.recorder.finish().expect("the trace can be written");
    let reached = world.counters.iter().chain(&world.checks.reached);
    let counters = reached.map(|(name, count)| (name.to_string(), *count));
    let followed = world.followed.iter().map(|(name, count)| (name.to_string(), *count));
    let report = Report {
        digest: format!("{:016x}", world.digest.value()),
        violation,
        events: world.events,
        simulated_us: world.now.as_micros(),
        real_us: started.elapsed().as_micros() as u64,
        traffic: world.network.traffic,
        views: world.views(),
        gossip: world.gossip(),
        tally: world.checks.tally.clone(),
        counters: counters.collect(),
        followed: followed.collect(),
        liveness,
        config: config.clone(),
    };
    let timeline = world.recorder.take_timeline();
    Outcome { report, decisions: world.decisions.made().to_vec(), timeline }
}

fn stillborn(
    config: &Config,
    started: Instant,
    panic: Option<Box<dyn std::any::Any + Send>>,
) -> Outcome {
    let violation = panic.map(|panic| panicked(Time::ZERO, panic.as_ref()));
    let report = Report {
        config: config.clone(),
        digest: String::new(),
        violation,
        events: 0,
        simulated_us: 0,
        real_us: started.elapsed().as_micros() as u64,
        traffic: Traffic::default(),
        views: None,
        gossip: Default::default(),
        tally: Tally::default(),
        counters: BTreeMap::new(),
        followed: BTreeMap::new(),
        liveness: None,
    };
    Outcome { report, decisions: Vec::new(), timeline: None }
}

thread_local! {
    /// Where the last panic of this thread was.
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Lets panics be told in reports, with their place, and nowhere else.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        LOCATION.with(|last| *last.borrow_mut() = location);
    }));
}

fn panicked(now: Time, panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
    let message = LOCATION.with(|location| format!("{text} ({})", location.borrow()));
    Violation { at: now.as_micros(), check: Check::Panic, place: None, message }
}

fn phases(world: &mut World) -> (Option<Liveness>, Result<(), Violation>) {
    let faulty = Time::from_micros(world.config.faulty_ms * 1_000);
    if let Err(violation) = world.run_until(faulty) {
        return (None, Err(violation));
    }
    let core = heal(world);
    let (liveness, result) = demand_progress(world, &core);
    let result = result.and_then(|()| demand_key(world, &core)).and_then(|()| account(world));
    (Some(liveness), result)
}

/// Heals a core of n − f sound validators, and leaves the hostile ones as they are and the others
/// dead.
fn heal(world: &mut World) -> BTreeSet<usize> {
    let core = choose_core(&world.config, &world.roles, &world.links);
    for place in 0..world.places.len() {
        if !core.contains(&place) && !world.roles.byzantine.contains(&place) {
            world.stop(place);
            world.places[place].gone = true;
        }
    }
    world.heal_links();
    core.iter().for_each(|place| world.start(*place));
    core
}

/// Demands that the core makes blocks final, and transfers, within the bound.
fn demand_progress(world: &mut World, core: &BTreeSet<usize>) -> (Liveness, Result<(), Violation>) {
    let start = world.now;
    let goal = world.checks.tally.height + world.config.blocks;
    let owed = owed(world, core);
    let diameter = topology::diameter(&world.links, core);
    let bound_us = bound(world, diameter);
    let mut liveness = Liveness { core: core.len() as u32, diameter, bound_us, needed_us: 0 };
    let mut seen = Vec::new();
    loop {
        let next = Time::from_micros(world.now.as_micros() + LOOK_EVERY_US);
        if let Err(violation) = world.run_until(next) {
            return (liveness, Err(violation));
        }
        liveness.needed_us = (world.now - start).as_micros() as u64;
        if is_done(world, core, goal, &owed) {
            return (liveness, Ok(()));
        }
        if liveness.needed_us + LASSO_LOOKS as u64 * 4 * LOOK_EVERY_US > bound_us {
            seen.push(condition(world, core));
        }
        if liveness.needed_us > bound_us {
            let message = format!(
                "after {} ms, {}: {}",
                liveness.needed_us / 1_000,
                lasso(&seen),
                missing(world, core, goal, &owed).join("; ")
            );
            let at = world.now.as_micros();
            let violation = Violation { at, check: Check::Liveness, place: None, message };
            return (liveness, Err(violation));
        }
    }
}

/// Demands that the core has a dice key and a share of it each, within as many blocks as the key
/// generation may take: a run of two stages for each of f dealers who may deal badly, one more, and
/// one that is under way.
fn demand_key(world: &mut World, core: &BTreeSet<usize>) -> Result<(), Violation> {
    let start = world.checks.tally.height;
    let (f, n) = (u64::from(world.config.tolerated()), u64::from(world.config.nodes));
    let blocks = (f + 2) * 2 * (KEY_PATIENCE_BLOCKS + n + 1);
    let patience_us = bound(world, topology::diameter(&world.links, core));
    let (mut height, mut moved) = (start, world.now);
    loop {
        let lacking: Vec<usize> =
            core.iter().copied().filter(|place| !has_share(world, *place)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        if world.checks.tally.height > height {
            (height, moved) = (world.checks.tally.height, world.now);
        }
        let stuck = (world.now - moved).as_micros() as u64 > patience_us;
        if stuck || height > start + blocks {
            let stands = |place: usize| world.node(place)?.state().generation().map(|it| it.stage);
            let stage = lacking.first().and_then(|place| stands(*place));
            let message = format!(
                "after {} blocks nodes {lacking:?} have no share of a dice key: {stage:?}",
                height - start
            );
            let at = world.now.as_micros();
            return Err(Violation { at, check: Check::Liveness, place: None, message });
        }
        world.run_until(Time::from_micros(world.now.as_micros() + LOOK_EVERY_US))?;
    }
}

/// Whether the key is in force where this place stands, and it is known to have a share if it is a
/// validator.
fn has_share(world: &World, place: usize) -> bool {
    let Some(state) = world.node(place).map(Node::state) else { return false };
    let Some(generation) = state.generation() else { return true };
    let index = ValidatorIndex(place as u16);
    let validates = place < usize::from(world.config.nodes);
    state.meta().dice_key.is_some() && (!validates || generation.attested.contains(&index))
}

/// n − f sound validators and all players, connected without anybody hostile. A validator whose disk
/// broke goes on only where it takes it to join the others, and beside those n − f: it counts among
/// the f until it is done, and it cannot be done before the others have gone on without it.
fn choose_core(config: &Config, roles: &Roles, links: &Links) -> BTreeSet<usize> {
    let faulty = roles.faulty();
    let mut core: BTreeSet<usize> =
        (0..config.places()).filter(|place| !faulty.contains(place)).collect();
    let nodes = usize::from(config.nodes);
    let quorum = nodes - usize::from(config.tolerated());
    if !topology::connected(links, &core) {
        core.extend((0..config.places()).filter(|it| !roles.byzantine.contains(it)));
    }
    for victim in (0..nodes).rev() {
        let sound = core.iter().filter(|it| **it < nodes && !faulty.contains(it)).count();
        let needed = !faulty.contains(&victim) && sound <= quorum;
        if needed || !core.remove(&victim) {
            continue;
        }
        if !topology::connected(links, &core) {
            core.insert(victim);
        }
    }
    core
}

/// B = (f + c) · timeout_max + d · Δ, where Δ is what one hop may take with everything that a slow
/// link still has to send, and a wait for the idle interval with each block.
fn bound(world: &World, diameter: u32) -> u64 {
    let f = u64::from(world.config.tolerated());
    let timeout = world.timeout_max().as_micros() as u64;
    let hop = world.config.link.latency.most() + world.config.disk.most();
    let blocks = world.config.blocks + 2;
    (f + VIEWS_BESIDES) * timeout + blocks * 4 * u64::from(diameter.max(1)) * hop
}

/// Transfers that were accepted by the core and have not come to an end.
fn owed(world: &World, core: &BTreeSet<usize>) -> Vec<(usize, CommandId)> {
    let of = |place: &usize| {
        let pending = world.places[*place].commands.iter().filter(|(_, transfer)| **transfer);
        pending.map(|(id, _)| (*place, *id)).collect::<Vec<_>>()
    };
    core.iter().flat_map(of).collect()
}

/// Whether everybody in the core has seen enough blocks, and every transfer came to an end.
fn is_done(world: &World, core: &BTreeSet<usize>, goal: u64, owed: &[(usize, CommandId)]) -> bool {
    core.iter().all(|place| world.places[*place].height.0 >= goal)
        && owed.iter().all(|(place, id)| !world.places[*place].commands.contains_key(id))
}

/// What is still to happen, in words.
fn missing(
    world: &World,
    core: &BTreeSet<usize>,
    goal: u64,
    owed: &[(usize, CommandId)],
) -> Vec<String> {
    let mut missing = Vec::new();
    for place in core {
        let height = world.places[*place].height.0;
        if height < goal {
            let why = world.node(*place).map(|node| node.waiting_for()).unwrap_or_default();
            missing.push(format!("node {place} is at {height} of {goal}, {why}"));
        }
    }
    let open = owed.iter().filter(|(place, id)| world.places[*place].commands.contains_key(id));
    missing.extend(open.map(|(place, id)| format!("node {place} waits for {}", id.short())));
    missing
}

/// What honest nodes have come to, apart from their views' numbers.
fn condition(world: &World, core: &BTreeSet<usize>) -> u64 {
    let mut digest = crate::digest::Digest::default();
    for place in core {
        digest.word(world.places[*place].height.0);
        let why = world.node(*place).map(|node| node.waiting_for()).unwrap_or_default();
        let words: String = why.chars().filter(|letter| !letter.is_ascii_digit()).collect();
        digest.bytes(words.as_bytes());
    }
    digest.value()
}

/// Whether the last conditions repeat.
fn lasso(seen: &[u64]) -> String {
    let tail = &seen[seen.len().saturating_sub(4 * LASSO_LOOKS)..];
    let period = (1..=LASSO_LOOKS).find(|period| {
        tail.len() >= 2 * period && tail.windows(period + 1).all(|it| it[0] == it[*period])
    });
    match period {
        Some(period) => {
            format!("livelock with period {} ms", period as u64 * LOOK_EVERY_US / 1_000)
        }
        None => "slow".to_owned(),
    }
}

/// Every frame is somewhere.
fn account(world: &World) -> Result<(), Violation> {
    let at = world.now.as_micros();
    balance(&world.network.traffic, world.in_flight()).map_err(|message| Violation {
        at,
        check: Check::Accounting,
        place: None,
        message,
    })
}

fn balance(traffic: &Traffic, in_flight: u64) -> Result<(), String> {
    let Traffic { sent, duplicated, delivered, lost, overflowed, cut, dead, .. } = *traffic;
    if sent + duplicated == delivered + lost + overflowed + cut + dead + in_flight {
        return Ok(());
    }
    Err(format!(
        "{sent} frames and {duplicated} copies were sent; {delivered} delivered, {lost} lost, \
         {overflowed} dropped, {cut} cut off, {dead} too late, {in_flight} under way"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_nowhere_or_in_two_places_is_noticed() {
        let (delivered, lost, overflowed, cut, dead) = (1, 2, 3, 4, 5);
        let traffic = Traffic {
            sent: 18,
            duplicated: 3,
            delivered,
            lost,
            overflowed,
            cut,
            dead,
            ..Traffic::default()
        };
        assert_eq!(balance(&traffic, 6), Ok(()));
        assert!(balance(&traffic, 5).is_err());
        assert!(balance(&Traffic { delivered: 2, ..traffic }, 6).is_err());
    }

    #[test]
    fn a_hub_that_lost_its_disk_joins_n_minus_f_others() {
        let config = Config { nodes: 5, players: 1, ..Config::default() };
        let star = (1..6).map(|node| (0, node)).collect();
        let roles = |wiped| Roles { wiped: [wiped].into(), ..Roles::default() };
        assert_eq!(choose_core(&config, &roles(0), &star), (0..6).collect());
        assert_eq!(choose_core(&config, &roles(4), &star), [0, 1, 2, 3, 5].into());
        assert_eq!(choose_core(&config, &Roles::default(), &star), [0, 1, 2, 3, 5].into());
    }

    #[test]
    fn a_lasso_is_told_from_slow_progress() {
        let turning: Vec<u64> = (0..400).map(|look| look % 3).collect();
        assert_eq!(lasso(&turning), "livelock with period 150 ms");
        let growing: Vec<u64> = (0..400).collect();
        assert_eq!(lasso(&growing), "slow");
    }
}
