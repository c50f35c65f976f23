//! Real nodes over a scripted radio, in simulated time: they agree and stay bounded whatever the air
//! does.

mod air;
mod world;

use std::time::Duration;

use air::Faults;
use world::World;

const CALM: Faults =
    Faults { lost_percent: 0, repeated_percent: 0, cut_percent: 0, delay_ms: (15, 20) };
const ROUGH: Faults =
    Faults { lost_percent: 15, repeated_percent: 10, cut_percent: 5, delay_ms: (5, 80) };

#[test]
fn four_nodes_find_one_another_and_settle_rolls() {
    let mut world = World::new(4, CALM, &[517]);
    world.gather();
    world.play(3);
    world.assert_agreement();
}

#[test]
fn frames_that_are_lost_repeated_reordered_and_cut_cost_time_and_nothing_else() {
    for seed in 1..4 {
        let mut world = World::seeded(seed, 4, ROUGH, &[517]);
        world.gather();
        world.play(3);
        world.assert_agreement();
        let air = &world.air;
        for happened in [air.lost, air.repeated, air.overtaken, air.cut] {
            assert!(happened > 0);
        }
    }
}

#[test]
fn the_shortest_frames_carry_a_whole_table() {
    let mut world = World::new(3, CALM, &[23]);
    world.gather();
    world.play(1);
    world.assert_agreement();
    assert_eq!(world.air.longest, 18);
}

#[test]
fn connections_that_come_back_with_another_mtu_are_used_as_they_are() {
    let mut world = World::new(4, CALM, &[517, 23, 188, 60]);
    world.gather();
    for _ in 0..4 {
        world.play(1);
        world.drop_connections();
        world.gather();
    }
    world.assert_agreement();
    // The air panics at a frame that a connection does not carry.
    assert!(world.air.mtus.len() == 4, "{:?}", world.air.mtus);
}

#[test]
fn links_from_both_sides_are_reduced_to_one_without_a_moment_without() {
    let mut world = World::new(4, CALM, &[517]);
    // Every device is another one as a central: the two connections do not know of each other.
    world.air.hides_centrals = true;
    world.gather();
    world.play(2);
    world.finish_the_hand();
    world.run_linked_for(Duration::from_secs(60));
    assert!(world.air.connections_made > world.pairs(), "there were double links");
    assert_eq!(world.links(), world.pairs());
    world.play(1);
    world.assert_agreement();
}

#[test]
fn a_peer_that_never_acknowledges_is_given_up_and_costs_a_bounded_amount() {
    let mut world = World::new(4, CALM, &[517]);
    world.gather();
    // What node 3 sends gets nowhere; what is sent to it arrives.
    world.air.mutes.push(3);
    world.play(2);
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.links_of(3), 0, "given up");
    world.air.mutes.clear();
    world.gather();
    world.play(1);
    world.assert_agreement();
}

#[test]
fn a_radio_that_is_lost_comes_back() {
    let mut world = World::new(4, CALM, &[517]);
    world.gather();
    world.play(1);
    for index in [0, 2] {
        world.lose_radio(index);
        assert_eq!(world.links_of(index), 0);
    }
    world.run_for(Duration::from_secs(20));
    world.return_radio(0);
    world.return_radio(2);
    world.gather();
    world.play(1);
    world.assert_agreement();
}

#[test]
fn the_middle_of_a_line_carries_for_its_ends() {
    let mut world = World::new(3, CALM, &[517]);
    world.air.out_of_range.push((0, 2));
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.links(), 2);
    world.play(2);
    world.assert_agreement();
}

/// `cargo test -p bitcraps-btleplug --test air bytes -- --nocapture` prints them.
#[test]
#[expect(clippy::print_stdout, reason = "figures for people")]
fn bytes_on_the_air() {
    let mut world = World::new(4, CALM, &[517]);
    world.gather();
    world.play(1);
    world.finish_the_hand();
    world.run_for(Duration::from_secs(30));
    let before = world.air.bytes;
    world.run_for(Duration::from_secs(60));
    let idle = world.air.bytes - before;
    let before = world.air.bytes;
    world.play(10);
    let settled = (world.air.bytes - before) / 10;
    println!("n = 4, one adapter each, 510-byte frames:");
    println!("  {settled} bytes on the air per settled roll, its bet included");
    println!("  {idle} bytes on the air in an idle minute");
    assert!(settled > 0 && idle < 100_000, "a quiet table is quiet");
}
