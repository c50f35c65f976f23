//! Golden bytes: whoever changes one of these changes the protocol's version.

use alloc::string::String;

use data_encoding::HEXLOWER;

use super::*;
use crate::craps::Bet;
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
fn what_players_do_is_written_as_before() {
    let (table, round, bet) = (TableId(1), Round(2), "place:6".parse::<Bet>().unwrap());
    let down = |amount| Operation::TakeDown { table, round, bet, amount };
    for (operation, bytes) in [
        (Operation::Bet { table, round, bet, amount: Chips(12) }, "05010207706c6163653a360c"),
        (down(None), "06010207706c6163653a3600"),
        (down(Some(Chips(12))), "06010207706c6163653a36010c"),
        (Operation::SetWorking { table, round, bet, on: true }, "09010207706c6163653a3601"),
        (Operation::Fund { table, amount: Chips(3) }, "0a0103"),
        (Operation::Draw { table, amount: Chips(3) }, "0b0103"),
        (Operation::PassDice { table, round }, "0c0102"),
    ] {
        assert_eq!(hex(&encode(&operation)), bytes, "{operation:?}");
    }
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
        body: Hash([11; 32]),
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

const TRANSACTION: &str = concat!(
    "488a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5cac0207",
    "63008139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b39405fa",
    "01fd3fa53c9535e44f0aae749605ab02653c908bfdd9001a3291f961d2a2d2ee613b2344",
    "f8b4db35ec0922fd34d337119604ec8ed18e79a1b78653c9862b3ac207",
);
const TRANSACTION_ID: &str = "53b6229dbd082721032a7ebef19baebea0f9f54d28c43ef09bfeb02dc9c70f82";
const GENESIS: &str = "94afc25449d272b013fcc41f6d2cddc21fbe992ede321cdfd7c6f1f4ae5b3c8b";
const GENESIS_STATE: &str = "6247ed16d0158de67976fa8d1edcf3ac8dd3fb3b77f84565b34c245f1761b464";
const HEADER: &str = "c40ac7a86ba0cda2208aa8df58ec93e62e72bfad41c68311c972c171c133a348";
