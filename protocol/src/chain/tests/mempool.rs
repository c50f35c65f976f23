use super::*;
use crate::wire::{decode, encode, limits};

#[test]
fn what_waits_is_bounded_for_each_account() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    for nonce in (1..=64).rev() {
        assert_eq!(chain.submit(net.transfer(0, nonce, 1, 1)), Ok(None));
    }
    let peer = net.players[0].peer();
    assert_eq!(chain.next_nonce(&peer), Some(Nonce(65)));
    let far = SubmitRefusal::Rejected(Rejection::NonceTooFar);
    assert_eq!(chain.submit(net.transfer(0, 65, 1, 1)), Err(far));
    assert_eq!(chain.submit(net.transfer(0, 3, 1, 1)), Err(SubmitRefusal::Known));
    let taken = SubmitRefusal::Rejected(Rejection::NonceUsed { next: Nonce(65) });
    assert_eq!(chain.submit(net.transfer(0, 3, 1, 2)), Err(taken));
    assert_eq!(chain.mempool_len(), 64);
    assert!(chain.contains(&net.transfer(0, 3, 1, 1).id()));
    assert_eq!(chain.next_nonce(&Keypair::from_seed([77; 32]).peer()), None);
}

#[test]
fn what_cannot_be_done_gives_way_to_what_can() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    let too_much = net.transfer(0, 1, 1, CHIPS + 1);
    chain.submit(too_much.clone()).unwrap();
    let taken = SubmitRefusal::Rejected(Rejection::NonceUsed { next: Nonce(2) });
    let worse = chain.submit(net.transfer(0, 1, 1, CHIPS + 2));
    assert_eq!(worse, Err(taken.clone()), "only what could be done displaces");
    let insufficient = Rejection::InsufficientFunds { have: Chips(CHIPS), need: Chips(CHIPS + 1) };
    let possible = net.transfer(0, 1, 1, 1);
    let displaced = (too_much.id(), insufficient);
    assert_eq!(chain.submit(possible.clone()), Ok(Some(displaced)));
    assert!(chain.contains(&possible.id()) && !chain.contains(&too_much.id()));
    assert_eq!(chain.submit(net.transfer(0, 1, 1, 2)), Err(taken), "what could be done stays");
    let executed = net.advance(&mut chain, &mut tip, 1000).effects.executed;
    assert_eq!(executed.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [possible.id()]);
}

#[test]
fn who_knows_a_transaction_does_not_vouch_for_it_under_another_signature() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    let transaction = net.transfer(0, 1, 1, 1);
    let signed = transaction.signed().clone();
    assert!(!chain.vouches_for(&signed));
    chain.submit(transaction).unwrap();
    assert!(chain.vouches_for(&signed));

    let mut bytes = encode(&signed);
    *bytes.last_mut().unwrap() ^= 1;
    let forged: SignedTransaction = decode(&bytes, limits::TRANSACTION_BYTES).unwrap();
    assert_eq!(forged.id(), signed.id());
    assert!(!chain.vouches_for(&forged));
    assert_eq!(chain.verify(forged), Err(NotAuthentic::BadSignature));
}

#[test]
fn a_trial_counts_what_waits_already() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    chain.submit(net.transfer(0, 1, 1, CHIPS - 10)).unwrap();
    let trial = |chain: &Chain, transaction| chain.trial(&tip.hash, tip.slot.time, &transaction);
    let insufficient = Rejection::InsufficientFunds { have: Chips(10), need: Chips(11) };
    assert_eq!(trial(&chain, net.transfer(0, 2, 1, 11)), Err(insufficient));
    assert_eq!(trial(&chain, net.transfer(0, 2, 1, 10)), Ok(()));
    assert_eq!(chain.mempool_len(), 1, "a trial leaves nothing behind");
    let spent = net.transfer(1, 1, 0, CHIPS + 1);
    let insufficient = Rejection::InsufficientFunds { have: Chips(CHIPS), need: Chips(CHIPS + 1) };
    assert_eq!(trial(&chain, spent), Err(insufficient), "what others will pay does not count");
}

#[test]
fn everybody_has_a_turn_before_anybody_has_a_second() {
    let net = Net::new(1, 3);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    for (player, count) in [(0, 60), (1, 2), (2, 1)] {
        for nonce in 1..=count {
            chain.submit(net.transfer(player, nonce, (player + 1) % 3, 1)).unwrap();
        }
    }
    let order: Vec<PeerId> = net
        .advance(&mut chain, &mut tip, 1000)
        .effects
        .executed
        .into_iter()
        .map(|(_, sender, _)| sender)
        .collect();
    let places = |player: usize| {
        let peer = net.players[player].peer();
        let places = order.iter().enumerate().filter(|(_, sender)| **sender == peer);
        places.map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(order.len(), 63);
    assert!(places(0)[0] < 3 && places(1)[0] < 3 && places(2)[0] < 3);
    assert!(places(1)[1] < 5);
}

#[test]
fn a_block_is_filled_up_to_its_target_and_the_rest_waits_in_order() {
    let net = Net::new(1, 20);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    for player in 0..20 {
        for nonce in 1..=50 {
            chain.submit(net.transfer(player, nonce, (player + 1) % 20, 1)).unwrap();
        }
    }
    let slot = next(tip, 1000);
    let (_, body) = net.propose(&mut chain, tip, slot);
    assert!(body.len() <= limits::BODY_TARGET_BYTES);
    assert!(body.len() > limits::BODY_TARGET_BYTES - 1024);
    let mut executed = 0;
    while executed < 1000 {
        let finalized = net.advance(&mut chain, &mut tip, 1000);
        assert_eq!(finalized.dropped, vec![]);
        executed += finalized.effects.executed.len();
    }
    assert_eq!((executed, chain.mempool_len()), (1000, 0));
}

#[test]
fn a_later_nonce_waits_a_few_blocks_for_one_that_is_late() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    chain.submit(net.transfer(0, 2, 1, 1)).unwrap();
    assert!(chain.has_content(&tip.hash, tip.slot.time));
    assert_eq!(net.advance(&mut chain, &mut tip, 1000).effects, Effects::default());
    chain.submit(net.transfer(0, 1, 1, 1)).unwrap();
    assert_eq!(net.advance(&mut chain, &mut tip, 1000).effects.executed.len(), 2);

    chain.submit(net.transfer(0, 5, 1, 1)).unwrap();
    let mut blocks = 0;
    while chain.mempool_len() > 0 {
        assert!(chain.has_content(&tip.hash, tip.slot.time));
        net.advance(&mut chain, &mut tip, 1000);
        blocks += 1;
    }
    assert_eq!(blocks, 4);
}

#[test]
fn what_became_impossible_is_dropped_with_the_reason() {
    let net = Net::new(1, 3);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    let overspent = net.transfer(0, 1, 1, CHIPS + 1);
    let possible = net.transfer(0, 2, 1, 1);
    let expiring = {
        let transaction = Transaction {
            sender: address(&net.players[1]),
            nonce: Nonce(1),
            expires: Height(2),
            operation: Operation::Transfer {
                to: address(&net.players[0]),
                amount: Chips(2 * CHIPS),
            },
        };
        transaction.sign(&net.players[1], net.genesis.network())
    };
    for transaction in [&overspent, &possible, &expiring] {
        chain.submit(transaction.clone()).unwrap();
    }
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let insufficient =
        Rejection::InsufficientFunds { have: Chips(CHIPS - 1), need: Chips(CHIPS + 1) };
    assert_eq!(finalized.dropped, vec![(overspent.id(), insufficient)]);
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let expired = Rejection::Expired { expires: Height(2) };
    assert_eq!(finalized.dropped, vec![(expiring.id(), expired)]);
    assert_eq!(chain.mempool_len(), 0);
}

#[test]
fn there_is_content_only_while_something_could_be_ordered() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    assert!(!chain.has_content(&tip.hash, tip.slot.time));
    assert!(!chain.is_brisk(&tip.hash));
    chain.submit(net.transfer(0, 1, 1, CHIPS + 1)).unwrap();
    assert!(!chain.has_content(&tip.hash, tip.slot.time), "it cannot be paid");
    chain.submit(net.transfer(1, 1, 0, 1)).unwrap();
    assert!(chain.has_content(&tip.hash, tip.slot.time));
    net.advance(&mut chain, &mut tip, 1000);
    // Whose turn came first in that block depends on its parent's hash.
    let waits = chain.mempool_len() == 1;
    assert_eq!(chain.has_content(&tip.hash, tip.slot.time), waits, "now it can be paid");
    net.advance(&mut chain, &mut tip, 1000);
    assert_eq!(chain.mempool_len(), 0);
    assert!(!chain.has_content(&tip.hash, tip.slot.time));
    assert!(!chain.has_content(&Hash([1; 32]), tip.slot.time), "on an unknown block");
    assert!(chain.build(&Hash([1; 32]), tip.slot, vec![], false).is_none());
}

#[test]
fn offers_go_round_everything_that_waits() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    assert!(chain.offer(3).is_empty());
    for nonce in 1..=5 {
        chain.submit(net.transfer(0, nonce, 1, 1)).unwrap();
    }
    let mut offered: Vec<TransactionId> = Vec::new();
    for _ in 0..5 {
        offered.extend(chain.offer(3).iter().map(VerifiedTransaction::id));
    }
    assert_eq!(offered[..5], offered[5..10]);
    assert_eq!(offered[..5], offered[10..]);
    assert_eq!(offered[..5].iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(chain.offer(100).len(), 5);
}

#[test]
fn an_outline_is_filled_in_by_whoever_has_its_transactions_until_they_are_final() {
    let net = Net::new(1, 3);
    let (mut leader, mut other) = (net.chain(), net.chain());
    let (one, two) = (net.transfer(0, 1, 1, 5), net.transfer(1, 1, 2, 7));
    for transaction in [&one, &two] {
        leader.submit(transaction.clone()).unwrap();
    }
    let tip = net.tip();
    let slot = next(tip, 1000);
    let (header, body) = net.propose(&mut leader, tip, slot);
    let outline = Body::decode(&body).unwrap().outline();
    assert_eq!(outline.root(), header.commitments.transactions);
    assert_eq!(outline.transactions().len(), 2);
    assert!(encode(&outline).len() < body.len() / 2);
    assert_eq!(decode::<Outline>(&encode(&outline), limits::BODY_BYTES), Ok(outline.clone()));

    assert_eq!(other.fill(&outline), None);
    other.submit(two).unwrap();
    assert_eq!(other.fill(&outline), None);
    other.submit(one.clone()).unwrap();
    assert_eq!(other.fill(&outline), Some(body.clone()));
    // What is voted for may come again in another block, until it is final.
    assert_eq!(other.check(&header, &body), Ok(()));
    assert_eq!(other.fill(&outline), Some(body));
    other.finalize(&header.hash());
    assert_eq!(other.fill(&outline), None);
    assert_eq!(other.mempool_len(), 0);
}

#[test]
fn a_transaction_under_another_signature_has_another_name() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    chain.submit(net.transfer(0, 1, 1, 1)).unwrap();
    let outline = Body::decode(&net.propose(&mut chain, tip, next(tip, 1000)).1).unwrap().outline();
    let mut bytes = encode(net.transfer(0, 1, 1, 1).signed());
    *bytes.last_mut().unwrap() ^= 1;
    let forged: SignedTransaction = decode(&bytes, limits::TRANSACTION_BYTES).unwrap();
    let leaf = |signed: &SignedTransaction| Item::Transaction(signed).leaf();
    assert_eq!(outline.transactions(), [leaf(net.transfer(0, 1, 1, 1).signed())]);
    assert_ne!(outline.transactions(), [leaf(&forged)]);
}
