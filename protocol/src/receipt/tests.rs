//! A table on a chain whose blocks its validators sign, and the receipts of its rolls.

use alloc::vec;

use super::model::*;
use super::*;
use crate::block::View;
use crate::chain::{Genesis, Operation};
use crate::craps::Bet;
use crate::identity::Epoch;
use crate::wire::Hash;

#[test]
fn a_receipt_proves_the_roll_its_bets_and_what_they_paid() {
    let (net, receipt) = one();
    let verdict = receipt.verify(Trust::Genesis(&net.genesis), &Asked::default());
    let steps: Vec<Step> = verdict.passed.iter().map(|passed| passed.step).collect();
    assert_eq!(steps, Step::ALL);
    let proven = verdict.end.unwrap();
    assert_eq!((proven.table, proven.round), (TABLE, Round(1)));
    assert_eq!(proven.shooter, Some(net.keys[1].peer()));
    assert_eq!(proven.player, Some(net.keys[2].peer()));
    let table = &net.chain.state().table(TABLE).unwrap().table;
    assert_eq!(table.history().collect::<Vec<_>>(), vec![proven.settlement.dice]);
    for player in [1, 2] {
        let peer = net.keys[player].peer();
        let staked = if player == 1 { 10 } else { 6 };
        let paid = receipt.claim.payouts.iter().find(|(whose, _)| *whose == peer);
        let balance = net.chain.state().account(&peer).unwrap().balance.0;
        assert_eq!(balance, 100_000 - staked + paid.map_or(0, |(_, chips)| chips.0));
    }
}

#[test]
fn any_header_of_the_network_is_enough_to_trust() {
    let (mut net, receipt) = one();
    let trusted = receipt.header;
    net.advance();
    let later = Header { view: View(77), ..trusted };
    for header in [trusted, later] {
        assert!(receipt.verify(Trust::Header(&header), &Asked::default()).end.is_ok());
    }
    let failed = |header: Header| {
        let failed = receipt.verify(Trust::Header(&header), &Asked::default()).end.unwrap_err();
        (failed.step, failed.why)
    };
    let other = Header { network: Hash([1; 32]), ..trusted };
    let expected = (Step::Network, Why::OtherNetwork(net.genesis.network()));
    assert_eq!(failed(other), expected);
    let other = Header { epoch: Epoch(1), ..trusted };
    assert_eq!(failed(other), (Step::Validators, Why::OtherEpoch(Epoch(0))));
    let mut other = trusted;
    other.commitments.validators = Hash([1; 32]);
    assert_eq!(failed(other), (Step::Validators, Why::NotTheTrusted));
}

#[test]
fn a_receipt_reads_back_and_every_single_changed_bit_is_refused() {
    let (net, receipt) = one();
    let bytes = receipt.encode();
    assert_eq!(Receipt::decode(&bytes), Ok(receipt));
    let mut wrong = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        wrong[bit / 8] ^= 1 << (bit % 8);
        let accepted = Receipt::decode(&wrong).is_ok_and(|receipt| net.verify(&receipt).is_ok());
        assert!(!accepted, "bit {bit}");
        wrong[bit / 8] ^= 1 << (bit % 8);
    }
    for length in 0..bytes.len() {
        assert!(Receipt::decode(&bytes[..length]).is_err(), "{length}");
    }
    wrong.push(0);
    let longer = NotAReceipt::Malformed(Malformed::NotCanonical);
    assert_eq!(Receipt::decode(&wrong), Err(longer));
}

/// A roll on which more is up, whose block became final as an ancestor, for whom it may concern.
fn another() -> (Net, Receipt) {
    let mut net = Net::new(4, "test");
    net.is_signed = false;
    for (bet, chips) in [("place:6", 12), ("hard:8", 5), ("big6", 3), ("boxcars", 1)] {
        net.bet(1, bet.parse().unwrap(), chips);
    }
    let round = net.roll();
    net.advance();
    net.is_signed = true;
    net.advance();
    let receipt = net.receipt(round, None);
    assert!(receipt.trail.len() > 1);
    (net, receipt)
}

/// Where files are kept as they were written once: a genesis, and receipts of the network that it
/// begins, of each version.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/receipt/golden/");

fn kept(name: &str) -> Vec<u8> {
    std::fs::read(alloc::format!("{KEPT}{name}")).unwrap()
}

/// The kept files as they would be written now.
fn written_now() -> [(&'static str, Vec<u8>); 3] {
    let ((net, one), (_, another)) = (one(), another());
    [
        ("1.genesis", net.genesis.encode()),
        ("1.receipt", one.encode()),
        ("1-anybody.receipt", another.encode()),
    ]
}

#[test]
fn kept_receipts_are_written_as_before_and_hold() {
    for (name, now) in written_now() {
        assert!(kept(name) == now, "{name} is written differently: another version of the format");
    }
    let genesis = Genesis::decode(&kept("1.genesis")).unwrap();
    for name in ["1.receipt", "1-anybody.receipt"] {
        let receipt = Receipt::decode(&kept(name)).unwrap();
        let end = receipt.verify(Trust::Genesis(&genesis), &Asked::default()).end;
        assert_eq!(end.err(), None, "{name}");
    }
}

/// It reads a table and its rules by position, so it must follow every change of them; here that
/// cannot be overlooked even where there is no Python.
#[test]
fn the_verifier_in_python_was_tried_with_these_very_receipts() {
    let kept = written_now().map(|(name, _)| Hash::of("bitcraps test kept", &kept(name)));
    let tried = alloc::format!("TRIED = \"{}\"", Hash::of("bitcraps test tried", &kept));
    let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/src/receipt/verify.py");
    assert!(
        std::fs::read_to_string(verifier).unwrap().lines().any(|line| line == tried),
        "receipts have changed: see that verify.py follows, which tests of bitcraps-tokio do \
         where there is a Python, and then say so in it: {tried}"
    );
}

#[test]
fn the_verifier_in_python_reads_every_field_of_the_rules_in_its_place() {
    let between = |text: &'static str, from: &str, to: &str| {
        let (_, text) = text.split_once(from).unwrap();
        text.split_once(to).unwrap().0
    };
    let rules = between(include_str!("../craps/rules.rs"), "pub struct Rules {", "\n}");
    let fields = rules.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
    let reader = between(include_str!("verify.py"), "def read_rules(r):", "\ndef ");
    let read = between(reader, "return r.fields(", "\n\n");
    let read = read.split([' ', '\n', '(']).filter_map(|word| word.split_once('='));
    let names = |pairs: &mut dyn Iterator<Item = (&'static str, &'static str)>| -> Vec<_> {
        pairs.map(|(name, _)| name).collect()
    };
    assert_eq!(names(&mut { read }), names(&mut { fields }));
}

/// `cargo test -p bitcraps-protocol write_the_kept_receipts -- --ignored`, with every change of the
/// format.
#[test]
#[ignore = "writes into the sources"]
fn write_the_kept_receipts() {
    for (name, now) in written_now() {
        std::fs::write(alloc::format!("{KEPT}{name}"), now).unwrap();
    }
}

#[test]
fn the_oldest_rolls_are_forgotten_and_the_others_can_still_be_proved() {
    let mut net = Net::new(4, "test");
    let rounds: Vec<Round> = (0..4).map(|_| net.roll()).collect();
    let knows = |net: &Net| -> Vec<Round> {
        let known = |round: &&Round| net.rolls.material(TABLE, **round).is_ok();
        rounds.iter().filter(known).copied().collect()
    };
    assert_eq!(knows(&net), rounds);
    net.rolls.forget_beyond(3, BYTES);
    assert_eq!((net.rolls.len(), knows(&net)), (3, rounds[1..].to_vec()));
    let each = net.rolls.bytes() / 3;
    net.rolls.forget_beyond(ROLLS, 2 * each + each / 2);
    assert_eq!(knows(&net), rounds[2..]);
    assert!(net.rolls.bytes() <= 2 * each + each / 2);
    assert_eq!(net.rolls.material(TABLE, rounds[0]).err(), Some(NoReceipt::Unknown));
    for round in &rounds[2..] {
        assert!(net.verify(&net.receipt(*round, Some(2))).is_ok());
    }

    // One that is forgotten before its dice are known is not waited for either.
    let round = net.round();
    net.bet(2, Bet::Field, 5);
    net.advance();
    net.advance();
    let Player(shooter) = net.chain.state().table(TABLE).unwrap().table.shooter().unwrap();
    let shooter = net.keys.iter().position(|key| key.peer().0 == shooter).unwrap();
    net.act(shooter, Operation::Roll { table: TABLE, round });
    net.advance();
    net.rolls.forget_beyond(0, BYTES);
    assert_eq!((net.rolls.len(), net.rolls.bytes()), (0, 0));
    net.advance();
    assert_eq!(net.rolls.material(TABLE, round).err(), Some(NoReceipt::Unknown));
    let next = net.roll();
    assert!(net.verify(&net.receipt(next, None)).is_ok());
}

#[test]
fn a_receipt_of_another_network_table_round_or_player_is_refused() {
    let (net, receipt) = one();
    let other = Net::new(4, "other");
    let failed = other.verify(&receipt).unwrap_err();
    let why = Why::OtherNetwork(net.genesis.network());
    assert_eq!(failed, Failed { step: Step::Network, why });

    let ask = |asked: Asked| receipt.verify(Trust::Genesis(&net.genesis), &asked).end.err();
    let (me, them) = (net.keys[2].peer(), net.keys[1].peer());
    let right = Asked { table: Some(TABLE), round: Some(Round(1)), player: Some(me) };
    assert_eq!(ask(right), None);
    let refused = |why| Some(Failed { step: Step::Subject, why });
    let table = Some(TableId(2));
    assert_eq!(ask(Asked { table, ..right }), refused(Why::OtherTable(TABLE)));
    let round = Some(Round(2));
    assert_eq!(ask(Asked { round, ..right }), refused(Why::OtherRound(Round(1))));
    let player = Some(them);
    assert_eq!(ask(Asked { player, ..right }), refused(Why::OtherPlayer(Some(me))));
    let anybody = net.receipt(Round(1), None);
    let end = anybody.verify(Trust::Genesis(&net.genesis), &right).end;
    assert_eq!(end.err(), refused(Why::OtherPlayer(None)));
}

#[test]
fn each_part_of_another_receipt_fails_its_own_step() {
    let mut net = Net::new(4, "test");
    let (first, second) = (net.roll(), net.roll());
    let (a, b) = (net.receipt(first, Some(2)), net.receipt(second, Some(2)));
    let fails = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = a.clone();
        change(&mut receipt);
        let failed = net.verify(&receipt).unwrap_err();
        (failed.step, failed.why)
    };
    assert!(net.verify(&a).is_ok() && net.verify(&b).is_ok());
    let of = |step, why| (step, why);
    assert_eq!(
        fails(&|receipt| receipt.validators = List::new(vec![net.keys[0].peer()]).unwrap()),
        of(Step::Validators, Why::NotTheListed)
    );
    assert_eq!(
        fails(&|receipt| receipt.finalization = b.finalization.clone()),
        of(Step::Finality, Why::OtherBlock)
    );
    assert_eq!(
        fails(&|receipt| receipt.finalization = net.sign_with(&a.header, 2)),
        of(Step::Finality, Why::NoQuorum)
    );
    assert_eq!(
        fails(&|receipt| receipt.trail = List::new(vec![b.header]).unwrap()),
        of(Step::Finality, Why::BrokenTrail(0))
    );
    assert_eq!(
        fails(&|receipt| receipt.claim.table = TableId(2)),
        of(Step::Table, Why::NoSuchTable)
    );
    assert_eq!(
        fails(&|receipt| receipt.table = b.table.clone()),
        of(Step::Table, Why::NoSuchTable)
    );
    assert_eq!(
        fails(&|receipt| receipt.claim.round = second),
        of(Step::Table, Why::NotThisRound(first))
    );
    assert_eq!(fails(&|receipt| receipt.dice_key.version = 1), of(Step::DiceKey, Why::OtherKey));
    assert_eq!(fails(&|receipt| receipt.dice_key.threshold = 2), of(Step::DiceKey, Why::NoSuchKey));
    assert_eq!(
        fails(&|receipt| receipt.throw = b.throw.clone()),
        of(Step::Throw, Why::NotInTheBlock)
    );
    assert_eq!(fails(&|receipt| receipt.throw = Throw::House), of(Step::Throw, Why::NotInTheBlock));
    let shares = crate::beacon::BadCoinProof::BadShare(ValidatorIndex(0));
    assert_eq!(
        fails(&|receipt| receipt.shares = b.shares.clone()),
        of(Step::Shares, Why::BadShares(shares))
    );
    assert_eq!(
        fails(&|receipt| receipt.claim.coin = b.claim.coin),
        of(Step::Coin, Why::OtherCoin(a.claim.coin))
    );
    let aces = Dice::new(1, 1).unwrap();
    let wrong = if a.claim.dice == aces { Dice::new(1, 2).unwrap() } else { aces };
    assert_eq!(
        fails(&|receipt| receipt.claim.dice = wrong),
        of(Step::Dice, Why::OtherDice(a.claim.dice))
    );
    let stranger = net.keys[3].peer();
    assert_eq!(
        fails(&|receipt| receipt.claim.player = Some(stranger)),
        of(Step::Bet, Why::NoBet(stranger))
    );
    let more = vec![(stranger, Chips(1))];
    assert_eq!(
        fails(&|receipt| receipt.claim.payouts = List::new(more.clone()).unwrap()),
        of(Step::Payout, Why::OtherPayouts)
    );
}

#[test]
fn a_roll_that_became_final_as_an_ancestor_is_proved_by_the_blocks_after_it() {
    let mut net = Net::new(4, "test");
    net.is_signed = false;
    let round = net.roll();
    assert_eq!(net.rolls.material(TABLE, round).err(), Some(NoReceipt::Unsigned));
    net.advance();
    net.is_signed = true;
    net.advance();
    net.advance();
    let receipt = net.receipt(round, None);
    assert_eq!(receipt.trail.len(), 3);
    assert!(net.verify(&receipt).is_ok());
    let mut shorter = receipt.clone();
    shorter.trail = List::new(receipt.trail[..2].to_vec()).unwrap();
    let why = Why::OtherBlock;
    assert_eq!(net.verify(&shorter).unwrap_err(), Failed { step: Step::Finality, why });
}

#[test]
fn there_is_no_receipt_before_the_dice_nor_for_those_who_did_not_bet() {
    let mut net = Net::new(4, "test");
    net.bet(1, Bet::Pass, 10);
    net.advance();
    net.advance();
    net.act(1, Operation::Roll { table: TABLE, round: Round(1) });
    net.advance();
    assert_eq!(net.rolls.material(TABLE, Round(1)).err(), Some(NoReceipt::Unsettled));
    assert_eq!(net.rolls.material(TABLE, Round(2)).err(), Some(NoReceipt::Unknown));
    net.advance();
    let material = net.rolls.material(TABLE, Round(1)).unwrap();
    let stranger = net.keys[3].peer();
    assert_eq!(material.receipt(Some(stranger)).err(), Some(NoReceipt::NoBet));
}

#[test]
fn what_the_owner_moves_while_the_dice_roll_is_no_part_of_the_payout() {
    let mut net = Net::new(4, "test");
    net.bet(1, Bet::Pass, 10);
    net.advance();
    net.advance();
    net.act(1, Operation::Roll { table: TABLE, round: Round(1) });
    net.advance();
    let drawing = Operation::Draw { table: TABLE, amount: Chips(500) };
    let before = net.chain.state().account(&net.keys[0].peer()).unwrap().balance;
    net.act(0, drawing);
    // The coin settles first, so the draw is an ordinary one by then.
    net.advance();
    let after = net.chain.state().account(&net.keys[0].peer()).unwrap().balance;
    assert_eq!(after.0, before.0 + 500);
    let receipt = net.receipt(Round(1), None);
    assert!(net.verify(&receipt).is_ok());
    assert!(receipt.claim.payouts.iter().all(|(whose, _)| *whose != net.keys[0].peer()));
}

#[test]
fn the_history_is_read_from_the_blocks() {
    let mut net = Net::new(4, "test");
    for _ in 0..5 {
        net.roll();
    }
    let table = &net.chain.state().table(TABLE).unwrap().table;
    let expected = (1..).map(Round).zip(table.history());
    let expected: Vec<_> = expected.map(|(round, dice)| (TABLE, round, dice)).collect();
    assert_eq!(net.dice, expected);
    assert_eq!(expected.len(), 5);
}

/// Answers: how large is a receipt, and how much processor time do making and checking it take?
///
/// `cargo test --release -p bitcraps-protocol receipt::tests::figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
#[expect(clippy::print_stdout, reason = "measures, for reading")]
fn figures() {
    use crate::cpu_time::least;

    for size in [4, 31, 100] {
        let mut net = Net::new(size, "figures");
        let round = net.roll();
        let material = net.rolls.material(TABLE, round).unwrap();
        let peer = net.keys[2].peer();
        let (receipt, made) = least(20, || material.clone().receipt(Some(peer)).unwrap());
        let bytes = receipt.encode();
        let (holds, verified) = least(20, || net.verify(&Receipt::decode(&bytes).unwrap()).is_ok());
        assert!(holds);
        std::println!(
            "n = {size:>3}: receipt {} bytes, {made:.2?} to make, {verified:.2?} to verify",
            bytes.len()
        );
    }
}
