//! How many blocks do validators make final for their processor time, and how soon? The simplex of
//! commonware beside ours: honest validators, links of 10 ms between each two, real Ed25519, all in one
//! process, one after the other, by the same clock.
//!
//! The rival is its engine with the application that its own tests use: blocks of a few bytes, handed to
//! everybody past the network, nothing executed. Ours are full nodes of the simulator: blocks are built,
//! sent, executed and journalled everywhere, dice are thrown, and every check of the simulator is on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bitcraps_benches::cpu_time;
use bitcraps_benches::networks::{DELTA, final_blocks, finality};
use commonware_actor::Feedback;
use commonware_consensus::Reporter;
use commonware_consensus::simplex::elector::RoundRobin;
use commonware_consensus::simplex::mocks::{application, relay};
use commonware_consensus::simplex::scheme::ed25519::{Scheme, fixture};
use commonware_consensus::simplex::types::Activity;
use commonware_consensus::simplex::{
    Config, Engine, Floor, ForwardPolicy, SkipBudget, SkipPolicy, max_payload_size,
};
use commonware_consensus::types::{Epoch, ViewDelta};
use commonware_cryptography::certificate::mocks::Fixture;
use commonware_cryptography::sha256::{Digest, Sha256};
use commonware_p2p::max_message_size;
use commonware_p2p::simulated::{self, Link, Network};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Clock as _, Quota, Runner as _, Supervisor as _, deterministic};
use commonware_utils::{NZDuration, NZU16, NZU32, NZUsize, probability};

/// Views before the measured ones: links come up, and caches fill.
const WARM_UP: u64 = 3;

fn main() {
    let mut table = String::from(
        "| n | engine | final | CPU s | final per CPU second | finality | a block each |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut row = |nodes: u16, name: &str, blocks: u64, time: Duration, [last, each]: [f64; 2]| {
        let (seconds, rate) = (time.as_secs_f64(), blocks as f64 / time.as_secs_f64());
        let _ = writeln!(
            table,
            "| {nodes} | {name} | {blocks} | {seconds:.2} | {rate:.2} | {last:.2} δ | {each:.2} δ |"
        );
    };
    // `cargo run … -- N` asks of N validators only.
    let asked = std::env::args().nth(1);
    let cases = [(4, 20_000, 1_000), (31, 2_000, 60), (100, 400, 12)];
    let wanted = |nodes: u16| asked.as_ref().is_none_or(|asked| *asked == nodes.to_string());
    if !cases.iter().any(|(nodes, ..)| wanted(*nodes)) {
        eprintln!(
            "agreement: the number of validators is 4, 31 or 100; without one, all are measured"
        );
        std::process::exit(2);
    }
    for (nodes, ms, views) in cases {
        if !wanted(nodes) {
            continue;
        }
        let (each, last) = finality(nodes, ms);
        let ours = final_blocks(nodes, false, ms);
        row(nodes, "bitcraps-sim, full nodes", ours.blocks, ours.time, [last, each]);
        let theirs = simplex(nodes, views);
        row(
            nodes,
            "commonware simplex 2026.10.0",
            views,
            theirs.time,
            [theirs.finality, theirs.each],
        );
    }
    // Who closed standard output does not want to know.
    let _ = std::io::stdout().write_all(table.as_bytes());
}

/// What is known of a view.
#[derive(Clone, Copy, Default)]
struct Happened {
    proposed: Option<SystemTime>,
    /// How many validators know it to be final, and since when the last of them does.
    finals: usize,
    last: Option<SystemTime>,
}

/// What is known of all views.
#[derive(Default)]
struct Views {
    happened: BTreeMap<u64, Happened>,
    /// The newest view that each validator knows to be final.
    newest: BTreeMap<usize, u64>,
}

type Shared = Arc<Mutex<Views>>;

fn lock(views: &Shared) -> MutexGuard<'_, Views> {
    views.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes what becomes final, and checks nothing: its engine has done so.
#[derive(Clone)]
struct Log {
    validator: usize,
    clock: Arc<deterministic::Context>,
    views: Shared,
}

impl Reporter for Log {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let Activity::Finalization(block) = activity else { return Feedback::Ok };
        let view = block.proposal.round.view().get();
        let now = self.clock.current();
        let Views { happened, newest } = &mut *lock(&self.views);
        let newest = newest.entry(self.validator).or_default();
        // With a view those before it are final.
        for view in *newest + 1..=view {
            let happened = happened.entry(view).or_default();
            happened.finals += 1;
            happened.last = Some(now);
        }
        *newest = view.max(*newest);
        Feedback::Ok
    }
}

struct Measured {
    time: Duration,
    finality: f64,
    each: f64,
}

/// Runs until so many views after the warm-up are final at all validators.
fn simplex(nodes: u16, views: u64) -> Measured {
    // Its clock moves in steps. Finer ones than a hundredth of a message's way change nothing but time.
    let config = deterministic::Config::new().with_cycle(Duration::from_micros(100));
    deterministic::Runner::new(config).start(async move |mut context: deterministic::Context| {
        let Fixture { participants, schemes, .. } =
            fixture(&mut context, b"rival", u32::from(nodes));
        let payload = max_payload_size::<Scheme, Digest>(u32::from(nodes));
        let (network, oracle) = Network::new_with_peers(
            context.child("network"),
            simulated::Config {
                max_size: max_message_size(&[payload]),
                max_peers_per_set: NZUsize!(participants.len()),
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(1),
            },
            participants.clone(),
        )
        .await;
        network.start();
        let link = Link {
            latency: Duration::from_micros(DELTA),
            jitter: Duration::ZERO,
            success_rate: probability!(1.0),
        };
        let log = Shared::default();
        let relay = Arc::new(relay::Relay::new());
        let mut registered = Vec::new();
        for me in &participants {
            let control = oracle.control(me.clone());
            // More than anybody sends to one other; its queues have room for as much.
            let quota = Quota::per_second(NZU32!(1_024));
            let mut channels = Vec::new();
            for channel in 0..3 {
                channels.push(control.register(channel, quota).await.expect("nobody has it"));
            }
            registered.push(channels);
        }
        for me in &participants {
            for other in participants.iter().filter(|other| *other != me) {
                let linked = oracle.add_link(me.clone(), other.clone(), link.clone()).await;
                linked.expect("both are there");
            }
        }
        let validators = participants.iter().zip(schemes).zip(registered);
        for (validator, ((me, scheme), channels)) in validators.enumerate() {
            let context = context.child("validator").with_attribute("public_key", me);
            let (mut actor, application) = application::Application::new(
                context.child("application"),
                application::Config::<Sha256, _> {
                    relay: relay.clone(),
                    me: me.clone(),
                    propose_latency: (0.0, 0.0),
                    verify_latency: (0.0, 0.0),
                    certify_latency: (0.0, 0.0),
                    should_certify: application::Certifier::Always,
                },
            );
            let clock = Arc::new(context.child("clock"));
            let observer = Log { validator, clock, views: log.clone() };
            let reporter = observer.clone();
            actor.set_propose_observer(Box::new(move |context| {
                let mut views = lock(&observer.views);
                let view = views.happened.entry(context.round.view().get()).or_default();
                // Leaders are asked a view ahead too, and answer that they wait for their own.
                view.proposed = Some(observer.clock.current());
            }));
            actor.start();
            let engine = Engine::new(
                context.child("engine"),
                Config {
                    scheme,
                    elector: RoundRobin::<Sha256>::default(),
                    blocker: oracle.control(me.clone()),
                    automaton: application.clone(),
                    relay: application,
                    reporter,
                    strategy: Sequential,
                    partition: me.to_string(),
                    mailbox_size: NZUsize!(1024),
                    epoch: Epoch::new(1),
                    floor: Floor::Genesis(application::genesis::<Sha256>(Epoch::new(1))),
                    leader_timeout: Duration::from_secs(2),
                    certification_timeout: Duration::from_secs(3),
                    timeout_retry: Duration::from_secs(10),
                    fetch_timeout: NZDuration!(Duration::from_secs(1)),
                    fetch_retry_delay: Duration::from_millis(100),
                    view_retention: ViewDelta::new(10),
                    skip: SkipPolicy::Enabled {
                        timeout: Duration::from_secs(12),
                        budget: SkipBudget::Participants,
                    },
                    replay_buffer: NZUsize!(1024 * 1024),
                    write_buffer: NZUsize!(1024 * 1024),
                    page_cache: CacheRef::new(NZU16!(1024), NZUsize!(10)),
                    forward: ForwardPolicy::Disabled,
                    track_historical_votes: false,
                },
            );
            let Ok([votes, certificates, resolver]) = <[_; 3]>::try_from(channels) else {
                unreachable!("three were registered")
            };
            engine.start(votes, certificates, resolver);
        }
        // The time at which all validators knew a view to be final.
        let reached = async |view: u64| loop {
            let known = lock(&log).happened.get(&view).copied();
            match known {
                Some(known) if known.finals == participants.len() => break known,
                _ => context.sleep(Duration::from_micros(DELTA / 10)).await,
            }
        };
        let first = reached(WARM_UP).await;
        let start = cpu_time();
        let last = reached(WARM_UP + views).await;
        let time = cpu_time() - start;
        let delta = Duration::from_micros(DELTA).as_secs_f64();
        let apart = |from: Option<SystemTime>, to: Option<SystemTime>| {
            let apart = to.expect("it is final").duration_since(from.expect("it was proposed"));
            apart.expect("one after the other").as_secs_f64() / delta
        };
        let log = lock(&log);
        let measured = log.happened.range(WARM_UP + 1..=WARM_UP + views);
        let finality: f64 = measured.map(|(_, view)| apart(view.proposed, view.last)).sum();
        Measured {
            time,
            finality: finality / views as f64,
            each: apart(first.last, last.last) / views as f64,
        }
    })
}
