//! Hands of a real table, played by two people over a real network, exported from either node and
//! played again without one: every settlement must be the same, to the chip.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod cluster;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use bitcraps_host::api::{BANKROLL, OperationRequest, TableView, TransactionState};
use bitcraps_protocol::craps::{Rules, VigWhen};
use bitcraps_tokio::client::ClientError;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use cluster::{CHIPS, Cluster, Member, until};

const BANK: u64 = 3000;
const ROLLS: u64 = 14;

/// What `bitcraps` prints, given this input.
async fn bitcraps(data_dir: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitcraps"));
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = input.to_owned();
    let write = tokio::spawn(async move { stdin.write_all(text.as_bytes()).await });
    let output = child.wait_with_output().await.unwrap();
    write.await.unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn settled(member: &Member, table: u32) -> TableView {
    until("the roll is settled", async || {
        let view = member.client.table(table).await.unwrap();
        (!view.rolling).then_some(view)
    })
    .await
}

/// Asks for something that the table may refuse.
async fn ask(member: &Member, operation: OperationRequest) {
    match member.client.carry_out(operation.clone(), |_| {}).await {
        Ok(_) | Err(ClientError::Refused(_)) => {}
        Err(error) => panic!("{operation:?}: {error}"),
    }
}

/// Bert and Cara bet all over the layout of Alice's table until some hands are over; its number.
async fn play(alice: &Member, bert: &Member, cara: &Member) -> u32 {
    let mut rules = Rules { window_ms: 0, shooter_ms: 60_000, ..Rules::default() };
    rules.vig.when = VigWhen::Upfront;
    let (name, rules) = ("kitchen".to_owned(), Some(Box::new(rules)));
    let other = OperationRequest::OpenTable { name: name.clone(), rules: None, bank: 1 };
    alice.carry_out(other).await;
    let open = OperationRequest::OpenTable { name, rules, bank: BANK };
    let TransactionState::Final { table: Some(table), .. } = alice.carry_out(open).await.state
    else {
        panic!("no table");
    };
    for player in [bert, cara] {
        player.carry_out(OperationRequest::Sit { table }).await;
    }
    let bert_key = bert.client.status().await.unwrap().peer;
    for turn in 0..ROLLS {
        let round = settled(alice, table).await.round;
        for player in [bert, cara] {
            until("the next round is open", async || {
                let view = player.client.table(table).await.unwrap();
                (!view.rolling && view.round == round).then_some(())
            })
            .await;
        }
        let bet =
            |bet: &str, amount| OperationRequest::Bet { table, round, bet: bet.to_owned(), amount };
        let call =
            |bet: &str, on| OperationRequest::SetWorking { table, round, bet: bet.to_owned(), on };
        let down = |bet: &str, amount| OperationRequest::TakeDown {
            table,
            round,
            bet: bet.to_owned(),
            amount,
        };
        for operation in [bet("pass", 10), bet("come", 10), bet("place:6", 12), bet("hard:8", 2)] {
            ask(bert, operation).await;
        }
        for operation in [bet("dont_pass", 10), bet("odds:dont_pass", 60), bet("buy:4", 40)] {
            ask(cara, operation).await;
        }
        let extra = match turn % 5 {
            0 => vec![bet("small", 5), call("place:6", true), bet("field", 5)],
            1 => vec![down("odds:dont_pass", Some(6)), bet("odds:pass", 20)],
            2 => vec![call("hard:8", false), down("buy:4", Some(20)), bet("any7", 3)],
            3 => vec![OperationRequest::Draw { table, amount: 100 }, down("place:6", None)],
            _ => vec![OperationRequest::Fund { table, amount: 40 }, bet("horn", 4)],
        };
        for operation in extra {
            let is_bank =
                matches!(operation, OperationRequest::Draw { .. } | OperationRequest::Fund { .. });
            let player = if turn % 2 == 0 { bert } else { cara };
            ask(if is_bank { alice } else { player }, operation).await;
        }
        for player in [bert, cara] {
            ask(player, OperationRequest::Ready { table, round }).await;
        }
        let shooter = alice.client.table(table).await.unwrap().shooter.unwrap();
        let shooter = if shooter == bert_key { bert } else { cara };
        ask(shooter, bet("pass", 5)).await;
        shooter.carry_out(OperationRequest::Roll { table, round }).await;
        // While the dice are in the air, or right after.
        ask(alice, OperationRequest::Fund { table, amount: 7 }).await;
        ask(alice, OperationRequest::Draw { table, amount: 3 }).await;
        if turn == 9 {
            settled(cara, table).await;
            ask(cara, OperationRequest::Stand { table }).await;
            ask(cara, OperationRequest::Sit { table }).await;
        }
    }
    settled(alice, table).await;
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_hand_is_settled_as_it_was_on_the_chain() {
    let cluster = Cluster::start(3).await;
    let [alice, bert, cara] = &cluster.members[..] else { panic!("three nodes") };
    let table = play(alice, bert, cara).await;
    cluster.level().await;
    let view = alice.client.table(table).await.unwrap();

    let argument = table.to_string();
    let exported = bitcraps(&alice.data_dir, &["hand", "export", &argument], "").await;
    assert_eq!(exported, bitcraps(&bert.data_dir, &["hand", "export", &argument], "").await);
    let answers = bitcraps(&bert.data_dir, &["hand", "play", "-"], &exported).await;

    // What every player has won over all hands: each begins with a fresh bankroll.
    let (mut won, mut purses) = (BTreeMap::<String, i128>::new(), BTreeMap::new());
    let mut count = |purses: &mut BTreeMap<String, i128>| {
        for (player, purse) in std::mem::take(purses) {
            *won.entry(player).or_default() += purse - i128::from(BANKROLL.0);
        }
    };
    let (mut rolls, mut last) = (vec![], Value::Null);
    let mut answers = answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for line in exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if line.get("rules").is_some() {
            count(&mut purses);
            assert_eq!(line["table"], table);
            continue;
        }
        last = answers.next().unwrap();
        let (done, asked) = (last["do"].as_array().unwrap(), line["do"].as_array());
        for (done, asked) in done.iter().zip(asked.into_iter().flatten()) {
            assert!(done.get("accepted").is_some(), "{asked} was {done}");
        }
        if let Some(dice) = line.get("dice") {
            rolls.push(serde_json::from_value::<[u8; 2]>(dice.clone()).unwrap());
        }
        for (player, standing) in last["players"].as_object().into_iter().flatten() {
            let purse = i128::from(standing["bankroll"].as_u64().unwrap());
            purses.insert(player.clone(), purse);
        }
    }
    count(&mut purses);
    assert_eq!(answers.next(), None);
    assert_eq!((rolls.len() as u64, &rolls), (ROLLS, &view.history));

    assert_eq!(last["point"], view.point.unwrap_or(0));
    let mut up = BTreeMap::<String, BTreeMap<String, u64>>::new();
    for bet in &view.bets {
        up.entry(bet.player.clone()).or_default().insert(bet.bet.clone(), bet.amount);
    }
    for player in [bert, cara] {
        let account = player.client.account(&player.address().await).await.unwrap();
        let gain = i128::from(account.balance) - i128::from(CHIPS);
        assert_eq!(won.get(&account.peer), Some(&gain), "{exported}");
        let bets = up.remove(&account.peer).unwrap_or_default();
        if let Some(standing) = last["players"].get(&account.peer) {
            assert_eq!(standing["up"], serde_json::json!(bets));
        } else {
            assert_eq!(bets, BTreeMap::new());
        }
    }
    cluster.agreement.holds();
}
