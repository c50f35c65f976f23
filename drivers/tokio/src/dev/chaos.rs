//! `dev --chaos`: faults in running nodes at random moments while bots play, and a verdict.
//!
//! One round is one fault: it is injected, the others must go on where they can, it is healed, and
//! whoever was hit must catch up. Most rounds hit as many nodes as the network tolerates; some hit
//! one more, and then nothing may become final until they are back. At the end all nodes must be
//! in one state with all chips in it, and every transaction that any node ever called final must
//! be in every node's journal.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bitcraps_host::api::EventView;
use bitcraps_host::journal;
use bitcraps_protocol::chain::Body;
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::rng::Rng;
use bitcraps_tokio::client::{Client, ClientError};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::bot::Bot;
use super::cluster::Cluster;
use super::measure::{Measurements, Shared};
use super::play::{Agreement, LOOK, REST, STALL, conserves, open_table, rest};
use super::proxy::{Proxies, Separation};
use super::verdict::Verdict;
use crate::cli::{Dev, Fault};
use crate::commands::entropy;
use crate::exit::sentence;
use crate::output::{Output, aside};

/// Longest quiet time before a fault.
const CALM: Duration = Duration::from_millis(400);
/// Longest time that a fault lasts, besides what it takes to see that the others go on.
const TROUBLE: Duration = Duration::from_millis(1500);
/// What was on its way when a fault began has arrived after this long.
const SETTLING: Duration = Duration::from_millis(250);
/// How long nothing may become final where there is no quorum.
const STANDSTILL: Duration = Duration::from_millis(700);
/// One round in so many hits one node more than the network tolerates.
const BEYOND: u64 = 10;
/// How long one look at a node may take; one that is stopped does not answer.
const GLANCE: Duration = Duration::from_secs(2);

/// `bitcraps dev --chaos …`
pub(super) async fn run(
    arguments: Dev,
    output: Output,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => u64::from_le_bytes(entropy()?.bytes32()[..8].try_into().expect("eight bytes")),
    };
    let measurements = Measurements::shared();
    measurements.lock().acknowledged = Some(Vec::new());
    let mut cluster = Cluster::prepare(&arguments, &measurements).await?;
    output.words(&format!(
        "validators: {}, bots: {}, seed: {seed}, data: {}",
        arguments.nodes,
        arguments.bots,
        cluster.directory().display()
    ))?;
    let proxies = relay_all(&mut cluster).await?;
    let mut rng_seed = [0; 32];
    rng_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let started = cluster.start(&measurements).await;
    let watched = Watched::default();
    let mut chaos = Chaos {
        rng: Rng::new(rng_seed),
        verdict: Verdict::new(seed, &arguments),
        arguments,
        cluster,
        proxies,
        output,
        measurements,
        agreement: Agreement::default(),
        watched,
    };
    let played = match started {
        Ok(()) => chaos.play(stop).await,
        Err(error) => Err(error),
    };
    chaos.conclude(played).await
}

/// Puts a relay between every node and each one that it dials.
async fn relay_all(cluster: &mut Cluster) -> anyhow::Result<Proxies> {
    let mut proxies = Proxies::new();
    let configured = cluster.configured()?;
    for (from, (_, peers)) in configured.iter().enumerate() {
        let mut dials = Vec::new();
        for peer in peers {
            let place = peer.parse()?;
            let to = configured.iter().position(|(listens, _)| *listens == place);
            let to = to.with_context(|| format!("{peer} is none of the nodes"))?;
            dials.push(proxies.relay(from, to, place).await?.to_string());
        }
        cluster.redirect(from, dials);
    }
    Ok(proxies)
}

struct Chaos {
    rng: Rng,
    arguments: Dev,
    cluster: Cluster,
    proxies: Proxies,
    output: Output,
    measurements: Shared,
    agreement: Agreement,
    watched: Watched,
    verdict: Verdict,
}

/// What is seen of the network's progress while it is hit.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Progress>>);

#[derive(Default)]
struct Progress {
    /// When any node last finalized something that none had before.
    last: Option<Instant>,
    longest: Duration,
    height: u64,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, height: u64) {
        let mut progress = self.lock();
        if height <= progress.height {
            return;
        }
        let now = Instant::now();
        if let Some(last) = progress.last {
            progress.longest = progress.longest.max(now - last);
        }
        (progress.height, progress.last) = (height, Some(now));
    }

    /// What follows is no longer under load, or the silence was intended.
    fn pause(&self) {
        self.lock().last = None;
    }
}

impl Chaos {
    async fn play(&mut self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let table = open_table(self.cluster.house()).await?;
        let before = self.cluster.house().table(table).await?.round;
        let watchers = self.watch_all();
        let (bots_stop, bots_stopped) = watch::channel(false);
        let mut bots = self.start_bots(table, &bots_stopped)?;
        let begun = Instant::now();
        let mut played = Ok(());
        for round in 1..=self.arguments.rounds {
            // Only between rounds: whoever is hit is healed first.
            if *stop.borrow() {
                break;
            }
            played = self.round(round).await;
            if played.is_err() {
                break;
            }
            self.verdict.rounds = round;
        }
        self.proxies.heal();
        self.watched.pause();
        self.verdict.seconds = begun.elapsed().as_secs_f64();
        bots_stop.send_replace(true);
        bots.shutdown().await;
        played?;
        let supplies = timeout(REST, rest(&self.cluster, table)).await;
        let supplies = supplies.context("the nodes do not agree in time")??;
        drop(watchers);
        let first = supplies.first().context("there are no nodes")?;
        self.verdict.height = first.height;
        self.verdict.state_root = first.state_root.clone();
        self.verdict.roots_equal = supplies.iter().all(|it| it.state_root == first.state_root);
        self.verdict.chips_conserved = supplies.iter().all(|one| conserves(one, first));
        self.verdict.rolls = self.cluster.house().table(table).await?.round - before;
        Ok(())
    }

    /// Compares what all nodes finalize, across their restarts.
    fn watch_all(&self) -> JoinSet<()> {
        let mut watchers = JoinSet::new();
        for member in self.cluster.members() {
            let (client, name) = (member.client.clone(), member.name.clone());
            let (agreement, watched) = (self.agreement.clone(), self.watched.clone());
            watchers.spawn(async move {
                loop {
                    // A node that is down is asked again.
                    let _: Result<(), ClientError> = async {
                        let mut events = client.events().await?;
                        while let Some(event) = events.next().await? {
                            if let EventView::Finalized { height, hash, .. } = event {
                                agreement.note(&name, height, hash);
                                watched.note(height);
                            }
                        }
                        Ok(())
                    }
                    .await;
                    sleep(LOOK).await;
                }
            });
        }
        watchers
    }

    /// Bots that go on as soon as their nodes are back.
    fn start_bots(&self, table: u32, stop: &watch::Receiver<bool>) -> anyhow::Result<JoinSet<()>> {
        let mut bots = JoinSet::new();
        for member in self.cluster.players().take(usize::from(self.arguments.bots)) {
            let bot = Bot {
                client: member.client.clone(),
                table,
                rng: entropy()?,
                pace: Duration::ZERO,
                measurements: self.measurements.clone(),
            };
            let stop = stop.clone();
            bots.spawn(async move {
                while !*stop.borrow() {
                    // Its node is down; what it asked for is in doubt, and so acknowledged by nobody.
                    let _ = bot.clone().play(stop.clone()).await;
                    sleep(LOOK).await;
                }
            });
        }
        Ok(bots)
    }

    /// One fault, from its beginning to its being forgotten.
    async fn round(&mut self, round: u64) -> anyhow::Result<()> {
        sleep(self.moment(CALM)).await;
        let faults = &self.arguments.chaos;
        let fault = faults[self.rng.below(faults.len() as u64) as usize];
        let validators = self.cluster.validators();
        let tolerated = (validators - 1) / 3;
        let beyond = tolerated + 1 < validators && self.rng.below(BEYOND) == 0;
        let count = (tolerated + usize::from(beyond)).max(1);
        let victims = self.choose(count, validators);
        let halts = count > tolerated;
        self.say(round, fault, &victims, halts)?;

        let separation = if self.rng.below(2) == 0 { Separation::Cut } else { Separation::Silent };
        self.inject(fault, &victims, separation).await?;
        let others: Vec<usize> = (0..validators).filter(|it| !victims.contains(it)).collect();
        if halts {
            self.stands_still(&others).await?;
            self.watched.pause();
        } else {
            self.goes_on(&others).await?;
            if fault == Fault::Partition {
                self.stands_still(&victims).await?;
            }
        }
        sleep(self.moment(TROUBLE)).await;
        let goal = self.watched.lock().height;
        self.heal(fault, &victims).await?;
        for victim in victims {
            self.reaches(victim, goal).await?;
        }
        // If there was no quorum, there is one again.
        self.goes_on(&others).await
    }

    fn say(&self, round: u64, fault: Fault, victims: &[usize], halts: bool) -> anyhow::Result<()> {
        let names = victims.iter().map(|victim| self.cluster.members()[*victim].name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let what = match fault {
            Fault::Kill => "kill",
            Fault::Pause => "pause",
            Fault::Partition => "partition",
            Fault::Power => "cut the power of",
        };
        let note = if halts { "   more than tolerated: nothing may be final" } else { "" };
        let height = self.watched.lock().height;
        self.output
            .words(&format!("round {round:>4}   height {height:>6}   {what} {names}{note}"))?;
        Ok(())
    }

    async fn inject(
        &mut self,
        fault: Fault,
        victims: &[usize],
        separation: Separation,
    ) -> anyhow::Result<()> {
        match fault {
            Fault::Kill => {
                for victim in victims {
                    self.cluster.kill(*victim).await?;
                }
            }
            Fault::Pause => {
                for victim in victims {
                    self.cluster.members()[*victim].signal(Signal::STOP)?;
                }
            }
            Fault::Partition => self.proxies.separate(victims, separation),
            Fault::Power => {
                for victim in victims {
                    self.cluster.kill(*victim).await?;
                    let directory = journal::directory(&self.cluster.data_dirs()[*victim]);
                    let lost = journal::cut_power(&directory, |most| self.rng.below(most))?;
                    self.verdict.lost_bytes += lost;
                }
            }
        }
        let counts = &mut self.verdict.faults;
        match fault {
            Fault::Kill => counts.kill += 1,
            Fault::Pause => counts.pause += 1,
            Fault::Partition => counts.partition += 1,
            Fault::Power => counts.power += 1,
        }
        Ok(())
    }

    async fn heal(&mut self, fault: Fault, victims: &[usize]) -> anyhow::Result<()> {
        match fault {
            Fault::Kill | Fault::Power => {
                for victim in victims {
                    let took = self.cluster.restart(*victim).await?;
                    self.measurements.lock().start.add(took);
                }
            }
            Fault::Pause => {
                for victim in victims {
                    self.cluster.members()[*victim].signal(Signal::CONT)?;
                }
            }
            Fault::Partition => self.proxies.heal(),
        }
        Ok(())
    }

    /// Some different validators.
    fn choose(&mut self, count: usize, validators: usize) -> Vec<usize> {
        let mut candidates: Vec<usize> = (0..validators).collect();
        let mut chosen = Vec::new();
        for _ in 0..count {
            chosen.push(candidates.remove(self.rng.below(candidates.len() as u64) as usize));
        }
        chosen.sort_unstable();
        chosen
    }

    fn moment(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.rng.below(longest.as_micros() as u64))
    }

    /// Waits until one of these nodes finalizes another block.
    async fn goes_on(&self, nodes: &[usize]) -> anyhow::Result<()> {
        let before = self.highest(nodes).await;
        let began = Instant::now();
        while self.highest(nodes).await <= before {
            if began.elapsed() > STALL {
                let waiting_for = match nodes.first() {
                    Some(node) => self.waits_for(*node).await,
                    None => String::new(),
                };
                bail!("nothing was final for {} s: {waiting_for}", STALL.as_secs());
            }
            sleep(LOOK / 5).await;
        }
        Ok(())
    }

    /// Sees to it that none of these nodes finalizes anything; what was decided before may arrive.
    async fn stands_still(&self, nodes: &[usize]) -> anyhow::Result<()> {
        sleep(SETTLING).await;
        let before = self.highest(nodes).await;
        sleep(STANDSTILL).await;
        let after = self.highest(nodes).await;
        ensure!(after <= before, "blocks {before} to {after} became final without a quorum");
        Ok(())
    }

    /// Waits until a node that was hit knows what the others knew before it was healed.
    async fn reaches(&self, node: usize, goal: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.height(node).await.is_none_or(|height| height < goal) {
            let name = &self.cluster.members()[node].name;
            ensure!(began.elapsed() < STALL, "{name} has not caught up with height {goal}");
            sleep(LOOK / 5).await;
        }
        Ok(())
    }

    async fn highest(&self, nodes: &[usize]) -> u64 {
        let mut highest = 0;
        for node in nodes {
            highest = highest.max(self.height(*node).await.unwrap_or(0));
        }
        highest
    }

    async fn height(&self, node: usize) -> Option<u64> {
        let client: &Client = &self.cluster.members()[node].client;
        let status = timeout(GLANCE, client.status()).await.ok()?.ok()?;
        Some(status.height)
    }

    async fn waits_for(&self, node: usize) -> String {
        let status = timeout(GLANCE, self.cluster.members()[node].client.status()).await;
        status.ok().and_then(Result::ok).map_or_else(String::new, |status| status.waiting_for)
    }

    /// Stops the nodes, looks into their journals, and says how it all went.
    async fn conclude(mut self, played: anyhow::Result<()>) -> anyhow::Result<()> {
        let mut problems = Vec::new();
        if let Err(error) = played {
            problems.push(sentence(&error));
            for member in self.cluster.members() {
                // One that a fault stopped would not hear that it is to stop.
                let _ = member.signal(Signal::CONT);
            }
        }
        problems.extend(self.cluster.stop_nodes().await?);
        let measured = self.measurements.lock().acknowledged.take().unwrap_or_default();
        let acknowledged: BTreeSet<String> = measured.into_iter().collect();
        let directories = self.cluster.data_dirs().to_vec();
        let searched = {
            let acknowledged = acknowledged.clone();
            tokio::task::spawn_blocking(move || missing(&directories, &acknowledged)).await?
        };
        let missing = searched?;
        self.verdict.acknowledged = acknowledged.len() as u64;
        self.verdict.missing = missing.len() as u64;
        self.verdict.longest_pause_ms = self.watched.lock().longest.as_secs_f64() * 1000.0;
        self.verdict.restart = self.measurements.lock().start.figure();
        let (compared, differences) = self.agreement.verdict();
        self.verdict.blocks_compared = compared;
        problems.extend(differences);
        self.verdict.judge(problems, missing.first());
        let is_well = self.verdict.problems.is_empty();
        self.cluster.tidy(is_well)?;
        self.output.answer(&self.verdict, || self.verdict.words())?;
        if is_well {
            return Ok(());
        }
        aside(&format!("the same faults again: --seed {}", self.verdict.seed));
        bail!(self.verdict.problems.join("; "))
    }
}

/// The acknowledged transactions that some node's journal does not hold, with the node's name.
fn missing(
    directories: &[std::path::PathBuf],
    acknowledged: &BTreeSet<String>,
) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    for directory in directories {
        let mut open = acknowledged.clone();
        let findings = journal::check(&journal::directory(directory), |record| {
            if let Ok(Entry::Decided(decided)) = Entry::from_bytes(&record.bytes)
                && let Ok(body) = Body::decode(&decided.block.body)
            {
                for transaction in body.transactions.iter() {
                    open.remove(&transaction.id().to_string());
                }
            }
        })?;
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        if let Some(damage) = findings.damage {
            bail!("{name}: {damage}");
        }
        missing.extend(open.into_iter().map(|id| format!("{id} is not in the journal of {name}")));
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_is_between_two_new_blocks_under_load() {
        let watched = Watched::default();
        watched.note(1);
        std::thread::sleep(Duration::from_millis(20));
        watched.note(1);
        watched.note(2);
        let longest = watched.lock().longest;
        assert!(longest >= Duration::from_millis(20), "{longest:?}");
        watched.pause();
        std::thread::sleep(Duration::from_millis(60));
        watched.note(3);
        assert_eq!(watched.lock().longest, longest);
    }
}
