//! Proposals that name their transactions, between nodes that have them and nodes that do not.

use super::*;
use crate::block::{Header, View};
use crate::chain::{Body, Slot, TransactionId};
use crate::consensus::{Block, Justification, Message, Proposal, Statement};
use crate::event::{CloseReason, Fault};
use crate::identity::{Context, Epoch};
use crate::mesh::{self, Attempt};
use crate::node::Packet;
use crate::node::compact::{Compact, shorten};
use crate::wire::{List, decode, encode};

/// Who leads the view that a node is in.
fn leader(world: &World) -> usize {
    let validators = world.node(0).consensus.validators();
    usize::from(validators.leader(world.node(0).consensus.view()).0)
}

fn transfer(world: &World) -> Operation {
    Operation::Transfer { to: world.address(3), amount: Chips(1) }
}

/// A node takes a transaction of its own in and tells nobody of it yet.
fn hide(world: &mut World, index: usize) -> TransactionId {
    let operation = transfer(world);
    let node = world.places[index].node.as_mut().unwrap();
    let transaction = node.sign(operation).unwrap();
    let id = transaction.id();
    node.chain.submit(transaction).unwrap();
    node.commands.insert(id);
    world.give(index, Event::Tick);
    id
}

/// The first view's proposal, with a transfer in it, and its leader.
fn proposal(world: &mut World) -> (usize, Proposal) {
    let leader = leader(world);
    let operation = transfer(world);
    let node = world.places[leader].node.as_mut().unwrap();
    let transaction = node.sign(operation).unwrap();
    node.chain.submit(transaction).unwrap();
    let parent = node.consensus.tip();
    let genesis = *node.header();
    let justification = Justification::default();
    let slot =
        Slot { view: View(1), height: Height(1), time: justification.block_time(genesis.time) };
    let (body, commitments) = node.chain.build(&parent.hash, slot, vec![], false).unwrap();
    let header = Header {
        view: slot.view,
        height: slot.height,
        parent,
        time: slot.time,
        body: Header::body_hash(&body),
        commitments,
        justification: justification.hash(),
        ..genesis
    };
    let block = Block { header, body, justification };
    (leader, sign(world, leader, block))
}

fn sign(world: &World, leader: usize, block: Block) -> Proposal {
    let context = Context { network: block.header.network, epoch: Epoch(0) };
    let (view, hash) = (block.header.view, block.hash());
    let statement = Statement::Notarize { view, block: hash, time: BlockTime(START_MS) };
    let voter = world.node(0).consensus.validators().leader(view);
    let keypair = &world.places[leader].keypair;
    #[cfg(feature = "simulation")]
    let keypair = &world.simulation.signatures.equip(keypair);
    let vote = statement.sign(voter, keypair, &context).into_inner();
    Proposal { block, vote }
}

fn plain(proposal: &Proposal) -> Bytes {
    Packet::Consensus(Message::Proposal(proposal.clone())).encode()
}

/// What a node does about a message that a neighbour relays.
fn hears(world: &mut World, index: usize, message: Bytes) -> Vec<Action> {
    let by = (0..4).find(|other| *other != index).unwrap();
    let (link, peer) = (world.places[index].links[&by], world.places[by].keypair.peer());
    let node = world.places[index].node.as_mut().unwrap();
    let gossip = Some(Attempt(0));
    node.on_mesh(mesh::Output::Deliver { link, peer, message, gossip });
    node.settle_down();
    core::iter::from_fn(|| node.poll()).collect()
}

/// Why it closes a link, if it does.
fn closes(actions: &[Action]) -> Option<Fault> {
    actions.iter().find_map(|action| match action {
        Action::Close { reason: CloseReason::Fault(fault), .. } => Some(*fault),
        _ => None,
    })
}

fn linked() -> World {
    let mut world = World::new(4, 0);
    world.run_until(Duration::from_millis(100), |_| false);
    world
}

#[test]
fn messages_that_are_looked_at_are_told_by_how_they_begin() {
    let (_, proposal) = proposal(&mut linked());
    let plain = plain(&proposal);
    assert_eq!(plain[..2], crate::node::compact::PROPOSAL);
    assert_eq!(shorten(plain)[0], crate::node::compact::COMPACT);
}

#[test]
fn a_proposal_is_as_it_was_once_it_is_filled_in() {
    let mut world = linked();
    let (leader, proposal) = proposal(&mut world);
    let plain = plain(&proposal);
    let short = shorten(plain.clone());
    let transaction = Body::decode(&proposal.block.body).unwrap().transactions[0].clone();
    // Of the framing, three bytes less.
    assert_eq!(plain.len() - short.len(), encode(&transaction).len() - 32 + 3);
    assert_eq!(shorten(short.clone()), short);
    assert_eq!(world.node(leader).whole(&short), Some(plain.clone()));
    assert_eq!(world.node((leader + 1) % 4).whole(&short), None);
    let cut = Packet::decode(&short[..short.len() - 1]);
    assert!(cut.is_err(), "{cut:?}");
}

#[test]
fn a_proposal_without_transactions_or_with_a_false_header_stays_as_it_is() {
    let mut world = linked();
    let (leader, proposal) = proposal(&mut world);
    let mut empty = Body::decode(&proposal.block.body).unwrap();
    empty.transactions = List::new(vec![]).unwrap();
    let body = empty.encode();
    let mut header = proposal.block.header;
    header.commitments.transactions = empty.root();
    header.body = Header::body_hash(&body);
    let empty = sign(&world, leader, Block { header, body, ..proposal.block.clone() });
    assert_eq!(shorten(plain(&empty)), plain(&empty));

    let mut header = proposal.block.header;
    header.commitments.transactions = Hash([7; 32]);
    let untrue = sign(&world, leader, Block { header, ..proposal.block });
    assert_eq!(shorten(plain(&untrue)), plain(&untrue));
    world.run_until(Duration::from_millis(1), |_| false);
}

#[test]
fn a_name_that_was_changed_on_the_way_is_the_fault_of_who_passes_it_on() {
    for other in [Hash([7; 32]), Hash::default()] {
        let mut world = linked();
        let (leader, proposal) = proposal(&mut world);
        let short = shorten(plain(&proposal));
        let name = Body::decode(&proposal.block.body).unwrap().outline().transactions()[0];
        let at = short.windows(32).position(|bytes| bytes == name.0).unwrap();
        let mut forged = short.to_vec();
        forged[at..at + 32].copy_from_slice(&other.0);
        assert!(matches!(Packet::decode(&forged), Ok(Packet::Compact(_))));
        let actions = hears(&mut world, (leader + 1) % 4, forged.into());
        assert_eq!(closes(&actions), Some(Fault::BadBlock));
    }
}

#[test]
fn names_of_nothing_are_refused() {
    let mut world = linked();
    let (leader, proposal) = proposal(&mut world);
    let mut short = shorten(plain(&proposal)).to_vec();
    let name = Body::decode(&proposal.block.body).unwrap().outline().transactions()[0];
    let at = short.windows(32).position(|bytes| bytes == name.0).unwrap();
    // No transactions in place of one.
    short.splice(at - 1..at + 32, [0]);
    assert!(matches!(Packet::decode(&short), Ok(Packet::Compact(_))));
    let actions = hears(&mut world, (leader + 1) % 4, short.into());
    assert_eq!(closes(&actions), Some(Fault::BadBlock));
}

#[test]
fn a_body_that_is_not_the_headers_is_nobodys_fault_but_the_leaders() {
    let mut world = linked();
    let (leader, proposal) = proposal(&mut world);
    let mut header = proposal.block.header;
    header.body = Hash([7; 32]);
    let lie = sign(&world, leader, Block { header, ..proposal.block });
    let short = shorten(plain(&lie));
    assert!(matches!(Packet::decode(&short), Ok(Packet::Compact(_))));
    assert_eq!(world.node(leader).whole(&short), None, "though it has the transaction");
    // Who relays it may not have had the transaction, and could not see it.
    for index in (0..4).filter(|index| *index != leader) {
        let actions = hears(&mut world, index, short.clone());
        assert_eq!(closes(&actions), None);
    }
}

/// A block whose transaction only its leader has is final everywhere in so many milliseconds.
fn hidden(linked: fn(usize, usize) -> bool, millis: u64) {
    let mut world = World::with_links(4, 0, linked);
    world.run_until(Duration::from_millis(500), |_| false);
    let leader = leader(&world);
    let id = hide(&mut world, leader);
    let everywhere = |world: &World| world.running().all(|node| node.status().height >= Height(1));
    let in_time = world.run_until(Duration::from_millis(millis), everywhere);
    assert!(in_time, "{}", world.why((leader + 1) % 4));
    assert!(world.done(leader, id).is_some());
    world.assert_equal_states();
}

#[test]
fn who_lacks_a_transaction_asks_the_neighbour_for_the_block() {
    hidden(|_, _| true, 100);
}

/// Each asks the one before it, who has asked already: no question waits for its time-out.
#[test]
fn a_block_that_only_its_leader_can_write_out_goes_down_a_line() {
    hidden(|one, other| one.abs_diff(other) == 1, 200);
}

#[test]
fn what_was_voted_for_is_still_there_to_fill_in_the_next_proposal() {
    let mut world = linked();
    let leader = leader(&world);
    let operation = transfer(&world);
    world.submit(leader, operation).unwrap();
    // Before anything is final, everybody has the transaction and has voted for its block.
    let voted = |world: &World| {
        world.running().all(|node| node.chain.mempool_len() == 1 && node.status().view.0 > 1)
    };
    assert!(world.run_until(Duration::from_secs(1), voted), "{}", world.why(leader));
    assert!(world.running().all(|node| node.status().height == Height(0)));
}

#[test]
fn a_compact_proposal_is_written_as_before() {
    let (_, proposal) = proposal(&mut linked());
    let short = shorten(plain(&proposal));
    let hash = Hash::of_bytes("bitcraps test golden message", &short);
    assert_eq!((short.len(), hash.to_string().as_str()), GOLDEN);
    let compact: Compact = match Packet::decode(&short) {
        Ok(Packet::Compact(compact)) => compact,
        other => panic!("{other:?}"),
    };
    assert_eq!(decode(&encode(&compact), short.len()), Ok(compact));
}

const GOLDEN: (usize, &str) =
    (411, "2ca94f5708a2ddceac433fc36158fb6400d1a113cbe36f5bc760ded089e7f569");
