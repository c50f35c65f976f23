//! What does agreement cost a node?
//!
//! * One vote of a quorum, heard and judged by a node that has heard nothing else: `vote`. At the
//!   last one of them it makes a certificate. One element is one vote.
//! * A certificate none of whose votes is known: `certificate`. One element is one of its votes.
//!
//! Beside both: as many signatures checked with bare ed25519-dalek.

use bitcraps_benches::cases::votes::{Committee, hear, signed_bytes};
use bitcraps_benches::criterion;
use criterion::{BatchSize, Throughput};
use ed25519_dalek::{Signer as _, SigningKey};

/// A check of as many signatures over as many bytes, each by somebody else.
fn signatures(committee: &Committee) -> impl Fn() {
    let bytes = signed_bytes(&committee.votes()[0]);
    let signed: Vec<_> = (0..committee.set.quorum())
        .map(|number| {
            let key = SigningKey::from_bytes(&[number as u8; 32]);
            (key.verifying_key().to_bytes(), key.sign(&bytes))
        })
        .collect();
    move || {
        for (key, signature) in &signed {
            // A peer's key comes as bytes there as well.
            let key = ed25519_dalek::VerifyingKey::from_bytes(key).expect("a point");
            key.verify_strict(&bytes, signature).expect("it was signed");
        }
    }
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    let committees = [4, 31, 100].map(Committee::new);
    let mut group = criterion.benchmark_group("vote");
    for committee in &committees {
        let (n, votes) = (committee.set.len(), committee.votes());
        group.throughput(Throughput::Elements(votes.len() as u64));
        group.bench_function(format!("{n} validators"), |it| {
            let hear = |mut machine| {
                hear(&mut machine, &votes);
                machine
            };
            it.iter_batched(|| committee.observer(), hear, BatchSize::SmallInput);
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("certificate");
    for committee in &committees {
        let (n, certificate) = (committee.set.len(), committee.certificate());
        group.throughput(Throughput::Elements(committee.set.quorum() as u64));
        group.bench_function(format!("{n} validators"), |it| {
            it.iter(|| committee.check(&certificate));
        });
        let rival = signatures(committee);
        group.bench_function(format!("{n} validators, ed25519-dalek"), |it| it.iter(&rival));
    }
    group.finish();
    criterion.final_summary();
}
