//! The rules of an honest validator that take more than one step to see.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::steps::{
    LINK, block, drain, finalizes, first_proposal, follower, leader, notarization, notarize,
    nullify, ready, receive, vote,
};
use super::world::{commitments, context, genesis, key, machine};
use crate::block::{Header, Height, View};
use crate::consensus::{
    Block, Certificate, Config, Consensus, Demand, Input, Justification, Message, Nullification,
    Output, Past, Proposal, Request, Statement, Status,
};
use crate::event::{Fault, LinkId, Position};
use crate::journal::Entry;
use crate::time::{BlockTime, Time};
use crate::wire::{decode, encode};

fn votes(outputs: &[Output]) -> Vec<Statement> {
    let statement = |output: &Output| match output {
        Output::Persist(_, Entry::Vote(vote)) => Some(vote.statement),
        _ => None,
    };
    outputs.iter().filter_map(statement).collect()
}

fn certified(block: &Block, except: usize) -> Message {
    Message::Certificate(Certificate::Notarization(notarization(block, except)))
}

fn proposed(block: &Block) -> Message {
    let view = block.header.view.0;
    let vote = notarize(leader(view), view, block.hash());
    Message::Proposal(Proposal { block: block.clone(), vote })
}

fn child(parent: &Block, except: usize) -> Block {
    let why = Justification { parent: Some(notarization(parent, except)), skipped: None };
    block(parent.header.view.0 + 1, &parent.header, parent.hash(), why)
}

/// The nullification of a view by everybody but `except`.
fn nullified(view: u64, except: usize) -> Message {
    let others = (0..4).filter(|index| *index != except);
    let votes: Vec<_> = others.map(|index| nullify(index, view, 0)).collect();
    let nullification = Nullification::assemble(View(view), votes.iter(), 3).unwrap();
    Message::Certificate(Certificate::Nullification(nullification, None))
}

fn after(node: &mut Consensus, span: Duration) -> Vec<Output> {
    node.handle(Time::ZERO + span, Input::Tick);
    drain(node)
}

fn builds(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Build { .. }))
}

#[test]
fn what_was_nullified_is_not_finalized_when_its_notarization_comes_after_all() {
    let me = follower(1);
    let mut node = ready(me);
    node.handle(Time::ZERO, Input::Demand(Demand { content: true, brisk: true }));
    let outputs = after(&mut node, Duration::from_secs(1));
    assert_eq!(votes(&outputs), vec![nullify(me, 1, 0).statement]);
    let outputs = receive(&mut node, certified(&first_proposal().block, me));
    assert_eq!(node.view(), View(2));
    assert_eq!(votes(&outputs), vec![]);
}

#[test]
fn a_block_that_skips_a_view_without_its_nullification_is_nullified() {
    let me = follower(2);
    let mut node = ready(me);
    let outputs = receive(&mut node, certified(&first_proposal().block, me));
    assert!(outputs.iter().any(finalizes));
    let skipping = block(2, &genesis(), context().network, Justification::default());
    let outputs = receive(&mut node, proposed(&skipping));
    assert_eq!(votes(&outputs), vec![nullify(me, 2, 1).statement]);
}

#[test]
fn a_barred_validator_votes_above_the_bar_and_is_done_with_a_notarization_from_there() {
    let me = leader(4);
    let mut node = machine(4, me, Time::ZERO);
    node.restore(Entry::Barred { maximum: View(1) }).unwrap();
    node.resume(Time::ZERO, 1, Past::Lost);
    node.handle(Time::ZERO, Input::LinkUp { link: LINK, peer: key(9).peer() });
    drain(&mut node);
    let first = first_proposal().block;
    let second = child(&first, me);
    let third = child(&second, me);
    let inquiry = inquiry(leader(1));

    for block in [&first, &second] {
        assert_eq!(votes(&receive(&mut node, proposed(block))), vec![]);
        assert_eq!(votes(&receive(&mut node, certified(block, me))), vec![]);
        assert_eq!(receive(&mut node, inquiry.clone()), vec![Output::Relay]);
    }
    assert_eq!(node.view(), View(3));
    receive(&mut node, proposed(&third));
    for block in [&first, &second, &third] {
        let input = Input::Validated { block: block.hash(), valid: true };
        node.handle(Time::ZERO, input);
    }
    let time = BlockTime(0);
    let own = Statement::Notarize { view: View(3), block: third.hash(), time };
    assert_eq!(votes(&drain(&mut node)), vec![own]);
    assert_eq!(votes(&after(&mut node, Duration::from_secs(60))), vec![], "it may not nullify");
    assert!(node.abstains().is_some());

    let outputs = receive(&mut node, certified(&third, me));
    let own = Statement::Finalize { view: View(3), block: third.hash() };
    assert_eq!(votes(&outputs), vec![own]);
    assert_eq!(node.abstains(), None);
    assert!(vouches(&receive(&mut node, inquiry)));
}

/// What a validator asks that has just lost its journal.
fn inquiry(index: usize) -> Message {
    let mut node = machine(4, index, Time::ZERO);
    node.resume(Time::ZERO, 0, Past::Lost);
    let asks = drain(&mut node).into_iter().find_map(|output| match output {
        Output::Broadcast { message: Message::Inquiry(inquiry), .. } => Some(inquiry),
        _ => None,
    });
    Message::Inquiry(asks.unwrap())
}

fn vouches(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Send { message: Message::Answer(_), .. }))
}

fn vouches_aloud(outputs: &[Output]) -> bool {
    let is = |output: &Output| {
        matches!(output, Output::Broadcast { message: Message::Testimony(_), .. })
    };
    outputs.iter().any(is)
}

#[test]
fn a_leader_with_nothing_to_order_waits_as_long_as_somebody_waits_for_blocks() {
    let config = Config::default();
    let tick = Duration::from_micros(1);
    for (brisk, wait) in [(false, config.idle_quiet), (true, config.idle_brisk)] {
        let mut node = ready(leader(1));
        node.handle(Time::ZERO, Input::Demand(Demand { content: false, brisk }));
        assert!(!builds(&drain(&mut node)));
        assert!(!builds(&after(&mut node, wait - tick)));
        assert!(builds(&after(&mut node, wait)), "brisk: {brisk}");
    }
    let mut node = ready(leader(1));
    node.handle(Time::ZERO, Input::Demand(Demand { content: true, brisk: false }));
    assert!(builds(&drain(&mut node)));
}

#[test]
fn a_restarted_leader_says_its_vote_again_gives_the_block_and_makes_no_other() {
    let me = leader(1);
    let content = Input::Demand(Demand { content: true, brisk: false });
    let mut node = ready(me);
    node.handle(Time::ZERO, content.clone());
    let (parent, body) = (context().network, Bytes::from_static(b"mine"));
    let commitments = commitments(&parent, &body);
    node.handle(Time::ZERO, Input::Built { parent, body: body.clone(), commitments });
    let why = Justification::default();
    let header = Header {
        body: Header::body_hash(&body),
        commitments,
        ..block(1, &genesis(), parent, why.clone()).header
    };
    let mine = Block { header, body, justification: why };
    node.handle(Time::ZERO, Input::Validated { block: mine.hash(), valid: true });
    let time = BlockTime(0);
    let own = vote(me, Statement::Notarize { view: View(1), block: mine.hash(), time });
    let journal = [Entry::Block(mine.clone()), Entry::Vote(own)];
    let written = drain(&mut node).into_iter().filter_map(|output| match output {
        Output::Persist(_, entry) => Some(entry),
        _ => None,
    });
    assert_eq!(written.collect::<Vec<_>>(), journal);

    let mut node = machine(4, me, Time::ZERO);
    journal.into_iter().for_each(|entry| node.restore(entry).unwrap());
    node.resume(Time::ZERO, 2, Past::Known);
    node.handle(Time::ZERO, content);
    let outputs = drain(&mut node);
    let message = Message::Vote(own);
    let says =
        |output: &Output| matches!(output, Output::Broadcast { message: it, .. } if *it == message);
    assert!(outputs.iter().any(says), "{outputs:?}");
    assert!(!builds(&outputs));
    let asked = Message::Request(Request::Block { hash: mine.hash() });
    let given = Output::Send { link: LINK, message: Message::Block(mine) };
    assert_eq!(receive(&mut node, asked), vec![given]);
    assert!(!builds(&after(&mut node, Duration::from_millis(900))));
}

#[test]
fn a_validator_alone_goes_on_from_the_votes_in_its_journal() {
    let mine = first_proposal().block;
    let (notarize, nullify) = (notarize(0, 1, mine.hash()), nullify(0, 1, 0));
    for votes in [vec![notarize], vec![nullify], vec![notarize, nullify]] {
        let mut node = machine(1, 0, Time::ZERO);
        let votes = votes.into_iter().map(Entry::Vote);
        let journal: Vec<Entry> = [Entry::Block(mine.clone())].into_iter().chain(votes).collect();
        journal.iter().for_each(|entry| node.restore(entry.clone()).unwrap());
        node.resume(Time::ZERO, journal.len() as u64, Past::Known);
        assert_eq!(node.view(), View(2), "{journal:?}");
    }
}

#[test]
fn who_votes_in_a_view_long_over_is_told_so_but_not_each_time() {
    let me = follower(1);
    let mut node = ready(me);
    receive(&mut node, nullified(1, me));
    receive(&mut node, nullified(2, me));
    assert_eq!(node.view(), View(3));
    node.handle(Time::ZERO, Input::Persisted(Position(1)));
    drain(&mut node);
    let hash = first_proposal().block.hash();
    let late = Message::Vote(notarize(leader(1), 1, hash));
    let status = Message::Status(Status { view: View(3), finalized: Height(0) });
    let told = Output::Send { link: LINK, message: status };
    assert_eq!(receive(&mut node, late.clone()), vec![told.clone(), Output::Relay]);
    assert_eq!(receive(&mut node, late.clone()), vec![Output::Relay]);
    let later = Time::ZERO + Config::default().answer_timeout;
    node.handle(later, Input::Received { link: LINK, message: late });
    assert_eq!(drain(&mut node), vec![told, Output::Relay]);
}

#[test]
fn of_those_who_say_they_are_further_one_after_the_other_is_asked_why() {
    const OTHER: LinkId = LinkId(8);
    let me = follower(1);
    let mut node = ready(me);
    node.handle(Time::ZERO, Input::LinkUp { link: OTHER, peer: key(0).peer() });
    drain(&mut node);
    let status = |view| Message::Status(Status { view: View(view), finalized: Height(0) });
    let message = Message::Request(Request::Certificate { above: View(1) });
    let asked = |link| Output::Send { link, message: message.clone() };
    let at = |node: &mut Consensus, millis, input| {
        node.handle(Time::ZERO + Duration::from_millis(millis), input);
        drain(node)
    };
    let says = |link, view| Input::Received { link, message: status(view) };
    assert_eq!(at(&mut node, 0, says(LINK, 1)), vec![]);
    assert_eq!(at(&mut node, 0, says(LINK, u64::MAX)), vec![asked(LINK)]);
    assert_eq!(at(&mut node, 0, says(OTHER, 3)), vec![]);
    let patience = Config::default().answer_timeout.as_millis() as u64 / 4;
    assert_eq!(at(&mut node, patience, Input::Tick), vec![asked(OTHER)]);
    let why = |view| Input::Received { link: OTHER, message: nullified(view, me) };
    assert!(!at(&mut node, patience, why(1)).contains(&asked(LINK)), "it showed nothing");
    at(&mut node, patience, why(2));
    assert_eq!(node.view(), View(3));
    assert_eq!(at(&mut node, 2 * patience, Input::Tick), vec![]);
    let again = at(&mut node, 2 * patience, says(LINK, 4));
    let message = Message::Request(Request::Certificate { above: View(3) });
    assert_eq!(again, vec![Output::Send { link: LINK, message }]);
}

#[test]
fn who_lags_is_told_so_and_shown_why_when_it_asks() {
    let me = follower(1);
    let mut node = ready(me);
    let why = nullified(1, me);
    receive(&mut node, why.clone());
    drain(&mut node);
    let lags = Message::Status(Status { view: View(1), finalized: Height(0) });
    let hint = Message::Status(Status { view: View(2), finalized: Height(0) });
    let sent = |message| vec![Output::Send { link: LINK, message }];
    assert_eq!(receive(&mut node, lags.clone()), sent(hint));
    assert_eq!(receive(&mut node, lags), vec![], "not each time");
    let ask = |view| Message::Request(Request::Certificate { above: View(view) });
    assert_eq!(receive(&mut node, ask(2)), vec![]);
    assert_eq!(receive(&mut node, ask(1)), sent(why));
    assert_eq!(receive(&mut node, ask(1)), vec![], "not each time");
}

/// The testimonies that are sent over a link.
fn told(outputs: &[Output], over: LinkId) -> usize {
    let is = |output: &&Output| matches!(output, Output::Send { link, message: Message::Answer(_) } if *link == over);
    outputs.iter().filter(is).count()
}

#[test]
fn a_validator_vouches_to_a_neighbour_and_else_on_the_way_back_and_aloud_to_who_asks_again() {
    let requester = leader(1);
    let question = inquiry(requester);
    let mut node = ready(follower(1));
    let at = |node: &mut Consensus, millis, message: &Message| {
        let input = Input::Received { link: LINK, message: message.clone() };
        node.handle(Time::ZERO + Duration::from_millis(millis), input);
        drain(node)
    };
    let first = at(&mut node, 0, &question);
    assert!(told(&first, LINK) == 1 && !vouches_aloud(&first));
    assert!(!vouches(&at(&mut node, 400, &question)), "not each time");
    let again = at(&mut node, 500, &question);
    assert!(told(&again, LINK) == 1 && vouches_aloud(&again));
    // Somebody else who asks again has to wait for all validators' pauses.
    let other = (0..4).find(|it| ![requester, follower(1)].contains(it)).unwrap();
    let another = inquiry(other);
    at(&mut node, 500, &another);
    assert!(!vouches_aloud(&at(&mut node, 650, &another)));
    assert!(!vouches_aloud(&at(&mut node, 1_600, &question)), "others were answered less often");
    assert!(vouches_aloud(&at(&mut node, 1_800, &another)));
    assert!(vouches_aloud(&at(&mut node, 4_000, &question)));

    let mut node = ready(follower(1));
    let neighbour = LinkId(8);
    node.handle(Time::ZERO, Input::LinkUp { link: neighbour, peer: key(requester).peer() });
    drain(&mut node);
    for millis in [0, 500, 2_000] {
        let outputs = at(&mut node, millis, &question);
        assert!(told(&outputs, neighbour) == 1 && !vouches_aloud(&outputs));
    }
}

#[test]
fn an_answer_goes_back_on_the_way_of_the_question_once_each_time() {
    let (requester, voter) = (leader(1), follower(1));
    let question = inquiry(requester);
    let answer = |outputs: Vec<Output>| {
        let is = |output: Output| match output {
            Output::Send { message: Message::Answer(testimony), .. } => Some(testimony),
            _ => None,
        };
        outputs.into_iter().find_map(is).unwrap()
    };
    let testimony = answer(receive(&mut ready(voter), question.clone()));
    let (answer, aloud) = (Message::Answer(testimony), Message::Testimony(testimony));
    let between = (0..4).find(|it| ![requester, voter].contains(it)).unwrap();
    let mut node = ready(between);
    assert_eq!(receive(&mut node, answer.clone()), vec![], "nobody asked");
    assert_eq!(receive(&mut node, aloud.clone()), vec![]);
    for _ in 0..2 {
        receive(&mut node, question.clone());
        let mut passes = |message: &Message| {
            let input = Input::Received { link: LinkId(8), message: message.clone() };
            node.handle(Time::ZERO, input);
            told(&drain(&mut node), LINK)
        };
        assert_eq!([passes(&answer), passes(&answer)], [1, 0]);
        assert_eq!(receive(&mut node, aloud.clone()), vec![Output::Relay]);
        assert_eq!(receive(&mut node, aloud.clone()), vec![]);
    }
    // Replays of both use up what is passed on, and nobody's own answers.
    for _ in 0..10 {
        receive(&mut node, question.clone());
        receive(&mut node, answer.clone());
    }
    receive(&mut node, question.clone());
    assert_eq!(told(&receive(&mut node, answer.clone()), LINK), 0, "enough for now");
    assert_eq!(told(&receive(&mut node, inquiry(voter)), LINK), 1);
    let mut asks = machine(4, requester, Time::ZERO);
    asks.resume(Time::ZERO, 0, Past::Lost);
    receive(&mut asks, question);
    assert_eq!(told(&receive(&mut asks, answer), LINK), 0, "it has arrived");
}

#[test]
fn a_block_that_the_leader_voted_for_is_asked_for_and_judged_like_a_proposal() {
    let me = follower(2);
    let first = first_proposal().block;
    let good = notarization(&first, me);
    let mut forged = encode(&good);
    *forged.last_mut().unwrap() ^= 1;
    let forged = decode(&forged, 1 << 16).unwrap();
    for (parent, is_taken) in [(good, true), (forged, false)] {
        let mut node = ready(me);
        receive(&mut node, certified(&first, me));
        let why = Justification { parent: Some(parent), skipped: None };
        let second = block(2, &first.header, first.hash(), why);
        let hash = second.hash();
        let outputs = receive(&mut node, Message::Vote(notarize(leader(2), 2, hash)));
        let message = Message::Request(Request::Block { hash });
        assert!(outputs.contains(&Output::Send { link: LINK, message }), "{outputs:?}");
        let outputs = receive(&mut node, Message::Block(second));
        let blame = Output::Blame { link: LINK, fault: Fault::BadBlock };
        assert_eq!(!outputs.contains(&blame), is_taken, "{outputs:?}");
        assert_eq!(node.rounds[&View(2)].proposal, is_taken.then_some(hash));
    }
}
