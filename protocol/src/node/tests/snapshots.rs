//! Snapshots: made every few blocks, fetched by who is far behind, and a shorter way to start.

use alloc::collections::BTreeSet;

use super::*;
use crate::block::View;
use crate::chain::{Answer, PartId};
use crate::consensus::Statement;
use crate::journal::Entry;
use crate::node::SnapshotConfig;
use crate::node::packet::Packet;

/// A network that makes a snapshot every eight blocks, and has made some.
fn old_world(players: usize, height: u64) -> World {
    world_with(8, players, height)
}

fn world_with(interval: u64, players: usize, height: u64) -> World {
    let mut world = World::asleep(4, players, |_, _| true, true);
    world.config.snapshots =
        SnapshotConfig { interval, threshold: 16, ..SnapshotConfig::default() };
    for index in 0..4 {
        world.start(index);
    }
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 100);
    while world.node(0).status().height < Height(height) {
        play(&mut world);
    }
    keep_betting(&mut world);
    world
}

/// A bet if there is none, and a roll.
fn play(world: &mut World) {
    keep_betting(world);
    world.roll(1);
}

fn keep_betting(world: &mut World) {
    if world.node(1).state().table(TABLE).unwrap().table.bets().count() == 0 {
        world.bet(1, "pass", 100);
    }
}

fn entries(world: &World, index: usize) -> impl Iterator<Item = Entry> + '_ {
    world.places[index].journal.iter().map(|record| Entry::from_bytes(&record.bytes).unwrap())
}

/// The heights of the blocks in a journal.
fn heights(world: &World, index: usize) -> Vec<Height> {
    let decided = entries(world, index).filter_map(|entry| match entry {
        Entry::Decided(decided) => Some(decided.block.header.height),
        _ => None,
    });
    decided.collect()
}

fn snapshots(world: &World, index: usize) -> Vec<Height> {
    let heights = entries(world, index).filter_map(|entry| match entry {
        Entry::Snapshot(certified) => Some(certified.header.height),
        _ => None,
    });
    heights.collect()
}

#[test]
fn a_newcomer_fetches_the_newest_state_and_follows_from_there() {
    let mut world = old_world(1, 150);
    let goal = world.node(0).status().height;
    world.start(4);
    let reached = |world: &World| world.node(4).status().height >= goal;
    assert!(world.run_until(Duration::from_secs(60), reached), "{}", world.why(4));
    world.assert_equal_states();
    let held = heights(&world, 4);
    // The first blocks were on their way before anybody knew how far behind it is.
    let fetched = snapshots(&world, 4).into_iter().rfind(|height| !held.contains(height));
    let fetched = fetched.expect("a state was taken instead of its block");
    assert!(fetched.0 + 16 >= goal.0, "{fetched} of {goal}");

    // It takes part from there on, before and after a new start.
    let to = world.address(4);
    world.do_it(0, Operation::Transfer { to, amount: Chips(500) });
    world.kill(4);
    world.roll(1);
    world.start(4);
    world.assert_equal_states();
    world.do_it(4, Operation::Sit { table: TABLE });
    world.bet(4, "field", 5);
    world.roll(1);
    world.assert_equal_states();
}

#[test]
fn a_start_from_a_snapshot_leads_to_the_same_state() {
    let mut world = old_world(0, 50);
    let made = snapshots(&world, 2);
    assert!(made.len() >= 5, "{made:?}");
    let before = (world.node(2).status().height, world.node(2).state().root());
    world.run_until(Duration::from_millis(50), |_| false);
    world.kill(2);
    // Of the blocks below the last snapshot nothing is executed: nobody notices that one is wrong.
    let last = *made.last().unwrap();
    for record in &mut world.places[2].journal {
        if let Ok(Entry::Decided(mut decided)) = Entry::from_bytes(&record.bytes)
            && decided.block.header.height <= last
            && decided.block.header.height.0 + 8 > last.0
        {
            decided.block.body = Bytes::from_static(b"nonsense");
            *record = Entry::Decided(decided).to_record();
        }
    }
    world.start(2);
    assert!(world.node(2).status().height >= before.0);
    world.roll(1);
    world.assert_equal_states();
}

#[test]
fn a_snapshot_that_its_owner_wants_is_its_own_and_nobody_else_s() {
    let mut world = world_with(1_000, 0, 10);
    let before = world.node(0).status();
    assert_eq!(before.snapshot, None);
    world.give(0, Event::SnapshotWanted);
    play(&mut world);
    let made = world.node(0).status().snapshot.unwrap();
    assert!(before.height < made, "{made}");
    assert_eq!((snapshots(&world, 0), snapshots(&world, 1)), (vec![made], vec![]));
    world.run_until(Duration::from_millis(50), |_| false);
    world.kill(0);
    let begins = usize::try_from(world.beginning(0).0).unwrap();
    let label = world.places[0].journal[begins].label;
    assert_eq!(label, Label::Base { height: made, follows: true }, "nothing before it is read");
    world.start(0);
    assert_eq!(world.node(0).status().snapshot, Some(made));
    play(&mut world);
    world.assert_equal_states();
}

#[test]
fn a_snapshot_without_all_its_parts_is_no_beginning() {
    let mut world = old_world(0, 50);
    world.kill(0);
    let part = world.places[0]
        .journal
        .iter()
        .rposition(|record| matches!(Entry::from_bytes(&record.bytes), Ok(Entry::Part { .. })));
    let place = &mut world.places[0];
    place.journal.remove(part.unwrap());
    let setup = Setup {
        genesis: world.genesis.clone(),
        keypair: place.keypair.clone(),
        proof: place.proof,
        seed: [0; 32],
        config: world.config,
        past: Past::Known,
        begins: Position(0),
        keys: Kept::nothing(),
    };
    let refused = Node::new(setup, world.now, place.journal.clone()).unwrap_err();
    assert!(refused.to_string().contains("snapshot"), "{refused}");
}

/// Every vote of one validator, by view and kind.
fn votes(world: &World, index: usize) -> BTreeMap<(View, u8), BTreeSet<Vec<u8>>> {
    let mut votes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for entry in entries(world, index) {
        let Entry::Vote(vote) = entry else { continue };
        let kind = match vote.statement {
            Statement::Notarize { .. } => 0,
            Statement::Nullify { .. } => 1,
            Statement::Finalize { .. } => 2,
        };
        let said = crate::wire::encode(&vote.statement);
        votes.entry((vote.view(), kind)).or_default().insert(said);
    }
    votes
}

#[test]
fn a_validator_that_starts_at_a_base_keeps_what_it_promised_before_it() {
    let mut world = old_world(1, 50);
    for _ in 0..24 {
        let index = (world.node(0).status().height.0 % 4) as usize;
        world.kill(index);
        world.start(index);
        assert!(world.beginning(index) > Position(0), "it starts at a base");
        world.assert_equal_states();
        play(&mut world);
        world.assert_equal_states();
    }
    for index in 0..4 {
        let votes = votes(&world, index);
        assert!(votes.len() > 100);
        assert!(votes.values().all(|said| said.len() == 1), "{index} contradicts itself");
        let accused = |notice: &Notice| matches!(notice, Notice::Evidence { .. });
        assert!(!world.places[index].notices.iter().any(accused));
    }
}

#[test]
fn a_snapshot_that_a_crash_interrupted_is_fetched_again() {
    let mut world = old_world(1, 60);
    world.start(4);
    let goal = world.node(0).status().height;
    let fetches = |world: &World| entries(world, 4).any(|it| matches!(it, Entry::Part { .. }));
    assert!(world.run_until(Duration::from_secs(60), fetches), "{}", world.why(4));
    // All but the end of it was written.
    world.kill(4);
    let part = entries(&world, 4).position(|it| matches!(it, Entry::Part { .. })).unwrap();
    world.places[4].journal.truncate(part + 1);
    world.places[4].durable = part + 1;
    world.start(4);
    let reached = |world: &World| world.node(4).status().height >= goal;
    assert!(world.run_until(Duration::from_secs(60), reached), "{}", world.why(4));
    world.kill(4);
    world.start(4);
    world.assert_equal_states();
}

#[test]
fn who_hears_nothing_more_of_a_state_looks_for_others_who_have_it() {
    let mut world = old_world(1, 60);
    world.start(4);
    let due = |world: &World| world.node(4).snapshots.deadline();
    let minute = Duration::from_secs(60);
    assert!(world.run_until(minute, |world| due(world).is_some()), "{}", world.why(4));
    let asks_again = due(&world);
    // Whoever is asked for a part has until later than those who were asked what there is.
    assert!(world.run_until(minute, |world| due(world) > asks_again), "{}", world.why(4));
    world.queue.clear();
    world.now = due(&world).unwrap();
    world.give(4, Event::Tick);
    assert_eq!(due(&world), Some(world.now + SnapshotConfig::default().patience));
}

#[test]
fn a_base_without_its_snapshot_is_no_beginning() {
    let mut world = old_world(0, 50);
    world.kill(0);
    let base = entries(&world, 0).position(|it| matches!(it, Entry::Base { .. })).unwrap();
    let whole = entries(&world, 0).position(|it| matches!(it, Entry::Snapshot(_))).unwrap();
    let place = &world.places[0];
    let setup = Setup {
        genesis: world.genesis.clone(),
        keypair: place.keypair.clone(),
        proof: place.proof,
        seed: [0; 32],
        config: world.config,
        past: Past::Known,
        begins: Position(base as u64),
        keys: Kept::nothing(),
    };
    let refused = Node::new(setup, world.now, place.journal[base..whole].to_vec()).unwrap_err();
    assert!(refused.to_string().contains("lacks the snapshot"), "{refused}");
}

#[test]
fn the_wire_does_not_change_unnoticed() {
    let block = Hash([0xab; 32]);
    let part = PartId::all(6).nth(5).unwrap();
    let with = |kind: &[u8], rest: &[u8]| [kind, &[0xab; 32], rest].concat();
    let packets = [
        (Packet::AskSnapshot, vec![8]),
        (Packet::AskPart { block, part }, with(&[10], &[6, 5])),
        (Packet::Part { block, answer: Answer::Split(part) }, with(&[11], &[1, 6, 5])),
        (Packet::Part { block, answer: Answer::Gone }, with(&[11], &[2])),
    ];
    for (packet, bytes) in packets {
        assert_eq!(packet.encode(), bytes);
        assert_eq!(Packet::decode(&bytes), Ok(packet));
    }
}
