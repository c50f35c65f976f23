//! The body of the fuzz target `api`: texts of programs and people. See
//! [`bitcraps_protocol::fuzzing`], which says how targets are made and carried out.

use std::fmt::Debug;

use crate::api::{
    self, AccountView, BlocksView, ChatRequest, EventView, Failure, HeaderView, InvitationRequest,
    InvitationView, LinesView, OddsView, OperationRequest, ReceiptView, RotationRequest,
    StatusView, TableView, TransactionRequest, TransactionView,
};
use bitcraps_protocol::chain::Operation;
use bitcraps_protocol::craps::Rules;
use bitcraps_protocol::event::Command;
pub use bitcraps_protocol::fuzzing::Target;
use bitcraps_protocol::wire::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hands;
use crate::ticket::Ticket;

/// The target of this crate.
pub const TARGETS: [Target; 1] = [Target { name: "api", body: api, seeds }];

/// What the first byte of an input can say that the others are.
const KINDS: [fn(&[u8]); 20] = [
    |bytes| request(bytes),
    |bytes| same::<OperationRequest>(bytes),
    |bytes| same::<InvitationRequest>(bytes),
    |bytes| script(bytes),
    |bytes| rules(bytes),
    |bytes| text(bytes),
    |bytes| same::<StatusView>(bytes),
    |bytes| same::<AccountView>(bytes),
    |bytes| same::<TableView>(bytes),
    |bytes| same::<TransactionView>(bytes),
    |bytes| same::<InvitationView>(bytes),
    |bytes| same::<EventView>(bytes),
    |bytes| same::<Failure>(bytes),
    |bytes| same::<OddsView>(bytes),
    |bytes| same::<HeaderView>(bytes),
    |bytes| receipt(bytes),
    |bytes| blocks(bytes),
    |bytes| chat(bytes),
    |bytes| same::<LinesView>(bytes),
    |bytes| rotation(bytes),
];

/// The first byte says what the rest is said to be: a request's or an answer's JSON, a file of
/// hands, house rules, a ticket, an account's name. What is read is written and read again as the
/// same; a request's operation has one encoding on the wire; hands are played to an answer.
pub fn api(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    KINDS[usize::from(*kind) % KINDS.len()](bytes);
}

fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&value).expect("our own plain types have a JSON form");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, value);
    Some(value)
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    read::<T>(bytes);
}

fn request(bytes: &[u8]) {
    let Some(request) = read::<TransactionRequest>(bytes) else { return };
    let roll = request.operation.roll();
    let Ok(operation) = request.operation.operation() else { return };
    assert_eq!(roll.is_some(), matches!(operation, Operation::Roll { .. }));
    let encoded = encode(&operation);
    assert_eq!(decode(&encoded, encoded.len()).as_ref(), Ok(&operation));
}

/// Bytes of the longest file that is played: a hand is not faster than its steps are many.
const SCRIPT_BYTES: usize = 16 * 1024;

fn script(bytes: &[u8]) {
    let mut answers = Vec::new();
    let bytes = &bytes[..bytes.len().min(SCRIPT_BYTES)];
    let played = hands::play(bytes, &mut answers, &Rules::default(), true);
    let played = played.expect("bad lines are answered, and memory cannot fail");
    let lines = answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut count = 0;
    for line in lines {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(line);
        assert!(value.is_ok(), "{}", String::from_utf8_lossy(line));
        count += 1;
    }
    assert_eq!(count, played.steps + played.bad_lines, "a line for every step and bad line");
}

fn rules(bytes: &[u8]) {
    let Some(rules) = read::<Rules>(bytes) else { return };
    let encoded = encode(&rules);
    assert_eq!(decode(&encoded, encoded.len()).as_ref(), Ok(&rules));
    if rules.validate().is_ok() {
        // What a house may offer has a value.
        assert!(!OddsView::all(&rules).is_empty());
    }
}

fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = text.parse::<Ticket>() {
        let again = ticket.to_string().parse::<Ticket>();
        assert_eq!(again.ok().map(|it| it.to_string()), Some(ticket.to_string()));
    }
    if let Ok(peer) = api::peer(text) {
        assert_eq!(api::peer(&peer.to_string()).ok(), Some(peer));
    }
}

fn rotation(bytes: &[u8]) {
    if let Some(request) = read::<RotationRequest>(bytes) {
        let command = request.command();
        assert!(matches!(command, Ok(Command::Rotate { .. } | Command::Endorse { .. }) | Err(_)));
    }
}

fn receipt(bytes: &[u8]) {
    if let Some(view) = read::<ReceiptView>(bytes) {
        view.bytes();
    }
}

fn chat(bytes: &[u8]) {
    let Some(request) = read::<ChatRequest>(bytes) else { return };
    if let Ok((_, words)) = request.said() {
        let encoded = encode(&words);
        assert_eq!(decode(&encoded, encoded.len()).as_ref(), Ok(&words));
    }
}

fn blocks(bytes: &[u8]) {
    if let Some(view) = read::<BlocksView>(bytes) {
        let mut history = view.history();
        view.read(&mut history);
    }
}

/// Every request, a file of hands, and answers.
fn seeds() -> Vec<Vec<u8>> {
    let (table, round) = (1, 2);
    let bet = || "place:6".to_owned();
    let operations = [
        OperationRequest::Transfer { to: "0".repeat(64), amount: 5 },
        OperationRequest::OpenTable { name: "t".into(), rules: None, bank: 6_000 },
        OperationRequest::OpenTable {
            name: "t".into(),
            rules: Some(Box::new(Rules::default())),
            bank: 6_000,
        },
        OperationRequest::CloseTable { table },
        OperationRequest::Sit { table },
        OperationRequest::Stand { table },
        OperationRequest::Bet { table, round, bet: bet(), amount: 12 },
        OperationRequest::TakeDown { table, round, bet: bet(), amount: None },
        OperationRequest::SetWorking { table, round, bet: bet(), on: true },
        OperationRequest::Fund { table, amount: 1 },
        OperationRequest::Draw { table, amount: 1 },
        OperationRequest::Ready { table, round },
        OperationRequest::PassDice { table, round },
        OperationRequest::Roll { table, round },
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for operation in operations {
        seeds.push(json(1, &operation));
        seeds.push(json(0, &TransactionRequest { operation, wait: true }));
    }
    seeds.push(json(2, &InvitationRequest { chips: 500, table: Some(1), relay: false }));
    let without = vec!["ab".repeat(32)];
    seeds.push(json(19, &RotationRequest::Make { without, with: vec![] }));
    seeds.push(json(19, &RotationRequest::Endorse("cd".repeat(32))));
    seeds.push(json(4, &Rules::default()));
    seeds.push(json(13, &OddsView::all(&Rules::default())[0]));
    seeds.push([&[3], SCRIPT].concat());
    seeds.push([&[5], "0".repeat(64).as_bytes()].concat());
    seeds
}

/// Hands as the documentation shows them.
const SCRIPT: &[u8] = br#"{"bankroll":100,"steps":[{"do":[{"op":"bet","bet":"pass","amount":10}],"dice":[3,3]}]}
{"do":[{"op":"bet","bet":"odds:pass","amount":25},{"op":"bet","bet":"place:8","amount":12,"working":true}],"dice":[5,3]}
{"do":[{"op":"down","bet":"place:8"}],"dice":[4,2]}
"#;

fn json(kind: u8, value: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(value).expect("our own plain types have a JSON form");
    [vec![kind], text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_corpus_mean_one_thing() {
        assert!(TARGETS[0].replay() > 0);
    }
}
