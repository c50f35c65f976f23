//! What must hold under schedules: agreement always, progress when the network behaves.

use alloc::boxed::Box;
use core::time::Duration;

use proptest::prelude::*;

use super::world::World;
use crate::consensus::Message;
use crate::rng::Rng;
use crate::time::Time;

const SECOND: Duration = Duration::from_secs(1);
const HOP: Duration = Duration::from_millis(10);

#[test]
fn nodes_of_every_small_network_agree_on_block_after_block() {
    for n in 1..=7 {
        let mut world = World::new(n, &[], 1);
        world.run(2 * SECOND);
        world.assert_agreement(&[]);
        // Two hops and two disk syncs a block; a third hop and sync before it is final.
        let least = (2_000 / 22) - 2;
        assert!(world.least_height(&[]) >= least, "n = {n}: {}", world.least_height(&[]));
        assert!(world.accused.is_empty());
    }
}

#[test]
fn f_silent_validators_do_not_stop_the_others() {
    for (n, silent) in [(4, 1), (7, 2), (10, 3)] {
        let mut world = World::new(n, &[], 2);
        world.network =
            Box::new(move |from, to, _, _| (from >= silent && to >= silent).then_some(HOP));
        world.run(12 * SECOND);
        let silent: alloc::vec::Vec<_> = (0..silent).collect();
        world.assert_agreement(&silent);
        // After its tenth silent view a leader is skipped without waiting for the time-out.
        let height = world.least_height(&silent);
        assert!(height > 100, "n = {n}: {height}");
    }
}

#[test]
fn nothing_is_decided_without_a_quorum_and_everything_goes_on_after_the_partition() {
    let mut world = World::new(4, &[], 3);
    world.run(SECOND);
    world.network = Box::new(|from, to, _, _| (from / 2 == to / 2).then_some(HOP));
    world.run(SECOND);
    let before = world.least_height(&[]);
    world.run(60 * SECOND);
    assert_eq!(world.least_height(&[]), before);
    world.network = Box::new(|_, _, _, _| Some(HOP));
    let goes_on = world.run_until(60 * SECOND, |world| world.least_height(&[]) > before + 20);
    world.assert_agreement(&[]);
    assert!(goes_on);
}

#[test]
fn a_thousand_failed_views_leave_two_certificates_and_bounded_memory() {
    let mut world = World::new(4, &[], 4);
    world.network = Box::new(|_, _, message, _| {
        (!matches!(message, Message::Proposal(_) | Message::Block(_))).then_some(HOP)
    });
    while world.nullified_most < 1_000 {
        world.run(600 * SECOND);
        assert!(world.now < Time::ZERO + Duration::from_secs(1_000_000), "views fail for ever");
    }
    assert_eq!(world.least_height(&[]), 0);
    for node in world.nodes.iter().flatten() {
        assert!(node.rounds.len() <= 130, "{}", node.rounds.len());
    }
    world.network = Box::new(|_, _, _, _| Some(HOP));
    assert!(world.run_until(120 * SECOND, |world| world.least_height(&[]) > 20));
    world.assert_agreement(&[]);
}

#[test]
fn a_block_whose_proposal_is_lost_is_asked_for_and_notarized() {
    let mut world = World::new(4, &[], 4);
    world.network =
        Box::new(|_, _, message, _| (!matches!(message, Message::Proposal(_))).then_some(HOP));
    assert!(world.run_until(120 * SECOND, |world| world.least_height(&[]) > 20));
    world.assert_agreement(&[]);
}

#[test]
fn a_validator_that_lost_its_links_catches_up() {
    let mut world = World::new(4, &[], 5);
    world.network = Box::new(|from, to, _, _| (from != 3 && to != 3).then_some(HOP));
    world.run(10 * SECOND);
    let ahead = world.least_height(&[3]);
    assert_eq!(world.decided[3].len(), 0);
    world.network = Box::new(|_, _, _, _| Some(HOP));
    let caught_up =
        world.run_until(10 * SECOND, |world| world.decided[3].len() as u64 > ahead + 10);
    world.assert_agreement(&[]);
    assert!(caught_up && ahead > 100, "{} of {ahead}", world.decided[3].len());
}

#[test]
fn all_validators_may_crash_at_once_at_any_moment() {
    for moment in 0..60 {
        let mut world = World::new(4, &[], 6);
        world.run(Duration::from_millis(2 * moment));
        (0..4).for_each(|slot| world.crash(slot, HOP));
        let goes_on = world.run_until(10 * SECOND, |world| world.least_height(&[]) > 12);
        world.assert_agreement(&[]);
        assert!(world.accused.is_empty(), "moment {moment}: {:?}", world.accused);
        assert!(goes_on, "moment {moment}: {}", world.least_height(&[]));
    }
}

#[test]
fn a_validator_without_its_journal_votes_again_and_contradicts_nothing() {
    for moment in 0..25 {
        let mut world = World::new(4, &[], 7);
        world.run(Duration::from_millis(200 + 3 * moment));
        world.crash_and_wipe(2, HOP);
        let goes_on = world.run_until(20 * SECOND, |world| {
            let node = world.nodes[2].as_ref();
            node.is_some_and(|node| node.abstains().is_none()) && world.least_height(&[]) > 60
        });
        world.assert_agreement(&[]);
        assert!(goes_on && world.accused.is_empty(), "moment {moment}: {:?}", world.accused);
    }
}

#[test]
fn two_of_seven_may_lose_their_journals_at_once_and_once_more() {
    let mut world = World::new(7, &[], 8);
    for _ in 0..2 {
        world.run(SECOND);
        world.crash_and_wipe(0, HOP);
        world.crash_and_wipe(5, 3 * HOP);
        let vote = |world: &World, slot: usize| {
            world.nodes[slot].as_ref().is_some_and(|node| node.abstains().is_none())
        };
        assert!(world.run_until(20 * SECOND, |world| vote(world, 0) && vote(world, 5)));
    }
    world.assert_agreement(&[]);
    assert!(world.accused.is_empty());
}

#[test]
fn with_more_than_f_journals_lost_nobody_votes_without_a_human() {
    let mut world = World::new(4, &[], 9);
    world.run(SECOND);
    (0..2).for_each(|slot| world.crash_and_wipe(slot, HOP));
    world.run(SECOND);
    let before = world.least_height(&[0, 1]);
    world.run(30 * SECOND);
    assert_eq!(world.least_height(&[0, 1]), before);
    for slot in 0..2 {
        world.pasts[slot] = crate::consensus::Past::Overridden;
        world.crash(slot, HOP);
    }
    assert!(world.run_until(60 * SECOND, |world| world.least_height(&[]) > before + 10));
    world.assert_agreement(&[]);
}

/// Delays, losses, reorderings and crashes for a while, then a network that behaves.
fn storm(n: usize, twins: &[usize], seed: u64) -> World<'static> {
    let mut world = World::new(n, twins, seed);
    let mut rng: Rng = world.rng.fork("network");
    let mut sides = alloc::vec![0u64; world.nodes.len()];
    let mut until = Time::ZERO;
    world.network = Box::new(move |from, to, _, now| {
        if now >= until {
            until = now + Duration::from_millis(50 + rng.below(2_000));
            let parts = 1 + rng.below(3);
            sides.iter_mut().for_each(|side| *side = rng.below(parts));
        }
        let cut = sides[from] != sides[to] && rng.below(4) > 0;
        let lost = rng.below(10) == 0;
        (!cut && !lost).then(|| Duration::from_millis(1 + rng.below(rng_span(now))))
    });
    let mut crashes = world.rng.fork("crashes");
    for _ in 0..20 {
        world.run(Duration::from_millis(crashes.below(3_000)));
        let slot = crashes.below(n as u64) as usize;
        if world.nodes[slot].is_some() && !twins.contains(&slot) {
            world.crash(slot, Duration::from_millis(crashes.below(2_000)));
        }
    }
    let height = world.least_height(twins);
    world.network = Box::new(|_, _, _, _| Some(HOP));
    let progresses = world.run_until(150 * SECOND, |world| world.least_height(twins) > height + 8);
    assert!(progresses, "seed {seed}: no progress after the storm");
    world
}

/// Latencies change from second to second, between at most 5 and 400 ms.
fn rng_span(now: Time) -> u64 {
    [5, 50, 400][(now.as_micros() / 1_000_000 % 3) as usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn honest_nodes_agree_and_accuse_nobody_after_any_storm(n in 2usize..=7, seed in any::<u64>()) {
        let world = storm(n, &[], seed);
        world.assert_agreement(&[]);
        prop_assert!(world.accused.is_empty());
    }

    #[test]
    fn twins_of_f_validators_break_nothing_and_accuse_only_themselves(
        f in 1usize..=2, seed in any::<u64>()
    ) {
        let twins: alloc::vec::Vec<usize> = (0..f).collect();
        let world = storm(3 * f + 1, &twins, seed);
        world.assert_agreement(&twins);
        let keys: alloc::vec::Vec<_> = twins.iter().map(|it| super::world::key(*it).peer()).collect();
        prop_assert!(world.accused.iter().all(|peer| keys.contains(peer)));
    }
}
