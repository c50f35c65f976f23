//! Golden bytes: whoever changes one of these changes the protocol's version.

use alloc::string::String;

use data_encoding::HEXLOWER;

use super::*;
use crate::wire::encode;

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

#[test]
fn a_transaction_is_written_as_before() {
    let net = Net::new(1, 2);
    let to = Address { proof: ProofOfWork(5), ..address(&net.players[1]) };
    let sender = Address { proof: ProofOfWork(300), ..address(&net.players[0]) };
    let operation = Operation::Transfer { to, amount: Chips(250) };
    let transaction = Transaction { sender, nonce: Nonce(7), expires: Height(99), operation };
    let signed = transaction.sign(&net.players[0], Hash([9; 32]));
    assert_eq!(hex(&encode(signed.signed())), TRANSACTION);
    assert_eq!(alloc::format!("{}", signed.id()), TRANSACTION_ID);
}

#[test]
fn a_genesis_has_the_same_hash_and_state_as_before() {
    let net = Net::new(4, 2);
    assert_eq!(alloc::format!("{}", net.genesis.network()), GENESIS);
    assert_eq!(alloc::format!("{}", net.genesis.state_root()), GENESIS_STATE);
}

#[test]
fn a_header_has_the_same_hash_as_before() {
    let header = Header {
        network: Hash([1; 32]),
        epoch: Epoch(2),
        view: View(3),
        height: Height(4),
        parent: Parent { view: View(2), hash: Hash([5; 32]) },
        time: BlockTime(1_700_000_000_000),
        commitments: Commitments {
            transactions: Hash([6; 32]),
            state: Hash([7; 32]),
            validators: Hash([8; 32]),
            dice_key: Hash([9; 32]),
            has_rolls: true,
        },
        justification: Hash([10; 32]),
    };
    assert_eq!(alloc::format!("{}", header.hash()), HEADER);
}

const TRANSACTION: &str = "";
const TRANSACTION_ID: &str = "";
const GENESIS: &str = "";
const GENESIS_STATE: &str = "";
const HEADER: &str = "";
