//! The README's walk-through with the real program: two validators on two data directories, a
//! friend who joins by ticket, plays and leaves.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");

fn bitcraps(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir, arguments).output().unwrap()
}

fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BITCRAPS);
    command.env_clear().arg("--data-dir").arg(data_dir).args(arguments);
    command
}

/// What a command that must succeed prints.
fn answer(data_dir: &Path, arguments: &[&str]) -> String {
    let output = bitcraps(data_dir, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.trim_end().to_owned()
}

fn json(data_dir: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&answer(data_dir, &arguments)).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A node as a process; killed if a test fails before it stops.
struct Node {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Node {
    fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let arguments = [arguments, &["--log", "warn"]].concat();
        let mut command = command(data_dir, &arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut node = Self { child, lines, said: Vec::new() };
        while let Some(line) = node.lines.next() {
            node.said.push(line.unwrap());
            if node.said.last().unwrap().starts_with("ready: ") {
                return node;
            }
        }
        panic!("{arguments:?} ended: {:?}", node.said);
    }

    /// Stops with a signal, and returns the exit code.
    fn stop(mut self, signal: rustix::process::Signal) -> Option<i32> {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_place() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn two_friends_make_a_network_and_a_third_joins_plays_and_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let home = |name: &str| -> PathBuf { directory.path().join(name) };
    let (alice, bob, carol) = (home("alice"), home("bob"), home("carol"));
    let (alice_card, bob_card) = (answer(&alice, &["key", "card"]), answer(&bob, &["key", "card"]));
    let new = ["network", "new", "--name", "friends", "--validator"];
    let made = bitcraps(&alice, &[&new[..], &[&alice_card, "--validator", &bob_card]].concat());
    assert!(made.status.success());
    assert!(text(&made.stderr).contains("2 validators tolerate no fault"));

    let (alice_place, bob_place) = (free_place(), free_place());
    let alice_node = Node::start(&alice, &["node", "--listen", &alice_place]);
    let genesis = alice.join("genesis").display().to_string();
    let bob_flags =
        ["node", "--listen", &bob_place, "--genesis", &genesis, "--peers", &alice_place];
    let bob_node = Node::start(&bob, &bob_flags);

    let opened = json(&alice, &["table", "open", "kitchen", "20000", "--betting-time", "0"]);
    assert_eq!((&opened["state"], &opened["table"]), (&"final".into(), &1.into()));
    let ticket = answer(&alice, &["invite", "--chips", "500", "--table", "1"]);

    let carol_node = Node::start(&carol, &["join", &ticket, "--listen", "127.0.0.1:0"]);
    assert!(carol_node.said.contains(&"received 500 chips".to_owned()), "{:?}", carol_node.said);
    let status = json(&carol, &["status"]);
    assert_eq!((&status["name"], &status["validator"]), (&"friends".into(), &Value::Null));
    assert!(answer(&carol, &["table", "list"]).contains("kitchen"));
    answer(&carol, &["sit", "1"]);
    assert!(answer(&carol, &["bet", "1", "pass", "10"]).starts_with("final in block "));
    assert_eq!(json(&carol, &["balance"])["balance"], 490);
    for change in [
        &["bet", "1", "place:6", "12"][..],
        &["on", "1", "place:6"],
        &["down", "1", "place:6", "6"],
        &["off", "1", "place:6"],
    ] {
        assert!(answer(&carol, change).starts_with("final in block "), "{change:?}");
    }
    assert_eq!(json(&carol, &["balance"])["balance"], 484);
    answer(&alice, &["table", "fund", "1", "500"]);
    answer(&alice, &["table", "draw", "1", "100"]);
    let refused = bitcraps(&carol, &["table", "draw", "1", "1"]);
    assert!(text(&refused.stderr).contains("only the table's owner may do this"));
    assert_eq!(bitcraps(&carol, &["pass-dice", "1"]).status.code(), Some(1), "to nobody else");
    let shown = answer(&carol, &["table", "show", "1"]);
    assert!(shown.contains("you: pass 10, place:6 6 (off)"), "{shown}");
    assert!(shown.contains("1.414 %  7/495             pass\n"), "{shown}");
    let shown = json(&carol, &["table", "show", "1"]);
    assert_eq!((&shown["bank"], &shown["odds"][0]["bet"]), (&20_400.into(), &"pass".into()));
    let rolled = json(&carol, &["roll", "1"]);
    let dice = rolled["dice"].as_array().unwrap();
    assert!(dice.iter().all(|die| (1..=6).contains(&die.as_u64().unwrap())));

    // Refusals are answers: exit code 1, and nothing has moved.
    let refused = bitcraps(&carol, &["bet", "1", "pass", "1000000"]);
    assert_eq!(refused.status.code(), Some(1));
    let refused = bitcraps(&carol, &["bet", "1", "pass", "1", "--round", "99"]);
    assert_eq!(refused.status.code(), Some(1));

    let own = status["address"].as_str().unwrap();
    answer(&alice, &["transfer", own, "7"]);
    answer(&carol, &["stand", "1"]);
    assert!(answer(&carol, &["table", "show", "1"]).contains("kitchen"));

    let exported = answer(&carol, &["hand", "export", "1"]);
    let steps: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&steps[0]["bank"], &steps[0]["table"]), (&20_000.into(), &1.into()), "{exported}");
    assert_eq!(steps[1]["dice"], rolled["dice"], "{exported}");
    assert_eq!(steps[2]["do"][0]["op"], "stand", "place:6 was off and stayed: {exported}");
    assert_eq!(bitcraps(&carol, &["hand", "export", "7"]).status.code(), Some(1));

    // A second reader of the ticket joins, but the chips are gone.
    let dave = home("dave");
    let dave_node = Node::start(&dave, &["join", &ticket, "--listen", "127.0.0.1:0"]);
    let taken = "somebody else has already taken this invitation's chips".to_owned();
    assert!(dave_node.said.contains(&taken), "{:?}", dave_node.said);

    assert_eq!(dave_node.stop(rustix::process::Signal::INT), Some(0));
    assert_eq!(carol_node.stop(rustix::process::Signal::TERM), Some(0));
    assert_eq!(bob_node.stop(rustix::process::Signal::INT), Some(0));
    assert_eq!(alice_node.stop(rustix::process::Signal::TERM), Some(0));
    assert_eq!(bitcraps(&alice, &["status"]).status.code(), Some(3));
}

#[test]
fn two_processes_never_share_an_identity() {
    let directory = tempfile::tempdir().unwrap();
    let alone = directory.path().join("alone");
    let card = answer(&alone, &["key", "card"]);
    answer(&alone, &["network", "new", "--validator", &card]);
    let node = Node::start(&alone, &["node", "--listen", "127.0.0.1:0"]);
    let second = bitcraps(&alone, &["node", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(4), "{}", text(&second.stderr));
    assert_eq!(node.stop(rustix::process::Signal::TERM), Some(0));
}

#[test]
fn a_wrong_configuration_is_told_at_once_and_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("none");
    let mut command = command(&data_dir, &["node", "--api", "192.0.2.1:80"]);
    let output = command.env("BITCRAPS_LISTEN", "here").env("BITCRAPS_PEER", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: listen: \"here\" is neither IP:PORT nor off (from the environment)\n\
         api: \"192.0.2.1:80\" is not a loopback address (from the command line)\n\
         warning: BITCRAPS_PEER: no such setting; did you mean BITCRAPS_PEERS?\n"
    );
    assert!(!data_dir.exists());
}

#[test]
fn a_whole_network_plays_in_one_command_inside_one_process_and_in_many() {
    for processes in [false, true] {
        let mut command = Command::new(BITCRAPS);
        command.env_clear().args(["dev", "--nodes", "4", "--bots", "4", "--rolls", "5", "--json"]);
        if processes {
            command.arg("--processes");
        }
        let output = command.output().unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert!(report["rolls"].as_u64() >= Some(5), "{out}");
        assert_eq!(report["roots_equal"], true, "{out}");
        assert_eq!(report["chips_conserved"], true, "{out}");
        assert_eq!(report["problems"], serde_json::json!([]), "{out}");
    }
}
