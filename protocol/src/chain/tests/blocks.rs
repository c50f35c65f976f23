use super::*;

/// What a chain says of one block with these transactions on its finalized tip.
fn verdict(
    net: &Net,
    chain: &mut Chain,
    transactions: &[VerifiedTransaction],
) -> Option<Rejection> {
    let (hash, slot) = chain.finalized();
    let (header, body) = net.block_of(chain, Tip { hash, slot }, transactions);
    match chain.check(&header, &body) {
        // The state root in the header is the parent's: acceptable means only that is wrong.
        Err(Invalid::WrongCommitments) => None,
        Err(Invalid::Rejected { index, why }) => {
            assert_eq!(index, transactions.len() - 1, "the last transaction is the bad one");
            Some(why)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transfer_moves_chips_and_uses_its_nonce() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    let transfer = net.transfer(0, 1, 1, 250);
    assert_eq!(chain.submit(transfer.clone()), Ok(None));
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let executed = vec![(transfer.id(), net.players[0].peer(), None)];
    assert_eq!(finalized.effects, Effects { executed, ..Effects::default() });
    assert_eq!(finalized.dropped, vec![]);
    assert_eq!((net.balance(&chain, 0), net.balance(&chain, 1)), (CHIPS - 250, CHIPS + 250));
    assert_eq!(chain.mempool_len(), 0);
    assert_eq!(chain.next_nonce(&net.players[0].peer()), Some(Nonce(2)));
}

#[test]
fn a_transaction_is_executed_once_and_never_again() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    let transfer = net.transfer(0, 1, 1, 250);
    chain.submit(transfer.clone()).unwrap();
    net.advance(&mut chain, &mut tip, 1000);

    let used = Rejection::NonceUsed { next: Nonce(2) };
    assert_eq!(verdict(&net, &mut chain, core::slice::from_ref(&transfer)), Some(used.clone()));
    assert_eq!(chain.trial(&tip.hash, tip.slot.time, &transfer), Err(used.clone()));
    assert_eq!(chain.submit(transfer), Err(SubmitRefusal::Rejected(used)));
    let twice = [net.transfer(0, 2, 1, 1), net.transfer(0, 2, 1, 1)];
    let used = Rejection::NonceUsed { next: Nonce(3) };
    assert_eq!(verdict(&net, &mut chain, &twice), Some(used));
}

#[test]
fn what_is_not_acceptable_makes_the_block_invalid() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    let stranger = Keypair::from_seed([99; 32]);
    let mut check = |transaction: VerifiedTransaction| verdict(&net, &mut chain, &[transaction]);

    assert_eq!(check(net.transfer(0, 1, 1, CHIPS)), None);
    let insufficient = Rejection::InsufficientFunds { have: Chips(CHIPS), need: Chips(CHIPS + 1) };
    assert_eq!(check(net.transfer(0, 1, 1, CHIPS + 1)), Some(insufficient.clone()));
    assert_eq!(check(net.transfer(0, 1, 0, CHIPS + 1)), Some(insufficient.clone()), "to oneself");
    assert_eq!(check(net.transfer(0, 1, 0, CHIPS)), None, "to oneself");
    assert_eq!(check(net.sign(0, 1, open(CHIPS + 1))), Some(insufficient));
    assert_eq!(check(net.transfer(0, 1, 1, 0)), Some(Rejection::NothingToTransfer));
    assert_eq!(check(net.transfer(0, 64, 1, 1)), None, "a gap of 64");
    assert_eq!(check(net.transfer(0, 65, 1, 1)), Some(Rejection::NonceTooFar));
    let nonce = Some(Rejection::NonceUsed { next: Nonce(1) });
    assert_eq!(check(net.transfer(0, 0, 1, 1)), nonce);

    let expiring = |expires| {
        let to = address(&net.players[1]);
        let transaction = Transaction {
            sender: address(&net.players[0]),
            nonce: Nonce(1),
            expires: Height(expires),
            operation: Operation::Transfer { to, amount: Chips(1) },
        };
        transaction.sign(&net.players[0], net.genesis.network())
    };
    assert_eq!(check(expiring(1)), None);
    assert_eq!(check(expiring(0)), Some(Rejection::Expired { expires: Height(0) }));
    assert_eq!(check(expiring(100_001)), None);
    assert_eq!(check(expiring(100_002)), Some(Rejection::ExpiryTooFar));

    let unpaid = Transaction {
        sender: address(&stranger),
        nonce: Nonce(1),
        expires: Height(9),
        operation: Operation::Sit { table: TableId(1) },
    };
    assert_eq!(check(unpaid.sign(&stranger, net.genesis.network())), Some(Rejection::NoAccount));
    let peer = stranger.peer();
    let proof = (0..).map(ProofOfWork).find(|p| p.bits(peer) < u32::from(BITS)).unwrap();
    let to = Address { peer, proof };
    let cheap = net.sign(0, 1, Operation::Transfer { to, amount: Chips(1) });
    assert_eq!(check(cheap), Some(Rejection::TooLittleWork { bits: BITS }));
    let worthy = Operation::Transfer { to: address(&stranger), amount: Chips(1) };
    assert_eq!(check(net.sign(0, 1, worthy)), None);

    let table = TableId(1);
    let missing = Some(Rejection::NoSuchTable { table });
    for operation in [
        Operation::CloseTable { table },
        Operation::Sit { table },
        Operation::Stand { table },
        Operation::Ready { table, round: Round(1) },
        Operation::Roll { table, round: Round(1) },
    ] {
        assert_eq!(check(net.sign(0, 1, operation)), missing);
    }
}

#[test]
fn a_block_creates_no_more_accounts_than_it_may() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    let payments: Vec<VerifiedTransaction> = (0..65u8)
        .map(|seed| {
            let stranger = address(&Keypair::from_seed([seed, 200].repeat(16).try_into().unwrap()));
            let operation = Operation::Transfer { to: stranger, amount: Chips(1) };
            let (player, nonce) = (usize::from(seed % 2), u64::from(seed / 2) + 1);
            net.sign(player, nonce, operation)
        })
        .collect();
    assert_eq!(verdict(&net, &mut chain, &payments[..64]), None);
    assert_eq!(verdict(&net, &mut chain, &payments), Some(Rejection::NoRoom));
}

#[test]
fn an_account_has_no_more_transactions_in_a_block_than_it_may() {
    let net = Net::new(1, 2);
    let mut chain = net.chain();
    let many: Vec<VerifiedTransaction> =
        (1..=65).map(|nonce| net.transfer(0, nonce, 1, 1)).collect();
    assert_eq!(verdict(&net, &mut chain, &many[..64]), None);
    assert_eq!(verdict(&net, &mut chain, &many), Some(Rejection::NoRoom));
}

#[test]
fn a_header_that_tells_anything_else_than_its_body_does_is_refused() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    chain.submit(net.transfer(0, 1, 1, 5)).unwrap();
    let (header, body) = net.propose(&mut chain, tip, next(tip, 1000));
    let mut other = net.chain();
    let mut check = |change: &dyn Fn(&mut Header)| {
        let mut header = header;
        change(&mut header);
        other.check(&header, &body)
    };
    let wrong = Hash([1; 32]);
    let commitments = Err(Invalid::WrongCommitments);
    assert_eq!(check(&|header| header.commitments.state = wrong), commitments);
    assert_eq!(check(&|header| header.commitments.validators = wrong), commitments);
    assert_eq!(check(&|header| header.commitments.dice_key = wrong), commitments);
    assert_eq!(check(&|header| header.commitments.has_rolls = true), commitments);
    let transactions = check(&|header| header.commitments.transactions = wrong);
    assert_eq!(transactions, Err(Invalid::WrongBody));
    assert_eq!(check(&|header| header.parent.hash = wrong), Err(Invalid::UnknownParent));
    assert_eq!(check(&|header| header.network = wrong), Err(Invalid::WrongNetwork));
    assert_eq!(check(&|header| header.epoch = Epoch(1)), Err(Invalid::WrongNetwork));
    assert_eq!(check(&|header| header.height = Height(2)), Err(Invalid::OutOfOrder));
    assert_eq!(check(&|header| header.view = View(0)), Err(Invalid::OutOfOrder));
    assert_eq!(check(&|header| header.parent.view = View(1)), Err(Invalid::OutOfOrder));
    assert_eq!(check(&|header| header.time = tip.slot.time), Err(Invalid::OutOfOrder));
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|_| {}), Ok(()), "again");
    let garbage = other.check(&Header { view: View(9), ..header }, &Bytes::from_static(b"?"));
    assert_eq!(garbage, Err(Invalid::WrongBody));
}

#[test]
fn a_signature_is_looked_at_even_when_the_id_is_known() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    let good = net.transfer(0, 1, 1, 5);
    chain.submit(good.clone()).unwrap();
    let mut bytes = crate::wire::encode(good.signed());
    *bytes.last_mut().unwrap() ^= 1;
    let forged: SignedTransaction = crate::wire::decode(&bytes, 1000).unwrap();
    assert_eq!(forged.id(), good.id());
    let body = Body {
        coins: List::new(vec![]).unwrap(),
        key_generation: List::new(vec![]).unwrap(),
        transactions: List::new(vec![forged]).unwrap(),
        rolls: List::new(vec![]).unwrap(),
    };
    let slot = next(tip, 1);
    let commitments = Commitments { transactions: body.root(), ..Commitments::default() };
    let header = net.header(tip, slot, commitments);
    let verdict = chain.check(&header, &body.encode());
    let why = NotAuthentic::BadSignature;
    assert_eq!(verdict, Err(Invalid::NotAuthentic { index: 0, why }));
}

#[test]
fn of_two_children_one_becomes_final_and_the_other_is_forgotten() {
    let net = Net::new(1, 3);
    let (mut chain, tip) = (net.chain(), net.tip());
    let (left, right) = (net.transfer(0, 1, 1, CHIPS), net.transfer(0, 1, 2, CHIPS));
    let block = |chain: &mut Chain, tip, transaction: &VerifiedTransaction, view| {
        // The proposer is a chain of its own, which knows of this transaction only.
        let mut proposer = net.chain();
        proposer.submit(transaction.clone()).unwrap();
        let slot = Slot { view: View(view), ..next(tip, 1000) };
        let (header, body) = net.propose(&mut proposer, tip, slot);
        assert_eq!(chain.check(&header, &body), Ok(()));
        Tip { hash: header.hash(), slot }
    };
    let first = block(&mut chain, tip, &left, 1);
    let second = block(&mut chain, tip, &right, 2);
    let empty_on = |chain: &mut Chain, tip| {
        let slot = next(tip, 1000);
        let (header, body) = net.propose(chain, tip, slot);
        assert_eq!(chain.check(&header, &body), Ok(()));
        (Tip { hash: header.hash(), slot }, header, body)
    };
    let (above_first, orphan, orphan_body) = empty_on(&mut chain, first);
    let (above_second, ..) = empty_on(&mut chain, second);

    chain.finalize(&second.hash);
    assert_eq!((net.balance(&chain, 1), net.balance(&chain, 2)), (CHIPS, 2 * CHIPS));
    assert!(!chain.knows(&first.hash) && !chain.knows(&above_first.hash));
    assert_eq!(chain.check(&orphan, &orphan_body), Err(Invalid::UnknownParent));
    chain.finalize(&above_second.hash);
    assert_eq!(chain.finalized(), (above_second.hash, above_second.slot));
    assert!(chain.state().conserved());
}

#[test]
#[should_panic(expected = "only an executed block becomes final")]
fn a_block_that_was_not_executed_does_not_become_final() {
    Net::new(1, 1).chain().finalize(&Hash([3; 32]));
}

#[test]
fn a_thousand_blocks_that_come_to_nothing_leave_memory_bounded_and_the_chain_alive() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    chain.submit(net.transfer(0, 1, 1, 5)).unwrap();
    let mut last = tip;
    for view in 1..=1000 {
        let slot = Slot { view: View(view), ..next(tip, 1000) };
        let (header, body) = net.propose(&mut chain, tip, slot);
        assert_eq!(chain.check(&header, &body), Ok(()));
        last = Tip { hash: header.hash(), slot };
    }
    assert_eq!(chain.blocks.unfinalized(), 256);
    chain.finalize(&last.hash);
    assert_eq!(chain.blocks.unfinalized(), 0);
    assert_eq!(net.balance(&chain, 1), CHIPS + 5);
}

#[test]
fn every_entry_of_a_body_is_proved_under_its_header() {
    let net = Net::new(1, 2);
    let (mut chain, tip) = (net.chain(), net.tip());
    for nonce in 1..=5 {
        chain.submit(net.transfer(0, nonce, 1, 1)).unwrap();
    }
    let (header, bytes) = net.propose(&mut chain, tip, next(tip, 1000));
    let body = Body::of(&header, &bytes).unwrap();
    let root = header.commitments.transactions;
    assert_eq!(body.items().count(), 5);
    for (index, item) in body.items().enumerate() {
        let proof = body.prove(index).unwrap();
        assert!(item.is_in(&root, &proof));
        assert!(!Item::Roll(TableId(1)).is_in(&root, &proof));
        assert!(!item.is_in(&header.commitments.state, &proof));
    }
    assert_eq!(body.prove(5), None);
    assert_eq!(Body::of(&header, &bytes[1..]), None);
}
