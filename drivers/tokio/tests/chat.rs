//! People who talk through real processes in a line, whose ends are not linked.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod cluster;

use std::path::Path;
use std::process::Stdio;

use bitcraps_host::api::{EventView, LineView, OperationRequest};
use cluster::{Cluster, Member, answer, until};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;

const SECRET: &str = "meet me behind the casino";

/// Every file under a directory that holds `text`.
fn files_with(directory: &Path, text: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files_with(&path, text, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

async fn lines(member: &Member, table: Option<u32>, peer: Option<&str>) -> Vec<String> {
    let lines = member.client.lines_of(table, peer).await.unwrap().lines;
    lines.into_iter().map(|LineView { text, .. }| text).collect()
}

async fn line_of_three() -> Cluster {
    let before = |index: usize| index.checked_sub(1).into_iter().collect();
    Cluster::wired(3, before, &["--exchange", "off", "--log", "trace"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ends_of_a_line_talk_and_the_one_between_never_holds_the_text() {
    let cluster = line_of_three().await;
    let [one, between, other] = &cluster.members[..] else { panic!("three") };
    let (first, last) = (one.address().await, other.address().await);
    let mut overheard = between.client.events().await.unwrap();
    let told = answer(&one.data_dir, &["chat", &last, SECRET]).await;
    assert_eq!(told, "delivered");
    assert_eq!(lines(other, None, Some(&first)).await, [SECRET]);
    let shown = answer(&other.data_dir, &["chat", &first]).await;
    let from = one.client.status().await.unwrap().peer;
    assert_eq!(shown, format!("{}: {SECRET}", &from[..8]));
    let json = answer(&other.data_dir, &["chat", &first, "and", "then?", "--json"]).await;
    assert!(json.contains("\"type\":\"delivered\""), "{json}");
    assert_eq!(lines(one, None, Some(&last)).await, [SECRET, "and then?"]);

    for peer in [&first, &last] {
        assert_eq!(lines(between, None, Some(peer)).await, [""; 0]);
    }
    one.pay(&last).await;
    loop {
        match overheard.next().await.unwrap().unwrap() {
            EventView::Said { text, .. } => panic!("overheard: {text}"),
            EventView::Finalized { transactions: 1.., .. } => break,
            _ => {}
        }
    }
    let mut found = Vec::new();
    files_with(&between.data_dir, SECRET, &mut found);
    assert_eq!(found, [""; 0]);
    // Not even the ends write it down.
    cluster.members.iter().for_each(|it| files_with(&it.data_dir, SECRET, &mut found));
    assert_eq!(found, [""; 0]);
}

/// What the command says in its next line.
async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    timeout(cluster::PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_room_reads_what_was_said_and_every_line_as_it_comes() {
    let cluster = line_of_three().await;
    let [one, _, other] = &cluster.members[..] else { panic!("three") };
    let (first, last) = (one.address().await, other.address().await);
    answer(&one.data_dir, &["chat", &last, "before"]).await;
    let mut command = cluster::command(cluster::BITCRAPS.as_ref(), &other.data_dir, &["chat"]);
    command.args([&first, "hello", "--follow"]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let from = &one.client.status().await.unwrap().peer[..8];
    assert_eq!(next(&mut lines).await, format!("{from}: before"));
    assert_eq!(next(&mut lines).await, "you: hello");
    // What is said at a table, and by others, is another room's.
    let table = one.open_table(10_000).await;
    until("it knows the table", async || other.client.table(table).await.ok().map(|_| ())).await;
    answer(&one.data_dir, &["chat", &table.to_string(), "elsewhere"]).await;
    for text in ["one", "two"] {
        answer(&one.data_dir, &["chat", &last, text]).await;
        assert_eq!(next(&mut lines).await, format!("{from}: {text}"));
    }
    // It ends when the node does, and says so.
    let mut cluster = cluster;
    cluster.kill(2).await;
    let end = timeout(cluster::PATIENCE, following.wait()).await.unwrap().unwrap();
    assert!(!end.success());
    assert_eq!(lines.next_line().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_heard_along_the_line_and_whoever_is_gone_is_reported() {
    let mut cluster = line_of_three().await;
    let table = cluster.members[0].open_table(10_000).await;
    cluster.members[2].carry_out(OperationRequest::Sit { table }).await;
    cluster.level().await;
    let number = table.to_string();
    answer(&cluster.members[2].data_dir, &["chat", &number, "hard", "eight"]).await;
    for member in cluster.running() {
        until("everybody has heard it", async || {
            (lines(member, Some(table), None).await == ["hard eight"]).then_some(())
        })
        .await;
    }
    let gone = cluster.members[2].address().await;
    cluster.kill(2).await;
    let failed = cluster::fails(&cluster.members[0].data_dir, &["chat", &gone, "hello?"]).await;
    assert!(failed.contains("not delivered"), "{failed}");
}
