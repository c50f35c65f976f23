//! Votes that gossip has lost.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::steps::{LINK, drain, first_proposal, follower, notarize, ready, receive};
use super::world::{World, key};
use crate::block::View;
use crate::consensus::{Config, Holdings, Input, Message, Output, Vote};
use crate::event::LinkId;
use crate::time::Time;
use crate::wire::{List, decode, encode};

/// What a neighbour holds that has these votes of view 1.
fn holdings(votes: &[Vote]) -> Message {
    let mut node = ready(follower(1));
    votes.iter().for_each(|vote| drop(receive(&mut node, Message::Vote(*vote))));
    node.ask_for_votes();
    let asked = drain(&mut node).into_iter().find_map(|output| match output {
        Output::Send { message: Message::Holdings(held), .. } => Some(held),
        _ => None,
    });
    Message::Holdings(asked.unwrap())
}

#[test]
fn a_neighbour_is_sent_the_votes_it_lacks_and_not_at_every_turn() {
    let hash = first_proposal().block.hash();
    let votes = [0, 1].map(|index| notarize(index, 1, hash));
    let mut node = ready(follower(1));
    votes.iter().for_each(|vote| drop(receive(&mut node, Message::Vote(*vote))));

    let sent = |vote| Output::Send { link: LINK, message: Message::Vote(vote) };
    assert_eq!(receive(&mut node, holdings(&votes[..1])), vec![sent(votes[1])]);
    assert_eq!(receive(&mut node, holdings(&[])), vec![], "not at once again");
    let later = Time::ZERO + Config::default().answer_timeout / 2;
    node.handle(later, Input::Received { link: LINK, message: holdings(&[]) });
    assert_eq!(drain(&mut node), votes.map(sent));
    let later = later + Config::default().answer_timeout;
    node.handle(later, Input::Received { link: LINK, message: holdings(&votes) });
    assert_eq!(drain(&mut node), vec![]);
}

#[test]
fn one_neighbour_after_the_other_hears_which_votes_are_here() {
    let mut node = ready(follower(1));
    node.handle(Time::ZERO, Input::LinkUp { link: LinkId(9), peer: key(0).peer() });
    drain(&mut node);
    let mut told = || {
        node.ask_for_votes();
        drain(&mut node).into_iter().find_map(|output| match output {
            Output::Send { link, message: Message::Holdings(_) } => Some(link),
            _ => None,
        })
    };
    let turns: Vec<_> = (0..4).filter_map(|_| told()).collect();
    assert_eq!(turns, [LINK, LinkId(9), LINK, LinkId(9)]);
}

#[test]
fn whatever_views_and_voters_a_neighbour_names_it_is_sent_what_there_is() {
    let mut node = ready(follower(1));
    let vote = notarize(0, 1, first_proposal().block.hash());
    receive(&mut node, Message::Vote(vote));
    let Message::Holdings(held) = holdings(&[]) else { unreachable!("it is made so") };
    let none = held.iter().next().unwrap().voters.clone();
    let strange =
        [u64::MAX, 0, 1, 2].map(|view| Holdings { view: View(view), voters: none.clone() });
    let message = Message::Holdings(List::new(strange.to_vec()).unwrap());
    let message = decode(&encode(&message), 1 << 16).unwrap();
    let votes = receive(&mut node, message).into_iter().filter(
        |output| matches!(output, Output::Send { message: Message::Vote(it), .. } if *it == vote),
    );
    assert_eq!(votes.count(), 1);
}

#[test]
fn in_a_line_in_which_nobody_passes_votes_on_all_agree_all_the_same() {
    let mut world = World::new(7, &[], 11);
    world.network = Box::new(|from, to, message, _| {
        let near = usize::abs_diff(from, to) <= 1;
        let passes = match message {
            Message::Proposal(_) | Message::Block(_) | Message::Decided(_) => true,
            _ => near,
        };
        passes.then_some(Duration::from_millis(10))
    });
    assert!(world.run_until(Duration::from_secs(240), |world| world.least_height(&[]) >= 5));
    world.assert_agreement(&[]);
    assert!(world.accused.is_empty());
}
