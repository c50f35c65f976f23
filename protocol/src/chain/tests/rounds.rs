use super::*;
use crate::craps::{Bet, Dice, Phase};

const TABLE: TableId = TableId(1);

fn bet(round: u64, bet: Bet, amount: u64) -> Operation {
    Operation::Bet { table: TABLE, round: Round(round), bet, amount: Chips(amount) }
}

fn roll(round: u64) -> Operation {
    Operation::Roll { table: TABLE, round: Round(round) }
}

/// Player 0 has opened table 1 with a bank of 5,000, player 1 sits there.
fn seated(net: &Net) -> (Chain, Tip) {
    let (mut chain, mut tip) = (net.chain(), net.tip());
    let opening = net.sign(0, 1, open(5000));
    chain.submit(opening.clone()).unwrap();
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let executed = vec![(opening.id(), net.players[0].peer(), Some(TABLE))];
    assert_eq!(finalized.effects, Effects { executed, ..Effects::default() });
    chain.submit(net.sign(1, 1, Operation::Sit { table: TABLE })).unwrap();
    net.advance(&mut chain, &mut tip, 1000);
    (chain, tip)
}

/// As before, and player 1 has 10 on pass and has thrown the dice of round 1.
fn rolling(net: &Net) -> (Chain, Tip, Finalized) {
    let (mut chain, mut tip) = seated(net);
    chain.submit(net.sign(1, 2, bet(1, Bet::Pass, 10))).unwrap();
    net.advance(&mut chain, &mut tip, 1000);
    net.advance(&mut chain, &mut tip, 1000);
    chain.submit(net.sign(1, 3, roll(1))).unwrap();
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    (chain, tip, finalized)
}

fn phase(chain: &Chain) -> Phase {
    chain.state().table(TABLE).unwrap().table.phase()
}

#[test]
fn a_round_is_bet_rolled_and_settled_by_the_coin_of_its_view() {
    let net = Net::new(4, 2);
    let (mut chain, mut tip, finalized) = rolling(&net);
    assert_eq!(finalized.effects.rolled, vec![(TABLE, Round(1))]);
    let view = tip.slot.view;
    assert_eq!(chain.unrecorded(&tip.hash), vec![view]);
    assert!(chain.is_brisk(&tip.hash));
    assert_eq!(net.balance(&chain, 0), CHIPS - 5000);
    assert_eq!(net.balance(&chain, 1), CHIPS - 10);

    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let coin =
        net.coin(view).verify(&net.genesis.dealt().unwrap().key, net.genesis.network(), Epoch(0));
    let dice = Dice::from_bytes(coin.unwrap().dice_bytes(TABLE.0, 1));
    assert_eq!(finalized.effects.settled, vec![(TABLE, Round(1), dice)]);
    assert_eq!(chain.unrecorded(&tip.hash), vec![]);
    let table = &chain.state().table(TABLE).unwrap().table;
    assert_eq!(table.round(), Round(2));
    let (player, bank) = (net.balance(&chain, 1), table.bank().0);
    let expected = match dice.total() {
        7 | 11 => (CHIPS + 10, 4990),
        2 | 3 | 12 => (CHIPS - 10, 5010),
        _ => (CHIPS - 10, 5000),
    };
    assert_eq!((player, bank), expected);
}

#[test]
fn nothing_moves_at_a_table_while_its_dice_are_in_the_air() {
    let net = Net::new(1, 2);
    let (chain, tip, _) = rolling(&net);
    let frozen = Err(Rejection::Table(craps::Refusal::Rolling));
    for operation in [
        bet(1, Bet::Pass, 10),
        bet(2, Bet::Field, 10),
        Operation::TakeDown { table: TABLE, round: Round(1), bet: Bet::Pass, amount: None },
        Operation::SetWorking { table: TABLE, round: Round(1), bet: Bet::Pass, on: false },
        Operation::Stand { table: TABLE },
        Operation::Ready { table: TABLE, round: Round(1) },
        roll(1),
        roll(2),
    ] {
        let transaction = net.sign(1, 4, operation);
        assert_eq!(chain.trial(&tip.hash, tip.slot.time, &transaction), frozen);
    }
    let closing = net.sign(0, 2, Operation::CloseTable { table: TABLE });
    assert_eq!(chain.trial(&tip.hash, tip.slot.time, &closing), frozen);
}

#[test]
fn no_chip_leaves_the_bank_while_the_dice_are_in_the_air() {
    let net = Net::new(1, 2);
    let (mut chain, tip, _) = rolling(&net);
    let (bank, balance) =
        (chain.state().table(TABLE).unwrap().table.bank(), net.balance(&chain, 0));
    let drawing = Operation::Draw { table: TABLE, amount: Chips(100) };
    chain.submit(net.sign(0, 2, drawing)).unwrap();
    // A block in v + 1 without the coin.
    let slot = next(tip, 1000);
    let (body, commitments) = chain.build(&tip.hash, slot, vec![], false).unwrap();
    let header = net.header(tip, slot, commitments);
    assert_eq!(chain.check(&header, &body), Ok(()));
    let finalized = chain.finalize(&header.hash());
    assert_eq!(finalized.effects.executed.len(), 1);
    assert_eq!(chain.state().table(TABLE).unwrap().table.bank(), bank);
    assert_eq!(net.balance(&chain, 0), balance);
}

#[test]
fn only_the_coin_that_a_roll_waits_for_is_recorded() {
    let net = Net::new(4, 2);
    let (mut chain, tip, _) = rolling(&net);
    let view = tip.slot.view;
    let mut check = |coins: Vec<CoinProof>| {
        let body = Body {
            coins: List::new(coins).unwrap(),
            key_generation: List::new(vec![]).unwrap(),
            transactions: List::new(vec![]).unwrap(),
            rolls: List::new(vec![]).unwrap(),
        };
        let commitments = Commitments { transactions: body.root(), ..Commitments::default() };
        chain.check(&net.header(tip, next(tip, 1000), commitments), &body.encode())
    };
    let good = net.coin(view);
    let other = View(view.0 - 1);
    assert_eq!(check(vec![net.coin(other)]), Err(Invalid::NoPendingRoll { view: other }));
    let bad = Err(Invalid::BadCoin { view });
    assert_eq!(check(vec![net.coin_by(view, 0..2)]), bad, "too few");
    assert_eq!(check(vec![net.coin_by(view, 0..4)]), bad, "too many");
    assert_eq!(check(vec![net.coin_by(view, [1, 1, 2])]), bad, "one twice");
    assert_eq!(check(vec![CoinProof { view, ..net.coin(other) }]), bad, "of another view");
    let twice = Err(Invalid::NoPendingRoll { view });
    assert_eq!(check(vec![good.clone(), good.clone()]), twice, "recorded already");
    assert_eq!(check(vec![good]), Err(Invalid::WrongCommitments), "all is well but the header");
}

#[test]
fn every_choice_of_shares_settles_alike() {
    let net = Net::new(4, 2);
    let (mut chain, tip, _) = rolling(&net);
    let before = chain.state().root();
    let mut commit = |members: [u16; 3]| {
        let coin = net.coin_by(tip.slot.view, members);
        chain.build(&tip.hash, next(tip, 1000), vec![coin], false).unwrap().1.state
    };
    let root = commit([0, 1, 2]);
    assert_ne!(root, before);
    assert_eq!([commit([0, 1, 3]), commit([0, 2, 3]), commit([1, 2, 3])], [root; 3]);
}

#[test]
fn a_leader_may_leave_a_bad_coin_out_and_propose_an_empty_block() {
    let net = Net::new(4, 2);
    let (mut chain, tip, _) = rolling(&net);
    chain.submit(net.transfer(1, 4, 0, 1)).unwrap();
    let bad = net.coin_by(tip.slot.view, 0..2);
    let slot = next(tip, 1000);
    let (body, commitments) = chain.build(&tip.hash, slot, vec![bad], true).unwrap();
    assert_eq!(Body::decode(&body).unwrap().items().count(), 0);
    assert_eq!(commitments.state, chain.state().root());
    let coins = vec![net.coin(tip.slot.view)];
    let (body, _) = chain.build(&tip.hash, slot, coins, true).unwrap();
    let body = Body::decode(&body).unwrap();
    assert_eq!((body.coins.len(), body.transactions.len()), (1, 0));
}

#[test]
fn a_roll_that_comes_too_early_waits_until_the_betting_window_has_passed() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = seated(&net);
    chain.submit(net.sign(1, 2, bet(1, Bet::Pass, 10))).unwrap();
    chain.submit(net.sign(0, 2, Operation::Sit { table: TABLE })).unwrap();
    chain.submit(net.sign(0, 3, bet(1, Bet::Field, 10))).unwrap();
    net.advance(&mut chain, &mut tip, 1000);
    chain.submit(net.sign(1, 3, roll(1))).unwrap();
    assert!(!chain.has_content(&tip.hash, tip.slot.time), "player 0 may still bet");
    assert!(chain.is_brisk(&tip.hash));
    net.advance(&mut chain, &mut tip, 1000);
    assert!(chain.has_content(&tip.hash, tip.slot.time));
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    assert_eq!(finalized.effects.rolled, vec![(TABLE, Round(1))]);
}

#[test]
fn the_house_throws_for_a_shooter_who_does_not_and_nobody_else_may() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = seated(&net);
    assert_eq!(chain.next_deadline(&tip.hash), None);
    chain.submit(net.sign(1, 2, bet(1, Bet::Pass, 10))).unwrap();
    net.advance(&mut chain, &mut tip, 1000);
    let deadline = tip.slot.time.plus_millis(quick().shooter_ms);
    assert_eq!(chain.next_deadline(&tip.hash), Some(deadline));
    net.advance(&mut chain, &mut tip, 1000);
    net.advance(&mut chain, &mut tip, 1000);
    assert!(!chain.has_content(&tip.hash, BlockTime(deadline.0 - 1)));
    assert!(chain.has_content(&tip.hash, deadline));

    let body = Body {
        coins: List::new(vec![]).unwrap(),
        key_generation: List::new(vec![]).unwrap(),
        transactions: List::new(vec![]).unwrap(),
        rolls: List::new(vec![TABLE]).unwrap(),
    };
    let commitments = Commitments { transactions: body.root(), ..Commitments::default() };
    let early = Slot { time: BlockTime(deadline.0 - 1), ..next(tip, 1) };
    let why = Rejection::Table(craps::Refusal::ShooterHasTime { until: deadline });
    assert_eq!(
        chain.check(&net.header(tip, early, commitments), &body.encode()),
        Err(Invalid::SystemRoll { table: TABLE, why })
    );
    let to_go = deadline.0 - tip.slot.time.0;
    let finalized = net.advance(&mut chain, &mut tip, to_go);
    assert_eq!(finalized.effects.rolled, vec![(TABLE, Round(1))]);
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    assert_eq!(finalized.effects.settled.len(), 1);
}

#[test]
fn bets_for_a_round_that_has_passed_are_dropped() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip, _) = rolling(&net);
    let late = net.sign(1, 4, bet(1, Bet::Field, 10));
    chain.submit(late.clone()).unwrap();
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let passed = Rejection::Table(craps::Refusal::WrongRound { current: Round(2) });
    assert_eq!(finalized.dropped, vec![(late.id(), passed)]);
    assert_eq!(chain.mempool_len(), 0);
    assert!(matches!(phase(&chain), Phase::Betting { .. }));
}

#[test]
fn a_table_is_closed_by_its_owner_alone_and_returns_its_bank() {
    let net = Net::new(1, 2);
    let (mut chain, mut tip) = seated(&net);
    let closing = |player, nonce| net.sign(player, nonce, Operation::CloseTable { table: TABLE });
    let trial = chain.trial(&tip.hash, tip.slot.time, &closing(1, 2));
    assert_eq!(trial, Err(Rejection::NotOwner));
    assert_eq!(chain.state().account(&net.players[0].peer()).unwrap().tables, 1);
    chain.submit(closing(0, 2)).unwrap();
    chain.submit(net.sign(1, 2, Operation::Ready { table: TABLE, round: Round(2) })).unwrap();
    let finalized = net.advance(&mut chain, &mut tip, 1000);
    let gone = Rejection::NoSuchTable { table: TABLE };
    assert_eq!(finalized.dropped.iter().map(|(_, why)| why).collect::<Vec<_>>(), vec![&gone]);
    assert_eq!(net.balance(&chain, 0), CHIPS);
    let account = chain.state().account(&net.players[0].peer()).unwrap();
    assert_eq!((account.tables, chain.state().tables().count()), (0, 0));
    assert_eq!(chain.state().meta().open_tables, 0);
    assert_eq!(chain.state().meta().next_table, TableId(2));
}

#[test]
fn an_account_opens_no_more_tables_than_it_may() {
    let net = Net::new(1, 1);
    let (mut chain, mut tip) = (net.chain(), net.tip());
    for nonce in 1..=u64::from(OPEN_TABLES_PER_ACCOUNT) {
        chain.submit(net.sign(0, nonce, open(1))).unwrap();
    }
    net.advance(&mut chain, &mut tip, 1000);
    assert_eq!(chain.state().tables().count(), usize::from(OPEN_TABLES_PER_ACCOUNT));
    let one_more = net.sign(0, 17, open(1));
    let refused = chain.trial(&tip.hash, tip.slot.time, &one_more);
    assert_eq!(refused, Err(Rejection::TooManyTables));
}
