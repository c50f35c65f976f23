//! What people read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use bitcraps_protocol::craps::Bet;
use bitcraps_protocol::mesh::Tally;
use bitcraps_sim::checks;
use bitcraps_sim::failure::Failure;
use bitcraps_sim::network::Traffic;
use bitcraps_sim::run::{Report, Views};
use bitcraps_sim::sometimes;
use bitcraps_sim::swarm::{Summary, vacuous};
use bitcraps_sim::world::World;

/// One run, in a few lines.
pub(crate) fn report(report: &Report, kept: &Path) -> String {
    let Report { config, tally, traffic, .. } = report;
    let mut text = format!(
        "seed {}: {} validators, {} of them hostile, {} players, {:?}, {}\n",
        config.seed,
        config.nodes,
        config.byzantine,
        config.players,
        config.topology,
        if config.link.clear { "links in the clear" } else { "links sealed" }
    );
    let _ = writeln!(
        text,
        "{} simulated in {} ({} times as fast), {} events",
        seconds(report.simulated_us),
        seconds(report.real_us),
        report.simulated_us / report.real_us.max(1),
        report.events
    );
    let _ = writeln!(
        text,
        "height {}, view {}, {} views nullified, {} rolls, {} distinct votes",
        tally.height,
        tally.view,
        tally.nullified,
        tally.rolls.iter().sum::<u64>(),
        tally.votes
    );
    let _ = writeln!(text, "{}", frames(traffic));
    if let Some(Views { least, most, diameter, connected }) = report.views {
        let apart = if connected { "" } else { "; some honest ones are cut off from others" };
        let _ = writeln!(text, "links: {least} to {most} each, diameter {diameter}{apart}");
    }
    let _ = writeln!(text, "{}", gossip(&report.gossip));
    let _ = writeln!(text, "{}", bytes(report));
    let _ = writeln!(text, "{}", counters(report.counters.iter()));
    if !report.followed.is_empty() {
        let _ = writeln!(text, "strategies: {}", counters(report.followed.iter()));
    }
    if let Some(liveness) = report.liveness {
        let _ = writeln!(
            text,
            "healed: {} nodes, diameter {}; {} needed of {} allowed ({} ‰)",
            liveness.core,
            liveness.diameter,
            seconds(liveness.needed_us),
            seconds(liveness.bound_us),
            liveness.permille()
        );
    }
    let _ = writeln!(text, "digest {}", report.digest);
    match &report.violation {
        Some(violation) => {
            let _ = writeln!(text, "VIOLATED: {violation}");
            let _ = writeln!(text, "  bitcraps-sim replay {}", kept.display());
        }
        None => {
            for fault in vacuous(std::slice::from_ref(report)) {
                let _ = writeln!(text, "VACUOUS: {fault} never happened");
            }
        }
    }
    text
}

/// A swarm, as a table.
pub(crate) fn summary(summary: &Summary) -> String {
    let mut text = format!(
        "{} runs, {} events, {} simulated\n",
        summary.runs,
        summary.events,
        seconds(summary.simulated_us)
    );
    let _ = writeln!(
        text,
        "{} blocks, {} views, {} nullified, {} rolls",
        summary.tally.height,
        summary.tally.view,
        summary.tally.nullified,
        summary.tally.rolls.iter().sum::<u64>()
    );
    let _ = writeln!(text, "{}", frames(&summary.traffic));
    let bets: u64 = summary.tally.bets.values().sum();
    let made: Vec<Bet> = summary.tally.bets.keys().filter_map(|bet| bet.parse().ok()).collect();
    let kinds: BTreeSet<String> = made.iter().copied().map(sometimes::kind).collect();
    let _ = writeln!(
        text,
        "{bets} bets, {} of the {} there are, of {} of {} kinds",
        made.len(),
        Bet::all().count(),
        kinds.len(),
        sometimes::kinds().len()
    );
    for (name, count) in &summary.counters {
        let _ = writeln!(text, "  {name:<40} {count:>10}");
    }
    for (name, count) in &summary.followed {
        let _ = writeln!(text, "  strategy {name:<31} {count:>10}");
    }
    if let Some((permille, seed)) = summary.slowest {
        let _ = writeln!(text, "slowest progress: {permille} ‰ of what is allowed, seed {seed}");
    }
    for (said, seeds) in &summary.failures {
        let _ = writeln!(text, "FAILED {} times: {said}", seeds.len());
        for seed in seeds.iter().take(3) {
            let _ = writeln!(text, "  bitcraps-sim replay fail-{seed}.sim");
        }
    }
    for fault in &summary.vacuous {
        let _ = writeln!(text, "VACUOUS: {fault} never happened");
    }
    let _ = writeln!(text, "{} failures; digest {}", summary.failed.len(), summary.digest);
    text
}

/// What is left of a failed run.
pub(crate) fn decisions(failure: &Failure) -> String {
    let mut text = format!("{}: {}\n", failure.check, failure.message);
    for decision in failure.decisions.iter().take(50) {
        let _ = writeln!(text, "  {decision:?}");
    }
    text
}

fn frames(traffic: &Traffic) -> String {
    let Traffic { sent, delivered, lost, duplicated, resent, delayed, cut, held, dead, .. } =
        traffic;
    format!(
        "frames: {sent} sent, {delivered} delivered, {lost} lost, {duplicated} duplicated, \
         {resent} sent again, {delayed} delayed, {cut} cut off, {held} held up, {dead} too late"
    )
}

fn gossip(tally: &Tally) -> String {
    let Tally { new, repeated, hops, most_hops, asked_for, .. } = tally;
    let mean = hops * 10 / new.max(&1);
    format!(
        "gossip: {new} first copies, {repeated} more ({} ‰), over {}.{} links on average and \
         {most_hops} at most, {asked_for} asked for",
        tally.redundancy_permille(),
        mean / 10,
        mean % 10
    )
}

/// What the network carried for each place and final block, beside a flood of the same messages, of
/// which no frame is counted but the messages themselves.
fn bytes(report: &Report) -> String {
    let share = report.config.places() as u64 * report.tally.height.max(1);
    format!(
        "bytes: {} a node and final block; a flood of the messages alone would be {}",
        report.traffic.bytes / share,
        report.gossip.flood_bytes / share
    )
}

fn counters<'a>(counters: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let parts: Vec<String> = counters.map(|(name, count)| format!("{name} {count}")).collect();
    if parts.is_empty() { "no faults".to_owned() } else { parts.join(", ") }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000)
}

thread_local! {
    /// How far the one run of this thread is.
    static RUN: RefCell<Progress> = RefCell::new(Progress::new(0));
}

/// Says how far a run is, not too often.
pub(crate) fn tell(world: &World) {
    RUN.with(|run| run.borrow_mut().runs(world));
}

/// The run is over.
pub(crate) fn told() {
    RUN.with(|run| run.borrow().end());
}

/// How far a long command is, on standard error: one line that changes on a terminal, else a line
/// every ten seconds.
pub(crate) struct Progress {
    total: u64,
    done: u64,
    failed: u64,
    events: u64,
    simulated_us: u64,
    started: Instant,
    said: Instant,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Self {
        let (started, terminal) = (Instant::now(), io::stderr().is_terminal());
        let (done, failed, events, simulated_us) = (0, 0, 0, 0);
        Self { total, done, failed, events, simulated_us, started, said: started, terminal }
    }

    pub(crate) fn ran(&mut self, report: &Report) {
        self.done += 1;
        self.failed += u64::from(report.violation.is_some());
        self.events += report.events;
        self.simulated_us += report.simulated_us;
        let real = self.started.elapsed().as_micros().max(1) as u64;
        let left = real / self.done * self.total.saturating_sub(self.done);
        self.say(&format!(
            "seeds {}/{}  {} events/ms  sim {}x  fails {}  eta {}",
            self.done,
            self.total,
            self.events * 1_000 / real,
            self.simulated_us / real,
            self.failed,
            seconds(left)
        ));
    }

    fn runs(&mut self, world: &World) {
        if !self.is_due() {
            return;
        }
        let checks::Tally { height, view, .. } = world.checks.tally;
        self.say(&format!(
            "{} simulated  height {height}  view {view}  {} events  {} frames under way",
            seconds(world.now.as_micros()),
            world.events,
            world.in_flight()
        ));
    }

    pub(crate) fn shrinks(&mut self, best: &Failure) {
        self.say(&format!(
            "{} decisions, {} ms of faults, {} operations",
            best.decisions.len(),
            best.config.faulty_ms,
            best.config.workload.operations
        ));
    }

    fn is_due(&self) -> bool {
        let pause = if self.terminal { 100 } else { 10_000 };
        self.said.elapsed() >= Duration::from_millis(pause)
    }

    fn say(&mut self, line: &str) {
        if !self.is_due() {
            return;
        }
        self.said = Instant::now();
        // Progress is not worth failing for.
        let _ = match self.terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
    }

    pub(crate) fn end(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
