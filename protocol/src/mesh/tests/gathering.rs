//! Membership: how nodes that know hardly anybody come to be linked, and stay so.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::crowd::{Crowd, component, place};
use crate::event::{Direction, Endpoint, LinkId, LinkKind};
use crate::identity::PeerId;
use crate::mesh::membership::{self, Contact, Membership, SAMPLE, Word};
use crate::mesh::packet::Packet;
use crate::mesh::{Config, Input, Lane};
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::List;

/// So many nodes, of which all know the first, come one after the other.
fn gather(nodes: usize, validators: usize, config: Config) -> Crowd {
    let mut crowd = Crowd::new(nodes, 9, config);
    let peers: BTreeSet<_> = (0..validators).map(|node| crowd.peer(node)).collect();
    for node in 0..nodes {
        crowd.input(node, Input::Validators { peers: peers.clone() });
        crowd.introduce(node, 0);
        crowd.pass(Duration::from_millis(200));
    }
    crowd.pass(Duration::from_secs(60));
    crowd
}

fn assert_hears_everything(crowd: &mut Crowd, speakers: &[usize]) {
    let mut said = Vec::new();
    for node in speakers {
        said.push(crowd.say(*node));
        crowd.pass(Duration::from_millis(100));
    }
    crowd.pass(Duration::from_secs(10));
    let present: Vec<usize> =
        (0..crowd.meshes.len()).filter(|node| crowd.meshes[*node].is_some()).collect();
    for message in said {
        let reached = &crowd.fates[message].reached;
        let missed: Vec<_> = present.iter().filter(|node| !reached.contains_key(node)).collect();
        assert_eq!(missed, Vec::<&usize>::new(), "message {message}");
    }
}

#[test]
fn players_who_know_one_node_make_a_small_world_and_its_bounds_hold() {
    let config = Config { links: 9, ..Config::default() };
    let mut crowd = gather(60, 0, config.clone());
    let neighbours = crowd.neighbours();
    for (node, near) in neighbours.iter().enumerate() {
        let count = near.len();
        assert!((config.wanted_links / 2..=config.links).contains(&count), "{node}: {count}");
    }
    assert_eq!(component(&neighbours, 0, |_| true).len(), 60);
    assert_hears_everything(&mut crowd, &[0, 17, 42, 59]);
    // Half a minute later nothing has changed: nobody is looking for anything.
    let dials = crowd.dials;
    crowd.pass(Duration::from_secs(30));
    assert!(crowd.dials - dials < 60, "{} dials", crowd.dials - dials);
}

#[test]
fn validators_are_all_linked_with_one_another() {
    let mut crowd = gather(40, 20, Config { links: 24, ..Config::default() });
    let neighbours = crowd.neighbours();
    for (node, near) in neighbours.iter().enumerate().take(20) {
        let missing: Vec<usize> = (0..20).filter(|it| *it != node && !near.contains(it)).collect();
        assert_eq!(missing, Vec::<usize>::new(), "of validator {node}");
    }
    assert_hears_everything(&mut crowd, &[0, 5, 30]);
}

#[test]
fn links_to_nodes_that_vanish_are_replaced() {
    let mut crowd = gather(40, 0, Config { links: 9, ..Config::default() });
    for node in (0..40).step_by(3) {
        crowd.stop(node);
    }
    crowd.pass(Duration::from_secs(30));
    let present = |node: usize| !node.is_multiple_of(3);
    let neighbours = crowd.neighbours();
    assert_eq!(component(&neighbours, 1, present).len(), 26);
    assert_hears_everything(&mut crowd, &[1, 20, 38]);
}

#[test]
fn validators_that_are_parted_again_and_again_are_linked_again_within_seconds() {
    let mut crowd = gather(4, 4, Config::default());
    let others = |node: usize| (0..4).filter(|it| *it != node).collect::<BTreeSet<usize>>();
    let cuts: [fn(usize, usize) -> bool; 4] = [
        |one, other| (one == 0) != (other == 0),
        |one, other| (one == 1) != (other == 1),
        |one, other| (one == 2) != (other == 2),
        |one, other| (one == 3) != (other == 3),
    ];
    let mut waited = Vec::new();
    for (round, is_cut) in (0..24).zip(cuts.into_iter().cycle()) {
        crowd.is_cut = is_cut;
        crowd.cut(is_cut);
        crowd.pass(Duration::from_secs(2 + round % 5));
        crowd.is_cut = |_, _| false;
        let healed = crowd.now;
        while (0..4).any(|node| crowd.neighbours()[node] != others(node)) {
            crowd.pass(Duration::from_millis(100));
            assert!(crowd.now.since(healed) < Duration::from_secs(60), "never again");
        }
        waited.push(crowd.now.since(healed));
        // Before the links have lived as long as a success does.
        crowd.pass(Duration::from_secs(round % 4));
    }
    let longest = waited.iter().max();
    assert!(longest < Some(&Duration::from_millis(2_500)), "{waited:?}");
}

#[test]
fn two_crowds_of_validators_with_full_views_find_one_another_again() {
    let mut crowd = gather(24, 24, Config { links: 5, ..Config::default() });
    let is_cut = |one: usize, other: usize| one % 2 != other % 2;
    crowd.is_cut = is_cut;
    crowd.cut(is_cut);
    let everybody: Vec<usize> = (0..24).collect();
    for _ in 0..30 {
        everybody.iter().for_each(|node| {
            crowd.say(*node);
        });
        crowd.pass(Duration::from_secs(2));
    }
    assert_eq!(component(&crowd.neighbours(), 0, |_| true).len(), 12);
    crowd.is_cut = |_, _| false;
    for _ in 0..30 {
        everybody.iter().for_each(|node| {
            crowd.say(*node);
        });
        crowd.pass(Duration::from_secs(2));
    }
    assert_eq!(component(&crowd.neighbours(), 0, |_| true).len(), 24);
    assert_hears_everything(&mut crowd, &[0, 1, 12, 23]);
}

#[test]
fn invented_addresses_cost_a_few_dials_and_nothing_else() {
    let mut crowd = Crowd::new(2, 1, Config::default());
    crowd.connect(0, 1);
    crowd.pass(Duration::from_secs(1));
    for round in 0..100 {
        let contact = |number| Contact { peer: crowd.peer(1), endpoint: place(number) };
        let invented: Vec<Contact> = (0..SAMPLE)
            .map(|it| Contact {
                peer: PeerId([round as u8 + 2; 32]),
                ..contact(1000 + round * SAMPLE + it)
            })
            .collect();
        let word = Word::Exchanged(List::new(invented).unwrap());
        if let Some(mesh) = &mut crowd.meshes[1] {
            let packet = Packet::Membership(word).encode();
            mesh.push(crowd.now, LinkId(1), Lane::Control, packet.into());
        }
        crowd.input(1, Input::Tick);
        crowd.pass(Duration::from_millis(100));
    }
    crowd.pass(Duration::from_secs(10));
    // Ten seconds of being told; as many places as the link's allowance, each failing ever more
    // slowly.
    assert!(crowd.dials < 1500, "{} dials", crowd.dials);
    assert_hears_everything(&mut crowd, &[0, 1]);
}

#[test]
fn places_on_a_radio_are_told_to_nobody_and_taken_from_nobody() {
    let peer = |number| PeerId([number; 32]);
    let on_radio = |number| Endpoint { transport: 1, ..place(number) };
    let mut membership = Membership::new(peer(0), &Config::default(), Rng::new([1; 32]));
    let mut input = |input| {
        membership.handle(Time::ZERO, input);
        core::iter::from_fn(|| membership.poll()).collect::<Vec<_>>()
    };
    let (radio, stream) = (LinkId(1), LinkId(2));
    for (link, kind, endpoint, number) in
        [(radio, LinkKind::Datagram, on_radio(1), 1), (stream, LinkKind::Stream, place(2), 2)]
    {
        input(membership::Input::Discovered { endpoint: endpoint.clone() });
        let direction = Direction::Outbound;
        input(membership::Input::LinkUp { link, kind, direction, endpoint });
        input(membership::Input::Met { link, peer: peer(number) });
    }
    let contact = |number, endpoint| Contact { peer: peer(number), endpoint };
    let told = [contact(3, on_radio(3)), contact(4, place(4))].to_vec();
    let word = Word::Exchange(List::new(told).unwrap());
    assert_eq!(
        input(membership::Input::Told { link: stream, word }),
        [
            membership::Output::Tell {
                link: stream,
                word: Word::Exchanged(List::new(Vec::new()).unwrap()),
            },
            membership::Output::Dial { endpoint: place(4) },
        ]
    );
    let word = Word::Newcomer { contact: contact(5, on_radio(5)), steps: 3 };
    assert_eq!(input(membership::Input::Told { link: stream, word }), []);
    let word = Word::Exchange(List::new(Vec::new()).unwrap());
    let [membership::Output::Tell { word: Word::Exchanged(sample), .. }] =
        &input(membership::Input::Told { link: radio, word })[..]
    else {
        panic!("an exchange is answered");
    };
    let mut sample = sample.clone().into_vec();
    sample.sort_by_key(|it| it.peer);
    assert_eq!(sample, [contact(2, place(2)), contact(4, place(4))]);
}
