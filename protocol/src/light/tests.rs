//! A light node among neighbours, some of which lie.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::chain::PartId;
use crate::craps::Chips;
use crate::event::{Fault, LinkId, Notice};
use crate::ledger::Account;
use crate::node::{LightAction, NoProof, Packet, Status};
use crate::receipt::model::{Net, TABLE, keypair};
use crate::wire::Hash;

const STRANGER: u16 = 77;

fn account(index: u16) -> Subject {
    Subject::Entry(Key::Account(keypair(index).peer()))
}

/// What an honest full node with this chain answers.
fn answer(net: &Net, question: Question) -> Answer {
    let found = match question.subject {
        Subject::Receipt { table, round, player } => {
            let receipt = net.rolls.material(table, round).and_then(|it| it.receipt(player));
            receipt.map_or_else(|none| Found::Nothing(none.into()), |it| Found::Receipt(it.into()))
        }
        subject @ (Subject::Headers | Subject::Entry(_)) => {
            model::found(net.chain.state(), &subject).unwrap()
        }
    };
    model::answer(&net.recent, question, found)
}

fn judge(follower: &mut Follower, net: &Net, subject: Subject) -> Result<Judged, Lie> {
    let least = follower.height();
    let given = answer(net, Question { above: least, subject });
    follower.judge(&subject, least, given)
}

fn proven(judged: Result<Judged, Lie>) -> Proven {
    match judged {
        Ok(Judged::Proven(proven)) => proven,
        other => panic!("{other:?}"),
    }
}

fn balance(judged: Result<Judged, Lie>) -> Option<Chips> {
    match proven(judged) {
        Proven::Entry(_, entry) => entry.map(|entry| match *entry {
            Entry::Account(account) => account.balance,
            other => panic!("{other:?}"),
        }),
        other => panic!("{other:?}"),
    }
}

const UNPROVEN: Result<Judged, Lie> = Err(Lie::Unproven(Fault::BadBlock));

#[test]
fn whoever_knows_the_genesis_has_balances_tables_and_receipts_proved() {
    let mut net = Net::new(4, "light");
    let mut follower = Follower::new(net.genesis.clone());
    assert_eq!(follower.height(), Height(0));
    let state = |net: &Net, index| net.chain.state().account(&keypair(index).peer()).unwrap();
    assert_eq!(balance(judge(&mut follower, &net, account(1))), Some(state(&net, 1).balance));
    assert_eq!(balance(judge(&mut follower, &net, account(STRANGER))), None);
    let round = net.roll();
    assert_eq!(balance(judge(&mut follower, &net, account(2))), Some(state(&net, 2).balance));
    assert_eq!(follower.tip().unwrap().hash(), net.tip.0, "an answer brings its headers");

    let table = proven(judge(&mut follower, &net, Subject::Entry(Key::Table(TABLE))));
    let entry = net.chain.state().table(TABLE).unwrap().clone();
    let header = Box::new(*follower.tip().unwrap());
    assert_eq!(table, Proven::Entry(header, Some(Box::new(Entry::Table(Box::new(entry))))));

    let player = Some(net.keys[2].peer());
    let subject = Subject::Receipt { table: TABLE, round, player };
    let Proven::Receipt(receipt, shown) = proven(judge(&mut follower, &net, subject)) else {
        panic!("a receipt was asked for")
    };
    assert_eq!((*receipt, shown.player), (net.receipt(round, Some(2)), player));
    let unknown = Subject::Receipt { table: TABLE, round: Round(99), player };
    assert_eq!(judge(&mut follower, &net, unknown), Ok(Judged::Nothing(Lack::Unknown)));
}

#[test]
fn a_proof_that_is_bent_in_any_way_is_found_out() {
    let mut net = Net::new(4, "light");
    net.roll();
    let subject = account(1);
    let honest = answer(&net, Question { above: Height(0), subject });
    let stranger = answer(&net, Question { above: Height(0), subject: account(STRANGER) });
    let other = answer(&net, Question { above: Height(0), subject: account(2) });
    let (Found::Entry(entry, proof), Found::Entry(_, others)) = (&honest.found, &other.found)
    else {
        panic!("both have accounts")
    };
    let richer = Box::new(Entry::Account(Account::holding(Chips(1_000_000))));
    let with = |found: Found| Answer { found, ..honest.clone() };
    let absent = net.chain.state().part(PartId::holding(&Key::Meta), 0).unwrap();
    let own = PartId::holding(&Key::Account(keypair(1).peer()));
    let present = net.chain.state().part(own, 0).unwrap();
    for lie in [
        with(Found::Entry(richer, proof.clone())),
        with(Found::Entry(entry.clone(), others.clone())),
        with(other.found.clone()),
        with(stranger.found.clone()),
        with(Found::Absent(Box::new(absent))),
        with(Found::Absent(Box::new(present))),
        with(Found::Headers),
        other.clone(),
    ] {
        let mut follower = Follower::new(net.genesis.clone());
        assert_eq!(follower.judge(&subject, Height(0), lie.clone()), UNPROVEN, "{lie:?}");
    }
    // A proof against a state that nobody signed, and none at all.
    let mut before = Net::new(4, "light");
    before.roll();
    before.is_signed = false;
    before.act(
        0,
        crate::chain::Operation::Transfer {
            to: crate::receipt::model::address(&keypair(STRANGER)),
            amount: Chips(1),
        },
    );
    before.advance();
    let mut follower = Follower::new(net.genesis.clone());
    let unsigned = answer(&before, Question { above: Height(0), subject });
    assert_eq!(unsigned.trail, None);
    let behind = Ok(Judged::Nothing(Lack::Behind));
    assert_eq!(follower.judge(&subject, Height(0), unsigned), behind);
    // What was true once, to somebody who knows better.
    follower.judge(&subject, Height(0), honest.clone()).unwrap();
    net.roll();
    assert!(balance(judge(&mut follower, &net, subject)).is_some());
    let least = follower.height();
    assert_eq!(follower.judge(&subject, least, honest), behind);
    assert_eq!(follower.height(), least);
}

#[test]
fn headers_hold_only_with_a_quorum_of_the_genesis_validators() {
    let mut net = Net::new(4, "light");
    for _ in 0..3 {
        net.advance();
    }
    let good = net.recent.above(Height(0)).unwrap();
    let (headers, last) = (good.headers.to_vec(), *good.headers.last().unwrap());
    let trail = |headers: Vec<Header>, finalization: &Finalization| Trail {
        headers: List::new(headers).unwrap(),
        finalization: finalization.clone(),
    };
    let bent = |change: &dyn Fn(&mut Header)| {
        let mut header = last;
        change(&mut header);
        trail(vec![header], &net.sign(&header))
    };
    let mut richer = last;
    richer.commitments.state = Hash::default();
    let stranger = Net::new(4, "other");
    let bad = [
        trail(Vec::new(), &good.finalization),
        trail(vec![richer], &good.finalization),
        trail(headers[1..].iter().rev().copied().collect(), &good.finalization),
        trail(vec![headers[0], last], &good.finalization),
        trail(vec![last], &net.sign_with(&last, 2)),
        trail(vec![last], &stranger.sign(&last)),
        bent(&|header| header.epoch.0 = 1),
        bent(&|header| header.commitments.validators = Hash::default()),
        bent(&|header| header.network = stranger.genesis.network()),
    ];
    for bad in bad {
        let mut follower = Follower::new(net.genesis.clone());
        let unproven = Err(Lie::Unproven(Fault::BadCertificate));
        assert_eq!(follower.follow(&bad), unproven, "{bad:?}");
        assert_eq!((follower.height(), follower.newest()), (Height(0), None));
    }
    let mut follower = Follower::new(net.genesis.clone());
    assert_eq!(follower.follow(&good), Ok(()));
    assert_eq!(follower.height(), last.height);
    assert_eq!(follower.newest(), Some(trail(vec![last], &good.finalization)));
}

#[test]
fn two_chains_that_a_quorum_signed_are_a_contradiction() {
    let mut net = Net::new(4, "light");
    net.advance();
    let good = net.recent.above(Height(0)).unwrap();
    let mut other = *good.headers.last().unwrap();
    other.commitments.state = Hash::default();
    let signed = Trail { headers: List::new(vec![other]).unwrap(), finalization: net.sign(&other) };
    let mut follower = Follower::new(net.genesis.clone());
    follower.follow(&good).unwrap();
    assert!(matches!(follower.follow(&signed), Err(Lie::Contradiction(_))));
    let mut above = other;
    (above.height, above.parent.hash) = (other.height.next(), other.hash());
    let signed = Trail { headers: List::new(vec![above]).unwrap(), finalization: net.sign(&above) };
    assert!(matches!(follower.follow(&signed), Err(Lie::Contradiction(_))), "at its parent");
}

#[test]
fn headers_are_bounded_and_whoever_is_far_behind_is_shown_the_newest_alone() {
    let mut net = Net::new(4, "light");
    let mut follower = Follower::new(net.genesis.clone());
    let mut late = follower.clone();
    while net.tip.1.height.0 < HEADERS as u64 + 10 {
        net.advance();
        follower.follow(&net.recent.above(follower.height()).unwrap()).unwrap();
    }
    assert_eq!(follower.header(Height(10)), None);
    assert_eq!(follower.header(Height(11)).unwrap().height, Height(11));
    let trail = net.recent.above(late.height()).unwrap();
    assert_eq!(trail.headers.len(), 1);
    late.follow(&trail).unwrap();
    assert_eq!(late.tip(), follower.tip());
}

/// What a neighbour makes of its answer.
type Bend = fn(Answer) -> Answer;

fn honestly(answer: Answer) -> Answer {
    answer
}

/// Says that somebody is rich.
fn enriching(answer: Answer) -> Answer {
    let found = match answer.found {
        Found::Entry(_, proof) => {
            Found::Entry(Box::new(Entry::Account(Account::holding(Chips(1_000_000)))), proof)
        }
        other => other,
    };
    Answer { found, ..answer }
}

/// A light node, and full ones that answer every question.
struct World {
    net: Net,
    light: model::World,
    bends: BTreeMap<LinkId, Bend>,
    questions: usize,
}

impl World {
    fn new(bends: &[Bend]) -> Self {
        let mut net = Net::new(4, "light");
        net.advance();
        let mut light = model::World::new(net.genesis.clone(), None);
        let bends = bends.iter().map(|bend| (light.link(), *bend)).collect();
        let mut world = Self { net, light, bends, questions: 0 };
        world.settle();
        world
    }

    /// Answers everything that was asked.
    fn settle(&mut self) {
        while let Some((link, question)) = self.light.asked.pop_front() {
            self.questions += 1;
            let answer = self.bends[&link](answer(&self.net, question));
            self.light.tell(link, Packet::Light(answer).encode());
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.light.now + time;
        while self.light.tick(end) {
            self.settle();
        }
    }

    fn status(&self) -> Status {
        self.light.light.status()
    }

    fn ask(&mut self, subject: Subject) -> Vec<Result<Proven, NoProof>> {
        let id = self.light.ask(subject).unwrap();
        self.settle();
        self.pass(Duration::from_secs(30));
        let answers = self.light.said.drain(..).filter_map(|action| match action {
            LightAction::Answer { question, answer } if question == id => Some(answer),
            _ => None,
        });
        answers.collect()
    }
}

#[test]
fn a_light_node_follows_its_neighbours_and_asks_ever_more_rarely_when_nothing_happens() {
    let mut world = World::new(&[honestly, honestly]);
    assert_eq!(world.status().height, world.net.tip.1.height);
    assert_eq!(world.status().state_root, world.net.chain.state().root());
    world.net.advance();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.status().block, world.net.tip.0);
    world.pass(Duration::from_secs(100));
    let before = world.questions;
    world.pass(Duration::from_secs(160));
    assert!(world.questions - before <= 10, "{} questions", world.questions - before);
}

#[test]
fn a_liar_loses_its_link_and_another_neighbour_proves_the_truth() {
    let mut world = World::new(&[enriching, honestly]);
    let truth = world.net.chain.state().account(&keypair(2).peer()).unwrap();
    let header = Box::new(*world.light.light.follower().tip().unwrap());
    let entry = Some(Box::new(Entry::Account(truth)));
    let id = world.light.ask(account(2)).unwrap();
    world.settle();
    let closed = |it: &LightAction| matches!(it, LightAction::Close { link: LinkId(1), .. });
    assert!(world.light.said.iter().any(closed));
    let blamed = |it: &LightAction| {
        let LightAction::Notify(Notice::Misbehaved { link, fault, .. }) = it else { return false };
        (*link, *fault) == (LinkId(1), Fault::BadBlock)
    };
    assert!(world.light.said.iter().any(blamed));
    let answer = Ok(Proven::Entry(header, entry));
    assert!(world.light.said.contains(&LightAction::Answer { question: id, answer }));
}

#[test]
fn who_has_only_liars_or_nobody_to_ask_is_told_so() {
    let mut world = World::new(&[enriching]);
    assert_eq!(world.ask(account(2)), [Err(NoProof::Lied)]);
    let mut world = World::new(&[]);
    assert_eq!(world.ask(account(2)), [Err(NoProof::NoNeighbour)]);
    let mut world = World::new(&[|answer| Answer { trail: None, ..answer }]);
    assert_eq!(world.ask(account(2)), [Err(NoProof::Lack(Lack::Behind))]);
    // What comes to another question is no answer, and no lie.
    let mut world = World::new(&[|answer| Answer { subject: account(1), ..answer }]);
    assert_eq!(world.ask(account(2)), [Err(NoProof::TooSlow)]);
}

#[test]
fn a_next_life_begins_where_the_last_one_was_and_believes_no_file() {
    let world = World::new(&[honestly]);
    let kept = world.light.said.iter().rev().find_map(|action| match action {
        LightAction::Keep(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let kept = kept.unwrap();
    let begin = |world: &World, kept: Bytes| {
        model::World::new(world.net.genesis.clone(), Some(kept)).light.status().height
    };
    assert_eq!(begin(&world, kept.clone()), world.net.tip.1.height);
    for byte in 0..kept.len() {
        let mut bent = kept.to_vec();
        bent[byte] ^= 1;
        assert_eq!(begin(&world, bent.into()), Height(0), "byte {byte}");
    }
}
