//! How many instructions do the hot paths take?
//!
//! Counted by callgrind, so that a busy machine changes nothing; `../count` builds this, runs it and
//! compares it with what is written in `../counts.txt`. What comes before a path is not counted.

#![expect(missing_docs, unused_qualifications, reason = "what the harness's macros make")]

use std::hint::black_box;

use bitcraps_benches::cases::blocks::{Bank, execute, submit};
use bitcraps_benches::cases::coins::{Dice, collect};
use bitcraps_benches::cases::network::Network;
use bitcraps_benches::cases::sessions::{carry, pair};
use bitcraps_benches::cases::star::Star;
use bitcraps_benches::cases::tables::{FULL, table, thrown};
use bitcraps_benches::cases::votes::{Committee, hear};
use bitcraps_protocol::beacon::{Beacon, CoinShare};
use bitcraps_protocol::block::Header;
use bitcraps_protocol::chain::Chain;
use bitcraps_protocol::consensus::{Consensus, Notarization, Vote};
use bitcraps_protocol::craps::{Dice as Pair, Moment, Settlement, Table};
use bitcraps_protocol::event::Record;
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::session::Session;
use bitcraps_protocol::wire::{Malformed, decode, encode};
use bytes::Bytes;
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

/// The C library chooses its copying and comparing by the processor; these take the oldest.
const PLAIN_C: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,\
    -ERMS,-FSRM,-MOVBE,-BMI2,-SSE4_2,-SSE4_1,-SSSE3,-Fast_Unaligned_Copy";

fn vote() -> Vote {
    Committee::new(4).votes()[0]
}

fn vote_bytes() -> Vec<u8> {
    encode(&vote())
}

fn quorum() -> (Consensus, Vec<Vote>) {
    let committee = Committee::new(31);
    (committee.observer(), committee.votes())
}

fn certificate() -> (Committee, Notarization) {
    let committee = Committee::new(31);
    let certificate = committee.certificate();
    (committee, certificate)
}

fn block() -> (Chain, (Header, Bytes)) {
    let bank = Bank::new(50);
    let transfers = bank.transfers(100);
    let (mut leader, mut other) = (bank.chain(), bank.chain());
    submit(&mut leader, &transfers);
    submit(&mut other, &transfers);
    (other, Bank::next(&mut leader))
}

fn wide() -> Chain {
    let bank = Bank::new(1_024);
    let mut chain = bank.chain();
    submit(&mut chain, &bank.transfers(1));
    chain
}

fn full_table() -> Table {
    let mut table = table(20, &FULL);
    thrown(&mut table);
    table
}

fn share() -> (Beacon, CoinShare) {
    let dice = Dice::new(31);
    (dice.collector(), dice.share())
}

fn sessions() -> (Session, Session, Vec<u8>) {
    let (left, right) = pair();
    (left, right, vec![7; 1_024])
}

fn star() -> (Star, Bytes) {
    let mut star = Star::new(8);
    let frame = star.frames(1, 200).remove(0);
    (star, frame)
}

fn network() -> Network {
    let mut network = Network::new(4);
    network.run(3);
    network
}

#[library_benchmark]
#[bench::it(setup = vote_bytes)]
fn decode_a_vote(bytes: Vec<u8>) -> Result<Vote, Malformed> {
    decode(black_box(&bytes), 1024)
}

#[library_benchmark]
#[bench::it(setup = quorum)]
fn hear_a_quorum_of_31((mut machine, votes): (Consensus, Vec<Vote>)) -> Consensus {
    hear(&mut machine, &votes);
    machine
}

#[library_benchmark]
#[bench::it(setup = certificate)]
fn check_a_certificate_of_31(
    (committee, certificate): (Committee, Notarization),
) -> (Committee, Notarization) {
    committee.check(&certificate);
    (committee, certificate)
}

#[library_benchmark]
#[bench::it(setup = block)]
fn execute_100_transfers((mut chain, block): (Chain, (Header, Bytes))) -> Chain {
    execute(&mut chain, &block);
    chain
}

#[library_benchmark]
#[bench::it(setup = wide)]
fn build_on_1024_accounts(mut chain: Chain) -> (Chain, (Header, Bytes)) {
    let block = Bank::next(&mut chain);
    (chain, block)
}

#[library_benchmark]
#[bench::it(setup = full_table)]
fn settle_a_full_table(mut table: Table) -> (Table, Settlement) {
    let dice = Pair::new(3, 4).expect("two faces");
    let settlement = table.settle(dice, Moment::default());
    (table, settlement)
}

#[library_benchmark]
#[bench::it(setup = share)]
fn check_a_share((mut beacon, share): (Beacon, CoinShare)) -> Beacon {
    collect(&mut beacon, share);
    beacon
}

#[library_benchmark]
#[bench::it(setup = sessions)]
fn seal_and_open_1_kb(
    (mut left, mut right, message): (Session, Session, Vec<u8>),
) -> (Session, Session) {
    carry(&mut left, &mut right, &message);
    (left, right)
}

#[library_benchmark]
#[bench::it(setup = star)]
fn relay_to_7((mut star, frame): (Star, Bytes)) -> Star {
    star.relay(frame);
    star
}

#[library_benchmark]
#[bench::it(setup = network)]
fn three_blocks_of_4_nodes(mut network: Network) -> Network {
    network.run(3);
    network
}

#[library_benchmark]
#[bench::it(setup = vote)]
fn write_a_vote_down(vote: Vote) -> Record {
    Entry::Vote(black_box(vote)).to_record()
}

library_benchmark_group!(
    name = paths,
    benchmarks = [
        decode_a_vote,
        hear_a_quorum_of_31,
        check_a_certificate_of_31,
        execute_100_transfers,
        build_on_1024_accounts,
        settle_a_full_table,
        check_a_share,
        seal_and_open_1_kb,
        relay_to_7,
        three_blocks_of_4_nodes,
        write_a_vote_down
    ]
);

main!(
    config = LibraryBenchmarkConfig::default()
        .env("GLIBC_TUNABLES", PLAIN_C)
        .tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = paths
);
