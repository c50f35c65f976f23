//! Networks whose members seal what they say.

use super::*;
use crate::event::Fault;
use crate::identity::PeerId;
use crate::keyring::{NetworkKey, NoRotation};
use crate::node::RelaySetup;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn key() -> Kept {
    Kept::of(NetworkKey::first(&mut Rng::new([5; 32])))
}

impl World {
    /// Four validators and two players who have a key, and three more identities without.
    fn private(linked: fn(usize, usize) -> bool) -> Self {
        let mut world = Self::asleep(4, 5, linked, true);
        for place in &mut world.places[..6] {
            place.keys = key();
        }
        world
    }

    fn start_all(&mut self, indexes: impl IntoIterator<Item = usize>) {
        indexes.into_iter().for_each(|index| self.start(index));
    }

    fn start_relay(&mut self, index: usize) {
        let place = &mut self.places[index];
        let setup = RelaySetup {
            network: self.genesis.network(),
            work_bits: BITS,
            keypair: place.keypair.clone(),
            proof: place.proof,
            seed: [index as u8; 32],
            mesh: self.config.mesh.clone(),
        };
        place.relay = Some(Relay::new(setup, self.now));
        self.link_up(index);
    }

    fn ask(&mut self, index: usize, command: Command) -> Result<CommandId, Refusal> {
        let node = self.places[index].node.as_mut().expect("it runs");
        let outcome = node.submit(self.now, command);
        self.carry_out(index);
        outcome
    }

    fn rotate(&mut self, index: usize, without: &[usize]) -> Result<CommandId, Refusal> {
        let without = without.iter().map(|it| self.address(*it).peer).collect();
        self.ask(index, Command::Rotate { without, with: vec![] })
    }

    fn version(&self, index: usize) -> u32 {
        self.node(index).status().private.expect("it is private").version
    }

    fn versions(&self) -> Vec<u32> {
        (0..6).filter(|it| self.places[*it].node.is_some()).map(|it| self.version(it)).collect()
    }

    /// Pays both players, so that they have accounts and a rotation counts them in.
    fn pay_players(&mut self) {
        for player in [4, 5] {
            let to = self.address(player);
            self.do_it(0, Operation::Transfer { to, amount: Chips(100) });
        }
    }
}

/// Two halves of the validators, with a relay between them.
const fn halves(one: usize, other: usize) -> bool {
    matches!((one, other), (0, 1) | (1, 0) | (2, 3) | (3, 2) | (6, _) | (_, 6))
}

#[test]
fn members_play_through_a_relay_that_reads_nothing() {
    let mut world = World::private(halves);
    world.start_all(0..4);
    world.start_relay(6);
    world.open_table();
    world.do_it(2, Operation::Sit { table: TABLE });
    world.bet(2, "pass", 100);
    world.roll(2);
    world.assert_equal_states();
    let status = world.places[6].relay.as_ref().unwrap().status();
    let status = status.relay.unwrap();
    assert!(status.carried > 20, "{status:?}");
    assert_eq!((status.in_the_clear, status.refused), (0, 0));
    assert_eq!(world.node(0).status().private.unwrap().strangers, 1);
}

#[test]
fn letters_pass_a_relay() {
    let mut world = World::private(halves);
    world.start_all(0..4);
    world.start_relay(6);
    world.run_until(SECOND, |_| false);
    let to = world.address(3).peer;
    let words = crate::chat::Words::new("hello").unwrap();
    let room = crate::chat::Room::Peer(to);
    let id = world.ask(0, Command::Say { room, words }).unwrap();
    let arrived = Notice::Delivered { id, to };
    let done = |world: &World| world.places[0].notices.contains(&arrived);
    assert!(world.run_until(MINUTE, done));
}

#[test]
fn who_was_given_no_key_is_not_listened_to_and_is_told_why() {
    let mut world = World::private(|_, _| true);
    world.start_all(0..4);
    world.open_table();
    let fault = CloseReason::Fault(Fault::Unsealed);
    // It is linked with one member, who is told something in the clear.
    world.linked = |one, other| one < 4 && other < 4 || one + other == 7;
    world.closes = Some((0, fault));
    world.start(7);
    world.run_until(SECOND, |_| false);
    assert_eq!(world.closes, None, "it was closed");
    assert_eq!(world.node(7).status().height, Height(0));
    let why = world.why(7);
    assert!(why.contains("this network is private"), "{why}");
}

#[test]
fn a_new_key_needs_two_of_four_and_leaves_out_who_is_not_named() {
    let mut world = World::private(|_, _| true);
    world.start_all(0..6);
    world.pay_players();
    assert_eq!(world.rotate(4, &[5]), Err(Refusal::NoRotation(NoRotation::NotAValidator)));
    assert_eq!(world.rotate(0, &[1]), Err(Refusal::NoRotation(NoRotation::LeavesOutValidator)));
    let id = world.rotate(0, &[5]).unwrap();
    world.run_until(SECOND, |_| false);
    assert_eq!(world.versions(), [0; 6], "one alone changes nothing");
    let (version, by, needed) = (1, 1, 2);
    let proposed = Notice::RotationProposed { id, version, by, needed };
    assert!(world.places[3].notices.contains(&proposed));
    let pending = world.node(3).status().private.unwrap().pending;
    assert_eq!((pending.len(), pending[0].id, &pending[0].endorsed_by), (1, id, &vec![0]));

    world.ask(3, Command::Endorse { rotation: id }).unwrap();
    world.run_until(SECOND, |_| false);
    assert_eq!(world.versions(), [1, 1, 1, 1, 1, 0]);
    assert!(world.places[5].notices.contains(&Notice::LeftOut));
    let unknown = world.ask(2, Command::Endorse { rotation: id });
    assert_eq!(unknown, Err(Refusal::NoRotation(NoRotation::Unknown)));

    // Members go on, whoever was left out hears nothing.
    let height = world.node(5).status().height;
    let to = world.address(4);
    let id = world.submit(0, Operation::Transfer { to, amount: Chips(1) }).unwrap();
    assert!(world.run_until(MINUTE, |world| world.done(0, id).is_some()));
    world.run_until(SECOND, |_| false);
    assert!(world.node(4).status().height > height);
    assert_eq!(world.node(5).status().height, height);
    assert!(world.why(5).contains("left out"));
}

#[test]
fn who_was_away_is_given_the_key_by_the_first_member_it_meets() {
    let mut world = World::private(|_, _| true);
    world.start_all(0..6);
    world.pay_players();
    world.kill(5);
    world.kill(3);
    for (proposes, endorses) in [(0, 1), (1, 2)] {
        let id = world.rotate(proposes, &[]).unwrap();
        world.run_until(SECOND, |_| false);
        world.ask(endorses, Command::Endorse { rotation: id }).unwrap();
        world.run_until(2 * MINUTE, |_| false);
    }
    assert_eq!(world.versions(), [2; 4]);
    // A validator and a player come back with the first key, and a node with the newest from disk.
    world.kill(4);
    world.start_all(3..6);
    let level = |world: &World| world.versions() == [2; 6];
    assert!(world.run_until(MINUTE, level), "{:?}", world.versions());
    world.open_table();
    world.roll_of_nobody();
    world.assert_equal_states();
}

impl World {
    fn roll_of_nobody(&mut self) {
        self.do_it(4, Operation::Sit { table: TABLE });
        self.bet(4, "pass", 10);
        self.roll(4);
    }
}

#[test]
fn one_validator_alone_changes_the_key_at_once() {
    let mut world = World::asleep(1, 1, |_, _| true, true);
    for place in &mut world.places {
        place.keys = key();
    }
    world.start_all(0..2);
    let with: Vec<PeerId> = vec![world.address(1).peer];
    world.run_until(SECOND, |_| false);
    world.ask(0, Command::Rotate { without: vec![], with }).unwrap();
    world.run_until(SECOND, |_| false);
    assert_eq!((world.version(0), world.version(1)), (1, 1));
    let refusal = World::new(1, 0).rotate(0, &[]);
    assert_eq!(refusal, Err(Refusal::NoRotation(NoRotation::NotPrivate)));
}
