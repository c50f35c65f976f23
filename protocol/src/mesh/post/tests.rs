use alloc::vec;

use super::letter::HopsLeft;
use super::world::{World, author, peer, post, text};
use super::*;
use crate::identity::ProofOfWork;

/// What the identities of the world cost.
const BITS: u8 = world::BITS;
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_message_goes_along_a_line_and_comes_once_and_nobody_between_can_read_it() {
    let mut world = World::line(5);
    let ids = ["first words", "second words"].map(|words| world.say(0, 4, words));
    world.run(Duration::from_millis(200));
    assert_eq!(world.heard(4), ["first words", "second words"]);
    assert_eq!(world.delivered[0].1, peer(0));
    assert_eq!(world.ends, ids.map(|id| (0, id, true)));
    let seen = world.carried.iter().map(|(_, _, parcel)| encode(parcel));
    assert!(seen.flatten().collect::<Vec<u8>>().windows(5).all(|bytes| bytes != b"words"));
    // A call and its answer; then each message and its receipt.
    assert_eq!(world.carried.len(), 6 * 4);
    assert!(world.faults.is_empty() && (1..4).all(|index| world.heard(index).is_empty()));
}

#[test]
fn whoever_was_heard_otherwise_is_written_to_without_a_flood() {
    let mut world = World::ring(8);
    for at in 0..4 {
        let (link, author) = (LinkId(2 * at as u64), peer(4));
        world.give(at, Input::Heard { link, author });
    }
    world.say(0, 4, "hello");
    world.run(Duration::from_millis(200));
    assert_eq!(world.heard(4), ["hello"]);
    // A call, its answer, the message and its receipt, four links each.
    assert_eq!(world.carried.len(), 4 * 4);
}

#[test]
fn a_relay_that_loses_everything_is_got_around() {
    let mut world = World::ring(6);
    world.say(0, 3, "before");
    world.run(Duration::from_secs(1));
    assert_eq!(world.heard(3), ["before"]);
    let next = |it: &&(usize, usize, Parcel)| {
        it.0 == 0 && matches!(it.2.letter.content, Content::Sealed { .. })
    };
    let relay = world.carried.iter().find(next).unwrap().1;
    world.black_holes.insert(relay);
    let id = world.say(0, 3, "after");
    world.run(MINUTE);
    assert_eq!(world.heard(3), ["before", "after"]);
    assert_eq!(world.ends.last(), Some(&(0, id, true)));
}

#[test]
fn a_message_for_which_there_is_no_way_is_given_up_and_the_next_one_tried() {
    let mut world = World::line(3);
    let (lost, next) = (world.say(0, 7, "to nobody"), world.say(0, 7, "nor this"));
    let other = world.say(0, 2, "to somebody");
    world.run(2 * MINUTE);
    assert_eq!(world.ends, [(0, other, true), (0, lost, false), (0, next, false)]);
    assert_eq!(world.posts[0].deadline(), None);
}

#[test]
fn whoever_comes_back_is_written_to_again_and_what_was_said_before_is_not_repeated() {
    let mut world = World::line(3);
    world.say(0, 2, "before");
    world.run(Duration::from_secs(1));
    let old = world.carried.clone();
    world.replace(2, post(2, 1, 1_050_000));
    world.link(1, 2);
    let back = world.links[&(2, 1)].0;
    for (_, _, parcel) in old.iter().filter(|(_, to, _)| *to == 2) {
        world.give(2, Input::Received { link: back, parcel: parcel.clone() });
    }
    assert_eq!(world.heard(2), ["before"], "nobody repeats it");
    world.say(0, 2, "after");
    world.say(2, 0, "and back");
    world.run(MINUTE);
    assert_eq!(world.heard(2), ["before", "after"]);
    assert_eq!(world.heard(0), ["and back"]);
}

#[test]
fn what_is_repeated_goes_nowhere_and_what_is_changed_is_the_neighbours_fault() {
    let mut world = World::line(4);
    world.say(0, 3, "once");
    world.run(Duration::from_secs(1));
    let (old, before) = (world.carried.clone(), world.carried.len());
    for (_, to, parcel) in old.clone() {
        let links: Vec<_> = world.links.iter().filter(|((one, _), _)| *one == to).collect();
        let links: Vec<_> = links.into_iter().map(|(_, names)| names.0).collect();
        for link in links {
            let hops = HopsLeft::MOST;
            let parcel = Parcel { hops, ..parcel.clone() };
            world.give(to, Input::Received { link, parcel });
        }
    }
    world.run(MINUTE);
    assert_eq!((world.heard(3), world.carried.len()), (vec!["once"], before));
    assert!(world.faults.is_empty(), "whoever repeats may have meant well");

    let (_, _, genuine) = old.last().unwrap();
    let link = world.links[&(1, 2)].0;
    let mut forged = genuine.clone();
    forged.letter.number += 1000;
    world.give(1, Input::Received { link, parcel: forged.clone() });
    assert_eq!(world.faults, [(1, Fault::BadSignature)]);
    forged.letter.from.proof = ProofOfWork(u64::MAX - 3);
    if !forged.letter.from.is_worth(BITS) {
        world.give(1, Input::Received { link, parcel: forged });
        assert_eq!(world.faults.last(), Some(&(1, Fault::TooLittleWork)));
    }
}

#[test]
fn a_relay_that_lowers_hops_ends_nobody_elses_way() {
    // 0 – 1 – 3 – 4, where 2 brings the letter first, with no hops left.
    let mut world = World::new(5, &[(0, 1), (1, 3), (2, 3), (3, 4)]);
    world.say(0, 4, "hello");
    let call = world.carried.last().unwrap().2.clone();
    let link = world.links[&(3, 2)].0;
    world.give(3, Input::Received { link, parcel: Parcel { hops: HopsLeft(0), ..call } });
    world.run(Duration::from_secs(1));
    assert_eq!(world.heard(4), ["hello"]);
}

#[test]
fn a_flood_of_letters_is_stopped_by_the_first_and_costs_honest_authors_nothing() {
    let mut world = World::line(4);
    let hostile = author(9);
    let context = Context { network: hostile.network, epoch: Epoch(0) };
    let link = world.links[&(1, 0)].0;
    for number in 0..500 {
        let key = Secret::new(&mut Rng::new([number as u8; 32])).public;
        let letter = Letter {
            from: hostile.address,
            to: PeerId([number as u8; 32]),
            number,
            spread: Spread::Flood,
            content: Content::Call { key },
        };
        let parcel = Parcel::new(letter, &hostile.keypair, &context);
        world.give(1, Input::Received { link, parcel });
    }
    assert_eq!(world.carried.len() as u64, PER_AUTHOR.burst / FLOOD_COSTS);
    world.run(Duration::from_secs(1));
    world.say(0, 3, "hello");
    world.run(Duration::from_secs(1));
    assert_eq!(world.heard(3), ["hello"]);
}

#[test]
fn calls_of_a_crowd_are_bounded_and_do_not_displace_whom_this_node_writes_to() {
    let mut world = World::line(2);
    world.posts[0].submit(world.now, peer(200), text("waits")).unwrap();
    for index in 2..2 + 2 * CORRESPONDENTS {
        let caller = author(index);
        let context = Context { network: caller.network, epoch: Epoch(0) };
        let key = Secret::new(&mut Rng::new([index as u8; 32])).public;
        let (from, to) = (caller.address, peer(0));
        let content = Content::Call { key };
        let letter = Letter { from, to, number: 1, spread: Spread::Flood, content };
        let parcel = Parcel::new(letter, &caller.keypair, &context);
        world.give(0, Input::Received { link: LinkId(0), parcel });
    }
    assert_eq!(world.posts[0].correspondents.len(), CORRESPONDENTS);
    assert!(world.posts[0].correspondents[&peer(200)].is_busy());
    for _ in 0..15 {
        world.posts[0].submit(world.now, peer(200), text("waits")).unwrap();
    }
    assert_eq!(world.posts[0].submit(world.now, peer(200), text("too many")), Err(Full));
}
