//! Nodes of the light program, which is built when this runs: beside those of the usual one in one
//! network, and under the same bad treatment.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]
#![allow(clippy::print_stdout, reason = "the long test says what it saw")]

mod cluster;
mod requests;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use bitcraps_host::api::OperationRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use cluster::{Cluster, Member, PATIENCE, until};

const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");

/// The light program, of the same profile as the usual one.
async fn light() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(build).await.clone()
}

async fn build() -> PathBuf {
    let directory = Path::new(BITCRAPS).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "bitcraps-smol", "--target-dir"]);
    cargo.arg(directory.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().await.unwrap().success());
    directory.join("bitcraps-smol")
}

fn usual() -> PathBuf {
    BITCRAPS.into()
}

/// Two nodes of each program play; everybody sees the same.
async fn play(rolls: u64) {
    let programs = [usual(), light().await, usual(), light().await];
    let others = |index| (0..4).filter(|other| *other != index).collect();
    let cluster = Cluster::made_of(&programs, others, &[]).await;
    let table = cluster.members[1].open_table(500_000).await;
    let players = &cluster.members[..2];
    let mut keys = Vec::new();
    for player in players {
        keys.push(player.client.status().await.unwrap().peer);
        player.carry_out(OperationRequest::Sit { table }).await;
    }
    for _ in 0..rolls {
        let view = players[0].client.table(table).await.unwrap();
        let round = view.round;
        for (player, key) in players.iter().zip(&keys) {
            let at = format!("{} is at round {round}", player.name);
            until(&at, async || {
                let view = player.client.table(table).await.unwrap();
                (view.round == round && !view.rolling).then_some(())
            })
            .await;
            let bets = player.client.table(table).await.unwrap().bets;
            let has_line = bets.iter().any(|bet| bet.player == *key);
            // A shooter needs a line bet; it stays up until it is decided, the other for a roll.
            for bet in ["pass", "field"].into_iter().skip(usize::from(has_line)) {
                let bet = bet.to_owned();
                player.carry_out(OperationRequest::Bet { table, round, bet, amount: 5 }).await;
            }
        }
        let shooter = players[0].client.table(table).await.unwrap().shooter.unwrap();
        let shooter = keys.iter().position(|key| *key == shooter).unwrap();
        players[shooter].carry_out(OperationRequest::Roll { table, round }).await;
        until("the roll is settled", async || {
            (players[0].client.table(table).await.unwrap().round > round).then_some(())
        })
        .await;
    }
    let supply = cluster.level().await;
    cluster.agreement.holds();
    println!("{rolls} rolls, then everywhere: {supply:?}");
    for (member, program) in cluster.members.iter().zip(&programs) {
        let size = std::fs::metadata(program).unwrap().len();
        let name = program.file_name().unwrap().display();
        println!("{}: {name}, {size} bytes, {}", member.name, resident(member));
    }
}

/// What the system says of the memory that a node has resident.
fn resident(member: &Member) -> String {
    let process = member.process.as_ref().unwrap().id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let [now, most] = ["VmRSS:", "VmHWM:"].map(|name| line(name).unwrap_or_default());
    format!("{now}, {most}").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_both_programs_play_with_equal_roots() {
    play(20).await;
}

/// `cargo test --release -p bitcraps-tokio --test smol -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes where it is not optimised"]
async fn nodes_of_both_programs_play_a_hundred_rolls_with_equal_roots() {
    play(100).await;
}

async fn alone(program: PathBuf) -> Cluster {
    Cluster::made_of(&[program], |_| Vec::new(), &[]).await
}

fn socket(member: &Member) -> PathBuf {
    member.data_dir.join("api.sock")
}

/// Sends SIGTERM, and tells how the node ended.
async fn terminate(cluster: &mut Cluster) -> ExitStatus {
    let process = cluster.members[0].process.as_mut().unwrap();
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    timeout(PATIENCE, process.wait()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_get_typed_answers_from_the_light_node() {
    let mut cluster = alone(light().await).await;
    requests::bad_ones_get_typed_answers(&socket(&cluster.members[0])).await;
    cluster.level().await;
    assert_eq!(terminate(&mut cluster).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stalls_at_either_api_loses_the_connection_and_keeps_nobody_out_for_long() {
    for program in [usual(), light().await] {
        let mut cluster = alone(program.clone()).await;
        let member = &cluster.members[0];
        let mut stalled = Vec::new();
        // More than there are places.
        for index in 0..70 {
            let mut stream = UnixStream::connect(socket(member)).await.unwrap();
            let begun: &[u8] = match index % 3 {
                0 => b"",
                1 => b"GET /v1/status HTTP/1.1\r\nHost: local",
                _ => {
                    b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\
                      Content-Type: application/json\r\n\r\n{"
                }
            };
            stream.write_all(begun).await.unwrap();
            stalled.push(stream);
        }
        let began = Instant::now();
        timeout(PATIENCE, member.client.status()).await.unwrap().unwrap();
        let kept_out = began.elapsed();
        for mut stream in stalled {
            let end = async { while stream.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {} };
            timeout(PATIENCE, end).await.expect("the node ends the connection");
        }
        println!("{}: a place was free after {kept_out:?}", program.display());
        assert!(
            kept_out > Duration::from_secs(1),
            "there are not more places than there should be"
        );
        cluster.level().await;
        assert_eq!(terminate(&mut cluster).await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_light_node_s_end_ends_streams_and_stalled_requests() {
    let mut cluster = alone(light().await).await;
    let member = &cluster.members[0];
    let mut events = member.client.events().await.unwrap();
    let mut stalled = UnixStream::connect(socket(member)).await.unwrap();
    let begun = b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\
                  Content-Type: application/json\r\n\r\n{";
    stalled.write_all(begun).await.unwrap();
    assert_eq!(terminate(&mut cluster).await.code(), Some(0));
    let rest = async { while events.next().await.unwrap().is_some() {} };
    timeout(PATIENCE, rest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_of_the_light_program_is_tokio() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "bitcraps-smol", "--edges", "all", "--prefix", "none"]);
    let tree = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("smol v")), "{tree}");
    let found: Vec<_> = tree.lines().filter(|line| line.contains("tokio")).collect();
    assert!(found.is_empty(), "{found:?}");
}
