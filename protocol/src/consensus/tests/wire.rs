//! The bytes of every message, pinned: a change here is a change of the wire, and breaks networks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::world::{commitments, context, genesis, key};
use crate::block::{Header, Height, Parent, ValidatorIndex, View};
use crate::consensus::{
    Block, Certificate, Decided, Finalization, Justification, Message, Notarization, Nullification,
    Proposal, Request, Statement, Status, Vote,
};
use crate::time::BlockTime;
use crate::wire::{Hash, List, decode, encode, limits};

fn vote(index: usize, statement: Statement) -> Vote {
    statement.sign(ValidatorIndex(index as u16), &key(index), &context()).into_inner()
}

fn messages() -> Vec<(&'static str, Message)> {
    let body = Bytes::from_static(b"body");
    let why = Justification::default();
    let genesis = genesis();
    let parent = context().network;
    let header = Header {
        view: View(1),
        height: Height(1),
        parent: Parent { view: View(0), hash: parent },
        time: why.block_time(genesis.time),
        body: Header::body_hash(&body),
        commitments: commitments(&parent, &body),
        justification: why.hash(),
        ..genesis
    };
    let block = Block { header, body, justification: why };
    let hash = block.hash();
    let (view, time) = (View(1), BlockTime(1_234_567));
    let notarize = |index| vote(index, Statement::Notarize { view, block: hash, time });
    let nullify = |index| vote(index, Statement::Nullify { view: View(2), highest: View(1) });
    let finalize = |index| vote(index, Statement::Finalize { view, block: hash });
    let notarizes: Vec<Vote> = (0..3).map(notarize).collect();
    let nullifies: Vec<Vote> = (0..3).map(nullify).collect();
    let finalizes: Vec<Vote> = (0..3).map(finalize).collect();
    let notarization = Notarization::assemble(view, hash, notarizes.iter(), 3).unwrap();
    let nullification = Nullification::assemble(View(2), nullifies.iter(), 3).unwrap();
    let finalization = Finalization::assemble(view, hash, finalizes.iter(), 3);
    let highest = Some(notarization.clone());
    let decided =
        Decided { block: block.clone(), notarization: notarization.clone(), finalization };
    alloc::vec![
        ("proposal", Message::Proposal(Proposal { block: block.clone(), vote: notarize(0) })),
        ("notarize", Message::Vote(notarize(1))),
        ("nullify", Message::Vote(nullify(1))),
        ("finalize", Message::Vote(finalize(1))),
        ("notarization", Message::Certificate(Certificate::Notarization(notarization))),
        ("nullification", Message::Certificate(Certificate::Nullification(nullification, highest))),
        ("status", Message::Status(Status { view: View(300), finalized: Height(299) })),
        ("want notarization", Message::Request(Request::Notarization { at_least: View(7) })),
        ("want block", Message::Request(Request::Block { hash })),
        ("want decided", Message::Request(Request::Decided { from: Height(7) })),
        ("block", Message::Block(block)),
        ("decided", Message::Decided(List::new(alloc::vec![decided]).unwrap())),
    ]
}

#[test]
fn every_message_has_the_same_bytes_as_before() {
    let lines: Vec<String> = messages()
        .iter()
        .map(|(name, message)| {
            let bytes = encode(message);
            let hash = Hash::of_bytes("bitcraps test golden message", &bytes);
            format!("{name}: {} bytes, {hash}", bytes.len())
        })
        .collect();
    let golden: Vec<&str> = include_str!("messages.txt").lines().collect();
    assert_eq!(lines, golden);
}

#[test]
fn every_message_reads_back_as_itself_and_no_shorter_bytes_do() {
    for (name, message) in messages() {
        let bytes = encode(&message);
        assert_eq!(decode::<Message>(&bytes, limits::MESSAGE_BYTES), Ok(message), "{name}");
        for length in 0..bytes.len() {
            let cut = decode::<Message>(&bytes[..length], limits::MESSAGE_BYTES);
            assert!(cut.is_err(), "{name} cut to {length}");
        }
    }
}
