//! What happens to real nodes when the disk is full or rots, and when the identity is sealed.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");
/// Payments that must fill the little room that the node is given.
const PAYMENTS: usize = 2_000;

fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BITCRAPS);
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments).stdin(Stdio::null());
    command
}

fn run(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir, arguments).output().unwrap()
}

fn json(data_dir: &Path, arguments: &[&str]) -> Value {
    let output = run(data_dir, &[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A network of one validator.
fn alone(parent: &Path) -> PathBuf {
    let data_dir = parent.join("node");
    let card = json(&data_dir, &["key", "card"])["card"].as_str().unwrap().to_owned();
    let new = ["network", "new", "--validator", &card, "--insecure-dealer"];
    assert!(run(&data_dir, &new).status.success());
    data_dir
}

/// Runs the node until it is ready. No file of its may grow beyond so many kilobytes.
fn start(data_dir: &Path, kilobytes: Option<u64>, passphrase: Option<&str>) -> Child {
    let limit = kilobytes.map_or("unlimited".to_owned(), |limit| (2 * limit).to_string());
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
    command.env_clear().arg("-c").arg(script).arg(BITCRAPS).arg("--data-dir").arg(data_dir);
    command.args(["node", "--listen", "127.0.0.1:0", "--log", "error"]).stdin(Stdio::null());
    if let Some(passphrase) = passphrase {
        command.env("BITCRAPS_PASSPHRASE", passphrase);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("ready:")));
    assert!(ready.is_some(), "{}", text(&child.wait_with_output().unwrap().stderr));
    child
}

fn stop(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_full_disk_ends_the_node_with_its_own_code_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = alone(directory.path());
    let node = start(&data_dir, Some(150), None);
    let to = json(&data_dir, &["status"])["address"].as_str().unwrap().to_owned();
    let mut height = 0;
    for _ in 0..PAYMENTS {
        let paid = run(&data_dir, &["transfer", &to, "1", "--json"]);
        if !paid.status.success() {
            break;
        }
        let paid: Value = serde_json::from_slice(&paid.stdout).unwrap();
        height = paid["height"].as_u64().unwrap();
    }
    let ended = node.wait_with_output().unwrap();
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(said.contains("make room and start again"), "{said}");

    let checked = json(&data_dir, &["store", "check"]);
    assert_eq!(checked["sound"], true, "{checked}");
    let node = start(&data_dir, None, None);
    let status = json(&data_dir, &["status"]);
    assert!(status["height"].as_u64().unwrap() >= height && height > 0, "{status}");
    assert!(run(&data_dir, &["transfer", &to, "1"]).status.success());
    stop(node);
}

#[test]
fn a_rotten_journal_is_refused_checked_and_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = alone(directory.path());
    let node = start(&data_dir, None, None);
    let to = json(&data_dir, &["status"])["address"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        assert!(run(&data_dir, &["transfer", &to, "1"]).status.success());
    }
    let in_use = run(&data_dir, &["store", "check"]);
    assert_eq!(in_use.status.code(), Some(4), "{}", text(&in_use.stderr));
    stop(node);

    let journal = data_dir.join("journal/00000000000000000000.journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let refused = run(&data_dir, &["node", "--listen", "127.0.0.1:0"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("is damaged at byte") && said.contains("store repair"), "{said}");
    assert_eq!(run(&data_dir, &["store", "check"]).status.code(), Some(4));
    let would = json(&data_dir, &["store", "repair", "--dry-run"]);
    let did = json(&data_dir, &["store", "repair"]);
    assert_eq!((&would["blocks"], &would["changed"]), (&did["blocks"], &Value::Bool(false)));
    assert!(did["blocks"].as_u64().unwrap() > 0, "{did}");
    assert_eq!(json(&data_dir, &["store", "check"])["after_loss"], true);

    // It was the only validator: nobody can vouch for it, and it does not vote.
    let node = start(&data_dir, None, None);
    let status = json(&data_dir, &["status"]);
    assert!(status["abstains"].is_string(), "{status}");
    assert_eq!(status["height"], did["newest_block"]);
    stop(node);
}

#[test]
fn a_sealed_identity_needs_its_passphrase_and_a_phrase_brings_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = alone(directory.path());
    let with = |data_dir: &Path, passphrase: &str, arguments: &[&str]| {
        command(data_dir, arguments).env("BITCRAPS_PASSPHRASE", passphrase).output().unwrap()
    };
    let open = json(&data_dir, &["key", "export"]);
    assert!(with(&data_dir, "right", &["key", "seal"]).status.success());
    let absent = run(&data_dir, &["node"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(text(&absent.stderr).contains("is sealed: give its passphrase"));
    let wrong = with(&data_dir, "wrong", &["key", "export"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("another passphrase"));
    let right = with(&data_dir, "right", &["key", "export", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&right.stdout).unwrap(), open);
    stop(start(&data_dir, None, Some("right")));

    let new = directory.path().join("new");
    let mut import = command(&new, &["key", "import", "--json"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let phrase = open["phrase"].as_str().unwrap();
    import.stdin.take().unwrap().write_all(phrase.as_bytes()).unwrap();
    let imported = import.wait_with_output().unwrap();
    let imported: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(imported["address"], open["address"]);
}

#[test]
fn a_backup_made_under_load_restores_and_a_changed_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = alone(directory.path());
    let target = directory.path().join("backups");
    let target = target.to_str().unwrap();
    let node = start(&data_dir, None, None);
    let to = json(&data_dir, &["status"])["address"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        for _ in 0..5 {
            assert!(run(&data_dir, &["transfer", &to, "1"]).status.success());
        }
        let made = json(&data_dir, &["backup", "create", "--target", target]);
        assert!(made["height"].as_u64().unwrap() > 0, "{made}");
    }
    let phrase = json(&data_dir, &["key", "export"])["phrase"].as_str().unwrap().to_owned();
    stop(node);
    let listed = json(&data_dir, &["backup", "list", "--target", target]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[0]["full"], &listed[1]["full"]), (&true.into(), &false.into()));
    assert_eq!(listed[0]["height"], listed[1]["after"]);

    let new = directory.path().join("new");
    let mut import = command(&new, &["key", "import"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(phrase.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let dry = json(&new, &["backup", "restore", "--dry-run", "--target", target]);
    assert!(!new.join("journal").exists());
    let restored = json(&new, &["backup", "restore", "--target", target]);
    assert_eq!(restored["state_root"], dry["state_root"]);
    let node = start(&new, None, None);
    let status = json(&new, &["status"]);
    assert_eq!(status["state_root"], restored["state_root"]);
    assert_eq!(status["height"], restored["height"]);
    assert!(status["abstains"].is_string(), "{status}");
    stop(node);
    assert_eq!(json(&new, &["audit", "verify"])["first"], 0);
    let again = run(&new, &["backup", "restore", "--target", target]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));

    let name = listed[0]["name"].as_str().unwrap();
    let file = Path::new(target).join(name);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let refused = run(&data_dir, &["backup", "verify", "--target", target]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    std::fs::write(&file, &bytes[..middle]).unwrap();
    let refused = run(&data_dir, &["backup", "verify", "--target", target]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
}

#[test]
fn a_snapshot_is_made_on_demand_and_what_the_api_refuses_is_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = alone(directory.path());
    let node = start(&data_dir, None, None);
    let status = json(&data_dir, &["status"]);
    assert_eq!(status["snapshot"], Value::Null);
    let made = json(&data_dir, &["store", "snapshot"])["height"].clone();
    assert!(made.as_u64().unwrap() > status["height"].as_u64().unwrap(), "{made}");

    let to = status["address"].as_str().unwrap();
    let refused = run(&data_dir, &["transfer", to, "99999999999"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert_eq!(run(&data_dir, &["table", "show", "77"]).status.code(), Some(1));
    stop(node);

    let node = start(&data_dir, None, None);
    assert_eq!(json(&data_dir, &["status"])["snapshot"], made);
    stop(node);
    let exported = text(&run(&data_dir, &["audit", "export"]).stdout);
    let entries = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refusals: Vec<Value> = entries.filter(|entry| entry["event"] == "refused").collect();
    let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
    assert_eq!(refusal["request"], "POST /v1/transactions");
    assert_eq!(refusal["code"], "refused");
    assert!(refusal["reason"].as_str().unwrap().contains("chips"), "{refusal}");
    assert_eq!(json(&data_dir, &["audit", "verify"])["events"]["refused"], 1);
}
