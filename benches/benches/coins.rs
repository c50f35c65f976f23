//! What does a roll's coin cost?
//!
//! * Making one's share of it: `share`.
//! * Checking a share that comes by gossip: `check`. Beside it, as a yardstick, for there is no other
//!   such coin to compare with: one Ed25519 signature checked.
//! * Putting a coin together from shares that are known to be good: `combine`; and from a proof of
//!   whose shares nothing is known: `verify`. With 4, 31 and 100 validators.

use bitcraps_benches::cases::coins::{Dice, collect};
use bitcraps_benches::criterion;
use criterion::BatchSize;
use ed25519_dalek::{Signer as _, SigningKey};

fn main() {
    let mut criterion = criterion().configure_from_args();
    for n in [4, 31, 100] {
        let dice = Dice::new(n);
        let (input, share, proof) = (dice.id.input(), dice.share(), dice.proof());
        let mut group = criterion.benchmark_group(format!("coin of {n} validators"));
        group.bench_function("share", |it| it.iter(|| dice.secrets[0].coin_share(&input)));
        group.bench_function("check", |it| {
            let collect = |mut beacon| {
                collect(&mut beacon, share);
                beacon
            };
            it.iter_batched(|| dice.collector(), collect, BatchSize::SmallInput);
        });
        group.bench_function("combine", |it| it.iter(|| proof.combine(&dice.id)));
        group.bench_function("verify", |it| it.iter(|| dice.verify(&proof)));
        group.finish();
    }
    let key = SigningKey::from_bytes(&[1; 32]);
    let (signature, key) = (key.sign(&[0; 96]), key.verifying_key());
    criterion.bench_function("one signature, ed25519-dalek", |it| {
        it.iter(|| key.verify_strict(&[0; 96], &signature));
    });
    criterion.final_summary();
}
