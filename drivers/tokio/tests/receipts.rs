//! Receipts of a network of four processes, checked offline: by this program, by its library, and
//! by the verifier in Python that lies beside the library.
//!
//! The Python that has `blake3` and `pynacl` is named by `BITCRAPS_PYTHON`, as CI does; without that
//! it is `python3`, and where that lacks them its part is left out, loudly.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::receipt::{Asked, Receipt, Step, Trust};
use serde_json::Value;

const BITCRAPS: &str = env!("CARGO_BIN_EXE_bitcraps");
const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/src/receipt/verify.py");
const ROLLS: &str = "6";

fn bitcraps(arguments: &[&str]) -> Output {
    Command::new(BITCRAPS).env_clear().args(arguments).output().unwrap()
}

/// What a command prints, and its exit code.
fn answer(arguments: &[&str]) -> (String, Option<i32>) {
    let output = bitcraps(arguments);
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// A Python with what the verifier needs, if there is one.
fn python() -> Option<String> {
    let named = std::env::var("BITCRAPS_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python).args(["-c", "import blake3, nacl"]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert_eq!(named, None, "BITCRAPS_PYTHON has no blake3 or no pynacl");
    // Not by `eprintln`, which is shown only if a test fails.
    let left_out = "LEFT OUT: the verifier in Python; it needs `pip install blake3 pynacl`, or a \
                    Python that has both, named by BITCRAPS_PYTHON";
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{left_out}").unwrap();
    None
}

fn verify_in_python(python: &str, receipt: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(python);
    let output = command.arg(VERIFIER).arg(receipt).args(arguments).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// Receipts as they were written once, of each version, and the genesis of their network.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/src/receipt/golden");

#[test]
fn kept_receipts_of_each_version_convince_both_verifiers() {
    let genesis = format!("{KEPT}/1.genesis");
    let python = python();
    for name in ["1.receipt", "1-anybody.receipt"] {
        let file = Path::new(KEPT).join(name);
        let arguments = ["--genesis", &genesis, "--roll", "1:1"];
        let (text, code) = answer(&[&["verify", file.to_str().unwrap()], &arguments[..]].concat());
        assert_eq!((text.matches("ok   ").count(), code), (Step::ALL.len(), Some(0)), "{text}");
        if let Some(python) = &python {
            let (text, code) = verify_in_python(python, &file, &arguments);
            assert_eq!((text.matches("ok   ").count(), code), (Step::ALL.len(), Some(0)), "{text}");
        }
    }
}

/// Four processes play; their receipts in one directory, their data in another.
fn play(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (receipts, state) = (directory.join(format!("{name}-r")), directory.join(name));
    let (into, at) = (receipts.to_str().unwrap(), state.to_str().unwrap());
    let dev = ["dev", "--processes", "--rolls", ROLLS, "--receipts", into, "--state", at];
    let output = bitcraps(&dev);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (receipts, state)
}

#[test]
fn receipts_of_four_processes_convince_both_verifiers_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let (receipts, state) = play(directory.path(), "one");
    let (_, other) = play(directory.path(), "other");
    let genesis = state.join("genesis").to_str().unwrap().to_owned();
    let other = other.join("genesis").to_str().unwrap().to_owned();
    let python = python();
    for roll in 1..=6 {
        let file = receipts.join(format!("table-1-roll-{roll}.receipt"));
        let path = file.to_str().unwrap();
        let this = format!("1:{roll}");
        let (text, code) = answer(&["verify", path, "--genesis", &genesis, "--roll", &this]);
        assert_eq!((text.matches("ok   ").count(), code), (Step::ALL.len(), Some(0)), "{text}");
        let refused = [
            (["--genesis", &other, "--roll", &this], "NO   network"),
            (["--genesis", &genesis, "--roll", "2:1"], "NO   subject"),
            (["--genesis", &genesis, "--roll", "1:99"], "NO   subject"),
            (["--genesis", &genesis, "--player", &"ab".repeat(32)], "NO   subject"),
        ];
        for (arguments, step) in refused {
            let (text, code) = answer(&[&["verify", path], &arguments[..]].concat());
            assert!(text.contains(step) && code == Some(1), "{arguments:?}: {text}");
            if let Some(python) = &python {
                let (text, code) = verify_in_python(python, &file, &arguments);
                assert!(text.contains(step) && code == Some(1), "{arguments:?}: {text}");
            }
        }
        if let Some(python) = &python {
            let (text, code) = verify_in_python(python, &file, &["--genesis", &genesis]);
            assert_eq!((text.matches("ok   ").count(), code), (Step::ALL.len(), Some(0)), "{text}");
        }
    }

    let file = receipts.join("table-1-roll-1.receipt");
    every_changed_bit_is_refused(&std::fs::read(&file).unwrap(), &genesis);
    if let Some(python) = &python {
        let (text, code) = verify_in_python(python, &file, &["--genesis", &genesis, "--flips"]);
        assert!(text.contains("changed bits are refused") && code == Some(0), "{text}");
    }
    a_restarted_node_still_has_them(&state.join("node-0"), &genesis, directory.path());
}

fn every_changed_bit_is_refused(bytes: &[u8], genesis: &str) {
    let genesis = Genesis::decode(&std::fs::read(genesis).unwrap()).unwrap();
    let holds = |bytes: &[u8]| {
        let receipt = Receipt::decode(bytes).ok();
        let trust = Trust::Genesis(&genesis);
        receipt.is_some_and(|receipt| receipt.verify(trust, &Asked::default()).end.is_ok())
    };
    assert!(holds(bytes));
    let mut wrong = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!holds(&wrong), "bit {bit}");
        wrong[bit / 8] ^= 1 << (bit % 8);
    }
}

/// From the journal alone: nobody else of its network runs.
fn a_restarted_node_still_has_them(home: &Path, genesis: &str, directory: &Path) {
    let at = home.to_str().unwrap();
    let mut command = Command::new(BITCRAPS);
    command.env_clear().args(["--data-dir", at, "node", "--log", "warn"]);
    let mut node = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("ready: ")));
    let ask = |arguments: &[&str]| answer(&[&["--data-dir", at], arguments].concat());

    let file = directory.join("anybody");
    let out = file.to_str().unwrap();
    assert_eq!(ask(&["receipt", "1:2", "--anybody", "--out", out]).1, Some(0));
    assert_eq!(answer(&["verify", out, "--genesis", genesis]).1, Some(0));
    let (header, _) = ask(&["network", "header"]);
    assert_eq!(answer(&["verify", out, "--header", header.trim()]).1, Some(0));
    assert_eq!(ask(&["receipt", "1:99"]).1, Some(1));

    // Whoever bet on some roll has a receipt of it, and only they.
    let status: Value = serde_json::from_str(&ask(&["status", "--json"]).0).unwrap();
    let own = status["peer"].as_str().unwrap();
    let mut mine = 0;
    for roll in 1..=6 {
        let (text, code) = ask(&["receipt", &format!("1:{roll}"), "--json"]);
        if code != Some(0) {
            continue;
        }
        mine += 1;
        let file = directory.join("mine.json");
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        let check =
            |path, player| answer(&["verify", path, "--genesis", genesis, "--player", player]);
        assert_eq!(check(path, own).1, Some(0));
        let stranger = "ab".repeat(32);
        let (refused, code) = check(path, &stranger);
        assert!(refused.contains("NO   subject") && code == Some(1), "{refused}");
        let doctored = text.replace("\"version\":1", "\"version\":2");
        std::fs::write(&file, doctored).unwrap();
        let (refused, code) = check(path, own);
        assert!(refused.contains("NO   words") && code == Some(1), "{refused}");
    }
    assert!(mine > 0, "the first node's bot bets in nearly every round");

    let (stats, code) = ask(&["table", "stats", "1", "--json"]);
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((stats["rolls"].as_u64(), code), (Some(6), Some(0)));
    node.kill().unwrap();
    node.wait().unwrap();
}
