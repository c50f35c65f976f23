//! Whole networks of honest validators in the simulator: how many blocks they make for their processor
//! time, and when those are final.

use std::time::Duration;

use bitcraps_protocol::time::Time;
use bitcraps_sim::config::Config;
use bitcraps_sim::latency::Latency;
use bitcraps_sim::recorder::Kind;
use bitcraps_sim::world::World;

use crate::cpu_time;

/// Time in which links come up and time-outs get used to the network.
pub const WARM_UP_MS: u64 = 500;

/// Microseconds that a message takes.
pub const DELTA: u64 = 10_000;

/// Links that take δ, disks that take no time, players that always want something.
pub fn network(nodes: u16, stand_in: bool) -> Config {
    let mut config = Config { nodes, stand_in, ..Config::default() };
    config.link.latency = Latency::Constant { micros: DELTA };
    config.link.clear = true;
    config.disk = Latency::Constant { micros: 0 };
    config.workload.every_ms = 10;
    config
}

/// What a network did in a span of simulated time.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Blocks that became final.
    pub blocks: u64,
    /// Frames that arrived.
    pub frames: u64,
    /// The processor time that it took.
    pub time: Duration,
}

impl Done {
    /// So many of something for each second of processor time.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.time.as_secs_f64()
    }
}

/// So many `nodes` for so many milliseconds after the warm-up; keyed hashes stand in for signatures
/// if `stand_in` says so.
pub fn final_blocks(nodes: u16, stand_in: bool, ms: u64) -> Done {
    let mut world = World::new(network(nodes, stand_in), None);
    run_until(&mut world, WARM_UP_MS);
    let (height, frames) = (world.checks.tally.height, world.network.traffic.delivered);
    let start = cpu_time();
    run_until(&mut world, WARM_UP_MS + ms);
    Done {
        time: cpu_time() - start,
        blocks: world.checks.tally.height - height,
        frames: world.network.traffic.delivered - frames,
    }
}

/// Runs to `ms` milliseconds after the beginning.
pub fn run_until(world: &mut World, ms: u64) {
    world.run_until(Time::from_micros(ms * 1_000)).expect("nothing is violated without faults");
}

/// The mean time between blocks, and from the first node in a view to the last at which its block is
/// final, in δ.
pub fn finality(nodes: u16, ms: u64) -> (f64, f64) {
    let mut world = World::new(network(nodes, true), None);
    run_until(&mut world, WARM_UP_MS);
    world.recorder.keep_timeline((0, 0));
    run_until(&mut world, WARM_UP_MS + ms);
    let happenings = world.recorder.take_timeline().expect("it was kept").happenings;
    let times = |kind: Kind, view: u64| {
        let of_view = happenings.iter().filter(move |it| it.kind == kind && it.what == view);
        of_view.map(|it| it.at)
    };
    let entered = happenings.iter().filter(|it| it.kind == Kind::Entered);
    let views: Vec<u64> = entered.filter(|it| it.place == 0).map(|it| it.what).collect();
    let delays: Vec<u64> = views
        .iter()
        .filter(|view| times(Kind::Finalized, **view).count() == usize::from(nodes))
        .filter_map(|view| {
            Some(times(Kind::Finalized, *view).max()? - times(Kind::Entered, *view).min()?)
        })
        .collect();
    let block = 1_000.0 * ms as f64 / views.len() as f64;
    let finality = delays.iter().sum::<u64>() as f64 / delays.len() as f64;
    (block / DELTA as f64, finality / DELTA as f64)
}
