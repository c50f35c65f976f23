//! A light node beside four validators, all processes of the real program: it follows what they
//! sign, shows what they prove, and refuses the rest in a sentence.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod cluster;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use bitcraps_host::api::{OperationRequest, StatusView};
use bitcraps_tokio::client::Client;
use cluster::{CHIPS, Cluster, PATIENCE, until};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitcraps"));
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments).kill_on_drop(true);
    command
}

async fn output(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir, arguments).output().await.unwrap()
}

/// What a command prints.
async fn answer(data_dir: &Path, arguments: &[&str]) -> String {
    let output = output(data_dir, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Why a command is refused.
async fn refusal(data_dir: &Path, arguments: &[&str]) -> String {
    let output = output(data_dir, arguments).await;
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
}

/// A light node that is ready, and what it said last.
async fn light(data_dir: &Path, genesis: &Path, peers: &str) -> (Child, String) {
    let mut command = command(data_dir, &["node", "--light", "--log", "warn", "--peers", peers]);
    command.arg("--genesis").arg(genesis).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it becomes ready");
            if line.starts_with("ready: ") {
                return line;
            }
        }
    };
    let line = timeout(PATIENCE, ready).await.unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, line)
}

async fn status(client: &Client) -> Option<StatusView> {
    client.status().await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_node_follows_shows_what_is_proved_and_refuses_the_rest() {
    let cluster = Cluster::start(4).await;
    let first = &cluster.members[0];
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("light");
    let genesis = first.data_dir.join("genesis");
    let peers = format!("{},{}", first.place, cluster.members[1].place);
    let (mut process, line) = light(&data_dir, &genesis, &peers).await;
    assert!(line.contains("a light node") && !line.contains("listening"), "{line}");

    let client = Client::new(&data_dir);
    let follows = async || {
        let (own, theirs) = (status(&client).await?, status(&first.client).await?);
        (own.light && own.height > 0 && own.height >= theirs.height).then_some(own)
    };
    let before = until("it follows", follows).await;
    let after = {
        let to = first.address().await;
        cluster.members[1].pay(&to).await;
        until("it goes on following", async || {
            follows().await.filter(|own| own.height > before.height)
        })
        .await
    };
    assert!(after.state_root != before.state_root);

    // Balances: of a validator, of somebody who exists since just now, and of nobody.
    let to = answer(&data_dir, &["--json", "status"]).await;
    let own: StatusView = serde_json::from_str(&to).unwrap();
    assert_eq!(answer(&data_dir, &["balance"]).await.split(',').next(), Some("0 chips"));
    let pay = OperationRequest::Transfer { to: own.address.clone(), amount: 300 };
    first.carry_out(pay).await;
    let words = answer(&data_dir, &["balance"]).await;
    assert!(words.starts_with("300 chips, proved at block "), "{words}");
    for member in &cluster.members {
        let address = member.address().await;
        let full = member.client.account(&address).await.unwrap();
        let proved = client.account(&address).await.unwrap();
        assert!(proved.proved_at.is_some(), "{proved:?}");
        assert_eq!((proved.balance, proved.exists), (full.balance, true), "of {CHIPS} at first");
    }

    // A table, and the receipt of a roll on it.
    let table = first.open_table(20_000).await;
    first.carry_out(OperationRequest::Sit { table }).await;
    let (round, bet) = (1, "pass".into());
    first.carry_out(OperationRequest::Bet { table, round, bet, amount: 10 }).await;
    first.carry_out(OperationRequest::Roll { table, round }).await;
    let seen = until("the roll is settled", async || {
        client.table(table).await.ok().filter(|view| view.round > 1)
    })
    .await;
    assert_eq!(seen.history.len(), 1);
    let file = directory.path().join("receipt");
    let roll = format!("{table}:1");
    let out = file.to_str().unwrap();
    until("the receipt is there", async || {
        let arguments = ["receipt", &roll, "--anybody", "--out", out];
        output(&data_dir, &arguments).await.status.success().then_some(())
    })
    .await;
    answer(&data_dir, &["verify", out]).await;

    for (arguments, what) in [
        (&["transfer", &first.address().await, "1"][..], "play or pay"),
        (&["table", "list"], "list the tables"),
        (&["invite"], "invite"),
        (&["store", "snapshot"], "make snapshots"),
    ] {
        let said = refusal(&data_dir, arguments).await;
        let sentence = format!(
            "this is a light node: it follows headers and proofs, and cannot {what}; ask a full node"
        );
        assert!(said.contains(&sentence), "{arguments:?}: {said}");
    }
    // Of a journal there is what a new identity promises: that it has promised nothing.
    let journal = std::fs::read_dir(data_dir.join("journal")).unwrap();
    let bytes = journal.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>();
    assert!(bytes < 256, "it keeps no blocks, yet has {bytes} bytes of a journal");

    // Its next life begins where this one ended, even while nobody is there to ask.
    let height = status(&client).await.unwrap().height;
    let pid = process.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
    timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
    let (_again, _) = light(&data_dir, &genesis, "127.0.0.1:1").await;
    let kept = status(&client).await.unwrap();
    assert!(kept.height >= height, "{} after {height}", kept.height);
    assert_eq!(
        kept.waiting_for,
        "no full node is linked that headers and proofs could be asked of"
    );
    let patience = Duration::from_secs(40);
    let said = timeout(patience, refusal(&data_dir, &["balance"])).await.unwrap();
    assert!(said.contains("no full node is linked to be asked"), "{said}");

    // A validator's key votes.
    let validator = cluster.members[2].data_dir.clone();
    let mut cluster = cluster;
    cluster.kill(2).await;
    let said = refusal(&validator, &["node", "--light"]).await;
    assert!(said.contains("a light node votes for nothing"), "{said}");
    cluster.agreement.holds();
}
