//! Formats: whatever decodes is the one encoding of what it decodes to.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Display};
use core::str::FromStr;
use core::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Choices;
use crate::beacon::generation::{Complaint, Deal, Generation, Record, SignedRecord};
use crate::beacon::{CoinProof, DiceKey};
use crate::block::Header;
use crate::chain::{self, Body, Genesis, Operation, Part, SignedTransaction, Transaction};
use crate::chain::{ValidatorCard, model as chains};
use crate::chat::SignedLine;
use crate::consensus::{self, Certified, world as machines};
use crate::craps::{Bet, Rules, Table};
use crate::identity::Address;
use crate::journal::Entry;
use crate::mesh::post::{Parcel, world as letters};
use crate::mesh::{PAYLOAD_BYTES, world as meshes};
use crate::node::Packet;
use crate::receipt::{Receipt, model as receipts};
use crate::wire::limits::{GENESIS_BYTES, MESSAGE_BYTES, TRANSACTION_BYTES};
use crate::wire::{Hash, List, Malformed, Text, armor, dearmor, decode, encode};

/// What the first byte of an input can say that the others are.
const KINDS: [fn(&[u8]); 28] = [
    |bytes| binary::<Packet>(bytes, PAYLOAD_BYTES),
    |bytes| binary::<Entry>(bytes, MESSAGE_BYTES),
    |bytes| binary::<consensus::Message>(bytes, MESSAGE_BYTES),
    |bytes| binary::<SignedTransaction>(bytes, TRANSACTION_BYTES),
    |bytes| binary::<Transaction>(bytes, TRANSACTION_BYTES),
    |bytes| binary::<Operation>(bytes, TRANSACTION_BYTES),
    |bytes| binary::<Body>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Receipt>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Genesis>(bytes, GENESIS_BYTES),
    |bytes| binary::<Table>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Rules>(bytes, TRANSACTION_BYTES),
    |bytes| binary::<chain::Entry>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Part>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Certified>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Header>(bytes, MESSAGE_BYTES),
    |bytes| binary::<DiceKey>(bytes, MESSAGE_BYTES),
    |bytes| binary::<CoinProof>(bytes, MESSAGE_BYTES),
    |bytes| binary::<SignedRecord>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Record>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Deal>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Complaint>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Generation>(bytes, MESSAGE_BYTES),
    |bytes| binary::<Malleable>(bytes, MESSAGE_BYTES),
    texts,
    meshes::packet,
    |bytes| binary::<Parcel>(bytes, PAYLOAD_BYTES),
    |bytes| binary::<SignedLine>(bytes, PAYLOAD_BYTES),
    bounds,
];

/// Every integer that has several encodings in the format that ours restricts, by itself.
type Malleable = (u16, u32, u64, i64, u128, Option<bool>, Vec<u64>, char);

/// The first byte says of which type the rest is said to be. Whatever decodes must encode to the
/// same bytes, show itself without harm, and be refused with a byte more, a byte less or a smaller
/// limit; what is written as text reads back as the same value.
pub fn wire(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    KINDS[usize::from(*kind) % KINDS.len()](bytes);
}

pub(crate) fn binary<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    bytes: &[u8],
    limit: usize,
) {
    let Ok(value) = decode::<T>(bytes, limit) else { return };
    assert_eq!(encode(&value), bytes, "{value:?} has two encodings");
    assert_eq!(decode::<T>(bytes, bytes.len()).as_ref(), Ok(&value), "and one meaning");
    let longer = [bytes, &[0]].concat();
    assert!(decode::<T>(&longer, limit).is_err(), "trailing bytes");
    if let Some((_, shorter)) = bytes.split_last() {
        assert!(decode::<T>(shorter, limit).is_err(), "a byte is missing");
        assert_eq!(decode::<T>(bytes, shorter.len()).err(), Some(Malformed::TooLarge));
    }
}

/// Lists and texts, short enough that inputs reach their bounds.
type Bounded = (List<u8, 3>, Text<5>, List<List<u16, 2>, 2>);

fn bounds(bytes: &[u8]) {
    binary::<Bounded>(bytes, MESSAGE_BYTES);
    let Ok((list, text, lists)) = decode::<Bounded>(bytes, MESSAGE_BYTES) else { return };
    assert!(list.len() <= 3 && text.len() <= 5 && lists.len() <= 2, "{lists:?} is too long");
    assert!(lists.iter().all(|list| list.len() <= 2), "{lists:?} holds what is too long");
    assert!(!text.chars().any(char::is_control), "{text:?} does something when it is printed");
}

fn texts(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    text_of::<Bet>(text);
    text_of::<Hash>(text);
    text_of::<Address>(text);
    text_of::<ValidatorCard>(text);
    if let Ok(bytes) = dearmor("ticket1", text) {
        assert_eq!(armor("ticket1", &bytes), text.to_ascii_lowercase());
    }
}

fn text_of<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>();
        assert_eq!(again.ok().as_ref(), Some(&value), "{text:?} reads back as what it was");
    }
}

/// Values of a played game, of messages between validators and of a key generation.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut add = |kind: u8, bytes: Vec<u8>| seeds.push([vec![kind], bytes].concat());
    for (_, message) in machines::messages() {
        add(2, encode(&message));
        add(0, encode(&Packet::Consensus(message)));
    }
    let (net, receipt) = receipts::one();
    add(7, encode(&receipt));
    add(8, net.genesis.encode());
    add(9, encode(&receipt.table.table));
    add(10, encode(&Rules::default()));
    add(14, encode(&receipt.header));
    add(15, encode(&receipt.dice_key));
    let coin = CoinProof { view: receipt.header.view, shares: receipt.shares.clone() };
    add(16, encode(&coin));
    for part in net.chain.state().parts(1 << 16) {
        add(12, encode(&part));
    }
    for operation in chains::operations() {
        add(5, encode(&operation));
    }
    let card = &net.genesis.validators[0];
    add(23, card.to_string().into_bytes());
    add(23, card.address.to_string().into_bytes());
    add(23, receipt.header.hash().to_string().into_bytes());
    for bet in Bet::all().step_by(7) {
        add(23, bet.to_string().into_bytes());
    }
    add(23, armor("ticket1", &[1, 2, 3]).into_bytes());
    for choice in 0..12 {
        add(24, meshes::forged(&mut Choices::new(&[1, choice, 3, 1, 2, 3, 4]), &[]).to_vec());
    }
    for parcel in post_parcels() {
        add(25, encode(&parcel));
        add(0, encode(&Packet::Letter(parcel)));
    }
    let bounded = |length: u16| {
        let list = vec![9_u8; usize::from(length)];
        let text = &"abcde"[..usize::from(length)];
        add(27, encode(&(list, text, vec![vec![length]; usize::from(length.min(2))])));
    };
    (0..=3).for_each(bounded);
    add(22, encode::<Malleable>(&(300, 70_000, 1 << 40, -5, 1 << 100, None, vec![1, 300], 'é')));
    seeds
}

/// A letter of each kind.
fn post_parcels() -> Vec<Parcel> {
    let mut world = letters::World::line(2);
    world.say(0, 1, "hello");
    world.run(Duration::from_secs(1));
    world.carried.into_iter().map(|(_, _, parcel)| parcel).collect()
}
