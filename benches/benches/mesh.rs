//! What does passing a message on cost a node?
//!
//! * A gossip message of 200 bytes comes over one sealed link, is new, and leaves over 1, 7 and 11
//!   others: `relay`. Over more links a message is not pushed at first. There is no rival to link
//!   with; what of it is encryption, `session` tells.

use bitcraps_benches::cases::star::Star;
use bitcraps_benches::{cpu_time, criterion};

/// Bytes of a message: a vote with a share of a coin.
const BYTES: usize = 200;

fn main() {
    let mut criterion = criterion().configure_from_args();
    let mut group = criterion.benchmark_group("relay");
    for others in [1, 7, 11] {
        group.bench_function(format!("to {others} others"), |it| {
            // Nonces come in order: as many frames are made as are measured.
            it.iter_custom(|count| {
                let mut star = Star::new(others + 1);
                let frames = star.frames(count, BYTES);
                let start = cpu_time();
                frames.into_iter().for_each(|frame| star.relay(frame));
                cpu_time() - start
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
