//! The game on a running network: opening the table, letting the bots play, watching every node,
//! and comparing them at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bitcraps_host::api::{
    Code, EventView, InvitationRequest, OperationRequest, SupplyView, TransactionState,
};
use bitcraps_protocol::craps::Rules;
use bitcraps_tokio::client::{Client, ClientError, Events};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::bot::{Bot, look};
use super::cluster::Cluster;
use super::measure::{Shared, binary_bytes, resident_bytes};
use super::report::{Figures, Report};
use crate::cli::Dev;
use crate::commands::entropy;
use crate::exit::sentence;
use crate::output::{Output, aside, grouped};
use crate::receipt::{file_name, save};
use crate::words;

/// Chips in the bank of the bots' table.
const BANK: u64 = 500_000;
/// What the bots' table is called.
const TABLE_NAME: &str = "bots";
/// Chips that the printed ticket carries.
const TICKET_CHIPS: u64 = 1_000;
/// How long bots shake the dice when there is somebody to watch.
const PACE: Duration = Duration::from_secs(2);
/// How long nothing may be settled before the run counts as failed.
pub(super) const STALL: Duration = Duration::from_secs(120);
/// How long the nodes have to come to rest and agree at the end.
pub(super) const REST: Duration = Duration::from_secs(60);
/// How often they are looked at meanwhile.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Final views whose time is remembered until their dice are known; the lowest is forgotten first.
const LATEST: usize = 64;
/// How often a receipt is asked for again that cannot be made yet.
const RECEIPT_ATTEMPTS: usize = 20;
/// Heights whose blocks are remembered for comparison; the lowest is forgotten first.
const HEIGHTS: usize = 4096;

/// A game with everything it needs.
pub(super) struct Game<'a> {
    arguments: &'a Dev,
    cluster: &'a Cluster,
    output: Output,
    measurements: Shared,
    agreement: Agreement,
}

/// The blocks that nodes have reported, by height.
#[derive(Clone, Default)]
pub(super) struct Agreement(Arc<Mutex<Blocks>>);

#[derive(Default)]
struct Blocks {
    by_height: BTreeMap<u64, (String, String)>,
    compared: u64,
    differences: Vec<String>,
}

impl<'a> Game<'a> {
    pub(super) fn new(
        arguments: &'a Dev,
        cluster: &'a Cluster,
        output: Output,
        measurements: Shared,
    ) -> Self {
        Self { arguments, cluster, output, measurements, agreement: Agreement::default() }
    }

    fn first(&self) -> &Client {
        &self.cluster.members()[0].client
    }

    /// Plays until enough rolls are settled or `stop`, then compares the nodes.
    pub(super) async fn play(self, mut stop: watch::Receiver<bool>) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let mut events = self.first().events().await?;
        let mut watchers = self.watch_all().await?;
        let table = tokio::select! {
            table = open_table(self.cluster.house()) => table?,
            _ = stop.wait_for(|stopping| *stopping) => bail!("stopped before anything was played"),
        };
        let invitation = self.invite(table).await?;
        self.output.words(&invitation)?;
        if self.first().status().await?.insecure_dealer {
            self.output.words(&format!("the dice are {}", words::INSECURE))?;
        }
        let (bots_stop, bots_stopped) = watch::channel(false);
        let mut bots = self.start_bots(table, &bots_stopped)?;
        let mut problems = tokio::select! {
            followed = self.follow(table, &invitation, &mut events) => problem(followed),
            failed = first_end(&mut bots) => problem(failed),
            failed = first_end(&mut watchers) => problem(failed),
            _ = stop.wait_for(|stopping| *stopping) => Vec::new(),
        };
        bots_stop.send_replace(true);
        while bots.join_next().await.is_some() {}
        let supplies = match timeout(REST, rest(self.cluster, table)).await {
            Ok(Ok(supplies)) => supplies,
            Ok(Err(error)) => {
                problems.push(sentence(&error.into()));
                Vec::new()
            }
            Err(_) => {
                problems.push(format!("the nodes do not agree after {} s", REST.as_secs()));
                Vec::new()
            }
        };
        watchers.shutdown().await;
        self.report(begun.elapsed(), &supplies, problems).await
    }

    /// Compares the blocks of all nodes as they become final.
    async fn watch_all(&self) -> anyhow::Result<JoinSet<Result<(), ClientError>>> {
        let mut watchers = JoinSet::new();
        for (index, member) in self.cluster.members().iter().enumerate() {
            let mut events = member.client.events().await?;
            let (name, agreement) = (member.name.clone(), self.agreement.clone());
            let measurements = (index == 0).then(|| self.measurements.clone());
            watchers.spawn(async move {
                let mut latest = BTreeMap::<u64, Instant>::new();
                while let Some(event) = events.next().await? {
                    let now = Instant::now();
                    if let EventView::Finalized { height, view, hash, .. } = event {
                        agreement.note(&name, height, hash);
                        let last = latest.last_key_value().map(|(_, at)| *at);
                        if let (Some(measurements), Some(last)) = (&measurements, last) {
                            measurements.lock().block_time.add(now - last);
                        }
                        latest.insert(view, now);
                        if latest.len() > LATEST {
                            latest.pop_first();
                        }
                    } else if let (EventView::Rolled { view, .. }, Some(measurements)) =
                        (event, &measurements)
                        && let Some(at) = latest.get(&view)
                    {
                        measurements.lock().final_to_dice.add(now - *at);
                    }
                }
                Err(ClientError::Broken(format!("{name} has stopped")))
            });
        }
        Ok(watchers)
    }

    /// The line with which somebody can join from another terminal.
    async fn invite(&self, table: u32) -> Result<String, ClientError> {
        // The house knows of its table a moment before the first node does.
        while look(self.first(), table).await?.is_none() {
            sleep(LOOK).await;
        }
        let request = InvitationRequest { chips: TICKET_CHIPS, table: Some(table), relay: false };
        let ticket = self.first().invite(&request).await?.ticket;
        Ok(format!("join from another terminal: bitcraps --data-dir DIR join {ticket}"))
    }

    fn start_bots(
        &self,
        table: u32,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<JoinSet<Result<(), ClientError>>> {
        let mut bots = JoinSet::new();
        for member in self.cluster.players().take(usize::from(self.arguments.bots)) {
            let bot = Bot {
                client: member.client.clone(),
                table,
                rng: entropy()?,
                pace: if self.arguments.rolls.is_some() { Duration::ZERO } else { PACE },
                measurements: self.measurements.clone(),
            };
            bots.spawn(bot.play(stop.clone()));
        }
        Ok(bots)
    }

    /// Shows every roll that is settled, until there were enough.
    async fn follow(
        &self,
        table: u32,
        invitation: &str,
        events: &mut Events,
    ) -> anyhow::Result<()> {
        loop {
            let Ok(event) = timeout(STALL, events.next()).await else {
                let waiting_for = self.first().status().await?.waiting_for;
                bail!("nothing happened for {} s: {waiting_for}", STALL.as_secs());
            };
            match event?.context("the first node has stopped")? {
                EventView::Settled { table: at, round, dice } if at == table => {
                    let rolls = {
                        let mut measurements = self.measurements.lock();
                        measurements.rolls += 1;
                        measurements.rolls
                    };
                    self.keep_receipt(table, round).await?;
                    self.show(table, invitation, round, dice).await?;
                    if self.arguments.rolls.is_some_and(|wanted| rolls >= wanted) {
                        return Ok(());
                    }
                }
                EventView::Missed { events } => bail!("this program missed {events} events"),
                EventView::Halted { reason } => bail!("the first node has stopped: {reason}"),
                EventView::Settled { .. }
                | EventView::Finalized { .. }
                | EventView::PeerUp { .. }
                | EventView::PeerDown { .. }
                | EventView::Misbehaved { .. }
                | EventView::Suspicious { .. }
                | EventView::Evidence { .. }
                | EventView::Entered { .. }
                | EventView::Done { .. }
                | EventView::Failed { .. }
                | EventView::Rolled { .. }
                | EventView::KeyProposed { .. }
                | EventView::KeyChanged { .. }
                | EventView::LeftOut {}
                | EventView::Abstains { .. }
                | EventView::Said { .. }
                | EventView::Delivered { .. }
                | EventView::Undelivered { .. } => {}
            }
        }
    }

    /// Writes the receipt of a roll that is settled, if receipts are wanted.
    async fn keep_receipt(&self, table: u32, round: u64) -> anyhow::Result<()> {
        let Some(directory) = &self.arguments.receipts else { return Ok(()) };
        let mut attempts = 0;
        let receipt = loop {
            match self.first().receipt(table, round, None).await {
                // Another block after it may have to be signed first.
                Err(ClientError::Refused(failure))
                    if failure.code == Code::Busy && attempts < RECEIPT_ATTEMPTS =>
                {
                    attempts += 1;
                    sleep(LOOK).await;
                }
                other => break other?,
            }
        };
        save(&receipt, &directory.join(file_name(table, round)))
    }

    async fn show(
        &self,
        table: u32,
        invitation: &str,
        round: u64,
        dice: [u8; 2],
    ) -> anyhow::Result<()> {
        if self.output.json {
            return Ok(());
        }
        let view = self.first().table(table).await?;
        if self.output.is_screen() {
            let waiting_for = self.first().status().await?.waiting_for;
            let table = words::table(&view, "", &waiting_for);
            return Ok(self.output.redraw(&format!("{table}\n{invitation}"))?);
        }
        let puck = view.point.map_or("come-out".into(), |point| format!("point {point}"));
        self.output.words(&format!(
            "roll {round:>5}   {:<9}   {puck:<8}   bank {}",
            words::dice_text(dice),
            grouped(view.bank)
        ))?;
        Ok(())
    }

    async fn report(
        &self,
        took: Duration,
        supplies: &[SupplyView],
        mut problems: Vec<String>,
    ) -> anyhow::Result<Report> {
        let status = self.first().status().await?;
        let first = supplies.first();
        let root = first.map_or(&status.state_root, |supply| &supply.state_root);
        let roots_equal = first.is_some() && supplies.iter().all(|other| other.state_root == *root);
        if first.is_some() && !roots_equal {
            problems.push("the nodes' states differ".into());
        }
        let supply = first.map_or(0, |supply| supply.supply);
        let conserved = |first| supplies.iter().all(|one| conserves(one, first));
        let chips_conserved = first.is_some_and(conserved);
        if first.is_some() && !chips_conserved {
            problems.push("chips were made or lost".into());
        }
        let (blocks_compared, differences) = self.agreement.verdict();
        problems.extend(differences);
        let measurements = self.measurements.lock();
        if let Some(wanted) = self.arguments.rolls
            && measurements.rolls < wanted
        {
            problems.push(format!("only {} of {wanted} rolls were settled", measurements.rolls));
        }
        let figures = Figures {
            bet_to_final: measurements.bet_to_final.figure(),
            roll_to_dice: measurements.roll_to_dice.figure(),
            final_to_dice: measurements.final_to_dice.figure(),
            block_time: measurements.block_time.figure(),
            start: measurements.start.figure(),
            identity: measurements.identity.figure(),
            resident_bytes_per_node: self.resident_bytes_per_node(),
            binary_bytes: binary_bytes(),
        };
        Ok(Report {
            validators: self.arguments.nodes,
            bots: self.arguments.bots,
            processes: self.arguments.processes,
            insecure_dealer: status.insecure_dealer,
            rolls: measurements.rolls,
            bets: measurements.bets,
            refusals: measurements.refusals,
            seconds: took.as_secs_f64(),
            view: status.view,
            height: first.map_or(status.height, |supply| supply.height),
            state_root: root.clone(),
            roots_equal,
            blocks_compared,
            chips: supply,
            chips_conserved,
            figures,
            problems,
        })
    }

    fn resident_bytes_per_node(&self) -> Option<u64> {
        let members = self.cluster.members();
        if self.arguments.processes {
            return members.iter().filter_map(|member| member.resident_bytes()).max();
        }
        Some(resident_bytes(std::process::id())? / members.len() as u64)
    }
}

/// The bots' table, opened by the house unless an earlier run did.
pub(super) async fn open_table(house: &Client) -> anyhow::Result<u32> {
    let tables = house.tables().await?;
    if let Some(table) = tables.iter().find(|table| table.name == TABLE_NAME) {
        return Ok(table.id);
    }
    let rules = Rules { window_ms: 0, ..Rules::default() };
    let open = OperationRequest::OpenTable {
        name: TABLE_NAME.into(),
        rules: Some(Box::new(rules)),
        bank: BANK,
    };
    let say_waiting = |waiting_for: &str| aside(&format!("still waiting: {waiting_for}"));
    let opened = house.carry_out(open, say_waiting).await?;
    match opened.state {
        TransactionState::Final { table: Some(table), .. } => Ok(table),
        state => bail!("no table was opened: {state:?}"),
    }
}

/// Waits until no roll is pending and all nodes are at the same height; what each then says.
pub(super) async fn rest(cluster: &Cluster, table: u32) -> Result<Vec<SupplyView>, ClientError> {
    loop {
        let mut supplies = Vec::new();
        let mut is_busy = false;
        for member in cluster.members() {
            is_busy |= look(&member.client, table).await?.is_none_or(|view| view.rolling);
            supplies.push(member.client.supply().await?);
        }
        let height = supplies.first().map(|supply| supply.height);
        let are_equal = supplies.iter().all(|supply| Some(supply.height) == height);
        if are_equal && !is_busy {
            return Ok(supplies);
        }
        sleep(LOOK).await;
    }
}

/// Whether `one` counts all chips and no others, and as many as `first`.
pub(super) fn conserves(one: &SupplyView, first: &SupplyView) -> bool {
    one.conserved && one.supply == first.supply && one.accounts + one.tables == first.supply
}

impl Agreement {
    fn lock(&self) -> std::sync::MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the node called `name` finalized block `hash` at `height`.
    pub(super) fn note(&self, name: &str, height: u64, hash: String) {
        let mut blocks = self.lock();
        match blocks.by_height.get(&height) {
            Some((_, first)) if *first == hash => blocks.compared += 1,
            Some((other, first)) => {
                let (hash, first) = (words::short(&hash), words::short(first));
                let difference =
                    format!("at height {height} {name} has {hash}, {other} has {first}");
                // One difference is as bad as many.
                if blocks.differences.is_empty() {
                    blocks.differences.push(difference);
                }
            }
            None => {
                blocks.by_height.insert(height, (name.to_owned(), hash));
                if blocks.by_height.len() > HEIGHTS {
                    blocks.by_height.pop_first();
                }
            }
        }
    }

    pub(super) fn verdict(&self) -> (u64, Vec<String>) {
        let blocks = self.lock();
        (blocks.compared, blocks.differences.clone())
    }
}

fn problem(result: anyhow::Result<()>) -> Vec<String> {
    result.err().map(|error| sentence(&error)).into_iter().collect()
}

/// How the first of these tasks ends; each of them ends only with an error.
async fn first_end(tasks: &mut JoinSet<Result<(), ClientError>>) -> anyhow::Result<()> {
    match tasks.join_next().await {
        Some(ended) => Ok(ended??),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_at_one_height_are_a_difference() {
        let agreement = Agreement::default();
        agreement.note("node-1", 1, "aa".into());
        agreement.note("node-2", 1, "aa".into());
        assert_eq!(agreement.verdict(), (1, vec![]));
        agreement.note("node-3", 1, "bb".into());
        let difference = "at height 1 node-3 has bb, node-1 has aa".to_owned();
        assert_eq!(agreement.verdict(), (1, vec![difference]));
    }
}
