//! A private network of real processes over loopback TCP, with a relay between its halves that was
//! not invited.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod cluster;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bitcraps_host::api::{RelayView, StatusView};
use bitcraps_tokio::client::Client;
use cluster::{BITCRAPS, Cluster, answer, command, fails, free_place, until};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// Starts a process of the real program, and waits until it says that it is ready.
async fn start(data_dir: &Path, arguments: &[&str]) -> Child {
    let mut command = command(Path::new(BITCRAPS), data_dir, arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    until("it is ready", async || {
        let line = lines.next_line().await.unwrap().unwrap();
        line.starts_with("ready: ").then_some(())
    })
    .await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

async fn versions(cluster: &Cluster) -> Vec<u32> {
    let mut versions = Vec::new();
    for member in cluster.running() {
        versions.push(member.client.status().await.unwrap().private.unwrap().version);
    }
    versions
}

async fn plays(cluster: &Cluster) {
    let payee = cluster.members[0].address().await;
    for member in &cluster.members[1..] {
        member.pay(&payee).await;
    }
    cluster.level().await;
    cluster.agreement.holds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_play_through_a_relay_and_change_the_key() {
    let programs = vec![PathBuf::from(BITCRAPS); 4];
    let middle = free_place();
    let flags = ["--exchange", "off", "--peers", &middle];
    // Nobody of one half is told of the other half.
    let cluster = Cluster::begun(&programs, |_| vec![], &flags, &["--private"]).await;
    let (first, last) = (&cluster.members[0], &cluster.members[3]);
    let ticket = answer(&first.data_dir, &["invite", "--relay"]).await;
    let home = cluster.home("relay");
    let relay = ["relay", &ticket, "--listen", &middle, "--exchange", "off"];
    let mut relay = start(&home, &relay).await;
    cluster.has_dice().await;
    plays(&cluster).await;
    let carried = Client::new(&home).status().await.unwrap();
    assert!(matches!(
        carried,
        StatusView { relay: Some(RelayView { carried: 1.., in_the_clear: 0, .. }), height: 0, .. }
    ));
    for member in cluster.running() {
        let status = member.client.status().await.unwrap();
        assert_eq!(status.private.unwrap().strangers, 1, "the relay");
    }

    // Whoever has no key, or is not let in as a member, gets nothing.
    let ticket = answer(&first.data_dir, &["invite"]).await;
    let player = cluster.home("player");
    let player_flags = ["join", &ticket, "--exchange", "off", "--listen", "127.0.0.1:0"];
    let refused =
        fails(&cluster.home("nobody"), &["join", &invited_as_relay(&cluster).await]).await;
    assert!(refused.contains("does not hold its newest key"), "{refused}");
    let mut joined = start(&player, &player_flags).await;
    joined.kill().await.unwrap();

    let made = answer(&first.data_dir, &["--json", "network", "rotate"]).await;
    let id = serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    until("the others have heard of it", async || {
        let pending = last.client.status().await.unwrap().private.unwrap().pending;
        pending.iter().any(|it| it.id == id).then_some(())
    })
    .await;
    assert_eq!(versions(&cluster).await, [0; 4]);
    answer(&last.data_dir, &["network", "endorse", id]).await;
    until("everybody has the new key", async || (versions(&cluster).await == [1; 4]).then_some(()))
        .await;
    plays(&cluster).await;

    // A ticket from before is worth nothing any more.
    let late = fails(&cluster.home("late"), &["join", &ticket]).await;
    assert!(late.contains("does not hold its newest key"), "{late}");
    relay.kill().await.unwrap();
}

async fn invited_as_relay(cluster: &Cluster) -> String {
    answer(&cluster.members[0].data_dir, &["invite", "--relay"]).await
}
