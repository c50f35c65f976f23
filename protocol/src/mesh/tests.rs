mod crowd;
mod floods;
mod gathering;
mod keeping_out;
mod spreading;

use alloc::vec;
use core::time::Duration;

use proptest::prelude::*;

use super::world::{End, MTU, NETWORK, World, address, endpoint, mesh_on, peer, words};
use super::*;
use crate::event::{Direction, LinkKind, Response};
use crate::rng::Rng;
use crate::wire::Hash;

fn closed_for(link: LinkId, peer: Option<PeerId>, fault: Fault) -> Vec<Output> {
    let mut outputs =
        vec![Output::Misbehaved { link, peer, fault, response: Response::Disconnected }];
    outputs.extend(peer.map(|peer| Output::PeerDown { link, peer }));
    outputs.push(Output::Close { link, reason: CloseReason::Fault(fault) });
    outputs
}

#[test]
fn a_handshake_brings_both_peers_up() {
    let mut world = World::new(2);
    let ((_, near), (_, far)) = world.join(0, 1);
    assert_eq!(world.outputs[0], [Output::PeerUp { link: near, peer: address(1) }]);
    assert_eq!(world.outputs[1], [Output::PeerUp { link: far, peer: address(0) }]);
    let seen: Vec<PeerLink<'_>> = world.meshes[1].peers().collect();
    let expected = PeerLink {
        link: far,
        address: address(0),
        endpoint: &endpoint(far),
        direction: Direction::Inbound,
        round_trip: Some(Duration::ZERO),
        points: 0,
    };
    assert_eq!(seen, [expected]);
    assert!(world.meshes[0].is_linked(peer(1)) && !world.meshes[0].is_linked(peer(0)));
}

#[test]
fn the_longest_message_passes_both_ways() {
    let mut world = World::new(2);
    let (near, far) = world.join(0, 1);
    let message = Bytes::from(vec![3; PAYLOAD_BYTES]);
    world.tell(near, Lane::Sync, message.clone());
    world.tell(far, Lane::Sync, message.clone());
    world.settle();
    let message = [message];
    assert_eq!(world.read(0), message);
    assert_eq!(world.read(1), message);
}

#[test]
fn gossip_travels_a_line_and_a_new_attempt_travels_it_again() {
    let mut world = World::new(4);
    (0..3).for_each(|node| world.join_all(node, [node + 1]));
    world.pass(Duration::from_secs(1));
    world.forget();
    world.say(0, 0, "hello");
    world.say(0, 0, "hello");
    for node in 1..4 {
        assert_eq!(world.read(node), [words(0, "hello")]);
    }
    world.say(0, 1, "hello");
    assert_eq!(world.read(3), Vec::<Bytes>::new(), "too soon after the first");
    world.pass(Duration::from_millis(100));
    world.say(0, 2, "hello");
    assert_eq!(world.read(3), [words(0, "hello")]);
    assert_eq!(world.read(0), Vec::<Bytes>::new(), "nobody hears an echo");
}

#[test]
fn in_a_full_mesh_nothing_is_relayed() {
    let mut world = World::full(5);
    world.say(2, 0, "vote");
    assert_eq!(world.frames.len(), 4);
    for node in [0, 1, 3, 4] {
        assert_eq!(world.read(node), [words(2, "vote")]);
    }
}

#[test]
fn everybody_on_a_ring_hears_everybody_once() {
    let mut world = World::new(6);
    (0..6).for_each(|node| world.join_all(node, [(node + 1) % 6]));
    world.pass(Duration::from_secs(1));
    world.forget();
    for node in 0..6 {
        world.say(node, 0, "here");
        for other in (0..6).filter(|other| *other != node) {
            assert_eq!(world.read(other), [words(node, "here")]);
        }
    }
}

#[test]
fn when_a_link_goes_its_ends_need_relays_again() {
    let mut world = World::full(3);
    let link = world.meshes[0].peers().find(|known| known.address.peer == peer(1)).unwrap().link;
    let far = world.opposite[&(0, link)];
    world.input(0, Input::LinkDown { link });
    world.input(far.0, Input::LinkDown { link: far.1 });
    world.pass(Duration::from_millis(200));
    world.forget();
    world.say(0, 0, "round the corner");
    assert_eq!(world.read(1), [words(0, "round the corner")]);
}

#[test]
fn announcements_are_coalesced() {
    let config = Config { exchanges_contacts: false, ..Config::default() };
    let mut world =
        World::of((0..9).map(|node| mesh_on(NETWORK, node, 0, config.clone())).collect());
    world.join_all(0, 1..9);
    world.settle();
    let before = world.frames.len();
    assert_eq!(before, 8 * 3, "handshakes only: the first peer is no news to itself");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.frames.len(), before + 8);
}

#[test]
fn a_repeated_record_closes_the_link() {
    let mut world = World::new(2);
    let (near, (_, link)) = world.join(0, 1);
    world.tell(near, Lane::Votes, Bytes::from("once"));
    world.settle();
    world.forget_of(1);
    let (_, frame) = world.frames.last().unwrap().clone();
    world.input(1, Input::Received { link, frame });
    assert_eq!(world.forget_of(1), closed_for(link, Some(peer(0)), Fault::Replay));
    assert!(!world.meshes[1].is_linked(peer(0)));
}

#[test]
fn a_message_that_is_no_packet_closes_the_link() {
    let mut world = World::new(2);
    let (_, (_, link)) = world.join(0, 1);
    world.forget();
    let long = Bytes::from([&[2, 1, 0][..], &[0; 9]].concat());
    world.meshes[1].packet(Time::ZERO, link, &long);
    world.input(1, Input::Tick);
    assert_eq!(world.forget_of(1), closed_for(link, Some(peer(0)), Fault::Malformed));
}

#[test]
fn a_peer_of_another_network_is_told_apart_by_the_side_that_sees_it_first() {
    let config = Config::default();
    let elsewhere = mesh_on(Hash([8; 32]), 1, 0, config.clone());
    let mut world = World::of(vec![mesh_on(NETWORK, 0, 0, config), elsewhere]);
    let ((_, link), _) = world.join(0, 1);
    assert_eq!(world.outputs[0], closed_for(link, None, Fault::WrongNetwork));
    assert_eq!(world.outputs[1], []);
    assert_eq!(world.meshes[1].deadline(), None);
}

#[test]
fn a_link_to_oneself_is_closed_at_both_ends() {
    let mut world = World::new(1);
    let ((_, near), (_, far)) = world.join(0, 0);
    let reason = CloseReason::Oneself;
    assert_eq!(world.outputs[0][0], Output::Close { link: near, reason });
    assert_eq!(world.links(0), []);
    assert!(!world.meshes[0].links.contains_key(&far));
    assert!(!world.outputs[0].iter().any(|output| matches!(output, Output::PeerUp { .. })));
}

#[test]
fn a_link_too_narrow_for_a_handshake_and_a_link_too_many_are_closed() {
    let config = Config { links: 1, extra_links: 0, ..Config::default() };
    let mut mesh = mesh_on(NETWORK, 0, 0, config);
    let mut up = |link, mtu| {
        let (kind, direction) = (LinkKind::Stream, Direction::Inbound);
        let endpoint = endpoint(link);
        mesh.handle(Time::ZERO, Input::LinkUp { link, kind, mtu, direction, endpoint });
        mesh.poll()
    };
    let reason = CloseReason::Fault(Fault::TooLarge);
    assert_eq!(up(LinkId(0), 100), Some(Output::Close { link: LinkId(0), reason }));
    assert_eq!(up(LinkId(1), MTU), None);
    let reason = CloseReason::Full;
    assert_eq!(up(LinkId(2), MTU), Some(Output::Close { link: LinkId(2), reason }));
}

#[test]
fn a_penalised_link_is_closed() {
    let mut world = World::new(2);
    let ((_, link), far) = world.join(0, 1);
    world.forget();
    world.input(0, Input::Penalise { link, fault: Fault::BadSignature });
    world.settle();
    assert_eq!(world.outputs[0], closed_for(link, Some(peer(1)), Fault::BadSignature));
    assert_eq!(world.outputs[1], [Output::PeerDown { link: far.1, peer: peer(0) }]);
}

#[test]
fn an_unfinished_handshake_times_out() {
    let mut world = World::new(2);
    let (near, far) = world.connect(0, 1, LinkKind::Stream, MTU);
    world.transit.clear();
    world.pass(Duration::from_secs(9));
    assert_eq!(world.outputs, [[], []]);
    world.pass(Duration::from_secs(2));
    let closed = |(_, link)| Output::Close { link, reason: CloseReason::TimedOut };
    assert_eq!(world.outputs, [[closed(near)], [closed(far)]]);
}

#[test]
fn idle_links_live_by_pings_and_dead_ones_time_out() {
    let mut world = World::new(2);
    let (near, far) = world.join(0, 1);
    world.forget();
    world.pass(Duration::from_secs(600));
    assert_eq!(world.outputs, [[], []]);
    assert_eq!(world.frames.len(), 2 * 600 / 15);
    // From now on nothing arrives at either end, though everything leaves.
    world.opposite.extend([(near, near), (far, far)]);
    let unplugged = |world: &mut World| {
        world.transit.clear();
        let due = world.meshes.iter().filter_map(Mesh::deadline).min();
        due.inspect(|due| world.now = *due)
    };
    while unplugged(&mut world).is_some() {
        (0..2).for_each(|node| world.input(node, Input::Tick));
    }
    let lost = |(_, link): End, peer| {
        let reason = CloseReason::TimedOut;
        vec![Output::PeerDown { link, peer }, Output::Close { link, reason }]
    };
    assert_eq!(world.outputs, [lost(near, peer(1)), lost(far, peer(0))]);
}

#[test]
fn a_driver_that_never_sends_loses_the_link() {
    let mut world = World::new(2);
    let (near, far) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    world.tell(near, Lane::Votes, Bytes::from("vote"));
    // The other side goes on being heard, so it is not silence that ends the link.
    for _ in 0..6 {
        world.pass(Duration::from_secs(9));
        world.tell(far, Lane::Votes, Bytes::from("still here"));
    }
    let last = world.outputs[0].last();
    let reason = CloseReason::TimedOut;
    assert_eq!(last, Some(&Output::Close { link: near.1, reason }));
}

#[test]
fn a_flooding_link_is_closed() {
    let rate = Rate { burst: 20, per_second: 1 };
    let mut config = Config::default();
    config.allowance.frames = rate;
    config.exchanges_contacts = false;
    let meshes = vec![mesh_on(NETWORK, 0, 0, config.clone()), mesh_on(NETWORK, 1, 0, config)];
    let mut world = World::of(meshes);
    let (near, (_, link)) = world.join(0, 1);
    world.forget();
    for number in 0..20u8 {
        world.tell(near, Lane::Votes, Bytes::from(vec![number]));
        world.settle();
    }
    let outputs = world.forget_of(1);
    // The responder has spent two frames on the handshake.
    assert_eq!(outputs.len(), 18 + 3);
    assert_eq!(outputs[18..], closed_for(link, Some(peer(0)), Fault::Flooding));
}

#[test]
fn no_more_leaves_than_the_window_admits_and_urgent_messages_go_first() {
    let mut world = World::new(2);
    let (near, _) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    let send = |world: &mut World, lane, number: u8, bytes: usize| {
        world.tell(near, lane, Bytes::from(vec![number; bytes]));
    };
    for number in 0..30 {
        send(&mut world, Lane::Sync, number, 8);
    }
    assert_eq!(world.frames.len(), 16);
    send(&mut world, Lane::Control, 100, 8);
    send(&mut world, Lane::Votes, 101, 8);
    for _ in 0..2 {
        world.input(0, Input::Sent { link: near.1 });
    }
    assert_eq!(world.frames.len(), 18);
    world.settle();
    let numbers: Vec<u8> = world.read(1).iter().map(|message| message[0]).collect();
    assert_eq!(numbers, (0..16).chain([100, 101]).collect::<Vec<u8>>());

    let mut world = World::new(2);
    let (near, _) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    (0..5).for_each(|number| send(&mut world, Lane::Sync, number, 20_000));
    assert_eq!(world.frames.len(), 3, "64 KiB, not 16 frames");
}

#[test]
fn a_message_larger_than_the_window_leaves_alone() {
    let mut world = World::new(2);
    let (near, _) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    world.tell(near, Lane::Sync, Bytes::from(vec![0; PAYLOAD_BYTES]));
    world.tell(near, Lane::Votes, Bytes::from("vote"));
    let frames = world.frames.len();
    assert_eq!(frames, PAYLOAD_BYTES.div_ceil(65_000));
    for _ in 0..frames - 1 {
        world.input(0, Input::Sent { link: near.1 });
    }
    assert_eq!(world.frames.len(), frames + 1);
}

#[test]
fn a_slow_link_carries_the_newest_votes_and_holds_no_more_than_its_lane() {
    let mut world = World::new(2);
    let (near, _) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    let vote = |number: u32| {
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.resize(10_000, 0);
        Bytes::from(bytes)
    };
    (0..1000).for_each(|number| world.tell(near, Lane::Votes, vote(number)));
    let sent = world.frames.len();
    assert_eq!(sent, 6);
    let kept = Config::default().lane_bytes / (10_000 + 4 + 64);
    for _ in 0..sent + kept {
        world.input(0, Input::Sent { link: near.1 });
    }
    world.settle();
    let newest = (0..6).chain(1000 - kept as u32..1000).map(vote).collect::<Vec<_>>();
    assert_eq!(world.read(1), newest);
}

#[test]
fn a_full_control_lane_closes_the_link() {
    let mut world = World::new(2);
    let (near, _) = world.join(0, 1);
    world.forget();
    world.stuck.insert(near, 0);
    (0..200).for_each(|_| world.tell(near, Lane::Control, Bytes::from(vec![0; 10_000])));
    let (link, reason) = (near.1, CloseReason::TimedOut);
    let expected = [Output::PeerDown { link, peer: peer(1) }, Output::Close { link, reason }];
    assert_eq!(world.outputs[0], expected);
}

#[test]
fn a_datagram_link_carries_everything_in_small_pieces() {
    let mut world = World::new(20);
    world.join_all(0, 1..19);
    let (near, _) = world.connect(0, 19, LinkKind::Datagram, 300);
    world.pass(Duration::from_secs(1));
    world.forget();
    let long = Bytes::from(vec![5; PAYLOAD_BYTES]);
    world.tell(near, Lane::Sync, long.clone());
    world.say(1, 0, "relayed");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.read(19), [long, words(1, "relayed")]);
    assert!(world.frames.iter().filter(|(end, _)| *end == near).all(|it| it.1.len() <= 300));
}

#[test]
fn a_restarted_peer_is_not_locked_out_by_its_own_dead_links() {
    for (old, new) in [((0, 1), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((1, 0), (1, 0))] {
        for restarts in [0, 1] {
            let mut world = World::new(2);
            let (near, far) = world.join(old.0, old.1);
            // The other side never hears of the end of the first life.
            world.opposite.extend([(near, near), (far, far)]);
            world.meshes[restarts] = mesh_on(NETWORK, restarts, 1, Config::default());
            world.forget();
            world.join(new.0, new.1);
            world.forget();
            world.say(0, 0, "back again");
            world.say(1, 0, "welcome back");
            assert_eq!(world.read(1), [words(0, "back again")], "{old:?} {new:?} {restarts}");
            assert_eq!(world.read(0), [words(1, "welcome back")], "{old:?} {new:?} {restarts}");
            world.pass(Duration::from_secs(60));
            assert_eq!(world.links(0).len(), 1);
            assert_eq!(world.links(1).len(), 1);
        }
    }
}

#[test]
fn a_peer_cannot_fill_the_table_with_links_of_its_own() {
    let mut world = World::new(2);
    let (lower, higher) = if peer(0) < peer(1) { (0, 1) } else { (1, 0) };
    let (near, far) = world.join(lower, higher);
    // The higher key, which would have to close its own links, acts as if it never heard.
    world.opposite.insert(near, near);
    let ends: Vec<(End, End)> = (0..10).map(|_| world.join(higher, lower)).collect();
    let (_, (_, newest)) = ends[9];
    assert_eq!(world.links(lower), [near.1, newest]);
    assert_eq!(world.links(higher), [far.1, ends[9].0.1]);
}

#[test]
fn the_same_seed_and_events_make_the_same_frames() {
    let frames = || {
        let mut world = World::new(4);
        for dialler in 0..4 {
            world.join_all(dialler, 0..dialler);
        }
        world.say(0, 0, "same");
        world.pass(Duration::from_secs(60));
        (world.frames, world.outputs)
    };
    assert_eq!(frames(), frames());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_sides_keep_the_same_one_of_several_links(
        seed in any::<[u8; 32]>(),
        diallers in proptest::collection::vec((0usize..2, 0usize..4), 1..5),
    ) {
        let mut world = World::new(2);
        world.rng = Rng::new(seed);
        let mut both = [false; 2];
        for &(dialler, steps) in &diallers {
            world.connect(dialler, 1 - dialler, LinkKind::Stream, MTU);
            both[dialler] = true;
            for _ in 0..steps {
                world.step();
            }
        }
        // One ping later at the latest.
        world.pass(Duration::from_secs(20));
        let [near] = world.links(0)[..] else { panic!("{:?}", world.links(0)) };
        let [far] = world.links(1)[..] else { panic!("{:?}", world.links(1)) };
        prop_assert_eq!(world.opposite[&(0, near)], (1, far));
        let lower = usize::from(peer(1) < peer(0));
        if both[lower] {
            let direction = world.meshes[lower].peers().next().unwrap().direction;
            prop_assert_eq!(direction, Direction::Outbound);
        }
        // Once up, neither side was ever without the other.
        for outputs in &world.outputs {
            let mut up = 0;
            let mut was_up = false;
            for output in outputs {
                match output {
                    Output::PeerUp { .. } => up += 1,
                    Output::PeerDown { .. } => up -= 1,
                    _ => {}
                }
                prop_assert!(up > 0 || !was_up);
                was_up |= up > 0;
            }
        }
    }

    #[test]
    fn whatever_arrives_a_mesh_stands_and_its_other_links_too(
        progress in 0usize..8,
        kind in prop_oneof![Just(LinkKind::Stream), Just(LinkKind::Datagram)],
        tag in 0u8..6,
        body in proptest::collection::vec(any::<u8>(), 0..2000),
        genuine in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
    ) {
        let mut world = World::new(3);
        world.join(2, 1);
        let (near, (_, link)) = world.connect(0, 1, kind, 1000);
        for _ in 0..progress {
            world.step();
        }
        let mut frame = [&[tag][..], &body].concat();
        if let Some((which, at)) = genuine {
            let sent: Vec<&Bytes> =
                world.frames.iter().filter(|(end, _)| *end == near).map(|(_, f)| f).collect();
            frame = sent[which.index(sent.len())].to_vec();
            let at = at.index(frame.len());
            frame[at] ^= 1;
        }
        world.input(1, Input::Received { link, frame: Bytes::from(frame) });
        world.settle();
        world.pass(Duration::from_secs(20));
        prop_assert!(world.meshes[1].is_linked(peer(2)));
        world.forget();
        world.say(2, 0, "still here");
        prop_assert!(world.read(1) == [words(2, "still here")]);
    }
}
