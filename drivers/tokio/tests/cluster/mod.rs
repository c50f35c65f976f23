//! Validators as processes of the real program over loopback TCP, made with the real commands.
//! Whatever any of them says is compared with what the others say at the same height.

#![allow(dead_code, reason = "each test of several uses what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitcraps_host::api::{
    Code, EventView, OperationRequest, SupplyView, TransactionState, TransactionView,
};
use bitcraps_protocol::craps::Rules;
use bitcraps_tokio::client::{Client, ClientError};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

pub(crate) const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");
/// Names another program that runs the nodes, so that it is put to the same tests.
const NODE: &str = "BITCRAPS_TEST_NODE";
/// How long anything that must happen may take; a machine may be very busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Chips that each validator starts with.
pub(crate) const CHIPS: u64 = 1_000_000;

pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) agreement: Agreement,
    directory: tempfile::TempDir,
}

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    /// Where it listens.
    pub(crate) place: String,
    pub(crate) client: Client,
    program: PathBuf,
    peers: String,
    flags: Vec<String>,
    pub(crate) process: Option<Child>,
}

impl Cluster {
    /// A running network of so many validators that all know one another.
    pub(crate) async fn start(size: usize) -> Self {
        let others = |index| (0..size).filter(|other| *other != index).collect();
        Self::wired(size, others, &[]).await
    }

    /// A running network of so many validators, each of which is told of some others and gets these
    /// flags.
    pub(crate) async fn wired(
        size: usize,
        peers: impl Fn(usize) -> Vec<usize>,
        flags: &[&str],
    ) -> Self {
        let program = std::env::var_os(NODE).map_or_else(|| BITCRAPS.into(), PathBuf::from);
        Self::made_of(&vec![program; size], peers, flags).await
    }

    /// Such a network with a node for each of these programs.
    pub(crate) async fn made_of(
        programs: &[PathBuf],
        peers: impl Fn(usize) -> Vec<usize>,
        flags: &[&str],
    ) -> Self {
        let size = programs.len();
        let directory = tempfile::tempdir().unwrap();
        let homes: Vec<_> =
            (1..=size).map(|n| directory.path().join(format!("node-{n}"))).collect();
        let mut cards = Vec::new();
        for home in &homes {
            cards.push(answer(home, &["key", "card"]).await);
        }
        let mut new = vec!["network", "new"];
        cards.iter().for_each(|card| new.extend(["--validator", card]));
        answer(&homes[0], &new).await;
        let places: Vec<_> = (0..size).map(|_| free_place()).collect();
        let members =
            homes.into_iter().zip(&places).enumerate().map(|(index, (data_dir, place))| {
                let others: Vec<_> =
                    peers(index).into_iter().map(|it| places[it].clone()).collect();
                Member {
                    program: programs[index].clone(),
                    flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                    name: data_dir.file_name().unwrap().to_str().unwrap().to_owned(),
                    client: Client::new(&data_dir),
                    data_dir,
                    place: place.clone(),
                    peers: others.join(","),
                    process: None,
                }
            });
        let members = members.collect();
        let mut cluster = Self { members, agreement: Agreement::default(), directory };
        for index in 0..size {
            cluster.restart(index).await;
        }
        // Making the dice key changes the state without anybody's asking.
        until("everybody has a share of the dice key", async || {
            for member in cluster.running() {
                let dice = member.client.status().await.unwrap().dice;
                let all = dice.version.is_some() && dice.usable_shares == dice.members;
                all.then_some(())?;
            }
            Some(())
        })
        .await;
        cluster
    }

    /// Starts a node that is not running, and follows what it says is final.
    pub(crate) async fn restart(&mut self, index: usize) {
        let genesis = self.directory.path().join("node-1/genesis");
        let member = &mut self.members[index];
        assert!(member.process.is_none());
        member.process = Some(member.spawn(&genesis).await);
        self.agreement.follow(member).await;
    }

    /// Ends a node with SIGKILL.
    pub(crate) async fn kill(&mut self, index: usize) {
        self.members[index].process.take().unwrap().kill().await.unwrap();
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.process.is_some())
    }

    /// What each running node says of all chips.
    pub(crate) async fn supplies(&self) -> Vec<SupplyView> {
        let mut supplies = Vec::new();
        for member in self.running() {
            let supply = member.client.supply().await.unwrap();
            self.agreement.note_supply(&member.name, &supply, CHIPS * self.members.len() as u64);
            supplies.push(supply);
        }
        supplies
    }

    /// Waits until all running nodes are at the same height, and so, as the agreement asserts, in
    /// the same state.
    pub(crate) async fn level(&self) -> SupplyView {
        until("all nodes are at one height", async || {
            let supplies = self.supplies().await;
            let first = supplies.first().cloned()?;
            supplies.iter().all(|supply| *supply == first).then_some(first)
        })
        .await
    }
}

impl Member {
    /// Starts a node. A process that another test is just starting may hold this node's place for
    /// an instant, as a copy of what the test that chose it had open.
    async fn spawn(&self, genesis: &Path) -> Child {
        for _ in 0..20 {
            match self.try_spawn(genesis).await {
                Ok(child) => return child,
                Err(log) if log.contains("Address already in use") => sleep(10 * LOOK).await,
                Err(log) => panic!("{} ended: {log}", self.name),
            }
        }
        panic!("{} finds {} taken", self.name, self.place);
    }

    /// Starts a node; what it said if it ends at once.
    async fn try_spawn(&self, genesis: &Path) -> Result<Child, String> {
        let before = std::fs::metadata(self.data_dir.join("log")).map_or(0, |it| it.len());
        let mut appending = std::fs::OpenOptions::new();
        appending.append(true).create(true);
        let log = appending.open(self.data_dir.join("log")).unwrap();
        let mut command = command(&self.program, &self.data_dir, &["node"]);
        if !self.flags.iter().any(|flag| flag == "--log") {
            command.args(["--log", "warn"]);
        }
        command.arg("--genesis").arg(genesis).args(["--listen", &self.place]);
        if !self.peers.is_empty() {
            command.args(["--peers", &self.peers]);
        }
        command.args(&self.flags);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.starts_with("ready: ") {
                    return Ok(());
                }
            }
            let log = std::fs::read(self.data_dir.join("log")).unwrap();
            Err(String::from_utf8_lossy(&log[before as usize..]).into_owned())
        };
        timeout(PATIENCE, ready).await.unwrap()?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(child)
    }

    /// Carries out what must succeed. A restarted node may use a nonce that a transaction from
    /// before still waits with elsewhere: whichever comes later has failed for good, and is tried
    /// again.
    pub(crate) async fn carry_out(&self, operation: OperationRequest) -> TransactionView {
        let last_words = Mutex::new(String::new());
        let say = |words: String| *last_words.lock().unwrap() = words;
        let carried_out = async {
            loop {
                match self.client.carry_out(operation.clone(), |why| say(why.to_owned())).await {
                    Ok(done) => return done,
                    Err(ClientError::Refused(failure)) if failure.code == Code::Failed => {
                        say(failure.message);
                    }
                    Err(error) => panic!("{}: {operation:?}: {error}", self.name),
                }
            }
        };
        let done = timeout(PATIENCE, carried_out).await;
        done.unwrap_or_else(|_| panic!("{}: {operation:?}: {last_words:?}", self.name))
    }

    /// Opens a table at which the dice wait for nobody.
    pub(crate) async fn open_table(&self, bank: u64) -> u32 {
        let rules = Rules { window_ms: 0, shooter_ms: 1000, ..Rules::default() };
        let name = "kitchen".to_owned();
        let open = OperationRequest::OpenTable { name, rules: Some(Box::new(rules)), bank };
        match self.carry_out(open).await.state {
            TransactionState::Final { table: Some(table), .. } => table,
            state => panic!("no table: {state:?}"),
        }
    }

    /// Pays one chip to `to`, which takes a quorum.
    pub(crate) async fn pay(&self, to: &str) {
        self.carry_out(OperationRequest::Transfer { to: to.to_owned(), amount: 1 }).await;
    }

    pub(crate) async fn address(&self) -> String {
        self.client.status().await.unwrap().address
    }
}

/// What nodes have said: one block and one state at each height.
#[derive(Clone, Default)]
pub(crate) struct Agreement(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    blocks: BTreeMap<u64, (String, String)>,
    states: BTreeMap<u64, (String, SupplyView)>,
    differences: Vec<String>,
}

impl Agreement {
    /// Notes every block that a node finalizes until it ends.
    async fn follow(&self, member: &Member) {
        let mut events = member.client.events().await.unwrap();
        let (agreement, name) = (self.clone(), member.name.clone());
        tokio::spawn(async move {
            while let Ok(Some(event)) = events.next().await {
                if let EventView::Finalized { height, hash, .. } = event {
                    agreement.note_block(&name, height, hash);
                }
            }
        });
    }

    fn note_block(&self, name: &str, height: u64, hash: String) {
        let mut said = self.0.lock().unwrap();
        let first = said.blocks.entry(height).or_insert_with(|| (name.to_owned(), hash.clone()));
        if first.1 != hash {
            let difference = format!("block {height}: {name} has {hash}, {first:?}");
            said.differences.push(difference);
        }
    }

    fn note_supply(&self, name: &str, supply: &SupplyView, chips: u64) {
        assert!(supply.conserved && supply.supply == chips, "{name}: {supply:?}");
        assert_eq!(supply.accounts + supply.tables, chips, "{name}: {supply:?}");
        let mut said = self.0.lock().unwrap();
        let of = (name.to_owned(), supply.clone());
        let first = said.states.entry(supply.height).or_insert(of);
        if first.1 != *supply {
            let difference = format!("state {}: {name} has {supply:?}, {first:?}", supply.height);
            said.differences.push(difference);
        }
    }

    pub(crate) fn holds(&self) {
        let said = self.0.lock().unwrap();
        assert!(said.differences.is_empty(), "{:?}", said.differences);
    }
}

/// Waits until `condition` gives something.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        sleep(LOOK).await;
    }
}

pub(crate) fn command(program: &Path, data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments).kill_on_drop(true);
    command
}

/// What a command that fails says.
pub(crate) async fn fails(data_dir: &Path, arguments: &[&str]) -> String {
    let output = command(Path::new(BITCRAPS), data_dir, arguments).output().await.unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command answers.
pub(crate) async fn answer(data_dir: &Path, arguments: &[&str]) -> String {
    let output = command(Path::new(BITCRAPS), data_dir, arguments).output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A free port below those that the system gives to connections: nobody takes it while the node
/// that listens there is dead.
fn free_place() -> String {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).unwrap();
        let port = 10_000 + u16::from_le_bytes(bytes) % 20_000;
        if GIVEN.lock().unwrap().insert(port)
            && let Ok(listener) = TcpListener::bind(("127.0.0.1", port))
        {
            return listener.local_addr().unwrap().to_string();
        }
    }
}
