//! What a newcomer saves by taking a state instead of executing blocks.

use super::*;
use crate::wire::encode;

/// Answers: how large is a state of 10,000 accounts in parts, how long does checking and putting it
/// together take, and how long does executing a block with one transfer take?
///
/// `cargo test --release -p bitcraps-protocol chain::tests::figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
#[expect(clippy::print_stdout, clippy::disallowed_types, reason = "measures, for reading")]
fn a_state_beside_its_blocks() {
    use std::time::{Duration, Instant};

    let state = wide_state(10_000);
    let parts = state.parts(48 * 1024);
    let bytes: usize = parts.iter().map(|part| encode(part).len()).sum();
    let count = parts.len();
    let mut assembly = Assembly::new(state.root(), 0);
    let begun = Instant::now();
    for part in parts {
        while !assembly.lacks(part.id()) {
            let missing: Vec<PartId> = assembly.missing().collect();
            missing.into_iter().for_each(|id| assembly.split(id).unwrap());
        }
        assembly.add(part).unwrap();
    }
    assert_eq!(assembly.finish().unwrap().root(), state.root());
    std::println!(
        "10,000 accounts: {bytes} bytes in {count} parts, taken in {:?}",
        begun.elapsed()
    );

    const BLOCKS: u32 = 2_000;
    let net = Net::new(4, 3);
    let (mut leader, mut newcomer) = (net.chain(), net.chain());
    let mut tip = net.tip();
    let (mut took, mut bytes) = (Duration::ZERO, 0);
    for block in 0..BLOCKS {
        let transfer = net.transfer(0, u64::from(block) + 1, 1, 1);
        leader.submit(transfer).unwrap();
        let slot = next(tip, 1000);
        let (header, body) = net.propose(&mut leader, tip, slot);
        let hash = header.hash();
        assert_eq!(leader.check(&header, &body), Ok(()));
        leader.finalize(&hash);
        bytes += body.len();
        let begun = Instant::now();
        assert_eq!(newcomer.check(&header, &body), Ok(()));
        newcomer.finalize(&hash);
        took += begun.elapsed();
        tip = Tip { hash, slot };
    }
    std::println!("{BLOCKS} blocks of one transfer: {bytes} bytes of bodies, executed in {took:?}");
}
