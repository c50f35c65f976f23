//! The nodes of the network and their data directories.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bitcraps_host::Identity;
use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::ProofOfWork;
use bitcraps_protocol::wire::Text;
use bitcraps_tokio::client::Client;
use bitcraps_tokio::config::{self, Flags};
use bitcraps_tokio::home::{Home, write_whole};
use tokio::task::JoinSet;

use super::measure::Shared;
use super::members::Member;
use crate::cli::Dev;
use crate::commands::{entropy, now};
use crate::exit::{Usage, sentence};
use crate::output::aside;

/// The network's genesis, for whoever checks receipts.
const GENESIS: &str = "genesis";
/// Chips that every node's account starts with.
const CHIPS: u64 = 1_000_000;

/// A network on this machine.
pub(super) struct Cluster {
    directory: PathBuf,
    is_temporary: bool,
    nodes: Vec<PathBuf>,
    validators: usize,
    as_processes: bool,
    /// For each node, whom it dials instead of those its configuration names.
    dials: Vec<Option<Vec<String>>>,
    members: Vec<Member>,
}

impl Cluster {
    /// Prepares the data directories, or finds them as an earlier run left them.
    pub(super) async fn prepare(arguments: &Dev, measurements: &Shared) -> anyhow::Result<Self> {
        let (directory, is_temporary) = match &arguments.state {
            Some(directory) => (directory.clone(), false),
            None => (temporary_directory()?, true),
        };
        let validators = usize::from(arguments.nodes);
        // The last validator owns the table; bots beyond the other validators are mere players.
        let players = usize::from(arguments.bots).saturating_sub(validators - 1);
        let node = |kind: &str, number| directory.join(format!("{kind}-{number}"));
        let mut nodes = (0..validators).map(|n| node("node", n)).collect::<Vec<_>>();
        nodes.extend((0..players).map(|n| node("player", n)));
        let cluster = Self {
            directory,
            is_temporary,
            dials: vec![None; nodes.len()],
            nodes,
            validators,
            as_processes: arguments.processes,
            members: Vec::new(),
        };
        if let (Some(receipts), true) = (&arguments.receipts, is_temporary) {
            let receipts = receipts.display();
            aside(&format!(
                "without --state the genesis goes when the run ends, and with it what the receipts \
                 in {receipts} are checked against"
            ));
        }
        if cluster.nodes[0].exists() {
            cluster.check(validators)?;
        } else {
            let (nodes, measurements) = (cluster.nodes.clone(), measurements.clone());
            let insecure = arguments.insecure_dealer;
            let make = move || make_network(&nodes, validators, insecure, &measurements);
            tokio::task::spawn_blocking(make).await??;
        }
        let genesis = Home::new(&cluster.nodes[0]).genesis()?;
        write_whole(&cluster.directory.join(GENESIS), &genesis.encode())?;
        Ok(cluster)
    }

    /// Checks that what an earlier run left is a network of this size.
    fn check(&self, validators: usize) -> anyhow::Result<()> {
        let genesis = Home::new(&self.nodes[0]).genesis()?;
        let missing = self.nodes.iter().find(|node| !node.exists());
        if genesis.validators.len() != validators || missing.is_some() {
            let directory = self.directory.display();
            return Err(Usage(format!(
                "{directory} holds a network of {} validators or with fewer bots; give the same \
                 --nodes and --bots, or another --state",
                genesis.validators.len()
            ))
            .into());
        }
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Every node, the validators first.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// How many nodes validate; they are the first ones.
    pub(super) const fn validators(&self) -> usize {
        self.validators
    }

    /// The node that owns the table: the last validator.
    pub(super) fn house(&self) -> &Client {
        &self.members[self.validators - 1].client
    }

    /// The nodes whose owners may sit down: all but the house.
    pub(super) fn players(&self) -> impl Iterator<Item = &Member> {
        let house = self.validators - 1;
        let members = self.members.iter().enumerate();
        members.filter(move |(index, _)| *index != house).map(|(_, member)| member)
    }

    /// What each node's configuration says: where it listens, and whom it dials.
    pub(super) fn configured(&self) -> anyhow::Result<Vec<(SocketAddr, Vec<String>)>> {
        let read = |directory: &PathBuf| {
            let flags = Flags { data_dir: Some(directory.clone()), ..Flags::default() };
            let config = config::load(flags, [])?.config;
            let listen = config.listen.value.context("a node of `dev` listens")?;
            Ok((listen, config.peers.value))
        };
        self.nodes.iter().map(read).collect()
    }

    /// From its next start on, node `index` dials `peers` instead of those it is configured with.
    pub(super) fn redirect(&mut self, index: usize, peers: Vec<String>) {
        self.dials[index] = Some(peers);
    }

    /// Ends a node's process without a warning.
    pub(super) async fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        self.members[index].kill().await
    }

    /// Starts a node again whose process was killed; how long it took to be ready.
    pub(super) async fn restart(&mut self, index: usize) -> anyhow::Result<Duration> {
        let (directory, peers) = (self.nodes[index].clone(), self.dials[index].clone());
        let (member, took) = Member::start(directory, self.as_processes, peers).await?;
        self.members[index] = member;
        Ok(took)
    }

    /// Starts all nodes.
    pub(super) async fn start(&mut self, measurements: &Shared) -> anyhow::Result<()> {
        let mut starting = JoinSet::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let peers = self.dials[index].clone();
            let start = Member::start(node.clone(), self.as_processes, peers);
            starting.spawn(async move { (index, start.await) });
        }
        let mut started = Vec::new();
        let mut failed = None;
        while let Some(member) = starting.join_next().await {
            match member? {
                (index, Ok((member, took))) => {
                    measurements.lock().start.add(took);
                    started.push((index, member));
                }
                (_, Err(error)) => failed = Some(error),
            }
        }
        started.sort_by_key(|(index, _)| *index);
        self.members = started.into_iter().map(|(_, member)| member).collect();
        failed.map_or(Ok(()), Err)
    }

    /// Stops all nodes, and removes what was temporary unless something is to be found out from it.
    pub(super) async fn stop(mut self, is_well: bool) -> anyhow::Result<()> {
        let problems = self.stop_nodes().await?;
        self.tidy(is_well && problems.is_empty())?;
        if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
    }

    /// Stops all nodes; what went wrong.
    pub(super) async fn stop_nodes(&mut self) -> anyhow::Result<Vec<String>> {
        let mut stopping = JoinSet::new();
        for member in self.members.drain(..) {
            stopping.spawn(member.stop());
        }
        let mut problems = Vec::new();
        while let Some(stopped) = stopping.join_next().await {
            if let Err(error) = stopped? {
                problems.push(sentence(&error));
            }
        }
        Ok(problems)
    }

    /// Removes what was temporary unless something is to be found out from it.
    pub(super) fn tidy(&self, is_well: bool) -> io::Result<()> {
        if self.is_temporary && is_well {
            std::fs::remove_dir_all(&self.directory)?;
        } else if self.is_temporary {
            aside(&format!("what the nodes left is in {}", self.directory.display()));
        }
        Ok(())
    }

    /// The data directories, the validators' first.
    pub(super) fn data_dirs(&self) -> &[PathBuf] {
        &self.nodes
    }
}

fn temporary_directory() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let name = format!("bitcraps-dev-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

/// Makes identities, a genesis and configurations. Each node dials those before it.
fn make_network(
    nodes: &[PathBuf],
    validators: usize,
    insecure_dealer: bool,
    measurements: &Shared,
) -> anyhow::Result<()> {
    let bits = ProofOfWork::DEFAULT_BITS;
    let mut identities = Vec::new();
    for node in nodes {
        let begun = Instant::now();
        let (identity, made) = Identity::load_or_create(node, bits, None)?;
        ensure!(made, "{} holds an identity already", node.display());
        measurements.lock().identity.add(begun.elapsed());
        identities.push(identity);
    }
    let cards = identities.iter().take(validators);
    let cards = cards.map(|identity| ValidatorCard::new(&identity.keypair, identity.proof));
    let chips = identities.iter().map(|identity| (identity.address(), Chips(CHIPS)));
    let name = Text::new("dev").map_err(anyhow::Error::msg)?;
    let (cards, chips) = (cards.collect(), chips.collect());
    let genesis = if insecure_dealer {
        Genesis::insecure(name, cards, chips, now(), bits, &mut entropy()?)
    } else {
        Genesis::new(name, cards, chips, now(), bits)
    };
    let genesis = genesis.map_err(anyhow::Error::msg)?;
    let places = free_places(nodes.len()).context("cannot listen on the loopback address")?;
    for (index, node) in nodes.iter().enumerate() {
        Home::new(node).adopt(&genesis)?;
        let peers = places[..index.min(validators)].iter().map(ToString::to_string);
        let mut settings = toml::Table::new();
        settings.insert("listen".into(), places[index].to_string().into());
        settings.insert("peers".into(), peers.collect::<Vec<_>>().into());
        write_whole(&node.join(config::FILE_NAME), settings.to_string().as_bytes())?;
    }
    Ok(())
}

/// Loopback addresses that nobody uses right now; nodes keep theirs across restarts.
fn free_places(count: usize) -> io::Result<Vec<SocketAddr>> {
    let bound = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>();
    bound?.iter().map(TcpListener::local_addr).collect()
}
