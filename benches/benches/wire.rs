//! What does the canonical form cost?
//!
//! * Writing and reading a vote, a certificate of 100 validators and a body of transfers. Reading
//!   checks that no other bytes mean the same. Beside each: bare postcard, which does not.

use std::fmt::Debug;

use bitcraps_benches::cases::blocks::{Bank, submit};
use bitcraps_benches::cases::votes::Committee;
use bitcraps_benches::{CpuTime, criterion};
use bitcraps_protocol::chain::Body;
use bitcraps_protocol::wire::{decode, encode};
use criterion::{Criterion, Throughput};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn ask<T>(criterion: &mut Criterion<CpuTime>, name: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = encode(value);
    assert_eq!(postcard::to_allocvec(value).as_ref(), Ok(&bytes), "they write the same");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |it| it.iter(|| encode(value)));
    group.bench_function("encode, postcard", |it| it.iter(|| postcard::to_allocvec(value)));
    group.bench_function("decode", |it| it.iter(|| decode::<T>(&bytes, 1 << 20)));
    group.bench_function("decode, postcard", |it| it.iter(|| postcard::from_bytes::<T>(&bytes)));
    group.finish();
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    let committee = Committee::new(100);
    ask(&mut criterion, "vote", &committee.votes()[0]);
    ask(&mut criterion, "certificate", &committee.certificate());
    let bank = Bank::new(200);
    let mut chain = bank.chain();
    submit(&mut chain, &bank.transfers(300));
    let (_, body) = Bank::next(&mut chain);
    ask(&mut criterion, "body", &Body::decode(&body).expect("its own"));
    criterion.final_summary();
}
