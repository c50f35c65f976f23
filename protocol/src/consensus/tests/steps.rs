//! One machine, driven step by step: inputs on the left, whole outputs on the right.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::world::{commitments, context, genesis, key, machine, validators};
use crate::block::{BlockHash, Header, Height, ValidatorIndex, View};
use crate::consensus::{
    Block, Certificate, Config, Consensus, Decided, Demand, Evidence, Finalization, Input,
    Justification, Message, Notarization, Nullification, Output, Past, Proposal, Request,
    Statement, Status, Vote,
};
use crate::event::{Fault, LinkId, Position, Suspicion};
use crate::identity::Signature;
use crate::journal::Entry;
use crate::rng::Rng;
use crate::time::{BlockTime, Time};
use crate::wire::{Hash, List};

pub(super) const LINK: LinkId = LinkId(7);

pub(super) fn leader(view: u64) -> usize {
    usize::from(validators(4).leader(View(view)).0)
}

/// A validator that does not lead `view`.
pub(super) fn follower(view: u64) -> usize {
    (0..4).find(|index| *index != leader(view)).unwrap()
}

pub(super) fn vote(index: usize, statement: Statement) -> Vote {
    statement.sign(ValidatorIndex(index as u16), &key(index), &context()).into_inner()
}

pub(super) fn notarize(index: usize, view: u64, block: BlockHash) -> Vote {
    let time = BlockTime(5_000);
    vote(index, Statement::Notarize { view: View(view), block, time })
}

pub(super) fn nullify(index: usize, view: u64, highest: u64) -> Vote {
    vote(index, Statement::Nullify { view: View(view), highest: View(highest) })
}

pub(super) fn block(
    view: u64,
    parent: &Header,
    parent_hash: BlockHash,
    why: Justification,
) -> Block {
    let body = Bytes::from(view.to_le_bytes().to_vec());
    let header = Header {
        network: context().network,
        epoch: context().epoch,
        view: View(view),
        height: parent.height.next(),
        parent: crate::block::Parent { view: parent.view, hash: parent_hash },
        time: why.block_time(parent.time),
        body: Header::body_hash(&body),
        commitments: commitments(&parent_hash, &body),
        justification: why.hash(),
    };
    Block { header, body, justification: why }
}

pub(super) fn first_proposal() -> Proposal {
    let block = block(1, &genesis(), context().network, Justification::default());
    let vote = notarize(leader(1), 1, block.hash());
    Proposal { block, vote }
}

/// A machine of validator `index` with one neighbour, and nothing left to poll.
pub(super) fn ready(index: usize) -> Consensus {
    let mut node = machine(4, index, Time::ZERO);
    node.handle(Time::ZERO, Input::LinkUp { link: LINK, peer: key(9).peer() });
    drain(&mut node);
    node
}

pub(super) fn drain(node: &mut Consensus) -> Vec<Output> {
    core::iter::from_fn(|| node.poll()).collect()
}

pub(super) fn receive(node: &mut Consensus, message: Message) -> Vec<Output> {
    node.handle(Time::ZERO, Input::Received { link: LINK, message });
    drain(node)
}

fn accept_proposal(node: &mut Consensus, proposal: &Proposal) -> Vec<Output> {
    receive(node, Message::Proposal(proposal.clone()));
    let block = proposal.block.hash();
    node.handle(Time::ZERO, Input::Validated { block, valid: true });
    drain(node)
}

pub(super) fn finalizes(output: &Output) -> bool {
    matches!(
        output,
        Output::Persist(_, Entry::Vote(Vote { statement: Statement::Finalize { .. }, .. }))
    )
}

#[test]
fn no_vote_leaves_before_its_promise_is_durable() {
    let me = follower(1);
    let mut node = ready(me);
    let proposal = first_proposal();
    let hash = proposal.block.hash();
    let asked = receive(&mut node, Message::Proposal(proposal.clone()));
    assert_eq!(asked, vec![Output::Relay, Output::Validate(Arc::new(proposal.block.clone()))]);

    node.handle(Time::ZERO, Input::Validated { block: hash, valid: true });
    let time = BlockTime(0);
    let own = vote(me, Statement::Notarize { view: View(1), block: hash, time });
    assert_eq!(
        drain(&mut node),
        vec![
            Output::Persist(Position(0), Entry::Block(proposal.block)),
            Output::Persist(Position(1), Entry::Vote(own)),
        ]
    );
    node.handle(Time::ZERO, Input::Persisted(Position(0)));
    assert_eq!(drain(&mut node), vec![]);
    node.handle(Time::ZERO, Input::Persisted(Position(1)));
    let message = Message::Vote(own);
    assert_eq!(drain(&mut node), vec![Output::Broadcast { message, attempt: 0 }]);
}

#[test]
fn a_quorum_of_notarize_ends_the_view_and_is_finalized() {
    let me = follower(1);
    let mut node = ready(me);
    let proposal = first_proposal();
    let hash = proposal.block.hash();
    accept_proposal(&mut node, &proposal);
    node.handle(Time::ZERO, Input::Persisted(Position(1)));
    drain(&mut node);
    let third = (0..4).find(|index| *index != me && *index != leader(1)).unwrap();
    let outputs = receive(&mut node, Message::Vote(notarize(third, 1, hash)));
    let finalize = vote(me, Statement::Finalize { view: View(1), block: hash });
    let [Output::Persist(Position(2), Entry::Certificate(certificate)), rest @ ..] =
        outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(certificate.view(), View(1));
    assert_eq!(
        rest,
        [
            Output::Persist(Position(3), Entry::Vote(finalize)),
            Output::Entered(View(2)),
            Output::Relay,
        ]
    );
}

#[test]
fn an_invalid_proposal_is_nullified_at_once() {
    let me = follower(1);
    let mut node = ready(me);
    let proposal = first_proposal();
    receive(&mut node, Message::Proposal(proposal.clone()));
    let block = proposal.block.hash();
    node.handle(Time::ZERO, Input::Validated { block, valid: false });
    let own = nullify(me, 1, 0);
    assert_eq!(drain(&mut node), vec![Output::Persist(Position(0), Entry::Vote(own))]);
}

#[test]
fn a_view_is_nullified_when_its_time_is_over_and_never_notarized_after() {
    let me = follower(1);
    let mut node = ready(me);
    node.handle(Time::ZERO, Input::Demand(Demand { content: true, brisk: true }));
    let end = Time::ZERO + Duration::from_secs(1);
    node.handle(end, Input::Tick);
    let persisted: Vec<_> = drain(&mut node)
        .into_iter()
        .filter(|output| matches!(output, Output::Persist(..)))
        .collect();
    assert_eq!(persisted, vec![Output::Persist(Position(0), Entry::Vote(nullify(me, 1, 0)))]);
    let proposal = first_proposal();
    node.handle(end, Input::Received { link: LINK, message: Message::Proposal(proposal) });
    assert!(drain(&mut node).iter().all(|output| !matches!(output, Output::Persist(..))));
}

#[test]
fn a_nullify_counts_only_once_the_notarization_it_rests_on_is_here() {
    let others: Vec<usize> = (0..4).filter(|index| *index != follower(2)).collect();
    let mut node = ready(follower(2));
    let proposal = first_proposal();
    let hash = proposal.block.hash();
    let votes: Vec<Vote> = others.iter().map(|index| notarize(*index, 1, hash)).collect();
    let notarization = Notarization::assemble(View(1), hash, votes.iter(), 3).unwrap();

    // View 2 as seen by somebody who has heard nothing of view 1.
    for (count, index) in others.iter().enumerate() {
        let outputs = receive(&mut node, Message::Vote(nullify(*index, 2, 1)));
        let request = Message::Request(Request::Notarization { at_least: View(1) });
        let ask = Output::Send { link: LINK, message: request };
        // Asked once; a neighbour is not pestered.
        let expected = if count == 0 { vec![Output::Relay, ask] } else { vec![Output::Relay] };
        assert_eq!(outputs, expected);
    }
    assert_eq!(node.view(), View(1));
    receive(&mut node, Message::Certificate(Certificate::Notarization(notarization)));
    assert_eq!(node.view(), View(3));
}

#[test]
fn a_nullification_over_a_notarized_parent_justifies_no_block_below_it() {
    let votes: Vec<Vote> =
        [nullify(0, 2, 0), nullify(1, 2, 1), nullify(2, 2, 0)].into_iter().collect();
    let skipped = Nullification::assemble(View(2), votes.iter(), 3);
    let why = Justification { parent: None, skipped };
    let on_genesis = crate::block::Parent { view: View(0), hash: context().network };
    assert!(!why.allows(View(3), &on_genesis));
}

#[test]
fn faults_are_blamed_on_the_link_that_caused_them() {
    let proposal = first_proposal();
    let hash = proposal.block.hash();
    let forged = Vote { signature: Signature([1; 64]), ..notarize(0, 1, hash) };
    let unknown = Vote { voter: ValidatorIndex(4), ..notarize(0, 1, hash) };
    let mut other_body = proposal.clone();
    other_body.block.body = Bytes::from_static(b"another");
    let mut not_the_leader = proposal.clone();
    not_the_leader.vote = notarize(follower(1), 1, hash);
    let impossible = nullify(0, 1, 1);
    for (message, fault) in [
        (Message::Vote(forged), Fault::BadSignature),
        (Message::Vote(unknown), Fault::NotAValidator),
        (Message::Vote(impossible), Fault::Malformed),
        (Message::Proposal(other_body), Fault::BadBlock),
        (Message::Proposal(not_the_leader), Fault::BadBlock),
    ] {
        let mut node = ready(follower(1));
        assert_eq!(receive(&mut node, message), vec![Output::Blame { link: LINK, fault }]);
    }
}

#[test]
fn a_leader_that_proposes_twice_is_accused_and_its_view_not_finalized() {
    let me = follower(1);
    let mut node = ready(me);
    let first = first_proposal();
    accept_proposal(&mut node, &first);
    let mut header = first.block.header;
    header.commitments.state = Hash([9; 32]);
    let second = Block { header, ..first.block.clone() };
    let second_vote = notarize(leader(1), 1, second.hash());
    let proposal = Proposal { block: second, vote: second_vote };
    let outputs = receive(&mut node, Message::Proposal(proposal));
    let evidence = Evidence { first: first.vote, second: second_vote };
    assert_eq!(outputs, vec![Output::Accuse(evidence), Output::Relay]);

    for index in (0..4).filter(|index| *index != me) {
        receive(&mut node, Message::Vote(notarize(index, 1, first.block.hash())));
    }
    node.handle(Time::ZERO, Input::Persisted(Position(1)));
    let outputs = drain(&mut node);
    assert_eq!(node.view(), View(2));
    assert!(!outputs.iter().any(finalizes));
}

/// The first proposal and others of its leader for the same view.
fn proposals_of_one_view() -> impl Iterator<Item = Proposal> {
    let first = first_proposal();
    (0..=u8::MAX).map(move |number| {
        let mut header = first.block.header;
        header.commitments.state = Hash([number; 32]);
        let block = Block { header, ..first.block.clone() };
        Proposal { vote: notarize(leader(1), 1, block.hash()), block }
    })
}

#[test]
fn of_a_leader_that_does_not_stop_proposing_three_proposals_are_looked_at() {
    let mut node = ready(follower(1));
    accept_proposal(&mut node, &first_proposal());
    let mut proposals = proposals_of_one_view().map(Message::Proposal);
    let mut next = || receive(&mut node, proposals.next().expect("there are many"));
    assert!(matches!(next().as_slice(), [Output::Accuse(_), Output::Relay]));
    let (validator, suspicion) = (ValidatorIndex(leader(1) as u16), Suspicion::ProposalBurst);
    assert_eq!(next(), [Output::Suspect { validator, suspicion }]);
    for _ in 0..100 {
        assert_eq!(next(), []);
    }
}

#[test]
fn of_one_author_ten_messages_a_view_are_looked_at_and_nobody_else_spends_them() {
    let mut node = ready(follower(1));
    let voter = (0..4).rfind(|index| ![leader(1), follower(1)].contains(index)).unwrap();
    let votes = |number: u8| notarize(voter, 1, Hash([number; 32]));
    for number in 0..50 {
        // Whoever forges them is blamed, and that is all.
        let forged = Vote { signature: Signature([number; 64]), ..votes(number) };
        let blamed = Output::Blame { link: LINK, fault: Fault::BadSignature };
        assert_eq!(receive(&mut node, Message::Vote(forged)), [blamed]);
    }
    let mut said = Vec::new();
    for number in 0..50 {
        said.push(receive(&mut node, Message::Vote(votes(number))));
    }
    assert_eq!(said[0], [Output::Relay]);
    assert!(matches!(said[1].as_slice(), [Output::Accuse(_), Output::Relay]));
    assert!(said[2..9].iter().all(Vec::is_empty));
    let (validator, suspicion) = (ValidatorIndex(voter as u16), Suspicion::Flooding);
    assert_eq!(said[9], [Output::Suspect { validator, suspicion }]);
    assert!(said[10..].iter().all(Vec::is_empty));
    let forged = Vote { signature: Signature([1; 64]), ..votes(99) };
    assert_eq!(receive(&mut node, Message::Vote(forged)), [], "not even verified");
    assert_eq!(receive(&mut node, Message::Vote(votes(0))), [Output::Relay], "what was good is");
    let next = nullify(voter, 2, 0);
    assert_eq!(receive(&mut node, Message::Vote(next)), [Output::Relay], "another view");
}

#[test]
fn a_known_block_under_another_vote_is_passed_on_only_after_a_look_at_that_vote() {
    let mut node = ready(follower(1));
    let first = first_proposal();
    accept_proposal(&mut node, &first);
    let again = receive(&mut node, Message::Proposal(first.clone()));
    assert_eq!(again, vec![Output::Relay]);

    // Who passes this on would be blamed for it.
    let signature = Signature([1; 64]);
    let forged = Proposal { vote: Vote { signature, ..first.vote }, ..first.clone() };
    let outputs = receive(&mut node, Message::Proposal(forged));
    assert_eq!(outputs, vec![Output::Blame { link: LINK, fault: Fault::BadSignature }]);

    let (view, block, time) = (View(1), first.block.hash(), BlockTime(6_000));
    let restated = vote(leader(1), Statement::Notarize { view, block, time });
    let evidence = Evidence { first: first.vote, second: restated };
    let restated = Proposal { vote: restated, ..first };
    let outputs = receive(&mut node, Message::Proposal(restated));
    assert_eq!(outputs, vec![Output::Accuse(evidence), Output::Relay]);
}

#[test]
fn votes_of_a_far_future_are_not_kept_but_make_one_ask() {
    let mut node = ready(follower(1));
    let vote = nullify(leader(1), 1 << 40, 0);
    let outputs = receive(&mut node, Message::Vote(vote));
    let message = Message::Request(Request::Certificate { above: View(1) });
    assert_eq!(outputs, vec![Output::Send { link: LINK, message }]);
    assert_eq!(receive(&mut node, Message::Vote(vote)), vec![]);
    assert!(node.rounds.is_empty());
}

/// A quorum's notarization of a block, by everybody but `except`.
pub(super) fn notarization(block: &Block, except: usize) -> Notarization {
    let (view, hash) = (block.header.view, block.hash());
    let voters = (0..4).filter(|index| *index != except);
    let votes: Vec<Vote> = voters.map(|index| notarize(index, view.0, hash)).collect();
    Notarization::assemble(view, hash, votes.iter(), 3).unwrap()
}

fn asks_for(outputs: &[Output], block: &Block) -> bool {
    let message = Message::Request(Request::Block { hash: block.hash() });
    outputs.contains(&Output::Send { link: LINK, message })
}

#[test]
fn whoever_misses_a_parents_body_asks_for_it_without_leading_and_then_votes() {
    let me = follower(2);
    let mut node = ready(me);
    let first = first_proposal().block;
    let why = Justification { parent: Some(notarization(&first, me)), skipped: None };
    let second = block(2, &first.header, first.hash(), why);
    let proposal = Proposal { block: second.clone(), vote: notarize(leader(2), 2, second.hash()) };
    let outputs = receive(&mut node, Message::Proposal(proposal));
    assert_eq!(node.view(), View(2));
    assert!(asks_for(&outputs, &first), "{outputs:?}");

    let outputs = receive(&mut node, Message::Block(first.clone()));
    assert_eq!(outputs, vec![Output::Validate(Arc::new(first.clone()))]);
    for block in [first.hash(), second.hash()] {
        node.handle(Time::ZERO, Input::Validated { block, valid: true });
    }
    let time = BlockTime(0);
    let own = vote(me, Statement::Notarize { view: View(2), block: second.hash(), time });
    let outputs = drain(&mut node);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Persist(_, Entry::Vote(vote)) if *vote == own))
    );
}

#[test]
fn a_notarized_body_that_does_not_come_is_asked_for_by_an_observer_too() {
    let rng = Rng::new([0; 32]);
    let config = Config::default();
    let mut node =
        Consensus::new(context(), validators(4), None, genesis(), config, Time::ZERO, rng);
    node.handle(Time::ZERO, Input::LinkUp { link: LINK, peer: key(9).peer() });
    let first = first_proposal().block;
    let certificate = Certificate::Notarization(notarization(&first, 0));
    let outputs = receive(&mut node, Message::Certificate(certificate));
    assert!(!asks_for(&outputs, &first), "it is likely on its way");
    let later = Time::ZERO + config.answer_timeout / 2;
    assert_eq!(node.deadline(), Some(later));
    node.handle(later, Input::Tick);
    assert!(asks_for(&drain(&mut node), &first));
}

#[test]
fn what_a_nullify_rests_on_is_asked_for_again_when_the_vote_is_said_again() {
    let mut node = ready(follower(2));
    let message = Message::Vote(nullify(leader(2), 2, 1));
    let request = Message::Request(Request::Notarization { at_least: View(1) });
    let ask = Output::Send { link: LINK, message: request };
    assert_eq!(receive(&mut node, message.clone()), vec![Output::Relay, ask.clone()]);
    let later = Time::ZERO + Config::default().answer_timeout;
    node.handle(later, Input::Received { link: LINK, message });
    assert_eq!(drain(&mut node), vec![Output::Relay, ask]);
}

#[test]
fn votes_are_said_again_under_ever_new_numbers_also_across_views() {
    let me = follower(1);
    let mut node = ready(me);
    let proposal = first_proposal();
    accept_proposal(&mut node, &proposal);
    let hash = proposal.block.hash();
    for index in (0..4).filter(|index| *index != me) {
        receive(&mut node, Message::Vote(notarize(index, 1, hash)));
    }
    node.handle(Time::ZERO, Input::Persisted(Position(3)));
    drain(&mut node);
    assert_eq!(node.view(), View(2));
    let finalize = vote(me, Statement::Finalize { view: View(1), block: hash });
    let mut numbers = BTreeSet::new();
    let mut now = Time::ZERO;
    for view in 2..6 {
        for _ in 0..3 {
            now = now + Config::default().resend_max;
            node.handle(now, Input::Tick);
            for output in drain(&mut node) {
                if let Output::Broadcast { message, attempt } = output
                    && message == Message::Vote(finalize)
                {
                    assert!(numbers.insert(attempt), "{attempt} of {numbers:?}");
                }
            }
        }
        let others = (0..4).filter(|index| *index != me);
        let votes: Vec<Vote> = others.map(|index| nullify(index, view, 1)).collect();
        let nullification = Nullification::assemble(View(view), votes.iter(), 3).unwrap();
        let message = Message::Certificate(Certificate::Nullification(nullification, None));
        node.handle(now, Input::Received { link: LINK, message });
        drain(&mut node);
    }
    assert!(numbers.len() >= 4, "{numbers:?}");
    assert!(!numbers.contains(&0), "that is what it is said under at first");
}

#[test]
fn a_leaders_vote_for_another_block_counts_as_its_second_proposal() {
    let me = follower(1);
    let mut node = ready(me);
    let proposal = first_proposal();
    accept_proposal(&mut node, &proposal);
    receive(&mut node, Message::Vote(notarize(leader(1), 1, Hash([9; 32]))));
    for index in (0..4).filter(|index| *index != me) {
        receive(&mut node, Message::Vote(notarize(index, 1, proposal.block.hash())));
    }
    node.handle(Time::ZERO, Input::Persisted(Position(1)));
    let outputs = drain(&mut node);
    assert_eq!(node.view(), View(2));
    assert!(!outputs.iter().any(finalizes), "{outputs:?}");
}

#[test]
fn a_vote_of_ones_own_that_is_not_in_the_journal_ends_voting_however_it_comes() {
    let me = follower(1);
    let first = first_proposal().block;
    let voted = notarize(me, 1, first.hash());
    let with_mine = notarization(&first, leader(1));
    let mine = first_proposal_of(me);
    for message in [
        Message::Vote(voted),
        Message::Certificate(Certificate::Notarization(with_mine)),
        Message::Proposal(mine),
    ] {
        let mut node = ready(me);
        let outputs = receive(&mut node, message.clone());
        assert!(outputs.contains(&Output::Forgotten), "{message:?}: {outputs:?}");
        assert!(node.abstains().is_some());
    }
    // After a loss that is known of, what was voted before it is no news.
    let mut node = machine(4, me, Time::ZERO);
    node.restore(Entry::Barred { maximum: View(1) }).unwrap();
    node.resume(Time::ZERO, 1, Past::Lost);
    node.handle(Time::ZERO, Input::LinkUp { link: LINK, peer: key(9).peer() });
    drain(&mut node);
    assert!(!receive(&mut node, Message::Vote(voted)).contains(&Output::Forgotten));
    let later = nullify(me, 3, 0);
    assert!(receive(&mut node, Message::Vote(later)).contains(&Output::Forgotten));
}

/// The proposal of the first view that validator `index` leads.
fn first_proposal_of(index: usize) -> Proposal {
    let view = (1..=4).find(|view| leader(*view) == index).unwrap();
    let votes: Vec<Vote> = (0..4).map(|index| nullify(index, view - 1, 0)).collect();
    let skipped = Nullification::assemble(View(view - 1), votes.iter(), 3);
    let why = Justification { parent: None, skipped: skipped.filter(|_| view > 1) };
    let block = block(view, &genesis(), context().network, why);
    let vote = notarize(index, view, block.hash());
    Proposal { block, vote }
}

#[test]
fn who_gathered_a_branch_that_came_to_nothing_begins_again_with_others() {
    const OTHER: LinkId = LinkId(8);
    let me = follower(1);
    let mut node = ready(me);
    node.handle(Time::ZERO, Input::LinkUp { link: OTHER, peer: key(10).peer() });
    drain(&mut node);

    // View 1 was notarized, but nullified by a quorum that did not know; view 2 stands on genesis.
    let hidden = first_proposal().block;
    let votes: Vec<Vote> =
        (0..4).filter(|it| *it != me).map(|index| nullify(index, 1, 0)).collect();
    let skipped = Nullification::assemble(View(1), votes.iter(), 3);
    let why = Justification { parent: None, skipped };
    let first = block(2, &genesis(), context().network, why);
    let why = Justification { parent: Some(notarization(&first, me)), skipped: None };
    let second = block(3, &first.header, first.hash(), why);
    let finalizes: Vec<Vote> = (0..4)
        .filter(|it| *it != me)
        .map(|it| vote(it, Statement::Finalize { view: View(3), block: second.hash() }))
        .collect();
    let finalization = Finalization::assemble(View(3), second.hash(), finalizes.iter(), 3);
    let decided = |block: &Block, finalization| Decided {
        block: block.clone(),
        notarization: notarization(block, me),
        finalization,
    };
    let answer = |blocks: Vec<Decided>| Message::Decided(List::new(blocks).unwrap());
    let status =
        |finalized| Message::Status(Status { view: View(1), finalized: Height(finalized) });
    let ask = |link, from| {
        let message = Message::Request(Request::Decided { from: Height(from) });
        Output::Send { link, message }
    };

    assert_eq!(receive(&mut node, status(1)), vec![ask(LINK, 1)]);
    let late = answer(vec![decided(&second, finalization.clone())]);
    assert_eq!(receive(&mut node, late), vec![], "to an earlier question");
    receive(&mut node, answer(vec![decided(&hidden, None)]));
    let from_other = |node: &mut Consensus, message| {
        node.handle(Time::ZERO, Input::Received { link: OTHER, message });
        drain(node)
    };
    assert!(from_other(&mut node, status(2)).contains(&ask(OTHER, 2)));
    let outputs = from_other(&mut node, answer(vec![decided(&second, finalization.clone())]));
    let again = ask(LINK, 1);
    assert!(outputs.contains(&again), "both have failed once: {outputs:?}");
    node.handle(Time::ZERO, Input::LinkDown { link: LINK });
    assert!(drain(&mut node).contains(&ask(OTHER, 1)));
    from_other(&mut node, answer(vec![decided(&first, None), decided(&second, finalization)]));
    for block in [&first, &second] {
        node.handle(Time::ZERO, Input::Validated { block: block.hash(), valid: true });
    }
    assert_eq!(node.finalized_hash(), second.hash());
}

#[test]
fn an_answer_to_a_question_that_was_given_up_is_nobodys_fault() {
    let me = follower(1);
    let mut node = ready(me);
    let first = first_proposal().block;
    let why = Justification { parent: Some(notarization(&first, me)), skipped: None };
    let second = block(2, &first.header, first.hash(), why);
    let decided = |block: &Block| Decided {
        block: block.clone(),
        notarization: notarization(block, me),
        finalization: None,
    };
    let answer = |blocks: Vec<Decided>| Message::Decided(List::new(blocks).unwrap());
    let ask = |from| {
        let message = Message::Request(Request::Decided { from: Height(from) });
        Output::Send { link: LINK, message }
    };
    let status = Message::Status(Status { view: View(1), finalized: Height(9) });
    assert_eq!(receive(&mut node, status), vec![ask(1)]);
    // It goes on from a state that it fetched, and asks for what is above.
    node.sync.skip_to(Height(7));
    node.handle(Time::ZERO, Input::Tick);
    assert_eq!(drain(&mut node), vec![ask(8)]);
    assert_eq!(receive(&mut node, answer(vec![decided(&first), decided(&second)])), vec![]);

    // An answer that does not hold together is.
    let mut node = ready(me);
    let status = Message::Status(Status { view: View(1), finalized: Height(9) });
    assert_eq!(receive(&mut node, status), vec![ask(1)]);
    let outputs = receive(&mut node, answer(vec![decided(&first), decided(&first)]));
    let blame = Output::Blame { link: LINK, fault: Fault::BadBlock };
    assert!(outputs.contains(&blame), "{outputs:?}");
}
