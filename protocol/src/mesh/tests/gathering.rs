//! Membership: how nodes that know hardly anybody come to be linked, and stay so.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::crowd::{Crowd, component, place};
use crate::event::LinkId;
use crate::mesh::membership::{Contact, SAMPLE, Word};
use crate::mesh::packet::Packet;
use crate::mesh::{Config, Input, Lane};
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
                peer: crate::identity::PeerId([round as u8 + 2; 32]),
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
