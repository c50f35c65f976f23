//! Chains whose validators make the dice key in their first blocks.

use alloc::boxed::Box;

use super::*;
use crate::beacon::generation::{
    Attest, Generation, Participant, Record, Stage, Statement, Step, VerifiedRecord,
};
use crate::beacon::{ShareSecret, threshold};
use crate::craps::Bet;

const TABLE: TableId = TableId(1);

/// A chain, its tip, and the validators' parts.
struct Making {
    net: Net,
    chain: Chain,
    tip: Tip,
    parts: Vec<Participant>,
    shares: Vec<(u32, ShareSecret)>,
}

impl Making {
    fn new(validators: u8) -> Self {
        let dealt = Net::new(validators, 2);
        let genesis = Genesis::new(
            dealt.genesis.name.clone(),
            (0..validators).map(card).collect(),
            dealt.genesis.allocations.to_vec(),
            dealt.genesis.time,
            BITS,
        );
        let net = Net { genesis: genesis.unwrap(), ..dealt };
        let part = |index: u8| {
            let network = net.genesis.network();
            Participant::new(network, ValidatorIndex(index.into()), &validator(index))
        };
        Self {
            parts: (0..validators).map(part).collect(),
            chain: net.chain(),
            tip: net.tip(),
            net,
            shares: Vec::new(),
        }
    }

    fn generation(&self) -> &Generation {
        self.chain.state().generation().unwrap()
    }

    /// These validators do all there is to do.
    fn work(&mut self, who: impl IntoIterator<Item = usize>) {
        for index in who {
            let part = &mut self.parts[index];
            loop {
                let (state, author) = (self.chain.state(), part.index());
                let deals = |version, dealer| state.deal(version, dealer);
                let said = |kind| self.chain.is_said(author, kind);
                match part.step(state.generation().unwrap(), &deals, said) {
                    Step::Idle => break,
                    Step::Opened => {}
                    Step::Say(signed) => self.chain.submit_record(signed).unwrap(),
                    Step::Share(key, share) => self.shares.push((key.version, share)),
                }
            }
        }
    }

    fn advance(&mut self) -> Finalized {
        self.net.advance(&mut self.chain, &mut self.tip, 1000)
    }

    fn submit(&mut self, player: usize, nonce: u64, operation: Operation) {
        self.chain.submit(self.net.sign(player, nonce, operation)).unwrap();
        let finalized = self.advance();
        assert_eq!(finalized.effects.executed.len(), 1);
    }

    /// Player 0 opens a table; player 1 sits down and bets.
    fn seat(&mut self) {
        self.submit(0, 1, open(5000));
        self.submit(1, 1, Operation::Sit { table: TABLE });
        let (round, amount) = (Round(1), Chips(10));
        self.submit(1, 2, Operation::Bet { table: TABLE, round, bet: Bet::Pass, amount });
    }

    fn said(&self, author: u16, statement: Statement) -> VerifiedRecord {
        let Generation { epoch, version, .. } = *self.generation();
        let record = Record { epoch, version, author: ValidatorIndex(author), statement };
        let keypair = validator(u8::try_from(author).unwrap());
        let signed = record.sign(&keypair, self.net.genesis.network());
        signed.verify(self.net.genesis.network(), self.generation()).unwrap()
    }

    /// The coin of `view` under this key, from as many shares as it takes.
    fn coin(&self, view: View, version: u32) -> CoinProof {
        let network = self.net.genesis.network();
        let input = CoinId { network, epoch: Epoch(0), key_version: version, view }.input();
        let of_key = self.shares.iter().filter(|(of, _)| *of == version);
        let mut shares: Vec<_> =
            of_key.map(|(_, share)| (share.index(), share.coin_share(&input))).collect();
        shares.sort_by_key(|(index, _)| *index);
        shares.truncate(usize::from(self.net.genesis.dice_threshold()));
        CoinProof { view, shares: List::new(shares).unwrap() }
    }

    /// A block of these records alone, as it would be judged.
    fn check(&mut self, records: &[&VerifiedRecord]) -> Result<(), Invalid> {
        let records = records.iter().map(|record| record.signed().clone()).collect();
        let body = Body {
            coins: List::new(vec![]).unwrap(),
            key_generation: List::new(records).unwrap(),
            transactions: List::new(vec![]).unwrap(),
            rolls: List::new(vec![]).unwrap(),
        };
        let commitments = Commitments { transactions: body.root(), ..Commitments::default() };
        let header = self.net.header(self.tip, next(self.tip, 1000), commitments);
        self.chain.check(&header, &body.encode())
    }
}

fn roll() -> Operation {
    Operation::Roll { table: TABLE, round: Round(1) }
}

#[test]
fn the_key_is_in_the_state_and_in_the_headers_once_it_is_made() {
    for n in [1, 2, 4, 7] {
        let mut making = Making::new(n);
        assert_eq!(making.chain.state().meta().dice_key, None);
        assert_eq!(making.chain.state().meta().dice_key_hash, Hash::default());
        assert!(making.chain.is_brisk(&making.tip.hash));
        let everybody = 0..usize::from(n);
        making.work(everybody.clone());
        assert!(making.chain.has_content(&making.tip.hash, making.tip.slot.time));
        making.advance();
        making.work(everybody.clone());
        let slot = next(making.tip, 1000);
        let (header, _) = making.net.propose(&mut making.chain, making.tip, slot);
        making.advance();
        let key = making.chain.state().dice_key(Epoch(0), 0).unwrap().clone();
        assert_eq!(header.commitments.dice_key, key.hash());
        assert_eq!(making.chain.state().meta().dice_key, Some(0));
        assert_eq!(key.threshold, threshold(n.into()));
        assert!(!making.chain.is_brisk(&making.tip.hash));
        assert!(!making.chain.has_content(&making.tip.hash, making.tip.slot.time));
        making.work(everybody);
        assert_eq!(making.shares.len(), usize::from(n));
    }
}

#[test]
fn whoever_worked_ahead_and_whoever_did_not_judge_the_block_that_makes_the_key_alike() {
    let attesting = || {
        let mut making = Making::new(7);
        assert!(!making.chain.work_ahead(), "there are no deals to add");
        making.work(0..7);
        making.advance();
        making.work(0..7);
        making
    };
    let (mut eager, lazy) = (attesting(), attesting());
    assert!(eager.chain.work_ahead(), "seven deals and seven members are one piece");
    assert!(!eager.chain.work_ahead(), "there is no more to do");
    let slot = next(eager.tip, 1000);
    let (header, body) = eager.net.propose(&mut eager.chain, eager.tip, slot);
    for mut chain in [eager.chain, lazy.chain] {
        assert_eq!(chain.check(&header, &body), Ok(()));
        chain.finalize(&header.hash());
        assert_eq!(chain.state().meta().dice_key, Some(0));
        assert!(!chain.work_ahead(), "the key is made");
    }
}

#[test]
fn everything_but_the_dice_goes_on_while_the_key_is_made() {
    let mut making = Making::new(4);
    making.seat();
    making.advance();
    let rolling = making.net.sign(1, 3, roll());
    let time = making.tip.slot.time;
    let refused = Err(Rejection::NoDiceKey);
    assert_eq!(making.chain.trial(&making.tip.hash, time, &rolling), refused);
    // Nor are they thrown for a shooter who is late.
    let late = time.plus_millis(quick().shooter_ms + 1000);
    assert!(!making.chain.has_content(&making.tip.hash, late));

    making.work(0..4);
    making.advance();
    making.work(0..4);
    // The block that makes the key still stands on a state without one.
    let (_, commitments) =
        making.chain.build(&making.tip.hash, next(making.tip, 1000), vec![], false).unwrap();
    assert_ne!(commitments.dice_key, Hash::default());
    assert_eq!(making.chain.trial(&making.tip.hash, time, &rolling), refused);
    making.advance();
    assert!(making.chain.has_content(&making.tip.hash, late));
    making.submit(1, 3, roll());
    making.work(0..4);
    let view = making.tip.slot.view;
    let coin = making.coin(view, 0);
    let slot = next(making.tip, 1000);
    let (body, _) = making.chain.build(&making.tip.hash, slot, vec![coin], false).unwrap();
    assert_eq!(Body::decode(&body).unwrap().coins.len(), 1);
}

#[test]
fn a_roll_keeps_the_key_it_was_made_under_when_that_is_retired() {
    // Validator 6 deals badly to 5, who is away until there is a roll.
    let mut making = Making::new(7);
    making.work([0, 1, 2, 3, 4]);
    let run = making.generation().run(making.net.genesis.network());
    let keys = making.generation().sealing_keys();
    let dealer = ValidatorIndex(6);
    let mut deal = crate::beacon::generation::Deal::make(&run, dealer, &keys, 5, &validator(6));
    let mut sealed = deal.sealed.to_vec();
    sealed[5] = sealed[0];
    deal.sealed = List::new(sealed).unwrap();
    let record = making.said(6, Statement::Deal(Box::new(deal)));
    making.chain.submit_record(record.signed().clone()).unwrap();
    making.seat();
    while !making.generation().is_active() {
        making.work([0, 1, 2, 3, 4]);
        making.advance();
    }
    making.work([0, 1, 2, 3, 4]);
    making.submit(1, 3, roll());
    let view = making.tip.slot.view;

    making.work([5]);
    let finalized = making.advance();
    assert_eq!(finalized.effects.excluded, vec![dealer]);
    assert_eq!(making.chain.state().meta().dice_key, None);
    assert_eq!(making.generation().version, 1);
    assert!(making.chain.state().deal(0, dealer).is_some(), "a restarted node may need it");
    let key = |making: &Making| making.chain.roll_key(&making.tip.hash);
    assert_eq!(key(&making), None, "no roll in this block");
    while !making.generation().is_active() {
        making.work(0..6);
        making.advance();
    }
    assert_eq!(making.chain.state().meta().dice_key, Some(1));
    assert_eq!(making.chain.unrecorded(&making.tip.hash), vec![view]);

    let coin = making.coin(view, 0);
    let slot = next(making.tip, 1000);
    let (body, commitments) =
        making.chain.build(&making.tip.hash, slot, vec![coin], false).unwrap();
    let header = making.net.header(making.tip, slot, commitments);
    assert_eq!(making.chain.check(&header, &body), Ok(()));
    let finalized = making.chain.finalize(&header.hash());
    assert_eq!(finalized.effects.settled.len(), 1);
    assert_eq!(making.chain.state().deal(0, dealer), None);
    assert!(making.generation().retired.is_empty());
    assert!(making.chain.state().dice_key(Epoch(0), 0).is_some(), "for receipts");
}

#[test]
fn a_block_with_a_record_out_of_place_is_not_valid() {
    let mut making = Making::new(4);
    making.work(0..4);
    let run = making.generation().run(making.net.genesis.network());
    let keys = making.generation().sealing_keys();
    let deal =
        crate::beacon::generation::Deal::make(&run, ValidatorIndex(0), &keys, 3, &validator(0));
    let deal = making.said(0, Statement::Deal(Box::new(deal)));
    let bad = |index, why| Err(Invalid::BadRecord { index, why });
    assert_eq!(making.check(&[&deal, &deal]), bad(1, BadRecord::Repeated));
    assert_eq!(making.check(&[&deal]), Err(Invalid::WrongCommitments), "the record is good");
    making.advance();
    assert_eq!(making.check(&[&deal]), bad(0, BadRecord::Repeated));

    let network = making.net.genesis.network();
    let other_run = making.generation().run_of(network, 9);
    let secret = SealingSecret::of(&validator(0));
    let good = making.chain.state().deal(0, ValidatorIndex(1)).unwrap();
    let complaint = good.open(&other_run, ValidatorIndex(1), ValidatorIndex(0), &secret);
    let complaints = List::new(vec![complaint.unwrap_err()]).unwrap();
    let deals = making.generation().deals_hash(network);
    let falsely = making.said(0, Statement::Attest(Attest { deals, complaints }));
    let false_complaint = bad(0, BadRecord::FalseComplaint(ValidatorIndex(1)));
    assert_eq!(making.check(&[&falsely]), false_complaint);

    let net = Net::new(4, 2);
    let mut dealt = net.chain();
    let body = Body {
        coins: List::new(vec![]).unwrap(),
        key_generation: List::new(vec![deal.signed().clone()]).unwrap(),
        transactions: List::new(vec![]).unwrap(),
        rolls: List::new(vec![]).unwrap(),
    };
    let commitments = Commitments { transactions: body.root(), ..Commitments::default() };
    let header = net.header(net.tip(), next(net.tip(), 1), commitments);
    let none = bad(0, BadRecord::NoGeneration);
    assert_eq!(dealt.check(&header, &body.encode()), none);
}

#[test]
fn deals_leave_half_of_a_block_to_others() {
    let mut making = Making::new(64);
    making.work(0..64);
    let slot = next(making.tip, 1000);
    let (_, body) = making.net.propose(&mut making.chain, making.tip, slot);
    assert!(body.len() <= BODY_RECORDS_TARGET_BYTES + 16, "{}", body.len());
    let mut blocks = 0;
    while matches!(making.generation().stage, Stage::Dealing { .. }) {
        making.advance();
        blocks += 1;
    }
    assert_eq!((making.generation().deals.len(), blocks), (64, 10));
}

#[test]
fn more_validators_than_can_make_a_key_together_are_refused() {
    let name = || Text::new("test").unwrap();
    let cards = |n: u8| (0..n).map(card).collect::<Vec<_>>();
    let new = |n| Genesis::new(name(), cards(n), vec![], BlockTime(1), BITS);
    assert_eq!(new(0), Err(GenesisRefusal::NoValidators));
    assert_eq!(new(129), Err(GenesisRefusal::TooManyForKeyGeneration));
    let genesis = new(128).unwrap();
    assert!(!genesis.is_insecure());
    assert_eq!(Genesis::decode(&genesis.encode()), Ok(genesis));
}
