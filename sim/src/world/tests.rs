//! Checks of what a process may do at all, each in a world in which it is broken.

use bitcraps_protocol::event::{Direction, Endpoint, Label, LinkKind, Notice, Position, Record};

use bytes::Bytes;

use super::*;

/// Four validators that have run for a while, of whom the first is sound.
fn world() -> World {
    let config = Config { byzantine: 1, ..Config::default() };
    let worlds = (1..).map(|seed| World::new(Config { seed, ..config.clone() }, None));
    let mut worlds = worlds.filter(|world| world.is_sound(0));
    let mut world = worlds.next().expect("somebody is sound");
    assert_eq!(world.run_until(Time::from_micros(200_000)), Ok(()));
    world
}

fn caught(world: &mut World) -> Option<(Check, Option<u16>)> {
    world.checks.violation().map(|violation| (violation.check, violation.place))
}

/// Link names that the node has not heard of, and that lead nowhere.
fn unknown_links() -> impl Iterator<Item = Event> {
    (1_000..).map(|generation| Event::LinkUp {
        link: links::link_id(0, generation),
        kind: LinkKind::Stream,
        mtu: 65_535,
        direction: Direction::Inbound,
        endpoint: Endpoint { transport: 9, bytes: Bytes::new() },
    })
}

/// What no node wrote.
fn unreadable() -> Record {
    Record { label: Label::Plain, bytes: Bytes::from_static(b"not a record") }
}

#[test]
fn one_event_leads_to_so_many_actions_and_no_more() {
    let mut world = world();
    let now = world.places[0].clock.local(world.now);
    // A node with as many links as it has room for closes every other one.
    let mut links = unknown_links();
    let mut links_up = |world: &mut World, count: usize| {
        let process = world.places[0].process.as_mut().expect("it runs");
        let events = links.by_ref().take(count);
        events.for_each(|event| process.handle(now, event, &mut world.decisions));
        world.carry_out(0);
        caught(world)
    };
    let most = actions::most(world.network.pairs_of(0).len());
    let room = world.settings.mesh.links;
    assert_eq!(links_up(&mut world, room), None);
    assert_eq!(links_up(&mut world, most), None);
    assert_eq!(links_up(&mut world, most + 1), Some((Check::Bounds, Some(0))));
}

#[test]
fn a_deadline_that_is_over_is_noticed() {
    let mut world = world();
    world.rearm(0);
    assert_eq!(caught(&mut world), None);
    world.places[0].clock.offset_micros += 3_600_000_000;
    world.rearm(0);
    assert_eq!(caught(&mut world), Some((Check::Deadline, Some(0))));
}

#[test]
fn a_journal_that_its_node_does_not_understand_is_noticed() {
    let mut world = world();
    world.stop(0);
    world.start(0);
    assert_eq!(caught(&mut world), None);
    world.stop(0);
    world.places[0].disk = Disk::default();
    world.places[0].disk.append(Position(0), unreadable());
    world.places[0].disk.synced(1);
    world.start(0);
    assert_eq!(caught(&mut world), Some((Check::Recovery, Some(0))));
}

#[test]
fn a_record_that_cannot_be_read_back_is_noticed_when_it_is_written() {
    let mut world = world();
    let hostile = *world.roles.byzantine.first().expect("somebody is hostile");
    for (place, expected) in [(hostile, None), (0, Some((Check::Recovery, Some(0))))] {
        world.places[place].disk = Disk::default();
        world.persist(place, Position(0), unreadable());
        assert_eq!(caught(&mut world), expected);
    }
}

#[test]
fn a_sound_node_that_gives_up_is_noticed() {
    let mut world = world();
    let hostile = *world.roles.byzantine.first().expect("somebody is hostile");
    for (place, expected) in [(hostile, None), (0, Some((Check::Halted, Some(0))))] {
        world.on_notice(place, Notice::Halted { reason: "it knows better".into() });
        assert_eq!(caught(&mut world), expected);
    }
}
