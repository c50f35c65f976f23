//! The bytes of every message, pinned: a change here is a change of the wire, and breaks networks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::world::messages;
use crate::consensus::Message;
use crate::wire::{Hash, decode, encode, limits};

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
