//! Nodes whose validators make the dice key themselves.

use alloc::boxed::Box;
use alloc::string::String;

use super::*;
use crate::beacon::generation::{Attest, Deal, Record as Said, SignedRecord, Statement};
use crate::block::ValidatorIndex;
use crate::chain::{Offence, RecordRefusal};
use crate::identity::Epoch;
use crate::wire::List;

impl World {
    /// Nobody knows these validators' dice.
    fn making_a_key(validators: usize, running: impl IntoIterator<Item = usize>) -> Self {
        let mut world = Self::asleep(validators, 0, |_, _| true, false);
        running.into_iter().for_each(|index| world.start(index));
        world
    }

    /// Runs until `version` is in force everywhere with as many usable shares.
    fn await_key(&mut self, version: u32, shares: u16) {
        let in_force = |world: &Self| {
            world.running().all(|node| {
                let dice = node.status().dice;
                dice.version == Some(version) && dice.usable_shares >= shares
            })
        };
        let done = self.run_until(Duration::from_secs(120), in_force);
        let states: Vec<_> = self.running().map(|node| node.status().dice).collect();
        assert!(done, "{states:?}");
    }

    fn dice_state(&self, index: usize) -> String {
        self.node(index).status().dice.state
    }

    /// What `author` would say, signed.
    fn said(&self, author: usize, statement: Statement) -> SignedRecord {
        let version = self.node(0).state().generation().unwrap().version;
        let author_index = ValidatorIndex(author as u16);
        let record = Said { epoch: Epoch(0), version, author: author_index, statement };
        record.sign(&self.places[author].keypair, self.genesis.network())
    }

    /// What `author` deals.
    fn deal(&self, author: usize) -> Deal {
        let generation = self.node(0).state().generation().unwrap();
        let keypair = &self.places[author].keypair;
        let run = generation.run(self.genesis.network());
        let keys = generation.sealing_keys();
        let dealer = ValidatorIndex(author as u16);
        Deal::make(&run, dealer, &keys, generation.threshold(), keypair)
    }

    fn tell(&mut self, index: usize, signed: SignedRecord) -> Result<(), RecordRefusal> {
        self.places[index].node.as_mut().unwrap().chain.submit_record(signed)
    }

    fn accused(&self, index: usize) -> Vec<(u16, &'static str)> {
        let notices = self.places[index].notices.iter();
        let accused = notices.filter_map(|notice| match notice {
            Notice::Evidence { validator, what } => Some((validator.0, *what)),
            _ => None,
        });
        accused.collect()
    }
}

#[test]
fn a_new_network_makes_its_key_and_rolls() {
    for n in [1, 2, 4, 7] {
        let mut world = World::making_a_key(n, 0..n);
        world.await_key(0, n as u16);
        let took = world.now;
        assert!(took < Time::ZERO + Duration::from_secs(2), "n = {n}: {took:?}");
        assert!(world.dice_state(0).contains("in force"), "{}", world.dice_state(0));
        world.open_table();
        world.do_it(0, Operation::Sit { table: TABLE });
        world.bet(0, "pass", 100);
        world.roll(0);
        world.assert_equal_states();
        assert!(!world.node(0).status().insecure_dealer);
    }
}

#[test]
fn nothing_but_the_dice_waits_for_a_missing_dealer_who_comes_late() {
    let mut world = World::making_a_key(4, 0..3);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 100);
    let to = world.address(2);
    world.do_it(0, Operation::Transfer { to, amount: Chips(1) });
    assert_eq!(world.dice_state(0), "being made: 3 of 4 validators have dealt");
    let round = world.round();
    let refused = world.submit(1, Operation::Roll { table: TABLE, round });
    assert_eq!(refused, Err(Refusal::Rejected(Rejection::NoDiceKey)));

    world.await_key(0, 3);
    world.roll(1);
    assert_eq!(
        world.dice_state(1),
        "in force: 3 of 4 validators have a usable share, 3 make a roll"
    );
    world.start(3);
    world.await_key(0, 4);
    // Now another one may be missing.
    world.kill(0);
    let round = world.node(1).state().table(TABLE).unwrap().table.round();
    if world.node(1).state().table(TABLE).unwrap().table.bets().count() == 0 {
        let bet = "pass".parse().unwrap();
        world.do_it(1, Operation::Bet { table: TABLE, round, bet, amount: Chips(10) });
    }
    world.do_it(1, Operation::Roll { table: TABLE, round });
    let settled = |world: &World| {
        world.running().all(|node| node.state().table(TABLE).unwrap().table.round() > round)
    };
    assert!(world.run_until(Duration::from_secs(60), settled), "{}", world.why(1));
}

#[test]
fn all_may_stop_at_once_at_any_moment_of_the_key_generation() {
    for moment in 0..16 {
        let mut world = World::making_a_key(4, 0..4);
        world.run_until(Duration::from_millis(12 * moment), |_| false);
        (0..4).for_each(|index| world.kill(index));
        (0..4).for_each(|index| world.start(index));
        world.await_key(0, 4);
        world.open_table();
        world.do_it(1, Operation::Sit { table: TABLE });
        world.bet(1, "pass", 10);
        world.roll(1);
        world.assert_equal_states();
        for index in 0..4 {
            assert_eq!(world.accused(index), []);
        }
    }
}

#[test]
fn a_restarted_node_finds_its_share_again() {
    let mut world = World::making_a_key(4, 0..4);
    world.await_key(0, 4);
    world.kill(3);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 10);
    world.start(3);
    world.run_until(Duration::from_secs(3), |_| false);
    // Three shares make a coin: without the restarted node's there would be two.
    world.kill(0);
    let round = world.node(1).state().table(TABLE).unwrap().table.round();
    world.do_it(1, Operation::Roll { table: TABLE, round });
    let settled = |world: &World| {
        world.running().all(|node| node.state().table(TABLE).unwrap().table.round() > round)
    };
    assert!(world.run_until(Duration::from_secs(60), settled), "{}", world.why(1));
}

#[test]
fn a_late_complaint_brings_the_next_key() {
    // Validator 6 is no node: it deals badly to 5, who is away.
    let mut world = World::making_a_key(7, 0..5);
    let mut deal = world.deal(6);
    let mut sealed = deal.sealed.to_vec();
    sealed[5] = sealed[0];
    deal.sealed = List::new(sealed).unwrap();
    let signed = world.said(6, Statement::Deal(Box::new(deal)));
    for index in 0..5 {
        assert_eq!(world.tell(index, signed.clone()), Ok(()));
    }
    world.await_key(0, 5);
    world.open_table();
    world.do_it(1, Operation::Sit { table: TABLE });
    world.bet(1, "pass", 10);
    world.roll(1);
    let key = world.node(0).state().dice_key(Epoch(0), 0).unwrap().clone();

    world.start(5);
    world.await_key(1, 6);
    assert_eq!(world.accused(0), [(6, "dealt a share that does not fit")]);
    let state = world.node(0).state();
    assert_eq!(state.dice_key(Epoch(0), 0), Some(&key), "a key never changes");
    assert_eq!(state.deal(0, ValidatorIndex(6)), None, "and its deals are not needed any more");
    if state.table(TABLE).unwrap().table.bets().count() == 0 {
        world.bet(1, "pass", 10);
    }
    world.roll(1);
    world.assert_equal_states();
}

#[test]
fn who_contradicts_itself_or_complains_falsely_is_shown_to_have_done_so() {
    let mut world = World::making_a_key(4, 0..3);
    let one = world.deal(3);
    let signed = world.said(3, Statement::Deal(Box::new(one.clone())));
    assert_eq!(world.tell(0, signed.clone()), Ok(()));
    assert_eq!(world.tell(0, signed.clone()), Err(RecordRefusal::Known));
    let mut sealed = one.sealed.to_vec();
    sealed.swap(0, 1);
    let other = Deal { sealed: List::new(sealed).unwrap(), ..one.clone() };
    let other = world.said(3, Statement::Deal(Box::new(other)));
    let offence = |refusal: Result<(), RecordRefusal>| match refusal {
        Err(RecordRefusal::Evidence(evidence)) => (evidence.author.0, evidence.offence),
        other => panic!("{other:?}"),
    };
    assert_eq!(offence(world.tell(0, other.clone())), (3, Offence::TwoDeals));
    let lower = Deal { commitments: List::new(one.commitments[1..].to_vec()).unwrap(), ..one };
    let lower = world.said(3, Statement::Deal(Box::new(lower)));
    assert_eq!(offence(world.tell(1, lower)), (3, Offence::BadDeal));

    world.await_key(0, 3);
    let generation = world.node(0).state().generation().unwrap();
    let network = world.genesis.network();
    let other_run = generation.run_of(network, 9);
    let deal = world.node(0).state().deal(0, ValidatorIndex(1)).unwrap();
    let secret = crate::beacon::SealingSecret::of(&world.places[3].keypair);
    let about = deal.open(&other_run, ValidatorIndex(1), ValidatorIndex(3), &secret).unwrap_err();
    let complaints = List::new(vec![about]).unwrap();
    let attest = Attest { deals: generation.deals_hash(network), complaints };
    let signed = world.said(3, Statement::Attest(attest));
    assert_eq!(offence(world.tell(0, signed)), (3, Offence::FalseComplaint));
    world.assert_equal_states();
}
