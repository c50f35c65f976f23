//! Networks of real processes over loopback TCP in which not everybody is linked with everybody.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod cluster;

use bitcraps_host::api::Path;
use cluster::{Cluster, until};

/// Whom each member is linked with, by key.
async fn links(cluster: &Cluster) -> Vec<(String, Vec<String>)> {
    let mut links = Vec::new();
    for member in cluster.running() {
        let status = member.client.status().await.unwrap();
        let linked = status.peers.into_iter().filter(|peer| peer.path != Path::Relayed);
        let peers = linked.map(|peer| peer.peer).collect();
        links.push((status.peer, peers));
    }
    links
}

/// How many members the first one reaches over links between members.
fn reached(links: &[(String, Vec<String>)]) -> usize {
    let mut near = vec![links[0].0.clone()];
    let mut next = 0;
    while let Some(from) = near.get(next).cloned() {
        next += 1;
        for (peer, peers) in links {
            if !near.contains(peer) && peers.contains(&from) {
                near.push(peer.clone());
            }
        }
    }
    near.len()
}

async fn most_links(cluster: &Cluster) -> usize {
    links(cluster).await.iter().map(|(_, peers)| peers.len()).max().unwrap()
}

async fn plays(cluster: &Cluster) {
    let table = cluster.members[0].open_table(10_000).await;
    let payee = cluster.members[0].address().await;
    for member in cluster.running().skip(1) {
        member.pay(&payee).await;
    }
    let tables = cluster.members.last().unwrap().client.tables().await.unwrap();
    assert!(tables.iter().any(|it| it.id == table));
    cluster.level().await;
    cluster.agreement.holds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_in_a_line_play_although_nobody_tells_them_of_others() {
    let before = |index: usize| index.checked_sub(1).into_iter().collect();
    let cluster = Cluster::wired(5, before, &["--exchange", "off"]).await;
    assert_eq!(most_links(&cluster).await, 2);
    plays(&cluster).await;
    assert_eq!(most_links(&cluster).await, 2);
}

/// How many frames a node has relayed, and in how many microseconds 95 % of them.
async fn relayed(member: &cluster::Member) -> (u64, f64) {
    let mut lines = member.client.metrics().await.unwrap();
    let mut buckets = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        let line = String::from_utf8(line.to_vec()).unwrap();
        let bucket = line.strip_prefix("bitcraps_relay_seconds_bucket{le=\"");
        if let Some((bound, count)) = bucket.and_then(|rest| rest.split_once("\"} ")) {
            let bound: f64 = bound.replace('+', "").parse().unwrap();
            buckets.push((bound * 1e6, count.trim().parse::<u64>().unwrap()));
        }
    }
    let count = buckets.last().unwrap().1;
    let p95 = buckets.iter().find(|(_, below)| below * 100 >= count * 95).unwrap();
    (count, p95.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "figures, for whoever asks with --nocapture")]
async fn nodes_in_a_line_say_how_long_a_hop_takes() {
    let before = |index: usize| index.checked_sub(1).into_iter().collect();
    let cluster = Cluster::wired(4, before, &["--exchange", "off"]).await;
    let payee = cluster.members[0].address().await;
    for _ in 0..10 {
        for member in cluster.running().skip(1) {
            member.pay(&payee).await;
        }
    }
    for (index, member) in cluster.members.iter().enumerate() {
        let (count, p95) = relayed(member).await;
        eprintln!("node {index}: {count} frames relayed, 95 % of them within {p95} µs");
        assert_eq!(count > 100, [1, 2].contains(&index), "the ends have nobody to relay to");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_of_six_goes_on_when_one_of_them_is_gone() {
    let before = |index: usize| vec![(index + 5) % 6];
    let mut cluster = Cluster::wired(6, before, &["--exchange", "off"]).await;
    plays(&cluster).await;
    cluster.kill(3).await;
    let payee = cluster.members[0].address().await;
    for index in [1, 4, 5] {
        cluster.members[index].pay(&payee).await;
    }
    cluster.level().await;
    cluster.agreement.holds();
    assert_eq!(most_links(&cluster).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_whose_middle_is_removed_is_healed_around() {
    let before = |index: usize| index.checked_sub(1).into_iter().collect();
    let mut cluster = Cluster::wired(7, before, &["--links", "4"]).await;
    plays(&cluster).await;
    assert!(most_links(&cluster).await <= 4 + 1, "one more while somebody gives way");
    cluster.kill(3).await;
    cluster.kill(2).await;
    until("those that are left are connected", async || {
        (reached(&links(&cluster).await) == 5).then_some(())
    })
    .await;
    let payee = cluster.members[0].address().await;
    for index in [1, 4, 5, 6] {
        cluster.members[index].pay(&payee).await;
    }
    cluster.level().await;
    cluster.agreement.holds();
}
