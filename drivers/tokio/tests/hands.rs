//! The scripted sessions of `protocol/tests/hands`, one or more for every bet, and what a dealer
//! answers to each step. After a deliberate change of a rule, write the answers anew with
//! `bitcraps hand play NAME.jsonl > NAME.answers`, and read the difference.

use std::collections::BTreeSet;
use std::path::Path;

use bitcraps_protocol::craps::odds::Odds;
use bitcraps_protocol::craps::{Bet, Rules};
use bitcraps_tokio::hands::play;

/// A bet's key without the number it is on.
fn kind(key: &str) -> &str {
    key.trim_end_matches(|symbol: char| symbol.is_ascii_digit() || "-:".contains(symbol))
}

#[test]
fn every_session_is_played_as_a_dealer_would() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol/tests/hands");
    let mut sessions = 0;
    let mut settled = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        sessions += 1;
        let session = std::fs::read(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("answers")).unwrap();
        let mut answers = Vec::new();
        let played = play(&session[..], &mut answers, &Rules::default(), false).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        for (line, (answer, expected)) in answers.lines().zip(expected.lines()).enumerate() {
            assert_eq!(answer, expected, "{}, step {}", path.display(), line + 1);
            let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
            for one in answer["settled"].as_array().unwrap() {
                settled.insert(kind(one[0].as_str().unwrap()).to_owned());
            }
        }
        assert_eq!(played.steps as usize, expected.lines().count(), "{}", path.display());
    }
    assert!(sessions > 40, "{sessions}");
    let offered = Bet::all().filter(|bet| Odds::of(*bet, &Rules::default()).is_some());
    for bet in offered.map(|bet| bet.to_string()) {
        assert!(settled.contains(kind(&bet)), "no session decides {bet}");
    }
}
