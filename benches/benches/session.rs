//! What does encryption cost a link?
//!
//! * A message sealed at one end and opened at the other: of 100 bytes, 1 kB and 64 kB. Beside it:
//!   bare ChaCha20-Poly1305 of the same bytes, sealed and opened in place, without frames.

use bitcraps_benches::cases::sessions::{carry, pair};
use bitcraps_benches::criterion;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use criterion::Throughput;

fn main() {
    let mut criterion = criterion().configure_from_args();
    let mut group = criterion.benchmark_group("session");
    for bytes in [100, 1_024, 65_536] {
        group.throughput(Throughput::Bytes(bytes as u64));
        let message = vec![7; bytes];
        let (mut left, mut right) = pair();
        group.bench_function(format!("{bytes} bytes"), |it| {
            it.iter(|| carry(&mut left, &mut right, &message));
        });
        let cipher = ChaCha20Poly1305::new(&Key::from([1; 32]));
        let nonce = Nonce::from([0; 12]);
        let mut buffer = message.clone();
        group.bench_function(format!("{bytes} bytes, chacha20poly1305"), |it| {
            it.iter(|| {
                let whole = buffer.as_mut_slice();
                let tag = cipher.encrypt_inout_detached(&nonce, &[], whole.into());
                let tag = tag.expect("it is short enough");
                let whole = buffer.as_mut_slice();
                let opened = cipher.decrypt_inout_detached(&nonce, &[], whole.into(), &tag);
                opened.expect("it is what was sealed");
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
