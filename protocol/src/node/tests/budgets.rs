//! What one identity may ask of everybody, and what is told of who asks for more.

use super::*;
use crate::chain::{Nonce, Transaction};
use crate::event::{CloseReason, Fault, Response, Severity, Suspicion};
use crate::identity::PeerId;
use crate::mesh::{self, Attempt, Rate};
use crate::node::Packet;

const GOSSIP: Option<Attempt> = Some(Attempt(0));

fn opening(number: usize) -> Operation {
    let name = Text::new(alloc::format!("table {number}")).unwrap();
    Operation::OpenTable { name, rules: rules(), bank: Chips(10) }
}

fn tables(world: &World, index: usize) -> usize {
    world.places[index].node.as_ref().unwrap().state().tables().count()
}

#[test]
fn an_identity_opens_five_tables_at_once_and_then_one_every_twelve_seconds() {
    let mut world = World::new(4, 0);
    for number in 0..5 {
        world.do_it(0, opening(number));
    }
    assert_eq!(world.submit(0, opening(5)), Err(Refusal::TooManyTables));
    world.run_until(Duration::from_secs(12), |_| false);
    world.do_it(0, opening(5));
    assert_eq!(world.submit(0, opening(6)), Err(Refusal::TooManyTables));
    world.do_it(1, opening(7));
}

#[test]
fn whoever_ignores_that_gets_no_further_with_others() {
    let mut world = World::asleep(4, 1, |_, _| true, true);
    world.config.openings = Rate { burst: 1_000, per_second: 1_000 };
    world.start(4);
    world.config = Config::default();
    (0..4).for_each(|index| world.start(index));
    let to = world.address(4);
    world.do_it(0, Operation::Transfer { to, amount: Chips(1_000) });
    for number in 0..10 {
        world.submit(4, opening(number)).unwrap();
    }
    world.run_until(Duration::from_secs(9), |_| false);
    assert_eq!(tables(&world, 0), 5);
    // It reminds of the others, and they are taken at the pace of everybody's budget.
    world.run_until(Duration::from_secs(27), |_| false);
    assert!((6..=8).contains(&tables(&world, 0)), "{}", tables(&world, 0));
}

/// What a node says about a message that a neighbour brings.
fn told(
    world: &mut World,
    by: usize,
    to: usize,
    gossip: Option<Attempt>,
    packet: &Packet,
) -> Vec<Notice> {
    let (link, peer) = (world.places[to].links[&by], world.places[by].keypair.peer());
    let message = packet.encode();
    let node = world.places[to].node.as_mut().unwrap();
    node.take_in(mesh::Output::Deliver { link, peer, message, gossip });
    node.settle_down();
    let actions = core::iter::from_fn(|| node.poll());
    let notices = actions.filter_map(|action| match action {
        Action::Notify(notice @ (Notice::Misbehaved { .. } | Notice::Suspicious { .. })) => {
            Some(notice)
        }
        Action::Close { reason, .. } => {
            assert!(matches!(reason, CloseReason::Fault(_) | CloseReason::Banned));
            None
        }
        _ => None,
    });
    notices.collect()
}

#[test]
fn an_attempt_to_spend_what_is_somebody_elses_is_told_of() {
    let mut world = World::new(4, 0);
    world.run_until(Duration::from_secs(1), |_| false);
    let thief: PeerId = world.places[1].keypair.peer();
    let transaction = Transaction {
        sender: world.address(2),
        nonce: Nonce(1),
        expires: Height(1_000),
        operation: Operation::Transfer { to: world.address(1), amount: Chips(1_000) },
    };
    let network = world.genesis.network();
    let honest = transaction.sign(&world.places[2].keypair, network).signed().clone();
    assert_eq!(told(&mut world, 1, 0, GOSSIP, &Packet::Transaction(honest.clone())), []);
    let mut bytes = crate::wire::encode(&honest);
    *bytes.last_mut().unwrap() ^= 1;
    let forged = crate::wire::decode(&bytes, bytes.len()).unwrap();
    let link = world.places[0].links[&1];
    let (peer, response) = (Some(thief), Response::Disconnected);
    let (suspicion, severity) = (Suspicion::UnauthorizedTransfer, Severity::High);
    let fault = Fault::ForgedTransaction;
    assert_eq!(
        told(&mut world, 1, 0, GOSSIP, &Packet::Transaction(forged)),
        [
            Notice::Misbehaved { link, peer, fault, response },
            Notice::Suspicious { suspicion, peer, severity, response },
        ]
    );
}

#[test]
fn questions_without_end_cost_the_link() {
    let mut world = World::new(4, 0);
    world.run_until(Duration::from_secs(1), |_| false);
    let packet = Packet::AskGenesis;
    let allowed = world.config.mesh.allowance.work.burst / packet.work();
    let (link, thief) = (world.places[0].links[&1], world.places[1].keypair.peer());
    for _ in 0..allowed {
        assert_eq!(told(&mut world, 1, 0, None, &packet), []);
    }
    let (peer, response) = (Some(thief), Response::Disconnected);
    let (suspicion, severity) = (Suspicion::Flooding, Severity::Medium);
    assert_eq!(
        told(&mut world, 1, 0, None, &packet),
        [
            Notice::Misbehaved { link, peer, fault: Fault::Flooding, response },
            Notice::Suspicious { suspicion, peer, severity, response },
        ]
    );
}
