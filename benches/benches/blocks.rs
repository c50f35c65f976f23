//! What does a node do with a block?
//!
//! * Executes the blocks that 1, 1,000 and 10,000 transfers fill, which somebody else proposed, and
//!   makes them final: `blocks`, with transactions that wait there already, whose signatures were
//!   checked when they came, and with unknown ones. One element is one transfer. Beside them: as
//!   many signatures checked with bare ed25519-dalek.
//! * Builds a block of one transfer among 1,024 accounts, for which the root of the state is found
//!   anew: `root`. Beside it: BLAKE3 of all accounts.

use bitcraps_benches::cases::blocks::{Bank, execute, submit, whole};
use bitcraps_benches::criterion;
use bitcraps_protocol::wire::encode;
use criterion::{BatchSize, Throughput};
use ed25519_dalek::{Signer as _, SigningKey};

fn main() {
    let mut criterion = criterion().configure_from_args();
    let bank = Bank::new(200);
    let mut group = criterion.benchmark_group("blocks");
    group.sample_size(10);
    for count in [1, 1_000, 10_000] {
        let transfers = bank.transfers(count);
        let mut leader = bank.chain();
        submit(&mut leader, &transfers);
        let blocks = Bank::blocks(&mut leader);
        group.throughput(Throughput::Elements(count as u64));
        for known in [true, false] {
            let chain = || {
                let mut chain = bank.chain();
                if known {
                    submit(&mut chain, &transfers);
                }
                chain
            };
            let what = if known { "known" } else { "unknown" };
            let name = format!("{count} {what} in {}", blocks.len());
            group.bench_function(name, |it| {
                let run = |mut chain| {
                    blocks.iter().for_each(|block| execute(&mut chain, block));
                    chain
                };
                it.iter_batched(chain, run, BatchSize::PerIteration);
            });
        }
        let bytes = encode(transfers[0].signed());
        let key = SigningKey::from_bytes(&[1; 32]);
        let (signature, key) = (key.sign(&bytes), key.verifying_key().to_bytes());
        group.bench_function(format!("{count}, ed25519-dalek"), |it| {
            it.iter(|| {
                for _ in 0..count {
                    let key = ed25519_dalek::VerifyingKey::from_bytes(&key).expect("a point");
                    key.verify_strict(&bytes, &signature).expect("it was signed");
                }
            });
        });
    }
    group.finish();
    let bank = Bank::new(1_024);
    let mut chain = bank.chain();
    submit(&mut chain, &bank.transfers(1));
    let mut group = criterion.benchmark_group("root");
    group.bench_function("a block of one transfer", |it| it.iter(|| Bank::next(&mut chain)));
    let accounts = whole(&chain);
    group.bench_function("BLAKE3 of all accounts", |it| it.iter(|| blake3::hash(&accounts)));
    group.finish();
    criterion.final_summary();
}
