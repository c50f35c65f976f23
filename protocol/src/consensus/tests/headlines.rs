//! A proposal without its body: the leader's vote in it counts, and the body is asked for.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::steps::*;
use super::world::key;
use crate::block::View;
use crate::consensus::{
    Block, Consensus, Headline, Input, Justification, Message, Output, Proposal, Request, Vote,
};
use crate::event::{Fault, LinkId};
use crate::identity::Signature;
use crate::time::Time;
use crate::wire::Hash;

const OTHER: LinkId = LinkId(8);

fn headline(proposal: &Proposal) -> Headline {
    let Proposal { block: Block { header, justification, .. }, vote } = proposal.clone();
    Headline { header, justification, vote }
}

/// A machine with two neighbours.
fn between_two() -> Consensus {
    let mut node = ready(follower(1));
    node.handle(Time::ZERO, Input::LinkUp { link: OTHER, peer: key(8).peer() });
    drain(&mut node);
    node
}

fn hears(node: &mut Consensus, link: LinkId, headline: Headline) -> Vec<Output> {
    node.handle(Time::ZERO, Input::Proposed { link, headline });
    drain(node)
}

fn from(node: &mut Consensus, link: LinkId, message: Message) -> Vec<Output> {
    node.handle(Time::ZERO, Input::Received { link, message });
    drain(node)
}

#[test]
fn the_body_is_asked_of_who_relays_the_headline_and_passed_to_who_asked_meanwhile() {
    let mut node = between_two();
    let proposal = first_proposal();
    let (block, hash) = (proposal.block.clone(), proposal.block.hash());
    let question = Message::Request(Request::Block { hash });
    let asks = Output::Send { link: OTHER, message: question.clone() };
    assert_eq!(hears(&mut node, OTHER, headline(&proposal)), vec![Output::Relay, asks]);
    assert_eq!(from(&mut node, LINK, question), vec![]);

    let message = Message::Block(block.clone());
    let passes_on = Output::Send { link: LINK, message: message.clone() };
    let judges = Output::Validate(Arc::new(block));
    assert_eq!(from(&mut node, OTHER, message), vec![passes_on, judges]);
    // From then on it is a proposal like any other.
    assert_eq!(hears(&mut node, LINK, headline(&proposal)), vec![Output::Relay]);
    assert_eq!(from(&mut node, LINK, Message::Proposal(proposal)), vec![Output::Relay]);
}

#[test]
fn who_has_asked_and_is_gone_is_not_answered() {
    let mut node = between_two();
    let proposal = first_proposal();
    hears(&mut node, OTHER, headline(&proposal));
    let hash = proposal.block.hash();
    from(&mut node, LINK, Message::Request(Request::Block { hash }));
    node.handle(Time::ZERO, Input::LinkDown { link: LINK });
    let judges = Output::Validate(Arc::new(proposal.block.clone()));
    assert_eq!(from(&mut node, OTHER, Message::Block(proposal.block)), vec![judges]);
}

#[test]
fn a_proposal_that_comes_whole_after_its_headline_answers_the_question() {
    let mut node = between_two();
    let proposal = first_proposal();
    let hash = proposal.block.hash();
    hears(&mut node, OTHER, headline(&proposal));
    from(&mut node, OTHER, Message::Request(Request::Block { hash }));
    let message = Message::Block(proposal.block.clone());
    let passes_on = Output::Send { link: OTHER, message };
    let judges = Output::Validate(Arc::new(proposal.block.clone()));
    let outputs = from(&mut node, LINK, Message::Proposal(proposal));
    assert_eq!(outputs, vec![passes_on, Output::Relay, judges]);
}

#[test]
fn a_headline_that_is_replayed_while_its_body_lacks_is_not_held_against_its_leader() {
    let mut node = between_two();
    let proposal = first_proposal();
    for _ in 0..10 {
        let outputs = hears(&mut node, OTHER, headline(&proposal));
        let suspects = |output: &Output| matches!(output, Output::Suspect { .. });
        assert!(!outputs.iter().any(suspects), "{outputs:?}");
    }
    let outputs = from(&mut node, LINK, Message::Proposal(proposal.clone()));
    assert!(outputs.contains(&Output::Validate(Arc::new(proposal.block))), "{outputs:?}");
}

#[test]
fn a_headline_is_judged_by_everything_that_can_be_seen_without_the_body() {
    let Proposal { block, vote } = first_proposal();
    let good = headline(&first_proposal());
    let invented = notarization(&block, follower(1));
    let invented = Justification { parent: Some(invented), skipped: None };
    let of = |vote| Headline { vote, ..good.clone() };
    let cases = [
        (of(nullify(leader(1), 1, 0)), Fault::Malformed),
        (of(notarize(leader(1), 1, Hash([7; 32]))), Fault::BadBlock),
        (of(notarize(leader(1), 2, block.hash())), Fault::BadBlock),
        (of(notarize(follower(1), 1, block.hash())), Fault::BadBlock),
        (Headline { justification: invented, ..good.clone() }, Fault::BadBlock),
        (of(Vote { signature: Signature([9; 64]), ..vote }), Fault::BadSignature),
    ];
    for (bad, fault) in cases {
        let blame = Output::Blame { link: OTHER, fault };
        assert_eq!(hears(&mut between_two(), OTHER, bad.clone()), vec![blame], "{bad:?}");
    }
}

#[test]
fn a_leader_that_shows_no_bodies_does_not_keep_others_from_being_asked_for() {
    let mut node = between_two();
    let ask =
        |hash| Output::Send { link: LINK, message: Message::Request(Request::Block { hash }) };
    // More than can be wanted at a time, none of which anybody has.
    for number in 0..40 {
        let now = Time::from_micros(number);
        node.handle(now, Input::Tick);
        drain(&mut node);
        let hash = Hash([number as u8; 32]);
        node.want_from(hash, LINK);
        node.handle(now, Input::Tick);
        assert!(drain(&mut node).contains(&ask(hash)), "{number}");
    }
    assert_eq!(node.view(), View(1));
}
