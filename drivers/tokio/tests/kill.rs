//! SIGKILL while the dice fly: real processes, real sockets, real disks, players at every node.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]
#![allow(clippy::print_stdout, reason = "a failed test shows what led to it")]

mod cluster;

use std::collections::BTreeSet;
use std::time::Duration;

use bitcraps_host::api::{OperationRequest, TableView};
use bitcraps_protocol::rng::Rng;
use bitcraps_tokio::client::{Client, ClientError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use cluster::{Cluster, until};

/// How often the table is looked at by a player.
const GLANCE: Duration = Duration::from_millis(10);
/// How long nothing may become final to count as nothing.
const STANDSTILL: Duration = Duration::from_secs(1);
const BANK: u64 = 500_000;

/// A player at one node, who goes on as soon as the node is back.
struct Player {
    client: Client,
    table: u32,
    rng: Rng,
}

impl Player {
    async fn play(mut self, mut playing: watch::Receiver<bool>) {
        while playing.wait_for(|playing| *playing).await.is_ok() {
            match self.turn().await {
                Ok(()) => sleep(GLANCE).await,
                Err(error) if is_gone(&error) => sleep(GLANCE).await,
                // What is refused is part of the game.
                Err(ClientError::Refused(_)) => sleep(GLANCE).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let own = self.client.status().await?.peer;
        let TableView { round, seats, rolling, shooter, bets, .. } =
            self.client.table(self.table).await?;
        let table = self.table;
        if !seats.iter().any(|seat| seat.player == own) {
            return self.carry_out(OperationRequest::Sit { table }).await;
        }
        if rolling {
            return Ok(());
        }
        if bets.iter().filter(|bet| bet.player == own).count() < 3 {
            let (bet, amount) = [("pass", 10), ("field", 5), ("place:6", 12), ("any7", 1)]
                [self.rng.below(4) as usize];
            let bet = bet.to_owned();
            self.carry_out(OperationRequest::Bet { table, round, bet, amount }).await?;
        }
        if shooter == Some(own) {
            self.carry_out(OperationRequest::Roll { table, round }).await?;
        }
        Ok(())
    }

    async fn carry_out(&self, operation: OperationRequest) -> Result<(), ClientError> {
        self.client.carry_out(operation, |_| {}).await.map(drop)
    }
}

/// A network with a table and a player at every node.
struct Game {
    cluster: Cluster,
    table: u32,
    addresses: Vec<String>,
    rng: Rng,
    playing: watch::Sender<bool>,
    players: JoinSet<()>,
}

impl Game {
    async fn start() -> Self {
        let rng = seeded();
        let cluster = Cluster::start(4).await;
        let table = cluster.members[0].open_table(BANK).await;
        let (playing, watching) = watch::channel(true);
        let mut players = JoinSet::new();
        let mut addresses = Vec::new();
        for member in &cluster.members {
            addresses.push(member.address().await);
            let rng = rng.fork(&member.name);
            let player = Player { client: member.client.clone(), table, rng };
            players.spawn(player.play(watching.clone()));
        }
        Self { cluster, table, addresses, rng, playing, players }
    }

    /// The table's round as a node knows it; 0 if it does not know the table yet.
    async fn round(&self, index: usize) -> u64 {
        let table = self.cluster.members[index].client.table(self.table).await;
        table.map_or(0, |table| table.round)
    }

    /// Goes on until dice were thrown that nobody had thrown before.
    async fn rolls(&self, index: usize) {
        let before = self.round(index).await;
        let what = format!("another roll is settled on node-{}", index + 1);
        until(&what, async || (self.round(index).await > before).then_some(())).await;
    }

    /// Lets the players play for up to so long.
    async fn random_moment(&mut self, span: Duration) {
        let moment = self.rng.below(span.as_micros() as u64);
        sleep(Duration::from_micros(moment)).await;
    }

    /// Stops the players, waits until every node has the same state, and lets them go on.
    async fn compare(&mut self) {
        self.playing.send_replace(false);
        let supply = self.cluster.level().await;
        self.cluster.agreement.holds();
        println!("level at {supply:?}");
        self.playing.send_replace(true);
    }

    async fn over(mut self) {
        self.compare().await;
        self.playing.send_replace(false);
        drop(self.playing);
        while let Some(player) = self.players.join_next().await {
            player.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_validator_may_be_killed_at_any_moment_and_comes_back_to_the_same_state() {
    let mut game = Game::start().await;
    for time in 1..=20 {
        game.random_moment(Duration::from_millis(300)).await;
        let victim = game.rng.below(4) as usize;
        let height = game.cluster.members[victim].client.status().await.unwrap().height;
        println!("kill {time}: node-{} at height {height}", victim + 1);
        game.cluster.kill(victim).await;
        let (one, other) = ((victim + 1) % 4, (victim + 2) % 4);
        // Whoever is shooter now: the house throws if the shooter is dead.
        game.cluster.members[one].pay(&game.addresses[other]).await;
        game.rolls(other).await;
        game.random_moment(Duration::from_millis(100)).await;
        game.cluster.restart(victim).await;
        let goal = game.cluster.members[one].client.status().await.unwrap().height;
        let catches_up = async || {
            let status = game.cluster.members[victim].client.status().await.unwrap();
            (status.height >= goal).then_some(())
        };
        until("the restarted node catches up", catches_up).await;
        game.compare().await;
        // It does not only listen.
        game.cluster.members[victim].pay(&game.addresses[other]).await;
    }
    game.over().await;
}

/// Heights and blocks of nodes that have lost all but one of the others, and wait for them.
async fn states(survivors: &[Client]) -> Option<Vec<(u64, String)>> {
    let mut states = Vec::new();
    for client in survivors {
        let status = client.status().await.unwrap();
        let linked: BTreeSet<_> = status.peers.iter().filter_map(|peer| peer.validator).collect();
        if linked.len() > 1 || status.waiting_for.is_empty() {
            return None;
        }
        states.push((status.height, status.block));
    }
    Some(states)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_of_four_killed_nothing_is_final_until_one_is_back() {
    let mut game = Game::start().await;
    for (first, second) in [(0, 2), (3, 1), (1, 2)] {
        game.rolls(0).await;
        game.random_moment(Duration::from_millis(100)).await;
        game.cluster.kill(first).await;
        game.random_moment(Duration::from_millis(30)).await;
        game.cluster.kill(second).await;
        let alive: Vec<_> = (0..4).filter(|index| ![first, second].contains(index)).collect();
        let survivors: Vec<Client> = game.cluster.running().map(|it| it.client.clone()).collect();
        let at_rest = async || {
            let before = states(&survivors).await?;
            sleep(STANDSTILL / 4).await;
            (states(&survivors).await? == before).then_some(before)
        };
        let rest = until("both wait for the dead", at_rest).await;
        let to = game.addresses[alive[1]].clone();
        let transfer = OperationRequest::Transfer { to, amount: 1 };
        let waiting = survivors[0].carry_out(transfer, |_| {});
        assert!(tokio::time::timeout(STANDSTILL, waiting).await.is_err(), "two of four decided");
        assert_eq!(states(&survivors).await, Some(rest));
        game.cluster.agreement.holds();
        game.cluster.restart(first).await;
        game.rolls(alive[0]).await;
        game.cluster.restart(second).await;
        game.compare().await;
    }
    // All at once: nobody is left to ask.
    game.rolls(0).await;
    for index in 0..4 {
        game.cluster.kill(index).await;
    }
    for index in 0..4 {
        game.cluster.restart(index).await;
    }
    game.rolls(0).await;
    game.over().await;
}

/// A generator from the seed in `BITCRAPS_SEED`, or from a new one that is printed.
fn seeded() -> Rng {
    let given = std::env::var("BITCRAPS_SEED").ok();
    let seed: u64 = given.map_or_else(
        || {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).unwrap();
            u64::from_le_bytes(bytes)
        },
        |seed| seed.parse().unwrap(),
    );
    println!("BITCRAPS_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::new(bytes)
}

/// Whether the node could not be asked, because it is dead or dying.
fn is_gone(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Broken(_))
}
